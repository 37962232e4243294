//! Page: a canvas that is filled from the top down, at its own sizes of text.
//!
//! Never: decides what is shown; that is `choice`, and `screens` says in which order.

use super::body;
use super::canvas::Canvas;
use super::picture::Picture;
use super::text::{self, Face};
use crate::status::Snapshot;
use embedded_graphics::pixelcolor::{Rgb565, RgbColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Point, Size};
use embedded_graphics::primitives::Rectangle;

/// Colours: a word beside each, no green beside red.
pub(super) mod colors {
    use super::Rgb565;
    const fn rgb(hex: u32) -> Rgb565 {
        Rgb565::new(
            (hex >> 19) as u8 & 31,
            (hex >> 10) as u8 & 63,
            (hex >> 3) as u8 & 31,
        )
    }
    pub(in crate::display) const IDLE: Rgb565 = rgb(0x2b_3440);
    pub(in crate::display) const BUSY: Rgb565 = rgb(0x00_4c7f);
    pub(in crate::display) const PAUSED: Rgb565 = rgb(0x56_b4e9);
    pub(in crate::display) const NEEDS: Rgb565 = rgb(0xf0_e442);
    pub(in crate::display) const FAULT: Rgb565 = rgb(0xb3_001b);
    pub(in crate::display) const TROUGH: Rgb565 = rgb(0x1c_3550);
}

/// A canvas that is filled from the top down.
pub(super) struct Page<'a> {
    canvas: &'a mut Canvas,
    ink: Rgb565,
    /// Space at the edges, pixels.
    edge: i32,
    /// Where the next line begins.
    y: i32,
    /// Left end of lines; moves to the right of a picture.
    x: i32,
    large: bool,
    /// Nothing but the foot is written below.
    foot_top: i32,
    /// The word in the lower right corner.
    corner: &'static str,
}

impl<'a> Page<'a> {
    pub(super) fn new(canvas: &'a mut Canvas) -> Self {
        let large = canvas.size().width >= 640;
        let edge = if large { 32 } else { 12 };
        Self {
            canvas,
            ink: Rgb565::WHITE,
            edge,
            y: edge,
            x: edge,
            large,
            foot_top: 0,
            corner: "",
        }
        .without_foot()
    }

    fn without_foot(mut self) -> Self {
        self.foot_top = self.height() - self.edge - self.smallest().px();
        self
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

    pub(super) fn fill(&mut self, ground: Rgb565, ink: Rgb565) {
        self.ink = ink;
        let Ok(()) = self.canvas.clear(ground);
    }

    fn rectangle(&mut self, x: i32, y: i32, w: i32, h: i32, color: Rgb565) {
        let size = Size::new(w.max(0) as u32, h.max(0) as u32);
        let Ok(()) = self
            .canvas
            .fill_solid(&Rectangle::new(Point::new(x, y), size), color);
    }

    pub(super) fn frame(&mut self, color: Rgb565) {
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

    pub(super) fn title(&mut self, text: &str) {
        self.put(text, self.far());
    }
    pub(super) fn line(&mut self, text: &str) {
        self.put(text, self.far());
    }
    /// One or two lines at arm's length; left out when they would run into the foot.
    pub(super) fn small(&mut self, text: &str) {
        let face = self.near();
        let lines = text::wrap(text, face, self.room(), 2);
        if self.y + lines.len() as i32 * face.px() * 3 / 2 > self.foot_top {
            return;
        }
        for line in lines {
            self.put(&line, face);
        }
    }

    /// The smallest face that is read at arm's length on a panel of this size.
    fn smallest(&self) -> Face {
        if self.large { Face::P26 } else { Face::P16 }
    }

    /// State on the left, a figure on the right, both for two metres.
    pub(super) fn title_and(&mut self, text: &str, figure: &str) {
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
    pub(super) fn pair(&mut self, left: &str, right: &str) {
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

    /// A text and what to do, as large as there is room for; shortened by sentences when even the smallest face is
    /// too large.
    pub(super) fn body(&mut self, what: &str, next: &str) {
        let body = self.laid_out(what, next, self.foot_top - self.y);
        for line in &body.lines {
            self.y += body.face.px();
            let at = Point::new(self.x, self.y);
            text::write(self.canvas, line, at, body.face, self.ink);
            self.y += body::pitch(body.face) - body.face.px();
        }
    }

    fn laid_out(&self, what: &str, next: &str, height: i32) -> body::Body {
        let faces = if self.large {
            [Face::P42, Face::P32, Face::P26]
        } else {
            [Face::P26, Face::P20, Face::P16]
        };
        body::lay_out(&format!("{what} {next}"), &faces, (self.room(), height))
    }

    /// A title, `lines` further lines and a text are wanted here: the title gives way when the text needs its room.
    pub(super) fn title_above(&mut self, title: &str, lines: i32, what: &str, next: &str) {
        let beside = (self.far().px() + lines * self.near().px()) * 3 / 2;
        let height = self.foot_top - self.y - beside;
        let face = if self.laid_out(what, next, height).whole {
            self.far()
        } else if self.large {
            Face::P42
        } else {
            Face::P26
        };
        self.put(title, face);
    }

    /// One line at arm's length, in a smaller face when it is long.
    pub(super) fn near_line(&mut self, text: &str) {
        self.put(text, self.near());
    }

    pub(super) fn bar(&mut self, fraction: f64) {
        let (w, h) = (self.room(), if self.large { 40 } else { 22 });
        let (x, y) = (self.x, self.y);
        self.rectangle(x, y, w, h, self.ink);
        self.rectangle(x + 3, y + 3, w - 6, h - 6, colors::TROUGH);
        let inner = f64::from(w - 6) * fraction.clamp(0.0, 1.0);
        self.rectangle(x + 3, y + 3, inner.floor() as i32, h - 6, self.ink);
        self.y += h + h / 2;
    }

    /// Temperatures, at arm's length.
    pub(super) fn heaters(&mut self, snapshot: &Snapshot) {
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

    /// Small text at the foot, beside the corner: as large as fits on one line, else on two.
    pub(super) fn foot(&mut self, text: &str) {
        let corner = match self.corner {
            "" => 0,
            word => text::width(word, self.corner_face()) + self.edge,
        };
        let room = self.width() - 2 * self.edge - corner;
        let face = text::fit(text, room, self.smallest());
        let lines = text::wrap(text, face, room, 2);
        let (base, step) = (self.foot_line(), face.px() * 5 / 4);
        let mut y = base - step * (lines.len().max(1) as i32 - 1);
        self.foot_top = y - self.smallest().px() - self.edge / 4;
        for line in lines {
            let at = Point::new(self.edge, y);
            text::write(self.canvas, &line, at, face, self.ink);
            y += step;
        }
    }

    /// Where the capitals of the last line stand.
    fn foot_line(&self) -> i32 {
        self.height() - self.edge * 3 / 4
    }

    /// A band over the foot: what else needs somebody, and that the page says more.
    pub(super) fn notice(&mut self, words: &str) {
        let h = if self.large { 52 } else { 26 };
        let (w, top) = (self.width(), self.height() - h);
        self.rectangle(0, top, w, h, colors::NEEDS);
        self.foot_top = top;
        let long = format!("{words}: see the page");
        let corner = text::width(self.corner, self.corner_face());
        let room = w - 3 * self.edge - corner;
        let face = text::fit(&long, room, self.smallest());
        // What does not fit in the smallest face is told by the page alone.
        let text = if text::width(&long, face) > room {
            words
        } else {
            &long
        };
        let y = top + (h + face.px()) / 2;
        let at = Point::new(self.edge, y);
        text::write(self.canvas, text, at, face, Rgb565::BLACK);
        let end = Point::new(w - self.edge, y);
        text::write_right(
            self.canvas,
            self.corner,
            end,
            self.corner_face(),
            Rgb565::BLACK,
        );
        self.corner = "";
    }

    /// The word of the lower right corner, at both sizes; the foot keeps clear of it.
    pub(super) fn corner_is(&mut self, (large, small): (&'static str, &'static str)) {
        self.corner = if self.large { large } else { small };
    }

    fn corner_face(&self) -> Face {
        if self.large { Face::P20 } else { Face::P16 }
    }

    /// Writes the word into the lower right corner.
    pub(super) fn corner(&mut self) {
        let at = Point::new(self.width() - self.edge, self.foot_line());
        text::write_right(self.canvas, self.corner, at, self.corner_face(), self.ink);
    }

    /// A picture on the left, text goes on to its right.
    pub(super) fn picture(&mut self, picture: &Picture) {
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
