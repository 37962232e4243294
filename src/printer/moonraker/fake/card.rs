//! Card: `virtual_sdcard.py`, `print_stats.py` and `pause_resume.py`.

use super::klipper::Klipper;
use super::motion::Words;

/// `print_stats`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stats {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) message: String,
    pub(super) filament_mm: f64,
    pub(super) total_s: f64,
    pub(super) start_s: Option<f64>,
    pub(super) last_e: f64,
    pub(super) paused: bool,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            name: String::new(),
            state: "standby",
            message: String::new(),
            filament_mm: 0.0,
            total_s: 0.0,
            start_s: None,
            last_e: 0.0,
            paused: false,
        }
    }
}

impl Klipper {
    /// `work_handler`: the next line of the file; `false`: there is none.
    pub(super) fn read_on(&mut self) -> bool {
        let Some(bytes) = &self.open else {
            self.runs = false;
            return false;
        };
        let rest = bytes.get(self.position..).unwrap_or_default();
        // What has no line end is never carried out.
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            self.open = None;
            self.runs = false;
            self.finish("complete", "");
            return false;
        };
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        let next = self.position + end + 1;
        match self.line(&line, true) {
            Ok(()) => {
                self.file_in_work = Some(next);
                true
            }
            Err(error) => {
                self.runs = false;
                for heater in &mut self.heaters {
                    heater[1] = 0.0;
                }
                self.finish("error", &error);
                false
            }
        }
    }

    pub(super) fn finish(&mut self, state: &'static str, message: &str) {
        let Some(start_s) = self.stats.start_s.take() else {
            return;
        };
        self.stats.state = state;
        self.stats.message = message.into();
        self.stats.total_s = self.now_s - start_s;
    }

    pub(super) fn note_start(&mut self) {
        self.stats.start_s.get_or_insert(self.now_s);
        self.stats.paused = false;
        self.stats.last_e = self.motion.last[3];
        self.stats.state = "printing";
        self.stats.message.clear();
    }

    pub(super) fn count_filament(&mut self) {
        let e = self.motion.last[3];
        self.stats.filament_mm += (e - self.stats.last_e) / self.motion.extrude_factor;
        self.stats.last_e = e;
    }

    /// `print_stats.get_status`: asking is what sums the filament.
    pub(super) fn look_at_stats(&mut self) {
        if let Some(start_s) = self.stats.start_s {
            if !self.stats.paused {
                self.count_filament();
            }
            self.stats.total_s = self.now_s - start_s;
        }
    }

    pub(super) fn note_pause(&mut self) {
        self.runs = false;
        if !self.stats.paused {
            self.stats.paused = true;
            self.count_filament();
        }
        if self.stats.state != "error" {
            self.stats.state = "paused";
        }
    }

    pub(super) fn start_file(&mut self, name: &str) -> Result<(), String> {
        if self.runs {
            return Err("SD busy".into());
        }
        self.reset_file();
        let name = name.trim_start_matches('/');
        let Some(bytes) = self.files.get(name) else {
            return Err("Unable to open file".into());
        };
        (self.size, self.position) = (bytes.len(), 0);
        self.open = Some(bytes.clone());
        self.stats.name = name.into();
        self.note_start();
        self.runs = true;
        Ok(())
    }

    pub(super) fn reset_file(&mut self) {
        (self.open, self.runs, self.position, self.size) = (None, false, 0, 0);
        self.file_in_work = None;
        self.stats = Stats::default();
    }

    pub(super) fn card_line(&mut self, words: &Words) -> Result<(), String> {
        let from = self.motion.last;
        match words.command.as_str() {
            "SDCARD_PRINT_FILE" => {
                let name = words.params.get("FILENAME").cloned().unwrap_or_default();
                self.start_file(&name)?;
            }
            "SDCARD_RESET_FILE" => self.reset_file(),
            "PAUSE" => {
                if !self.is_paused {
                    if self.runs {
                        self.sd_paused = true;
                        self.note_pause();
                    }
                    self.saved = Some(self.motion.clone());
                } else if self.parks {
                    self.pauses_again += 1;
                }
                self.is_paused = true;
                // Such macros do not look whether they are done once more.
                if self.parks {
                    let z = self.motion.last[2] + 10.0;
                    self.motion.last = [5.0, 5.0, z, from[3]];
                    self.travel(from, 50.0, false)?;
                }
            }
            "RESUME" if self.is_paused => {
                if let Some(saved) = self.saved.take() {
                    self.motion.restore(&saved);
                    self.travel(from, 50.0, false)?;
                }
                if std::mem::take(&mut self.sd_paused) {
                    if self.open.is_some() {
                        self.note_start();
                        self.runs = true;
                    } else {
                        self.finish("complete", "");
                    }
                }
                self.is_paused = false;
            }
            "CLEAR_PAUSE" => self.is_paused = false,
            "CANCEL_PRINT" => {
                if (self.runs || self.sd_paused) && self.open.take().is_some() {
                    self.runs = false;
                    self.finish("cancelled", "");
                }
                (self.position, self.size) = (0, 0);
                self.file_in_work = None;
                (self.is_paused, self.sd_paused) = (false, false);
            }
            // `Unknown command` is said, and nothing is done.
            _ => {}
        }
        Ok(())
    }
}
