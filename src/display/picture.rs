//! Pictures: previews of a case, brought to the size they are shown at.

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::{DrawTarget, Pixel, Point};
use std::path::{Path, PathBuf};

/// Largest side of a preview that is read, pixels.
const SIDE_MAX: u32 = 4096;
/// Largest preview file, bytes.
const BYTES_MAX: u64 = 16 << 20;

/// A picture in RGB, rows from the top.
#[derive(Clone, Debug)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Reads a PNG with 8 bits a channel. `None` when it is not there or not such a picture.
    pub fn read(path: &Path) -> Option<Self> {
        let file = std::fs::File::open(path).ok()?;
        if file.metadata().ok()?.len() > BYTES_MAX {
            return None;
        }
        let mut decoder = png::Decoder::new(std::io::BufReader::new(file));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().ok()?;
        let (width, height) = (reader.info().width, reader.info().height);
        if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX {
            return None;
        }
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut bytes).ok()?;
        let samples = info.color_type.samples();
        let rgb = bytes[..info.buffer_size()]
            .chunks_exact(samples)
            .flat_map(|p| match *p {
                [r, g, b] | [r, g, b, _] => [r, g, b],
                [v, ..] => [v, v, v],
                [] => [0, 0, 0],
            })
            .collect();
        Some(Self { width, height, rgb })
    }

    /// Draws it as large as fits into the box, in its own proportions, centred. Each pixel is the mean of those it
    /// stands for.
    pub(super) fn draw(&self, target: &mut super::Canvas, at: Point, room: (u32, u32)) {
        let scale = (f64::from(room.0) / f64::from(self.width))
            .min(f64::from(room.1) / f64::from(self.height));
        let size = |side: u32| ((f64::from(side) * scale).floor() as u32).max(1);
        let (w, h) = (size(self.width).min(room.0), size(self.height).min(room.1));
        let shift = Point::new(((room.0 - w) / 2) as i32, ((room.1 - h) / 2) as i32);
        let pixels = (0..h)
            .flat_map(|y| (0..w).map(move |x| (x, y)))
            .map(|(x, y)| {
                let color = self.mean(span(x, w, self.width), span(y, h, self.height));
                Pixel(at + shift + Point::new(x as i32, y as i32), color)
            });
        let Ok(()) = target.draw_iter(pixels);
    }

    fn mean(&self, xs: std::ops::Range<u32>, ys: std::ops::Range<u32>) -> Rgb565 {
        let (mut sum, mut count) = ([0u32; 3], 0u32);
        for y in ys {
            for x in xs.clone() {
                let at = ((y * self.width + x) * 3) as usize;
                for (total, value) in sum.iter_mut().zip(&self.rgb[at..at + 3]) {
                    *total += u32::from(*value);
                }
                count += 1;
            }
        }
        let [r, g, b] = sum.map(|s| (s / count.max(1)) as u8);
        Rgb565::new(r >> 3, g >> 2, b >> 3)
    }
}

/// Pixels of a side of `of` that pixel `at` of a side of `to` stands for; at least one.
fn span(at: u32, to: u32, of: u32) -> std::ops::Range<u32> {
    let edge = |n: u32| (u64::from(n) * u64::from(of) / u64::from(to)) as u32;
    let start = edge(at).min(of - 1);
    start..edge(at + 1).clamp(start + 1, of)
}

/// The picture that is shown, read once.
pub(super) struct Pictures {
    cases: PathBuf,
    known: Option<(PathBuf, Option<Picture>)>,
}

impl Pictures {
    pub(super) fn new(cases: &Path) -> Self {
        Self {
            cases: cases.into(),
            known: None,
        }
    }

    /// The picture of a case by its code and file name.
    pub(super) fn of(&mut self, wanted: Option<(String, String)>) -> Option<&Picture> {
        let (code, name) = wanted?;
        let path = self.cases.join(code).join(name);
        if self.known.as_ref().is_none_or(|(p, _)| *p != path) {
            let picture = Picture::read(&path);
            self.known = Some((path, picture));
        }
        self.known.as_ref().and_then(|(_, p)| p.as_ref())
    }
}
