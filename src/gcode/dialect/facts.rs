//! Facts: what a row of the table consists of.

use super::procedures::Known;

/// One firmware family. Texts are in lower case where they are compared with what a printer says.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Name in a profile.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Source and version that the row was read from.
    pub source: &'static str,
    /// How the value of `FIRMWARE_NAME:` begins.
    pub firmware_names: &'static [&'static str],
    /// The answer to `M115` is one line that begins with `ok`.
    pub name_behind_ok: bool,
    /// Does the name of a single machine come with `M115`?
    pub uuid: Uuid,
    /// Lines of `Cap:NAME:0|1` follow the name.
    pub has_capabilities: bool,
    /// What `N` and `*` mean.
    pub numbering: Numbering,
    /// How a line is asked for again.
    pub resend: Resend,
    /// When an `ok` is sent.
    pub ok_time: OkTime,
    /// What stands behind `ok`.
    pub ok_form: OkForm,
    /// An empty line, or one with only a comment, is answered with `ok`.
    pub ok_for_empty_line: bool,
    /// How `M105` is answered.
    pub temperatures: TemperatureAnswer,
    /// Unacknowledged lines that keep the receiver awake, so that a bare `M112` is read at once.
    pub window_max: usize,
    /// A line is read, and answered or refused, only when the one before was carried out.
    pub one_place: bool,
    /// Longest line with its terminator, bytes.
    pub line_max_bytes: usize,
    /// What becomes of a longer line.
    pub overlong: Overlong,
    /// Only printable ASCII may be sent: another byte costs more than its own line.
    pub ascii_only: bool,
    /// `busy:` lines come while a handler runs.
    pub has_busy: bool,
    /// `busy:` lines come while it heats, in every version of the row.
    pub busy_while_heating: bool,
    /// Commands that are not known here although Marlin knows them: never an error, never sent for their effect.
    pub unknown_here: &'static [(char, u32)],
    /// How an unknown command is named.
    pub unknown_text: &'static str,
    /// What it does by itself when a file asks for it.
    pub procedures: &'static [Known],
    /// What lines while heating look like.
    pub heating_lines: &'static [&'static str],
    /// Limits of time.
    pub times: Times,
    /// How G90, G91, M82 and M83 rule E.
    pub relative_e: RelativeE,
    /// Which words of M104, M109, M140 and M190 set a target.
    pub heating: Heating,
    /// What stops it at once.
    pub emergency: Emergency,
    /// Host actions that it may send, without `//action:`.
    pub actions: &'static [&'static str],
    /// `M876 S<n>` answers its prompts (where the build has them).
    pub has_prompts: bool,
    /// `M108` ends a wait for heat or for a person.
    pub has_m108: bool,
    /// `M155 S<n>` is known.
    pub has_m155: bool,
    /// `M73 P<percent> R<minutes>` shows at its own panel how far the print is.
    pub has_m73: bool,
    /// `M85 S<n>` halts a printer that nobody moves any more, or switches it off.
    pub has_m85: bool,
    /// Error texts in lower case and their class; the first that is contained decides.
    pub errors: &'static [(&'static str, ErrorClass)],
    /// Class of an `Error` that no text of the row names.
    pub other_error: ErrorClass,
    /// The word with which an error begins, in lower case.
    pub error_words: &'static [&'static str],
    /// `M400` returns when every planned move has ended.
    pub has_m400: bool,
    /// Answer to `M114`.
    pub position: Position,
    /// What opening the port does.
    pub at_connect: AtConnect,
    /// Lines that only a board that has just started says, in lower case.
    pub boot_lines: &'static [&'static str],
}

/// What `N<n>` and `*<sum>` mean to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// A number that is not the next one is noticed: a line that was lost is asked for again.
    pub order_checked: bool,
    /// A wrong checksum is noticed.
    pub checksum_checked: bool,
    /// A numbered line without a checksum is refused. Where it is not, a line cut by a false line end is carried out.
    pub checksum_needed: bool,
    /// What happens to a number that was there already.
    pub repeated: Repeated,
    /// Numbers are compared in so many bits; 0: all.
    pub number_bits: u32,
    /// A `*` in a line without `N` is refused.
    pub bare_star_refused: bool,
    /// The checksum of a line without `N` is looked at, where it has one.
    pub bare_checksum_checked: bool,
    /// Of several `N` in a line the last one counts, wherever it stands. A line that begins with a number which is never
    /// due and ends with its own is taken whole or not at all, though its checksum may be missing. `(` and `%` end a line.
    pub last_counts: bool,
    /// Numbers of the `M` whose text swallows what is behind it, number and checksum.
    pub texts: &'static [u32],
}

impl Numbering {
    /// May a line be sent again under its number without the danger that it is carried out twice?
    pub fn may_repeat(&self) -> bool {
        self.repeated != Repeated::Executed
    }
}

/// What becomes of a line whose number was accepted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// By version: swallowed in silence (Marlin 2.1, the last two numbers), or refused with a Resend (2.0).
    SwallowedOrRefused,
    /// An error and a Resend of the next one.
    Refused,
    /// Said to be skipped, and `ok`.
    Skipped,
    /// It is carried out once more.
    Executed,
}

/// How a line is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// `Resend: n` after an error; an `ok` follows in most builds.
    AfterError,
    /// `Resend: n`, always with `ok`.
    WithOk,
    /// Never: a damaged line is dropped in silence.
    DroppedInSilence,
    /// Never: a damaged line is carried out as it came.
    CarriedOut,
}

/// When an `ok` is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OkTime {
    /// After the handler has returned: for a move, when it was planned; for a wait, when it is over.
    AfterHandler,
    /// When the line was read and put into the queue: it says nothing about a wait.
    OnReceipt,
}

/// What stands behind `ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OkForm {
    /// Nothing, or `N<n> P<n> B<n>` in builds with ADVANCED_OK.
    PlainOrAdvanced,
    /// Nothing.
    Plain,
    /// The line's number: `ok 12`.
    Number,
}

/// How `M105` is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemperatureAnswer {
    /// `ok T:..` in one line, in the line's turn: it proves every line before it.
    OkT,
    /// `ok B:.. T0:..` or `ok T0:..` in one line, in the line's turn.
    OkT0,
    /// `ok` first; a line `T:..` when its turn comes.
    LaterLine,
}

/// What becomes of a line that is longer than the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlong {
    /// The rest is dropped, the checksum with it.
    Cut,
    /// It ends there; the rest is taken as a line of its own.
    Split,
    /// Refused with a Resend or an error.
    Refused,
    /// There is no limit that matters.
    NoLimit,
}

/// Limits of time, s: so long a command may give no sign of life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// G28.
    pub home_silent_s: f64,
    /// G28 altogether.
    pub home_s: f64,
    /// G29 and other probing.
    pub probe_silent_s: f64,
    /// M109, M190: between two reports.
    pub heat_silent_s: f64,
    /// Bed or hotend, from the order to the target, at most.
    pub heat_s: f64,
    /// Every other command, beyond the planned time of what is before it.
    pub other_silent_s: f64,
    /// Between two `busy:` lines; 0 where there are none.
    pub busy_every_s: f64,
    /// A half line is thrown away after so long; 0: never.
    pub half_line_s: f64,
    /// Heaters go off by themselves without moves after so long; 0: never.
    pub idle_heat_off_s: f64,
}

/// How the extruder's mode follows from G90, G91, M82 and M83.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelativeE {
    /// The last of the four decides: `G90` after `M83` makes E absolute.
    LastWord,
    /// Only M82 and M83: `G90` after `M83` leaves E relative, `G91` after `M82` leaves it absolute.
    OwnSwitch,
    /// Relative when G91 or M83 is in force.
    Either,
    /// As [`RelativeE::LastWord`], or as [`RelativeE::OwnSwitch`] after `M862.3 P "MK3.."`: the file must say M82 or M83
    /// again behind every G90 and G91.
    ByMode,
}

/// Which words set a heater's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heating {
    /// Letters of M104.
    pub set_hotend: &'static [char],
    /// Letters of M140.
    pub set_bed: &'static [char],
    /// Letters of M109 and M190.
    pub wait: &'static [char],
    /// Without such a word the target becomes 0: `M104 R200` switches off.
    pub missing_is_zero: bool,
    /// What M109 and M190 wait for.
    pub wait_rule: WaitRule,
}

/// What M109 and M190 wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitRule {
    /// `S` waits for heat only, `R` for cold, too.
    SHeatsRBoth,
    /// `S` and `R` of M109 both wait for heat and for cold; `S` of M190 for heat only.
    HotendAlwaysBoth,
    /// Until near the target, from both sides.
    Both,
    /// Until the heater's own control says that it has settled, from both sides; not for 0.
    Settled,
}

/// Emergency stop and what follows.
#[derive(Clone, Copy, Debug)]
pub struct Emergency {
    /// Is M112 seen in the bytes as they arrive?
    pub parser: EmergencyParser,
    /// A bare line `M112` is acted on as soon as it is read, before the queue.
    pub at_reading: bool,
    /// A numbered `N5 M112*..` is acted on as soon as it is read, too.
    pub numbered_at_reading: bool,
    /// Without that parser nothing is read while a command waits for heat: it can not be stopped then.
    pub needs_parser: bool,
    /// Texts that confirm it, in lower case. Empty: it says nothing.
    pub confirms: &'static [&'static str],
    /// What it is afterwards.
    pub after: AfterStop,
}

/// Is M112 seen in the bytes as they arrive?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmergencyParser {
    /// Where `Cap:EMERGENCY_PARSER:1` says so.
    ByCapability,
    /// Among fresh bytes while fewer than so many lines are pending.
    WhilePending(usize),
    /// Always, where it begins a line (numbered: not).
    AtLineStart,
    /// Never.
    No,
}

/// State after M112.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterStop {
    /// Dead until a reset.
    Dead,
    /// Dead until a reset or, by version, it restarts by itself and says `start`.
    DeadOrRestarts,
    /// Every line is answered with an error and `ok`, until a restart command.
    AnswersErrors,
}

/// What an error text means for a print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The firmware has stopped: heaters are off, nothing is obeyed until a reset or restart.
    Halted,
    /// A heater or its sensor. Most rows have halted by then; RepRapFirmware has only switched that heater off.
    Thermal,
    /// It obeys, but something was not done: the heaters are the host's to switch off.
    Fault,
    /// Nothing that a streamed print needs (card, memory of settings, sound).
    Harmless,
    /// A line was damaged or lost; a Resend follows where the dialect has one.
    Transport,
}

/// How `M114` is answered.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// An example, as it comes.
    pub example: &'static str,
    /// Digits behind the point of X, Y, Z, E.
    pub decimals: [u32; 4],
    /// What follows the four, in lower case; a number behind it is no position.
    pub ends_at: &'static str,
    /// The position is the planned one, not the present one, so that `M400` need not come first to compare with the
    /// plan.
    pub is_planned: bool,
    /// What was pushed with relative E is part of E. Where it is not, E is 0 behind each such push.
    pub relative_e_counts: bool,
    /// E is counted in whole steps of the motor: it may say less than was ordered by so much, mm.
    pub e_step_mm: f64,
}

/// What opening the port does to the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtConnect {
    /// Boards that have the reset capacitor restart when DTR rises; others do not.
    MayReset,
    /// It restarts.
    Resets,
    /// It goes on as it was: it may be hot, and numbers go on where they were.
    Stays,
}

/// Does `M115` name the single machine?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uuid {
    /// `UUID:` comes, but many builds share the one that stands in the source: that one names nothing.
    MaybeShared,
    /// Only where the builder set one.
    Seldom,
    /// Never.
    No,
}
