//! Infill: straight lines for solid parts, a gyroid for light ones.

use super::path::{Path, Role};
use super::plane::{Corner, Region, Spot, Um, distance_um, simplify_open};
use super::settings::Line;
use i_overlay::core::fill_rule::FillRule;
use i_overlay::string::clip::{ClipRule, IntClip};

/// Direction of straight lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Angle {
    /// Along X.
    Flat,
    /// Rising to the right.
    Rising,
    /// Falling to the right.
    Falling,
}

impl Angle {
    /// Across-coordinates: (along, across), both scaled by [`Self::scale`], exact in whole numbers.
    fn turn(self, p: Spot) -> (f64, f64) {
        let (x, y) = (f64::from(p.x), f64::from(p.y));
        match self {
            Self::Flat => (x, y),
            Self::Rising => (x + y, y - x),
            Self::Falling => (x - y, x + y),
        }
    }
    fn back(self, along: f64, across: f64) -> Spot {
        let (x, y) = match self {
            Self::Flat => (along, across),
            Self::Rising => ((along - across) / 2.0, (along + across) / 2.0),
            Self::Falling => ((along + across) / 2.0, (across - along) / 2.0),
        };
        Spot::new(x.round() as i32, y.round() as i32)
    }
    fn scale(self) -> f64 {
        match self {
            Self::Flat => 1.0,
            Self::Rising | Self::Falling => std::f64::consts::SQRT_2,
        }
    }
}

/// A stretch of one scan line inside the region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) from: f64,
    pub(super) to: f64,
    used: bool,
}

/// Fills `region` with parallel lines `pitch` apart, joined at their ends where the joint stays inside.
///
/// `region` is what the innermost wall leaves; line ends reach 20 % of a line into the wall. Scan lines lie on a
/// fixed grid of the bed, so that lattices stack from layer to layer.
pub(super) fn straight(
    region: &Region,
    line: Line,
    pitch: Um,
    angle: Angle,
    role: Role,
) -> Vec<Path> {
    let inset = line.spacing().0 / 2 - line.width.0 / 5;
    let clip = region.offset(Um(-inset), Corner::Round);
    let step = f64::from(pitch.0) * angle.scale();
    let joint_um = 2.0 * f64::from(line.width.0);
    let mut rows = scan(&clip, angle, step);
    let mut paths = Vec::new();
    while let Some(start) = rows.iter().position(|(_, row)| row.iter().any(|s| !s.used)) {
        let turned = chain(&mut rows, start, step, |a, b| {
            let (from, to) = (angle.back(a.0, a.1), angle.back(b.0, b.1));
            // A joint of support lines is long enough to cross a corner of the part.
            let count = (distance_um(from, to) / joint_um).ceil().max(1.0);
            (0..count as usize).all(|k| {
                let share = (k as f64 + 0.5) / count;
                region.contains(angle.back(a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share))
            })
        });
        let spots: Vec<Spot> = turned.iter().map(|&(u, v)| angle.back(u, v)).collect();
        paths.push(Path {
            role,
            width: line.width,
            closed: false,
            spots,
        });
    }
    // Specks shorter than a fifth of a line melt into their neighbours anyway.
    paths.retain(|p| p.length_mm() > 0.2 * line.width.mm());
    paths
}

/// Rows of stretches, by ascending height across.
pub(super) fn scan(clip: &Region, angle: Angle, step: f64) -> Vec<(f64, Vec<Stretch>)> {
    let mut hits: Vec<(i64, f64)> = Vec::new();
    for contour in clip.contours() {
        let wrap = contour.iter().skip(1).chain(contour.first());
        for (&a, &b) in contour.iter().zip(wrap) {
            let ((ua, va), (ub, vb)) = (angle.turn(a), angle.turn(b));
            let (low, high) = (va.min(vb), va.max(vb));
            // Rows at (k + 1/2) step with low < v <= high: each crossing counts once.
            let mut k = (low / step - 0.5).floor() as i64 + 1;
            loop {
                let v = (k as f64 + 0.5) * step;
                if v > high {
                    break;
                }
                if v > low {
                    hits.push((k, ua + (ub - ua) * (v - va) / (vb - va)));
                }
                k += 1;
            }
        }
    }
    hits.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    hits.chunk_by(|a, b| a.0 == b.0)
        .map(|row| {
            let stretches = row
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[a, b]| Stretch {
                    from: a.1,
                    to: b.1,
                    used: false,
                })
                .collect();
            ((row[0].0 as f64 + 0.5) * step, stretches)
        })
        .collect()
}

/// Follows stretches from row to row as long as the next one begins close by and the joint may be drawn.
fn chain(
    rows: &mut [(f64, Vec<Stretch>)],
    start: usize,
    step: f64,
    may_join: impl Fn((f64, f64), (f64, f64)) -> bool,
) -> Vec<(f64, f64)> {
    let mut line: Vec<(f64, f64)> = Vec::new();
    let mut row = start;
    let mut forwards = true;
    let mut next = rows[row].1.iter().position(|s| !s.used);
    while let Some(index) = next {
        let v = rows[row].0;
        let stretch = &mut rows[row].1[index];
        stretch.used = true;
        let (first, last) = if forwards {
            (stretch.from, stretch.to)
        } else {
            (stretch.to, stretch.from)
        };
        line.push((first, v));
        line.push((last, v));
        row += 1;
        forwards = !forwards;
        let close = rows.get(row).filter(|(above, _)| above - v < 1.5 * step);
        next = close.and_then(|(above, stretches)| {
            let entry = |s: &Stretch| if forwards { s.from } else { s.to };
            stretches
                .iter()
                .enumerate()
                .filter(|(_, s)| !s.used && (entry(s) - last).abs() < 2.5 * step)
                .min_by(|(_, a), (_, b)| {
                    (entry(a) - last).abs().total_cmp(&(entry(b) - last).abs())
                })
                .filter(|(_, s)| may_join((last, v), (entry(s), *above)))
                .map(|(index, _)| index)
        });
    }
    line
}

/// Length of the gyroid's section lines per area, times the cell's edge: its surface in a cell of edge L is
/// 3.0915 L2, and a section through an isotropic surface has pi/4 of it as length (2.43; PrusaSlicer uses 2.44).
pub(super) const GYROID_LENGTH: f64 = 3.0915 * std::f64::consts::FRAC_PI_4;
/// Chord error of the drawn waves.
const GYROID_WITHIN: Um = Um(40);

/// Fills `region` with the section at height `z` through a gyroid of the given density (0 to 1).
pub(super) fn gyroid(region: &Region, line: Line, density: f64, z: Um) -> Vec<Path> {
    let Some((lo, hi)) = region.bounds() else {
        return Vec::new();
    };
    let cell_mm = GYROID_LENGTH * line.spacing().mm() / density.max(0.01);
    let scale = std::f64::consts::TAU / (cell_mm * 1000.0);
    let clip = region.offset(
        Um(-(line.spacing().0 / 2 - line.width.0 / 5)),
        Corner::Round,
    );
    let waves = waves(
        [f64::from(lo.x) * scale, f64::from(lo.y) * scale],
        [f64::from(hi.x) * scale, f64::from(hi.y) * scale],
        f64::from(z.0) * scale,
    );
    let paths: Vec<Vec<Spot>> = waves
        .iter()
        .map(|wave| {
            let spots: Vec<Spot> = wave
                .iter()
                .map(|&[x, y]| Spot::new((x / scale).round() as i32, (y / scale).round() as i32))
                .collect();
            simplify_open(&spots, GYROID_WITHIN)
        })
        .collect();
    let rule = ClipRule {
        invert: false,
        boundary_included: false,
    };
    let contours: Vec<_> = clip.contours().cloned().collect();
    let mut clipped = contours.clip_paths(&paths, FillRule::Positive, rule);
    clipped.sort_by_key(|p| p.first().map(|s| (s.y, s.x)));
    // Neighbouring waves are half a cell apart.
    joined(clipped, region, 800.0 * cell_mm)
        .into_iter()
        .map(|spots| Path {
            role: Role::Sparse,
            width: line.width,
            closed: false,
            spots,
        })
        .filter(|p| p.length_mm() > line.width.mm())
        .collect()
}

/// Strings waves together along the wall, so that the nozzle need not stop at each end and the ends are anchored:
/// end to nearest end within `reach_um`, as long as the joint stays inside.
fn joined(mut waves: Vec<Vec<Spot>>, region: &Region, reach_um: f64) -> Vec<Vec<Spot>> {
    waves.retain(|w| w.len() >= 2);
    let mut strings = Vec::new();
    while !waves.is_empty() {
        let mut string = waves.remove(0);
        while let Some(&end) = string.last() {
            // Distance, which wave, entered at its far end?
            let near = waves
                .iter()
                .enumerate()
                .flat_map(|(index, w)| {
                    let ends = [w[0], w[w.len() - 1]];
                    [false, true]
                        .map(|back| (distance_um(end, ends[usize::from(back)]), index, back))
                })
                .min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, index, back)) = near.filter(|n| n.0 <= reach_um) else {
                break;
            };
            let start = if back {
                waves[index][waves[index].len() - 1]
            } else {
                waves[index][0]
            };
            let inside = (1..8).all(|k| {
                region.contains(Spot::new(
                    end.x + (start.x - end.x) * k / 8,
                    end.y + (start.y - end.y) * k / 8,
                ))
            });
            if !inside {
                break;
            }
            let mut next = waves.remove(index);
            if back {
                next.reverse();
            }
            string.extend(next);
        }
        strings.push(string);
    }
    strings
}

/// Curves of sin x cos y + sin y cos z + sin z cos x = 0 at fixed z over a box, in radians. Where |cos z| is the
/// larger they are waves y(x), else waves x(y): either is one sine of the sum of angles, solved in closed form.
fn waves(lo: [f64; 2], hi: [f64; 2], z: f64) -> Vec<Vec<[f64; 2]>> {
    let (sin_z, cos_z) = z.sin_cos();
    let upright = cos_z.abs() < sin_z.abs();
    let (run, rise) = if upright { (1, 0) } else { (0, 1) };
    let steps = (((hi[run] - lo[run]) / 0.15).ceil() as usize).max(1) + 1;
    let pi = std::f64::consts::PI;
    let mut found = Vec::new();
    for branch in [0.0, 1.0] {
        // One wave, followed without jumps, then copied at every full turn that meets the box.
        let mut wave: Vec<[f64; 2]> = Vec::with_capacity(steps);
        for step in 0..steps {
            let t = lo[run] + 0.15 * step as f64;
            let (sin_t, cos_t) = t.sin_cos();
            let (a, b, c) = if upright {
                (cos_t, sin_z, -sin_t * cos_z)
            } else {
                (cos_z, sin_t, -sin_z * cos_t)
            };
            // a sin(w) + b cos(w) = c.
            let value = (c / a.hypot(b)).clamp(-1.0, 1.0).asin();
            let mut w = if branch > 0.0 { pi - value } else { value } - b.atan2(a);
            if let Some(before) = wave.last() {
                w -= 2.0 * pi * ((w - before[rise]) / (2.0 * pi)).round();
            }
            let mut point = [0.0; 2];
            point[run] = t;
            point[rise] = w;
            wave.push(point);
        }
        let (low, high) = wave
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| {
                (l.min(p[rise]), h.max(p[rise]))
            });
        let first = ((lo[rise] - high) / (2.0 * pi)).ceil() as i64;
        let last = ((hi[rise] - low) / (2.0 * pi)).floor() as i64;
        for turn in first..=last {
            found.push(
                wave.iter()
                    .map(|p| {
                        let mut moved = *p;
                        moved[rise] += 2.0 * pi * turn as f64;
                        moved
                    })
                    .collect(),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: i32) -> Region {
        let corners = [(0, 0), (side, 0), (side, side), (0, side)];
        Region::from_contours(&[corners
            .map(|(x, y)| Spot::new(x + 50_000, y + 50_000))
            .to_vec()])
    }

    const LINE: Line = Line {
        width: Um(450),
        height: Um(200),
    };

    #[test]
    fn solid_lines_fill_the_area_they_are_given() {
        let region = square(20_000);
        for angle in [Angle::Rising, Angle::Falling, Angle::Flat] {
            let paths = straight(&region, LINE, LINE.spacing(), angle, Role::Solid);
            let length: f64 = paths.iter().map(Path::length_mm).sum();
            let filled = length * LINE.spacing().mm();
            assert!((filled / 400.0 - 1.0).abs() < 0.03, "{angle:?}: {filled}");
            assert!(paths.len() < 5, "{angle:?}: {} pieces", paths.len());
        }
    }

    #[test]
    fn a_gyroid_has_the_density_that_is_asked_for() {
        let region = square(40_000);
        for density in [0.15, 0.4] {
            let layers = 100;
            let volume: f64 = (0..layers)
                .map(|i| gyroid(&region, LINE, density, Um(i * 200)))
                .flat_map(|paths| paths.into_iter().map(|p| p.length_mm()))
                .sum::<f64>()
                * LINE.spacing().mm()
                * 0.2;
            let share = volume / (1600.0 * 0.2 * f64::from(layers));
            // Joints along the wall come on top of the gyroid itself.
            assert!((share / density - 1.05).abs() < 0.15, "{density}: {share}");
        }
    }

    #[test]
    fn gyroid_waves_are_strung_together_inside_the_region() {
        let region = square(20_000);
        for z in [100, 900, 1_700] {
            let paths = gyroid(&region, LINE, 0.2, Um(z));
            assert!(paths.len() <= 4, "{} strings at {z}", paths.len());
            let spots = paths.iter().flat_map(|p| &p.spots);
            let (lo, hi) = (50_000, 70_000);
            assert!(
                spots
                    .into_iter()
                    .all(|s| s.x.min(s.y) >= lo && s.x.max(s.y) <= hi)
            );
        }
    }

    #[test]
    fn gyroid_waves_solve_the_equation() {
        for z in [0.1, 0.9, 1.7, 3.0, 4.4] {
            let found = waves([0.0, 0.0], [12.0, 12.0], z);
            assert!(found.len() >= 4);
            for [x, y] in found.into_iter().flatten() {
                let value = x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos();
                assert!(value.abs() < 1e-9, "{value} at {x} {y} {z}");
            }
        }
    }
}
