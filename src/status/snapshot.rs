//! Everything a screen may show, at one instant.

use super::{Finding, JobState, Progress, Reentry, SetupCode, Severity, Side, Tuning, UpdateView};
use serde::{Deserialize, Serialize};

/// Above this a nozzle or bed burns whoever touches it, degrees Celsius: every screen says so.
pub const HOT_C: f64 = 50.0;

/// The station, its printer and its jobs at one instant. Page, LCD and API are drawn from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Grows with every change.
    pub revision: u64,
    /// The station itself.
    pub station: StationView,
    /// The printer behind the link.
    pub printer: PrinterView,
    /// Jobs, newest first: all that are not over, and the newest of the others that were not put away.
    pub jobs: Vec<JobView>,
}

/// A piece of the history: every case there is, newest first, those that were put away among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Cases, newest first.
    pub jobs: Vec<JobView>,
    /// Older cases than these.
    pub older: u32,
}

/// The station itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StationView {
    /// Version of the program.
    pub version: String,
    /// `true` until the first rescan and the link's first answer.
    pub starting: bool,
    /// Things that are wrong with the station (disk full, models missing, …), with what to do.
    pub attention: Vec<Finding>,
    /// Name, quality and licence of the weights in use, one line.
    pub weights: String,
    /// Address of the page, for the LCD.
    pub address: String,
    /// SHA-256 of the page's certificate, upper-case hex in pairs with colons; empty: the page is plain.
    #[serde(default)]
    pub certificate: String,
    /// Wall clock at the snapshot, RFC 3339.
    pub now: String,
    /// Nobody is on the list, and the station waits for its setup code.
    #[serde(default)]
    pub setup: bool,
    /// That code, for the display alone.
    #[serde(skip)]
    pub setup_code: SetupCode,
    /// What is installed, and what becomes of an update.
    #[serde(default)]
    pub update: UpdateView,
    /// How many people may release a print; 0: nobody may release yet (`calvaria operator add`).
    #[serde(default)]
    pub releasers: u32,
    /// How many of them are supervisors.
    #[serde(default)]
    pub supervisors: u32,
    /// How many people a release needs, 1 or 2.
    #[serde(default)]
    pub persons: u32,
    /// Cases beside those shown: older ones, and those that were put away.
    #[serde(default)]
    pub more: u32,
}

/// What the link does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrinterState {
    /// The link process does not answer.
    #[default]
    LinkDown,
    /// The link is there, the printer is not.
    Disconnected,
    /// Nothing to do.
    Idle,
    /// A job runs.
    Printing,
    /// A job is held.
    Paused,
    /// Halted by a fault or by the emergency stop.
    Halted,
}

/// Temperature of a heater, degrees Celsius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heater {
    /// Measured.
    pub now_c: f64,
    /// Wanted; 0 is off.
    pub target_c: f64,
}

/// A question of the printer's own panel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The question, in the firmware's words.
    pub text: String,
    /// What may be answered, in order; empty: go on.
    pub choices: Vec<String>,
}

/// The printer behind the link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrinterView {
    /// What it does.
    pub state: PrinterState,
    /// `true`: no metal moves. Every screen says so.
    pub is_virtual: bool,
    /// Firmware's name or the port, for people.
    pub name: String,
    /// Hotend; `None` (`null`): not known now, which is not cold.
    #[serde(default)]
    pub hotend: Option<Heater>,
    /// Bed, likewise.
    #[serde(default)]
    pub bed: Option<Heater>,
    /// Case on the printer.
    #[serde(default)]
    pub job: Option<String>,
    /// 0 to 1 of the print, by planned time.
    pub fraction: f64,
    /// Seconds left by plan.
    pub left_s: f64,
    /// Seconds since the print began.
    pub spent_s: f64,
    /// Layer in work, from 1, and how many there are.
    pub layer: u32,
    /// Layers of the job.
    pub layers: u32,
    /// What is wrong now, with what to do.
    #[serde(default)]
    pub fault: Option<Finding>,
    /// What it asks at its own panel; shown where [`PrinterView::question`] says so.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// What was changed of the print that runs, and may be; `None`: nothing is printed that could be tuned.
    #[serde(default)]
    pub tuning: Option<Tuning>,
    /// What was wrong, once its cause has ended: worth knowing, nobody is needed for it.
    #[serde(default)]
    pub past_fault: Option<Finding>,
    /// Port in force on the link.
    #[serde(default)]
    pub port: String,
    /// Bits per second in force on the link; 0: not known.
    #[serde(default)]
    pub baud: u32,
    /// Name of the profile in force on the link; empty: not known.
    #[serde(default)]
    pub profile: String,
    /// SHA-256 of what that profile says, lower-case hex; empty: not known.
    #[serde(default)]
    pub profile_sha256: String,
    /// Why nothing may be printed on this link although it answers, with what to do, e.g. it runs with another port
    /// or profile than the station's.
    #[serde(default)]
    pub barred: Option<Finding>,
    /// The case whose part, or the rest of it, still lies on the bed as far as anybody has said.
    #[serde(default)]
    pub on_bed: Option<String>,
}

impl PrinterView {
    /// The hottest of nozzle and bed where it is above [`HOT_C`], degrees Celsius.
    pub fn hot_c(&self) -> Option<f64> {
        let heaters = [self.hotend, self.bed];
        let hottest = heaters.iter().flatten().map(|h| h.now_c);
        hottest.filter(|c| *c > HOT_C).reduce(f64::max)
    }

    /// What the printer asks, where people shall be asked it: never beside a stop, a halt or another fault that ends
    /// a print, and of a printer that answers alone.
    pub fn question(&self) -> Option<&Prompt> {
        let hears = match self.state {
            PrinterState::Idle | PrinterState::Printing | PrinterState::Paused => true,
            PrinterState::LinkDown | PrinterState::Disconnected | PrinterState::Halted => false,
        };
        let graver = self.fault.as_ref().map(|f| f.severity) == Some(Severity::Refuse);
        self.prompt.as_ref().filter(|_| hears && !graver)
    }

    /// A person has to look at the printer and bring it back: it halted, it went away without an answer to a stop, or
    /// another one answers than before.
    pub fn needs_recovery(&self) -> bool {
        let of_absent = [
            "stop_unanswered",
            "other_printer",
            "wrong_firmware",
            "wrong_profile",
        ];
        let fault = self.fault.as_ref().map_or("", |f| f.name.as_str());
        match self.state {
            PrinterState::Halted => true,
            PrinterState::Disconnected => of_absent.contains(&fault),
            PrinterState::LinkDown
            | PrinterState::Idle
            | PrinterState::Printing
            | PrinterState::Paused => false,
        }
    }

    /// Nozzle and bed are both known to be what they are said to be.
    pub fn temperatures_known(&self) -> bool {
        self.hotend.is_some() && self.bed.is_some()
    }
}

/// Who took a case off the list, when, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutAway {
    /// The person, or `station` where a rule did it.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// The rule, e.g. `retention.days = 90`; empty where a person did it.
    #[serde(default)]
    pub rule: String,
}

/// One job as people see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Case code, e.g. `K7-2043`.
    pub code: String,
    /// Where it stands.
    pub state: JobState,
    /// Why it stands there (refused, failed, stopped).
    #[serde(default)]
    pub reason: String,
    /// What to do about it.
    #[serde(default, rename = "do")]
    pub next: String,
    /// How far it is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// Findings so far.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// SHA-256 of the checked G-code, once designed.
    #[serde(default)]
    pub gcode_sha256: Option<String>,
    /// Side of the defect, once designed.
    #[serde(default)]
    pub side: Option<Side>,
    /// Where the hole is, in words.
    #[serde(default)]
    pub place: String,
    /// Print time by plan, seconds.
    #[serde(default)]
    pub print_s: Option<f64>,
    /// Filament, grams.
    #[serde(default)]
    pub filament_g: Option<f64>,
    /// Name, quality and licence of the weights that designed it, one line.
    #[serde(default)]
    pub weights: String,
    /// Material it was sliced for, e.g. `pla`.
    #[serde(default)]
    pub material: String,
    /// A finding is doubtful: one of those who release must be a supervisor.
    #[serde(default)]
    pub doubt: bool,
    /// How many people its release needs, 1 or 2.
    #[serde(default)]
    pub persons: u32,
    /// Who released the last print.
    #[serde(default)]
    pub released_by: String,
    /// Who released it with them; empty: nobody.
    #[serde(default)]
    pub seconded_by: String,
    /// Spool of the last print, as it was written.
    #[serde(default)]
    pub spool: String,
    /// Its part, or the rest of it, still lies on the bed as far as anybody has said.
    #[serde(default)]
    pub on_bed: bool,
    /// Stopped: where it may go on, or why not. Later: the re-entry that was chosen.
    #[serde(default)]
    pub reentry: Option<Reentry>,
    /// Off the list, and by whom.
    #[serde(default)]
    pub put_away: Option<PutAway>,
    /// When it was received, RFC 3339.
    pub received: String,
    /// When it last changed, RFC 3339.
    pub changed: String,
    /// Files that can be fetched, by name.
    #[serde(default)]
    pub files: Vec<String>,
}
