//! Re-entry on the LCD: that a stopped print may go on, and what must stay on the bed until it does.

use crate::status::JobView;

/// What to do about a print that was cut off and may go on.
pub(super) fn next(job: &JobView) -> Option<String> {
    let offer = job.reentry.as_ref().filter(|r| r.refused.is_empty())?;
    Some(format!(
        "It may go on at layer {} of {}: leave the part, do not move the head, and look at the page within {:.0} min.",
        offer.layer, offer.layers, offer.minutes_left
    ))
}

/// What is said beside a release that goes on with a part.
pub(super) fn release(job: &JobView) -> Option<String> {
    let entry = job.reentry.as_ref()?;
    Some(format!(
        "Goes on at layer {}, {:.1} mm. Leave the part on the bed. Release it on the page.",
        entry.layer, entry.height_mm
    ))
}
