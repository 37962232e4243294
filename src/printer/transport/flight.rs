//! Flight: lines that were given a number and are on their way: how many may be, which they are, and the fence among them.

use super::{
    ALONE_MS, Class, FENCE_LINES, FENCE_MS, IDLE_MS, LineFault, Millis, Mode, Output, REPORTED_MS,
    RING, RING_LINES, RX_BYTES, Transport, WINDOW_MAX,
};

/// One line that was given a number.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) number: u64,
    pub(super) text: String,
    pub(super) frame: String,
    pub(super) class: Class,
    pub(super) fence: Option<Fence>,
    pub(super) tag: u64,
    /// X, Y, Z, E after it, mm in the file's coordinates; NaN where unknown.
    pub(super) after: [f64; 4],
    /// When it was written last.
    pub(super) at: Millis,
    /// A fence to which the next answer of its kind belongs: no answer to an earlier one can still come.
    pub(super) alone: bool,
    /// The firmware has said its number: it was read.
    pub(super) taken: bool,
}

/// How the answer to a line is known from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    /// `M105`: `ok T:..`. Not where the firmware reports temperatures by itself: an `ok` whose line end was lost and
    /// a report behind it look the same.
    Temperatures,
    /// `M114`: `X:.. Y:.. ..`, then a plain `ok`.
    Position,
}

impl Fence {
    pub(super) fn of(command: &str) -> Option<Self> {
        match command {
            "M105" => Some(Self::Temperatures),
            "M114" => Some(Self::Position),
            _ => None,
        }
    }
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Temperatures => "M105",
            Self::Position => "M114",
        }
    }
}

impl Transport {
    /// A line that waits for heat or for a person is on its way. Nothing follows it: a queue that fills up behind it
    /// makes the printer deaf for `M112`.
    pub(super) fn is_held_up(&self) -> bool {
        self.in_flight().any(|sent| sent.class.waits())
    }

    /// Most unacknowledged lines: the profile's, or what the firmware announces and its ring holds besides. Without an
    /// emergency parser a full queue makes it deaf for `M112`.
    pub(super) fn window_max(&self) -> u64 {
        match self.buffer {
            Some(lines) if self.emergency_parser => {
                self.rules.window.max((lines + RING_LINES).min(WINDOW_MAX))
            }
            _ => self.rules.window,
        }
    }

    /// Bytes beyond the firmware's queue stay within its ring, with room for a fence.
    pub(super) fn ring_has_room(&self) -> bool {
        let queue = self.buffer.map_or(usize::MAX, |lines| {
            usize::try_from(lines.max(self.rules.window)).unwrap_or(usize::MAX)
        });
        let waiting: usize = self.in_flight().skip(queue).map(|s| s.frame.len()).sum();
        waiting + self.rules.line_max_bytes / 2 <= RX_BYTES
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "a sent line is just these; two callers"
    )]
    pub(super) fn put(
        &mut self,
        now: Millis,
        text: String,
        frame: String,
        class: Class,
        fence: Option<Fence>,
        tag: u64,
        after: [f64; 4],
    ) {
        if self.acked + 1 == self.next {
            self.watch.restart(now);
            self.stray = false;
        }
        self.watch.planned(class);
        if !text.starts_with('M') || class == Class::Person {
            self.stood = None;
        }
        if class.waits() {
            (self.wait, self.pieces) = (Some(self.next), 0);
        }
        let alone = fence.is_some_and(|fence| self.is_alone(now, fence));
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
            at: now,
            alone,
            taken: false,
        });
        self.flown = self.next;
        self.next += 1;
    }

    pub(super) fn send_fence(&mut self, now: Millis) {
        let after = self.ring.back().map_or([f64::NAN; 4], |sent| sent.after);
        let reports = self.reported_ms.is_some_and(|t| now < t + REPORTED_MS);
        let fence = if self.rules.reports_later()
            || (reports && !matches!(self.mode, Mode::Proving { .. }))
        {
            Fence::Position
        } else {
            Fence::Temperatures
        };
        let text = fence.command();
        // "N<n> M105*cs" has at most 27 bytes: it always fits.
        if let Ok(frame) = self.rules.frame(self.next, text) {
            self.fence_ms = now;
            self.since_fence = 0;
            let tag = self.last_tag;
            self.put(
                now,
                text.into(),
                frame,
                Class::Setting,
                Some(fence),
                tag,
                after,
            );
        }
    }

    pub(super) fn fence_is_due_first(&self) -> bool {
        self.doubtful || self.since_fence >= FENCE_LINES
    }

    /// Writes what may be written: repeats first, then a fence when one is due.
    pub(super) fn pump(&mut self, now: Millis) {
        while self.mode == Mode::Steady && self.half_refused.is_none() {
            let room = self.flown - self.acked < self.window;
            if self.flown + 1 < self.next {
                if !room || !self.has_place() {
                    return;
                }
                let number = self.flown + 1;
                if !self.repeat_next(now) {
                    return self.fail(LineFault::OutOfStep {
                        asked: number,
                        sent: self.next - 1,
                    });
                }
                self.watch.restart(now);
                continue;
            }
            if self.asks_for_warmth(now) {
                continue;
            }
            let idle = self.acked + 1 == self.next;
            let old = now >= self.fence_ms + if idle { IDLE_MS } else { FENCE_MS };
            if self.has_fence_room()
                && !self.waits_for_person(now)
                && (self.fence_is_due_first() || old)
            {
                self.send_fence(now);
            }
            return;
        }
    }

    /// Where no fence tells them, the temperatures are asked for besides; `true` when they were.
    fn asks_for_warmth(&mut self, now: Millis) -> bool {
        let due = self.rules.reports_later() && now >= self.warmth_ms + FENCE_MS;
        if !due || self.wait.is_some() || self.fence_is_due_first() || !self.has_fence_room() {
            return false;
        }
        let after = self.ring.back().map_or([f64::NAN; 4], |sent| sent.after);
        let Ok(frame) = self.rules.frame(self.next, "M105") else {
            return false;
        };
        self.warmth_ms = now;
        let (text, tag) = ("M105".to_owned(), self.last_tag);
        self.put(now, text, frame, Class::Setting, None, tag, after);
        true
    }

    /// May a fence be sent, if one is due?
    pub(super) fn has_fence_room(&self) -> bool {
        let flies = self.in_flight().any(|sent| sent.fence.is_some());
        self.flown - self.acked < self.window && !flies && !self.is_held_up() && self.has_place()
    }

    /// Can no answer to an earlier fence of this kind still come? None is on its way; or some fence was answered since it was
    /// written, no other line is in front of it, and it has been quiet since. That an older line was answered says nothing:
    /// the printer may be slow, and the fence's answer still to come.
    pub(super) fn is_alone(&self, now: Millis, kind: Fence) -> bool {
        let Some(before) = self.in_flight().rfind(|sent| sent.fence == Some(kind)) else {
            return true;
        };
        let quiet = now >= self.answered_ms + ALONE_MS + 2 * self.figures.round_trip_ms;
        let open = |sent: &Sent| sent.number < before.number && sent.fence.is_none();
        quiet && before.number < self.fence_answered_to && !self.in_flight().any(open)
    }

    /// Lines on their way, oldest first.
    pub(super) fn in_flight(&self) -> impl DoubleEndedIterator<Item = &Sent> {
        self.sent_since(self.acked)
    }

    /// Lines after `number` that were written, oldest first.
    pub(super) fn sent_since(&self, number: u64) -> impl DoubleEndedIterator<Item = &Sent> {
        let first = self.ring.front().map_or(self.next, |sent| sent.number);
        let index =
            |number: u64| usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        let end = index(self.flown + 1).min(self.ring.len());
        self.ring.range(index(number + 1).min(end)..end)
    }

    pub(super) fn sent(&self, number: u64) -> Option<&Sent> {
        let first = self.ring.front()?.number;
        self.ring
            .get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub(super) fn sent_mut(&mut self, number: u64) -> Option<&mut Sent> {
        let first = self.ring.front()?.number;
        self.ring
            .get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}
