//! Field: the density that was asked for, as a function of a place on the bed.
//!
//! In:    a volume in the patient, and the map to the bed of the part that it belongs to.
//! Out:   its value at a place, where in a layer it is below solid, its mean over a region.
//! Holds: trilinear between voxels, 1 beyond the grid.

use super::infill::{Angle, scan};
use super::lattice::SOLID_FROM;
use super::plane::{Contour, Region, Spot, Um};
use super::told::Light;
use crate::space::{Bed, Ijk, Lps, Map, Point};
use crate::volume::Volume;

/// Grid on which the border of what is not solid is followed, um.
const STEP_UM: i32 = 500;
/// Distance of the rows along which the field is added up, and of the places in them, um.
const ROW_UM: f64 = 250.0;

/// The density over the bed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    volume: &'a Volume<f32>,
    to_ijk: Map<Bed, Ijk>,
}

impl<'a> Field<'a> {
    /// The field of a part that stands on the bed by `to_bed`. A placement is rigid, so that there is a way back.
    pub(super) fn new(light: Light<'a>, to_bed: &Map<Lps, Bed>) -> Option<Self> {
        let volume = light.volume;
        Some(Self {
            volume,
            to_ijk: to_bed.inverse()?.then(&volume.to_ijk()),
        })
    }

    /// The share to be filled at a place, um.
    pub(super) fn at(&self, [x, y]: [f64; 2], z: Um) -> f64 {
        let mm = [x / 1000.0, y / 1000.0, z.mm()];
        let at = self.to_ijk.apply(Point::new(mm)).0;
        let low = at.map(f64::floor);
        let part = [0, 1, 2].map(|a| at[a] - low[a]);
        let shape = self.volume.shape();
        let data = self.volume.data();
        let inside = |a: usize| low[a] >= 0.0 && low[a] + 1.0 < shape[a] as f64;
        if inside(0) && inside(1) && inside(2) {
            let o = self.volume.offset(low.map(|x| x as usize));
            let (j, k) = (shape[0], shape[0] * shape[1]);
            let mix = |o: usize| {
                let (a, b) = (f64::from(data[o]), f64::from(data[o + 1]));
                a + (b - a) * part[0]
            };
            let near = mix(o) + (mix(o + j) - mix(o)) * part[1];
            let far = mix(o + k) + (mix(o + j + k) - mix(o + k)) * part[1];
            return near + (far - near) * part[2];
        }
        // At the grid's edge, voxel by voxel.
        let corner = |c: usize| {
            let step = [c & 1, c >> 1 & 1, c >> 2];
            let weight: f64 = (0..3)
                .map(|a| if step[a] == 1 { part[a] } else { 1.0 - part[a] })
                .product();
            let there = [0, 1, 2].map(|a| low[a] as i64 + step[a] as i64);
            weight * self.volume.get(there).map_or(1.0, |&v| f64::from(v))
        };
        (0..8).map(corner).sum()
    }

    /// Where between two corners the field is below solid at height `z`. The grid is the bed's own, so that layers agree.
    pub(super) fn light(&self, (lo, hi): (Spot, Spot), z: Um) -> Region {
        let cells = |low: i32, high: i32| (low.div_euclid(STEP_UM), high.div_euclid(STEP_UM) + 1);
        let ((left, right), (front, back)) = (cells(lo.x, hi.x), cells(lo.y, hi.y));
        let row = |y: i32| -> Vec<f64> {
            (left..=right)
                .map(|x| self.at([x, y].map(|n| f64::from(n * STEP_UM)), z) - SOLID_FROM)
                .collect()
        };
        let mut contours: Vec<Contour> = Vec::new();
        let mut below = row(front);
        for y in front..back {
            let above = row(y + 1);
            // Cells that lie wholly below are one box a row.
            let mut whole: Option<i32> = None;
            for x in left..right {
                let n = (x - left) as usize;
                let over = [below[n], below[n + 1], above[n + 1], above[n]];
                let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]
                    .map(|(x, y)| Spot::new(x * STEP_UM, y * STEP_UM));
                if over.iter().all(|v| *v < 0.0) {
                    whole.get_or_insert(x);
                    continue;
                }
                contours.extend(whole.take().map(|from| bar(from, x, y)));
                for [a, b, c] in [[0, 1, 2], [0, 2, 3]] {
                    let side = [a, b, c].map(|n| (corners[n], over[n]));
                    contours.extend(under(side));
                }
            }
            contours.extend(whole.take().map(|from| bar(from, right, y)));
            below = above;
        }
        Region::from_contours(&contours)
    }

    /// Mean over a region at height `z`; 1 where it is empty.
    pub(super) fn mean(&self, region: &Region, z: Um) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for (y, row) in scan(region, Angle::Flat, ROW_UM) {
            for stretch in row {
                let length = stretch.to - stretch.from;
                let steps = (length / ROW_UM).ceil().max(1.0);
                for step in 0..steps as usize {
                    let x = stretch.from + length * (step as f64 + 0.5) / steps;
                    sum += self.at([x, y], z) * length / steps;
                }
                count += length;
            }
        }
        if count > 0.0 { sum / count } else { 1.0 }
    }
}

/// A box of cells in one row.
fn bar(from: i32, to: i32, y: i32) -> Contour {
    [(from, y), (to, y), (to, y + 1), (from, y + 1)]
        .map(|(x, y)| Spot::new(x * STEP_UM, y * STEP_UM))
        .to_vec()
}

/// The part of a triangle in which a linear field, given at its corners, is below 0.
fn under(side: [(Spot, f64); 3]) -> Option<Contour> {
    let mut contour = Vec::with_capacity(4);
    for k in 0..3 {
        let (here, next) = (side[k], side[(k + 1) % 3]);
        if here.1 < 0.0 {
            contour.push(here.0);
        }
        if (here.1 < 0.0) != (next.1 < 0.0) {
            // From the same end in both triangles that share the side.
            let swap = (here.0.x, here.0.y) > (next.0.x, next.0.y);
            let (a, b) = if swap { (next, here) } else { (here, next) };
            let share = a.1 / (a.1 - b.1);
            let along = |p: i32, q: i32| p + (share * f64::from(q - p)).round() as i32;
            contour.push(Spot::new(along(a.0.x, b.0.x), along(a.0.y, b.0.y)));
        }
    }
    contour.dedup();
    (contour.len() >= 3).then_some(contour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Volume<f32> {
        // 0.2 at x = 0 to 1.0 at x = 40 mm.
        let shape = [41, 31, 21];
        let data = (0..shape.iter().product::<usize>())
            .map(|o| 0.2 + 0.02 * (o % 41) as f32)
            .collect();
        let to_lps = Map::new([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]);
        Volume::new(shape, data, to_lps).unwrap()
    }

    fn shift() -> Map<Lps, Bed> {
        Map::new([
            [1.0, 0.0, 0.0, 100.0],
            [0.0, 1.0, 0.0, 50.0],
            [0.0, 0.0, 1.0, 0.0],
        ])
    }

    fn square(x: i32, y: i32, side: i32) -> Region {
        let corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)];
        Region::from_contours(&[corners.map(|(x, y)| Spot::new(x, y)).to_vec()])
    }

    #[test]
    fn the_field_is_where_the_part_was_put() {
        let volume = ramp();
        let light = Light {
            volume: &volume,
            least: 0.2,
        };
        let field = Field::new(light, &shift()).unwrap();
        let z = Um(10_000);
        for (x, value) in [(100.0, 0.2), (110.25, 0.405), (139.5, 0.99), (150.0, 1.0)] {
            let found = field.at([1000.0 * x, 60_000.0], z);
            assert!((found - value).abs() < 1e-5, "{x}: {found}");
        }
        // Half a voxel beyond the grid it is half the way to solid.
        let found = field.at([109_500.0, 49_500.0], z);
        assert!((found - (0.39 + 1.0) / 2.0).abs() < 1e-5, "{found}");
        // The mean of a linear field is that of its middle.
        let mean = field.mean(&square(105_000, 55_000, 20_000), z);
        assert!((mean - 0.5).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn what_is_below_solid_is_bounded_where_the_field_says() {
        let volume = ramp();
        let light = Light {
            volume: &volume,
            least: 0.2,
        };
        let field = Field::new(light, &shift()).unwrap();
        let part = square(102_300, 52_700, 45_000);
        let found = field
            .light(part.bounds().unwrap(), Um(10_000))
            .intersect(&part);
        // Up to SOLID_FROM along X, from edge to edge along Y.
        let border = 100.0 + (SOLID_FROM - 0.2) / 0.02;
        let (lo, hi) = found.bounds().unwrap();
        assert_eq!((lo.x, lo.y), (102_300, 52_700));
        assert!((f64::from(hi.x) / 1000.0 - border).abs() < 0.01, "{hi:?}");
        assert_eq!(found.islands().count(), 1);
        assert_eq!(found.contours().count(), 1);
    }
}
