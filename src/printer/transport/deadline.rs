//! Deadline: how long an answer may take, and what is done when none comes.
//!
//! Three bounds on the oldest line on its way, of which only a line that is taken moves the last two for good:
//! when it is *due* (then a fence asks), when silence means that the printer is *gone*, and when a printer that says
//! that it is busy is *stuck*. Reports of temperature and noise are no sign that a line was taken; `busy` and the
//! lines of a heating wait extend the first two, never the third.

use super::super::reply::{Reply, Temperatures};
use super::{LineFault, Millis, Transport};

/// Doubt begins so long after an answer was due.
const DOUBT_MS: Millis = 400;
/// `busy:` comes every 2 s; two of them may be lost.
const LIFE_MS: Millis = 5_000;
/// A line that waits for heat or for a person is asked about after so long without a word.
const HEAT_SILENT_MS: Millis = 10_000;
/// Silence after which the printer is given up, counted from the first probe.
const SILENT_MS: Millis = 20_000;
/// Probes that may be on their way: they share the firmware's 128-byte ring.
const PROBES_MAX: u32 = 8;
/// Blocks that a firmware may hold in front of a line.
const PLANNER_BLOCKS: usize = 20;
/// Probing of the bed, whatever is said meanwhile.
const PROBE_MAX_MS: Millis = 1_800_000;
/// A printer that is busy with moves: so many times as long as planned (the knob at 10 %, and reserve).
const SLOW_TIMES: Millis = 30;
const BUSY_MAX_MS: Millis = 120_000;
/// Warmer by so much is a sign of life of a heating wait, C.
const WARMER_C: f64 = 0.5;

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

impl Class {
    /// Its `ok` comes when a heater or a person is ready.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::Heat | Self::Person)
    }
}

/// Watches the oldest unanswered line.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When the oldest line became the oldest.
    since: Millis,
    /// Last sign of life that fits the line.
    life: Millis,
    /// Waits for a person, as last said.
    person: Option<Millis>,
    /// Warmest hotend and bed since the oldest line became the oldest, C.
    warmest_c: [f64; 2],
    /// Probes since the last answer.
    probes: u32,
    first_probe: Millis,
    /// Planned times of the last lines, ms.
    recent: std::collections::VecDeque<u32>,
}

impl Watch {
    pub(super) fn restart(&mut self, now: Millis) {
        self.since = now;
        self.person = None;
        self.warmest_c = [f64::NEG_INFINITY; 2];
        self.answered();
    }

    pub(super) fn answered(&mut self) {
        self.probes = 0;
    }

    /// The oldest line was asked about, and nothing came yet.
    pub(super) fn is_probing(&self) -> bool {
        self.probes > 0
    }

    pub(super) fn planned(&mut self, class: Class) {
        if self.recent.len() == PLANNER_BLOCKS {
            self.recent.pop_front();
        }
        self.recent.push_back(match class {
            Class::Move(ms) | Class::Dwell(ms) => ms,
            Class::Setting
            | Class::Drain
            | Class::Home
            | Class::Probe
            | Class::Heat
            | Class::Person => 0,
        });
    }

    fn all_ms(&self) -> Millis {
        self.recent.iter().copied().map(Millis::from).sum()
    }

    /// Is anything warmer than it ever was in this wait?
    fn warmer(&mut self, report: &Temperatures) -> bool {
        let mut warmer = false;
        for (warmest, heater) in self.warmest_c.iter_mut().zip([report.hotend, report.bed]) {
            if let Some(heater) = heater
                && heater.now_c >= *warmest + WARMER_C
            {
                *warmest = heater.now_c;
                warmer = true;
            }
        }
        warmer
    }
}

fn ms(seconds: f64) -> Millis {
    (seconds * 1e3) as Millis
}

impl Transport {
    /// `busy`, or a report while heating: the firmware lives; that it has our lines is not said.
    pub(super) fn sign_of_life(&mut self, now: Millis, reply: &Reply) {
        let heats = self.heats();
        let lives = match reply {
            Reply::Busy => {
                self.watch.person = None;
                true
            }
            Reply::PausedForUser => {
                self.watch.person = Some(now);
                true
            }
            Reply::Heating(_) => heats,
            Reply::Temperatures(report) => {
                // Some wait with plain reports; elsewhere these come by themselves.
                let marked = self
                    .rules
                    .facts
                    .heating_lines
                    .iter()
                    .any(|l| l.contains(" W:"));
                heats && (!marked || self.watch.warmer(report))
            }
            _ => false,
        };
        if lives {
            self.watch.life = now;
            self.watch.answered();
        }
    }

    /// The longest time among lines that are not proved to be done: credit may err, and then a G28 still runs.
    fn longest(&self, time: impl Fn(Class) -> Millis) -> Millis {
        let unproved = self.sent_since(self.proved.min(self.acked));
        let classes = unproved.map(|s| s.class).chain(self.waits());
        let longest = classes.map(&time).max();
        longest.unwrap_or_else(|| time(Class::Setting))
    }

    /// When the oldest line on its way is overdue.
    pub(super) fn deadline_ms(&self) -> Millis {
        let watch = &self.watch;
        let longest = Millis::from(watch.recent.iter().copied().max().unwrap_or(0));
        let all = watch.all_ms();
        let trip = 4 * self.figures.round_trip_ms;
        let own = self.longest(|class| match class {
            Class::Move(_) | Class::Setting => DOUBT_MS + trip + longest * 3 / 2,
            Class::Dwell(ms) => DOUBT_MS + trip + all * 3 / 2 + Millis::from(ms),
            Class::Heat | Class::Person => HEAT_SILENT_MS + all,
            Class::Home | Class::Probe => 60_000 + all,
            Class::Drain => 2_000 + trip + all * 3 / 2,
        });
        // Each unanswered probe doubles the wait, up to 5 s.
        let backoff = (DOUBT_MS << watch.probes.min(8)).min(5_000) + trip;
        let probed = if watch.probes > 0 {
            self.fence_ms + backoff
        } else {
            0
        };
        let due = (watch.since + own).max(self.alive_until()).max(probed);
        if watch.probes >= PROBES_MAX {
            due.max(self.gone_ms())
        } else {
            due
        }
    }

    fn alive_until(&self) -> Millis {
        if self.watch.life > self.watch.since {
            self.watch.life + LIFE_MS
        } else {
            0
        }
    }

    /// When silence means that nobody is there.
    fn gone_ms(&self) -> Millis {
        let watch = &self.watch;
        let patience = self.longest(|class| match class {
            Class::Home => ms(self.rules.facts.times.home_silent_s) + watch.all_ms(),
            Class::Probe => ms(self.rules.facts.times.probe_silent_s) + watch.all_ms(),
            Class::Move(_)
            | Class::Setting
            | Class::Drain
            | Class::Dwell(_)
            | Class::Heat
            | Class::Person => 0,
        });
        (watch.since + patience)
            .max(watch.first_probe + SILENT_MS)
            .max(self.alive_until() + SILENT_MS)
    }

    /// When a printer that says that it is busy has been so for too long.
    fn stuck_ms(&self) -> Millis {
        let all = self.watch.all_ms() * SLOW_TIMES;
        let most = self.longest(|class| match class {
            Class::Move(_) | Class::Setting | Class::Drain => BUSY_MAX_MS + all,
            Class::Dwell(ms) => BUSY_MAX_MS + all + 2 * Millis::from(ms),
            Class::Home => ms(self.rules.facts.times.home_s) + all,
            Class::Probe => PROBE_MAX_MS,
            Class::Heat => ms(self.rules.facts.times.heat_s) + all,
            // A person comes when a person comes; the owner bounds the heat.
            Class::Person => Millis::MAX / 4,
        });
        self.watch.since + most
    }

    /// The firmware waits for a person at its own panel: its queue may be full, and a further line would make it deaf
    /// for `M108` and `M112`. How long that may last is the owner's question.
    pub(super) fn waits_for_person(&self, now: Millis) -> bool {
        self.watch.person.is_some_and(|t| now < t + LIFE_MS)
    }

    /// Probes with the next line, never with a repeat: Marlin 2.1 swallows those in silence.
    pub(super) fn watch_silence(&mut self, now: Millis) {
        if self.flown == self.acked {
            self.pieces_are_done(now);
            return;
        }
        if self.waits_for_person(now) {
            return;
        }
        if now >= self.stuck_ms() {
            return self.fail(LineFault::Stuck {
                stuck_s: now.saturating_sub(self.watch.since) as f64 / 1e3,
            });
        }
        if now < self.deadline_ms() {
            return;
        }
        if self.watch.probes == 0 {
            self.watch.first_probe = now;
        }
        if self.watch.probes > 3 && now >= self.gone_ms() {
            return self.fail(LineFault::Silent {
                silent_s: now.saturating_sub(self.heard_ms) as f64 / 1e3,
            });
        }
        // Nothing was heard for long behind the last question either: its answer may be lost.
        let asked = self.in_flight().next_back().map(|sent| sent.at);
        let lost = asked.is_some_and(|at| now >= at + HEAT_SILENT_MS);
        let places = self.awake_max() + u64::from(lost);
        if !self.has_place_of(places) {
            // As if it had been asked: one more line would make it deaf.
            self.watch.probes += 1;
            self.fence_ms = now;
        } else if self.watch.probes < PROBES_MAX {
            self.probe(now);
        }
    }

    /// The line that waits was answered, and the question behind it was refused so often that there is no place for it any
    /// more. A printer that still waits would say so each second: one that has said nothing for long has done what lay there.
    fn pieces_are_done(&mut self, now: Millis) {
        let since = self.heard_ms.max(self.fence_ms);
        if self.pieces > 0 && self.flown + 1 < self.next && now >= since + HEAT_SILENT_MS {
            self.pieces = 0;
        }
    }

    /// When [`Transport::watch_silence`] has something to do.
    pub(super) fn silence_wake_ms(&self, now: Millis) -> Millis {
        if self.waits_for_person(now) {
            return now + LIFE_MS;
        }
        self.deadline_ms().min(self.stuck_ms())
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
            self.repeat_next(now);
        }
    }
}
