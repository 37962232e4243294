//! Bevel: where beside a hole one of the two tables is missing and the other is not.
//!
//! A saw that is held askew, a drill or years of healing leave a wall that leans. Rays through it meet bone, so they are
//! no part of the hole; but the bone that they meet is too thin, and what lacks there is missing bone too.

use super::chart::Sheet;
use super::rays::{NEAR_PLATE, RAY_MM, Rays};
use super::vault::Vault;
use crate::volume::components::{Connectivity, label};
use crate::volume::{Volume, distance, morphology};

/// So much of the outer table has to lack, mm, and so far from the hole it is looked for. Chosen on 104 holes of the eight
/// `val` skulls: from 0.7 to 3 mm the mean DSC of bevelled holes falls from 0.897 to 0.880, and under 1 mm the relief of
/// whole bone is taken for a bevel.
const OUTER_MM: f64 = 1.2;
const OUTER_REACH_MM: f32 = 14.0;
/// The same of the inner table, whose own relief (sulci, thin squama) is deeper: farther off it is no sign of a saw.
const INNER_MM: f64 = 1.5;
const INNER_REACH_MM: f32 = 4.0;
/// Where the one table lies off and the other goes along by more than this share, the whole bone lies otherwise than was
/// expected, and nothing lacks.
const SHIFTED: f64 = 0.4;
/// What is narrower than twice this is the bone's relief, mm.
const FLECK_MM: f64 = 1.0;
/// A wall that leans straight lacks this share of the bone half way out, and more nearer to the hole.
const DEEP: f64 = 0.5;
/// The doubt of a place in it, mm: two rays.
const PLACE_MM: f32 = 2.0;
/// Bevels whose outer table lacks no farther than this are the scanner's blur, or a saw's: the part's own lip serves, mm.
const WIDE_MM: f32 = 3.5;
/// A smaller patch of a wide bevel is a nick, a thin place or the blur of thick slices, mm2.
const WIDE_LEAST_MM2: f64 = 150.0;
/// A wide bevel takes what lies within this of it along, mm.
const ALONG_MM: f32 = 6.0;

/// Rays beside a hole where a table is missing.
#[derive(Clone, Debug)]
pub(super) struct Bevel {
    /// The outer table lacks.
    pub(super) outer: Sheet<bool>,
    /// The inner table lacks.
    pub(super) inner: Sheet<bool>,
    /// The outer table lacks, farther than a saw or a scanner's blur explains: bone that a part can lie on.
    pub(super) wide: Sheet<bool>,
    /// How far the outer table lacks beyond the hole, mm: 95th percentile of the outermost of it, around the hole.
    pub(super) width_mm: f64,
}

impl Bevel {
    /// None, beside a hole.
    pub(super) fn none(hole: &Sheet<bool>) -> Self {
        let nothing = hole.with(vec![false; hole.data.len()]);
        Self {
            outer: nothing.clone(),
            inner: nothing.clone(),
            wide: nothing,
            width_mm: 0.0,
        }
    }
}

impl Rays {
    /// The bevel around a hole, against the tables that were carried over it.
    pub(super) fn bevel(&self, vault: &Vault) -> Bevel {
        let hole = &vault.hole;
        let far = distance::distance_mm(&hole.volume());
        // The outer table, the inner table, and much of the bone from outside.
        let lacks = |cell: usize| -> [bool; 3] {
            let far_mm = far.data()[cell];
            if hole.data[cell] || far_mm > OUTER_REACH_MM {
                return [false; 3];
            }
            let (u, v) = hole.mm(cell);
            let outer_mm = vault.outer.sample(u, v);
            let Some((inner, outer)) = self.wall(cell, outer_mm, NEAR_PLATE) else {
                return [false; 3];
            };
            let thick_mm = vault.thickness.sample(u, v);
            let inner_mm = outer_mm - thick_mm;
            let (from_outer, from_inner) = (outer_mm - outer, inner - inner_mm);
            let lacks_outer = from_outer >= OUTER_MM && from_inner >= -SHIFTED * from_outer;
            [
                lacks_outer,
                from_inner >= INNER_MM
                    && from_outer >= -SHIFTED * from_inner
                    && far_mm <= INNER_REACH_MM,
                lacks_outer && from_outer >= DEEP * thick_mm,
            ]
        };
        let lacks: Vec<[bool; 3]> = (0..hole.data.len()).map(lacks).collect();
        let of = |n: usize| -> Vec<bool> { lacks.iter().map(|l| l[n]).collect() };
        let outer = beside(hole, leaning(hole, of(0), of(2), &far));
        let wide = wide(&outer, &far);
        let near = |cell: usize| far.data()[cell] <= WIDE_MM;
        let outer = outer.with(
            (outer.data.iter().zip(&wide.data).enumerate())
                .map(|(cell, (&lacks, &wide))| wide || lacks && near(cell))
                .collect(),
        );
        let mut widths: Vec<f32> = outermost(hole, &outer, far.data());
        widths.sort_by(f32::total_cmp);
        let width = widths.get(widths.len() * 95 / 100).copied().unwrap_or(0.0);
        Bevel {
            wide,
            outer,
            inner: beside(hole, of(1)),
            width_mm: f64::from(width),
        }
    }
}

/// What lacks of the outer table as a wall that leans does: the farther it reaches, the more lacks on the way. Bone that is
/// shallow all the way is relief, or thinner than was expected.
fn leaning(hole: &Sheet<bool>, outer: Vec<bool>, deep: Vec<bool>, far: &Volume<f32>) -> Vec<bool> {
    let deep = distance::distance_mm(&hole.with(deep).volume());
    let leans = |cell: usize| {
        let far_mm = far.data()[cell];
        far_mm <= WIDE_MM || deep.data()[cell] <= far_mm / 2.0 + PLACE_MM
    };
    (outer.iter().enumerate())
        .map(|(cell, &lacks)| lacks && leans(cell))
        .collect()
}

/// What lacks farther from the hole than a scanner's blur, and what lies along it.
fn wide(outer: &Sheet<bool>, far: &Volume<f32>) -> Sheet<bool> {
    let wide = (outer.data.iter().zip(far.data())).map(|(&lacks, &mm)| lacks && mm > WIDE_MM);
    let near = distance::distance_mm(&outer.with(wide.collect()).volume());
    let along = (outer.data.iter().zip(near.data())).map(|(&lacks, &mm)| lacks && mm <= ALONG_MM);
    let along = outer.with(along.collect());
    let patches = label(&along.volume(), Connectivity::Face);
    let large = |cell: usize| {
        let n = patches.volume.data()[cell] as usize;
        n > 0 && patches.sizes[n - 1] as f64 * RAY_MM * RAY_MM >= WIDE_LEAST_MM2
    };
    outer.with((0..outer.data.len()).map(large).collect())
}

/// What hangs together with the hole, without flecks.
fn beside(hole: &Sheet<bool>, lacks: Vec<bool>) -> Sheet<bool> {
    let with = |cells: &[bool]| -> Vec<bool> {
        (cells.iter().zip(&hole.data))
            .map(|(&a, &h)| a || h)
            .collect()
    };
    let whole = hole.with(with(&lacks));
    let smooth = hole.with(with(morphology::open_mm(&whole.volume(), FLECK_MM).data()));
    let labels = label(&smooth.volume(), Connectivity::Face);
    let mut holds = vec![false; labels.sizes.len() + 1];
    for (cell, &n) in labels.volume.data().iter().enumerate() {
        holds[n as usize] |= n > 0 && hole.data[cell];
    }
    let beside = |cell: usize| {
        let n = labels.volume.data()[cell] as usize;
        holds[n] && !hole.data[cell]
    };
    hole.with((0..hole.data.len()).map(beside).collect())
}

/// How far the bevel reaches from the hole, sector by sector of the hole's own middle; 0 where there is none.
fn outermost(hole: &Sheet<bool>, bevel: &Sheet<bool>, far: &[f32]) -> Vec<f32> {
    const SECTORS: usize = 36;
    let cells = || (0..hole.data.len()).filter(|&c| hole.data[c]);
    let count = cells().count().max(1) as f64;
    let (u, v) = cells()
        .map(|c| hole.mm(c))
        .fold((0.0, 0.0), |s, c| (s.0 + c.0, s.1 + c.1));
    let (u, v) = (u / count, v / count);
    let mut widths = vec![0.0f32; SECTORS];
    for (cell, _) in bevel.data.iter().enumerate().filter(|&(_, &b)| b) {
        let (x, y) = hole.mm(cell);
        let turn = (y - v).atan2(x - u) / std::f64::consts::TAU + 0.5;
        let sector = ((turn * SECTORS as f64) as usize).min(SECTORS - 1);
        widths[sector] = widths[sector].max(far[cell]);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::super::chart::Chart;
    use super::super::tables::Others;
    use super::super::vault::Marks;
    use super::*;
    use crate::space::{Lps, Point, Vector};

    const RADIUS_MM: f64 = 75.0;
    const THICK_MM: f64 = 7.0;
    const HOLE_MM: f64 = 28.0;

    /// A ball with a hole whose wall leans: `outer_mm` more of the outer table lacks, or `inner_mm` more of the inner.
    fn surveyed(outer_mm: f64, inner_mm: f64) -> Vault {
        let centre = Point::<Lps>::new([0.0; 3]);
        let own = move |p: Point<Lps>| {
            let d = p.minus(centre);
            (d.0[1].hypot(d.0[2]).atan2(d.0[0]) * RADIUS_MM, d.length())
        };
        let bone = |p: Point<Lps>| {
            let (arc, r) = own(p);
            // From the inner table up, 0 to 1.
            let up = ((r - RADIUS_MM + THICK_MM) / THICK_MM).clamp(0.0, 1.0);
            let wall = HOLE_MM + outer_mm * up + inner_mm * (1.0 - up);
            (r - RADIUS_MM)
                .max(RADIUS_MM - THICK_MM - r)
                .max(wall - arc) as f32
        };
        let missing = |p: Point<Lps>| {
            let (arc, r) = own(p);
            ((r - RADIUS_MM + 3.0).abs() - 3.0).max(arc - HOLE_MM) as f32
        };
        let chart = Chart::new(centre, RADIUS_MM, Vector::new([1.0, 0.0, 0.0])).unwrap();
        Vault::survey(chart, 60.0, &bone, Marks::network(&missing), |_| {
            Others::default()
        })
        .unwrap()
    }

    #[test]
    fn a_straight_wall_has_none() {
        let vault = surveyed(0.0, 0.0);
        assert!(vault.bevel.width_mm < 1.5, "{} mm", vault.bevel.width_mm);
        assert!(!vault.bevel.wide.data.contains(&true));
    }

    #[test]
    fn the_wall_of_a_leaning_saw_is_found_on_the_side_that_lacks() {
        for lean_mm in [2.0, 4.0, 6.0, 9.0] {
            let vault = surveyed(lean_mm, 0.0);
            let width = vault.bevel.width_mm;
            // The last stretch is shallower than what counts.
            let seen = lean_mm * (1.0 - OUTER_MM / THICK_MM);
            assert!((width - seen).abs() < 2.0, "{lean_mm} mm: {width} mm");
            let count = |side: &Sheet<bool>| side.data.iter().filter(|&&lacks| lacks).count();
            let (outer, inner) = (count(&vault.bevel.outer), count(&vault.bevel.inner));
            assert!(
                inner * 5 < outer,
                "{lean_mm} mm: {inner} of the inner, {outer}"
            );
            // Rays are 1 mm apart: what ends that near to the limit may be seen on either side of it.
            if (seen - f64::from(WIDE_MM)).abs() > 1.0 {
                let wide = vault.bevel.wide.data.contains(&true);
                assert_eq!(wide, seen > f64::from(WIDE_MM), "{lean_mm} mm");
            }
            // The tables stand as if nothing had been taken off.
            let off = (vault.outer.sample(0.0, 0.0) - RADIUS_MM).abs();
            assert!(off < 0.5, "{lean_mm} mm: {off} mm off");
        }
        let inner = surveyed(0.0, 4.0);
        assert!(inner.bevel.inner.data.contains(&true));
        assert!(inner.bevel.width_mm < 1.5, "{} mm", inner.bevel.width_mm);
    }
}
