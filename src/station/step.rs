//! The life of a job as one pure function: what may follow what, and what has to be done about it.
//!
//! In:    a [`JobState`] and an [`Event`], both closed enums.
//! Out:   the next state and the [`Action`]s that the shell carries out after the commit; `None` means that the
//!        act is not allowed here.
//! Holds: every pair is named. A new state or event does not compile until someone decides what it means.
//! Never: store, clock, log, process. Never a way from `stopped` to `printing` without a new release.

use crate::status::{DesignSummary, JobState, Reason, Reentry, Side};

/// A designer may die this often before the job fails: it is started again once.
pub const DEATHS_MAX: u32 = 1;
/// A station may be restarted this often under one reading or designing job before the job fails: a case that
/// takes the whole machine down must not do so for ever.
pub const RESTARTS_MAX: u32 = 20;

/// What a named operator vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Who released.
    pub operator: String,
    /// SHA-256 of the G-code that was shown.
    pub sha256: String,
    /// Who released with them; empty: nobody.
    pub second: String,
    /// Spool as written on it.
    pub spool: String,
    /// The supervisor who says that another material than the case's is right; empty: the spool names the case's.
    pub material_by: String,
    /// Side as the order has it; the shell has compared it with the design's.
    pub side: Side,
    /// It is a re-entry at this layer: the part was seen to hold, the bed is not clear.
    pub from_layer: Option<u32>,
}

/// A piece of a scan that came after the case was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The tag of its name in the drop folder.
    pub source: String,
    /// Keys of the series in it.
    pub series: Vec<String>,
}

/// Everything that can happen to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The one designer's place is free and this job is next.
    WorkerFree,
    /// The files are read; design begins.
    Read,
    /// Designed and proved.
    Designed(DesignSummary),
    /// The input is not something this station may print.
    Refused(Reason),
    /// The designer ended in order and says that it failed.
    DesignFailed(Reason),
    /// The designer died, was over its time or over its memory. `deaths` counts earlier ones of this job.
    DesignerDied {
        /// Deaths before this one.
        deaths: u32,
        /// How it died.
        why: Reason,
    },
    /// A named operator released the G-code with this hash.
    Released(Release),
    /// A person wants the print held.
    PauseAsked,
    /// A person wants the print to go on.
    ResumeAsked,
    /// A person gives the job up.
    CancelAsked,
    /// A named person looked at the design and says no, for this reason.
    Rejected(String),
    /// A person, or a rule of the station, takes a job that is over off the list.
    PutAwayAsked {
        /// The rule; empty: a person.
        rule: String,
    },
    /// More of the scan came: a piece in the drop folder, or (`None`) what was taken has grown.
    ScanGrew(Option<Piece>),
    /// A person wants the job tried anew.
    RetryAsked,
    /// A person wants a stopped print to be released anew.
    PrintAgainAsked,
    /// A person measured a part whose print was cut off, and wants it to go on.
    ReentryAsked(Reentry),
    /// The link holds the print.
    LinkPaused,
    /// The link goes on with the print.
    LinkResumed,
    /// The link sent the last line and the printer executed it.
    LinkPrinted,
    /// The link gave the print up: fault, cancel, refusal, power cut, or it knows nothing of it.
    LinkStopped(Reason),
    /// Somebody pressed emergency stop.
    EmergencyStop {
        /// The link answered that it has it.
        taken: bool,
    },
    /// The station started and found the job in this state. `restarts` counts earlier ones under this job.
    StationStarted {
        /// Restarts before this one while the job was read or designed.
        restarts: u32,
    },
}

/// What the shell does after the commit. Each action may be repeated without harm.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start the designer on this case.
    StartDesigner,
    /// End the designer of this case, if it runs.
    StopDesigner,
    /// The drop goes to this folder.
    Place(Place),
    /// Hand the released G-code to the link.
    Print(Release),
    /// Ask the link to hold.
    PausePrint,
    /// Ask the link to go on.
    ResumePrint,
    /// Ask the link to end the print in order: parked, heaters off.
    CancelPrint,
    /// Stop the printer now.
    EmergencyStop,
    /// Ask the link what it knows of this print.
    AskLink,
}

/// Where a drop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The folder `work` of the station's data, by the case's code: taken, not yet decided.
    Work,
    /// The folder `done`, likewise.
    Done,
    /// The folder `quarantine`, with `REASON.txt`.
    Quarantine,
}

/// One step of a job. `None`: the act is not allowed in this state. The same state with no action: nothing to do,
/// nothing to record (a report that came late or twice).
pub fn step(state: JobState, event: &Event) -> Option<(JobState, Vec<Action>)> {
    use {Action as A, Event as E, JobState as S};
    let stay = || Some((state, Vec::new()));
    match (state, event) {
        // --- a new job waits for the one designer ---------------------------------------------------------
        (S::Received, E::WorkerFree) => go(S::Reading, [A::StartDesigner]),
        (S::Received, E::StationStarted { .. }) => go(S::Received, [A::Place(Place::Work)]),
        (S::Received, E::CancelAsked) => go(S::Cancelled, [A::Place(Place::Done)]),

        // --- the designer works -------------------------------------------------------------------------
        (S::Reading, E::Read) => go(S::Designing, []),
        (S::Designing, E::Read) => stay(),
        (S::Designing, E::Designed(_)) => go(S::AwaitingRelease, [A::Place(Place::Done)]),
        // A design without a look at the files is a designer gone mad: not believed.
        (S::Reading, E::Designed(_)) => go(S::Failed, [A::Place(Place::Quarantine)]),
        (S::Reading | S::Designing, E::Refused(_)) => go(S::Refused, [A::Place(Place::Quarantine)]),
        (S::Reading | S::Designing, E::DesignFailed(_)) => {
            go(S::Failed, [A::Place(Place::Quarantine)])
        }
        (S::Reading | S::Designing, E::DesignerDied { deaths, .. }) => {
            if *deaths < DEATHS_MAX {
                go(S::Received, [])
            } else {
                go(S::Failed, [A::Place(Place::Quarantine)])
            }
        }
        (S::Reading | S::Designing, E::CancelAsked) => {
            go(S::Cancelled, [A::StopDesigner, A::Place(Place::Done)])
        }
        (S::Reading | S::Designing, E::StationStarted { restarts }) => {
            if *restarts < RESTARTS_MAX {
                go(S::Received, [A::Place(Place::Work)])
            } else {
                go(S::Failed, [A::Place(Place::Quarantine)])
            }
        }

        // --- a person looks -----------------------------------------------------------------------------
        (S::AwaitingRelease, E::Released(release)) => go(S::Printing, [A::Print(release.clone())]),
        (S::AwaitingRelease, E::CancelAsked) => go(S::Cancelled, [A::Place(Place::Done)]),
        (S::AwaitingRelease, E::Rejected(_)) => go(S::Rejected, [A::Place(Place::Done)]),

        // --- the link prints: its word alone moves the state, but for the emergency stop ------------------
        (S::Printing, E::PauseAsked) => go(S::Printing, [A::PausePrint]),
        (S::Paused, E::ResumeAsked) => go(S::Paused, [A::ResumePrint]),
        (S::Printing | S::Paused, E::CancelAsked) => go(state, [A::CancelPrint]),
        (S::Printing, E::LinkPaused) => go(S::Paused, []),
        (S::Paused, E::LinkResumed) => go(S::Printing, []),
        (S::Paused, E::LinkPaused) | (S::Printing, E::LinkResumed) => stay(),
        (S::Printing | S::Paused, E::LinkPrinted) => go(S::Printed, []),
        (S::Printing | S::Paused, E::LinkStopped(_)) => go(S::Stopped, []),
        (S::Printing | S::Paused, E::EmergencyStop { .. }) => go(S::Stopped, [A::EmergencyStop]),
        // Never restarted: the link is asked what it knows.
        (S::Printing | S::Paused, E::StationStarted { .. }) => go(state, [A::AskLink]),

        // --- a person decides ---------------------------------------------------------------------------
        (S::Failed | S::Refused, E::RetryAsked) => go(S::Received, [A::Place(Place::Work)]),
        (S::Stopped, E::PrintAgainAsked | E::ReentryAsked(_)) => go(S::AwaitingRelease, []),
        // A re-entry that was chosen is given up for the whole part; the drop is where it was.
        (S::AwaitingRelease, E::PrintAgainAsked) => go(S::AwaitingRelease, [A::Place(Place::Done)]),
        // Off the list; files and record stay where they are.
        (
            S::Printed | S::Refused | S::Failed | S::Rejected | S::Cancelled | S::Stopped,
            E::PutAwayAsked { .. },
        ) => stay(),

        // --- more of the scan came: it is designed anew, and what was shown for release is no longer valid ------
        (S::Received | S::AwaitingRelease | S::Refused | S::Failed, E::ScanGrew(_)) => {
            go(S::Received, [A::Place(Place::Work)])
        }
        (S::Reading | S::Designing, E::ScanGrew(_)) => {
            go(S::Received, [A::StopDesigner, A::Place(Place::Work)])
        }
        // What was released or given up stays as it is: what came later is a case of its own.
        (
            S::Printing | S::Paused | S::Printed | S::Rejected | S::Cancelled | S::Stopped,
            E::ScanGrew(_),
        ) => None,

        // --- a restart finishes what the last commit promised -------------------------------------------------
        (S::AwaitingRelease | S::Rejected | S::Cancelled, E::StationStarted { .. }) => {
            go(state, [A::Place(Place::Done)])
        }
        (S::Refused | S::Failed, E::StationStarted { .. }) => {
            go(state, [A::Place(Place::Quarantine)])
        }
        (S::Printed | S::Stopped, E::StationStarted { .. }) => stay(),

        // --- emergency stop leaves everything else as it is -----------------------------------------------
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::AwaitingRelease
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::EmergencyStop { .. },
        ) => stay(),

        // --- the last words of a designer that was ended: late, not wrong --------------------------------------
        (
            S::Received
            | S::AwaitingRelease
            | S::Printing
            | S::Paused
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::Read | E::Designed(_) | E::Refused(_) | E::DesignFailed(_) | E::DesignerDied { .. },
        ) => stay(),

        // --- reports of a print that is over or not ours --------------------------------------------------
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::AwaitingRelease
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::LinkPaused | E::LinkResumed | E::LinkPrinted | E::LinkStopped(_),
        ) => stay(),

        // --- the free place is offered to waiting jobs only -------------------------------------------------
        (
            S::Reading
            | S::Designing
            | S::AwaitingRelease
            | S::Printing
            | S::Paused
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::WorkerFree,
        ) => stay(),

        // --- acts that mean nothing here ------------------------------------------------------------------
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::Printing
            | S::Paused
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::Released(_),
        ) => None,
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::AwaitingRelease
            | S::Paused
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::PauseAsked,
        ) => None,
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::AwaitingRelease
            | S::Printing
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::ResumeAsked,
        ) => None,
        (
            S::Printed | S::Refused | S::Failed | S::Rejected | S::Cancelled | S::Stopped,
            E::CancelAsked,
        ) => None,
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::Printing
            | S::Paused
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::Rejected(_),
        ) => None,
        (
            S::Received | S::Reading | S::Designing | S::AwaitingRelease | S::Printing | S::Paused,
            E::PutAwayAsked { .. },
        ) => None,
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::AwaitingRelease
            | S::Printing
            | S::Paused
            | S::Printed
            | S::Rejected
            | S::Cancelled
            | S::Stopped,
            E::RetryAsked,
        ) => None,
        (
            S::Received
            | S::Reading
            | S::Designing
            | S::Printing
            | S::Paused
            | S::Printed
            | S::Refused
            | S::Failed
            | S::Rejected
            | S::Cancelled,
            E::PrintAgainAsked | E::ReentryAsked(_),
        )
        | (S::AwaitingRelease, E::ReentryAsked(_)) => None,
    }
}

fn go<const N: usize>(state: JobState, actions: [Action; N]) -> Option<(JobState, Vec<Action>)> {
    Some((state, actions.into()))
}

impl Event {
    /// Stable name, as it stands in the record and as the fail point is called.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WorkerFree => "worker_free",
            Self::Read => "read",
            Self::Designed(_) => "designed",
            Self::Refused(_) => "refused",
            Self::DesignFailed(_) => "design_failed",
            Self::DesignerDied { .. } => "designer_died",
            Self::Released(_) => "released",
            Self::PauseAsked => "pause_asked",
            Self::ResumeAsked => "resume_asked",
            Self::CancelAsked => "cancel_asked",
            Self::Rejected(_) => "rejected",
            Self::PutAwayAsked { .. } => "put_away",
            Self::ScanGrew(_) => "scan_grew",
            Self::RetryAsked => "retry_asked",
            Self::PrintAgainAsked => "print_again_asked",
            Self::ReentryAsked(_) => "reentry_asked",
            Self::LinkPaused => "link_paused",
            Self::LinkResumed => "link_resumed",
            Self::LinkPrinted => "link_printed",
            Self::LinkStopped(_) => "link_stopped",
            Self::EmergencyStop { .. } => "emergency_stop",
            Self::StationStarted { .. } => "station_started",
        }
    }
}

#[cfg(test)]
mod tests;
