//! Output: what the transport tells its owner.

use super::super::line::{FrameError, frame_for};
use super::super::reply::Temperatures;
use super::Millis;
use crate::gcode::dialect::{Facts, OkForm, OkTime, TemperatureAnswer};

/// What the profile says about the wire.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Most unacknowledged lines: the firmware's BUFSIZE - 1.
    pub window: u64,
    /// The firmware's MAX_CMD_SIZE.
    pub line_max_bytes: usize,
    /// What this family of firmware really does.
    pub facts: &'static Facts,
}

impl Rules {
    /// Line numbers are looked at, and a line that failed is asked for again. Where they are not, nothing is ever
    /// repeated: it would be executed twice.
    pub(super) fn are_numbered(&self) -> bool {
        self.facts.numbering.may_repeat() && self.facts.numbering.order_checked
    }

    /// A line without its order or its checksum may be carried out: each position that is asked for is compared with the
    /// plan.
    pub(super) fn compares_places(&self) -> bool {
        let numbering = &self.facts.numbering;
        !(numbering.order_checked && numbering.checksum_needed)
    }

    /// An `ok` says that its line was read. What the line did, and that it is over, says the answer to a fence.
    pub(super) fn answers_on_receipt(&self) -> bool {
        self.facts.ok_time == OkTime::OnReceipt
    }

    /// Each `ok` of a line names its number; another one belongs to none.
    pub(super) fn names_numbers(&self) -> bool {
        self.facts.ok_form == OkForm::Number
    }

    /// The temperatures come in a line of their own: no proof, and to be asked for beside the fences.
    pub(super) fn reports_later(&self) -> bool {
        self.facts.temperatures == TemperatureAnswer::LaterLine
    }

    pub(super) fn frame(&self, number: u64, command: &str) -> Result<String, FrameError> {
        let numbering = &self.facts.numbering;
        frame_for(numbering, number, command, self.line_max_bytes)
    }
}

/// What the transport wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Bytes for the port.
    Write(Vec<u8>),
    /// Numbering agreed and proved; lines may be sent.
    Connected,
    /// Every line up to this tag was accepted, as far as credit tells.
    Accepted(u64),
    /// Fresh temperatures.
    Temperatures(Temperatures),
    /// The firmware asked for a line again.
    Resent,
    /// A position was reported (mm, as planned by the firmware) in answer to an `M114` of the owner.
    Position([f64; 4]),
    /// In answer to [`super::Transport::ask_count`]: the firmware has taken exactly the lines that were given a number.
    Counted,
    /// The line can not be trusted any more. Nothing more is sent until [`super::Transport::hello`].
    Fault(LineFault),
}

/// Why the transport gave up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LineFault {
    /// No answer to greeting or probes.
    #[error("the printer does not answer (silent for {silent_s:.0} s)")]
    Silent {
        /// Seconds without a byte that could be read.
        silent_s: f64,
    },
    /// It says that it is busy, and takes nothing.
    #[error("the printer says that it is busy, but has taken no line for {stuck_s:.0} s")]
    Stuck {
        /// Seconds since the last line that was taken.
        stuck_s: f64,
    },
    /// Another number of lines was taken than was sent.
    #[error("the printer has taken {taken} lines, but {sent} were sent")]
    Count {
        /// What the firmware says.
        taken: u64,
        /// Numbers given.
        sent: u64,
    },
    /// Lines without an answer, where nothing may be sent twice.
    #[error("{lines} lines were not answered; whether the printer has made them is not known")]
    Unanswered {
        /// How many.
        lines: u64,
    },
    /// The same line was refused again and again.
    #[error("the printer refused line {number} ({text}) {times} times")]
    Refused {
        /// Number on the wire.
        number: u64,
        /// The command.
        text: String,
        /// How often.
        times: u32,
    },
    /// The firmware asks for a line that it must have had long ago, or never.
    #[error("the printer asks for line {asked}, which is out of step (last line sent: {sent})")]
    OutOfStep {
        /// What it asks for.
        asked: u64,
        /// Last number given.
        sent: u64,
    },
    /// What the wire left of a line was carried out without its number, and no position tells how much of it.
    #[error("line {number} ({text}) may have been made in part without its number")]
    Halved {
        /// Number on the wire.
        number: u64,
        /// The command.
        text: String,
    },
    /// Line numbers began anew: the board was reset.
    #[error("the printer was reset")]
    Reset,
    /// The firmware stands elsewhere than the plan says (a cut line was carried out).
    #[error(
        "the position differs: the printer says X{:.2} Y{:.2} Z{:.2} E{:.2}, the plan X{:.2} Y{:.2} Z{:.2} E{:.2}",
        .said[0], .said[1], .said[2], .said[3], .plan[0], .plan[1], .plan[2], .plan[3]
    )]
    Position {
        /// What the firmware says, mm.
        said: [f64; 4],
        /// What the plan says, mm; NaN where it does not know.
        plan: [f64; 4],
    },
}

/// Counters since [`super::Transport::hello`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lines written, repeats included.
    pub sent: u64,
    /// Resyncs.
    pub resends: u64,
    /// Probes after a missing answer.
    pub probes: u64,
    /// Median answer time to a fence, ms.
    pub round_trip_ms: Millis,
}
