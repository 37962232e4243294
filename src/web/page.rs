//! The overview: what it does, is it all right, does it need me, until when; then needs you, printing, in work, done.

use super::Shared;
use super::about;
use super::html::Html;
use super::parts::{self, Live};
use super::words;
use crate::status::{JobState, JobView, NotReady, PrinterState, Snapshot, duration};
use axum::extract::State;
use axum::response::Html as Page;

/// Failed and refused cases shown among what needs somebody; the older ones are among those done.
const UNDESIGNED_SHOWN: usize = 4;
/// The way from this page to the station's root.
const ROOT: &str = "";
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
            "done" => ("done-list", "Done"),
            _ => ("about", "This station"),
        };
        parts::place(&mut body, name, class, label, html);
        match *name {
            "top" => super::setup::form(&mut body, &snapshot),
            "printing" => print_acts(&mut body),
            "done" => hand_in(&mut body),
            "about" => super::update::form(&mut body, &snapshot),
            _ => {}
        }
    }
    let mut asides = Html::new();
    cancel_dialog(&mut asides);
    let frame = parts::Frame {
        title: &live.title,
        name: super::events::OVERVIEW,
        root: ROOT,
        stop_port: shared.reached.stop_port,
        tls: shared.reached.tls.is_some(),
    };
    Page(parts::frame(&frame, &body, &asides).into_string())
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
            ("about", about::about(snapshot)),
        ],
    }
}

/// What it does, and whether it needs somebody: one sentence that is read from the door.
fn top(snapshot: &Snapshot, printing: Option<&JobView>) -> Html {
    let printer = &snapshot.printer;
    let (class, word, text) = headline(snapshot, printing);
    let mut html = Html::new();
    html.raw("<div class=\"state ").raw(class).raw("\"><h1>");
    parts::unbroken(&mut html, &word);
    html.raw("</h1>").element("p", "", text).raw("</div>");
    parts::printer_line(&mut html, printer);
    if printer.is_virtual {
        html.raw("<p class=\"virtual\">Virtual printer: no metal moves, nothing is printed.</p>");
    }
    if let Some(past) = &printer.past_fault {
        html.raw("<p class=\"quiet\">Before that: ")
            .text(&past.text)
            .raw("</p>");
    }
    html
}

/// Class, headline, sentence.
type Headline = (&'static str, String, String);

/// What matters most: a stop or a halt first, then what the printer asks, then what keeps it from printing.
fn headline(snapshot: &Snapshot, printing: Option<&JobView>) -> Headline {
    let (printer, station) = (&snapshot.printer, &snapshot.station);
    let not_ready = snapshot.not_ready();
    let grave = not_ready.as_ref().and_then(|why| grave(snapshot, why));
    if let Some(prompt) = printer.question() {
        // It may say for how long it keeps its heat.
        let beside = printer.fault.as_ref().map(|f| f.text.as_str());
        let text = [prompt.text.as_str(), beside.unwrap_or_default()].join(" ");
        ("fault", "The printer asks".into(), text.trim().into())
    } else if let Some(fault) = &printer.fault {
        ("fault", "Needs you".into(), fault.text.clone())
    } else if station.starting {
        let text = "Looking for the printer and at the drop folder.";
        ("idle", "Starting".into(), text.into())
    } else if let Some(text) = grave {
        ("fault", "Needs you".into(), text)
    } else if let Some(job) = printing {
        prints(snapshot, job)
    } else if let Some((class, word, text)) = in_hand(snapshot) {
        // Whoever comes for that stands before a printer that is hot, or not free.
        let beside = match &not_ready {
            Some(why @ (NotReady::PartOnBed(_) | NotReady::Hot(_))) => mild(snapshot, why).2,
            _ => String::new(),
        };
        (class, word, format!("{text} {beside}").trim_end().into())
    } else {
        match not_ready {
            Some(why) => mild(snapshot, &why),
            None => {
                let text = "Drop a head CT into the drop folder, or hand it in below.";
                ("idle", "Ready".into(), text.into())
            }
        }
    }
}

/// A print that runs or is held.
fn prints(snapshot: &Snapshot, job: &JobView) -> Headline {
    let printer = &snapshot.printer;
    let left = duration::words(printer.left_s);
    if job.state == JobState::Paused {
        let text = format!("{left} left when it goes on.");
        return ("paused", format!("Paused {}", job.code), text);
    }
    let percent = (printer.fraction * 100.0).floor();
    let text = format!("{percent:.0} %, {left} left. Needs nobody.");
    ("busy", format!("Printing {}", job.code), text)
}

/// What waits for release, or is designed.
fn in_hand(snapshot: &Snapshot) -> Option<Headline> {
    let jobs = |want: fn(JobState) -> bool| snapshot.jobs.iter().filter(move |j| want(j.state));
    let waiting: Vec<_> = jobs(|s| s == JobState::AwaitingRelease).collect();
    if let Some(job) = waiting.first() {
        let more = match waiting.len() - 1 {
            0 => String::new(),
            others => format!(" And {others} more."),
        };
        let text = format!("Somebody has to look at it and release it.{more}");
        return Some(("needs", format!("{} waits for release", job.code), text));
    }
    let job = jobs(|s| matches!(s, JobState::Reading | JobState::Designing)).next()?;
    let word = format!("Designing {}", job.code);
    Some(("busy", word, "Needs nobody.".into()))
}

/// Why nothing can be printed until somebody comes, whatever else goes on; `None` for what can wait.
fn grave(snapshot: &Snapshot, why: &NotReady) -> Option<String> {
    let printer = &snapshot.printer;
    match why {
        NotReady::LinkDown => {
            Some("The printer link does not answer. Tell IT if this stays.".into())
        }
        NotReady::NoPrinter if printer.port.is_empty() => Some(
            "The printer does not answer. Look whether it is switched on, then at its cable."
                .into(),
        ),
        NotReady::NoPrinter => Some(format!(
            "The printer at {} does not answer. Look whether it is switched on, then at its cable.",
            printer.port
        )),
        NotReady::Halted => {
            Some("The printer is halted. Look at it; when it is safe, reset it below.".into())
        }
        NotReady::Barred => printer.barred.as_ref().map(|f| f.text.clone()),
        NotReady::Starting
        | NotReady::Busy
        | NotReady::PartOnBed(_)
        | NotReady::Hot(_)
        | NotReady::Station(_)
        | NotReady::NobodyMayRelease => None,
    }
}

/// Why the station is not ready although nothing is in work: class, headline, sentence.
fn mild(snapshot: &Snapshot, why: &NotReady) -> Headline {
    match why {
        NotReady::PartOnBed(code) => (
            "needs",
            "Clear the bed".into(),
            format!(
                "The part of {code}, or the rest of it, lies on it as far as anybody has said."
            ),
        ),
        NotReady::Hot(c) => (
            "paused",
            "Cooling down".into(),
            format!("The printer is hot ({c:.0} \u{b0}C): do not touch nozzle or bed."),
        ),
        NotReady::NobodyMayRelease if snapshot.station.setup => (
            "needs",
            "Not set up yet".into(),
            "Type the code that the station\u{2019}s display shows into the form below.".into(),
        ),
        NotReady::NobodyMayRelease => (
            "needs",
            "Nobody may release yet".into(),
            "On the station's console, type: calvaria operator add NAME".into(),
        ),
        NotReady::Station(_) => {
            let first = snapshot.station.attention.first();
            let text = first.map(|f| f.text.clone()).unwrap_or_default();
            ("needs", "Needs you".into(), text)
        }
        NotReady::Busy => ("busy", "Busy".into(), "The printer works.".into()),
        // Told before, as grave.
        NotReady::Starting
        | NotReady::LinkDown
        | NotReady::NoPrinter
        | NotReady::Halted
        | NotReady::Barred => ("fault", "Needs you".into(), "Look at the printer.".into()),
    }
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
    // While a print runs the headline is of the print.
    let busy = snapshot.not_ready() == Some(NotReady::Busy);
    if let Some(barred) = snapshot.printer.barred.as_ref().filter(|_| busy) {
        html.raw("<ul class=\"findings\">");
        parts::finding(&mut html, barred);
        html.raw("</ul>");
    }
    // Without a store nobody knows who may.
    let known = |name: &str| !snapshot.station.attention.iter().any(|f| f.name == name);
    let station = &snapshot.station;
    if station.releasers == 0 && !station.setup && !station.starting && known("no_store") {
        html.raw("<div class=\"card\"><p>Nobody may release a print yet. On the station\u{2019}s console, type <code>calvaria operator add NAME</code>.</p></div>");
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
        // One says which case it is; the page of the case shows every hole.
        if let Some(fit) = parts::of_kind(job, "fit").next() {
            parts::picture(&mut html, ROOT, job, fit, "The part in the hole");
        }
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
        html.raw("<a class=\"button\" href=\"jobs/")
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
    if let Some(front) = job.files.iter().find(|f| *f == "preview-front.png") {
        let words = "The part and the skull, from the front";
        parts::picture(&mut html, ROOT, job, front, words);
    }
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
    parts::tune(html);
    parts::asks(html);
    parts::recover(html);
    parts::bed_clear(html);
}

fn cancel_dialog(html: &mut Html) {
    html.raw("<dialog id=\"cancel\" role=\"alertdialog\" aria-labelledby=\"cancel-title\"><form><h2 id=\"cancel-title\">End the print of <span data-fill=\"code\"></span>?</h2><p><span data-fill=\"spent\"></span> are spent, <span data-fill=\"left\"></span> are left. The part can not be continued later.</p>");
    parts::who(html);
    html.raw("<p class=\"answer\" role=\"status\"></p><div class=\"choice\"><button type=\"button\" data-close autofocus class=\"keep\">Keep printing</button><button type=\"button\" class=\"danger\" data-act=\"cancel\">Cancel print <span data-fill=\"code\"></span></button></div></form></dialog>");
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
                html.raw("<span class=\"quiet\">since ");
                parts::time(&mut html, &job.received, &snapshot.station.now);
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
    let above = ended_badly(snapshot);
    let elsewhere = |job: &JobView| above.iter().any(|j| j.code == job.code);
    let over: Vec<_> = snapshot
        .jobs
        .iter()
        .filter(|j| j.state.is_over() && !elsewhere(j))
        .collect();
    let shown = over.len().min(DONE_SHOWN);
    let more = over.len() - shown + snapshot.station.more as usize;
    let mut html = Html::new();
    if shown > 0 {
        html.add(&table(over.into_iter().take(shown), &snapshot.station.now));
    }
    if more > 0 {
        html.raw("<p class=\"more\"><a href=\"history\">All cases</a>: ")
            .text(more)
            .raw(" more than are shown here.</p>");
    }
    if html.is_empty() {
        return html;
    }
    titled("Done", html)
}

/// Cases, a row each.
pub(super) fn table<'a>(jobs: impl Iterator<Item = &'a JobView>, now: &str) -> Html {
    let mut html = Html::new();
    html.raw("<table><thead><tr><th>Case</th><th>State</th><th>Why</th><th>When</th></tr></thead><tbody>");
    for job in jobs {
        html.raw("<tr><td>");
        parts::code_link(&mut html, &job.code);
        html.raw("</td><td>");
        parts::badge(&mut html, job.state);
        html.raw("</td><td>")
            .text(&job.reason)
            .raw("</td><td class=\"time\">");
        parts::time(&mut html, &job.changed, now);
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table>");
    html
}

fn hand_in(html: &mut Html) {
    html.raw("<section class=\"hand-in\" aria-label=\"Hand in a scan\"><h2>Hand in a scan</h2><form id=\"upload\" class=\"acts\"><label>A zip, NIfTI or NRRD file, or all files of one DICOM series<input type=\"file\" name=\"files\" multiple required></label><button>Hand in</button><progress max=\"100\" value=\"0\" hidden>0 %</progress><p class=\"answer\" role=\"status\"></p></form></section>");
}

fn titled(title: &'static str, html: Html) -> Html {
    let mut whole = Html::new();
    whole.element("h2", "section", title).add(&html);
    whole
}

#[cfg(test)]
mod tests;
