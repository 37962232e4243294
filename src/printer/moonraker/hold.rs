//! Hold: a print that waits, with its heat bounded.
//!
//! `PAUSE` and `RESUME` are those of the printer's own configuration: many have macros for them that park the head. Where the
//! head still stands on the part when `PAUSE` is done, it is lifted and parked here, and brought back before `RESUME`.
//! After a pause at Klipper's own page nothing is moved: a person has their hands there.

use super::super::conductor::faults;
use super::super::journal::Record;
use super::reading::PrintState;
use super::{Answer, Millis, Moonraker, Open, Reach, Request, Stage, Trouble, words};

/// Nozzle above the part while parked, mm.
const LIFT_MM: f64 = 5.0;
/// Margin to the edge of the bed, mm.
const MARGIN_MM: f64 = 5.0;
/// So near to its place the head stands on the part, mm.
const ON_PART_MM: f64 = 0.05;
/// Pushed out beside the part after the nozzle was cold, mm.
const PRIME_MM: f64 = 4.0;
/// So near to its target a heater is warm, C.
const WARM_C: f64 = 3.0;
/// Heating up again takes no longer.
const REHEAT_MS: Millis = 1_800_000;
/// An answer to `PAUSE` may be lost; the hold shows.
const HOLD_MS: Millis = 65_000;
/// A `RESUME` that was answered shows within so long.
const RESUME_MS: Millis = 30_000;
/// Klipper switches itself off so long after the bounds of a hold, s: for a link that died.
const IDLE_MORE_S: f64 = 300.0;
/// Klipper's own, where it does not tell.
const IDLE_S: f64 = 600.0;
/// A cancel is given again after so long.
const CANCEL_AGAIN_MS: Millis = 10_000;

fn minutes(min: f64) -> Millis {
    (min * 60e3) as Millis
}

impl Moonraker {
    /// Klipper says that the print is held.
    pub(super) fn is_held(&mut self, now: Millis) {
        let (targets_c, busy) = (self.targets_c(), self.is_busy());
        let Some(job) = &mut self.job else {
            return;
        };
        match job.stage {
            Stage::Pausing => {
                // Its macro may still move: what it does is over when it is answered.
                let answered = job.hold_answered && self.looked_ms >= Some(job.since);
                if answered || now >= job.since + HOLD_MS {
                    self.park(now);
                }
            }
            Stage::Starting | Stage::Running => {
                (job.held_ms, job.cooled, job.held_c) = (now, [false; 2], targets_c);
                (job.parked, job.hands, job.idle) = (false, true, true);
                job.enter(now, Stage::Paused);
                self.fault = Some(words::paused_there());
                self.journal(Record::Paused);
                let idle = self.idle_line(true);
                self.script(now, &[idle]);
            }
            Stage::Paused => self.watch_targets(now),
            Stage::Reheating => self.reheats(now),
            Stage::Resuming if now >= job.since + RESUME_MS && !busy => {
                self.fault = Some(words::does_not_go_on());
                self.hold_again(now);
            }
            Stage::Cancelling => self.cancel_again(now),
            Stage::Proving => self.stop_safe(now, words::another_run()),
            _ => {}
        }
    }

    fn is_busy(&self) -> bool {
        self.is_ordered(|what| matches!(what, Request::Resume | Request::Script(_)))
    }

    fn hold_again(&mut self, now: Millis) {
        let targets_c = self.targets_c();
        if let Some(job) = &mut self.job {
            (job.held_ms, job.cooled, job.held_c) = (now, [false; 2], targets_c);
            job.parked = false;
            job.enter(now, Stage::Paused);
        }
    }

    /// Klipper's own time limit while it holds, or as it was.
    pub(super) fn idle_line(&self, holds: bool) -> String {
        let seconds = if holds {
            self.setup.printer.link.hold_bed_min * 60.0 + IDLE_MORE_S
        } else {
            self.settings.idle_s.unwrap_or(IDLE_S)
        };
        format!("SET_IDLE_TIMEOUT TIMEOUT={seconds:.0}")
    }

    /// Where the print was held, mm, where that is known.
    fn held_at(&self) -> Option<[f64; 3]> {
        let job = self.job.as_ref()?;
        let at = job.plan.as_ref()?.place(job.done);
        at.iter().all(|v| v.is_finite()).then_some(at)
    }

    fn is_on_part(&self) -> bool {
        let near = |held: [f64; 3], at: [f64; 4]| {
            (0..3).all(|axis| (held[axis] - at[axis]).abs() <= ON_PART_MM)
        };
        (self.held_at().zip(self.look.at_mm)).is_some_and(|(held, at)| near(held, at))
    }

    fn away_lines(&self) -> Vec<String> {
        let Some(held) = self.held_at() else {
            return Vec::new();
        };
        let printer = &self.setup.printer;
        let lift = LIFT_MM.min(printer.height_mm - held[2]).max(0.0);
        vec![
            "G90".into(),
            format!("G1 Z{:.3} F480", held[2] + lift),
            format!("G1 X{MARGIN_MM} Y{} F6000", printer.bed_mm[1] - MARGIN_MM),
            "M400".into(),
        ]
    }

    fn park(&mut self, now: Millis) {
        // Where it stands in the file is said with the same look.
        let targets_c = self.targets_c();
        let mark = (self.job.as_mut()).and_then(|job| job.reached(now, &self.look, targets_c));
        if let Some(mark) = mark {
            self.journal(mark);
        }
        let on_part = self.is_on_part();
        let mut lines = vec![self.idle_line(true)];
        if on_part {
            lines.extend(self.away_lines());
        }
        if let Some(job) = &mut self.job {
            (job.parked, job.hands, job.idle) = (on_part, false, true);
            (job.held_ms, job.cooled, job.held_c) = (now, [false; 2], targets_c);
            job.enter(now, Stage::Parking);
        }
        self.script(now, &lines);
    }

    /// An answer to an order of a print that has begun.
    pub(super) fn hold_answered(
        &mut self,
        now: Millis,
        open: &Open,
        answer: &Result<Answer, Trouble>,
    ) {
        let Some(job) = &mut self.job else {
            return;
        };
        match (job.stage, &open.what) {
            (Stage::Pausing, Request::Pause) => {
                if let Err(Trouble::Refused { text, .. }) = answer {
                    self.fault = Some(words::does_not_hold(text));
                    job.enter(now, Stage::Running);
                } else if answer.is_ok() {
                    // Looks from now on show what its macro did.
                    job.hold_answered = true;
                    job.since = now;
                }
            }
            (Stage::Parking, Request::Script(_)) if open.since >= job.since => match answer {
                Ok(_) => {
                    job.enter(now, Stage::Paused);
                    self.journal(Record::Paused);
                }
                Err(_) => self.stop_safe(now, words::hold_in_doubt()),
            },
            (Stage::Unparking, Request::Script(_)) if open.since >= job.since => match answer {
                Ok(_) => {
                    job.idle = false;
                    job.enter(now, Stage::Resuming);
                    self.order(now, Request::Resume);
                }
                Err(_) => self.stop_safe(now, words::hold_in_doubt()),
            },
            (Stage::Resuming, Request::Resume) => {
                if let Err(Trouble::Refused { text, .. }) = answer {
                    self.fault = Some(faults::trouble_idle(text));
                    self.hold_again(now);
                } else {
                    job.since = now;
                }
            }
            _ => {}
        }
    }

    /// A person goes on.
    pub(super) fn unhold(&mut self, now: Millis) {
        let Some(job) = &mut self.job else {
            return;
        };
        job.enter(now, Stage::Reheating);
        job.hands = false;
        let mut lines = Vec::new();
        let [hotend_c, bed_c] = job.held_c;
        if job.cooled[1] {
            lines.push(format!("M140 S{bed_c}"));
        }
        if job.cooled[0] {
            lines.push(format!("M104 S{hotend_c}"));
        }
        self.fault = None;
        self.journal(Record::Resumed { at_printer: false });
        if lines.is_empty() {
            self.unpark(now);
        } else {
            self.script(now, &lines);
        }
    }

    fn reheats(&mut self, now: Millis) {
        let Some(job) = &self.job else {
            return;
        };
        let (wanted, since, cooled) = (job.held_c, job.since, job.cooled);
        let said = ["extruder", "heater_bed"].map(|name| self.look.heater(name));
        let mut cold = None;
        for heater in (0..2).filter(|&h| cooled[h] && wanted[h] > 0.0) {
            let Some(said) = said[heater] else { return };
            let is_set = (said.target_c - wanted[heater]).abs() < 0.5;
            if !is_set && !self.is_busy() && now >= since + RESUME_MS {
                return self.stop_safe(now, words::hold_in_doubt());
            }
            if !is_set || said.now_c < wanted[heater] - WARM_C {
                cold = Some((["nozzle", "bed"][heater], said.now_c, wanted[heater]));
            }
        }
        match cold {
            None => self.unpark(now),
            Some((name, now_c, target_c)) if now >= since + REHEAT_MS => {
                let why = faults::target_not_reached(name, now_c, target_c);
                self.stop_safe(now, why);
            }
            Some(_) => {}
        }
    }

    fn unpark(&mut self, now: Millis) {
        let (held, on_part) = (self.held_at(), self.is_on_part());
        let idle = self.idle_line(false);
        let away = self.away_lines();
        let Some(job) = &mut self.job else {
            return;
        };
        let primes = job.cooled[0];
        let mut lines = vec![idle];
        let mut back = job.parked;
        if primes && on_part {
            // Held there by somebody else: what oozed goes beside the part.
            lines.extend(away);
            back = true;
        }
        if primes {
            // `RESUME` restores the modes, and E as it was.
            lines.extend(["M83".into(), format!("G1 E{PRIME_MM} F180")]);
        }
        if let (true, Some([x, y, z])) = (back, held) {
            lines.push("G90".into());
            lines.push(format!("G1 X{x:.4} Y{y:.4} F6000"));
            lines.push(format!("G1 Z{z:.4} F480"));
        }
        job.enter(now, Stage::Unparking);
        self.script(now, &lines);
    }

    /// It prints again.
    pub(super) fn goes_on(&mut self, now: Millis) {
        let Some(job) = &mut self.job else {
            return;
        };
        (job.cooled, job.parked, job.hold_answered) = ([false; 2], false, false);
        job.hands = false;
        job.enter(now, Stage::Running);
        job.done_ms = now;
        let ours = |name: &str| ["hold_cools", "paused_there", "does_not_go_on"].contains(&name);
        if self.fault.as_ref().is_some_and(|f| ours(&f.name)) {
            self.fault = None;
        }
    }

    /// Heaters that went off in a hold without our doing.
    fn watch_targets(&mut self, now: Millis) {
        let targets_c = self.targets_c();
        let asked = self.looked_ms;
        let Some(job) = &mut self.job else {
            return;
        };
        let lost = (0..2).any(|h| job.held_c[h] > 0.0 && !job.cooled[h] && targets_c[h] <= 0.0);
        if lost && asked > Some(job.held_ms) {
            job.off += 1;
            if job.off > 2 {
                self.stop_safe(now, faults::targets_lost());
            }
        } else {
            job.off = 0;
        }
    }

    /// Bounds the heat of a hold.
    pub(super) fn watch_hold(&mut self, now: Millis) {
        if self.reach != Reach::Ready {
            return;
        }
        let link = &self.setup.printer.link;
        let (nozzle_min, bed_min) = (link.hold_nozzle_min, link.hold_bed_min);
        let Some(job) = self.job.as_mut().filter(|job| job.stage == Stage::Paused) else {
            return;
        };
        let held = now.saturating_sub(job.held_ms);
        let mut lines = Vec::new();
        if held >= minutes(nozzle_min) && !job.cooled[0] {
            job.cooled[0] = true;
            lines.push("M104 S0".to_owned());
            self.fault = Some(faults::hold_cools(nozzle_min, false));
        }
        if held >= minutes(bed_min) && !job.cooled[1] {
            job.cooled[1] = true;
            lines.push("M140 S0".to_owned());
            self.fault = Some(faults::hold_cools(bed_min, true));
        }
        // An order that got lost: given again as long as the heater is wanted warm.
        let targets_c = self.targets_c();
        let again = self
            .job
            .as_ref()
            .is_some_and(|job| (0..2).any(|h| job.cooled[h] && targets_c[h] > 0.0));
        if again && lines.is_empty() && !self.is_busy() {
            let cooled = self.job.as_ref().map_or([false; 2], |job| job.cooled);
            lines.extend(cooled[0].then(|| "M104 S0".to_owned()));
            lines.extend(cooled[1].then(|| "M140 S0".to_owned()));
        }
        if !lines.is_empty() {
            self.script(now, &lines);
        }
    }

    /// Given up, and Klipper goes on: it is told again.
    pub(super) fn cancel_again(&mut self, now: Millis) {
        let waits = self.is_ordered(|what| *what == Request::Cancel);
        let Some(job) = &mut self.job else {
            return;
        };
        if now < job.since + CANCEL_AGAIN_MS {
            return;
        }
        // It stands behind a heater, or homing. A second one would lie behind the first.
        let is_held = (self.look.print.as_ref()).is_some_and(|p| p.state == PrintState::Paused);
        let is_lost = !waits && (!job.late || is_held || job.reads_on(&self.look));
        self.fault = Some(words::cancel_waits());
        if is_lost {
            self.order(now, Request::Cancel);
        }
    }

    /// To be held, and Klipper goes on: many a macro for `PAUSE` lifts and retracts once more each time, so that a second order
    /// is given only when the first one does not lie there.
    pub(super) fn hold_on(&mut self, now: Millis) {
        let waits = self.is_ordered(|what| *what == Request::Pause);
        let Some(job) = self.job.as_mut().filter(|job| job.stage == Stage::Pausing) else {
            return;
        };
        if !waits && !job.hold_answered && job.reads_on(&self.look) {
            self.order(now, Request::Pause);
        }
    }
}
