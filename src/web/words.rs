//! Words for people: states, times, numbers.

use crate::status::{JobState, Stage};

/// A state in plain words.
pub(super) fn state(state: JobState) -> &'static str {
    match state {
        JobState::Received => "waiting",
        JobState::Reading => "reading the scan",
        JobState::Designing => "designing",
        JobState::AwaitingRelease => "waits for release",
        JobState::Printing => "printing",
        JobState::Paused => "paused",
        JobState::Printed => "printed",
        JobState::Refused => "refused",
        JobState::Failed => "failed",
        JobState::Rejected => "rejected",
        JobState::Cancelled => "given up",
        JobState::Stopped => "print stopped",
    }
}

/// The class that gives a state its colour.
pub(super) fn state_class(state: JobState) -> &'static str {
    match state {
        JobState::Received | JobState::Rejected | JobState::Cancelled => "idle",
        JobState::Reading | JobState::Designing | JobState::Printing => "busy",
        JobState::Paused => "paused",
        JobState::AwaitingRelease => "needs",
        JobState::Refused | JobState::Failed | JobState::Stopped => "fault",
        JobState::Printed => "done",
    }
}

/// A stage in plain words.
pub(super) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Intake => "Read",
        Stage::Skull => "Skull",
        Stage::Network => "Network",
        Stage::Implant => "Implant",
        Stage::Slice => "Slice",
        Stage::Check => "Check",
        Stage::Print => "Print",
    }
}

/// Stages before a release, in order.
pub(super) const STAGES: [Stage; 6] = [
    Stage::Intake,
    Stage::Skull,
    Stage::Network,
    Stage::Implant,
    Stage::Slice,
    Stage::Check,
];

/// `14:02` out of RFC 3339; the day before it when it is not the day of `now`.
pub(super) fn clock(at: &str, now: &str) -> String {
    match (at.get(..10), at.get(11..16)) {
        (Some(day), Some(time)) if now.starts_with(day) => time.into(),
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => at.into(),
    }
}

/// A number with its unit, without digits that mean nothing.
pub(super) fn number(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let mut text = format!("{value:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if unit.is_empty() {
        text
    } else {
        format!("{text} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        let now = "2026-11-21T15:00:00+01:00";
        assert_eq!(clock("2026-11-21T14:02:10+01:00", now), "14:02");
        assert_eq!(clock("2026-11-20T14:02:10+01:00", now), "2026-11-20 14:02");
        assert_eq!(clock("", now), "");
        assert_eq!(number(1.234, "mm"), "1.23 mm");
        assert_eq!(number(1.5, "mm"), "1.5 mm");
        assert_eq!(number(512.0, ""), "512");
    }
}
