//! Choice: what matters most at this instant, and what is told beside it.
//!
//! Order: by what a person has to do now. A printer that needs somebody, a print, what keeps the station from its work,
//! what should be mended, how the last case ended, start, release, work, what is merely worth knowing, rest. A running
//! print is never hidden behind anything but its own printer; a release that waits is told beside what goes before it.

use crate::status::{Finding, JobState, JobView, NotReady, PrinterState, Severity, Snapshot};

/// What the LCD shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Until printer and drop folder were looked at.
    Starting,
    /// Nobody may use it yet: the code that makes the first supervisor.
    SetUp,
    /// Nothing to do.
    Idle,
    /// A scan is read or designed.
    InWork,
    /// Somebody has to look and release.
    AwaitingRelease,
    /// On the printer, or held there.
    Printing,
    /// Something is wrong.
    Attention,
}

impl Screen {
    /// Name in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::SetUp => "set-up",
            Self::Idle => "idle",
            Self::InWork => "in-work",
            Self::AwaitingRelease => "awaiting-release",
            Self::Printing => "printing",
            Self::Attention => "attention",
        }
    }
}

/// What the snapshot asks to be shown.
pub fn screen_of(snapshot: &Snapshot) -> Screen {
    let grave = snapshot.printer.fault.is_some() || print(snapshot).is_some();
    if snapshot.station.setup && !snapshot.station.setup_code.0.is_empty() && !grave {
        // Whatever else is wrong, somebody has to be there first.
        Screen::SetUp
    } else if trouble(snapshot).is_some() {
        Screen::Attention
    } else if print(snapshot).is_some() {
        Screen::Printing
    } else if snapshot.station.starting {
        Screen::Starting
    } else if newest(snapshot, JobState::AwaitingRelease).is_some() {
        Screen::AwaitingRelease
    } else if at_work(snapshot).is_some() {
        Screen::InWork
    } else if remark(snapshot).is_some() {
        Screen::Attention
    } else {
        Screen::Idle
    }
}

/// Which picture the screen wants: code and file name.
pub(super) fn pictured(snapshot: &Snapshot) -> Option<(String, String)> {
    if screen_of(snapshot) != Screen::AwaitingRelease {
        return None;
    }
    let job = newest(snapshot, JobState::AwaitingRelease)?;
    let wanted = [
        crate::status::REENTRY_PICTURE,
        "preview-fit.png",
        "preview-front.png",
    ];
    let name = wanted
        .into_iter()
        .skip(usize::from(job.reentry.is_none()))
        .find(|n| job.files.iter().any(|f| f == n))?;
    Some((job.code.clone(), name.into()))
}

/// Something that needs somebody.
pub(super) struct Trouble {
    pub(super) title: String,
    pub(super) what: String,
    pub(super) next: String,
    /// A fault flashes; what merely waits for somebody does not.
    pub(super) fault: bool,
}

pub(super) fn trouble(snapshot: &Snapshot) -> Option<Trouble> {
    let told = |title: &str, finding: &Finding, fault: bool| Trouble {
        title: title.into(),
        what: finding.text.clone(),
        next: String::new(),
        fault,
    };
    let (printer, station) = (&snapshot.printer, &snapshot.station);
    // A stop, a halt and whatever else ends a print leave no question.
    if let Some(prompt) = printer.question() {
        return Some(Trouble {
            title: "It asks".into(),
            what: prompt.text.clone(),
            next: "Answer on the page or at the printer.".into(),
            fault: false,
        });
    }
    if let Some(fault) = &printer.fault {
        return Some(told("Printer", fault, true));
    }
    if print(snapshot).is_some() {
        // Its figures are old: whoever walks past must not take them for true.
        let lost = printer.state == PrinterState::LinkDown && !station.starting;
        return lost.then(|| Trouble {
            title: "No answer".into(),
            what: "The printer link does not answer.".into(),
            next: "The print may go on: look at the printer. Tell IT.".into(),
            fault: true,
        });
    }
    if printer.state == PrinterState::Halted {
        return Some(Trouble {
            title: "Halted".into(),
            what: "The printer is halted. It may be hot.".into(),
            next: "Look at it, then reset it on the page.".into(),
            fault: true,
        });
    }
    if let Some(finding) = first(snapshot, Severity::Refuse) {
        return Some(told("Look here", finding, true));
    }
    if let Some(barred) = &printer.barred {
        return Some(told("Printer link", barred, false));
    }
    if let Some(finding) = first(snapshot, Severity::Warn) {
        return Some(told("Look here", finding, false));
    }
    ended_badly(snapshot)
}

/// Of several findings of the station that weigh the same the first.
fn first(snapshot: &Snapshot, severity: Severity) -> Option<&Finding> {
    let mut attention = snapshot.station.attention.iter();
    attention.find(|f| f.severity == severity)
}

/// What is worth knowing while nobody is needed.
pub(super) fn remark(snapshot: &Snapshot) -> Option<Trouble> {
    let finding = first(snapshot, Severity::Info)?;
    Some(Trouble {
        title: "Note".into(),
        what: finding.text.clone(),
        next: String::new(),
        fault: false,
    })
}

/// The last thing that happened ended badly: shown until something else happens.
fn ended_badly(snapshot: &Snapshot) -> Option<Trouble> {
    let jobs = snapshot.jobs.iter();
    let last = jobs.max_by(|a, b| a.changed.cmp(&b.changed))?;
    let (word, fault) = match last.state {
        JobState::Stopped => ("stopped", true),
        JobState::Failed => ("failed", true),
        JobState::Refused => ("refused", false),
        JobState::Received
        | JobState::Reading
        | JobState::Designing
        | JobState::AwaitingRelease
        | JobState::Printing
        | JobState::Paused
        | JobState::Printed
        | JobState::Rejected
        | JobState::Cancelled => return None,
    };
    Some(Trouble {
        title: format!("{} {word}", last.code),
        what: last.reason.clone(),
        next: super::reentry::next(last).unwrap_or_else(|| last.next.clone()),
        fault,
    })
}

/// The print that runs or is held.
pub(super) struct Print<'a> {
    pub(super) code: &'a str,
    pub(super) paused: bool,
    /// What it does when it does not simply print.
    pub(super) word: &'a str,
}

/// By the station's record, else by what the printer says: while the record can not be read a print still goes on.
pub(super) fn print(snapshot: &Snapshot) -> Option<Print<'_>> {
    let prints = |s| matches!(s, JobState::Printing | JobState::Paused);
    if let Some(job) = snapshot.jobs.iter().find(|j| prints(j.state)) {
        return Some(Print {
            code: &job.code,
            paused: job.state == JobState::Paused,
            word: job.progress.as_ref().map_or("", |p| p.text.as_str()),
        });
    }
    let printer = &snapshot.printer;
    let runs = matches!(printer.state, PrinterState::Printing | PrinterState::Paused);
    let code = printer.job.as_deref().filter(|_| runs)?;
    Some(Print {
        code,
        paused: printer.state == PrinterState::Paused,
        word: "",
    })
}

/// Findings by the beginning of their names, and how they are told in a band of the smallest screen, beside the word
/// `virtual`.
const NOTICES: [(&str, &str); 5] = [
    ("drop_waits", "A copy has not ended"),
    ("drop_", "Look into the drop folder"),
    ("disk_", "The disk is nearly full"),
    ("no_store", "No record is kept"),
    ("link_differs", "Another printer link"),
];
/// Any other.
const NEEDED: &str = "Somebody is needed";

/// What is told in one line beside a print or a design: what else needs somebody, and where to read it.
pub(super) fn notice(snapshot: &Snapshot) -> Option<&'static str> {
    let station = snapshot.station.attention.iter();
    let finding = station
        .max_by_key(|f| f.severity)
        .or(snapshot.printer.barred.as_ref())?;
    let kind = NOTICES
        .into_iter()
        .find(|(name, _)| finding.name.starts_with(name));
    Some(kind.map_or(NEEDED, |(_, words)| words))
}

/// What is to be done at the printer before a part that waits can be printed; `None`: nothing.
pub(super) fn in_the_way(snapshot: &Snapshot) -> Option<String> {
    match snapshot.not_ready()? {
        NotReady::PartOnBed(code) => Some(format!("First take {code} off the bed.")),
        NotReady::Hot(c) => Some(format!("The printer is hot: {c:.0}\u{b0}.")),
        _ => None,
    }
}

/// What keeps somebody from walking up and printing, as title and what to do; `None`: ready.
pub(super) fn not_ready(snapshot: &Snapshot) -> Option<(String, String)> {
    let (title, text) = match snapshot.not_ready()? {
        NotReady::Starting => ("Starting", "Looking for the printer and at the drop folder.".into()),
        NotReady::LinkDown => (
            "No printer",
            "The printer link does not answer. Scans are taken and designed; tell IT.".into(),
        ),
        NotReady::NoPrinter => {
            let on = match snapshot.printer.port.as_str() {
                "" => String::new(),
                port => format!(" ({port})"),
            };
            let text = "Switch the printer on and check its cable";
            ("No printer", format!("{text}{on}. Scans are taken and designed."))
        }
        NotReady::Halted => ("Halted", "Look at the printer.".into()),
        NotReady::Busy => ("Printer busy", "Look at the printer.".into()),
        NotReady::Barred => ("Printer link", "Nothing may be printed on it. See the page.".into()),
        NotReady::PartOnBed(code) => (
            "Clear the bed",
            format!("The part of {code} lies on it. Take it off, then say so on the page."),
        ),
        NotReady::Hot(c) => ("Hot", format!("Do not touch the printer: {c:.0}\u{b0}.")),
        NotReady::Station(_) => ("Look here", "The station needs somebody. See the page.".into()),
        NotReady::NobodyMayRelease => (
            "No operator",
            "Nobody may release a print yet. Tell IT: calvaria operator add. Scans are taken and designed.".into(),
        ),
    };
    Some((title.into(), text))
}

pub(super) fn at_work(snapshot: &Snapshot) -> Option<&JobView> {
    let works = |s| matches!(s, JobState::Reading | JobState::Designing);
    let waiting = || newest(snapshot, JobState::Received);
    snapshot
        .jobs
        .iter()
        .find(|j| works(j.state))
        .or_else(waiting)
}

pub(super) fn newest(snapshot: &Snapshot, state: JobState) -> Option<&JobView> {
    snapshot.jobs.iter().find(|j| j.state == state)
}

#[cfg(test)]
mod tests {
    use super::super::text::{Face, width};
    use super::*;

    #[test]
    fn a_notice_fits_beside_the_corner_of_the_smallest_screen() {
        let room = 320 - 2 * 12 - width("virtual", Face::P16);
        let all = NOTICES.into_iter().map(|(_, words)| words);
        for words in all.chain([NEEDED]) {
            let w = width(words, Face::P16);
            assert!(w < room, "{words}: {w} of {room}");
        }
    }
}
