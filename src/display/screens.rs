//! Screens: what matters most, at a size that is read from two metres (people.md 2).
//!
//! Order of what matters: attention, print, release, work, start, idle. 800x480 has three lines for two metres
//! (state; time or code; percent), a 40 px bar, and smaller text for arm's length; 320x240 has two or three lines of
//! about ten glyphs. Laid out for each size, not zoomed.

use super::canvas::Canvas;
use super::picture::Picture;
use super::text::{self, Face};
use crate::status::{Finding, JobState, JobView, PrinterState, Snapshot, duration};
use embedded_graphics::pixelcolor::{Rgb565, RgbColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Point, Size};
use embedded_graphics::primitives::Rectangle;

/// What the LCD shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Until printer and drop folder were looked at.
    Starting,
    /// Nothing to do.
    Idle,
    /// A scan is read or designed.
    InWork,
    /// Somebody has to look and release.
    AwaitingRelease,
    /// On the printer, or held there.
    Printing,
    /// Something is wrong.
    Attention,
}

impl Screen {
    /// Name in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::InWork => "in-work",
            Self::AwaitingRelease => "awaiting-release",
            Self::Printing => "printing",
            Self::Attention => "attention",
        }
    }
}

/// Colours of people.md 2: a word beside each, no green beside red.
mod colors {
    use super::Rgb565;
    const fn rgb(hex: u32) -> Rgb565 {
        Rgb565::new(
            (hex >> 19) as u8 & 31,
            (hex >> 10) as u8 & 63,
            (hex >> 3) as u8 & 31,
        )
    }
    pub(super) const IDLE: Rgb565 = rgb(0x2b_3440);
    pub(super) const BUSY: Rgb565 = rgb(0x00_4c7f);
    pub(super) const PAUSED: Rgb565 = rgb(0x56_b4e9);
    pub(super) const NEEDS: Rgb565 = rgb(0xf0_e442);
    pub(super) const FAULT: Rgb565 = rgb(0xb3_001b);
    pub(super) const TROUGH: Rgb565 = rgb(0x1c_3550);
}

/// What the snapshot asks to be shown.
pub fn screen_of(snapshot: &Snapshot) -> Screen {
    if trouble(snapshot).is_some() {
        Screen::Attention
    } else if on_printer(snapshot).is_some() {
        Screen::Printing
    } else if snapshot.station.starting {
        Screen::Starting
    } else if newest(snapshot, JobState::AwaitingRelease).is_some() {
        Screen::AwaitingRelease
    } else if at_work(snapshot).is_some() {
        Screen::InWork
    } else {
        Screen::Idle
    }
}

/// Which picture the screen wants: code and file name.
pub(super) fn pictured(snapshot: &Snapshot) -> Option<(String, String)> {
    if screen_of(snapshot) != Screen::AwaitingRelease {
        return None;
    }
    let job = newest(snapshot, JobState::AwaitingRelease)?;
    let wanted = ["preview-fit.png", "preview-front.png"];
    let name = wanted
        .into_iter()
        .find(|n| job.files.iter().any(|f| f == n))?;
    Some((job.code.clone(), name.into()))
}

/// Draws the whole canvas. `lit` is false in the dark half of a flash.
pub fn draw(canvas: &mut Canvas, snapshot: &Snapshot, picture: Option<&Picture>, lit: bool) {
    let mut page = Page::new(canvas);
    match screen_of(snapshot) {
        Screen::Starting => starting(&mut page),
        Screen::Idle => idle(&mut page, snapshot),
        Screen::InWork => in_work(&mut page, snapshot),
        Screen::AwaitingRelease => awaiting(&mut page, snapshot, picture),
        Screen::Printing => printing(&mut page, snapshot),
        Screen::Attention => attention(&mut page, snapshot, lit),
    }
    if snapshot.printer.is_virtual {
        page.corner("virtual printer", "virtual");
    }
}

// --- what matters ---------------------------------------------------------------------------------------------

struct Trouble {
    title: String,
    what: String,
    next: String,
    /// A fault flashes; what merely waits for somebody does not.
    fault: bool,
}

fn trouble(snapshot: &Snapshot) -> Option<Trouble> {
    let told = |title: &str, finding: &Finding| Trouble {
        title: title.into(),
        what: finding.text.clone(),
        next: String::new(),
        fault: true,
    };
    if let Some(fault) = &snapshot.printer.fault {
        return Some(told("Printer", fault));
    }
    if let Some(finding) = snapshot.station.attention.first() {
        return Some(told("Look here", finding));
    }
    if snapshot.printer.state == PrinterState::Halted {
        return Some(Trouble {
            title: "Halted".into(),
            what: "The printer is halted. It may be hot.".into(),
            next: "Look at it, then reset it on the page.".into(),
            fault: true,
        });
    }
    // The last thing that happened ended badly: shown until something else happens.
    let last = snapshot
        .jobs
        .iter()
        .max_by(|a, b| a.changed.cmp(&b.changed))?;
    let (word, fault) = match last.state {
        JobState::Stopped => ("stopped", true),
        JobState::Failed => ("failed", true),
        JobState::Refused => ("refused", false),
        JobState::Received
        | JobState::Reading
        | JobState::Designing
        | JobState::AwaitingRelease
        | JobState::Printing
        | JobState::Paused
        | JobState::Printed
        | JobState::Rejected
        | JobState::Cancelled => return None,
    };
    (on_printer(snapshot).is_none()).then(|| Trouble {
        title: format!("{} {word}", last.code),
        what: last.reason.clone(),
        next: last.next.clone(),
        fault,
    })
}

fn on_printer(snapshot: &Snapshot) -> Option<&JobView> {
    let prints = |s| matches!(s, JobState::Printing | JobState::Paused);
    snapshot.jobs.iter().find(|j| prints(j.state))
}

fn at_work(snapshot: &Snapshot) -> Option<&JobView> {
    let works = |s| matches!(s, JobState::Reading | JobState::Designing);
    let waiting = || newest(snapshot, JobState::Received);
    snapshot
        .jobs
        .iter()
        .find(|j| works(j.state))
        .or_else(waiting)
}

fn newest(snapshot: &Snapshot, state: JobState) -> Option<&JobView> {
    snapshot.jobs.iter().find(|j| j.state == state)
}

// --- the screens ----------------------------------------------------------------------------------------------

fn starting(page: &mut Page<'_>) {
    page.fill(colors::IDLE, Rgb565::WHITE);
    page.title("Starting");
    page.body("Looking for the printer and at the drop folder.");
}

fn idle(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.fill(colors::IDLE, Rgb565::WHITE);
    page.title("Ready");
    page.line("Drop a head CT");
    page.heaters(snapshot);
    page.foot(&snapshot.station.address);
}

fn in_work(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(job) = at_work(snapshot) else {
        return;
    };
    page.fill(colors::BUSY, Rgb565::WHITE);
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
    page.foot("needs nobody");
}

fn awaiting(page: &mut Page<'_>, snapshot: &Snapshot, picture: Option<&Picture>) {
    let Some(job) = newest(snapshot, JobState::AwaitingRelease) else {
        return;
    };
    page.fill(colors::NEEDS, Rgb565::BLACK);
    page.title("Release");
    if let Some(picture) = picture {
        page.picture(picture);
    }
    page.line(&job.code);
    if !job.place.is_empty() {
        page.small(&job.place);
    }
    page.small("Release it at the page:");
    page.foot(&snapshot.station.address);
}

fn printing(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(job) = on_printer(snapshot) else {
        return;
    };
    let printer = &snapshot.printer;
    let percent = (printer.fraction.clamp(0.0, 1.0) * 100.0).floor();
    let (ground, ink, word) = match job.state {
        JobState::Paused => (colors::PAUSED, Rgb565::BLACK, "Paused"),
        _ => (colors::BUSY, Rgb565::WHITE, "Printing"),
    };
    page.fill(ground, ink);
    page.title_and(word, &format!("{percent:.0} %"));
    page.bar(printer.fraction);
    page.line(&format!("{} left", duration::short(printer.left_s)));
    page.pair(&job.code, &layers(snapshot));
    page.heaters(snapshot);
    if let Some(progress) = job.progress.as_ref().filter(|p| !p.text.is_empty()) {
        page.foot(&progress.text);
    }
}

fn attention(page: &mut Page<'_>, snapshot: &Snapshot, lit: bool) {
    let Some(trouble) = trouble(snapshot) else {
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
    page.title(&trouble.title);
    page.body(&format!("{} {}", trouble.what, trouble.next));
}

fn layers(snapshot: &Snapshot) -> String {
    let printer = &snapshot.printer;
    match printer.layers {
        0 => String::new(),
        of => format!("layer {}/{of}", printer.layer),
    }
}

// --- laying out -----------------------------------------------------------------------------------------------

/// A canvas that is filled from the top down.
struct Page<'a> {
    canvas: &'a mut Canvas,
    ink: Rgb565,
    /// Space at the edges, pixels.
    edge: i32,
    /// Where the next line begins.
    y: i32,
    /// Left end of lines; moves to the right of a picture.
    x: i32,
    large: bool,
}

impl<'a> Page<'a> {
    fn new(canvas: &'a mut Canvas) -> Self {
        let large = canvas.size().width >= 640;
        let edge = if large { 32 } else { 12 };
        Self {
            canvas,
            ink: Rgb565::WHITE,
            edge,
            y: edge,
            x: edge,
            large,
        }
    }

    fn width(&self) -> i32 {
        self.canvas.size().width as i32
    }
    fn height(&self) -> i32 {
        self.canvas.size().height as i32
    }
    fn room(&self) -> i32 {
        self.width() - self.edge - self.x
    }
    /// Readable from two metres.
    fn far(&self) -> Face {
        if self.large { Face::P58 } else { Face::P42 }
    }
    /// Readable at arm's length.
    fn near(&self) -> Face {
        if self.large { Face::P32 } else { Face::P20 }
    }

    fn fill(&mut self, ground: Rgb565, ink: Rgb565) {
        self.ink = ink;
        let Ok(()) = self.canvas.clear(ground);
    }

    fn rectangle(&mut self, x: i32, y: i32, w: i32, h: i32, color: Rgb565) {
        let size = Size::new(w.max(0) as u32, h.max(0) as u32);
        let Ok(()) = self
            .canvas
            .fill_solid(&Rectangle::new(Point::new(x, y), size), color);
    }

    fn frame(&mut self, color: Rgb565) {
        let (w, h, t) = (self.width(), self.height(), if self.large { 14 } else { 6 });
        self.rectangle(0, 0, w, t, color);
        self.rectangle(0, h - t, w, t, color);
        self.rectangle(0, 0, t, h, color);
        self.rectangle(w - t, 0, t, h, color);
    }

    /// One line in the largest face up to `most` that fits; moves down.
    fn put(&mut self, text: &str, most: Face) {
        let face = text::fit(text, self.room(), most);
        self.y += face.px();
        text::write(
            self.canvas,
            text,
            Point::new(self.x, self.y),
            face,
            self.ink,
        );
        self.y += face.px() / 2;
    }

    fn title(&mut self, text: &str) {
        self.put(text, self.far());
    }
    fn line(&mut self, text: &str) {
        self.put(text, self.far());
    }
    /// One or two lines at arm's length; left out when they would run into the foot.
    fn small(&mut self, text: &str) {
        let face = self.near();
        let lines = text::wrap(text, face, self.room(), 2);
        if self.y + lines.len() as i32 * face.px() * 3 / 2 > self.foot_begins() {
            return;
        }
        for line in lines {
            self.put(&line, face);
        }
    }

    /// Where the foot begins: nothing else is written below.
    fn foot_begins(&self) -> i32 {
        self.height() - self.edge - if self.large { 26 } else { 16 }
    }

    /// State on the left, a figure on the right, both for two metres.
    fn title_and(&mut self, text: &str, figure: &str) {
        let face = text::fit(&format!("{text}  {figure}"), self.room(), self.far());
        self.y += face.px();
        let right = self.width() - self.edge;
        text::write_right(
            self.canvas,
            figure,
            Point::new(right, self.y),
            face,
            self.ink,
        );
        text::write(
            self.canvas,
            text,
            Point::new(self.x, self.y),
            face,
            self.ink,
        );
        self.y += face.px() / 2;
    }

    /// Two texts on one line, at arm's length.
    fn pair(&mut self, left: &str, right: &str) {
        let face = text::fit(
            &format!("{left}  {right}"),
            self.room(),
            if self.large { Face::P42 } else { Face::P26 },
        );
        self.y += face.px();
        text::write(
            self.canvas,
            left,
            Point::new(self.x, self.y),
            face,
            self.ink,
        );
        let end = self.width() - self.edge;
        text::write_right(self.canvas, right, Point::new(end, self.y), face, self.ink);
        self.y += face.px() / 2;
    }

    /// All of a text, as large as there is room for; cut short only when not even the smallest face is enough.
    fn body(&mut self, text: &str) {
        let room = self.foot_begins() - self.y;
        let lines_of = |face: Face| (room / (face.px() * 3 / 2)).max(1) as usize;
        let faces = if self.large {
            [Face::P42, Face::P32, Face::P26]
        } else {
            [Face::P26, Face::P20, Face::P16]
        };
        let fits =
            |face: &Face| text::wrap(text, *face, self.room(), usize::MAX).len() <= lines_of(*face);
        let face = faces.into_iter().find(fits).unwrap_or(faces[2]);
        for line in text::wrap(text, face, self.room(), lines_of(face)) {
            self.put(&line, face);
        }
    }

    fn bar(&mut self, fraction: f64) {
        let (w, h) = (self.room(), if self.large { 40 } else { 22 });
        let (x, y) = (self.x, self.y);
        self.rectangle(x, y, w, h, self.ink);
        self.rectangle(x + 3, y + 3, w - 6, h - 6, colors::TROUGH);
        let inner = f64::from(w - 6) * fraction.clamp(0.0, 1.0);
        self.rectangle(x + 3, y + 3, inner.floor() as i32, h - 6, self.ink);
        self.y += h + h / 2;
    }

    /// Temperatures, at arm's length.
    fn heaters(&mut self, snapshot: &Snapshot) {
        let printer = &snapshot.printer;
        let one = |name: &str, heater: Option<crate::status::Heater>| {
            let Some(h) = heater else {
                return format!("{name} unknown");
            };
            let target = if h.target_c > 0.0 {
                format!("/{:.0}", h.target_c)
            } else {
                String::new()
            };
            format!("{name} {:.0}{target}\u{b0}", h.now_c)
        };
        let text = format!(
            "{}  {}",
            one("hotend", printer.hotend),
            one("bed", printer.bed)
        );
        self.put(&text, self.near());
    }

    /// A small line at the foot, beside the corner.
    fn foot(&mut self, text: &str) {
        let most = if self.large { Face::P26 } else { Face::P16 };
        let room = self.width() * 3 / 5;
        let face = text::fit(text, room, most);
        let at = Point::new(self.edge, self.height() - self.edge * 3 / 4);
        for line in text::wrap(text, face, room, 1) {
            text::write(self.canvas, &line, at, face, self.ink);
        }
    }

    /// A small word in the lower right corner.
    fn corner(&mut self, large: &str, small: &str) {
        let (face, text) = if self.large {
            (Face::P20, large)
        } else {
            (Face::P16, small)
        };
        let at = Point::new(self.width() - self.edge, self.height() - self.edge * 3 / 4);
        text::write_right(self.canvas, text, at, face, self.ink);
    }

    /// A picture on the left, text goes on to its right.
    fn picture(&mut self, picture: &Picture) {
        // Previews are square.
        let room = if self.large { (288, 288) } else { (130, 130) };
        let (x, y) = (self.x, self.y + if self.large { 8 } else { 2 });
        self.rectangle(
            x - 2,
            y - 2,
            room.0 as i32 + 4,
            room.1 as i32 + 4,
            Rgb565::BLACK,
        );
        self.rectangle(x, y, room.0 as i32, room.1 as i32, Rgb565::WHITE);
        picture.draw(self.canvas, Point::new(x, y), room);
        self.x += room.0 as i32 + self.edge;
        self.y = y;
    }
}
