//! Cut: takes a piece of bone out of a head.
//!
//! Inside the rim and within [`SHELL_MM`] under the outer table, what is bone (closed by 2 mm, so that the diploe
//! goes with its tables, and grown by 1.6 mm, so that no half-filled voxel stays) becomes what lies around bone
//! there: scalp outside falling to liquor inside, or air where the head is a hollow model. The rim's weight is a
//! smooth step, as a scanner would see a sawn wall.

use super::PhantomError;
use super::dice::{Dice, noise};
use super::outline::{Outline, middle};
use super::site::{Defect, sites};
use crate::volume::crop::{self, IndexBox};
use crate::volume::{Hu, Volume, components, morphology};

/// Bone deeper than this under the outer table stays: no vault is thicker.
const SHELL_MM: f64 = 18.0;
/// Bone this far outside the smoothed outer table still belongs to it.
const OVER_MM: f64 = 4.0;
/// Width of the rim's step, deviation.
const RIM_SD_MM: f64 = 0.6;
/// A hole smaller than this is none.
const LEAST_ML: f64 = 1.5;

/// A head with a hole, and what was in it.
#[derive(Clone, Debug)]
pub struct Cut<T> {
    /// The head after the cut.
    pub changed: Volume<T>,
    /// The bone that was taken out; same grid.
    pub removed: Volume<bool>,
}

/// Cuts holes of a kind into a CT whose skull is `bone` (same grid).
///
/// # Errors
/// [`PhantomError::NoVault`] when there is no vault where a hole should be.
pub fn cut(
    ct: &Volume<Hu>,
    bone: &Volume<bool>,
    kind: Defect,
    seed: u64,
) -> Result<Cut<Hu>, PhantomError> {
    let mut changed = ct.clone();
    let mut removed = ct.with(vec![false; ct.data().len()]);
    for (region, outline) in outlines(bone, kind, seed)? {
        let closed = morphology::close_mm(&crop::crop(bone, &region), 2.0);
        let grown = morphology::dilate_mm(&closed, 1.6);
        let mut truth = closed.map(|_| false);
        let fill = Fill::around(ct, &region, &outline);
        for at in 0..closed.data().len() {
            if !grown.data()[at] {
                continue;
            }
            let Some((weight, depth)) = weight(&outline, &closed, at) else {
                continue;
            };
            let whole = whole_offset(ct, &region, &closed, at);
            truth.data_mut()[at] = closed.data()[at] && weight >= 0.5;
            let new = fill.at(depth) + fill.noise_hu * noise(seed ^ 0x5ca1_ab1e, whole as u64);
            let old = f32::from(changed.data()[whole].0);
            let mixed = old + (new - old) * weight as f32;
            changed.data_mut()[whole] = Hu(mixed.round() as i16);
        }
        keep(&mut removed, &truth, &region, kind)?;
    }
    Ok(Cut { changed, removed })
}

/// Cuts holes of a kind into a skull mask.
///
/// # Errors
/// [`PhantomError::NoVault`] when there is no vault where a hole should be.
pub fn cut_mask(mask: &Volume<bool>, kind: Defect, seed: u64) -> Result<Cut<bool>, PhantomError> {
    let mut removed = mask.map(|_| false);
    for (region, outline) in outlines(mask, kind, seed)? {
        let part = crop::crop(mask, &region);
        let inside = |at: usize| {
            part.data()[at] && weight(&outline, &part, at).is_some_and(|(w, _)| w >= 0.5)
        };
        let truth = part.with((0..part.data().len()).map(inside).collect());
        keep(&mut removed, &truth, &region, kind)?;
    }
    let rest = mask
        .data()
        .iter()
        .zip(removed.data())
        .map(|(&bone, &gone)| bone && !gone)
        .collect();
    Ok(Cut {
        changed: mask.with(rest),
        removed,
    })
}

/// The holes' outlines on this skull, each with the region it touches.
fn outlines(
    bone: &Volume<bool>,
    kind: Defect,
    seed: u64,
) -> Result<Vec<(IndexBox, Outline)>, PhantomError> {
    let sites = sites(kind, &mut Dice::new(seed, 1));
    if sites.is_empty() {
        return Ok(vec![]);
    }
    let none = || PhantomError::NoVault(kind);
    let middle = middle(bone).ok_or_else(none)?;
    sites
        .into_iter()
        .map(|site| {
            let outline = Outline::lay(site, bone, middle).ok_or_else(none)?;
            let region = region(bone, &outline).ok_or_else(none)?;
            Ok((region, outline))
        })
        .collect()
}

/// The box of voxels that a cut can touch, within the grid; `None` when it lies outside.
fn region(bone: &Volume<bool>, outline: &Outline) -> Option<IndexBox> {
    let to_ijk = bone.to_ijk();
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in outline.corners(OVER_MM + 4.0, SHELL_MM + 4.0) {
        let at = to_ijk.apply(corner).0;
        for axis in 0..3 {
            low[axis] = low[axis].min(at[axis]);
            high[axis] = high[axis].max(at[axis]);
        }
    }
    let shape = bone.shape();
    let side = |axis: usize| {
        let start = low[axis].floor().max(0.0) as usize;
        let end = ((high[axis].ceil() + 1.0).max(0.0) as usize).min(shape[axis]);
        (start < end).then_some(start..end)
    };
    Some([side(0)?, side(1)?, side(2)?])
}

/// How much of the voxel at `at` is taken (0 to 1) and its depth under the outer table, if any is.
fn weight<T>(outline: &Outline, part: &Volume<T>, at: usize) -> Option<(f64, f64)> {
    let place = outline.place(part.centre(part.index(at)))?;
    // tanh of 1.2 x / sd is the error function's step to 2 %.
    let weight = 0.5 * (1.0 + (0.8 * place.inside_mm / RIM_SD_MM).tanh());
    let taken = weight > 0.004 && (-OVER_MM..SHELL_MM).contains(&place.depth_mm);
    taken.then_some((weight, place.depth_mm))
}

fn whole_offset<T, U>(whole: &Volume<T>, region: &IndexBox, part: &Volume<U>, at: usize) -> usize {
    let index = part.index(at);
    whole.offset([0, 1, 2].map(|axis| index[axis] + region[axis].start))
}

/// Adds the largest body of `truth` to `removed`.
fn keep(
    removed: &mut Volume<bool>,
    truth: &Volume<bool>,
    region: &IndexBox,
    kind: Defect,
) -> Result<(), PhantomError> {
    let body = components::largest(truth);
    if body.mm3() < LEAST_ML * 1000.0 {
        return Err(PhantomError::NoVault(kind));
    }
    for (at, _) in body.data().iter().enumerate().filter(|&(_, &set)| set) {
        let whole = whole_offset(removed, region, truth, at);
        removed.data_mut()[whole] = true;
    }
    Ok(())
}

/// What comes where bone was.
struct Fill {
    outside_hu: f32,
    inside_hu: f32,
    noise_hu: f32,
}

impl Fill {
    /// Soft tissue, or air on a side where there is air around the bone; noise as in the scan's own soft tissue.
    fn around(ct: &Volume<Hu>, region: &IndexBox, outline: &Outline) -> Self {
        let part = crop::crop(ct, region);
        let (mut outside, mut inside, mut steps) = (vec![], vec![], vec![]);
        for at in 0..part.data().len() {
            let hu = part.data()[at].0;
            if at > 0 && (0..90).contains(&hu) && (0..90).contains(&part.data()[at - 1].0) {
                steps.push((hu - part.data()[at - 1].0).abs());
            }
            let Some(place) = outline.place(part.centre(part.index(at))) else {
                continue;
            };
            if place.inside_mm > 0.0 && (-4.0..-1.5).contains(&place.depth_mm) {
                outside.push(hu);
            }
            if place.inside_mm > 0.0 && (SHELL_MM - 2.0..SHELL_MM + 2.0).contains(&place.depth_mm) {
                inside.push(hu);
            }
        }
        let air = |values: &mut Vec<i16>| median(values).is_some_and(|hu| hu < -300);
        Self {
            // Scalp and muscle; dura and liquor.
            outside_hu: if air(&mut outside) { -1000.0 } else { 42.0 },
            inside_hu: if air(&mut inside) { -1000.0 } else { 22.0 },
            // The median step of two neighbours is 0.95 deviations.
            noise_hu: median(&mut steps)
                .map_or(4.0, |step| (f32::from(step) / 0.95).clamp(1.0, 30.0)),
        }
    }

    /// HU at a depth under the outer table.
    fn at(&self, depth_mm: f64) -> f32 {
        let t = (depth_mm / 8.0).clamp(0.0, 1.0) as f32;
        self.outside_hu + (self.inside_hu - self.outside_hu) * t
    }
}

fn median(values: &mut [i16]) -> Option<i16> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}
