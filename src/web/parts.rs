//! What every page has: the frame, and the pieces that more than one page shows.

use super::assets;
use super::html::Html;
use super::words;
use crate::status::{
    Finding, JobState, JobView, PrinterState, PrinterView, Severity, Side, Snapshot, Stage,
    duration,
};

/// A page's moving parts at one instant.
pub(super) struct Live {
    /// Title of the window.
    pub(super) title: String,
    /// What the script decides by.
    pub(super) facts: serde_json::Value,
    /// HTML by the name of its place.
    pub(super) parts: Vec<(&'static str, Html)>,
}

/// What a page says of itself.
pub(super) struct Frame<'a> {
    /// Title of the window.
    pub(super) title: &'a str,
    /// Its name in the stream of live parts.
    pub(super) name: &'a str,
    /// The way from its address to the station's root: every address on it is relative, so that a proxy may put a
    /// prefix before it.
    pub(super) root: &'static str,
    /// Port of the emergency stop's own listener.
    pub(super) stop_port: Option<u16>,
    /// TLS ends at the station itself, at that listener too.
    pub(super) tls: bool,
}

/// A whole page around `body`; `asides` stand beside it: the emergency stop works while they are open.
pub(super) fn frame(frame: &Frame<'_>, body: &Html, asides: &Html) -> Html {
    let root = frame.root;
    let home = if root.is_empty() { "./" } else { root };
    let mut html = Html::new();
    html.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>")
        .text(frame.title)
        .raw("</title><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"")
        .raw(root)
        .text(assets::address("style.css"))
        .raw("\"><script type=\"module\" src=\"")
        .raw(root)
        .text(assets::address("page.js"))
        .raw("\"></script><noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript></head><body data-page=\"")
        .text(frame.name)
        .raw("\" data-root=\"")
        .raw(root)
        .raw("\" data-stop=\"")
        .text(frame.stop_port.map(|p| p.to_string()).unwrap_or_default());
    html.raw(if frame.tls { "\" data-tls=\"" } else { "" });
    html.raw("\"><a class=\"skip\" href=\"#stop-button\">Go to emergency stop</a><p id=\"stale\" role=\"alert\" hidden></p><header class=\"bar\"><a class=\"brand\" href=\"")
        .raw(home)
        .raw("\"><svg viewBox=\"0 0 32 32\" aria-hidden=\"true\"><path d=\"M4 19a12 12 0 0 1 24 0c0 4-3 5-3 8H12c0-2-1-2.500-3-3-2-.5-5-1-5-5z\"/><path class=\"gap\" d=\"M17 8.200a10.500 10.500 0 0 1 8.200 7.300l-5.200 1.800-4-3.500z\"/></svg>calvaria</a><nav><a href=\"")
        .raw(home)
        .raw("\">Cases</a></nav><span id=\"live\" class=\"pulse\">live</span></header><main>")
        .add(body)
        .raw("</main><footer><p>Research prototype. Not a medical device. A part printed in PLA is a fit model, not an implant.</p></footer>")
        .add(asides)
        .raw("<form id=\"stop\" method=\"post\" action=\"")
        .raw(root)
        .raw("api/v1/printer/emergency-stop\"><p id=\"stop-answer\" role=\"alert\"></p><button id=\"stop-button\" aria-label=\"Emergency stop\"><svg viewBox=\"0 0 100 100\" aria-hidden=\"true\"><path d=\"M29 2h42l27 27v42L71 98H29L2 71V29z\"/></svg><span>STOP</span></button></form></body></html>");
    html
}

/// A time: as the station's clock says it, and for the script to say in the reader's.
pub(super) fn time(into: &mut Html, at: &str, now: &str) {
    into.raw("<time datetime=\"")
        .text(at)
        .raw("\">")
        .text(words::clock(at, now))
        .raw("</time>");
}

/// Text whose words with a hyphen, case codes among them, are not broken at it.
pub(super) fn unbroken(into: &mut Html, text: &str) {
    for (n, word) in text.split(' ').enumerate() {
        into.raw(if n > 0 { " " } else { "" });
        if word.contains('-') {
            into.element("span", "whole", word);
        } else {
            into.text(word);
        }
    }
}

/// A place that the script fills anew.
pub(super) fn place(
    into: &mut Html,
    name: &'static str,
    class: &'static str,
    label: &'static str,
    html: &Html,
) {
    into.raw("<section class=\"")
        .raw(class)
        .raw("\" data-part=\"")
        .raw(name)
        .raw("\" aria-label=\"")
        .raw(label)
        .raw("\">");
    into.add(html).raw("</section>");
}

/// State as a coloured word.
pub(super) fn badge(into: &mut Html, state: JobState) {
    into.raw("<span class=\"badge ")
        .raw(words::state_class(state))
        .raw("\">")
        .text(words::state(state))
        .raw("</span>");
}

/// A link to a case, from the first page.
pub(super) fn code_link(into: &mut Html, code: &str) {
    into.raw("<a class=\"code\" href=\"jobs/")
        .text(code)
        .raw("\">")
        .text(code)
        .raw("</a>");
}

/// A bar with its percentage in words.
pub(super) fn bar(into: &mut Html, fraction: f64, label: &str) {
    let percent = (fraction.clamp(0.0, 1.0) * 100.0).floor();
    into.raw("<progress max=\"100\" value=\"")
        .text(percent)
        .raw("\" aria-label=\"")
        .text(label)
        .raw("\">");
    into.text(percent).raw(" %</progress>");
}

/// One finding: word, sentence, number and limit.
pub(super) fn finding(into: &mut Html, finding: &Finding) {
    let (class, word) = match finding.severity {
        Severity::Info => ("info", "Note"),
        Severity::Warn => ("warn", "Look"),
        Severity::Refuse => ("refuse", "Stop"),
    };
    into.raw("<li class=\"finding ")
        .raw(class)
        .raw("\"><b>")
        .raw(word)
        .raw("</b><span>")
        .text(&finding.text)
        .raw("</span>");
    if let Some(value) = finding.value {
        into.raw("<em>").text(words::number(value, &finding.unit));
        if let Some(limit) = finding.limit {
            into.raw(" <small>")
                .text(finding.bound_words())
                .raw(" ")
                .text(words::number(limit, &finding.unit))
                .raw("</small>");
        }
        into.raw("</em>");
    }
    into.raw("</li>");
}

/// A preview picture.
pub(super) fn picture(into: &mut Html, root: &'static str, job: &JobView, file: &str, words: &str) {
    // The hash makes a new design a new address; the picture itself is not kept by the browser.
    let version = job
        .gcode_sha256
        .as_deref()
        .unwrap_or_default()
        .get(..8)
        .unwrap_or_default();
    into.raw("<figure><img src=\"")
        .raw(root)
        .raw("api/v1/jobs/")
        .text(&job.code)
        .raw("/files/")
        .text(file);
    into.raw("?v=")
        .text(version)
        .raw("\" alt=\"")
        .text(words)
        .raw("\" width=\"800\" height=\"600\"><figcaption>");
    into.text(words).raw("</figcaption></figure>");
}

/// Pictures of one kind, one for each hole: for `fit` they are `preview-fit.png`, `preview-fit-2.png`, ….
pub(super) fn of_kind<'a>(job: &'a JobView, kind: &str) -> impl Iterator<Item = &'a String> {
    let stem = format!("preview-{kind}");
    let is_kind = |name: &&String| name.starts_with(&stem) && name.ends_with(".png");
    let mut names: Vec<_> = job.files.iter().filter(is_kind).collect();
    names.sort_by_key(|name| (name.len(), name.as_str()));
    names.into_iter()
}

/// The side in words that nobody can mistake.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Left => "patient\u{2019}s LEFT",
        Side::Right => "patient\u{2019}s RIGHT",
        Side::Both => "BOTH sides",
    }
}

/// Which stages are done, which is in work.
pub(super) fn stages(into: &mut Html, job: &JobView) {
    let now = job.progress.as_ref().map_or(Stage::Intake, |p| p.stage);
    into.raw("<ol class=\"stages\">");
    for stage in words::STAGES {
        let class = match stage.cmp(&now) {
            std::cmp::Ordering::Less => "<li class=\"past\">",
            std::cmp::Ordering::Equal => "<li class=\"now\" aria-current=\"step\">",
            std::cmp::Ordering::Greater => "<li>",
        };
        into.raw(class).raw(words::stage(stage)).raw("</li>");
    }
    into.raw("</ol>");
    if let Some(progress) = &job.progress {
        bar(into, progress.fraction, words::stage(progress.stage));
        into.element("p", "quiet", &progress.text);
    }
}

/// The printer in one line.
pub(super) fn printer_line(into: &mut Html, printer: &PrinterView) {
    let word = match printer.state {
        PrinterState::LinkDown => "link does not answer",
        PrinterState::Disconnected => "not connected",
        PrinterState::Idle => "connected",
        PrinterState::Printing => "printing",
        PrinterState::Paused => "paused",
        PrinterState::Halted => "halted",
    };
    into.raw("<dl class=\"figures\"><div><dt>Printer</dt><dd>")
        .raw(word)
        .raw("</dd></div>");
    for (name, heater) in [("Hotend", printer.hotend), ("Bed", printer.bed)] {
        into.raw("<div><dt>")
            .raw(name)
            .raw("</dt><dd>")
            .text(heater.map_or("unknown".into(), |h| format!("{:.0}", h.now_c)));
        let Some(heater) = heater else {
            into.raw("</dd></div>");
            continue;
        };
        into.raw("<small> \u{b0}C");
        if heater.target_c > 0.0 {
            into.text(format!(" \u{2192} {:.0}", heater.target_c));
        }
        into.raw("</small></dd></div>");
    }
    into.raw("</dl>");
}

/// The way in for name and PIN.
pub(super) fn who(into: &mut Html) {
    into.raw("<label>Name<input name=\"operator\" autocomplete=\"username\" required maxlength=\"80\"></label>");
    into.raw("<label>PIN<input name=\"pin\" type=\"password\" inputmode=\"numeric\" autocomplete=\"current-password\" required maxlength=\"64\"></label>");
}

/// The answer to what the printer asks; the script fills in question and choices, and shows it while one is open.
pub(super) fn asks(into: &mut Html) {
    into.raw("<form id=\"asks\" class=\"acts\" hidden><p class=\"question\"></p>");
    who(into);
    into.raw("<span class=\"choices\"></span><p class=\"answer\" role=\"status\"></p></form>");
}

/// What may be changed of a print that runs; the script fills in what is in force and its bounds, and shows it while there is one.
pub(super) fn tune(into: &mut Html) {
    into.raw("<details id=\"tune\" hidden><summary>Tune this print</summary><form class=\"acts\">");
    for (name, label, step) in [
        ("speed_percent", "Speed, %", "1"),
        ("flow_percent", "Flow, %", "1"),
        ("fan_percent", "Fan, % of the file\u{2019}s", "1"),
        ("z_mm", "Height, mm", "0.01"),
    ] {
        into.raw("<label>")
            .raw(label)
            .raw("<input type=\"number\" name=\"");
        into.raw(name)
            .raw("\" step=\"")
            .raw(step)
            .raw("\" required></label>");
    }
    who(into);
    into.raw("<button type=\"button\" data-printer=\"tune\">Tune</button><p class=\"answer\" role=\"status\"></p><p class=\"quiet\">Ends with this print. It stands in the record.</p></form></details>");
}

/// The way back from a halt; the script shows it while the printer is halted.
pub(super) fn recover(into: &mut Html) {
    into.raw("<form id=\"recover\" class=\"acts\" hidden>");
    who(into);
    into.raw("<button type=\"button\" data-printer=\"recover\">I looked at the printer: reset it</button><p class=\"answer\" role=\"status\"></p></form>");
}

/// The word of somebody who looked at the bed; the script shows it while a part lies there as far as is known.
pub(super) fn bed_clear(into: &mut Html) {
    into.raw("<form id=\"bed\" class=\"acts\" hidden>");
    who(into);
    into.raw("<button type=\"button\" data-printer=\"bed-clear\">I looked: the bed is empty</button><p class=\"answer\" role=\"status\"></p></form>");
}

/// Facts the script decides by, the same for every page.
pub(super) fn facts(snapshot: &Snapshot, job: Option<&JobView>) -> serde_json::Value {
    let printing = snapshot
        .jobs
        .iter()
        .find(|j| matches!(j.state, JobState::Printing | JobState::Paused));
    // Offers the way back wherever there is one.
    let printer = match snapshot.printer.needs_recovery() {
        true => PrinterState::Halted,
        false => snapshot.printer.state,
    };
    let runs = matches!(
        snapshot.printer.state,
        PrinterState::Printing | PrinterState::Paused
    );
    let tuning = snapshot.printer.tuning.filter(|_| runs);
    serde_json::json!({
        "now": snapshot.station.now,
        "printer": printer,
        "setup": snapshot.station.setup,
        "image": snapshot.station.update.is_image,
        "on_bed": snapshot.printer.on_bed,
        "asks": snapshot.printer.question(),
        "tuning": tuning,
        "printing": printing.map(|j| serde_json::json!({
            "code": j.code, "state": j.state,
            "spent": duration::words(snapshot.printer.spent_s), "left": duration::words(snapshot.printer.left_s),
        })),
        "job": job.map(|j| serde_json::json!({
            "code": j.code, "state": j.state, "sha256": j.gcode_sha256,
            "reentry": j.reentry.as_ref().map_or(0, |r| if r.refused.is_empty() { r.layer } else { 0 }),
        })),
    })
}
