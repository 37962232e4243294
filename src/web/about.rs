//! What the station itself is: version, slots, the last update, certificate.

use super::html::Html;
use crate::status::{Installation, Snapshot, Step};

/// The last part of the first page.
pub(super) fn about(snapshot: &Snapshot) -> Html {
    let station = &snapshot.station;
    let update = &station.update;
    let mut html = Html::new();
    html.raw("<p class=\"quiet\">calvaria ")
        .text(&station.version);
    if update.is_image {
        html.raw(", image ")
            .text(&update.version)
            .raw(" in slot <b>")
            .text(&update.slot)
            .raw("</b>");
        for slot in update.slots.iter().filter(|s| !s.booted) {
            html.raw("; in slot ").text(&slot.boot_name).raw(": ");
            html.text(match slot.version.as_str() {
                "" => "nothing known",
                version => version,
            });
            if !slot.good {
                html.raw(", not to be started");
            }
        }
    }
    html.raw(".</p>");
    if let Some(last) = &update.installation {
        installation(&mut html, last);
    }
    if !station.certificate.is_empty() {
        html.raw("<p class=\"quiet\">Certificate of this page, SHA-256: <code>")
            .text(&station.certificate)
            .raw("</code>. It begins like that on the station\u{2019}s display; if a browser warns, compare them.</p>");
    }
    html
}

/// How far it is, or how it ended.
fn installation(html: &mut Html, at: &Installation) {
    let word = match at.step {
        Step::Checking => "is checked",
        Step::Waiting => "waits",
        Step::Testing | Step::Installing => "is being installed",
        Step::Done => "was installed",
        Step::Refused => "was refused",
        Step::Failed => "broke off",
    };
    html.raw("<p class=\"quiet\">Update ")
        .text(&at.version)
        .raw(" ")
        .raw(word);
    html.raw(": ").text(&at.text);
    // What was to be done was done, or did not help: the box was started since.
    if !at.past {
        html.raw(" ").text(&at.next);
    }
    html.raw("</p>");
    if at.step == Step::Installing {
        super::parts::bar(html, f64::from(at.percent) / 100.0, "Update");
    }
}
