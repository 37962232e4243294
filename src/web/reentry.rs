//! Re-entry on the page and in the API: what a person measures and says before a print that was cut off goes on.

use super::Shared;
use super::act::{Body, Heard};
use super::api::done;
use super::fault::Fault;
use super::html::Html;
use super::{parts, words};
use crate::status::{Act, JobView, Nozzle, Pin, REENTRY_PICTURE, ReenterAct, Request, duration};
use axum::Json;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReenterBody {
    operator: String,
    pin: Pin,
    from_layer: u32,
    height_mm: f64,
    #[serde(default)]
    nozzle: Option<Nozzle>,
    #[serde(default)]
    part_holds: bool,
    id: Option<String>,
    deadline_s: Option<f64>,
}

/// Does the body of `print-again` name a layer?
pub(super) fn is_asked(body: &Body) -> bool {
    let value: Result<Value, _> = body.parse();
    value.is_ok_and(|value| value.get("from_layer").is_some())
}

/// `print-again` with `from_layer`: it goes on with the part, after a release of its own.
pub(super) async fn reenter(
    shared: Shared,
    code: String,
    heard: &Heard,
    body: &Body,
) -> Result<Json<Value>, Fault> {
    let body: ReenterBody = body.parse()?;
    let terms = heard.terms(body.id.as_deref(), body.deadline_s)?;
    let act = Act {
        code,
        operator: body.operator,
        pin: body.pin,
    };
    let reenter = ReenterAct {
        act,
        from_layer: body.from_layer,
        height_mm: body.height_mm,
        nozzle: body.nozzle,
        part_holds: body.part_holds,
    };
    let request = Request::Reenter(Box::new(reenter));
    shared.desk.ask(request, terms).await?;
    Ok(done())
}

/// What a stopped print offers: its rest on the part that is there, or why not.
pub(super) fn form(html: &mut Html, job: &JobView) {
    let Some(offer) = &job.reentry else { return };
    html.raw("<section class=\"card release-form\"><h2>Go on with the part on the bed</h2>");
    if !offer.refused.is_empty() {
        html.raw("<p class=\"look\">It can not go on: ")
            .text(&offer.refused)
            .raw("</p></section>");
        return;
    }
    html.raw("<form data-case-acts data-reenter autocomplete=\"off\" data-layer=\"")
        .text(offer.layer)
        .raw("\"><p>It can go on at <b>layer ")
        .text(format!("{} of {}", offer.layer, offer.layers))
        .raw("</b>: ")
        .text(duration::words(offer.print_s))
        .raw(" of printing are left. Within ")
        .text(words::number(offer.minutes_left, "min"))
        .raw(" it must be released; later the bed has been cold for too long.</p>");
    html.raw("<p class=\"look\">The seam has its price: the layer is laid onto plastic that has cooled, ");
    if offer.twice_mm >= 1.0 {
        html.raw("up to ")
            .text(words::number((offer.twice_mm / 100.0).ceil() / 10.0, "m"))
            .raw(" of it a second time, ");
    }
    html.raw("so the part is weaker there and shows a line. How much weaker was not measured.</p>");
    if job.files.iter().any(|f| f == REENTRY_PICTURE) {
        let words = format!(
            "Layer {} from above, and a ruler: the part is {:.1} mm high",
            offer.layer, offer.height_mm
        );
        parts::picture(html, "../", job, REENTRY_PICTURE, &words);
    }
    html.raw("<ol><li><h3>Measure the height of the part: ")
        .text(format!("{:.1} mm", offer.height_mm))
        .raw("</h3><label>Measured from the bed, mm<input name=\"height_mm\" type=\"number\" step=\"0.1\" min=\"0\" required></label></li>");
    if offer.nozzle_mm.len() > 1 {
        html.raw(
            "<li><fieldset><legend><h3>Push a sheet of paper between nozzle and part</h3></legend>",
        );
        for (value, words) in [
            ("touches", "It does not go: the nozzle touches the part"),
            ("free", "It goes: the nozzle is lifted"),
        ] {
            html.raw(
                "<label class=\"tick\"><input type=\"radio\" name=\"nozzle\" required value=\"",
            )
            .raw(value)
            .raw("\"><span>")
            .raw(words)
            .raw("</span></label>");
        }
        html.raw("</fieldset></li>");
    }
    html.raw("<li><h3>Does the part hold?</h3><label class=\"tick\"><input type=\"checkbox\" name=\"part_holds\" required><span>I have pushed at it: it holds. Nobody has moved the head up or down or homed it.</span></label></li>");
    html.raw("<li><h3>Who are you?</h3><div class=\"pair\">");
    parts::who(html);
    html.raw("</div></li></ol><button type=\"button\" data-act=\"print-again\">Go on with this part</button><p class=\"quiet\">It is released anew after this.</p><p class=\"answer\" role=\"status\"></p></form></section>");
}

/// Above the release form of a re-entry: what is released.
pub(super) fn chosen(html: &mut Html, job: &JobView) {
    let Some(entry) = &job.reentry else { return };
    html.raw("<p class=\"look\">This goes on with the part on the bed, at layer ")
        .text(format!("{} of {}", entry.layer, entry.layers))
        .raw(", ")
        .text(format!("{:.1} mm", entry.height_mm))
        .raw(" high. Do not clear the bed. The seam weakens the part.</p>");
    if job.files.iter().any(|f| f == REENTRY_PICTURE) {
        let words = format!("Layer {} from above, and a ruler", entry.layer);
        parts::picture(html, "../", job, REENTRY_PICTURE, &words);
    }
}

/// Below it: the way back to the whole part.
pub(super) fn instead(html: &mut Html) {
    html.raw("<details class=\"give-up\"><summary>Print it from the start instead\u{2026}</summary><form class=\"acts\" data-case-acts><p class=\"quiet wide\">The part on the bed is thrown away.</p>");
    parts::who(html);
    html.raw("<button type=\"button\" data-act=\"print-again\">Print it from the start</button><p class=\"answer\" role=\"status\"></p></form></details>");
}
