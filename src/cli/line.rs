//! What a person sees while a case is in work: a progress bar on a terminal, plain lines elsewhere.

use super::Failure;
use crate::design::Watcher;
use crate::network::Device;
use crate::status::{Finding, Progress, Severity};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::Instant;

/// Shows progress on stderr and keeps the clock of one case.
pub(super) struct Line {
    start: Instant,
    bar: Option<ProgressBar>,
    last: String,
}

impl Line {
    pub(super) fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{prefix:>8} [{bar:30}] {msg} ({elapsed})")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self {
            start: Instant::now(),
            bar,
            last: String::new(),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Watcher for Line {
    fn progress(&mut self, progress: &Progress) {
        let text = format!("{}: {}", progress.stage.word(), progress.text);
        if let Some(bar) = &self.bar {
            bar.set_prefix(progress.stage.word());
            bar.set_message(progress.text.clone());
            bar.set_position((progress.fraction.clamp(0.0, 1.0) * 1000.0) as u64);
        } else if text != self.last {
            eprintln!("{text}");
        }
        self.last = text;
    }

    fn finding(&mut self, finding: &Finding) {
        let word = match finding.severity {
            Severity::Info => "note",
            Severity::Warn => "warning",
            Severity::Refuse => "refused",
        };
        self.say(&format!("{word}: {}", finding.line()));
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// The device named by `--device`.
pub(super) fn device(text: &str) -> Result<Device, Failure> {
    text.parse().map_err(Failure::usage)
}
