//! Bench: a station whose designer only reads and whose printer is not there.

use super::super::design::Work;
use super::{Engine, Input, QUIET_MS};
use crate::intake::drop::{Arrivals, DropFolder};
use crate::intake::{self, Limits};
use crate::station::config::{Config, Privacy};
use crate::station::link::{Link, Order};
use crate::station::step::Event;
use crate::station::supervise::{Designer, DesignerSays, Ended};
use crate::station::{Release, Settings};
use crate::status::{
    DesignOutcome, DesignSummary, DesignerLine, JobState, Progress, Reason, Reply, Side, Snapshot,
    Stage,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

struct NoLink;

impl Link for NoLink {
    fn order(&self, _: Order) {}
    fn emergency_stop(&self) -> Reply {
        Ok(())
    }
}

/// A station with a played designer.
pub(super) struct Bench {
    pub(super) engine: Engine,
    _mail: mpsc::Receiver<Input>,
    arrivals: Arrivals,
    /// Slices of each design.
    pub(super) designed: BTreeMap<String, usize>,
}

impl Bench {
    pub(super) fn open(data: &Path, drop: &Path) -> Self {
        Self::with(data, drop, Privacy::Case)
    }

    pub(super) fn with(data: &Path, drop: &Path, privacy: Privacy) -> Self {
        let mut config = Config {
            data: data.into(),
            privacy,
            ..Config::default()
        };
        config.drop.folder = drop.into();
        let settings = Settings {
            program: "nothing".into(),
            clock: Arc::new(jiff::Zoned::now),
            seed: 7,
            monotonic: Arc::new(std::time::Instant::now),
            address: Arc::new(String::new),
            certificate: Arc::new(String::new),
            update: Arc::new(Default::default),
            attention: Vec::new(),
        };
        let (mail, inbox) = mpsc::channel();
        let (out, _) = tokio::sync::watch::channel(Arc::new(Snapshot::default()));
        let mut engine = Engine::new(config, settings, Arc::new(NoLink), mail, out).unwrap();
        engine.launch = |_, _| Ok(Designer::idle());
        engine.recover().unwrap();
        let folder = DropFolder::new(drop, Duration::from_millis(QUIET_MS));
        Self {
            engine,
            _mail: inbox,
            arrivals: Arrivals::new(folder),
            designed: BTreeMap::new(),
        }
    }

    pub(super) fn scan(&mut self, now_ms: u64) {
        let limits = limits();
        let engine = &mut self.engine;
        self.arrivals
            .scan(
                now_ms,
                |path| intake::look(path, &limits),
                |name, look| engine.take(name, look),
            )
            .unwrap();
        self.engine.dropped.arriving = self.arrivals.folder().arriving(now_ms);
        self.engine.look_at_all();
    }

    /// Begins the next design, or ends the one at work.
    pub(super) fn work(&mut self) {
        match self
            .engine
            .work
            .as_ref()
            .map(|Work { run, code, .. }| (*run, code.clone()))
        {
            None => self.engine.start_next(),
            Some((run, code)) => self.design(run, &code),
        }
    }

    fn design(&mut self, run: u64, code: &str) {
        let input = self.engine.folders.input(code).unwrap();
        let outcome = match intake::read(&input, &limits()) {
            Ok(study) => {
                let slices = study.facts.slices;
                self.designed.insert(code.into(), slices);
                let progress = Progress {
                    stage: Stage::Skull,
                    fraction: 0.0,
                    text: String::new(),
                };
                let line = |line| DesignerSays::Line(line);
                self.engine
                    .hear_designer(run, line(DesignerLine::Progress(progress)));
                for finding in study.findings {
                    self.engine
                        .hear_designer(run, line(DesignerLine::Finding(finding)));
                }
                DesignOutcome::Designed(DesignSummary {
                    gcode_sha256: format!("{slices:064x}"),
                    side: Side::Left,
                    place: String::new(),
                    print_s: 1.0,
                    filament_g: 1.0,
                    layers: 1,
                    weights: String::new(),
                    material: "pla".into(),
                    profile: "virtual".into(),
                    profile_sha256: String::new(),
                    entry: None,
                })
            }
            Err(refusal) => DesignOutcome::Refused(Reason::new(refusal.to_string(), "")),
        };
        self.engine
            .hear_designer(run, DesignerSays::Ended(Ended::Said(outcome)));
    }

    fn print(&mut self, code: &str) {
        let job = self.engine.store.job(code).unwrap();
        let release = Release {
            operator: "weber".into(),
            sha256: job.design.unwrap().gcode_sha256,
            second: String::new(),
            spool: "x".into(),
            material_by: String::new(),
            side: Side::Left,
            from_layer: None,
        };
        self.engine.apply(code, &Event::Released(release), "weber");
    }

    /// Prints `code` and ends that early.
    pub(super) fn print_and_stop(&mut self, code: &str) {
        self.print(code);
        let why = Reason::new("Cancelled.", "Clear the bed.");
        self.engine.apply(code, &Event::LinkStopped(why), "link");
    }

    /// Prints whatever may be released.
    pub(super) fn release(&mut self) -> Vec<String> {
        let mut printed = Vec::new();
        for job in self.engine.store.all().unwrap() {
            if job.state != JobState::AwaitingRelease
                || self.engine.nothing_more_came(&job.code).is_err()
            {
                continue;
            }
            self.print(&job.code);
            self.engine.apply(&job.code, &Event::LinkPrinted, "link");
            printed.push(job.code);
        }
        printed
    }
}

fn limits() -> Limits {
    Limits {
        head: false,
        ..Limits::default()
    }
}
