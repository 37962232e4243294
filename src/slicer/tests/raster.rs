//! The judge: a G-code file rasterised and held against the mesh, without any of the slicer's own geometry.
//!
//! Way of the reference benchmark: each extruding move is a capsule as wide as its E says (rounded rectangle),
//! pixels of 0.1 mm, the mesh's section at mid-layer filled even-odd; brim and support are left out.

use crate::gcode::{Effect, Machine, parse};
use crate::mesh::Mesh;
use crate::space::Bed;
use rayon::prelude::*;

pub(super) const PIXEL_MM: f64 = 0.1;
const FILAMENT_MM2: f64 = 2.405_281_875;

/// One drawn line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    pub(super) from: [f64; 2],
    pub(super) to: [f64; 2],
    pub(super) width: f64,
    pub(super) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Travel,
    External,
    Perimeter,
    Thin,
    Infill,
    Support,
    Brim,
}

/// One layer as the file says it.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) middle_mm: f64,
    pub(super) height_mm: f64,
    pub(super) lines: Vec<Drawn>,
}

/// How well plastic and mesh agree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    pub(super) dice: f64,
    /// Extruded part volume over mesh volume.
    pub(super) volume: f64,
}

/// Reads a file layer by layer, as firmware and viewers would.
pub(super) fn layers(gcode: &str) -> Vec<Layer> {
    let mut machine = Machine::default();
    let mut layers: Vec<Layer> = Vec::new();
    let mut role = Role::Brim;
    for (number, line) in gcode.lines().enumerate() {
        let z = || line.rsplit(':').next().unwrap().parse::<f64>().unwrap();
        if line.starts_with(";Z:") {
            layers.push(Layer {
                middle_mm: z(),
                height_mm: 0.0,
                lines: Vec::new(),
            });
        } else if line.starts_with(";HEIGHT:") {
            let layer = layers.last_mut().unwrap();
            layer.height_mm = z();
            layer.middle_mm -= z() / 2.0;
        } else if let Some(word) = line.strip_prefix(";TYPE:") {
            role = match word {
                "External perimeter" => Role::External,
                "Perimeter" => Role::Perimeter,
                "Gap fill" => Role::Thin,
                "Solid infill" | "Internal infill" => Role::Infill,
                "Skirt/Brim" => Role::Brim,
                _ => Role::Support,
            };
        }
        let Some(command) = parse(line).unwrap() else {
            continue;
        };
        let Effect::Move(one) = machine.apply(number + 1, &command).unwrap() else {
            continue;
        };
        let Some(layer) = layers.last_mut() else {
            continue;
        };
        let (from, to, length) = (one.from_mm(), one.to_mm(), one.length_mm());
        let across = (one.to_nm[0], one.to_nm[1]) != (one.from_nm[0], one.from_nm[1]);
        if !across {
            continue;
        }
        let pushed = one.filament_mm();
        let h = layer.height_mm;
        layer.lines.push(Drawn {
            from: [from[0], from[1]],
            to: [to[0], to[1]],
            width: pushed * FILAMENT_MM2 / length / h + h * (1.0 - std::f64::consts::FRAC_PI_4),
            role: if pushed > 0.0 { role } else { Role::Travel },
        });
    }
    layers
}

impl Drawn {
    fn is_part(&self) -> bool {
        !matches!(self.role, Role::Travel | Role::Support | Role::Brim)
    }
    fn length(&self) -> f64 {
        (self.to[0] - self.from[0]).hypot(self.to[1] - self.from[1])
    }
}

/// A picture over the mesh's bounding box and a margin.
#[derive(Clone)]
struct Image {
    low: [f64; 2],
    wide: usize,
    pixels: Vec<bool>,
}

impl Image {
    fn new(low: [f64; 2], high: [f64; 2]) -> Self {
        let count = |a: usize| ((high[a] - low[a]) / PIXEL_MM).ceil() as usize;
        Self {
            low,
            wide: count(0),
            pixels: vec![false; count(0) * count(1)],
        }
    }
    fn at(&self, x: usize, y: usize) -> [f64; 2] {
        [0, 1].map(|a| self.low[a] + ([x, y][a] as f64 + 0.5) * PIXEL_MM)
    }
    fn span(&self, axis: usize, low: f64, high: f64, most: usize) -> std::ops::Range<usize> {
        let pixel = |v: f64| ((v - self.low[axis]) / PIXEL_MM - 0.5).max(0.0);
        (pixel(low).floor() as usize)..((pixel(high).ceil() as usize + 1).min(most))
    }
    fn capsule(&mut self, line: &Drawn) {
        let r = line.width / 2.0;
        let tall = self.pixels.len() / self.wide;
        let d = [line.to[0] - line.from[0], line.to[1] - line.from[1]];
        let square = d[0] * d[0] + d[1] * d[1];
        let (lo, hi) = (
            [0, 1].map(|a| line.from[a].min(line.to[a]) - r),
            [0, 1].map(|a| line.from[a].max(line.to[a]) + r),
        );
        for y in self.span(1, lo[1], hi[1], tall) {
            for x in self.span(0, lo[0], hi[0], self.wide) {
                let p = self.at(x, y);
                let v = [p[0] - line.from[0], p[1] - line.from[1]];
                let t = ((v[0] * d[0] + v[1] * d[1]) / square).clamp(0.0, 1.0);
                let (ex, ey) = (v[0] - t * d[0], v[1] - t * d[1]);
                if ex * ex + ey * ey <= r * r {
                    self.pixels[y * self.wide + x] = true;
                }
            }
        }
    }
    /// Fills the section of the mesh at height `z`, even-odd, row by row.
    fn section(&mut self, mesh: &Mesh<Bed>, z: f64) {
        let tall = self.pixels.len() / self.wide;
        let mut hits: Vec<Vec<f64>> = vec![Vec::new(); tall];
        for &triangle in &mesh.triangles {
            let corners = mesh.corners(triangle).map(|p| p.0);
            let ends: Vec<[f64; 2]> = (0..3)
                .filter_map(|i| {
                    let (a, b) = (corners[i], corners[(i + 1) % 3]);
                    // From the lower corner, so that both triangles of an edge agree.
                    let (a, b) = if a[2] < b[2] { (a, b) } else { (b, a) };
                    (a[2] < z && b[2] >= z).then(|| {
                        let t = (z - a[2]) / (b[2] - a[2]);
                        [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]
                    })
                })
                .collect();
            let [p, q] = ends[..] else { continue };
            let (low, high) = (p[1].min(q[1]), p[1].max(q[1]));
            for y in self.span(1, low, high, tall) {
                let v = self.at(0, y)[1];
                if low < v && v <= high {
                    hits[y].push(p[0] + (q[0] - p[0]) * (v - p[1]) / (q[1] - p[1]));
                }
            }
        }
        for (y, row) in hits.iter_mut().enumerate() {
            row.sort_by(f64::total_cmp);
            for pair in row.as_chunks::<2>().0 {
                for x in self.span(0, pair[0], pair[1], self.wide) {
                    let u = self.at(x, y)[0];
                    if pair[0] < u && u <= pair[1] {
                        self.pixels[y * self.wide + x] = true;
                    }
                }
            }
        }
    }
}

/// Holds a file against its mesh on the bed.
pub(super) fn score(gcode: &str, mesh: &Mesh<Bed>) -> Score {
    let layers = layers(gcode);
    let (low, high) = mesh.bounds().unwrap();
    let low = [low.0[0] - 1.0, low.0[1] - 1.0];
    let high = [high.0[0] + 1.0, high.0[1] + 1.0];
    let counts: Vec<[f64; 4]> = layers
        .par_iter()
        .map(|layer| {
            let mut drawn = Image::new(low, high);
            let mut volume = 0.0;
            for line in layer.lines.iter().filter(|l| l.is_part()) {
                drawn.capsule(line);
                let h = layer.height_mm;
                volume +=
                    line.length() * h * (line.width - h * (1.0 - std::f64::consts::FRAC_PI_4));
            }
            let mut truth = Image::new(low, high);
            truth.section(mesh, layer.middle_mm);
            let count = |f: fn(bool, bool) -> bool| {
                drawn
                    .pixels
                    .iter()
                    .zip(&truth.pixels)
                    .filter(|(a, b)| f(**a, **b))
                    .count() as f64
            };
            [
                count(|a, b| a && b),
                count(|a, _| a),
                count(|_, b| b),
                volume,
            ]
        })
        .collect();
    let [both, drawn, truth, volume] = counts
        .iter()
        .fold([0.0; 4], |all, one| [0, 1, 2, 3].map(|i| all[i] + one[i]));
    Score {
        dice: 2.0 * both / (drawn + truth),
        volume: volume / mesh.volume_mm3(),
    }
}

/// Draws one layer as a PNG, `scale` pixels a millimetre: plastic by role, travels as thin lines.
pub(super) fn picture(
    layer: &Layer,
    low: [f64; 2],
    high: [f64; 2],
    scale: f64,
    path: &std::path::Path,
) {
    let (wide, tall) = (
        ((high[0] - low[0]) * scale) as usize,
        ((high[1] - low[1]) * scale) as usize,
    );
    let mut pixels = vec![255_u8; wide * tall * 3];
    for line in &layer.lines {
        let colour: [u8; 3] = match line.role {
            Role::Travel => [0, 0, 0],
            Role::External => [230, 80, 40],
            Role::Perimeter => [240, 190, 60],
            Role::Thin => [40, 160, 60],
            Role::Infill => [90, 130, 230],
            Role::Support => [150, 150, 150],
            Role::Brim => [190, 140, 190],
        };
        let r = if line.role == Role::Travel {
            0.6 / scale
        } else {
            line.width / 2.0
        };
        let d = [line.to[0] - line.from[0], line.to[1] - line.from[1]];
        let square = (d[0] * d[0] + d[1] * d[1]).max(1e-12);
        let range = |a: usize, most: usize| {
            let lo = ((line.from[a].min(line.to[a]) - r - low[a]) * scale).max(0.0) as usize;
            let hi = ((line.from[a].max(line.to[a]) + r - low[a]) * scale).max(0.0) as usize + 1;
            lo.min(most)..hi.min(most)
        };
        for y in range(1, tall) {
            for x in range(0, wide) {
                let p = [
                    low[0] + (x as f64 + 0.5) / scale,
                    low[1] + (y as f64 + 0.5) / scale,
                ];
                let v = [p[0] - line.from[0], p[1] - line.from[1]];
                let t = ((v[0] * d[0] + v[1] * d[1]) / square).clamp(0.0, 1.0);
                let far = (v[0] - t * d[0]).hypot(v[1] - t * d[1]);
                if far <= r {
                    // A darker middle shows lines that overlap and gaps that open.
                    let shade = if far > 0.75 * r { 0.75 } else { 1.0 };
                    let at = ((tall - 1 - y) * wide + x) * 3;
                    for c in 0..3 {
                        pixels[at + c] = (f64::from(colour[c]) * shade) as u8;
                    }
                }
            }
        }
    }
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), wide as u32, tall as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&pixels)
        .unwrap();
}
