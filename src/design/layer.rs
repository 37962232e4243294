//! Layer: one layer of a part, seen from above, beside a ruler that says how high the part is below it.
//!
//! In:    the released file's text, the layer, the part's height.
//! Out:   a [`Picture`] of [`SIZE`] x [`SIZE`] pixels; the same bytes for the same part.
//! Never: a name; anything but strokes of the file.

use super::preview::{Picture, SIZE};
use crate::gcode::{Move, moves};
use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_10X20};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Text};

const GROUND: Rgb888 = Rgb888::new(246, 248, 250);
const INK: Rgb888 = Rgb888::new(30, 36, 44);
const BELOW: Rgb888 = Rgb888::new(196, 204, 212);
const AGAIN: Rgb888 = Rgb888::new(14, 116, 144);
const PART: Rgb888 = Rgb888::new(222, 190, 120);
/// Layers below that are shown as what the layer lies on.
const LAYERS_BELOW: usize = 5;
/// Place of the ruler: left edge of the part beside it, width, top and foot.
const RULER: (i32, i32, i32, i32) = (96, 54, 70, 590);
/// Place of the layer: corner and edge.
const LAYER: (i32, i32, i32) = (190, 120, 430);

/// Draws layer `layer` of `layers` (from 1). `height_mm`: what a ruler must show.
pub fn picture(released: &str, (layer, layers): (u32, u32), height_mm: f64) -> Picture {
    let ground = [GROUND.r(), GROUND.g(), GROUND.b()];
    let mut picture = Picture {
        width: SIZE,
        height: SIZE,
        rgb: ground.repeat(SIZE * SIZE),
    };
    let strokes = strokes(released);
    draw_layer(&mut picture, &strokes, layer as usize);
    let top_mm = strokes.iter().map(|s| s.z_mm).fold(height_mm, f64::max);
    draw_ruler(&mut picture, height_mm, top_mm);
    let title = format!("layer {layer} of {layers}");
    write(&mut picture, &title, (405, 50), Alignment::Center, AGAIN);
    write(
        &mut picture,
        "from above",
        (405, 74),
        Alignment::Center,
        INK,
    );
    picture
}

/// A stroke of plastic and its layer.
struct Stroke {
    layer: usize,
    from: [f64; 2],
    to: [f64; 2],
    z_mm: f64,
}

fn strokes(released: &str) -> Vec<Stroke> {
    let marks: Vec<usize> = (released.lines().enumerate())
        .filter(|(_, line)| line.trim_start().starts_with(";LAYER_CHANGE"))
        .map(|(at, _)| at + 1)
        .collect();
    let all = moves(released).unwrap_or_default();
    let drawn = |one: &&Move| one.filament_mm() > 0.0 && one.length_mm() > 0.0;
    let one = |one: &Move| {
        let (from, to) = (one.from_mm(), one.to_mm());
        Stroke {
            layer: marks.partition_point(|mark| *mark < one.line),
            from: [from[0], from[1]],
            to: [to[0], to[1]],
            z_mm: to[2],
        }
    };
    all.iter().filter(drawn).map(one).collect()
}

fn draw_layer(picture: &mut Picture, strokes: &[Stroke], layer: usize) {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for at in strokes
        .iter()
        .filter(|s| s.layer > 0)
        .flat_map(|s| [s.from, s.to])
    {
        for axis in 0..2 {
            low[axis] = low[axis].min(at[axis]);
            high[axis] = high[axis].max(at[axis]);
        }
    }
    let (x, y, edge) = LAYER;
    let span = (high[0] - low[0]).max(high[1] - low[1]).max(1.0);
    let scale = f64::from(edge) / span;
    // The bed's front is below, as a person stands before it.
    let place = |at: [f64; 2]| {
        let across = (at[0] - (low[0] + high[0]) / 2.0) * scale;
        let up = (at[1] - (low[1] + high[1]) / 2.0) * scale;
        let middle = (f64::from(x + edge / 2), f64::from(y + edge / 2));
        Point::new(
            (middle.0 + across).round() as i32,
            (middle.1 - up).round() as i32,
        )
    };
    let below = layer.saturating_sub(LAYERS_BELOW)..layer;
    for (of, colour, width) in [(below, BELOW, 3), (layer..layer + 1, AGAIN, 2)] {
        for stroke in strokes.iter().filter(|s| of.contains(&s.layer)) {
            let line = Line::new(place(stroke.from), place(stroke.to));
            // Pixels alone: it does not fail.
            let _ = line
                .into_styled(PrimitiveStyle::with_stroke(colour, width))
                .draw(picture);
        }
    }
}

fn draw_ruler(picture: &mut Picture, height_mm: f64, top_mm: f64) {
    let (left, width, top, foot) = RULER;
    let scale = f64::from(foot - top) / top_mm.max(1.0);
    let y = |mm: f64| foot - (mm * scale).round() as i32;
    let fill = |picture: &mut Picture, (x, top, w, h): (i32, i32, i32, i32), colour| {
        let size = Size::new(w.unsigned_abs(), h.unsigned_abs());
        let shape = Rectangle::new(Point::new(x, top), size);
        let _ = shape
            .into_styled(PrimitiveStyle::with_fill(colour))
            .draw(picture);
    };
    fill(picture, (left, top, width, foot - top), BELOW);
    let at = y(height_mm);
    fill(picture, (left, at, width, foot - at), PART);
    fill(picture, (left - 10, foot, width + 20, 4), INK);
    // A mark each millimetre where there is room, a number each ten or so.
    let step = [1.0, 5.0, 10.0, 50.0]
        .into_iter()
        .find(|mm| mm * scale >= 5.0);
    let step = step.unwrap_or(100.0);
    let mut mm = 0.0;
    while mm <= top_mm + 1e-9 {
        let long = (mm / (5.0 * step)).fract().abs() < 1e-6;
        let w = if long { 18 } else { 9 };
        fill(picture, (left - w, y(mm), w, 2), INK);
        if long {
            let at = (left - 24, y(mm) + 6);
            write(picture, &format!("{mm:.0}"), at, Alignment::Right, INK);
        }
        mm += step;
    }
    fill(picture, (left - 18, at - 1, width + 36, 3), AGAIN);
    let label = format!("{height_mm:.1} mm");
    let above = (left + width / 2, (at - 10).max(top - 8));
    write(picture, &label, above, Alignment::Center, AGAIN);
    write(
        picture,
        "the part now",
        (left + width / 2, 620),
        Alignment::Center,
        INK,
    );
}

fn write(picture: &mut Picture, text: &str, at: (i32, i32), alignment: Alignment, colour: Rgb888) {
    let style = MonoTextStyle::new(&FONT_10X20, colour);
    let _ = Text::with_alignment(text, Point::new(at.0, at.1), style, alignment).draw(picture);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ruler_shows_the_height_and_the_layer_its_strokes() {
        let text = "G28\nM83\n;LAYER_CHANGE\nG1 Z0.2 F600\nG1 X10 Y10 F6000\nG1 X60 E2\n;LAYER_CHANGE\nG1 Z0.4\nG1 Y50 E2\n";
        let drawn = picture(text, (2, 2), 0.2);
        assert_eq!(drawn, picture(text, (2, 2), 0.2));
        let count = |colour: Rgb888| {
            let wanted = [colour.r(), colour.g(), colour.b()];
            drawn.rgb.chunks(3).filter(|p| **p == wanted).count()
        };
        // A ruler shows a millimetre at least; a fifth of it is part, less the line at the height.
        let (_, width, top, foot) = RULER;
        let all = (width * (foot - top)) as usize;
        assert!((all / 5 - 300..=all / 5).contains(&count(PART)));
        assert!(count(AGAIN) > 500);
    }
}
