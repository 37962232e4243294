//! Transport: numbered lines go out, and every one of them is known to be accepted, once.
//!
//! In:    commands to send, replies, the time (ms, monotonic).
//! Out:   [`Output`]s: bytes to write, what was accepted, faults.
//! Holds: a number, once given to a command, is never given to another; a line is repeated only after the firmware
//!        asked for it, so that nothing can be executed twice; at most `window` lines are on their way, and one probe.
//! Never: reads a clock, opens a port, counts `ok`s.
//!
//! Why not count: an `ok` carries no number, some get lost, some belong to lines that never counted (4.9). So an
//! `ok` only gives credit, and what is certain is said by *fences*: numbered `M105`, whose `ok T:` can not be
//! mistaken and proves every line before it.
//!
//! ```text
//!            hello          ok            ok T:
//!  Silent ─────────► Greeting ──► Proving ──────► Steady ──Resend──► Quiet ──► Checking ──► Steady (window 1,
//!                        ▲           │ anything else                  (M114 against the plan)   until a fence)
//!                        └───────────┘
//! ```

use super::line::{FrameError, frame};
use super::reply::{Reply, Temperatures};
use std::collections::VecDeque;

mod deadline;
mod resync;
#[cfg(test)]
mod tests;

pub use deadline::Class;

/// Milliseconds on a monotonic clock.
pub type Millis = u64;

/// Lines kept for repeats.
const RING: usize = 64;
/// A fence after so many lines, or [`FENCE_MS`] after the last, whichever is first.
const FENCE_LINES: u32 = 50;
/// Time between fences while lines flow.
const FENCE_MS: Millis = 1_500;
/// Time between fences while idle: temperatures for the page.
const IDLE_MS: Millis = 2_000;
/// Round trips measured when connecting.
const ROUND_TRIPS: usize = 3;
/// Greetings tried before giving up.
const GREETINGS_MAX: u32 = 15;

/// What the profile says about the wire.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Most unacknowledged lines: the firmware's BUFSIZE - 1.
    pub window: u64,
    /// The firmware's MAX_CMD_SIZE.
    pub line_max_bytes: usize,
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
    /// The line can not be trusted any more. Nothing more is sent until [`Transport::hello`].
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
    /// Line numbers began anew: the board was reset.
    #[error("the printer was reset")]
    Reset,
    /// The firmware stands elsewhere than the plan says (pitfall 7).
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

/// One line that was given a number.
#[derive(Clone, Debug)]
struct Sent {
    number: u64,
    text: String,
    frame: String,
    class: Class,
    fence: bool,
    tag: u64,
    /// X, Y, Z, E after it, mm in the file's coordinates; NaN where unknown.
    after: [f64; 4],
}

#[derive(Clone, Debug, PartialEq)]
enum Mode {
    /// Not connected, or given up.
    Silent,
    /// `M110 N0` is out, its `ok` is due.
    Greeting { since: Millis, tries: u32 },
    /// Fences prove the numbering and measure the round trip.
    Proving { since: Millis, tries: u32 },
    /// Lines flow.
    Steady,
    /// A Resend was seen: wait until the wire is quiet.
    Quiet(resync::Quiet),
    /// `M114` is out: does the firmware stand where the plan says?
    Checking(resync::Check),
}

/// The state machine. See the module.
#[derive(Debug)]
pub struct Transport {
    rules: Rules,
    mode: Mode,
    ring: VecDeque<Sent>,
    /// Next new number.
    next: u64,
    /// All lines up to here have credit.
    acked: u64,
    /// Last number written since the last resync.
    flown: u64,
    window: u64,
    /// No fence has proved the line since the last doubt.
    doubtful: bool,
    /// `ok`s that are due for lines that do not count.
    phantoms: u32,
    /// Last Line of the error just before.
    error_last: Option<u64>,
    last_tag: u64,
    since_fence: u32,
    fence_ms: Millis,
    heard_ms: Millis,
    watch: deadline::Watch,
    refusals: resync::Refusals,
    /// A position differed once; the next fence tells which line the firmware really had last.
    recheck: bool,
    round_trips: Vec<Millis>,
    /// Lines written, repeats included; Resends; probes.
    figures: Figures,
    out: Vec<Output>,
}

/// Counters since [`Transport::hello`].
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

impl Transport {
    /// Not connected.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            mode: Mode::Silent,
            ring: VecDeque::new(),
            next: 1,
            acked: 0,
            flown: 0,
            window: 1,
            doubtful: true,
            phantoms: 0,
            error_last: None,
            last_tag: 0,
            since_fence: 0,
            fence_ms: 0,
            heard_ms: 0,
            watch: deadline::Watch::default(),
            refusals: resync::Refusals::default(),
            recheck: false,
            round_trips: Vec::new(),
            figures: Figures::default(),
            out: Vec::new(),
        }
    }

    /// What happened since the last call.
    pub fn drain(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Counters.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// Greets the firmware: numbers begin at 1. Whatever was on its way is forgotten.
    pub fn hello(&mut self, now: Millis) {
        self.figures = Figures::default();
        self.round_trips.clear();
        self.heard_ms = now;
        self.greet(now, 1);
    }

    /// Says nothing more, expects nothing more.
    pub fn silence(&mut self) {
        self.mode = Mode::Silent;
    }

    /// `true` while connected and not given up.
    pub fn is_up(&self) -> bool {
        matches!(self.mode, Mode::Steady | Mode::Quiet(_) | Mode::Checking(_))
    }

    /// May [`Transport::send`] be called now?
    pub fn has_room(&self) -> bool {
        self.mode == Mode::Steady
            && self.flown + 1 == self.next
            && self.next - 1 - self.acked < self.window
            && !self.fence_is_due_first()
    }

    /// Everything sent was accepted.
    pub fn is_drained(&self) -> bool {
        self.mode == Mode::Steady && self.acked + 1 == self.next && !self.doubtful
    }

    /// Sends a command under the next number. `tag` comes back in [`Output::Accepted`] and must not fall; `after`
    /// is where the head stands when it was carried out (mm, the file's coordinates, NaN where unknown).
    ///
    /// # Errors
    /// [`FrameError`] when the command must not be sent; nothing was written then.
    pub fn send(
        &mut self,
        now: Millis,
        command: &str,
        class: Class,
        tag: u64,
        after: [f64; 4],
    ) -> Result<(), FrameError> {
        let frame = frame(self.next, command, self.rules.line_max_bytes)?;
        self.since_fence += 1;
        self.put(now, command.to_owned(), frame, class, false, tag, after);
        Ok(())
    }

    /// One line of the firmware.
    pub fn reply(&mut self, now: Millis, reply: &Reply) {
        if !matches!(reply, Reply::Noise(_)) {
            self.heard_ms = now;
        }
        if let Reply::OkTemperatures(t) | Reply::Temperatures(t) = reply {
            self.out.push(Output::Temperatures(*t));
        }
        match self.mode {
            Mode::Silent => {}
            Mode::Greeting { tries, .. } => self.in_greeting(now, reply, tries),
            Mode::Proving { tries, .. } => self.in_proving(now, reply, tries),
            Mode::Steady => self.in_steady(now, reply),
            Mode::Quiet(_) => self.in_quiet(now, reply),
            Mode::Checking(_) => self.in_checking(now, reply),
        }
        self.pump(now);
    }

    /// Time passes. Call it at [`Transport::wake_ms`] at the latest.
    pub fn tick(&mut self, now: Millis) {
        match &self.mode {
            Mode::Silent => {}
            Mode::Greeting { since, tries } | Mode::Proving { since, tries } => {
                if now >= since + greeting_ms(*tries) {
                    let tries = *tries + 1;
                    self.greet(now, tries);
                }
            }
            Mode::Steady => self.watch_silence(now),
            Mode::Quiet(_) => self.tick_quiet(now),
            Mode::Checking(_) => self.tick_checking(now),
        }
        self.pump(now);
    }

    /// When [`Transport::tick`] has something to do.
    pub fn wake_ms(&self, now: Millis) -> Option<Millis> {
        match &self.mode {
            Mode::Silent => None,
            Mode::Greeting { since, tries } | Mode::Proving { since, tries } => {
                Some(since + greeting_ms(*tries))
            }
            Mode::Steady if self.acked + 1 == self.next => Some(self.fence_ms + IDLE_MS),
            Mode::Steady => Some(
                self.deadline_ms()
                    .min(self.fence_ms + FENCE_MS)
                    .max(now + 1),
            ),
            Mode::Quiet(quiet) => Some(quiet.ends_ms(self.figures.round_trip_ms)),
            Mode::Checking(check) => Some(check.ends_ms()),
        }
    }

    /// The port was opened anew without a reset of the board: whatever was on its way is in doubt, a fence asks.
    pub fn reopened(&mut self, now: Millis) {
        if !self.is_up() {
            return;
        }
        self.mode = Mode::Steady;
        self.doubt();
        self.heard_ms = now;
        self.out.push(Output::Write(b"\n".to_vec()));
        self.probe(now);
    }

    fn greet(&mut self, now: Millis, tries: u32) {
        if tries > GREETINGS_MAX {
            return self.fail(LineFault::Silent {
                silent_s: now.saturating_sub(self.heard_ms) as f64 / 1e3,
            });
        }
        self.ring.clear();
        (self.next, self.acked, self.flown) = (1, 0, 0);
        self.doubt();
        self.mode = Mode::Greeting { since: now, tries };
        // The first LF ends a half line of whoever spoke before. `N0 M110 N0*125`: a bad copy is refused (4.2 point 8).
        let sum = super::line::checksum(b"N0 M110 N0");
        self.figures.sent += 1;
        self.out
            .push(Output::Write(format!("\nN0 M110 N0*{sum}\n").into_bytes()));
    }

    fn in_greeting(&mut self, now: Millis, reply: &Reply, tries: u32) {
        // Other words wait for the greeting's own time limit: they may be late answers to somebody before us.
        if let Reply::Ok { .. } = reply {
            self.mode = Mode::Proving { since: now, tries };
            self.send_fence(now);
        }
    }

    fn in_proving(&mut self, now: Millis, reply: &Reply, tries: u32) {
        match reply {
            Reply::OkTemperatures(_) => {
                self.round_trips.push(now.saturating_sub(self.fence_ms));
                self.acked = self.flown;
                if self.round_trips.len() < ROUND_TRIPS {
                    self.mode = Mode::Proving { since: now, tries };
                    return self.send_fence(now);
                }
                self.round_trips.sort_unstable();
                self.figures.round_trip_ms = self.round_trips[self.round_trips.len() / 2];
                self.mode = Mode::Steady;
                self.doubtful = false;
                self.window = self.rules.window;
                self.watch.restart(now);
                self.out.push(Output::Connected);
            }
            // Two ways out of step: the greeting was not taken, or a fence was damaged. Begin anew after a pause.
            Reply::LinkError { .. } | Reply::Resend(_) => self.round_trips.clear(),
            _ => {}
        }
    }

    fn in_steady(&mut self, now: Millis, reply: &Reply) {
        match reply {
            Reply::Ok { line: Some(number) } => {
                if (self.acked + 1..=self.flown).contains(number) {
                    self.credit(now, *number);
                }
            }
            Reply::Ok { line: None } => self.plain_ok(now),
            Reply::OkTemperatures(_) => self.fence_came(now),
            Reply::Resend(_) | Reply::LinkError { .. } => self.asked_again(now, reply),
            Reply::Unknown(text) => {
                if !self.in_flight().any(|sent| sent.text == *text) {
                    // A damaged `N`: its `ok` is for a line that never counted (pitfall 6).
                    self.phantoms += 1;
                    self.doubt_steadily();
                }
            }
            Reply::Busy | Reply::Temperatures(_) | Reply::PausedForUser => self.sign_of_life(now),
            Reply::Position(at) => self.out.push(Output::Position(*at)),
            Reply::Firmware(_)
            | Reply::Capability(..)
            | Reply::Boot
            | Reply::ColdExtrusion
            | Reply::Fatal(_)
            | Reply::Action(_)
            | Reply::Noise(_) => {}
        }
    }

    /// A plain `ok` belongs to the oldest line that is no fence; fences before it must have been answered too.
    fn plain_ok(&mut self, now: Millis) {
        if self.phantoms > 0 {
            self.phantoms -= 1;
            return;
        }
        let oldest = self.in_flight().find(|sent| !sent.fence).map(|s| s.number);
        if let Some(number) = oldest {
            self.credit(now, number);
        }
    }

    /// The newest fence on its way is proved, and everything before it.
    fn fence_came(&mut self, now: Millis) {
        let newest = self.in_flight().rfind(|sent| sent.fence);
        let Some(number) = newest.map(|sent| sent.number) else {
            return;
        };
        self.doubtful = false;
        self.phantoms = 0;
        self.recheck = false;
        self.refusals.line_works();
        self.window = self.window.max(2.min(self.rules.window));
        self.watch.answered();
        self.credit(now, number);
    }

    fn credit(&mut self, now: Millis, number: u64) {
        self.acked = number;
        self.watch.restart(now);
        if !self.doubtful && !self.refusals.is_slow() && self.window < self.rules.window {
            // 1 -> 2 by the fence, 2 -> 3 once a line went through.
            self.window += 1;
        }
        if let Some(sent) = self.sent(number) {
            let tag = sent.tag;
            self.out.push(Output::Accepted(tag));
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "a sent line is just these; two callers"
    )]
    fn put(
        &mut self,
        now: Millis,
        text: String,
        frame: String,
        class: Class,
        fence: bool,
        tag: u64,
        after: [f64; 4],
    ) {
        if self.acked + 1 == self.next {
            self.watch.restart(now);
        }
        self.watch.planned(class);
        self.last_tag = tag;
        self.out.push(Output::Write(frame.clone().into_bytes()));
        self.figures.sent += 1;
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(Sent {
            number: self.next,
            text,
            frame,
            class,
            fence,
            tag,
            after,
        });
        self.flown = self.next;
        self.next += 1;
    }

    fn send_fence(&mut self, now: Millis) {
        let after = self.ring.back().map_or([f64::NAN; 4], |sent| sent.after);
        // "N<n> M105*cs" has at most 27 bytes: it always fits.
        if let Ok(frame) = frame(self.next, "M105", self.rules.line_max_bytes) {
            self.fence_ms = now;
            self.since_fence = 0;
            let tag = self.last_tag;
            self.put(now, "M105".into(), frame, Class::Setting, true, tag, after);
        }
    }

    fn fence_is_due_first(&self) -> bool {
        self.doubtful || self.since_fence >= FENCE_LINES
    }

    /// Writes what may be written: repeats first, then a fence when one is due.
    fn pump(&mut self, now: Millis) {
        while self.mode == Mode::Steady {
            let room = self.flown - self.acked < self.window;
            if self.flown + 1 < self.next {
                if !room {
                    return;
                }
                let number = self.flown + 1;
                if !self.repeat_next() {
                    return self.fail(LineFault::OutOfStep {
                        asked: number,
                        sent: self.next - 1,
                    });
                }
                self.watch.restart(now);
                continue;
            }
            let idle = self.acked + 1 == self.next;
            let old = now >= self.fence_ms + if idle { IDLE_MS } else { FENCE_MS };
            let fence_flies = self.in_flight().any(|sent| sent.fence);
            if room && !fence_flies && (self.fence_is_due_first() || old) {
                self.send_fence(now);
            }
            return;
        }
    }

    /// Lines on their way, oldest first.
    fn in_flight(&self) -> impl DoubleEndedIterator<Item = &Sent> {
        let first = self.ring.front().map_or(self.next, |sent| sent.number);
        let index =
            |number: u64| usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        let end = index(self.flown + 1).min(self.ring.len());
        self.ring.range(index(self.acked + 1).min(end)..end)
    }

    fn sent(&self, number: u64) -> Option<&Sent> {
        let first = self.ring.front()?.number;
        self.ring
            .get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// From nothing: one line at a time, until a fence has proved the line.
    fn doubt(&mut self) {
        self.phantoms = 0;
        self.error_last = None;
        self.doubt_steadily();
    }

    fn doubt_steadily(&mut self) {
        self.doubtful = true;
        self.window = 1;
    }

    fn fail(&mut self, fault: LineFault) {
        self.mode = Mode::Silent;
        self.out.push(Output::Fault(fault));
    }
}

/// How long a greeting waits for its answer: a board may still be booting.
fn greeting_ms(tries: u32) -> Millis {
    if tries <= 3 { 500 } else { 1_500 }
}
