//! Screens: what was chosen, laid out at a size that is read from two metres.
//!
//! 800x480 has three lines for two metres (state; time or code; percent), a 40 px bar, and smaller text for arm's
//! length; 320x240 has two or three lines of about ten glyphs. Laid out for each size, not zoomed. Nothing is cut: a
//! text that does not fit is shortened by whole sentences and says where the rest is.

use super::canvas::Canvas;
use super::choice::{self, Screen, at_work, newest, screen_of};
use super::page::{Page, colors};
use super::picture::Picture;
use crate::status::{JobState, Snapshot, duration};
use embedded_graphics::pixelcolor::{Rgb565, RgbColor};

/// Bytes of a fingerprint that are shown: nobody makes a second certificate that begins with the same eight.
const SHOWN: usize = 8;

/// Draws the whole canvas. `lit` is false in the dark half of a flash.
pub fn draw(canvas: &mut Canvas, snapshot: &Snapshot, picture: Option<&Picture>, lit: bool) {
    let mut page = Page::new(canvas);
    let corner = if snapshot.printer.is_virtual {
        ("virtual printer", "virtual")
    } else {
        ("", "")
    };
    page.corner_is(corner);
    match screen_of(snapshot) {
        Screen::Starting => starting(&mut page, snapshot),
        Screen::SetUp => set_up(&mut page, snapshot),
        Screen::Idle => idle(&mut page, snapshot),
        Screen::InWork => in_work(&mut page, snapshot),
        Screen::AwaitingRelease => awaiting(&mut page, snapshot, picture),
        Screen::Printing => printing(&mut page, snapshot),
        Screen::Attention => attention(&mut page, snapshot, lit),
    }
    page.corner();
}

/// Where the page is, as somebody types it.
fn address(snapshot: &Snapshot) -> String {
    let url = snapshot.station.address.as_str();
    // Whoever types it without `https` is sent on.
    let bare = ["http://", "https://"].into_iter();
    let typed = bare.fold(url, |url, scheme| url.strip_prefix(scheme).unwrap_or(url));
    let typed = typed.strip_suffix('/').unwrap_or(typed);
    let only_here = ["127.", "localhost", "[::1]"]
        .iter()
        .any(|h| typed.starts_with(h));
    if only_here {
        format!("on this box only: {typed}")
    } else {
        typed.into()
    }
}

/// The address, and the beginning of the certificate's fingerprint: whoever is warned by a browser compares it.
fn address_and_certificate(snapshot: &Snapshot) -> String {
    let pairs: Vec<&str> = snapshot
        .station
        .certificate
        .split(':')
        .take(SHOWN)
        .collect();
    let address = address(snapshot);
    match pairs.len() {
        SHOWN => format!("{address}  certificate {}", pairs.join(":")),
        _ => address,
    }
}

/// Version and slot of an image; empty: it is none.
fn image(snapshot: &Snapshot) -> String {
    let update = &snapshot.station.update;
    match update.is_image {
        true => format!("Version {} in slot {}.", update.version, update.slot),
        false => String::new(),
    }
}

fn starting(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.fill(colors::IDLE, Rgb565::WHITE);
    page.title("Starting");
    let text = "Looking for the printer and at the drop folder.";
    page.body(text, &image(snapshot));
}

fn set_up(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.fill(colors::NEEDS, Rgb565::BLACK);
    page.foot(&address_and_certificate(snapshot));
    page.title("Set up");
    page.line(&snapshot.station.setup_code.0);
    page.body("Open the page and type this code there.", "");
}

fn idle(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.fill(colors::IDLE, Rgb565::WHITE);
    page.foot(&address_and_certificate(snapshot));
    match choice::not_ready(snapshot) {
        Some((title, text)) => {
            page.title(&title);
            page.body(&text, "");
        }
        None => {
            page.title("Ready");
            page.line("Drop a head CT");
            page.heaters(snapshot);
            page.small(&image(snapshot));
        }
    }
}

fn in_work(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(job) = at_work(snapshot) else {
        return;
    };
    page.fill(colors::BUSY, Rgb565::WHITE);
    match choice::notice(snapshot) {
        Some(words) => page.notice(words),
        None => page.foot("needs nobody"),
    }
    page.title(match job.state {
        JobState::Received => "Waiting",
        JobState::Reading => "Reading",
        _ => "Designing",
    });
    page.line(&job.code);
    if let Some(progress) = &job.progress {
        page.bar(progress.fraction);
        page.small(&format!("{}: {}", progress.stage.word(), progress.text));
    }
}

fn awaiting(page: &mut Page<'_>, snapshot: &Snapshot, picture: Option<&Picture>) {
    let Some(job) = newest(snapshot, JobState::AwaitingRelease) else {
        return;
    };
    page.fill(colors::NEEDS, Rgb565::BLACK);
    page.foot(&address(snapshot));
    page.title_and("Release", &job.code);
    if let Some(picture) = picture {
        page.picture(picture);
    }
    let text = if let Some(text) = super::reentry::release(job) {
        text
    } else {
        let place = match job.place.as_str() {
            "" => String::new(),
            place => format!("{place}. "),
        };
        // Whoever comes for it stands before a printer that is hot, or not free.
        let first = choice::in_the_way(snapshot).map_or("Look at it and release".into(), |first| {
            format!("{first} Release")
        });
        format!("{place}{first} it on the page.")
    };
    page.body(&text, "");
}

fn printing(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(print) = choice::print(snapshot) else {
        return;
    };
    let printer = &snapshot.printer;
    let (ground, ink, word) = if print.paused {
        (colors::PAUSED, Rgb565::BLACK, "Paused")
    } else {
        (colors::BUSY, Rgb565::WHITE, "Printing")
    };
    page.fill(ground, ink);
    match choice::notice(snapshot) {
        Some(words) => page.notice(words),
        None => page.foot(print.word),
    }
    page.title_and(word, &percent(snapshot));
    page.bar(printer.fraction);
    page.line(&format!("{} left", duration::short(printer.left_s)));
    page.pair(print.code, &layers(snapshot));
    page.heaters(snapshot);
}

fn attention(page: &mut Page<'_>, snapshot: &Snapshot, lit: bool) {
    let Some(trouble) = choice::trouble(snapshot).or_else(|| choice::remark(snapshot)) else {
        return;
    };
    if trouble.fault {
        page.fill(colors::FAULT, Rgb565::WHITE);
        // Only the frame flashes, never the text (WCAG 2.3.1).
        page.frame(if lit { Rgb565::WHITE } else { colors::FAULT });
    } else {
        page.fill(colors::NEEDS, Rgb565::BLACK);
        page.frame(Rgb565::BLACK);
    }
    // What else waits takes no room from what has to be read.
    match newest(snapshot, JobState::AwaitingRelease) {
        Some(waits) => page.foot(&format!("{} waits for release", waits.code)),
        None => page.foot(&address(snapshot)),
    }
    let print = choice::print(snapshot);
    let lines = i32::from(print.is_some());
    page.title_above(&trouble.title, lines, &trouble.what, &trouble.next);
    if let Some(print) = print {
        let left = duration::short(snapshot.printer.left_s);
        let far = percent(snapshot);
        page.near_line(&format!("{} {far}, {left} left", print.code));
    }
    page.body(&trouble.what, &trouble.next);
}

fn percent(snapshot: &Snapshot) -> String {
    let fraction = snapshot.printer.fraction.clamp(0.0, 1.0);
    format!("{:.0} %", (fraction * 100.0).floor())
}

fn layers(snapshot: &Snapshot) -> String {
    let printer = &snapshot.printer;
    match printer.layers {
        0 => String::new(),
        of => format!("layer {}/{of}", printer.layer),
    }
}
