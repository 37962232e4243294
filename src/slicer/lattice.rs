//! Lattice: a gyroid of one period whose walls are as thick as a field of density wants them.
//!
//! In:    what is to be filled in a layer, the field, the cell.
//! Out:   open paths along the section of the gyroid, each of constant width; widths step by 0.02 mm.
//! Holds: walls run on wherever the density goes: the period is the same everywhere, only their thickness changes. A wall is
//!        drawn by one line, or by as many side by side as are about a line wide; all of them together fill what lies
//!        between neighbouring walls where the density is 1. Over a period the plastic of a layer is the field's share.
//! Why:   a period that follows the density would tear walls where it changes.
//!
//! At height `z` the gyroid `sin x cos y + sin y cos z + sin z cos x = 0` has two waves in each period: with a sin w + b cos w
//! = c along the axis that they cross, `w = asin(c / r) - atan2(b, a)` and `w = pi - asin(c / r) - atan2(b, a)`. They never
//! cross, so that a wall is a strip about its wave that ends half-way to the next wave at most.

use super::field::Field;
use super::infill::GYROID_LENGTH;
use super::path::{Path, Role};
use super::plane::{Corner, Region, Spot, Um, simplify_open};
use super::settings::Line;
use i_overlay::core::fill_rule::FillRule;
use i_overlay::string::clip::{ClipRule, IntClip};
use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

/// Least density that is printed.
pub(super) const LEAST: f64 = 0.1;
/// From this density on the part is solid.
pub(super) const SOLID_FROM: f64 = 0.97;
/// The cell is not made finer for fields that stay above this.
const FINEST: f64 = 0.4;
/// Width of a wall's section where the density is least, in nozzle widths.
const THINNEST: f64 = 0.9;
/// Surface of a gyroid in a cell, over the square of its edge.
const SURFACE: f64 = 3.0915;

/// Step along a wave, radians.
const ALONG: f64 = 0.15;
/// Steepest slope of a wave that counts; where two waves touch they have a corner.
const STEEP: f64 = 3.0;
/// Half of a wall's thickness that fills all there is, radians.
const HALF_MAX: f64 = 3.5;
const HALF_STEP: f64 = 0.05;
/// Samples of a period for what a thickness fills.
const SAMPLES: usize = 96;
/// A wall's lines stay as many as they are while each is between these shares of the usual spacing.
const STAYS: [f64; 2] = [0.65, 1.5];
/// Thinnest line, as share of the usual width.
const LINE_LEAST: f64 = 0.55;
/// Steps of width, um.
const STEP_UM: f64 = 20.0;
/// Chord error of the drawn waves.
const WITHIN: Um = Um(20);
/// Shorter pieces are not worth a line, mm.
const PIECE_MM: f64 = 0.1;
/// Lines are made this much thinner or thicker at most, so that the layer gets as much plastic as the field says.
const BALANCE: [f64; 2] = [0.8, 1.2];

/// The cell of a lattice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Edge of the cube that is repeated, mm.
    pub period_mm: f64,
}

impl Cell {
    /// The finest cell of which a nozzle draws walls at the least density of a field: their section is then 0.9 nozzle widths
    /// wide in the mean.
    pub fn new(nozzle_mm: f64, least: f64) -> Self {
        let least = least.clamp(LEAST, FINEST);
        Self {
            period_mm: GYROID_LENGTH * THINNEST * nozzle_mm / least,
        }
    }

    /// Mean thickness of its walls where they fill this share of the volume, mm: share over surface.
    pub fn wall_mm(&self, share: f64) -> f64 {
        share * self.period_mm / SURFACE
    }

    /// The share of the volume that is printed where `asked` stands in the field.
    pub fn printed(asked: f64) -> f64 {
        if asked < SOLID_FROM {
            asked.max(LEAST)
        } else {
            1.0
        }
    }
}

/// Draws the walls in `region` at height `z`.
pub(super) fn draw(region: &Region, line: Line, field: &Field<'_>, cell: Cell, z: Um) -> Vec<Path> {
    let Some(bounds) = region.bounds() else {
        return Vec::new();
    };
    let pieces = pieces(bounds, line, field, cell, z);
    // Ends reach two fifths of a line into the wall. Further out than other filling, since what is kept off the wall is missing
    // there and too much elsewhere.
    let inset = line.spacing().0 / 2 - 2 * line.width.0 / 5;
    let clip = region.offset(Um(-inset), Corner::Round);
    let contours: Vec<_> = clip.contours().cloned().collect();
    let rule = ClipRule {
        invert: false,
        boundary_included: false,
    };
    let mut drawn: Vec<(f64, Path)> = Vec::new();
    for (strip_um, paths) in pieces {
        let mut inside = contours.clip_paths(&paths, FillRule::Positive, rule);
        inside.sort_by_key(|p| p.first().map(|s| (s.y, s.x)));
        drawn.extend(inside.into_iter().map(|spots| {
            let path = Path {
                role: Role::Sparse,
                width: Um(0),
                closed: false,
                spots,
            };
            (f64::from(strip_um), path)
        }));
    }
    drawn.retain(|(_, path)| path.length_mm() >= PIECE_MM);
    let filled: f64 = (drawn.iter())
        .map(|(strip, p)| p.length_mm() * strip / 1000.0)
        .sum();
    if filled <= 0.0 {
        return Vec::new();
    }
    let wanted = field.mean(region, z) * region.area_mm2();
    let share = (wanted / filled).clamp(BALANCE[0], BALANCE[1]);
    let strip = |um: f64| Um((um * share).round() as i32);
    (drawn.into_iter())
        .map(|(um, path)| Path {
            width: Line::filling(strip(um), line.height).width,
            ..path
        })
        .collect()
}

/// A place on a wave: how far its wall reaches to both sides there.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Along and across, radians.
    along: f64,
    across: f64,
    /// Down and up across the wave, radians.
    reach: [f64; 2],
    /// Length along the wave for one along the axis.
    slant: f64,
    /// Lines side by side.
    lines: usize,
}

impl Place {
    /// Width of the strip that one of its lines fills, radians.
    fn strip(self) -> f64 {
        (self.reach[0] + self.reach[1]) / self.slant / self.lines as f64
    }

    /// Middle of line `number`, across.
    fn middle(self, number: usize) -> f64 {
        let wide = self.reach[0] + self.reach[1];
        self.across - self.reach[0] + wide * (number as f64 + 0.5) / self.lines as f64
    }
}

/// Lines of all walls over a box, by the width of the strip that they fill, um.
fn pieces(
    (lo, hi): (Spot, Spot),
    line: Line,
    field: &Field<'_>,
    cell: Cell,
    z: Um,
) -> BTreeMap<i32, Vec<Vec<Spot>>> {
    let scale = TAU / (cell.period_mm * 1000.0);
    let section = Section::new(f64::from(z.0) * scale);
    let (run, rise) = if section.upright { (1, 0) } else { (0, 1) };
    let low = [lo.x, lo.y].map(|um| f64::from(um) * scale);
    let high = [hi.x, hi.y].map(|um| f64::from(um) * scale);
    let um = |along: f64, across: f64| {
        let mut at = [0.0; 2];
        (at[run], at[rise]) = (along / scale, across / scale);
        at
    };
    let first = (low[run] / ALONG).floor() as i64;
    let count = (high[run] / ALONG).ceil() as i64 - first + 1;
    let waves = section.follow(first, count);
    let usual = f64::from(line.spacing().0) * scale;
    let mut found = BTreeMap::new();
    for wave in &waves {
        let reach = wave.iter().map(|w| w.across);
        let least = reach.clone().fold(f64::INFINITY, f64::min);
        let most = reach.fold(f64::NEG_INFINITY, f64::max);
        let from = ((low[rise] - most - PI) / TAU).floor() as i64;
        let to = ((high[rise] - least + PI) / TAU).ceil() as i64;
        for turn in from..=to {
            let mut lines = 0;
            let places: Vec<Place> = (wave.iter())
                .map(|w| {
                    let across = w.across + TAU * turn as f64;
                    let density = field.at(um(w.along, across), z);
                    let half = section.half(density) * w.slant;
                    let mut place = Place {
                        along: w.along,
                        across,
                        reach: w.gaps.map(|gap| half.min(gap / 2.0)),
                        slant: w.slant,
                        lines: 1,
                    };
                    let lines_wide = place.strip() / usual;
                    let each = lines_wide / f64::from(lines.max(1));
                    if lines == 0 || !(STAYS[0]..=STAYS[1]).contains(&each) {
                        lines = (lines_wide.round() as i32).max(1);
                    }
                    place.lines = lines as usize;
                    place
                })
                .collect();
            strokes(&places, line, scale, &um, &mut found);
        }
    }
    found
}

/// Cuts one wall into pieces of one number of lines and one width. Neighbouring pieces share a place, so that the wall runs on.
fn strokes(
    places: &[Place],
    line: Line,
    scale: f64,
    um: &impl Fn(f64, f64) -> [f64; 2],
    found: &mut BTreeMap<i32, Vec<Vec<Spot>>>,
) {
    let least = LINE_LEAST * f64::from(line.width.0);
    let class = |place: &Place| ((place.strip() / scale).max(least) / STEP_UM).round();
    let mut start = 0;
    for end in 1..places.len() {
        let last = end + 1 == places.len();
        let (a, b) = (&places[start], &places[end]);
        let other = a.lines != b.lines || (class(a) - class(b)).abs() > 1.0;
        if !(other || last) {
            continue;
        }
        let piece = &places[start..=end];
        let strip_um = ((class(a) + class(&piece[(end - start) / 2])) / 2.0 * STEP_UM) as i32;
        for number in 0..a.lines {
            let spots: Vec<Spot> = (piece.iter())
                .map(|place| {
                    let place = Place {
                        lines: a.lines,
                        ..*place
                    };
                    let [x, y] = um(place.along, place.middle(number));
                    Spot::new(x.round() as i32, y.round() as i32)
                })
                .collect();
            let lines: &mut Vec<Vec<Spot>> = found.entry(strip_um).or_default();
            lines.push(simplify_open(&spots, WITHIN));
        }
        start = end;
    }
}

/// A place on a wave of the section alone.
#[derive(Clone, Copy, Debug)]
struct Wave {
    along: f64,
    across: f64,
    /// To the next wave down and up.
    gaps: [f64; 2],
    slant: f64,
}

/// The gyroid at one height.
struct Section {
    z: f64,
    /// Waves run along Y.
    upright: bool,
    /// What half of a wall's thickness fills of a period: by steps of [`HALF_STEP`], ascending.
    filled: Vec<f64>,
}

impl Section {
    fn new(z: f64) -> Self {
        let (sin, cos) = z.sin_cos();
        let mut section = Self {
            z,
            upright: cos.abs() < sin.abs(),
            filled: Vec::new(),
        };
        let step = TAU / SAMPLES as f64;
        let waves = section.lines(0, SAMPLES as i64, step);
        let all = waves.iter().flatten();
        section.filled = (0..=(HALF_MAX / HALF_STEP) as usize)
            .map(|n| {
                let half = HALF_STEP * n as f64;
                let reach = |w: &Wave| {
                    let [down, up] = w.gaps.map(|gap| (half * w.slant).min(gap / 2.0));
                    down + up
                };
                all.clone().map(reach).sum::<f64>() / SAMPLES as f64 / TAU
            })
            .collect();
        section
    }

    /// Half of the thickness at which walls fill so much of a period, radians.
    fn half(&self, share: f64) -> f64 {
        let above = self.filled.partition_point(|&f| f < share);
        let Some((&high, below)) = self.filled.get(above).zip(above.checked_sub(1)) else {
            return if above == 0 { 0.0 } else { HALF_MAX };
        };
        let low = self.filled[below];
        HALF_STEP * (below as f64 + (share - low) / (high - low))
    }

    /// Its two waves over the steps from `first`, of [`ALONG`] each.
    fn follow(&self, first: i64, count: i64) -> [Vec<Wave>; 2] {
        self.lines(first, count, ALONG)
    }

    fn lines(&self, first: i64, count: i64, step: f64) -> [Vec<Wave>; 2] {
        let (sin_z, cos_z) = self.z.sin_cos();
        let mut before: Option<f64> = None;
        // One step more at both ends, for the slopes.
        let spots: Vec<[f64; 2]> = (first - 1..=first + count)
            .map(|k| {
                let (sin, cos) = (step * k as f64).sin_cos();
                let (a, b, c) = if self.upright {
                    (cos, sin_z, -sin * cos_z)
                } else {
                    (cos_z, sin, -sin_z * cos)
                };
                let value = (c / a.hypot(b)).clamp(-1.0, 1.0).asin();
                let mut lower = value - b.atan2(a);
                if let Some(before) = before {
                    lower -= TAU * ((lower - before) / TAU).round();
                }
                before = Some(lower);
                [lower, lower + PI - 2.0 * value]
            })
            .collect();
        [0, 1].map(|n| {
            let place = |(k, spots): (usize, &[[f64; 2]])| {
                let gap = spots[1][1] - spots[1][0];
                let slope = (spots[2][n] - spots[0][n]) / (2.0 * step);
                Wave {
                    along: step * (first + k as i64) as f64,
                    across: spots[1][n],
                    gaps: if n == 0 {
                        [TAU - gap, gap]
                    } else {
                        [gap, TAU - gap]
                    },
                    slant: 1.0_f64.hypot(slope.clamp(-STEEP, STEEP)),
                }
            };
            spots.windows(3).enumerate().map(place).collect()
        })
    }
}
