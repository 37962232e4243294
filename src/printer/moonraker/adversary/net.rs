//! Net: requests and answers between the machine and the fake, with what a network does to them.

use super::super::api::{Answer, Ask, Request, Trouble};
use super::super::fake::{Moonraker, Reply};
use super::super::http;
use super::Dice;
use std::collections::BTreeMap;

type Ms = u64;

/// What may happen to a request, each in ten thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) lost: u64,
    pub(super) answer_lost: u64,
    pub(super) late: u64,
    pub(super) doubled: u64,
    pub(super) strange: u64,
}

/// A request that the fake has not answered yet.
#[derive(Debug)]
struct Waiting {
    ask: Ask,
    ticket: u64,
    until: Ms,
    /// Its answer gets lost.
    lost: bool,
}

#[derive(Debug)]
pub(super) struct Net {
    pub(super) weather: Weather,
    /// Nothing gets through until then.
    pub(super) cut_until: Ms,
    /// So many answers more are a proxy's own.
    pub(super) strange_next: u64,
    /// The same for all scripts, and how many were sent.
    pub(super) refuses_scripts: bool,
    pub(super) scripts: u64,
    /// Requests on their way, answers on their way.
    to: Vec<(Ms, Ask)>,
    waiting: Vec<Waiting>,
    back: Vec<(Ms, u64, Result<Answer, Trouble>)>,
    pub(super) fired: BTreeMap<&'static str, u64>,
}

impl Net {
    pub(super) fn new(weather: Weather) -> Self {
        Self {
            weather,
            cut_until: 0,
            strange_next: 0,
            refuses_scripts: false,
            scripts: 0,
            to: Vec::new(),
            waiting: Vec::new(),
            back: Vec::new(),
            fired: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.fired.entry(what).or_default() += 1;
    }

    /// Whoever asked is gone: what is on its way to the fake still arrives.
    pub(super) fn forget(&mut self) {
        self.back.clear();
        for one in &mut self.waiting {
            one.lost = true;
        }
    }

    /// What is on its way to the fake does not arrive, either.
    pub(super) fn drop_all(&mut self) {
        self.forget();
        self.to.clear();
    }

    pub(super) fn send(&mut self, now: Ms, dice: &mut Dice, ask: Ask) {
        self.scripts += u64::from(matches!(ask.what, Request::Script(_)));
        if now < self.cut_until || dice.comes(self.weather.lost) {
            self.count("request lost");
            let at = now + 20 + dice.below(3_000);
            let lost = Trouble::Unreachable("connection refused".into());
            self.back.push((at, ask.id, Err(lost)));
            return;
        }
        let delay = if dice.comes(self.weather.late) {
            self.count("request late");
            dice.below(8_000)
        } else {
            1 + dice.below(20)
        };
        self.to.push((now + delay, ask));
    }

    /// What has arrived by now, at either end.
    pub(super) fn run(
        &mut self,
        now: Ms,
        dice: &mut Dice,
        server: &mut Moonraker,
    ) -> Vec<(u64, Result<Answer, Trouble>)> {
        let due: Vec<Ask> = {
            let (due, rest) = std::mem::take(&mut self.to)
                .into_iter()
                .partition(|(at, _)| *at <= now);
            self.to = rest;
            let due: Vec<(Ms, Ask)> = due;
            due.into_iter().map(|(_, ask)| ask).collect()
        };
        for ask in due {
            let call = http::call(&ask.what);
            let until = now + u64::try_from(ask.what.limit().as_millis()).unwrap();
            let lost = dice.comes(self.weather.answer_lost);
            match server.request(
                call.method,
                &call.target,
                "",
                &call.content_type,
                &call.body,
            ) {
                Reply::Now(status, body) => {
                    self.answer(now, dice, &ask, (status, &body), (lost, until))
                }
                Reply::Later(ticket) => self.waiting.push(Waiting {
                    ask,
                    ticket,
                    until,
                    lost,
                }),
            }
        }
        for one in std::mem::take(&mut self.waiting) {
            if let Some((status, body)) = server.answer(one.ticket) {
                self.answer(now, dice, &one.ask, (status, &body), (one.lost, one.until));
            } else if now >= one.until {
                self.back.push((now, one.ask.id, Err(Trouble::Late)));
                // Its answer will be heard by nobody.
                self.waiting.push(Waiting {
                    until: Ms::MAX,
                    lost: true,
                    ..one
                });
            } else {
                self.waiting.push(one);
            }
        }
        let (due, rest) = std::mem::take(&mut self.back)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.back = rest;
        let due: Vec<(Ms, u64, _)> = due;
        due.into_iter()
            .map(|(_, id, answer)| (id, answer))
            .collect()
    }

    fn answer(
        &mut self,
        now: Ms,
        dice: &mut Dice,
        ask: &Ask,
        (status, body): (u16, &[u8]),
        (lost, until): (bool, Ms),
    ) {
        if until == Ms::MAX {
            return;
        }
        if lost || now < self.cut_until {
            self.count("answer lost");
            self.back.push((until, ask.id, Err(Trouble::Late)));
            return;
        }
        let mut answer = http::answer(&ask.what, status, body);
        if dice.comes(self.weather.strange) && !matches!(ask.what, Request::ReadBack(_)) {
            self.count("strange answer");
            answer = http::answer(&ask.what, 502, b"<html>Bad Gateway</html>");
        }
        let is_script = matches!(ask.what, Request::Script(_));
        if self.strange_next > 0 || (self.refuses_scripts && is_script) {
            self.strange_next = self.strange_next.saturating_sub(1);
            answer = http::answer(&ask.what, 502, b"<html>Bad Gateway</html>");
        }
        let mut at = now + 1 + dice.below(20);
        if dice.comes(self.weather.late) {
            self.count("answer late");
            at = (now + dice.below(8_000)).min(until);
        }
        if dice.comes(self.weather.doubled) {
            self.count("answer doubled");
            self.back
                .push((at + dice.below(5_000), ask.id, answer.clone()));
        }
        self.back.push((at, ask.id, answer));
    }
}
