//! The release form: what a person has seen and vouches for before a print.

use super::html::Html;
use super::{parts, words};
use crate::status::{JobView, Severity};

/// The form, one column, nothing filled in beforehand.
pub(super) fn form(html: &mut Html, job: &JobView) {
    let Some(sha256) = &job.gcode_sha256 else {
        return;
    };
    html.raw("<section class=\"card release-form\"><h2>Release</h2><form id=\"release\" autocomplete=\"off\" data-code=\"").text(&job.code);
    html.raw("\" data-sha256=\"").text(sha256).raw("\">");
    let blocked = job.findings.iter().any(|f| f.severity == Severity::Refuse);
    if blocked {
        html.raw("<p class=\"finding refuse\">This design can not be released: see the findings marked Stop.</p></form></section>");
        return;
    }
    super::reentry::chosen(html, job);
    html.raw("<ol><li><h3>Look</h3>");
    look(html, job);
    html.raw("</li><li><h3>Who are you?</h3><div class=\"pair\">");
    parts::who(html);
    html.raw("</div>");
    second(html, job);
    html.raw("</li><li><h3>Who is it?</h3><p class=\"quiet\">Compare with the order on paper.</p><button type=\"button\" data-identity>Show the patient</button><dl class=\"identity\" hidden></dl></li><li>");
    side(html);
    html.raw("</li><li><h3>Which spool is loaded?</h3>");
    spool(html, job);
    html.raw(match job.reentry {
        None => "</li><li><h3>Is the bed empty?</h3><label class=\"tick\"><input type=\"checkbox\" name=\"bed_clear\" required><span>I have looked: the bed is empty.</span></label></li></ol>",
        Some(_) => "</li><li><h3>Does the part hold?</h3><label class=\"tick\"><input type=\"checkbox\" name=\"part_holds\" required><span>I have looked: the part is on the bed and holds, and nothing else lies there.</span></label></li></ol>",
    });
    if !job.weights.is_empty() {
        html.raw("<p class=\"quiet\">Designed with ")
            .text(&job.weights)
            .raw(".</p>");
    }
    html.raw("<p class=\"answer\" role=\"alert\"></p><button class=\"print-now\" disabled>Print ")
        .text(&job.code)
        .raw(" now</button>");
    html.raw("<p class=\"quiet hash\">G-code ")
        .text(sha256.get(..12).unwrap_or(sha256))
        .raw("\u{2026}</p></form></section>");
}

/// The pictures must have been there, and each warning is ticked.
fn look(html: &mut Html, job: &JobView) {
    html.raw("<p id=\"loaded\" class=\"quiet\">The pictures are loading\u{2026}</p>");
    let warnings = job.findings.iter().filter(|f| f.severity == Severity::Warn);
    for (n, finding) in warnings.enumerate() {
        html.raw("<label class=\"tick\"><input type=\"checkbox\" required name=\"seen-")
            .text(n)
            .raw("\"><span>Seen: ");
        html.text(&finding.text).raw("</span></label>");
    }
}

/// As the order says it, not as the design does.
fn side(html: &mut Html) {
    html.raw("<fieldset><legend><h3>Which side does the order say?</h3></legend>");
    for (value, words) in [
        ("left", "Patient\u{2019}s left"),
        ("right", "Patient\u{2019}s right"),
        ("both", "Both sides"),
    ] {
        html.raw("<label class=\"tick\"><input type=\"radio\" name=\"side\" required value=\"")
            .raw(value)
            .raw("\"><span>")
            .raw(words)
            .raw("</span></label>");
    }
    html.raw("</fieldset>");
}

/// What stands on the spool, and how much of it is needed.
fn spool(html: &mut Html, job: &JobView) {
    if !job.material.is_empty() {
        html.raw("<p class=\"quiet\">Sliced for <b>")
            .text(job.material.to_uppercase())
            .raw("</b>.</p>");
    }
    html.raw("<label>Material and lot, as written on it<input name=\"spool\" required maxlength=\"80\"></label>");
    html.raw("<label class=\"tick\"><input type=\"checkbox\" name=\"other_material\"><span>It says another material, or none, and that is right. A supervisor says so.</span></label>");
    if let Some(grams) = job.filament_g {
        // A tenth more than planned, for the purge line and a scale that is off.
        html.raw("<p class=\"quiet\">At least ")
            .text(words::number((grams * 1.1).ceil(), "g"))
            .raw(" must be left on it.</p>");
    }
}

/// Another person, where one is needed or may be.
fn second(html: &mut Html, job: &JobView) {
    let two = job.persons >= 2;
    if !two && !job.doubt {
        return;
    }
    html.raw("<p class=\"look\">");
    html.raw(match (two, job.doubt) {
        (true, true) => {
            "Two people release this, and one of them is a supervisor: the design is doubtful."
        }
        (true, false) => "Two people release this, each with their own name and PIN.",
        _ => "The design is doubtful: a supervisor releases it, alone or as the second person.",
    });
    let required = if two { " required" } else { "" };
    html.raw("</p><div class=\"pair\"><label>Second person<input name=\"second\" autocomplete=\"off\" maxlength=\"80\"")
        .raw(required);
    html.raw("></label><label>Their PIN<input name=\"second_pin\" type=\"password\" inputmode=\"numeric\" autocomplete=\"off\" maxlength=\"64\"")
        .raw(required)
        .raw("></label></div>");
}
