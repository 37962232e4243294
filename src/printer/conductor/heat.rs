//! Heat: a heating wait ends. What counts is that the heater comes nearer to its target, not that it is talked about.

use super::super::reply::{Reading, Temperatures};
use super::job::{Stage, WarmProof};
use super::{Class, Conductor, Millis, faults, park};
use crate::gcode::dialect::HeaterName;
use crate::gcode::parse;
use crate::status::Heater;

/// Nearer by so much is progress, C.
const NEARER_C: f64 = 0.5;
/// So near a wait for heat is over, C.
const NEAR_C: f64 = 3.0;
/// Without progress for so long it is said; then the print ends.
const WARN_MS: Millis = 120_000;
const END_MS: Millis = 300_000;
/// Reports in a row of a nozzle that is too cold to push filament: one may be damaged.
const COLD_MAX: u32 = 2;
/// Answers that say that it was warm to the end, each to a question of its own.
const WARM_MIN: u32 = 2;
/// Questions for it, and time between two rounds of them, ms.
const WARM_ASKED_MAX: u32 = 40;
const WARM_ASK_MS: Millis = 1_000;

/// Watches a heating wait.
#[derive(Debug, Default)]
pub(super) struct HeatWatch {
    /// Since when nothing came nearer; `None` outside a wait.
    since: Option<Millis>,
    /// Smallest distance to the target of hotend and bed in this wait, C.
    nearest_c: [Option<f64>; 2],
}

impl Conductor {
    /// A report, whoever asked for it.
    pub(super) fn heat_reported(&mut self, now: Millis, report: &Temperatures) {
        if let Some(hotend) = report.hotend {
            self.watch_cold(now, hotend.now_c);
        }
        if !self.transport.is_waiting_for_heat() {
            self.heat = HeatWatch::default();
            return;
        }
        let mut nearer = self.heat.since.is_none();
        for (heater, reading) in [report.hotend, report.bed].into_iter().enumerate() {
            let Some(distance) = self.distance(heater, reading) else {
                continue;
            };
            let nearest = &mut self.heat.nearest_c[heater];
            if nearest.is_none_or(|n| distance <= n - NEARER_C) {
                *nearest = Some(distance);
                nearer = true;
            }
        }
        if nearer {
            self.heat.since = Some(now);
            if self
                .fault
                .as_ref()
                .is_some_and(|f| f.name == "target_not_reached")
            {
                self.fault = None;
            }
        }
    }

    /// A nozzle that was warm and is too cold ends the print. Most firmwares say so themselves, but a word may be lost on
    /// the wire, and Repetier says none: it moves on without filament.
    fn watch_cold(&mut self, now: Millis, now_c: f64) {
        let least_c = self.setup.printer.limits.extrude_min_c;
        let ordered_c = self.tracker.targets_c[0];
        let Some(job) = &mut self.job else {
            return;
        };
        if job.stage != Stage::Streaming || ordered_c < least_c {
            (job.was_warm, job.cold) = (false, 0);
        } else if now_c >= least_c {
            (job.was_warm, job.cold) = (true, 0);
            if std::mem::take(&mut job.warm.open) {
                job.warm.agreed += 1;
            }
        } else if job.was_warm && !self.transport.is_waiting_for_heat() {
            job.cold += 1;
            if job.cold >= COLD_MAX {
                self.stop_safe(now, faults::nozzle_cold(now_c, least_c));
            }
        }
    }

    /// `text` is the next line of the file, `None` its end. Before the nozzle is let cool it has to be proved that it was
    /// warm to the last stroke: a heater that dies near the end cools in silence where the words of the firmware got
    /// lost. The answer comes when every move before it is planned, and a move is refused as cold when it is planned.
    /// `true`: not proved yet, nothing else may go.
    pub(super) fn must_prove_warm(&mut self, now: Millis, text: Option<&str>) -> bool {
        let least_c = self.setup.printer.limits.extrude_min_c;
        let ordered = parse(text.unwrap_or("M104 S0")).ok().flatten();
        let ordered = ordered.and_then(|command| self.dialect.heat_order(&command));
        let cools = ordered.is_some_and(|order| {
            order.heater == HeaterName::Hotend && order.target_c.is_some_and(|c| c < least_c)
        });
        let Some(job) = &mut self.job else {
            return false;
        };
        if !(cools && job.was_warm) {
            return false;
        }
        if job.warm.agreed >= WARM_MIN {
            job.warm = WarmProof::default();
            // Until it is warm again.
            job.was_warm = false;
            return false;
        }
        if !self.transport.is_drained() || now < job.warm.next {
            return true;
        }
        if job.warm.asked >= WARM_ASKED_MAX {
            self.stop_safe(now, faults::warmth_unsaid());
            return true;
        }
        // The answer to the second comes behind a place: one that the wire doubled comes ahead of it. So nothing waits between
        // the two, and the wire rests for one round trip.
        job.warm = WarmProof {
            open: true,
            asked: job.warm.asked + 1,
            agreed: 0,
            next: now + WARM_ASK_MS,
        };
        for question in ["M105", "M114", "M105"] {
            self.own(question, Class::Setting);
        }
        self.work(now);
        true
    }

    /// A place was answered: what comes behind it is no copy of an answer before it.
    pub(super) fn place_said(&mut self) {
        if let Some(job) = &mut self.job {
            job.warm.open |= job.warm.agreed > 0;
        }
    }

    /// May the firmware be waiting for a temperature? Credit may err and run ahead of the wait, so that a heater which was
    /// not seen near its target counts, too.
    pub(super) fn may_wait_for_heat(&self) -> bool {
        let far = |(heater, ordered_c): (Option<Heater>, f64)| {
            ordered_c > 0.0 && heater.is_none_or(|h| h.now_c < ordered_c - NEAR_C)
        };
        let ordered = self.tracker.targets_c;
        let below = [(self.hotend, ordered[0]), (self.bed, ordered[1])]
            .into_iter()
            .any(far);
        below || self.transport.is_waiting_for_heat()
    }

    /// How far a heater is from what was ordered, C.
    fn distance(&self, heater: usize, reading: Option<Reading>) -> Option<f64> {
        let now_c = reading?.now_c;
        let target_c = self.tracker.targets_c[heater];
        (target_c > 0.0).then(|| (target_c - now_c).abs())
    }

    pub(super) fn watch_heat(&mut self, now: Millis) {
        let Some(since) = self.heat.since else {
            return;
        };
        if self.job.is_none() || !self.transport.is_waiting_for_heat() {
            self.heat = HeatWatch::default();
            return;
        }
        if now < since + WARN_MS {
            return;
        }
        let farthest = [("hotend", self.hotend, 0), ("bed", self.bed, 1)]
            .into_iter()
            .filter_map(|(name, heater, k)| {
                let now_c = heater?.now_c;
                let target_c = self.tracker.targets_c[k];
                (target_c > 0.0).then_some((name, now_c, target_c))
            })
            .max_by(|a, b| (a.2 - a.1).abs().total_cmp(&(b.2 - b.1).abs()));
        let Some((name, now_c, target_c)) = farthest else {
            return;
        };
        if now < since + END_MS {
            self.fault = Some(faults::not_warmer(name, now_c, target_c));
            return;
        }
        let at = self.tracker.at();
        self.end_job(now, Some(faults::target_not_reached(name, now_c, target_c)));
        self.make_safe(now, park::make_safe(&at, &self.setup.printer));
    }
}
