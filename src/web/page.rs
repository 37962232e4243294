//! The overview: what it does, is it all right, does it need me, until when; then needs you, printing, in work, done.

use super::Shared;
use super::html::Html;
use super::parts::{self, Live};
use super::words;
use crate::status::{JobState, JobView, PrinterState, Snapshot, duration};
use axum::extract::State;
use axum::response::Html as Page;

/// Failed and refused cases shown among what needs somebody; the older ones are among those done.
const UNDESIGNED_SHOWN: usize = 4;
/// Finished cases that are listed.
const DONE_SHOWN: usize = 20;

pub(super) async fn overview(State(shared): State<Shared>) -> Page<String> {
    let snapshot = shared.desk.snapshot();
    let live = live(&snapshot);
    let mut body = Html::new();
    for (name, html) in &live.parts {
        let (class, label) = match *name {
            "top" => ("top", "Station"),
            "needs" => ("needs-you", "Needs you"),
            "printing" => ("printing", "Printing"),
            "work" => ("work", "In work"),
            _ => ("done-list", "Done"),
        };
        parts::place(&mut body, name, class, label, html);
        if *name == "printing" {
            print_acts(&mut body);
        }
    }
    hand_in(&mut body);
    cancel_dialog(&mut body);
    Page(parts::frame(&live.title, "/live", &body).into_string())
}

/// The moving parts.
pub(super) fn live(snapshot: &Snapshot) -> Live {
    let jobs = |want: fn(JobState) -> bool| snapshot.jobs.iter().filter(move |j| want(j.state));
    let printing = jobs(|s| matches!(s, JobState::Printing | JobState::Paused)).next();
    let title = match printing {
        Some(job) => format!(
            "{:.0} % {}",
            (snapshot.printer.fraction * 100.0).floor(),
            job.code
        ),
        None => "calvaria".into(),
    };
    Live {
        title,
        facts: parts::facts(snapshot, None),
        parts: vec![
            ("top", top(snapshot, printing)),
            ("needs", needs(snapshot)),
            (
                "printing",
                printing.map(|j| print(snapshot, j)).unwrap_or_default(),
            ),
            ("work", work(snapshot)),
            ("done", done(snapshot)),
        ],
    }
}

/// What it does, and whether it needs somebody: one sentence that is read from the door.
fn top(snapshot: &Snapshot, printing: Option<&JobView>) -> Html {
    let (printer, station) = (&snapshot.printer, &snapshot.station);
    let waiting: Vec<_> = snapshot
        .jobs
        .iter()
        .filter(|j| j.state == JobState::AwaitingRelease)
        .collect();
    let designing = snapshot
        .jobs
        .iter()
        .find(|j| matches!(j.state, JobState::Reading | JobState::Designing));
    let (class, word, text) = if let Some(fault) = &printer.fault {
        ("fault", "Needs you".to_string(), fault.text.clone())
    } else if station.starting {
        (
            "idle",
            "Starting".into(),
            "Looking for the printer and at the drop folder.".into(),
        )
    } else if printer.state == PrinterState::LinkDown {
        (
            "fault",
            "Needs you".into(),
            "The printer link does not answer.".into(),
        )
    } else if let Some(job) = printing {
        let left = duration::words(printer.left_s);
        if job.state == JobState::Paused {
            (
                "paused",
                format!("Paused {}", job.code),
                format!("{left} left when it goes on."),
            )
        } else {
            let percent = (printer.fraction * 100.0).floor();
            (
                "busy",
                format!("Printing {}", job.code),
                format!("{percent:.0} %, {left} left. Needs nobody."),
            )
        }
    } else if let Some(job) = waiting.first() {
        let others = waiting.len() - 1;
        let more = if others > 0 {
            format!(" And {others} more.")
        } else {
            String::new()
        };
        (
            "needs",
            format!("{} waits for release", job.code),
            format!("Somebody has to look at it and release it.{more}"),
        )
    } else if let Some(job) = designing {
        (
            "busy",
            format!("Designing {}", job.code),
            "Needs nobody.".into(),
        )
    } else {
        (
            "idle",
            "Ready".into(),
            "Drop a head CT into the drop folder, or hand it in below.".into(),
        )
    };
    let mut html = Html::new();
    html.raw("<div class=\"state ")
        .raw(class)
        .raw("\">")
        .element("h1", "", word)
        .element("p", "", text)
        .raw("</div>");
    parts::printer_line(&mut html, printer);
    if printer.is_virtual {
        html.raw("<p class=\"virtual\">Virtual printer: no metal moves, nothing is printed.</p>");
    }
    html
}

/// Attention, releases, and what ended badly.
fn needs(snapshot: &Snapshot) -> Html {
    let mut html = Html::new();
    if !snapshot.station.attention.is_empty() {
        html.raw("<ul class=\"findings\">");
        for finding in &snapshot.station.attention {
            parts::finding(&mut html, finding);
        }
        html.raw("</ul>");
    }
    if snapshot.printer.state == PrinterState::Halted {
        html.raw("<p class=\"card halted\"><b>The printer is halted.</b> Look at it. When it is safe, reset it on the page of the case that was printed, or below.</p>");
    }
    for job in snapshot
        .jobs
        .iter()
        .filter(|j| j.state == JobState::AwaitingRelease)
    {
        html.raw("<article class=\"card release\">");
        parts::picture(&mut html, job, "fit", "The part in the hole");
        html.raw("<div><h2>");
        parts::code_link(&mut html, &job.code);
        parts::badge(&mut html, job.state);
        html.raw("</h2><p>");
        if let Some(side) = job.side {
            html.raw("Hole: <b>")
                .text(if job.place.is_empty() {
                    parts::side(side)
                } else {
                    &job.place
                })
                .raw("</b><br>");
        }
        plan(&mut html, job);
        html.raw("</p>");
        let warnings = job
            .findings
            .iter()
            .filter(|f| f.severity == crate::status::Severity::Warn)
            .count();
        if warnings > 0 {
            html.raw("<p class=\"look\">")
                .text(warnings)
                .raw(" to look at</p>");
        }
        html.raw("<a class=\"button\" href=\"/jobs/")
            .text(&job.code)
            .raw("\">Look and release</a></div></article>");
    }
    for job in ended_badly(snapshot) {
        html.raw("<article class=\"card\"><div><h2>");
        parts::code_link(&mut html, &job.code);
        parts::badge(&mut html, job.state);
        html.raw("</h2>")
            .element("p", "", &job.reason)
            .element("p", "next", &job.next)
            .raw("</div></article>");
    }
    if html.is_empty() {
        html.raw("<p class=\"quiet\">Nothing waits for you.</p>");
    }
    titled("Needs you", html)
}

/// What ended badly and is shown among what needs somebody: every stopped print, since its part may still lie on the
/// bed, then the newest that could not be designed. What is shown here is not listed as done.
fn ended_badly(snapshot: &Snapshot) -> Vec<&JobView> {
    let jobs = |want: fn(JobState) -> bool| snapshot.jobs.iter().filter(move |j| want(j.state));
    let undesigned = jobs(|s| matches!(s, JobState::Failed | JobState::Refused));
    jobs(|s| s == JobState::Stopped)
        .chain(undesigned.take(UNDESIGNED_SHOWN))
        .collect()
}

/// Print time and filament, in words.
pub(super) fn plan(html: &mut Html, job: &JobView) {
    if let Some(seconds) = job.print_s {
        html.text(duration::words(seconds)).raw(" to print");
    }
    if let Some(grams) = job.filament_g {
        html.raw(", ")
            .text(words::number(grams, "g"))
            .raw(" of filament");
    }
}

fn print(snapshot: &Snapshot, job: &JobView) -> Html {
    let printer = &snapshot.printer;
    let mut html = Html::new();
    html.raw("<article class=\"card print\">");
    parts::picture(
        &mut html,
        job,
        "front",
        "The part and the skull, from the front",
    );
    html.raw("<div><h2>");
    parts::code_link(&mut html, &job.code);
    parts::badge(&mut html, job.state);
    html.raw("</h2><p class=\"big\">")
        .text(format!("{:.0}", (printer.fraction * 100.0).floor()));
    html.raw(" %<small> ")
        .text(duration::words(printer.left_s))
        .raw(" left</small></p>");
    parts::bar(&mut html, printer.fraction, "Print");
    html.raw("<p class=\"quiet\">");
    if let Some(progress) = job.progress.as_ref().filter(|p| !p.text.is_empty()) {
        html.raw("<b>").text(&progress.text).raw("</b>. ");
    }
    if printer.layers > 0 {
        html.raw("Layer ")
            .text(printer.layer)
            .raw(" of ")
            .text(printer.layers)
            .raw(". ");
    }
    html.raw("On the printer for ")
        .text(duration::words(printer.spent_s))
        .raw(". Released by ")
        .text(&job.released_by)
        .raw(".</p></div></article>");
    titled("Printing", html)
}

/// Stands still while the print moves, so that nobody's typing is lost.
fn print_acts(html: &mut Html) {
    html.raw("<form id=\"print-acts\" class=\"acts\" hidden>");
    parts::who(html);
    html.raw("<button type=\"button\" data-act=\"pause\">Pause</button><button type=\"button\" data-act=\"resume\" hidden>Resume</button><p class=\"answer\" role=\"status\"></p><span class=\"far\"></span><button type=\"button\" class=\"danger\" data-open=\"cancel\">Cancel print\u{2026}</button></form>");
    parts::recover(html);
}

fn cancel_dialog(html: &mut Html) {
    html.raw("<dialog id=\"cancel\" aria-labelledby=\"cancel-title\"><form method=\"dialog\"><h2 id=\"cancel-title\">End the print of <span data-fill=\"code\"></span>?</h2><p><span data-fill=\"spent\"></span> are spent, <span data-fill=\"left\"></span> are left. The part can not be continued later.</p>");
    parts::who(html);
    html.raw("<p class=\"answer\" role=\"status\"></p><div class=\"choice\"><button type=\"submit\" autofocus class=\"keep\">Keep printing</button><button type=\"button\" class=\"danger\" data-act=\"cancel\">Cancel print <span data-fill=\"code\"></span></button></div></form></dialog>");
}

fn work(snapshot: &Snapshot) -> Html {
    let mut html = Html::new();
    for job in snapshot.jobs.iter().rev() {
        match job.state {
            JobState::Reading | JobState::Designing => {
                html.raw("<article class=\"card\"><div><h2>");
                parts::code_link(&mut html, &job.code);
                parts::badge(&mut html, job.state);
                html.raw("</h2>");
                parts::stages(&mut html, job);
                html.raw("</div></article>");
            }
            JobState::Received => {
                html.raw("<p class=\"row\">");
                parts::code_link(&mut html, &job.code);
                parts::badge(&mut html, job.state);
                html.raw("<span class=\"quiet\">since ")
                    .text(words::clock(&job.received, &snapshot.station.now));
                html.raw("</span></p>");
            }
            JobState::AwaitingRelease
            | JobState::Printing
            | JobState::Paused
            | JobState::Printed
            | JobState::Refused
            | JobState::Failed
            | JobState::Rejected
            | JobState::Cancelled
            | JobState::Stopped => {}
        }
    }
    if html.is_empty() {
        html.raw("<p class=\"quiet\">No scan is in work.</p>");
    }
    titled("In work", html)
}

fn done(snapshot: &Snapshot) -> Html {
    let mut html = Html::new();
    let above = ended_badly(snapshot);
    let elsewhere = |job: &JobView| above.iter().any(|j| j.code == job.code);
    for job in snapshot
        .jobs
        .iter()
        .filter(|j| j.state.is_over() && !elsewhere(j))
        .take(DONE_SHOWN)
    {
        html.raw("<tr><td>");
        parts::code_link(&mut html, &job.code);
        html.raw("</td><td>");
        parts::badge(&mut html, job.state);
        html.raw("</td><td>")
            .text(&job.reason)
            .raw("</td><td class=\"time\">");
        html.text(words::clock(&job.changed, &snapshot.station.now))
            .raw("</td></tr>");
    }
    if html.is_empty() {
        return html;
    }
    let mut table = Html::new();
    table.raw("<table><thead><tr><th>Case</th><th>State</th><th>Why</th><th>When</th></tr></thead><tbody>").add(&html);
    table.raw("</tbody></table>");
    titled("Done", table)
}

fn hand_in(html: &mut Html) {
    html.raw("<section class=\"hand-in\" aria-label=\"Hand in a scan\"><h2>Hand in a scan</h2><form id=\"upload\" class=\"acts\"><label>A zip, NIfTI or NRRD file, or all files of one DICOM series<input type=\"file\" name=\"files\" multiple required></label><button>Hand in</button><progress max=\"100\" value=\"0\" hidden>0 %</progress><p class=\"answer\" role=\"status\"></p></form></section>");
}

fn titled(title: &'static str, html: Html) -> Html {
    let mut whole = Html::new();
    whole.element("h2", "section", title).add(&html);
    whole
}
