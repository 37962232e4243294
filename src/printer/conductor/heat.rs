//! Heat: a heating wait ends. What counts is that the heater comes nearer to its target, not that it is talked about.

use super::super::reply::{Reading, Temperatures};
use super::job::Stage;
use super::{Conductor, Millis, faults, park};

/// Nearer by so much is progress, C.
const NEARER_C: f64 = 0.5;
/// Without progress for so long it is said; then the print ends.
const WARN_MS: Millis = 120_000;
const END_MS: Millis = 300_000;
/// Reports in a row of a nozzle that is too cold to push filament: one may be damaged.
const COLD_MAX: u32 = 2;

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
        } else if job.was_warm && !self.transport.is_waiting_for_heat() {
            job.cold += 1;
            if job.cold >= COLD_MAX {
                self.stop_safe(now, faults::nozzle_cold(now_c, least_c));
            }
        }
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
