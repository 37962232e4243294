//! Random acts against a model that a person can keep in the head: the record. Each act signs with a name of its own;
//! what was answered as done stands there once, what was answered as not done never.

use super::*;
use crate::status::{ActId, Refused, Reply};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// One act as it was asked, and everything that was answered to it and its repeats.
struct Asked {
    code: String,
    event: Event,
    id: Option<ActId>,
    answers: Vec<Result<(), String>>,
}

/// On its way to the engine: which act, and its terms.
struct Waiting {
    n: usize,
    begin: Begin,
}

struct World {
    dir: tempfile::TempDir,
    store: Store,
    gate: Gate,
    clock: Cell<Instant>,
    asked: Vec<Asked>,
    queue: VecDeque<Waiting>,
    random: Random,
}

/// A small generator, so that a seed tells everything.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
    fn ms(&mut self, n: usize) -> Duration {
        Duration::from_millis(self.below(n) as u64)
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let (dir, store) = store();
        let gate = Gate::open(dir.path()).unwrap();
        let world = Self {
            dir,
            store,
            gate,
            clock: Cell::new(Instant::now()),
            asked: Vec::new(),
            queue: VecDeque::new(),
            random: Random(seed | 1),
        };
        world.no_sync();
        world
    }

    /// A killed process loses no write; only a power cut does, which is not played here.
    fn no_sync(&self) {
        for db in [&self.store.db, &self.gate.store.db] {
            db.execute_batch("PRAGMA synchronous = OFF").unwrap();
        }
    }

    /// Everything in memory is gone; what waited is never answered.
    fn kill(&mut self) {
        self.queue.clear();
        self.store = Store::open(self.dir.path(), 0).unwrap();
        self.gate = Gate::open(self.dir.path()).unwrap();
        self.no_sync();
    }

    fn some_event(&mut self) -> Event {
        match self.random.below(6) {
            0..=2 => released(),
            3 => Event::PrintAgainAsked,
            4 => Event::CancelAsked,
            _ => Event::PauseAsked,
        }
    }

    /// Somebody asks anew, or asks once more what was asked before.
    fn ask(&mut self, codes: &[String]) {
        let again = !self.asked.is_empty() && self.random.below(3) == 0;
        let n = if again {
            let back = self.random.below(20.min(self.asked.len()));
            let n = self.asked.len() - 1 - back;
            if self.asked[n].id.is_none() {
                return;
            }
            n
        } else {
            let event = self.some_event();
            let code = codes[self.random.below(codes.len())].clone();
            let n = self.asked.len();
            let id = (self.random.below(4) > 0).then(|| ActId::new(&format!("act-{n}")).unwrap());
            self.asked.push(Asked {
                code,
                event,
                id,
                answers: Vec::new(),
            });
            n
        };
        let by = self.clock.get() + self.random.ms(400);
        let begin = Begin {
            id: self.asked[n].id.clone(),
            digest: format!("digest {n}"),
            by,
            ticket: Ticket::default(),
            first: Ok(()),
            vouched: Vec::new(),
        };
        self.queue.push_back(Waiting { n, begin });
    }

    /// Those who wait close what is over its time, and are answered so.
    fn give_up(&mut self) {
        let now = self.clock.get();
        for waiting in &self.queue {
            let Begin {
                id,
                digest,
                by,
                ticket,
                ..
            } = &waiting.begin;
            if now < *by || !ticket.close() {
                continue;
            }
            let reply = match id {
                Some(id) => self.gate.close(id, digest).unwrap(),
                None => Err(Refused::late()),
            };
            self.asked[waiting.n]
                .answers
                .push(reply.map_err(|e| e.code));
        }
    }

    /// The engine comes to the next act, as `Engine::ask` does.
    fn engine(&mut self) {
        let Some(Waiting { n, begin }) = self.queue.pop_front() else {
            return;
        };
        let (code, event) = (self.asked[n].code.clone(), self.asked[n].event.clone());
        let first = begin
            .id
            .as_ref()
            .and_then(|id| self.store.outcome(id, &begin.digest).unwrap());
        let reply: Reply = first.unwrap_or_else(|| {
            let clock = self.clock.get();
            let monotonic = move || clock;
            let act = (&begin, &monotonic as &dyn Fn() -> Instant);
            let done = self
                .store
                .apply_act(&code, &event, &format!("act-{n}"), NOW, act);
            let reply = done
                .map(drop)
                .map_err(|e| crate::station::requests::store_says(&e));
            if reply.is_err()
                && let Some(id) = &begin.id
            {
                self.store.remember(id, &begin.digest, &reply).unwrap();
            }
            reply
        });
        // Who has closed it has had an answer, and hears no other.
        if reply.is_ok() || begin.ticket.close() {
            self.asked[n].answers.push(reply.map_err(|e| e.code));
        }
    }

    /// The printer goes its own way.
    fn link(&mut self) {
        if let Some(job) = self.store.on_printer().unwrap() {
            let event = match self.random.below(3) {
                0 => Event::LinkPaused,
                1 => Event::LinkResumed,
                _ => Event::LinkStopped(Reason::new("why", "what")),
            };
            self.store.apply(&job.code, &event, "link", NOW).unwrap();
        }
    }
}

fn campaign(seed: u64, acts: usize) {
    let mut world = World::new(seed);
    let codes: Vec<String> = (0..3)
        .map(|n| to_awaiting(&mut world.store, &n.to_string()))
        .collect();
    let mut codes = codes;
    while world.asked.len() < acts {
        world.clock.set(world.clock.get() + world.random.ms(120));
        match world.random.below(100) {
            0..=39 => world.ask(&codes),
            40..=54 => world.give_up(),
            55..=84 => world.engine(),
            85..=95 => world.link(),
            96..=97 => codes.push(to_awaiting(&mut world.store, "more")),
            _ => world.kill(),
        }
        if codes.len() > 6 {
            codes.remove(0);
        }
    }
    world.kill();
    let mut signed: BTreeMap<String, u32> = BTreeMap::new();
    for job in world.store.all().unwrap() {
        for entry in world.store.entries(&job.code).unwrap() {
            *signed.entry(entry.actor).or_default() += 1;
        }
    }
    let (mut done, mut late) = (0, 0);
    for (n, asked) in world.asked.iter().enumerate() {
        let times = signed.get(&format!("act-{n}")).copied().unwrap_or(0);
        assert!(times <= 1, "seed {seed}: act {n} was done {times} times");
        for answer in &asked.answers {
            let want = u32::from(answer.is_ok());
            assert_eq!(
                times, want,
                "seed {seed}: act {n} was answered {:?}",
                asked.answers
            );
            late += u32::from(answer.as_ref().is_err_and(|code| code == "late"));
        }
        done += times;
    }
    // Both ways were gone often, or nothing was tried.
    assert!(
        done as usize > acts / 50 && late as usize > acts / 50,
        "{done} done, {late} late"
    );
    assert_eq!(world.store.first_break().unwrap(), None);
}

#[test]
fn what_was_answered_as_not_done_is_never_done_and_nothing_is_done_twice() {
    for seed in [4711, 4712] {
        campaign(seed, 1000);
    }
}

#[test]
fn ten_thousand_random_acts() {
    campaign(1, 10_000);
}
