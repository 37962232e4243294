//! One case: what it is, how it goes, the pictures, what to look at, and the release form.

use super::Shared;
use super::fault::Fault;
use super::html::Html;
use super::parts::{self, Live};
use super::words;
use crate::status::{JobState, JobView, Severity, Snapshot, duration};
use axum::extract::{Path, State};
use axum::response::Html as Page;

pub(super) async fn case(
    State(shared): State<Shared>,
    Path(code): Path<String>,
) -> Result<Page<String>, Fault> {
    let job = shared.desk.job(&code)?;
    let snapshot = shared.desk.snapshot();
    let live = live(&snapshot, &code);
    let mut body = Html::new();
    for (name, html) in &live.parts {
        let (class, label) = match *name {
            "head" => ("top", "Case"),
            "pictures" => ("pictures", "Pictures"),
            "findings" => ("case-findings", "Findings"),
            _ => ("files", "Files"),
        };
        parts::place(&mut body, name, class, label, html);
        if *name == "findings" {
            parts::recover(&mut body);
            acts(&mut body, &job);
        }
    }
    Ok(Page(
        parts::frame(&live.title, &format!("/live/{code}"), &body).into_string(),
    ))
}

/// The moving parts.
pub(super) fn live(snapshot: &Snapshot, code: &str) -> Live {
    let job = snapshot.jobs.iter().find(|j| j.code == code);
    Live {
        title: format!("{code} \u{b7} calvaria"),
        facts: parts::facts(snapshot, job),
        parts: match job {
            Some(job) => vec![
                ("head", head(snapshot, job)),
                ("pictures", pictures(job)),
                ("findings", findings(job)),
                ("files", files(job)),
            ],
            None => Vec::new(),
        },
    }
}

fn head(snapshot: &Snapshot, job: &JobView) -> Html {
    let now = &snapshot.station.now;
    let mut html = Html::new();
    html.raw("<div class=\"state ")
        .raw(words::state_class(job.state))
        .raw("\"><h1>")
        .text(&job.code);
    html.raw(" ").text(words::state(job.state)).raw("</h1>");
    if job.reason.is_empty() {
        html.raw("<p>Received ")
            .text(words::clock(&job.received, now))
            .raw(", changed ");
        html.text(words::clock(&job.changed, now)).raw(".</p>");
    } else {
        html.element("p", "", format!("{} {}", job.reason, job.next));
    }
    html.raw("</div><dl class=\"figures\">");
    if let Some(side) = job.side {
        let words = if job.place.is_empty() {
            parts::side(side)
        } else {
            &job.place
        };
        html.raw("<div><dt>Hole</dt><dd>")
            .text(words)
            .raw("</dd></div>");
    }
    if let Some(seconds) = job.print_s {
        html.raw("<div><dt>Print</dt><dd>")
            .text(duration::words(seconds))
            .raw("</dd></div>");
    }
    if let Some(grams) = job.filament_g {
        html.raw("<div><dt>Filament</dt><dd>")
            .text(words::number(grams, "g"))
            .raw("</dd></div>");
    }
    html.raw("</dl>");
    if matches!(job.state, JobState::Reading | JobState::Designing) {
        parts::stages(&mut html, job);
    }
    if matches!(job.state, JobState::Printing | JobState::Paused) {
        parts::bar(&mut html, snapshot.printer.fraction, "Print");
    }
    html
}

fn pictures(job: &JobView) -> Html {
    let mut html = Html::new();
    for (name, words) in [
        (
            "front",
            "From the front: patient\u{2019}s left is on the right",
        ),
        (
            "top",
            "From above, nose up: patient\u{2019}s right is on the right",
        ),
        ("left", "From the patient\u{2019}s left"),
        ("right", "From the patient\u{2019}s right"),
        ("fit", "The part in the hole"),
    ] {
        parts::picture(&mut html, job, name, words);
    }
    html
}

fn findings(job: &JobView) -> Html {
    let mut html = Html::new();
    if job.findings.is_empty() {
        return html;
    }
    html.raw("<h2 class=\"section\">Findings</h2><ul class=\"findings\">");
    let mut sorted: Vec<_> = job.findings.iter().collect();
    // The gravest first, else as they were found.
    sorted.sort_by_key(|f| std::cmp::Reverse(f.severity));
    for finding in sorted {
        parts::finding(&mut html, finding);
    }
    html.raw("</ul>");
    html
}

fn files(job: &JobView) -> Html {
    let mut html = Html::new();
    if job.files.is_empty() {
        return html;
    }
    html.raw("<h2 class=\"section\">Files</h2><ul class=\"file-list\">");
    for name in &job.files {
        html.raw("<li><a href=\"/api/v1/jobs/")
            .text(&job.code)
            .raw("/files/")
            .text(name)
            .raw("\">")
            .text(name);
        html.raw("</a></li>");
    }
    html.raw("</ul>");
    html
}

/// What a person may do with it, as it stands when the page is made; the script loads the page anew when the state
/// is another.
fn acts(html: &mut Html, job: &JobView) {
    match job.state {
        JobState::AwaitingRelease => {
            release(html, job);
            give_up(html, "Give this case up");
        }
        JobState::Received | JobState::Reading | JobState::Designing => {
            give_up(html, "Give this case up")
        }
        JobState::Failed | JobState::Refused => {
            one_act(html, "retry", "Try again", "After something was changed.")
        }
        JobState::Stopped => {
            let text = "The bed must be cleared; then it is released anew.";
            one_act(html, "print-again", "Offer it for release again", text);
        }
        JobState::Printing | JobState::Paused => {
            html.raw(
                "<p class=\"quiet\">Pause and cancel are on <a href=\"/\">the first page</a>.</p>",
            );
        }
        JobState::Printed | JobState::Rejected | JobState::Cancelled => {}
    }
}

fn one_act(html: &mut Html, act: &'static str, word: &'static str, text: &'static str) {
    html.raw("<section class=\"card act\"><form class=\"acts\" data-case-acts>");
    html.element("p", "quiet", text);
    parts::who(html);
    html.raw("<button type=\"button\" data-act=\"")
        .raw(act)
        .raw("\">")
        .raw(word);
    html.raw("</button><p class=\"answer\" role=\"status\"></p></form></section>");
}

fn give_up(html: &mut Html, word: &'static str) {
    html.raw("<details class=\"give-up\"><summary>")
        .raw(word)
        .raw("\u{2026}</summary><form class=\"acts\" data-case-acts>");
    parts::who(html);
    html.raw("<button type=\"button\" class=\"danger\" data-act=\"cancel\">")
        .raw(word);
    html.raw("</button><p class=\"answer\" role=\"status\"></p></form></details>");
}

/// The release form, one column, nothing filled in beforehand (people.md 3).
fn release(html: &mut Html, job: &JobView) {
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
    html.raw("<ol><li><h3>Look</h3><p id=\"loaded\" class=\"quiet\">The pictures are loading\u{2026}</p>");
    for (n, finding) in job
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Warn)
        .enumerate()
    {
        html.raw("<label class=\"tick\"><input type=\"checkbox\" required name=\"seen-")
            .text(n)
            .raw("\"><span>Seen: ");
        html.text(&finding.text).raw("</span></label>");
    }
    html.raw("</li><li><h3>Who are you?</h3><div class=\"pair\">");
    parts::who(html);
    html.raw("</div></li><li><h3>Who is it?</h3><p class=\"quiet\">Compare with the order on paper.</p><button type=\"button\" id=\"show-identity\">Show the patient</button><dl id=\"identity\" class=\"identity\" hidden></dl></li>");
    html.raw("<li><fieldset><legend><h3>Which side does the order say?</h3></legend>");
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
    html.raw("</fieldset></li><li><h3>Which spool is loaded?</h3><label>Material and lot, as written on it");
    html.raw("<input name=\"spool\" required maxlength=\"80\"></label>");
    if let Some(grams) = job.filament_g {
        // A tenth more than planned, for the purge line and a scale that is off.
        html.raw("<p class=\"quiet\">At least ")
            .text(words::number((grams * 1.1).ceil(), "g"))
            .raw(" must be left on it.</p>");
    }
    html.raw("</li><li><h3>Is the bed empty?</h3><label class=\"tick\"><input type=\"checkbox\" name=\"bed_clear\" required><span>I have looked: the bed is empty.</span></label></li></ol>");
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
