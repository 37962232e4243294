//! Clock: how long ago something was, although the wall clock may be set.
//!
//! A box without a battery starts in 1970 and is then told the time; a wrong server sends it to another year. What is
//! deleted after so many days must not go for that. The wall clock is compared with one that nobody sets, and what it
//! jumped by does not count.
//!
//! Holds: `DATA/clock.json` has the runs of the clock between which it was set, so that a start in the past is known as
//!        one. Where it is not clear in which run something was noted, it is as young as it can be.

use super::Engine;
use crate::station::folders::write_private;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What differs by less is no jump but a clock that is put right, seconds.
const JUMP_S: i64 = 3600;
/// How often the time is written down, seconds.
const KEEP_S: i64 = 3600;
/// Runs that are kept, the newest.
const RUNS_MAX: usize = 200;
const FILE: &str = "clock.json";

/// From one time that the clock was set to the next, seconds since 1970. Time in which the station was off is part of
/// it, as long as the clock went on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    from_s: i64,
    to_s: i64,
}

/// What is known of the wall clock.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Clock {
    runs: Vec<Run>,
    #[serde(skip)]
    last: Option<(i64, Instant)>,
    #[serde(skip)]
    kept_s: i64,
    #[serde(skip)]
    path: PathBuf,
}

impl Clock {
    /// Of the station in `data`. Without the file, or with one that is damaged, nothing is known of earlier jumps.
    pub(super) fn open(data: &Path) -> Self {
        let path = data.join(FILE);
        let read = std::fs::read(&path).ok();
        let kept: Option<Self> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            path,
            ..kept.unwrap_or_default()
        }
    }

    /// The wall clock says `now_s`, the other one `monotonic`.
    fn look(&mut self, now_s: i64, monotonic: Instant) {
        let set_by_s = match (self.last, self.runs.last()) {
            (Some((then_s, then)), _) => {
                let went = monotonic.saturating_duration_since(then).as_secs();
                now_s - then_s - i64::try_from(went).unwrap_or(i64::MAX)
            }
            // While the station was off, only a clock that went back is surely one that was set.
            (None, Some(run)) => (now_s - run.to_s).min(0),
            (None, None) => 0,
        };
        self.last = Some((now_s, monotonic));
        let was_set = set_by_s.abs() >= JUMP_S;
        match self.runs.last_mut().filter(|_| !was_set) {
            Some(run) => run.to_s = run.to_s.max(now_s),
            None => self.runs.push(Run {
                from_s: now_s,
                to_s: now_s,
            }),
        }
        if was_set {
            tracing::warn!(set_by_s, "the clock was set: ages of cases do not count it");
            let old = self.runs.len().saturating_sub(RUNS_MAX);
            self.runs.drain(..old);
        }
        if was_set || (now_s - self.kept_s).abs() >= KEEP_S {
            self.kept_s = now_s;
            self.keep();
        }
    }

    fn keep(&self) {
        let Ok(text) = serde_json::to_vec(self) else {
            return;
        };
        let kept = write_private(&self.path, |file| std::io::Write::write_all(file, &text));
        if let Err(error) = kept {
            tracing::error!(kind = ?error.kind(), "what is known of the clock could not be written");
        }
    }

    /// How old what was noted at `then_s` is at `now_s`, seconds: what went by in the run in which it was noted, and in
    /// all that followed.
    fn age_s(&self, then_s: i64, now_s: i64) -> i64 {
        if self.runs.is_empty() {
            return now_s - then_s;
        }
        let mut youngest = None;
        let mut since_s = 0;
        for (n, run) in self.runs.iter().enumerate().rev() {
            let to_s = match n + 1 == self.runs.len() {
                true => now_s,
                false => run.to_s,
            };
            let age_s = match then_s {
                // Noted before anything is known of the clock.
                _ if n == 0 && then_s < run.from_s => Some(to_s - then_s + since_s),
                _ if (run.from_s..=to_s).contains(&then_s) => Some(to_s - then_s + since_s),
                _ => None,
            };
            youngest = match (youngest, age_s) {
                (Some(a), Some(b)) => Some(i64::min(a, b)),
                (a, b) => a.or(b),
            };
            since_s += to_s - run.from_s;
        }
        // A time that no run knows: of a clock that ran ahead for less than a look.
        youngest.unwrap_or(i64::min(now_s - then_s, since_s))
    }
}

impl Engine {
    /// Notices that the clock was set.
    pub(super) fn look_at_clock(&mut self) {
        let now_s = (self.settings.clock)().timestamp().as_second();
        let monotonic = (self.settings.monotonic)();
        self.clock.look(now_s, monotonic);
    }

    /// Seconds that have passed since a time of the store; 0 when it can not be read.
    pub(super) fn seconds_since(&self, then: &str) -> i64 {
        let then: Option<jiff::Timestamp> = then.parse().ok();
        let now_s = (self.settings.clock)().timestamp().as_second();
        then.map_or(0, |then| self.clock.age_s(then.as_second(), now_s))
    }

    /// Full hours since a time of the store; 0 when it can not be read.
    pub(super) fn hours_since(&self, then: &str) -> i64 {
        self.seconds_since(then) / 3600
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DAY_S: i64 = 86_400;

    /// A clock, what it shows, and the one that nobody sets.
    struct Played {
        clock: Clock,
        now_s: i64,
        monotonic: Instant,
    }

    impl Played {
        fn at(dir: &Path, now_s: i64) -> Self {
            let mut played = Self {
                clock: Clock::open(dir),
                now_s,
                monotonic: Instant::now(),
            };
            played.look();
            played
        }

        fn look(&mut self) {
            self.clock.look(self.now_s, self.monotonic);
        }

        fn passes(&mut self, days: i64) {
            self.now_s += days * DAY_S;
            self.monotonic += Duration::from_secs(days.unsigned_abs() * 86_400);
            self.look();
        }

        fn is_set_by(&mut self, days: i64) {
            self.now_s += days * DAY_S;
            self.look();
        }

        fn days_since(&self, then_s: i64) -> i64 {
            self.clock.age_s(then_s, self.now_s) / DAY_S
        }
    }

    #[test]
    fn days_that_pass_count_and_days_that_the_clock_is_set_by_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut p = Played::at(dir.path(), 20_000 * DAY_S);
        let first = p.now_s;
        p.passes(10);
        assert_eq!(p.days_since(first), 10);
        p.is_set_by(3650);
        let second = p.now_s;
        p.passes(5);
        assert_eq!((p.days_since(first), p.days_since(second)), (15, 5));
        p.is_set_by(-3650);
        p.passes(2);
        assert_eq!((p.days_since(first), p.days_since(second)), (17, 7));
        // Whatever is noted afterwards is as old as it is.
        let third = p.now_s;
        p.passes(4);
        assert_eq!(p.days_since(third), 4);
    }

    #[test]
    fn a_box_that_starts_in_1970_and_is_told_the_time_makes_nothing_old() {
        let dir = tempfile::tempdir().unwrap();
        let mut p = Played::at(dir.path(), 20_000 * DAY_S);
        let old = p.now_s;
        p.passes(30);
        // Its battery is empty.
        let mut p = Played::at(dir.path(), 0);
        let early = p.now_s;
        p.is_set_by(20_031);
        assert_eq!(p.days_since(early), 0);
        assert!(
            (30..=31).contains(&p.days_since(old)),
            "{}",
            p.days_since(old)
        );
        p.passes(3);
        assert_eq!(p.days_since(early), 3);
    }

    #[test]
    fn what_was_known_outlives_the_station_and_a_damaged_file_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let mut p = Played::at(dir.path(), 20_000 * DAY_S);
        let first = p.now_s;
        p.is_set_by(400);
        let p = Played::at(dir.path(), p.now_s + DAY_S);
        assert_eq!(p.days_since(first), 1, "a day off counts");
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        let p = Played::at(dir.path(), p.now_s);
        assert_eq!(p.days_since(p.now_s), 0);
    }
}
