//! Tune: what a person changes of a print while it runs: speed, flow, part fan, height.
//!
//! In:    what is asked, the profile's bounds, the file's own orders to the fan.
//! Out:   lines of our own between two of the file's, a record.
//! Holds: never beyond the bounds, and all of what is asked or nothing; at the end of a print, and whenever a printer was found,
//!        speed and flow are the file's again. The height ends with the next homing.
//! Never: moves what the firmware says of its place: factors and baby steps stand behind it, so that the end of a print is
//!        proved as ever.

use super::job::Stage;
use super::{Action, Class, Conductor, Millis, Record, Taken, refused};
use crate::gcode::parse;
use crate::status::{Tune, Tuning, TuningBounds};

/// Of the fan, as `M106 S` counts it.
const FAN_MAX: f64 = 255.0;
/// Below this RepRapFirmware takes the number for a fraction of one.
const FAN_MIN: f64 = 2.0;
/// Steps of height, mm.
pub(in crate::printer) const Z_STEP_MM: f64 = 0.01;

/// What is in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::printer) struct Tuned {
    pub(in crate::printer) speed_percent: f64,
    pub(in crate::printer) flow_percent: f64,
    pub(in crate::printer) fan_percent: f64,
    pub(in crate::printer) z_mm: f64,
    /// What the file ordered last, 0 to 255.
    fan: f64,
}

impl Default for Tuned {
    fn default() -> Self {
        Self {
            speed_percent: 100.0,
            flow_percent: 100.0,
            fan_percent: 100.0,
            z_mm: 0.0,
            fan: 0.0,
        }
    }
}

impl Tuned {
    /// Time takes so many times as long as planned.
    pub(in crate::printer) fn times(&self) -> f64 {
        100.0 / self.speed_percent
    }

    /// A line of the file goes out; what has to follow it.
    pub(in crate::printer) fn hears(&mut self, text: &str) -> Option<String> {
        let command = parse(text).ok().flatten()?;
        if command.is('G', 28) {
            let named = ['X', 'Y', 'Z'].map(|letter| command.has(letter));
            if named[2] || named == [false; 3] {
                self.z_mm = 0.0;
            }
            return None;
        }
        let value = |letter| command.value(letter).map(|v| v.value());
        let part_fan = value('P').is_none_or(|fan| fan == 0.0);
        if command.is('M', 107) && part_fan {
            self.fan = 0.0;
        } else if command.is('M', 106) && part_fan {
            self.fan = value('S').unwrap_or(FAN_MAX).clamp(0.0, FAN_MAX);
            return (self.fan_percent != 100.0)
                .then(|| self.fan_line())
                .flatten();
        }
        None
    }

    /// The fan as it is wanted; `None`: the file has it off.
    pub(in crate::printer) fn fan_line(&self) -> Option<String> {
        let wanted = self.fan * self.fan_percent / 100.0;
        let wanted = if wanted > 0.0 {
            wanted.round().clamp(FAN_MIN, FAN_MAX)
        } else {
            0.0
        };
        (self.fan > 0.0).then(|| format!("M106 S{wanted}"))
    }

    /// Back to what the file says.
    pub(super) fn undo(&mut self) -> Vec<(String, Class)> {
        let mut lines = Vec::new();
        if self.speed_percent != 100.0 {
            lines.push("M220 S100".to_owned());
        }
        if self.flow_percent != 100.0 {
            lines.push("M221 S100".to_owned());
        }
        if self.fan_percent != 100.0 {
            self.fan_percent = 100.0;
            lines.extend(self.fan_line());
        }
        (self.speed_percent, self.flow_percent) = (100.0, 100.0);
        settings(lines)
    }
}

fn settings(lines: Vec<String>) -> Vec<(String, Class)> {
    let setting = |line| (line, Class::Setting);
    lines.into_iter().map(setting).collect()
}

/// What an earlier link, or a knob, may have left in a printer.
pub(super) fn as_the_file_says() -> Vec<(String, Class)> {
    settings(vec!["M220 S100".into(), "M221 S100".into()])
}

/// A whole percent within bounds.
pub(in crate::printer) fn percent(
    what: &str,
    asked: Option<f64>,
    bounds: [f64; 2],
) -> Result<Option<f64>, String> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let [low, high] = bounds;
    if (low..=high).contains(&asked) {
        return Ok(Some(asked.round().clamp(low, high)));
    }
    Err(format!("{what} can be set from {low} to {high} %."))
}

impl Conductor {
    /// Changes speed, flow, fan or height of the print that runs.
    ///
    /// # Errors
    /// When nothing is printed, one of them is out of bounds, or the firmware can not do it.
    pub fn tune(&mut self, now: Millis, tune: Tune) -> Taken {
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
        let new = &mut job.tuned;
        new.speed_percent = speed.unwrap_or(old.speed_percent);
        new.flow_percent = flow.unwrap_or(old.flow_percent);
        new.fan_percent = fan.unwrap_or(old.fan_percent);
        new.z_mm = z_mm.unwrap_or(old.z_mm);
        let new = *new;
        if new == old {
            return Ok(());
        }
        let mut lines = Vec::new();
        if new.speed_percent != old.speed_percent {
            lines.push(format!("M220 S{}", new.speed_percent));
        }
        if new.flow_percent != old.flow_percent {
            lines.push(format!("M221 S{}", new.flow_percent));
        }
        if new.fan_percent != old.fan_percent {
            lines.extend(new.fan_line());
        }
        if new.z_mm != old.z_mm {
            // P0: the distance to a probe, which outlives the print, stays as it is.
            lines.push(format!("M290 P0 Z{:.2}", new.z_mm - old.z_mm));
        }
        self.script.extend(settings(lines));
        self.actions.push(Action::Journal(Record::Tuned {
            speed_percent: new.speed_percent,
            flow_percent: new.flow_percent,
            fan_percent: new.fan_percent,
            z_mm: new.z_mm,
        }));
        self.settle(now);
        Ok(())
    }

    /// Behind the orders of an end: the next print begins as its file says.
    pub(super) fn untune(&mut self) {
        let of_job = self.job.as_mut().map(|job| job.tuned.undo());
        let undo = of_job.unwrap_or_else(|| std::mem::take(&mut self.untuned));
        // The fan is off by then, and stays so.
        let settings = undo
            .into_iter()
            .filter(|(text, _)| !text.starts_with("M106"));
        self.script.extend(settings);
    }

    fn height(
        &self,
        asked: Option<f64>,
        [low, high]: [f64; 2],
    ) -> Result<Option<f64>, super::Refused> {
        let Some(asked) = asked else {
            return Ok(None);
        };
        if high <= 0.0 {
            return Err(refused(
                "not_here",
                "The height can not be changed in a print: the printer's firmware does not offer it, or its profile forbids it.",
                "Leave the height as it is; use the printer's own panel if it has that.",
            ));
        }
        if !(low..=high).contains(&asked) {
            let text = format!("The height can be set from {low} to {high} mm.");
            return Err(refused(
                "out_of_bounds",
                &text,
                "Choose a value within them.",
            ));
        }
        if self.tracker.at()[2].is_nan() {
            // Homing would take it back, and firmware does not do it before.
            return Err(refused(
                "not_homed",
                "The height can be changed once the print has homed and moved to its first layer.",
                "Wait until it has begun.",
            ));
        }
        Ok(Some((asked / Z_STEP_MM).round() * Z_STEP_MM))
    }

    /// What is in force and what may be; `None` where no print could be changed.
    pub(super) fn tuning(&self) -> Option<Tuning> {
        let job = self.job.as_ref()?;
        let runs = matches!(
            job.stage,
            Stage::Streaming | Stage::Pausing | Stage::Paused | Stage::Resuming
        );
        if !runs {
            return None;
        }
        let tuning = &self.setup.printer.tuning;
        let z_mm = if self.has_baby_steps {
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
