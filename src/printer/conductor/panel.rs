//! Panel: what a person does at the printer's own panel, and what it asks (`//action:..`).

use super::super::wire::Prompt;
use super::job::Stage;
use super::{Action, Conductor, Millis, Port, Record, Taken, faults, park, refused};

/// Choices of one prompt; Marlin has two.
const CHOICES_MAX: usize = 8;

/// A question that is being put together, or shown.
#[derive(Debug, Default)]
pub(super) struct Asked {
    prompt: Prompt,
    shown: bool,
}

impl Conductor {
    /// `//action:..`. `poweroff` comes from Marlin itself after a kill and is never obeyed.
    pub(super) fn firmware_asks(&mut self, now: Millis, action: &str) {
        let (word, rest) = action.split_once(' ').unwrap_or((action, ""));
        match word {
            "pause" | "paused" | "out_of_filament" => self.pause_at_printer(now),
            "resume" => self.resume_at_printer(now, true),
            "resumed" => self.resume_at_printer(now, false),
            "cancel" => self.cancel_at_printer(now),
            "prompt_begin" => {
                self.prompt = Some(Asked {
                    prompt: Prompt {
                        text: rest.trim().to_owned(),
                        choices: Vec::new(),
                    },
                    shown: false,
                });
            }
            "prompt_choice" | "prompt_button" => {
                if let Some(asked) = &mut self.prompt
                    && asked.prompt.choices.len() < CHOICES_MAX
                {
                    asked.prompt.choices.push(rest.trim().to_owned());
                }
            }
            "prompt_show" => {
                if let Some(asked) = &mut self.prompt {
                    asked.shown = true;
                }
            }
            "prompt_end" => self.prompt = None,
            _ => {}
        }
    }

    /// The question that is open at the panel.
    pub(super) fn prompt(&self) -> Option<Prompt> {
        let asked = self.prompt.as_ref().filter(|asked| asked.shown)?;
        Some(asked.prompt.clone())
    }

    fn pause_at_printer(&mut self, now: Millis) {
        // Refused when nothing runs: then there is nothing to hold.
        if self.pause(now).is_ok()
            && let Some(job) = &mut self.job
        {
            job.by_printer = true;
        }
    }

    /// A person at the printer lets it go on. `resumed` says that the printer itself does: a hold that a person asked
    /// for elsewhere stays.
    fn resume_at_printer(&mut self, now: Millis, asked: bool) {
        self.goes_on();
        let Some(job) = &mut self.job else {
            return;
        };
        if !(asked || job.by_printer) {
            return;
        }
        if job.stage == Stage::Pausing {
            job.resume_asked = true;
            return;
        }
        // Refused when nothing is held: then it goes on already.
        let _ = self.go_on(now, true);
    }

    /// Stop at the panel: as a person's cancel, and said to be one at the printer.
    fn cancel_at_printer(&mut self, now: Millis) {
        if self
            .job
            .as_ref()
            .is_none_or(|j| j.stage == Stage::Cancelling)
        {
            return;
        }
        let (at, hot) = (self.tracker.at(), self.is_hot());
        self.end_job(now, Some(faults::stopped_at_printer()));
        self.make_safe(now, park::give_up(&at, hot, &self.setup.printer));
    }

    /// Answers the printer's prompt, or tells a printer that waits to go on.
    ///
    /// # Errors
    /// When it asks nothing, or nothing with that choice.
    pub fn answer(&mut self, now: Millis, choice: usize) -> Taken {
        let prompt = self.prompt();
        let there = matches!(self.port, Port::Ready | Port::Greeting | Port::Asking);
        let order = match &prompt {
            Some(prompt) if there && self.has_prompts => {
                if choice >= prompt.choices.len().max(1) {
                    return Err(refused(
                        "no_such_choice",
                        "The printer does not offer this choice.",
                        "Look at what it asks now.",
                    ));
                }
                format!("M876 S{choice}\n")
            }
            _ if there && (prompt.is_some() || self.waits.is_some()) => "M108\n".to_owned(),
            _ => {
                return Err(refused(
                    "nothing_asked",
                    "The printer asks nothing.",
                    "Look at its own display.",
                ));
            }
        };
        // Without a number, as M112: a printer that waits takes no line.
        self.actions.push(Action::Write(order.into_bytes()));
        self.actions
            .push(Action::Journal(Record::Answered { choice }));
        self.settle(now);
        Ok(())
    }
}
