//! Campaign: jobs walk the line, a person releases, and somebody keeps killing processes.

use super::executed::Executed;
use super::verdict::{self, Tally};
use crate::room::{Room, phantom, sha256, wait};
use calvaria::status::{Heater, JobState, JobView, PrinterState};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeSet, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The states in which is killed, as the API calls them.
pub(super) const STATES: [&str; 3] = ["designing", "awaiting_release", "printing"];

/// A job that is not over by then hangs.
const JOB_MAX: Duration = Duration::from_secs(900);
/// A station or link that was killed is back by then.
const BACK: Duration = Duration::from_secs(30);
/// SIGABRT, as a fail point ends the station.
const ABORTED: i32 = 6;

/// What a campaign does.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) jobs: u64,
    pub(super) kills: u64,
    /// Different heads; jobs take them in turn.
    pub(super) heads: u64,
    /// Virtual seconds in a second, for the printer.
    pub(super) speed: f64,
    /// Longest wait in a state before the next kill, ms.
    pub(super) patience_ms: u64,
    /// Let some stations die between commit and effect, too.
    pub(super) fail_points: bool,
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    Station,
    Designer,
    Link,
    /// All three, as a power cut of the box does (the printer has its own supply).
    Everything,
}

/// Who is killed in each of [`STATES`], in turn; the instants are the seed's.
const VICTIMS: [&[Victim]; 3] = [
    &[
        Victim::Designer,
        Victim::Station,
        Victim::Designer,
        Victim::Designer,
        Victim::Station,
        Victim::Everything,
    ],
    &[
        Victim::Station,
        Victim::Link,
        Victim::Station,
        Victim::Link,
        Victim::Everything,
    ],
    &[
        Victim::Station,
        Victim::Link,
        Victim::Station,
        Victim::Link,
        Victim::Everything,
    ],
];

/// One kill to come.
#[derive(Clone, Copy, Debug)]
struct Strike {
    victim: Victim,
    after: Duration,
}

pub(super) struct Campaign {
    room: Room,
    executed: Executed,
    random: ChaCha8Rng,
    /// Kills to come in each of [`STATES`].
    strikes: [VecDeque<Strike>; 3],
    /// How many of [`VICTIMS`] were drawn.
    drawn: [usize; 3],
    /// The fail point of the station that runs.
    armed: Option<&'static str>,
    fail_points: bool,
    /// Every print the link ever began.
    begun: BTreeSet<(String, String)>,
    tally: Tally,
}

/// Where a station that is started while the job is in this state may die next.
fn fail_points(state: &str) -> &'static [&'static str] {
    match state {
        "idle" => &["received", "worker_free", "read", "designed"],
        "designing" => &["station_started", "designer_died", "read", "designed"],
        "awaiting_release" => &["released", "link_stopped"],
        _ => &[
            "link_printed",
            "link_stopped",
            "print_again_asked",
            "released",
        ],
    }
}

impl Campaign {
    /// Runs a whole campaign and checks everything that must hold.
    pub(super) fn run(plan: &Plan) -> Tally {
        let dir = tempfile::tempdir().unwrap();
        let heads: Vec<PathBuf> = (1..=plan.heads)
            .map(|seed| phantom(dir.path(), seed, "nifti"))
            .collect();
        let (executed, pipe) = Executed::pipe(dir.path());
        let room = Room::new(dir, plan.speed, &pipe, None);
        let mut campaign = Self {
            room,
            executed,
            random: ChaCha8Rng::seed_from_u64(plan.seed),
            strikes: Default::default(),
            drawn: [0; 3],
            armed: None,
            fail_points: plan.fail_points,
            begun: BTreeSet::new(),
            tally: Tally::default(),
        };
        campaign.start("idle");
        let mut dropped = Vec::new();
        for job in 0..plan.jobs {
            campaign.draw(plan, job);
            let head = &heads[(job % plan.heads) as usize];
            let code = campaign.walk(head, &dropped);
            println!("job {} of {}: {}", job + 1, plan.jobs, campaign.tally);
            dropped.push((code, sha256(&std::fs::read(head).unwrap())));
        }
        verdict::nothing_is_lost(&campaign.room, &dropped);
        println!("seed {}: {}", plan.seed, campaign.tally);
        campaign.tally
    }

    /// This job's share of the kills; what an earlier job left over comes on top.
    fn draw(&mut self, plan: &Plan, job: u64) {
        let share = plan.kills * (job + 1) / plan.jobs - plan.kills * job / plan.jobs;
        for k in 0..share {
            let state = (k % 3) as usize;
            let victims = VICTIMS[state];
            let victim = victims[self.drawn[state] % victims.len()];
            self.drawn[state] += 1;
            let after = Duration::from_millis(self.random.random_range(20..plan.patience_ms));
            self.strikes[state].push_back(Strike { victim, after });
        }
    }

    /// Drops a head and follows its job to the end.
    fn walk(&mut self, head: &std::path::Path, known: &[(String, String)]) -> String {
        let first = self.executed.count();
        let name = format!("scan-{}.nii.gz", known.len());
        let drop = self.room.data().join("drop");
        wait("drop folder", BACK, || drop.is_dir().then_some(()));
        std::fs::copy(head, drop.join(name)).unwrap();
        let (mut last, mut since, started) = (None, Instant::now(), Instant::now());
        let code = loop {
            assert!(
                started.elapsed() < JOB_MAX,
                "{last:?} hangs\n{}",
                self.room.station_log()
            );
            std::thread::sleep(Duration::from_millis(30));
            self.begun.append(&mut self.room.begun());
            self.revive();
            let Some(job) = self.newest(known) else {
                continue;
            };
            if last != Some(job.state) {
                (last, since) = (Some(job.state), Instant::now());
            }
            if self.strike(&job, since) {
                since = Instant::now();
                continue;
            }
            match job.state {
                JobState::AwaitingRelease if self.wanted(job.state).is_none() => {
                    self.release(&job);
                }
                JobState::Failed => {
                    verdict::failed_rightly(&self.room, &job);
                    self.ask(&job, "retry");
                }
                JobState::Stopped => self.ask(&job, "print-again"),
                JobState::Printed => break job.code,
                JobState::Refused | JobState::Cancelled => panic!("{job:?}"),
                _ => {}
            }
        };
        self.tally.counted(&self.room.record(&code));
        self.begun.append(&mut self.room.begun());
        let begun = self.begun.iter().filter(|(_, job)| *job == code).count();
        let pieces = wait("the printer's log", BACK, || {
            let pieces = self.executed.since(first);
            verdict::ended(&self.room, &code, &pieces).then_some(pieces)
        });
        verdict::never_restarted(&self.room, &code, begun, &pieces);
        verdict::designer_twice_at_most(&self.room, &code);
        code
    }

    /// The job that is none of `known`; `None` while the station does not answer.
    fn newest(&self, known: &[(String, String)]) -> Option<JobView> {
        let jobs = self.room.jobs()?;
        let new: Vec<_> = jobs
            .into_iter()
            .filter(|job| known.iter().all(|(code, _)| *code != job.code))
            .collect();
        assert!(new.len() <= 1, "one drop became several jobs: {new:?}");
        new.into_iter().next()
    }

    fn wanted(&self, state: JobState) -> Option<Strike> {
        let at = STATES.iter().position(|s| *s == state.word())?;
        self.strikes[at].front().copied()
    }

    /// Kills if it is time to; `true` when something was killed.
    fn strike(&mut self, job: &JobView, since: Instant) -> bool {
        let Some(strike) = self
            .wanted(job.state)
            .filter(|s| since.elapsed() >= s.after)
        else {
            return false;
        };
        let (room, state) = (&mut self.room, job.state.word());
        // The link that is not there yet, or the designer that has just ended, can not be killed: next time.
        let hit = match strike.victim {
            Victim::Station => {
                room.kill_station();
                true
            }
            Victim::Designer => room.kill("designer") > 0,
            Victim::Link => room.kill("printer") > 0,
            Victim::Everything => {
                room.kill("printer");
                room.kill("designer");
                room.kill_station();
                true
            }
        };
        if !hit {
            return false;
        }
        let at = STATES.iter().position(|s| *s == state).unwrap_or(0);
        self.strikes[at].pop_front();
        self.tally.killed(state, strike.victim);
        if matches!(strike.victim, Victim::Station | Victim::Everything) {
            self.start(state);
        }
        if state == "printing" && strike.victim != Victim::Station {
            self.cold_and_stopped(&job.code);
        }
        true
    }

    /// A link that was killed in a print: the job is stopped, and the heaters are off once it is back.
    fn cold_and_stopped(&mut self, code: &str) {
        let killed = Instant::now();
        wait("the print is stopped, its heaters off", BACK, || {
            self.revive();
            let off = self.room.printer().is_some_and(|p| {
                // A link that is away may show what was last known. A firmware that halted itself (M85, in
                // virtual time) has cut its heaters.
                let cold = |heater: Option<Heater>| heater.is_some_and(|h| h.target_c == 0.0);
                match p.state {
                    PrinterState::LinkDown | PrinterState::Disconnected => false,
                    PrinterState::Halted => true,
                    _ => cold(p.hotend) && cold(p.bed),
                }
            });
            let job = self.room.jobs()?.into_iter().find(|j| j.code == code)?;
            // It may have been through by the time it was killed.
            let over = matches!(job.state, JobState::Stopped | JobState::Printed);
            (off && over).then_some(())
        });
        self.tally.cold(killed.elapsed());
    }

    /// A station that died at its fail point is counted and started again.
    fn revive(&mut self) {
        let Some(status) = self.room.station_ended() else {
            return;
        };
        let log = self.room.station_log();
        assert_eq!(status.signal(), Some(ABORTED), "the station ended\n{log}");
        self.tally.failed_at(self.armed.take().unwrap());
        // The one after a death at a fail point lives, or it would die there again and again.
        self.room.start_station(None);
    }

    fn start(&mut self, state: &str) {
        let points = fail_points(state);
        self.armed = (self.fail_points && self.random.random_bool(0.5)).then(|| {
            // The least hit first.
            let least = points.iter().min_by_key(|p| self.tally.hits(p));
            least.copied().unwrap_or("released")
        });
        self.room.start_station(self.armed);
    }

    /// Releases, as often as it takes: the link may be on its way back.
    fn release(&mut self, job: &JobView) {
        match self.room.release(job).as_ref().map_err(String::as_str) {
            Err("printer_halted") => {
                // The person looks at the printer and recovers it.
                let _ = self.room.act("/api/v1/printer/recover");
                std::thread::sleep(Duration::from_millis(500));
            }
            Ok(())
            | Err(
                "printer_away" | "printer_busy" | "link_down" | "no answer" | "not_allowed"
                | "stuck",
            ) => {}
            Err(other) => panic!("{}: {other}", job.code),
        }
    }

    fn ask(&self, job: &JobView, word: &str) {
        let path = format!("/api/v1/jobs/{}/{word}", job.code);
        match self.room.act(&path).as_ref().map_err(String::as_str) {
            Ok(()) | Err("no answer" | "not_allowed" | "stuck") => {}
            Err(other) => panic!("{}: {word}: {other}", job.code),
        }
    }
}
