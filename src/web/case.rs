//! One case: what it is, how it goes, the pictures, what to look at, and the release form.

use super::Shared;
use super::fault::Fault;
use super::html::Html;
use super::parts::{self, Live};
use super::words;
use crate::status::{JobState, JobView, Snapshot, duration};
use axum::extract::{Path, State};
use axum::response::Html as Page;

/// The way from this page to the station's root.
const ROOT: &str = "../";

pub(super) async fn case(
    State(shared): State<Shared>,
    Path(code): Path<String>,
) -> Result<Page<String>, Fault> {
    let job = shared.job(&code).await?;
    let snapshot = shared.desk.snapshot();
    // Also a case that is no longer on the list.
    let live = live_of(&snapshot, &code, Some(&job));
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
            parts::asks(&mut body);
            parts::recover(&mut body);
            parts::bed_clear(&mut body);
            acts(&mut body, &job);
            if job.state != JobState::AwaitingRelease {
                patient(&mut body);
            }
        }
    }
    let frame = parts::Frame {
        title: &live.title,
        name: &code,
        root: ROOT,
        stop_port: shared.reached.stop_port,
        tls: shared.reached.tls.is_some(),
    };
    Ok(Page(
        parts::frame(&frame, &body, &Html::new()).into_string(),
    ))
}

/// The moving parts.
pub(super) fn live(snapshot: &Snapshot, code: &str) -> Live {
    live_of(
        snapshot,
        code,
        snapshot.jobs.iter().find(|j| j.code == code),
    )
}

fn live_of(snapshot: &Snapshot, code: &str, job: Option<&JobView>) -> Live {
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
        .raw("\"><h1><span class=\"whole\">")
        .text(&job.code);
    html.raw("</span> ")
        .text(words::state(job.state))
        .raw("</h1>");
    if job.reason.is_empty() {
        html.raw("<p>Received ");
        parts::time(&mut html, &job.received, now);
        html.raw(", changed ");
        parts::time(&mut html, &job.changed, now);
        html.raw(".</p>");
    } else {
        html.element("p", "", format!("{} {}", job.reason, job.next));
    }
    if let Some(away) = &job.put_away {
        html.raw("<p>Taken off the list by ").text(&away.by);
        if !away.rule.is_empty() {
            html.raw(" (").text(&away.rule).raw(")");
        }
        html.raw(", ");
        parts::time(&mut html, &away.at, now);
        html.raw(".</p>");
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

/// Pictures of every case, by file.
const PICTURES: [(&str, &str); 4] = [
    (
        "preview-front.png",
        "From the front: patient\u{2019}s left is on the right",
    ),
    (
        "preview-top.png",
        "From above, nose up: patient\u{2019}s right is on the right",
    ),
    ("preview-left.png", "From the patient\u{2019}s left"),
    ("preview-right.png", "From the patient\u{2019}s right"),
];

fn pictures(job: &JobView) -> Html {
    let mut html = Html::new();
    for (file, words) in PICTURES {
        if job.files.iter().any(|f| f == file) {
            parts::picture(&mut html, ROOT, job, file, words);
        }
    }
    let count = parts::of_kind(job, "fit").count();
    for (kind, one, several) in [
        ("fit", "The part in the hole", "The part in hole"),
        (
            "error",
            "How far the outside is expected to lie off the bone that was there",
            "How far the outside is expected to lie off the bone that was there, part",
        ),
        (
            "filled",
            "How much of the part is filled between its surfaces",
            "How much of the part is filled between its surfaces, part",
        ),
    ] {
        for (n, file) in parts::of_kind(job, kind).enumerate() {
            let words = match count {
                0 | 1 => one.into(),
                _ => format!("{several} {} of {count}", n + 1),
            };
            parts::picture(&mut html, ROOT, job, file, &words);
        }
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
        html.raw("<li><a href=\"../api/v1/jobs/")
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
            super::release::form(html, job);
            if job.reentry.is_some() {
                super::reentry::instead(html);
            }
            reject(html);
            give_up(html, "Give this case up");
        }
        JobState::Received | JobState::Reading | JobState::Designing => {
            give_up(html, "Give this case up");
        }
        JobState::Failed | JobState::Refused => {
            one_act(html, "retry", "Try again", "After something was changed.");
            put_away(html, job);
        }
        JobState::Stopped => {
            super::reentry::form(html, job);
            let text = "From the start: the bed must be cleared; then it is released anew.";
            one_act(html, "print-again", "Offer it for release again", text);
            put_away(html, job);
        }
        JobState::Printing | JobState::Paused => {
            html.raw(
                "<p class=\"quiet\">Pause and cancel are on <a href=\"../\">the first page</a>.</p>",
            );
        }
        JobState::Printed | JobState::Rejected | JobState::Cancelled => put_away(html, job),
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

/// Who the patient is, to the signed-in: whoever calls the ward about a refused scan has to know whose it is.
fn patient(html: &mut Html) {
    html.raw("<details class=\"give-up\"><summary>Show the patient\u{2026}</summary><form class=\"acts\">");
    parts::who(html);
    html.raw("<button type=\"button\" data-identity>Show the patient</button><p class=\"answer\" role=\"status\"></p><dl class=\"identity\" hidden></dl></form></details>");
}

/// A no, with the reason that goes into the record.
fn reject(html: &mut Html) {
    html.raw("<details class=\"give-up\"><summary>Reject this design\u{2026}</summary><form class=\"acts\" data-case-acts><label class=\"wide\">Why? No name of a patient belongs here.<input name=\"reason\" required maxlength=\"400\"></label>");
    parts::who(html);
    html.raw("<button type=\"button\" class=\"danger\" data-act=\"reject\">Reject this design</button><p class=\"answer\" role=\"status\"></p></form></details>");
}

/// Off the list of the first page; it stays in the history.
fn put_away(html: &mut Html, job: &JobView) {
    if job.put_away.is_some() {
        return;
    }
    html.raw("<details class=\"give-up\"><summary>Take it off the list\u{2026}</summary><form class=\"acts\" data-case-acts><p class=\"quiet wide\">It stays in the record, and under All cases.</p>");
    parts::who(html);
    html.raw("<button type=\"button\" data-act=\"put-away\">Take it off the list</button><p class=\"answer\" role=\"status\"></p></form></details>");
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
