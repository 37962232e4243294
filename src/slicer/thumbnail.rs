//! Thumbnails: small pictures of the parts in the head of the file, as printers' screens show them.
//!
//! In:    the parts on the bed, sizes in pixels from the printer's profile.
//! Out:   comment lines in PrusaSlicer's form: `; thumbnail begin WxH LENGTH`, a PNG in base64 in rows of 78, `; thumbnail
//!        end`. Firmwares' screens and print servers look for it in the first lines of a file.
//! Holds: seen from the front, the right and above, without perspective; the ground is clear. Same parts, same bytes.

use super::place::Placed;
use crate::space::{Bed, Vector};
use base64ct::{Base64, Encoding};
use std::fmt::Write;

/// Characters of a row of base64.
const ROW: usize = 78;
/// Pixels drawn for one along each side.
const FINE: usize = 2;
/// Free border, share of the picture's side.
const BORDER: f64 = 0.06;
/// What is lit by everything around, the rest by the lamp.
const DULL: f64 = 0.3;
/// Colour of the parts where the light falls straight on them.
const COLOUR: [f64; 3] = [236.0, 120.0, 44.0];

/// The lines for all sizes; nothing where a picture can not be written.
pub(super) fn lines(placed: &[Placed], sizes: &[[u32; 2]]) -> String {
    let mut text = String::new();
    for &[wide, high] in sizes {
        let pixels = picture(placed, wide as usize, high as usize);
        // Writing to memory does not fail; should the encoder ever refuse, the file is the same without its picture.
        let Ok(png) = encoded(&pixels, wide, high) else {
            continue;
        };
        let coded = Base64::encode_string(&png);
        // Writing to a String can not fail.
        let _ = write!(text, ";\n; thumbnail begin {wide}x{high} {}\n", coded.len());
        for row in coded.as_bytes().chunks(ROW) {
            // Base64 is ASCII.
            let _ = writeln!(text, "; {}", String::from_utf8_lossy(row));
        }
        text.push_str("; thumbnail end\n;\n");
    }
    text
}

fn encoded(rgba: &[u8], wide: u32, high: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, wide, high);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(rgba)?;
    Ok(bytes)
}

/// Pixels as red, green, blue and how solid they are, row by row from the top.
fn picture(placed: &[Placed], wide: usize, high: usize) -> Vec<u8> {
    let eye = Vector::<Bed>::new([0.45, -0.7, 0.55]);
    let eye = eye.times(1.0 / eye.length());
    let right = Vector::new([0.0, 0.0, 1.0]).cross(eye);
    let right = right.times(1.0 / right.length());
    let up = eye.cross(right);
    // A little to the left of the eye and above it.
    let lamp = eye.plus(up.times(0.6)).plus(right.times(-0.4));
    let lamp = lamp.times(1.0 / lamp.length());
    let seen = |place: [f64; 3]| {
        let v = Vector::<Bed>::new(place);
        [v.dot(right), v.dot(up), v.dot(eye)]
    };
    let corners = || {
        placed
            .iter()
            .flat_map(|p| p.mesh.vertices.iter().map(|v| seen(v.0)))
    };
    let (low, top) = corners().fold(([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]), |(l, t), p| {
        (
            [0, 1].map(|a| l[a].min(p[a])),
            [0, 1].map(|a| t[a].max(p[a])),
        )
    });
    let size = [wide * FINE, high * FINE];
    let fit = |a: usize| size[a] as f64 * (1.0 - 2.0 * BORDER) / (top[a] - low[a]).max(1e-6);
    let scale = fit(0).min(fit(1));
    let on = |p: [f64; 3]| {
        let middle = |a: usize| (low[a] + top[a]) / 2.0;
        [
            size[0] as f64 / 2.0 + (p[0] - middle(0)) * scale,
            size[1] as f64 / 2.0 - (p[1] - middle(1)) * scale,
            p[2],
        ]
    };
    let mut near = vec![f64::NEG_INFINITY; size[0] * size[1]];
    let mut light = vec![0.0_f64; size[0] * size[1]];
    for part in placed {
        for &triangle in &part.mesh.triangles {
            let Some(normal) = part.mesh.area_vector(triangle).unit() else {
                continue;
            };
            if normal.dot(eye) > 0.0 {
                let shade = DULL + (1.0 - DULL) * normal.dot(lamp).max(0.0);
                let corners = part.mesh.corners(triangle).map(|p| on(seen(p.0)));
                fill(corners, shade, size, &mut near, &mut light);
            }
        }
    }
    let mut pixels = Vec::with_capacity(wide * high * 4);
    for y in 0..high {
        for x in 0..wide {
            let fine =
                (0..FINE * FINE).map(|n| (y * FINE + n / FINE) * size[0] + x * FINE + n % FINE);
            let covered: Vec<f64> = fine
                .filter(|&n| near[n].is_finite())
                .map(|n| light[n])
                .collect();
            let shade = covered.iter().sum::<f64>() / (covered.len() as f64).max(1.0);
            pixels.extend(COLOUR.map(|c| (c * shade).round() as u8));
            pixels.push((255 * covered.len() / (FINE * FINE)) as u8);
        }
    }
    pixels
}

/// Draws one triangle where it lies before what is there.
fn fill(
    [a, b, c]: [[f64; 3]; 3],
    shade: f64,
    size: [usize; 2],
    near: &mut [f64],
    light: &mut [f64],
) {
    let span = |axis: usize| {
        let least = a[axis].min(b[axis]).min(c[axis]);
        let most = a[axis].max(b[axis]).max(c[axis]);
        let from = (least - 0.5).ceil().max(0.0) as usize;
        from..((most + 0.5).floor().max(0.0) as usize).min(size[axis])
    };
    let turn = |p: [f64; 3], q: [f64; 3], at: [f64; 2]| {
        (q[0] - p[0]) * (at[1] - p[1]) - (q[1] - p[1]) * (at[0] - p[0])
    };
    let whole = turn(a, b, [c[0], c[1]]);
    if whole == 0.0 {
        return;
    }
    for y in span(1) {
        for x in span(0) {
            let at = [x as f64 + 0.5, y as f64 + 0.5];
            let share = [turn(b, c, at), turn(c, a, at), turn(a, b, at)].map(|t| t / whole);
            let depth = share[0] * a[2] + share[1] * b[2] + share[2] * c[2];
            let n = y * size[0] + x;
            if share.iter().all(|&s| s >= 0.0) && depth > near[n] {
                (near[n], light[n]) = (depth, shade);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bare, material, printer};
    use super::super::{Sliced, shapes, slice};
    use super::*;

    fn made(sizes: &[[u32; 2]]) -> Sliced {
        let mut printer = printer();
        printer.thumbnails = sizes.to_vec();
        let block = shapes::cuboid([30.0, 20.0, 8.0]);
        slice(&block, &printer, &material(), &bare(), &mut |_| {}).unwrap()
    }

    /// Size as it is said, and the pixels, of each picture in a file.
    fn read(gcode: &str) -> Vec<(String, u32, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut lines = gcode.lines();
        while let Some(line) = lines.next() {
            let Some(said) = line.strip_prefix("; thumbnail begin ") else {
                continue;
            };
            let rows: Vec<&str> = lines
                .by_ref()
                .take_while(|l| *l != "; thumbnail end")
                .map(|l| l.strip_prefix("; ").unwrap())
                .collect();
            assert!(rows.iter().all(|row| row.len() <= ROW));
            let coded = rows.concat();
            let (size, length) = said.split_once(' ').unwrap();
            assert_eq!(length.parse::<usize>().unwrap(), coded.len());
            let png = Base64::decode_vec(&coded).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png))
                .read_info()
                .unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            found.push((size.to_owned(), info.width, info.height, pixels));
        }
        found
    }

    #[test]
    fn a_file_shows_its_part_where_the_profile_asks_for_it() {
        let result = made(&[[16, 16], [220, 124], [400, 300]]);
        let found = read(&result.gcode);
        assert_eq!(found.len(), 3);
        for ((said, wide, high, pixels), size) in found.iter().zip(["16x16", "220x124", "400x300"])
        {
            assert_eq!(said, size);
            assert_eq!(*said, format!("{wide}x{high}"));
            let pixel = |x: u32, y: u32| &pixels[4 * (y * wide + x) as usize..][..4];
            // The corners are clear, the middle is the part, its top brighter than its front.
            assert_eq!(pixel(0, 0)[3], 0);
            assert_eq!(pixel(wide - 1, high - 1)[3], 0);
            assert_eq!(pixel(wide / 2, high / 2)[3], 255);
            let solid = pixels.as_chunks::<4>().0.iter().filter(|p| p[3] == 255);
            let shades: std::collections::BTreeSet<u8> = solid.map(|p| p[0]).collect();
            assert!(shades.len() >= 3, "{said}: {shades:?}");
        }
        // Nothing but comments: the plan is that of the file without, and it is proved all the same.
        let plain = made(&[]);
        assert!(!plain.gcode.contains("thumbnail"));
        assert_eq!(result.plan.checked.commands, plain.plan.checked.commands);
        assert!(result.plan.checked.sealed);
    }
}
