//! Verdict: what must hold after all that killing, and the figures.

use super::campaign::Victim;
use super::executed::Piece;
use crate::room::head::{Place, places};
use crate::room::{Room, sha256};
use calvaria::status::JobView;
use std::collections::BTreeMap;
use std::time::Duration;

/// What happened, counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    kills: BTreeMap<(&'static str, Victim), u64>,
    fail_points: BTreeMap<&'static str, u64>,
    released: u64,
    printed: u64,
    stopped: u64,
    failed: u64,
    slowest_cold: Duration,
}

impl Tally {
    pub(super) fn killed(&mut self, state: &'static str, victim: Victim) {
        *self.kills.entry((state, victim)).or_default() += 1;
    }
    pub(super) fn failed_at(&mut self, point: &'static str) {
        *self.fail_points.entry(point).or_default() += 1;
    }
    pub(super) fn hits(&self, point: &str) -> u64 {
        self.fail_points.get(point).copied().unwrap_or(0)
    }
    /// What the record of a job says that happened to it.
    pub(super) fn counted(&mut self, record: &[(String, String)]) {
        for (kind, to) in record {
            match (kind.as_str(), to.as_str()) {
                ("released", _) => self.released += 1,
                ("link_printed", "printed") => self.printed += 1,
                (_, "stopped") => self.stopped += 1,
                (_, "failed") => self.failed += 1,
                _ => {}
            }
        }
    }
    /// From the kill of a link in a print until heaters and job were off.
    pub(super) fn cold(&mut self, took: Duration) {
        self.slowest_cold = self.slowest_cold.max(took);
    }
    pub(super) fn kills(&self) -> u64 {
        self.kills.values().sum()
    }
    pub(super) fn kills_in(&self, state: &str) -> u64 {
        let of_state = self.kills.iter().filter(|((s, _), _)| *s == state);
        of_state.map(|(_, n)| n).sum()
    }
    pub(super) fn fail_points(&self) -> u64 {
        self.fail_points.values().sum()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} kills", self.kills())?;
        for ((state, victim), n) in &self.kills {
            write!(f, ", {state}/{victim:?} {n}")?;
        }
        write!(f, "; {} deaths at fail points", self.fail_points())?;
        for (point, n) in &self.fail_points {
            write!(f, ", {point} {n}")?;
        }
        write!(
            f,
            "; released {}, printed {}, stopped {}, failed {}; slowest way to cold after a killed link {:.1} s",
            self.released,
            self.printed,
            self.stopped,
            self.failed,
            self.slowest_cold.as_secs_f64()
        )
    }
}

/// Every drop is one job, and its bytes lie unchanged in exactly one place.
pub(super) fn nothing_is_lost(room: &Room, dropped: &[(String, String)]) {
    let jobs = room.jobs().unwrap();
    assert_eq!(jobs.len(), dropped.len());
    let left = std::fs::read_dir(room.data().join("drop")).unwrap().count();
    assert_eq!(left, 0, "drops were left lying");
    for (code, hash) in dropped {
        assert!(jobs.iter().any(|j| j.code == *code), "{code} is lost");
        let found: Vec<String> = ["work", "done", "quarantine"]
            .iter()
            .filter_map(|place| {
                let path = room.data().join(place).join(code).join("input.nii.gz");
                std::fs::read(path).ok().map(|bytes| sha256(&bytes))
            })
            .collect();
        assert_eq!(found, [hash.as_str()], "the drop of {code}");
    }
}

/// Places of the case's G-code, by the second reader.
fn planned(room: &Room, code: &str) -> Vec<Place> {
    let path = room.data().join("cases").join(code).join("implant.gcode");
    let text = std::fs::read_to_string(path).unwrap();
    places(text.lines())
}

/// The log shows the whole plan: it is written a moment behind.
pub(super) fn ended(room: &Room, code: &str, pieces: &[Piece]) -> bool {
    let plan = planned(room, code);
    pieces.last().is_some_and(|p| p.moves.len() >= plan.len())
}

/// Each release is at most one start of streaming, and each start goes forward through the plan, the last one to
/// its end.
pub(super) fn never_restarted(room: &Room, code: &str, begun: usize, pieces: &[Piece]) {
    let record = room.record(code);
    let released = record.iter().filter(|(kind, _)| kind == "released").count();
    assert!(
        begun <= released,
        "{code}: {begun} prints on {released} releases"
    );
    assert!(
        pieces.len() <= begun,
        "{code}: homed {} times in {begun} prints",
        pieces.len()
    );
    let plan = planned(room, code);
    let Some((last, earlier)) = pieces.split_last() else {
        panic!("{code} is printed, and nothing moved");
    };
    assert_eq!(
        last.in_plan(&plan),
        plan.len(),
        "{code}: the print that was printed"
    );
    assert_eq!(
        last.moves.len(),
        plan.len(),
        "{code}: moves after the plan's end"
    );
    for piece in earlier {
        // A print that was ended in order is parked: retract, lift, to the edge.
        let strange = piece.moves.len() - piece.in_plan(&plan);
        assert!(
            strange <= 3,
            "{code}: {strange} moves that are not the plan's"
        );
    }
}

/// A designer that dies is started again once; the second death is the end of the job.
pub(super) fn designer_twice_at_most(room: &Room, code: &str) {
    let mut deaths = 0;
    for (kind, to) in room.record(code) {
        match kind.as_str() {
            "designer_died" => {
                deaths += 1;
                let then = if deaths == 1 { "received" } else { "failed" };
                assert_eq!(to, then, "{code}: death {deaths}");
            }
            "retry_asked" | "designed" => deaths = 0,
            _ => {}
        }
    }
}

/// A failed job says who died, and its drop waits in quarantine with the reason.
pub(super) fn failed_rightly(room: &Room, job: &JobView) {
    assert!(job.reason.contains("signal 9"), "{job:?}");
    let reason = room
        .data()
        .join("quarantine")
        .join(&job.code)
        .join("REASON.txt");
    let text = std::fs::read_to_string(reason).unwrap_or_default();
    assert!(text.contains("signal 9"), "{text:?}");
}
