//! Tuned: what a person changes of a print while it runs. What is in force there is compared with what is wanted in each look
//! and ordered anew where it differs, so that no order can get lost.
//!
//! Klipper's `M220`, `M221` and `SET_GCODE_OFFSET` go between two lines of the file and do not show in where the head stands in
//! the file's coordinates. The height outlives homing and print there: it is taken back at every end.

use super::super::conductor::tune::{Z_STEP_MM, percent};
use super::super::driver::Taken;
use super::super::journal::Record;
use super::{Millis, Moonraker, Request, Stage, refused};
use crate::status::{Refused, Tune, Tuning, TuningBounds};

/// Factors and heights that are alike.
const ALIKE: f64 = 0.001;

impl Moonraker {
    pub(super) fn tune_job(&mut self, now: Millis, tune: Tune) -> Taken {
        let Some(tuning) = self.tuning() else {
            return Err(refused(
                "not_printing",
                "Nothing is being printed that could be tuned.",
                "Look at the state.",
            ));
        };
        let bounds = tuning.bounds;
        let out = |text: String| refused("out_of_bounds", &text, "Choose a value within them.");
        let speed = percent("Speed", tune.speed_percent, bounds.speed_percent).map_err(out)?;
        let flow = percent("Flow", tune.flow_percent, bounds.flow_percent).map_err(out)?;
        let fan = percent("The fan", tune.fan_percent, bounds.fan_percent).map_err(out)?;
        let z_mm = self.height(tune.z_mm, bounds.z_mm)?;
        let Some(job) = &mut self.job else {
            return Ok(());
        };
        let old = job.tuned;
        let mut new = old;
        new.speed_percent = speed.unwrap_or(old.speed_percent);
        new.flow_percent = flow.unwrap_or(old.flow_percent);
        new.fan_percent = fan.unwrap_or(old.fan_percent);
        new.z_mm = z_mm.unwrap_or(old.z_mm);
        if new == old {
            return Ok(());
        }
        job.tuned = new;
        job.flow_tuned |= new.flow_percent != 100.0;
        job.fan_due |= new.fan_percent != old.fan_percent;
        self.journal(Record::Tuned {
            speed_percent: new.speed_percent,
            flow_percent: new.flow_percent,
            fan_percent: new.fan_percent,
            z_mm: new.z_mm,
        });
        self.tune_on(now);
        Ok(())
    }

    fn height(&self, asked: Option<f64>, [low, high]: [f64; 2]) -> Result<Option<f64>, Refused> {
        let Some(asked) = asked else {
            return Ok(None);
        };
        if !(low..=high).contains(&asked) || high <= 0.0 {
            let text = format!("The height can be set from {low} to {high} mm.");
            let next = "Choose a value within them.";
            return Err(refused("out_of_bounds", &text, next));
        }
        let plan = self
            .job
            .as_ref()
            .and_then(|job| Some((job.plan.as_ref()?, job.done)));
        if plan.is_none_or(|(plan, done)| plan.place(done)[2].is_nan()) {
            return Err(refused(
                "not_homed",
                "The height can be changed once the print has homed and moved to its first layer.",
                "Wait until it has begun.",
            ));
        }
        Ok(Some((asked / Z_STEP_MM).round() * Z_STEP_MM))
    }

    /// Klipper has carried out lines of the file since the last look: the fan is set once more behind each of its orders.
    pub(super) fn hear_lines(&mut self, before: usize) {
        let Some(job) = &mut self.job else {
            return;
        };
        let Some(plan) = &job.plan else {
            return;
        };
        for line in plan.program.lines.get(before..job.done).unwrap_or_default() {
            job.fan_due |= job.tuned.hears(&line.text).is_some();
        }
    }

    /// The printer's own height, and one that somebody set at Klipper's page: within the bounds it is a tune of theirs, and
    /// recorded. `false`: it is beyond them.
    pub(super) fn hear_height(&mut self) -> bool {
        let bound_mm = self.setup.printer.tuning.z_mm;
        let (Some(is), Some(job)) = (self.look.offset_mm, &mut self.job) else {
            return true;
        };
        let levelled = |job: &super::Job| {
            let plan = job.plan.as_ref();
            plan.is_some_and(|plan| plan.is_levelled(job.done))
        };
        if job.stage != Stage::Running || !levelled(job) {
            return true;
        }
        let Some(own) = job.offset_mm else {
            (job.offset_mm, job.height_mm) = (Some(is), is);
            return true;
        };
        let is_ours = |mm: &f64| (is - mm).abs() <= ALIKE;
        // As before, as wanted, or one of ours that came late.
        let known = [job.height_mm, own + job.tuned.z_mm];
        if known.iter().chain(&job.heights_mm).any(is_ours) {
            job.height_mm = is;
            return true;
        }
        let z_mm = is - own;
        if z_mm.abs() > bound_mm + ALIKE {
            return false;
        }
        (job.height_mm, job.tuned.z_mm) = (is, z_mm);
        let tuned = job.tuned;
        self.journal(Record::Tuned {
            speed_percent: tuned.speed_percent,
            flow_percent: tuned.flow_percent,
            fan_percent: tuned.fan_percent,
            z_mm: tuned.z_mm,
        });
        true
    }

    /// Orders what is wanted and not in force.
    pub(super) fn tune_on(&mut self, now: Millis) {
        let busy = self.is_ordered(|what| matches!(what, Request::Script(_)));
        let (factors, offset) = (self.look.factors, self.look.offset_mm);
        let Some(job) = self.job.as_mut().filter(|job| job.stage == Stage::Running) else {
            return;
        };
        if busy {
            return;
        }
        let mut lines = Vec::new();
        let differs = |is: f64, wanted: f64| (is - wanted).abs() > ALIKE;
        if let Some([speed, flow]) = factors {
            if differs(speed, job.tuned.speed_percent / 100.0) {
                lines.push(format!("M220 S{}", job.tuned.speed_percent));
            }
            if differs(flow, job.tuned.flow_percent / 100.0) {
                // Also one that somebody else set there: the sum of the filament has suffered from it.
                job.flow_tuned = true;
                lines.push(format!("M221 S{}", job.tuned.flow_percent));
            }
        }
        if let (Some(is), Some(own)) = (offset, job.offset_mm) {
            let wanted_mm = own + job.tuned.z_mm;
            if differs(is, wanted_mm) {
                job.heights_mm.push(wanted_mm);
                lines.push(format!("SET_GCODE_OFFSET Z={wanted_mm:.3} MOVE=1"));
            }
        }
        if std::mem::take(&mut job.fan_due) {
            lines.extend(job.tuned.fan_line());
        }
        if !lines.is_empty() {
            self.script(now, &lines);
        }
    }

    pub(super) fn tuning(&self) -> Option<Tuning> {
        let job = self.job.as_ref()?;
        let runs = matches!(
            job.stage,
            Stage::Running
                | Stage::Pausing
                | Stage::Parking
                | Stage::Paused
                | Stage::Reheating
                | Stage::Unparking
                | Stage::Resuming
        );
        if !runs {
            return None;
        }
        let tuning = &self.setup.printer.tuning;
        let z_mm = if self.look.offset_mm.is_some() {
            tuning.z_mm
        } else {
            0.0
        };
        let tuned = &job.tuned;
        Some(Tuning {
            speed_percent: tuned.speed_percent,
            flow_percent: tuned.flow_percent,
            fan_percent: tuned.fan_percent,
            z_mm: tuned.z_mm,
            bounds: TuningBounds {
                speed_percent: tuning.speed_percent,
                flow_percent: tuning.flow_percent,
                fan_percent: tuning.fan_percent,
                z_mm: [-z_mm, z_mm],
            },
        })
    }
}
