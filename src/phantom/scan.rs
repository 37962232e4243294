//! Scan: a head in a form becomes a CT in HU, with partial volume and noise.

use super::PhantomError;
use super::atlas::Template;
use super::dice::{Dice, noise};
use super::form::{Form, Place};
use crate::space::Map;
use crate::volume::{Hu, Volume};
use rayon::prelude::*;

/// How finely a head is scanned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Pixels along rows and columns.
    matrix: usize,
    /// Their size, mm.
    pixel_mm: f64,
    /// Slice distance, mm.
    slice_mm: f64,
}

impl Grid {
    /// As a scanner has it.
    pub const FINE: Self = Self {
        matrix: 272,
        pixel_mm: 0.9,
        slice_mm: 1.0,
    };
    /// An eighth as many voxels over the same field: for who asks whether the line works, on whatever machine.
    pub const COARSE: Self = Self {
        matrix: 136,
        pixel_mm: 1.8,
        slice_mm: 2.0,
    };
}

/// Air above the highest bone.
const ABOVE_MM: f64 = 14.0;
/// Deviation of the scanner's noise.
const NOISE_HU: f32 = 9.0;
/// The masks that the templates come from end where a CT falls below 150 HU; the bone itself ends this much deeper.
const RIM_MM: f32 = 0.38;

/// The CT of `template` in `form`.
pub(super) fn scan(
    template: &Template,
    form: &Form,
    (dice, seed): (&mut Dice, u64),
    grid: &Grid,
) -> Result<Volume<Hu>, PhantomError> {
    let &Grid {
        matrix,
        pixel_mm,
        slice_mm,
    } = grid;
    let height = template.bone.extent_mm()[2] * form.scale[2];
    let slices = ((height + ABOVE_MM) / slice_mm).ceil() as usize;
    // The head's middle, measured from the first voxel's centre.
    let middle = [
        matrix as f64 / 2.0 * pixel_mm + dice.uniform(-3.0, 3.0),
        matrix as f64 / 2.0 * pixel_mm + dice.uniform(-3.0, 3.0),
        height / 2.0,
    ];
    let corner = [
        -dice.uniform(110.0, 130.0),
        -dice.uniform(120.0, 260.0),
        -dice.uniform(0.0, 400.0),
    ]
    .map(|mm| (mm * 10.0).round() / 10.0);
    let to_lps = Map::new([
        [pixel_mm, 0.0, 0.0, corner[0]],
        [0.0, pixel_mm, 0.0, corner[1]],
        [0.0, 0.0, slice_mm, corner[2]],
    ]);
    let mut data = vec![Hu(0); matrix * matrix * slices];
    data.par_chunks_mut(matrix)
        .enumerate()
        .for_each(|(row, line)| {
            let (j, k) = (row % matrix, row / matrix);
            let y = (j as f64 * pixel_mm - middle[1]) as f32;
            let z = (k as f64 * slice_mm - middle[2]) as f32;
            for (i, voxel) in line.iter_mut().enumerate() {
                let x = (i as f64 * pixel_mm - middle[0]) as f32;
                let hu = tissue(template, &form.place([x, y, z]));
                let noisy = hu + NOISE_HU * noise(seed, (row * matrix + i) as u64);
                *voxel = Hu(noisy.round().clamp(-1024.0, 3071.0) as i16);
            }
        });
    Volume::new([matrix, matrix, slices], data, to_lps).map_err(PhantomError::Volume)
}

/// Share of a voxel that lies inside a surface at signed distance `d`, for a blur of `width` mm.
fn share(d: f32, width: f32) -> f32 {
    (0.5 - d / width).clamp(0.0, 1.0)
}

/// From `a` where `t` <= 0 to `b` where `t` >= 1.
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t.clamp(0.0, 1.0)
}

/// HU at a place, without noise.
fn tissue(template: &Template, place: &Place) -> f32 {
    let skin = template.skin.at(place.at);
    if skin > 1.5 {
        return -1000.0;
    }
    let brain = template.brain.at(place.at);
    let soft = if brain < 0.0 {
        inside(brain, place.head)
    } else {
        // Skin, a layer of fat, muscle; the field's inside is clamped at 6 mm.
        let scalp = mix(
            mix(60.0, -70.0, (-skin - 1.5) / 0.8),
            48.0,
            (-skin - 4.0) / 0.8,
        );
        let air = template.air.at(place.at);
        mix(scalp, -1000.0, share(air, 2.0))
    };
    let bone = template.bone.at(place.at) - place.thicker;
    let part = share(bone + RIM_MM, 1.0);
    let whole = if part > 0.0 {
        mix(soft, marrow(bone + RIM_MM, place.head), part)
    } else {
        soft
    };
    mix(-1000.0, whole, share(skin, 1.2))
}

/// Liquor under the skull, brain, and two ventricles.
fn inside(brain: f32, [x, y, z]: [f32; 3]) -> f32 {
    let grey = mix(9.0, 37.0, (-brain - 1.5) / 1.5);
    let white = mix(grey, 29.0, (-brain - 5.0) / 1.0);
    let ventricle = |side: f32| {
        let (a, b, c) = ((x - side * 13.0) / 7.0, (y - 2.0) / 30.0, (z - 18.0) / 9.0);
        (a * a + b * b + c * c).sqrt()
    };
    let far = ventricle(-1.0).min(ventricle(1.0));
    mix(8.0, white, (far - 0.9) / 0.2)
}

/// Bone at a depth: compact tables, and between them the diploe with a grain of some millimetres.
fn marrow(depth: f32, [x, y, z]: [f32; 3]) -> f32 {
    let grain =
        (x * 1.9 + (z * 0.7).sin()).sin() * (y * 1.7 + (x * 0.6).sin()).sin() * (z * 2.1).sin();
    mix(1350.0, 560.0 + 220.0 * grain, (-depth - 1.2) / 0.6)
}
