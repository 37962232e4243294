//! Deadline: how long an answer may take, and what is done when none comes (4.9 rule 4, 4.10).

use super::{LineFault, Millis, Transport};

/// Doubt begins so long after an answer was due.
const DOUBT_MS: Millis = 400;
/// `busy:` comes every 2 s; two of them may be lost.
const LIFE_MS: Millis = 5_000;
/// Silence after which the printer is given up, counted from the first probe.
const SILENT_MS: Millis = 20_000;
/// Probes that may be on their way: they share the firmware's 128-byte ring.
const PROBES_MAX: u32 = 8;
/// Blocks that a firmware may hold in front of a line.
const PLANNER_BLOCKS: usize = 20;

/// What a command does to the time its `ok` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A move, with its planned time, ms: `ok` when the planner has room.
    Move(u32),
    /// At once.
    Setting,
    /// Waits for a temperature: M109, M190.
    Heat,
    /// G28.
    Home,
    /// G29 and the like.
    Probe,
    /// G4, with its time, ms.
    Dwell(u32),
    /// M400: waits for everything planned.
    Drain,
    /// Waits for a person: M0, M1, M600.
    Person,
}

/// Watches the oldest unanswered line.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When the oldest line became the oldest.
    since: Millis,
    /// Last sign of life that was no answer.
    life: Millis,
    /// Probes since the last answer.
    probes: u32,
    first_probe: Millis,
    /// Planned times of the last lines, ms.
    recent: std::collections::VecDeque<u32>,
}

impl Watch {
    pub(super) fn restart(&mut self, now: Millis) {
        self.since = now;
        self.answered();
    }

    pub(super) fn answered(&mut self) {
        self.probes = 0;
    }

    pub(super) fn planned(&mut self, class: Class) {
        if self.recent.len() == PLANNER_BLOCKS {
            self.recent.pop_front();
        }
        self.recent.push_back(match class {
            Class::Move(ms) | Class::Dwell(ms) => ms,
            _ => 0,
        });
    }
}

impl Transport {
    pub(super) fn sign_of_life(&mut self, now: Millis) {
        self.watch.life = now;
        self.watch.answered();
    }

    /// When the oldest line on its way is overdue.
    pub(super) fn deadline_ms(&self) -> Millis {
        let class = self.in_flight().next().map_or(Class::Setting, |s| s.class);
        let watch = &self.watch;
        let longest = Millis::from(watch.recent.iter().copied().max().unwrap_or(0));
        let all: Millis = watch.recent.iter().copied().map(Millis::from).sum();
        let trip = 4 * self.figures.round_trip_ms;
        let own = match class {
            Class::Move(_) | Class::Setting => DOUBT_MS + trip + longest * 3 / 2,
            Class::Dwell(ms) => DOUBT_MS + trip + all * 3 / 2 + Millis::from(ms),
            Class::Heat | Class::Person => 10_000 + all,
            Class::Home | Class::Probe => 60_000 + all,
            Class::Drain => 2_000 + trip + all * 3 / 2,
        };
        let alive = if watch.life > watch.since {
            watch.life + LIFE_MS
        } else {
            0
        };
        // Each unanswered probe doubles the wait, up to 5 s.
        let backoff = (DOUBT_MS << watch.probes.min(8)).min(5_000) + trip;
        let probed = if watch.probes > 0 {
            self.fence_ms + backoff
        } else {
            0
        };
        (watch.since + own).max(alive).max(probed)
    }

    /// Probes with the next line, never with a repeat: Marlin 2.1 swallows those in silence (pitfall 2).
    pub(super) fn watch_silence(&mut self, now: Millis) {
        if self.flown == self.acked || now < self.deadline_ms() {
            return;
        }
        if self.watch.probes == 0 {
            self.watch.first_probe = now;
        }
        let silent = now.saturating_sub(self.heard_ms.max(self.watch.first_probe));
        if self.watch.probes >= PROBES_MAX || (self.watch.probes > 3 && silent > SILENT_MS) {
            return self.fail(LineFault::Silent {
                silent_s: now.saturating_sub(self.heard_ms) as f64 / 1e3,
            });
        }
        self.probe(now);
    }

    pub(super) fn probe(&mut self, now: Millis) {
        self.watch.probes += 1;
        self.figures.probes += 1;
        self.doubt_steadily();
        if self.flown + 1 == self.next {
            self.send_fence(now);
        } else {
            // In the middle of a repeat: the next line of the ring asks as well as a fence would.
            self.fence_ms = now;
            self.repeat_next();
        }
    }
}
