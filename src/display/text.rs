//! Text: fonts that can be read from two metres, and the largest of them that fits.
//!
//! Fonts are u8g2's `logisoso` (Mathieu Gabiot, SIL Open Font License), cap heights as their names say.

use super::canvas::Canvas;
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::Point;
use std::convert::Infallible;
use u8g2_fonts::types::{FontColor, HorizontalAlignment, VerticalPosition};
use u8g2_fonts::{FontRenderer, fonts};

/// A font by the height of its capitals in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Face {
    P16,
    P20,
    P26,
    P32,
    P42,
    P58,
}

impl Face {
    const ALL: [Self; 6] = [
        Self::P58,
        Self::P42,
        Self::P32,
        Self::P26,
        Self::P20,
        Self::P16,
    ];

    /// Height of capitals, pixels.
    pub(super) fn px(self) -> i32 {
        match self {
            Self::P16 => 16,
            Self::P20 => 20,
            Self::P26 => 26,
            Self::P32 => 32,
            Self::P42 => 42,
            Self::P58 => 58,
        }
    }

    fn renderer(self) -> FontRenderer {
        let font = match self {
            Self::P16 => FontRenderer::new::<fonts::u8g2_font_logisoso16_tf>(),
            Self::P20 => FontRenderer::new::<fonts::u8g2_font_logisoso20_tf>(),
            Self::P26 => FontRenderer::new::<fonts::u8g2_font_logisoso26_tf>(),
            Self::P32 => FontRenderer::new::<fonts::u8g2_font_logisoso32_tf>(),
            Self::P42 => FontRenderer::new::<fonts::u8g2_font_logisoso42_tf>(),
            Self::P58 => FontRenderer::new::<fonts::u8g2_font_logisoso58_tf>(),
        };
        // A text may hold anything; what the font lacks is left out, the rest is shown.
        font.with_ignore_unknown_chars(true)
    }
}

/// Width of `text`, pixels.
pub(super) fn width(text: &str, face: Face) -> i32 {
    let place = VerticalPosition::Baseline;
    let measured = face
        .renderer()
        .get_rendered_dimensions(text, Point::zero(), place);
    measured.map_or(0, |d| d.advance.x)
}

/// Writes one line; `baseline` is where capitals stand.
pub(super) fn write(canvas: &mut Canvas, text: &str, at: Point, face: Face, color: Rgb565) {
    aligned(canvas, text, at, face, color, HorizontalAlignment::Left);
}

/// Writes one line that ends at `at`.
pub(super) fn write_right(canvas: &mut Canvas, text: &str, at: Point, face: Face, color: Rgb565) {
    aligned(canvas, text, at, face, color, HorizontalAlignment::Right);
}

fn aligned(
    canvas: &mut Canvas,
    text: &str,
    at: Point,
    face: Face,
    color: Rgb565,
    how: HorizontalAlignment,
) {
    let (place, color) = (VerticalPosition::Baseline, FontColor::Transparent(color));
    let drawn: Result<_, u8g2_fonts::Error<Infallible>> = face
        .renderer()
        .render_aligned(text, at, place, how, color, canvas);
    // Only unknown characters can fail, and they are ignored.
    debug_assert!(drawn.is_ok());
}

/// The largest face, up to `most`, in which `text` is at most `room` wide; the smallest when none is.
pub(super) fn fit(text: &str, room: i32, most: Face) -> Face {
    Face::ALL
        .into_iter()
        .find(|f| *f <= most && width(text, *f) <= room)
        .unwrap_or(Face::P16)
}

/// `text` in lines of at most `room`, at most `lines` of them; the last ends in `...` when there is more.
pub(super) fn wrap(text: &str, face: Face, room: i32, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let words = text.split_whitespace();
    for word in words.flat_map(|word| pieces(word, face, room)) {
        let word = word.as_str();
        match out.last_mut() {
            Some(line) if width(&format!("{line} {word}"), face) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => out.push(word.into()),
        }
    }
    if out.len() > lines {
        out.truncate(lines);
        if let Some(last) = out.last_mut() {
            while !last.is_empty() && width(&format!("{last}..."), face) > room {
                last.pop();
            }
            last.push_str("...");
        }
    }
    out
}

/// A word that is wider than the room, a path for instance, in pieces that are not.
fn pieces(word: &str, face: Face, room: i32) -> Vec<String> {
    let mut out = vec![String::new()];
    for c in word.chars() {
        if let Some(piece) = out.last_mut() {
            piece.push(c);
            if piece.chars().count() > 1 && width(piece, face) > room {
                piece.pop();
                out.push(c.into());
            }
        }
    }
    out
}
