//! Retention: cases that are over for long enough are put away by the configuration's rule. Off by default; no file is
//! deleted, and the record says which rule it was.

use super::Engine;
use crate::station::step::Event;

impl Engine {
    pub(super) fn put_old_away(&mut self) {
        let days = self.config.retention.days;
        if days == 0 {
            return;
        }
        let jobs = match self.store.not_put_away() {
            Ok(jobs) => jobs,
            Err(error) => return tracing::error!(%error, "the jobs could not be read"),
        };
        let before = (self.settings.clock)().timestamp().as_second() - i64::from(days) * 86_400;
        let rule = format!("retention.days = {days}");
        for job in jobs {
            let changed: Result<jiff::Timestamp, _> = job.changed.parse();
            // A date that can not be read is no old one; what lies on the bed waits for a person.
            if !job.on_bed && changed.is_ok_and(|at| at.as_second() < before) {
                let rule = rule.clone();
                self.apply(&job.code, &Event::PutAwayAsked { rule }, "station");
            }
        }
    }
}
