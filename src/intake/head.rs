//! Is it a head? The voxels decide; what the header says was scanned is often wrong.
//!
//! In:    a CT in HU, any axis order.
//! Out:   nothing, or a refusal with the number that speaks against a head.
//! Holds: made to let odd heads pass (a third of the vault missing, no neck, no brain, a couch in view) and to stop
//!        what is none. Whether the skull is good enough for a design, the rooms after this one say.
//! How:   on a grid of some 3 mm, the largest body of bone is searched from its top down for a vault: rays from the
//!        middle of its upper part go up and sideways; a vault stops most of them at the distance of a skull, and
//!        leaves the space before them empty.
//! Cost:  one pass over the volume.

use super::refusal::Refusal;
use crate::space::{Lps, Map, Point, Vector};
use crate::volume::components::{self, Connectivity};
use crate::volume::{Hu, Volume};

/// Above this a 3 mm block holds bone. Cancellous bone has 200 to 400 HU, head holders 170 to 360.
const BONE: Hu = Hu(250);
/// The looked-at part of the body of bone, from its top down, mm. A vault is about 110 mm high.
const UPPER_MM: f64 = 110.0;
/// From the top down to the point that the rays start from, mm.
const CENTRE_MM: f64 = 60.0;
/// A skull's table is met at this distance from the middle, mm: half of the smallest width to half of the largest
/// length, and some for an off-centre start.
const TABLE_MM: [f64; 2] = [35.0, 140.0];
/// Part of the rays that a vault stops: 0.9 and more in whole heads; a large hemicraniectomy takes a quarter.
const STOPPED_MIN: f64 = 0.5;
/// Part of the rays that meet bone before the table. Heads have none; petrous bone lies below the rays.
const FILLED_MAX: f64 = 0.2;
/// Width and length of the upper part, mm: infants to the largest adults, with a holder in touch.
const ACROSS_MM: [f64; 2] = [85.0, 320.0];

/// Bone cut off at an end of the scan above which it is said, mm2: a vault cut some 2 mm below its vertex.
pub(crate) const END_MM2: f64 = 600.0;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    /// Left-right and front-back extent of the upper part, mm.
    across_mm: [f64; 2],
    /// Part of the rays that meet bone at the distance of a skull.
    stopped: f64,
    /// Part of the rays that meet bone before.
    filled: f64,
}

/// Refuses what does not look like a head.
///
/// # Errors
/// [`Refusal::NotHu`] when nothing is as empty as air or as dense as bone; [`Refusal::NotHead`].
pub(crate) fn check(ct: &Volume<Hu>) -> Result<(), Refusal> {
    values(ct)?;
    let not = |why: String| Err(Refusal::NotHead { why });
    let Some(look) = look(ct) else {
        return not("there is no body of bone".into());
    };
    let [across, along] = look.across_mm;
    let range = ACROSS_MM[0]..=ACROSS_MM[1];
    if !(range.contains(&across) && range.contains(&along)) {
        return not(format!(
            "the largest bony body is {across:.0} x {along:.0} mm across"
        ));
    }
    if look.filled > FILLED_MAX {
        return not(format!(
            "{:.0} % of the ways out from where the middle of a head would be meet bone within {:.0} mm, so that is \
             no brain case, or only a part of one",
            100.0 * look.filled,
            TABLE_MM[0]
        ));
    }
    if look.stopped < STOPPED_MIN {
        let cut = if end(ct).is_some() {
            ", and the scan ends in the bone: were all slices copied?"
        } else {
            ""
        };
        return not(format!(
            "only {:.0} % of a vault is there{cut}",
            100.0 * look.stopped
        ));
    }
    Ok(())
}

/// Where a scan ends within the bone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct End {
    /// In the patient's own words.
    pub(crate) place: &'static str,
    /// Bone in the outermost blocks there, mm2.
    pub(crate) bone_mm2: f64,
}

/// The end of the scan at which most bone is cut off: the ends of the stack and the top, never the bottom, where
/// every head scan ends in bone. What is the same in every slice was drawn into them and is no bone.
pub(crate) fn end(ct: &Volume<Hu>) -> Option<End> {
    let bone = components::largest_by(&coarse(ct), Connectivity::All);
    let (shape, map) = (bone.shape(), bone.to_lps());
    let drawn = in_every_slice(&bone);
    let up = Vector::new([0.0, 0.0, 1.0]);
    let mut worst: Option<End> = None;
    for axis in 0..3 {
        let across = [(axis + 1) % 3, (axis + 2) % 3].map(|a| map.column(a));
        let block_mm2 = across[0].cross(across[1]).length();
        let Some(outward) = map.column(axis).unit() else {
            continue;
        };
        for (layer, outward) in [(0, outward.times(-1.0)), (shape[axis] - 1, outward)] {
            let rise = outward.dot(up);
            let is_end = axis == 2 && rise > -0.5;
            if !is_end && rise < 0.7 {
                continue;
            }
            let at_end = |&(offset, &set): &(usize, &bool)| {
                set && bone.index(offset)[axis] == layer && !drawn[offset % drawn.len()]
            };
            let blocks = bone.data().iter().enumerate().filter(at_end).count();
            let bone_mm2 = blocks as f64 * block_mm2;
            if bone_mm2 > END_MM2 && worst.is_none_or(|w| w.bone_mm2 < bone_mm2) {
                worst = Some(End {
                    place: place(outward),
                    bone_mm2,
                });
            }
        }
    }
    worst
}

/// For each place of a slice, whether it is set in all of them.
fn in_every_slice(mask: &Volume<bool>) -> Vec<bool> {
    let [columns, rows, _] = mask.shape();
    let mut all = vec![true; columns * rows];
    for slice in mask.data().chunks(columns * rows) {
        for (all, &set) in all.iter_mut().zip(slice) {
            *all &= set;
        }
    }
    all
}

/// The side of the head that `outward` points to.
fn place(outward: Vector<Lps>) -> &'static str {
    let names = [["right", "left"], ["front", "back"], ["bottom", "top"]];
    let mut best = 0;
    for axis in 1..3 {
        if outward.0[axis].abs() > outward.0[best].abs() {
            best = axis;
        }
    }
    names[best][usize::from(outward.0[best] > 0.0)]
}

/// HU have air near -1000 and bone above 200; stored values without their intercept have neither.
fn values(ct: &Volume<Hu>) -> Result<(), Refusal> {
    let (mut least, mut most) = (i16::MAX, i16::MIN);
    for hu in ct.data() {
        least = least.min(hu.0);
        most = most.max(hu.0);
    }
    if least > -200 || most < 200 {
        return Err(Refusal::NotHu {
            why: format!("they run from {least} to {most}"),
        });
    }
    Ok(())
}

/// The middle of the vault, which is where brain is; `None` without a body of bone.
pub(super) fn middle(ct: &Volume<Hu>) -> Option<Point<Lps>> {
    Some(vault(&components::largest_by(&coarse(ct), Connectivity::All))?.0)
}

/// The middle of the upper part of a body of bone, and its extent from left to right and from front to back, mm.
fn vault(bone: &Volume<bool>) -> Option<(Point<Lps>, [f64; 2])> {
    let points: Vec<Point<Lps>> = set_voxels(bone).collect();
    let top = points
        .iter()
        .map(|p| p.0[2])
        .fold(f64::NEG_INFINITY, f64::max);
    let upper = || points.iter().filter(|p| p.0[2] > top - UPPER_MM);
    let extent = |axis: usize| {
        let values = upper().map(|p| p.0[axis]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(v), hi.max(v))
        })
    };
    upper().next()?;
    let [x, y] = [extent(0), extent(1)];
    let centre = Point::new([
        f64::midpoint(x.0, x.1),
        f64::midpoint(y.0, y.1),
        top - CENTRE_MM,
    ]);
    Some((centre, [x.1 - x.0, y.1 - y.0]))
}

/// Measures the largest body of bone.
pub(crate) fn look(ct: &Volume<Hu>) -> Option<Look> {
    let bone = components::largest_by(&coarse(ct), Connectivity::All);
    let (centre, across_mm) = vault(&bone)?;
    let into = bone.to_ijk();
    let (mut rays, mut stopped, mut filled) = (0.0, 0.0, 0.0);
    for direction in upward() {
        rays += 1.0;
        match first_bone(&bone, &into, centre, direction) {
            Some(mm) if mm < TABLE_MM[0] => filled += 1.0,
            Some(_) => stopped += 1.0,
            None => {}
        }
    }
    Some(Look {
        across_mm,
        stopped: stopped / rays,
        filled: filled / rays,
    })
}

/// Blocks of about 3 mm; a block is bone when any voxel of it is.
fn coarse(ct: &Volume<Hu>) -> Volume<bool> {
    let spacing = ct.spacing_mm();
    let block = spacing.map(|mm| (3.0 / mm).round().max(1.0) as usize);
    let shape = ct.shape();
    let small = [0, 1, 2].map(|a| shape[a].div_ceil(block[a]));
    let mut data = vec![false; small.iter().product()];
    for (row, values) in ct.data().chunks(shape[0]).enumerate() {
        let (j, k) = (row % shape[1], row / shape[1]);
        let start = (k / block[2] * small[1] + j / block[1]) * small[0];
        let out = &mut data[start..start + small[0]];
        for (set, hus) in out.iter_mut().zip(values.chunks(block[0])) {
            *set |= hus.iter().any(|&hu| hu >= BONE);
        }
    }
    let map = ct.to_lps();
    let first = map.apply(Point::new(block.map(|n| (n as f64 - 1.0) / 2.0)));
    let columns = [0, 1, 2].map(|a| map.column(a).times(block[a] as f64));
    Volume::new(small, data, Map::from_columns(columns, first))
        .expect("a grid of the volume's own axes spans space as the volume's does")
}

fn set_voxels(mask: &Volume<bool>) -> impl Iterator<Item = Point<Lps>> {
    let set = mask.data().iter().enumerate().filter(|&(_, &set)| set);
    set.map(|(offset, _)| mask.centre(mask.index(offset)))
}

/// 600 directions spread evenly (golden angle) over the half sphere above 5 degrees below the horizon.
pub(super) fn upward() -> impl Iterator<Item = Vector<Lps>> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..600).map(move |n| {
        let z = -0.087 + (1.0 + 0.087) * (f64::from(n) + 0.5) / 600.0;
        let (sin, cos) = (golden * f64::from(n)).sin_cos();
        let flat = (1.0 - z * z).sqrt();
        Vector::new([flat * cos, flat * sin, z])
    })
}

/// Distance to the first bone along a ray, mm.
fn first_bone(
    bone: &Volume<bool>,
    into: &Map<Lps, crate::space::Ijk>,
    from: Point<Lps>,
    direction: Vector<Lps>,
) -> Option<f64> {
    let step_mm = 1.5;
    let steps = (TABLE_MM[1] / step_mm) as usize;
    (1..=steps).map(|n| n as f64 * step_mm).find(|&mm| {
        let at = into.apply(from.plus(direction.times(mm)));
        bone.get(at.0.map(|v| v.round() as i64))
            .is_some_and(|&set| set)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell of bone of 60 mm radius in slices of 3 mm, the last of them at `slices`; with a bar that is drawn into
    /// each slice across it.
    fn shell(slices: usize, drawn: bool) -> Volume<Hu> {
        let shape = [50, 50, slices];
        let bone = |i: usize, j: usize, k: usize| {
            let off = |n: usize, middle: f64| 3.0 * (n as f64 - middle);
            let r = off(i, 25.0).hypot(off(j, 25.0)).hypot(off(k, 22.0));
            (54.0..60.0).contains(&r) || (drawn && (43..47).contains(&j) && (5..45).contains(&i))
        };
        let mut data = Vec::new();
        for k in 0..slices {
            for j in 0..50 {
                data.extend((0..50).map(|i| Hu(if bone(i, j, k) { 1200 } else { -1000 })));
            }
        }
        let columns = [0, 1, 2].map(|axis| {
            let mut column = [0.0; 3];
            column[axis] = 3.0;
            Vector::new(column)
        });
        let map = Map::from_columns(columns, Point::new([0.0; 3]));
        Volume::new(shape, data, map).unwrap()
    }

    #[test]
    fn what_was_drawn_into_every_slice_is_no_end_of_the_skull() {
        assert_eq!(end(&shell(45, false)), None);
        assert_eq!(end(&shell(45, true)), None);
        let cut = end(&shell(32, true)).unwrap();
        assert_eq!(cut.place, "top");
    }
}
