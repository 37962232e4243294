//! Transport: numbered lines go out, and every one of them is known to be accepted, once.
//!
//! In:    commands to send, replies, the time (ms, monotonic).
//! Out:   [`Output`]s: bytes to write, what was accepted, faults.
//! Holds: a number, once given to a command, is never given to another; a line is repeated only after the firmware
//!        asked for it, so that nothing can be executed twice; at most `window` lines are on their way, and one probe.
//! Never: reads a clock, opens a port, counts `ok`s.
//!
//! Why not count: an `ok` carries no number, some get lost, some belong to lines that never counted. So an
//! `ok` only gives credit, and what is certain is said by *fences*: numbered `M105`, whose `ok T:` can not be
//! mistaken and proves every line before it.
//!
//! What is certain is remembered as *proved*. A `Resend` below it contradicts what the firmware said before: either its
//! text is damaged, or the board was reset and counts from 1. Nothing is repeated on such a word: a fence asks, and
//! two agreeing answers decide (`resync`).
//!
//! Here: the state, and what comes from outside. `flight` knows the lines on their way, `greeting` begins, `steady` takes answers while lines flow, `resync` mends,
//! `wait` knows a firmware that waits for heat or for a person, `position` asks where the head is, `proof` asks how many
//! lines were taken, `deadline` knows how long an answer may take, `output` is what the owner hears.
//!
//! ```text
//!            hello          ok            ok T:
//!  Silent ─────────► Greeting ──► Proving ──────► Steady ──Resend──► Quiet ──► Checking ──► Steady (window 1,
//!                        ▲           │ anything else    │            (M114 against the plan)   until a fence)
//!                        └───────────┘                  └─ask_count─► Counting ──► Steady
//! ```

use super::line::FrameError;
use super::reply::Reply;
use crate::gcode::dialect::Facts;
use std::collections::VecDeque;

mod deadline;
mod flight;
mod greeting;
mod output;
mod position;
mod proof;
mod resync;
mod steady;
#[cfg(test)]
mod tests;
mod wait;

use flight::{Fence, Sent};

pub use deadline::Class;
pub use output::{Figures, LineFault, Output, Rules};
pub use position::{POSITION_MM, is_at};

/// Milliseconds on a monotonic clock.
pub type Millis = u64;

/// Lines kept for repeats.
const RING: usize = 64;
/// Smallest RX ring of a firmware, bytes, less one line of ours (Marlin on AVR: 128).
const RX_BYTES: usize = 112;
/// Lines that may wait in that ring besides the queue.
const RING_LINES: u64 = 2;
/// Never more lines on their way, whatever is announced.
const WINDOW_MAX: u64 = 16;
/// A report that nobody asked for is remembered so long: fences are `M114` meanwhile.
const REPORTED_MS: Millis = 15_000;
/// A fence after so many lines, or [`FENCE_MS`] after the last, whichever is first.
const FENCE_LINES: u32 = 50;
/// Answers in a row come closer to each other.
const ALONE_MS: Millis = 400;
/// Time between fences while lines flow.
const FENCE_MS: Millis = 1_500;
/// Time between fences while idle: temperatures for the page.
const IDLE_MS: Millis = 2_000;

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
    Checking(position::Check),
    /// A line with a number that is too high is out: how many did the firmware take?
    Counting(proof::Count),
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
    /// All lines up to here were accepted for certain.
    proved: u64,
    /// Last number written since the last resync.
    flown: u64,
    window: u64,
    /// Lines from here on were written after what is being read had come: it is not their answer.
    heard_to: u64,
    /// No fence has proved the line since the last doubt.
    doubtful: bool,
    /// `ok`s that are due for lines that do not count.
    phantoms: u32,
    /// Last Line of the error just before.
    error_last: Option<u64>,
    /// The firmware asked for a line that it can not want.
    contradiction: Option<resync::Contradiction>,
    /// Questions what is wanted since a fence came through.
    questions: u32,
    /// Answers in a row with another position than the plan's.
    elsewhere: u32,
    /// The firmware's BUFSIZE, where it announces its free places (ADVANCED_OK).
    buffer: Option<u64>,
    emergency_parser: bool,
    /// The last line that waits for heat or for a person, until a fence behind it is answered: the firmware may have taken
    /// it and still wait.
    wait: Option<u64>,
    /// Lines that were refused since: of one that was damaged a piece may lie in the queue as a line of its own.
    pieces: u64,
    /// The last answer to a line of ours.
    answered_ms: Millis,
    /// Lines before this one were written when an answer came that can belong to a fence alone.
    fence_answered_to: u64,
    /// Half a refusal came, whose `Resend` is still to come; until then it is waited for.
    half_refused: Option<Millis>,
    /// The last report that nobody asked for.
    reported_ms: Option<Millis>,
    /// What the last fence said of the place, as long as nothing that may move was sent since.
    stood: Option<[f64; 4]>,
    /// An `ok` named a line that is not on its way, since the oldest that is was written.
    stray: bool,
    last_tag: u64,
    /// When the temperatures were asked for last, where that is no fence.
    warmth_ms: Millis,
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

impl Transport {
    /// Not connected.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            mode: Mode::Silent,
            ring: VecDeque::new(),
            next: 1,
            acked: 0,
            proved: 0,
            flown: 0,
            heard_to: u64::MAX,
            window: 1,
            doubtful: true,
            phantoms: 0,
            error_last: None,
            contradiction: None,
            questions: 0,
            elsewhere: 0,
            buffer: None,
            emergency_parser: false,
            wait: None,
            pieces: 0,
            answered_ms: 0,
            fence_answered_to: 0,
            half_refused: None,
            reported_ms: None,
            stood: None,
            stray: false,
            last_tag: 0,
            warmth_ms: 0,
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
        self.reported_ms = None;
        self.buffer = None;
        self.greet(now, 1);
    }

    /// Which firmware it is.
    pub fn speaks_to(&mut self, facts: &'static Facts) {
        self.rules.facts = facts;
        self.rules.window = self.rules.window.min(facts.window_max as u64);
    }

    /// The firmware reads every byte as it comes (`Cap:EMERGENCY_PARSER:1`): more lines may wait in its ring.
    pub fn has_emergency_parser(&mut self, yes: bool) {
        self.emergency_parser = yes;
    }

    /// Says nothing more, expects nothing more.
    pub fn silence(&mut self) {
        self.mode = Mode::Silent;
    }

    /// `true` while connected and not given up.
    pub fn is_up(&self) -> bool {
        matches!(
            self.mode,
            Mode::Steady | Mode::Quiet(_) | Mode::Checking(_) | Mode::Counting(_)
        )
    }

    /// May [`Transport::send`] be called now?
    pub fn has_room(&self) -> bool {
        self.mode == Mode::Steady
            && self.flown + 1 == self.next
            && self.next - 1 - self.acked < self.window
            && !self.fence_is_due_first()
            && !self.is_held_up()
            && self.wait.is_none()
            && self.half_refused.is_none()
            && self.ring_has_room()
    }

    /// Is every line that was sent proved?
    pub fn is_certain(&self) -> bool {
        self.is_drained() && self.proved + 1 == self.next
    }

    /// A fence goes before the next line, unless one is on its way.
    pub fn make_certain(&mut self, now: Millis) {
        if !self.in_flight().any(|sent| sent.fence.is_some()) {
            self.since_fence = self.since_fence.max(FENCE_LINES);
            self.pump(now);
        }
    }

    /// Is everything that was sent carried out, or planned? Where an `ok` says no more than that a line was read, that has to
    /// be proved; a fence is sent for it.
    pub fn is_done(&mut self, now: Millis) -> bool {
        let drained = self.is_drained();
        if !drained || !self.rules.answers_on_receipt() || self.is_certain() {
            return drained;
        }
        self.make_certain(now);
        false
    }

    /// Everything sent was accepted.
    pub fn is_drained(&self) -> bool {
        self.mode == Mode::Steady
            && self.acked + 1 == self.next
            && !self.doubtful
            && self.wait.is_none()
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
        let frame = self.rules.frame(self.next, command)?;
        self.since_fence += 1;
        let fence = Fence::of(command)
            .filter(|fence| *fence == Fence::Position || !self.rules.reports_later());
        self.put(now, command.to_owned(), frame, class, fence, tag, after);
        Ok(())
    }

    /// What is read next has come before anything else is written: a doubled answer is no answer to what follows.
    pub fn hears_what_was_written(&mut self) {
        self.heard_to = self.next;
    }

    /// One line of the firmware.
    pub fn reply(&mut self, now: Millis, reply: &Reply) {
        if !matches!(reply, Reply::Noise(_)) {
            self.heard_ms = now;
        }
        if let Reply::OkTemperatures(t) | Reply::Temperatures(t) | Reply::Heating(t) = reply {
            self.out.push(Output::Temperatures(*t));
        }
        if let Reply::Temperatures(_) = reply {
            self.reported_ms = Some(now);
        }
        if let Reply::LinkError { last } = reply
            && last.is_none_or(|last| last >= self.proved)
            && !self.rules.facts.numbering.last_counts
        {
            // One that asks for a line before that was reset: nothing lies with it.
            self.pieces += 1;
        }
        if let Reply::Ok { .. }
        | Reply::OkTemperatures(_)
        | Reply::Position(_)
        | Reply::Resend(_)
        | Reply::LinkError { .. } = reply
        {
            self.answered_ms = now;
        }
        if let Reply::Ok {
            free: Some(free), ..
        } = reply
        {
            // The line that is answered still holds its own place.
            self.buffer = self.buffer.max(Some((free + 1).min(WINDOW_MAX)));
        }
        match self.mode {
            Mode::Silent => {}
            Mode::Greeting { tries, .. } => self.in_greeting(now, reply, tries),
            Mode::Proving { tries, .. } => self.in_proving(now, reply, tries),
            Mode::Steady => self.in_steady(now, reply),
            Mode::Quiet(_) => self.in_quiet(now, reply),
            Mode::Checking(_) => self.in_checking(now, reply),
            Mode::Counting(_) => self.in_counting(now, reply),
        }
        self.pump(now);
    }

    /// Time passes. Call it at [`Transport::wake_ms`] at the latest.
    pub fn tick(&mut self, now: Millis) {
        match &self.mode {
            Mode::Silent => {}
            Mode::Greeting { since, tries } | Mode::Proving { since, tries } => {
                if now >= since + greeting::PATIENCE_MS {
                    let tries = *tries + 1;
                    self.greet(now, tries);
                }
            }
            Mode::Steady => {
                if self.half_refused.is_some_and(|until| now >= until) {
                    self.end_of_refusal(false);
                }
                self.watch_silence(now);
            }
            Mode::Quiet(_) => self.tick_quiet(now),
            Mode::Checking(_) => self.tick_checking(now),
            Mode::Counting(_) => self.tick_counting(now),
        }
        self.pump(now);
    }

    /// When [`Transport::tick`] has something to do.
    pub fn wake_ms(&self, now: Millis) -> Option<Millis> {
        match &self.mode {
            Mode::Silent => None,
            Mode::Greeting { since, .. } | Mode::Proving { since, .. } => {
                Some(since + greeting::PATIENCE_MS)
            }
            Mode::Steady if self.half_refused.is_some() => self.half_refused,
            Mode::Steady if self.acked + 1 == self.next => Some(self.fence_ms + IDLE_MS),
            Mode::Steady => {
                let fence = self.has_fence_room().then_some(self.fence_ms + FENCE_MS);
                let silence = self.silence_wake_ms(now);
                Some(fence.map_or(silence, |t| t.min(silence)).max(now + 1))
            }
            Mode::Quiet(quiet) => Some(quiet.ends_ms(self.figures.round_trip_ms)),
            Mode::Checking(check) => Some(check.ends_ms()),
            Mode::Counting(count) => Some(count.ends_ms(self.figures.round_trip_ms)),
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

    /// From nothing: one line at a time, until a fence has proved the line.
    fn doubt(&mut self) {
        self.phantoms = 0;
        self.error_last = None;
        self.contradiction = None;
        self.half_refused = None;
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
