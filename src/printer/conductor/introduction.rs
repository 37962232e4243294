//! Introduction: who is at the port, asked with `M115` before anything else is said, each time it is opened.
//!
//! In:    bytes and replies while [`Port::Asking`].
//! Out:   the printer that was there before: lines go on. Another one, or a firmware that the profile is not made for:
//!        nothing is sent to it. Nobody: the usual baud rates are tried, and what was found is said.
//! Holds: an answer carries no checksum: one that is new counts when it comes twice, another printer than before when it
//!        comes four times in a row. Whole lines are compared, not what was read out of them: two different damages to
//!        `MACHINE_TYPE:` leave the same name, of a printer that there is not.

use super::super::journal::LINK_RESTARTED;
use super::super::line::checksum;
use super::super::wire::PrinterName;
use super::{Action, Conductor, Finding, JobStatus, Millis, Port, faults};
use crate::gcode::dialect::Identity;

/// Between two questions, ms.
const ASK_MS: Millis = 1_000;
/// The same while the printer says that it is busy: each question takes a place in its queue.
const ASK_BUSY_MS: Millis = 5_000;
/// Questions at the configured rate, and at each other one.
const ASKS: u32 = 4;
const ASKS_ELSEWHERE: u32 = 2;
/// Questions to one that answers without saying who it is.
const ASKS_NAMELESS: u32 = 20;
/// Rates that firmwares are built with.
const BAUDS: [u32; 8] = [
    115_200, 250_000, 57_600, 500_000, 1_000_000, 38_400, 19_200, 9_600,
];
/// Answers so far apart belong to two questions: the wire may double a line.
const APART_MS: Millis = 200;
/// Another printer than before says so so often in a row: a damaged answer of the same one does not, and taking it for
/// another one would leave it hot.
const OTHER_TIMES: u32 = 4;
/// Every so many-th question goes without a checksum, where there are any with one.
const PLAIN_EACH: u32 = 4;
/// Answers of one that does not say whether it hears while it waits for heat, where that is needed.
const OPEN_MAX: u32 = 12;
/// So many answers more than anybody else make a printer that was not known: the same damage comes twice, and a printer that is
/// known by it would be another one at its next whole answer.
const LEAD: u32 = 3;
/// Answers kept to compare.
const ANSWERS_MAX: usize = 8;
/// So many bytes that are no text, and so large a share of all, are a wrong rate.
const GARBAGE_BYTES: u64 = 8;
const GARBAGE_SHARE: u64 = 5;

/// What is known of the one that is being asked.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    next: Millis,
    /// Questions at this rate.
    asked: u32,
    /// Rate in use, by its place in [`Introduction::bauds`].
    rate: usize,
    /// Lines that answered, how often, and when last.
    answers: Vec<(String, u32, Millis)>,
    /// The line that named another one last, how often in a row, and when.
    other: Option<(String, u32, Millis)>,
    /// It said something that can be read.
    speaks: bool,
    busy: bool,
    /// It waits for heat: what was asked lies behind that, and each further question takes a place in its queue.
    heats: bool,
    bytes: u64,
    garbage: u64,
    /// Some rate brought garbage.
    garbled: bool,
    /// Questions since something was answered, while the printer may wait for heat or for a person. They lie in its queue,
    /// however often the port was opened anew meanwhile.
    in_wait: u64,
}

impl Introduction {
    pub(super) fn next_ms(&self) -> Millis {
        self.next
    }

    pub(super) fn hears(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let text = |b: &u8| matches!(b, b' '..=b'~' | b'\r' | b'\n' | b'\t');
        self.garbage += bytes.iter().filter(|b| !text(b)).count() as u64;
    }

    /// Answers carry no checksum, and damage may make the same of two: who is believed has been heard three times more than
    /// anybody else.
    fn is_believed(&mut self, line: &str, now: Millis) -> bool {
        let answers = &mut self.answers;
        match answers.iter_mut().find(|(other, ..)| other == line) {
            Some((_, times, at)) if now >= *at + APART_MS => (*times, *at) = (*times + 1, now),
            Some(_) => {}
            None => {
                if answers.len() == ANSWERS_MAX {
                    let least = answers.iter().map(|(_, times, _)| *times).min();
                    let least = answers.iter().position(|(_, n, _)| Some(*n) == least);
                    answers.remove(least.unwrap_or(0));
                }
                answers.push((line.to_owned(), 1, now));
            }
        }
        let times = |own: bool| {
            let of = answers
                .iter()
                .filter(move |(other, ..)| (other == line) == own);
            of.map(|(_, times, _)| *times).max().unwrap_or(0)
        };
        times(true) >= times(false) + LEAD
    }

    /// Counts answers of one and the same other printer, in a row.
    fn says_again(&mut self, line: &str, now: Millis) -> u32 {
        let (times, at) = match &self.other {
            Some((last, times, at)) if last == line && now >= at + APART_MS => (times + 1, now),
            Some((last, times, at)) if last == line => (*times, *at),
            _ => (1, now),
        };
        self.other = Some((line.to_owned(), times, at));
        times
    }

    fn is_garbled(&self) -> bool {
        self.garbage >= GARBAGE_BYTES && self.garbage * GARBAGE_SHARE >= self.bytes
    }
}

/// What a printer has said of its emergency parser. An answer carries no checksum, and one bit makes a 0 of a 1: what it
/// says more often counts.
#[derive(Debug, Default)]
pub(super) struct Parser {
    there: u32,
    missing: u32,
    /// It was believed once: no damage takes that back.
    believed: bool,
    /// Answers that did not decide.
    open: u32,
}

impl Parser {
    pub(super) fn says(&mut self, yes: bool) {
        self.there += u32::from(yes);
        self.missing += u32::from(!yes);
    }

    fn is_there(&mut self) -> bool {
        self.believed |= self.there > self.missing;
        self.believed
    }

    /// One more answer without it. Neither said it was missing nor said nothing of it for long.
    fn may_be_there(&mut self) -> bool {
        self.open += 1;
        self.open <= OPEN_MAX && self.missing < self.there + 2
    }
}

/// As it goes to the journal.
pub(super) fn name_of(identity: &Identity) -> PrinterName {
    PrinterName {
        firmware: identity.firmware.clone(),
        machine: identity.machine.clone(),
        uuid: identity.uuid.clone(),
    }
}

/// The printer of a print that the end of the link interrupted: it may be hot, and another one in its place is told
/// nothing. After any other end a person was there.
pub(super) fn interrupted(last: Option<&JobStatus>) -> Option<Identity> {
    let last = last.filter(|job| (job.fault.as_ref()).is_some_and(|f| f.name == LINK_RESTARTED))?;
    last.printer.as_ref().map(|name| Identity {
        firmware: name.firmware.clone(),
        machine: name.machine.clone(),
        uuid: name.uuid.clone(),
    })
}

/// The configured rate first.
fn bauds(configured: u32) -> Vec<u32> {
    let others = BAUDS.into_iter().filter(|baud| *baud != configured);
    std::iter::once(configured).chain(others).collect()
}

impl Conductor {
    pub(super) fn begin_asking(&mut self, now: Millis) {
        self.introduction = Introduction {
            rate: self.introduction.rate,
            garbled: self.introduction.garbled,
            in_wait: self.introduction.in_wait,
            ..Introduction::default()
        };
        self.port = Port::Asking;
        if self.identity.is_none() {
            self.parser = Parser::default();
        }
        if self.is_in_print() {
            // It counts as away until a line is taken.
            self.away_since.get_or_insert(now);
        }
        self.ask(now);
    }

    /// A port that is opened anew speaks at the configured rate.
    pub(super) fn keep_rate(&mut self) {
        let bauds = bauds(self.setup.printer.link.baud);
        if let Some(baud) = bauds
            .get(self.introduction.rate)
            .filter(|b| **b != bauds[0])
        {
            self.actions.push(Action::SetBaud(*baud));
        }
    }

    fn ask(&mut self, now: Millis) {
        let at_stake = self.is_in_print() || self.unsafe_since.is_some();
        let places = self.transport.places_in_wait().filter(|_| at_stake);
        let intro = &mut self.introduction;
        intro.asked += 1;
        intro.next = now + if intro.busy { ASK_BUSY_MS } else { ASK_MS };
        intro.busy = false;
        if let Some(places) = places {
            if intro.in_wait >= places {
                // One more would fill its queue, and it would not hear the emergency stop.
                return;
            }
            intro.in_wait += 1;
        }
        // Where each letter counts, damage makes a move of it. Others refuse a checksum without a number: every fourth goes
        // without, in case it is another one.
        let numbering = &self.setup.printer.dialect.facts().numbering;
        let summed = numbering.bare_checksum_checked && !intro.asked.is_multiple_of(PLAIN_EACH);
        let question = if summed {
            format!("\nM115*{}\n", checksum(b"M115"))
        } else {
            "\nM115\n".to_owned()
        };
        // The LF ends a half line of whoever spoke before. Without a number: which one is due is not known yet.
        self.actions.push(Action::Write(question.into_bytes()));
    }

    /// Asks again when it is time.
    pub(super) fn ask_on(&mut self, now: Millis) {
        if now < self.introduction.next {
            return;
        }
        if std::mem::take(&mut self.introduction.heats) {
            self.introduction.next = now + ASK_BUSY_MS;
            return;
        }
        let asks = if self.introduction.rate == 0 {
            ASKS
        } else {
            ASKS_ELSEWHERE
        };
        let intro = &self.introduction;
        if intro.speaks && !intro.is_garbled() {
            if intro.asked >= ASKS_NAMELESS && !intro.busy {
                self.connect_fault = Some(faults::nameless());
            }
        } else if intro.asked >= asks && self.identity.is_some() {
            // It was understood at this rate before: it is silent, and may hear again at any moment.
            let rate = bauds(self.setup.printer.link.baud)[self.introduction.rate];
            self.connect_fault = Some(faults::nobody_answers(&[rate]));
        } else if intro.asked >= asks {
            self.next_rate(now);
        }
        self.ask(now);
    }

    fn next_rate(&mut self, now: Millis) {
        let configured = self.setup.printer.link.baud;
        let bauds = bauds(configured);
        let garbled = self.introduction.garbled || self.introduction.is_garbled();
        let rate = (self.introduction.rate + 1) % bauds.len();
        self.introduction = Introduction {
            rate,
            garbled: garbled && rate != 0,
            next: now,
            ..Introduction::default()
        };
        self.scanner.clear();
        self.actions.push(Action::SetBaud(bauds[rate]));
        if rate == 0 {
            self.connect_fault = Some(if garbled {
                faults::wrong_baud(configured, &bauds)
            } else {
                faults::nobody_answers(&bauds)
            });
        }
    }

    /// It answers, but not yet who it is.
    pub(super) fn speaks(&mut self, busy: bool) {
        if let Port::Asking = self.port {
            self.introduction.speaks = true;
            self.introduction.busy |= busy;
        }
    }

    /// A line of ours was answered: nothing waits in front of the questions any more.
    pub(super) fn answers(&mut self) {
        self.introduction.in_wait = 0;
    }

    /// It says how warm it is while it waits.
    pub(super) fn heats(&mut self) {
        if let Port::Asking = self.port {
            self.introduction.heats = true;
        }
    }

    /// An answer to `M115`, and the line that it was read from.
    pub(super) fn introduced(&mut self, now: Millis, identity: &Identity, line: &str) {
        let Port::Asking = self.port else {
            return;
        };
        self.introduction.speaks = true;
        if self.identity.as_ref() == Some(identity) {
            return self.is_known(now);
        }
        if let Some(before) = self.identity.clone() {
            return self.is_other(now, identity, line, &before);
        }
        if !self.introduction.is_believed(line, now) {
            // Asked again, once this answer is over.
            self.introduction.next = now + APART_MS;
            return;
        }
        self.name.clone_from(&identity.firmware);
        self.identity = Some(identity.clone());
        self.is_known(now);
    }

    /// An answer that is not that of the printer before.
    fn is_other(&mut self, now: Millis, identity: &Identity, line: &str, before: &Identity) {
        let times = self.introduction.says_again(line, now);
        if times < OTHER_TIMES {
            self.introduction.next = now + APART_MS;
            return;
        }
        self.name.clone_from(&identity.firmware);
        let finding =
            faults::other_printer(&identity.firmware, &before.firmware, self.job.is_some());
        self.transport.silence();
        self.port = Port::Stranger;
        self.end_job(now, Some(finding.clone()));
        self.fault = Some(finding);
    }

    /// The printer that is meant, as far as it can say so.
    fn is_known(&mut self, now: Millis) {
        let Some(identity) = &self.identity else {
            return;
        };
        let found = identity.dialect();
        // Our virtual printer stands in for any.
        let fits = found == Some(self.setup.printer.dialect) || identity.machine == "virtual";
        let Some(dialect) = found.filter(|_| fits) else {
            let what = found.map_or_else(|| identity.firmware.clone(), |d| d.to_string());
            let finding = faults::wrong_firmware(&what, &self.setup.printer.title);
            return self.is_unfit(now, finding);
        };
        let metal = !self.setup.is_virtual && identity.machine != "virtual";
        if self.setup.printer.is_virtual && metal {
            let finding = faults::virtual_profile(&identity.firmware);
            return self.is_unfit(now, finding);
        }
        if dialect.facts().emergency.needs_parser && !self.parser.is_there() {
            if self.parser.may_be_there() {
                // What it can follows its name, and may have been lost: it is asked again.
                self.introduction.next = now + APART_MS;
                return;
            }
            let finding = faults::deaf_in_wait(&identity.firmware);
            return self.is_unfit(now, finding);
        }
        self.dialect = dialect;
        self.unfit = None;
        self.connect_fault = None;
        self.forget_stranger();
        let bauds = bauds(self.setup.printer.link.baud);
        if self.introduction.rate != 0 && self.introduction.garbled {
            let found = bauds[self.introduction.rate % bauds.len()];
            self.connect_fault = Some(faults::other_baud(bauds[0], found));
        }
        self.transport.speaks_to(self.facts());
        if self.is_in_print() {
            if self.facts().numbering.may_repeat() {
                self.port = Port::Ready;
                return self.transport.reopened(now);
            }
            // Which lines it took is not known, and nothing may be sent twice.
            self.transport.silence();
            self.end_job(now, Some(faults::gone()));
        }
        self.port = Port::Greeting;
        self.transport.hello(now);
    }

    /// What was said of another printer is no longer true, unless it ended the last print.
    fn forget_stranger(&mut self) {
        let of_last = self.last.as_ref().and_then(|job| job.fault.as_ref());
        let stranger = |f: &Finding| {
            ["other_printer", "wrong_firmware", "wrong_profile"].contains(&f.name.as_str())
                && of_last.is_none_or(|last| last.name != f.name)
        };
        if self.fault.as_ref().is_some_and(stranger) {
            self.fault = None;
        }
    }

    /// Nothing is printed on it, and nothing more said.
    fn is_unfit(&mut self, now: Millis, finding: Finding) {
        self.end_job(now, Some(finding.clone()));
        self.port = Port::Stranger;
        self.unfit = Some(finding.clone());
        self.fault = Some(finding);
        // Another printer may be put in its place.
        self.identity = None;
    }
}
