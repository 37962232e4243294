//! Hears: what the printer says, and what the line between makes of it.

use super::super::reply::{Reading, Reply};
use super::super::transport::{LineFault, Output};
use super::{
    Action, BOOT_QUIET_MS, Class, Conductor, Heater, Millis, Port, Tracker, cool, faults, park,
    tune,
};

impl Conductor {
    pub(super) fn reply(&mut self, now: Millis, reply: Reply) {
        let reply = self.whole_error(now, reply);
        match &reply {
            Reply::Boot => return self.booted(now),
            Reply::Fatal(text) => return self.fatal(now, text),
            Reply::Trouble(text) => return self.trouble(now, text),
            Reply::ColdExtrusion if self.job.is_some() => {
                return self.stop_safe(now, faults::cold_extrusion());
            }
            Reply::Firmware(identity, line) => self.introduced(now, identity, line),
            Reply::Capability(name, yes) => match name.as_str() {
                "EMERGENCY_PARSER" => {
                    self.transport.has_emergency_parser(*yes);
                    self.parser.says(*yes);
                }
                "PROMPT_SUPPORT" => self.has_prompts = *yes,
                "BABYSTEPPING" => self.has_baby_steps = *yes,
                _ => {}
            },
            // What a stop says about itself stays: a printer that still speaks of its panel has not confirmed it.
            Reply::PausedForUser | Reply::Busy | Reply::Action(_) if self.is_stopped() => {}
            Reply::PausedForUser => self.waits_for_person(now),
            Reply::Busy => self.goes_on(),
            Reply::Action(action) => self.firmware_asks(now, action),
            _ => {}
        }
        if matches!(self.port, Port::Greeting | Port::Ready) {
            self.transport.reply(now, &reply);
        }
    }

    pub(super) fn output(&mut self, now: Millis, output: Output) {
        match output {
            Output::Write(bytes) => self.actions.push(Action::Write(bytes)),
            Output::Connected => self.connected(now),
            Output::Accepted(tag) => {
                self.away_since = None;
                self.progress(now);
                if let Some(job) = &mut self.job
                    && let Some(mark) = job.accepted(now, tag, &self.tracker)
                {
                    self.actions.push(Action::Journal(mark));
                }
            }
            Output::Temperatures(t) => {
                let heater = |old: Option<Heater>, new: Option<Reading>| {
                    let target_c = |new: &Reading| new.target_c.or(old.map(|h| h.target_c));
                    new.and_then(|new| {
                        Some(Heater {
                            now_c: new.now_c,
                            target_c: target_c(&new)?,
                        })
                    })
                    .or(old)
                };
                self.hotend = heater(self.hotend, t.hotend);
                self.bed = heater(self.bed, t.bed);
                self.heat_reported(now, &t);
                self.heaters_said(now, &t);
            }
            Output::Counted => self.counted(now),
            Output::Resent => self.count_resend(now),
            Output::Position(said) => {
                self.place_said();
                self.trail.says(said);
                if let Some(job) = &mut self.job {
                    job.position = Some(said);
                }
            }
            Output::Fault(fault) => self.line_fault(now, &fault),
        }
    }

    /// The first orders to a printer that was found: nothing may be hot without a job, and no report comes that
    /// nobody asked for.
    pub(super) fn connected(&mut self, now: Millis) {
        self.port = Port::Ready;
        self.tracker = Tracker::default();
        self.find_head();
        self.script.extend(park::heat_off(&self.setup.printer));
        let since = self.cooling.as_ref().map_or(now, cool::Cooling::since);
        self.must_cool(now, since);
        if self.facts().has_m155 {
            self.own("M155 S0", Class::Setting);
        }
        self.untuned.clear();
        self.script.extend(tune::as_the_file_says());
        if self.job.as_ref().is_some_and(|job| job.guarded) {
            self.guard();
        } else if self.facts().has_m85 {
            // The host is back: what an interrupted print asked the board to do without one is called off.
            self.own("M85 S0", Class::Setting);
        }
    }

    pub(super) fn line_fault(&mut self, now: Millis, fault: &LineFault) {
        if !matches!(self.port, Port::Greeting | Port::Ready) {
            // It was found in the same breath as a stop, a halt or a port that went away. Greeting the printer anew would
            // undo the stop.
            return;
        }
        if *fault == LineFault::Reset {
            return self.booted(now);
        }
        let in_print = self.job.is_some();
        let finding = faults::of_line(fault, in_print);
        let deaf = matches!(fault, LineFault::Silent { .. } | LineFault::Stuck { .. });
        let waits = self.transport.is_waiting_for_heat();
        // Behind the end of a print, too, as long as its orders to switch off are not taken.
        let ended = self.unsafe_since.as_ref().map(|(_, why)| why.clone());
        if (in_print || ended.is_some()) && (waits || (deaf && self.may_wait_for_heat())) {
            // An order to switch off would stand behind the wait, and one question more could fill its queue.
            let why = ended.map_or(finding, |why| faults::not_heard(&why));
            return self.emergency_stop_because(now, why);
        }
        self.script.clear();
        self.forget_heaters();
        if in_print {
            self.end_job(now, Some(finding));
            if let Some(why) = self.fault.clone() {
                self.unsafe_since = Some((now, why));
            }
        } else {
            self.connect_fault = Some(finding);
        }
        // The line may still carry an order to switch off; greeting anew asks it.
        self.port = Port::Booting {
            until: now + BOOT_QUIET_MS,
        };
    }
}
