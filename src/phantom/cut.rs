//! Cut: takes a piece of bone out of a head.
//!
//! Inside the rim, what is bone goes, from over the outer table to just under the inner one, wherever that runs. In a
//! CT the bone is closed by 2 mm first, so that the diploe goes with its tables, and grown by 1.6 mm, so that no
//! half-filled voxel stays; it becomes what lies around bone there: scalp outside falling to liquor inside, or air
//! where the head is a hollow model. The rim's weight is a smooth step, as a scanner would see a sawn wall.
//!
//! A place where no whole piece of vault would come out is drawn anew from the same seed, with the same chord.

use super::dice::{Dice, noise};
use super::outline::{Misfit, Outline, farthest, middle};
use super::site::{Defect, chords, site};
use super::{PhantomError, Recipe};
use crate::head::{self, Axes};
use crate::space::{Lps, Point, Vector};
use crate::volume::crop::{self, IndexBox};
use crate::volume::{Hu, Volume, components, morphology};

/// Bone this far outside the smoothed outer table still belongs to it.
const OVER_MM: f64 = 5.0;
/// Bone this far under the neighbourhood's deepest inner table still belongs to it.
const UNDER_MM: f64 = 2.0;
/// Nothing deeper than this under the outer table is looked at.
const DEEPEST_MM: f64 = 32.0;
/// Dura and liquor begin this far under the inner table.
const DURA_MM: f64 = 3.0;
/// Width of the rim's step, deviation.
const RIM_SD_MM: f64 = 0.6;
/// Share of the bone within the rim that must be one body.
const WHOLE_LEAST: f64 = 0.95;
/// Bone that stays between two holes.
const BRIDGE_MM: f64 = 15.0;
/// Places that are tried for a seed.
const TRIES: u64 = 400;
/// Streams of a seed's dice: the head has 0, a view 2; from 3 on one a try.
const CHORDS: u64 = 1;
const FIRST_TRY: u64 = 3;

/// A head with holes, and what was in them.
#[derive(Clone, Debug)]
pub struct Cut<T> {
    /// The head after the cut.
    pub changed: Volume<T>,
    /// The bone that was taken out; same grid.
    pub removed: Volume<bool>,
    /// What each hole measures.
    pub holes: Vec<Hole>,
}

/// A hole, measured on the bone that was in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hole {
    /// Greatest distance of two removed voxels' centres: the rim's chord on the outer table.
    pub chord_mm: f64,
    /// Bone taken out, mm3.
    pub mm3: f64,
    /// Its centre of mass.
    pub centroid: Point<Lps>,
}

/// A hole that is ready to be cut.
struct Piece {
    region: IndexBox,
    outline: Outline,
    /// Bone of the region, its diploe closed where that was wanted.
    bone: Volume<bool>,
    /// What goes; same grid.
    truth: Volume<bool>,
}

/// Cuts holes into a CT whose skull is `bone` (same grid).
///
/// # Errors
/// [`PhantomError::NoVault`] when there is no vault where a hole should be.
pub fn cut(ct: &Volume<Hu>, bone: &Volume<bool>, recipe: &Recipe) -> Result<Cut<Hu>, PhantomError> {
    let mut changed = ct.clone();
    let pieces = pieces(bone, recipe, |part| morphology::close_mm(&part, 2.0))?;
    for piece in &pieces {
        let grown = morphology::dilate_mm(&piece.bone, 1.6);
        let fill = Fill::around(ct, &piece.region, &piece.outline);
        for at in (0..grown.data().len()).filter(|&at| grown.data()[at]) {
            let Some((weight, depth)) = weight(&piece.outline, &grown, at) else {
                continue;
            };
            let whole = whole_offset(ct, &piece.region, &grown, at);
            let new =
                fill.at(depth) + fill.noise_hu * noise(recipe.seed ^ 0x5ca1_ab1e, whole as u64);
            let old = f32::from(changed.data()[whole].0);
            let mixed = old + (new - old) * weight as f32;
            changed.data_mut()[whole] = Hu(mixed.round() as i16);
        }
    }
    let (removed, holes) = taken(bone, &pieces);
    Ok(Cut {
        changed,
        removed,
        holes,
    })
}

/// Cuts holes into a skull mask.
///
/// # Errors
/// [`PhantomError::NoVault`] when there is no vault where a hole should be.
pub fn cut_mask(mask: &Volume<bool>, recipe: &Recipe) -> Result<Cut<bool>, PhantomError> {
    let pieces = pieces(mask, recipe, |part| part)?;
    let (removed, holes) = taken(mask, &pieces);
    let rest = (mask.data().iter().zip(removed.data()))
        .map(|(&bone, &gone)| bone && !gone)
        .collect();
    Ok(Cut {
        changed: mask.with(rest),
        removed,
        holes,
    })
}

/// The holes of a recipe on this skull: the first places of its seed where whole pieces of vault come out.
fn pieces(
    bone: &Volume<bool>,
    recipe: &Recipe,
    close: impl Fn(Volume<bool>) -> Volume<bool>,
) -> Result<Vec<Piece>, PhantomError> {
    let mut chords = chords(recipe.defect, &mut Dice::new(recipe.seed, CHORDS));
    if let Some(wanted) = recipe.chord_mm {
        chords.fill(wanted);
    }
    if chords.is_empty() {
        return Ok(vec![]);
    }
    let none = || PhantomError::NoVault(recipe.defect);
    let axes = if recipe.defect.in_own_axes() {
        head::axes(bone).ok_or_else(none)?
    } else {
        Axes::upright(middle(bone).ok_or_else(none)?)
    };
    for n in 0..TRIES {
        let mut dice = Dice::new(recipe.seed, FIRST_TRY + n);
        match attempt(bone, &axes, recipe.defect, &chords, &close, &mut dice) {
            Ok(pieces) => return Ok(pieces),
            Err(why) => tracing::trace!("{} hole, try {n}: {why:?}", recipe.defect),
        }
    }
    Err(none())
}

fn attempt(
    bone: &Volume<bool>,
    axes: &Axes,
    kind: Defect,
    chords: &[f64],
    close: &impl Fn(Volume<bool>) -> Volume<bool>,
    dice: &mut Dice,
) -> Result<Vec<Piece>, Misfit> {
    let outlines = (chords.iter().enumerate())
        .map(|(n, &chord)| Outline::lay(site(kind, n, chord, dice), bone, axes))
        .collect::<Result<Vec<_>, _>>()?;
    if let [one, other] = outlines.as_slice() {
        let other = other.rim(0.0);
        let near = |p: &Point<Lps>| other.iter().any(|q| q.minus(*p).length() < BRIDGE_MM);
        if one.rim(0.0).iter().any(near) {
            return Err(Misfit::Meets);
        }
    }
    let piece = |outline: Outline| {
        let region = region(bone, &outline).ok_or(Misfit::NoBone)?;
        let part = close(crop::crop(bone, &region));
        let inside =
            |at: usize| part.data()[at] && weight(&outline, &part, at).is_some_and(|w| w.0 >= 0.5);
        let truth = part.with((0..part.data().len()).map(inside).collect());
        let whole = components::largest_by(&truth, components::Connectivity::All);
        if (whole.count() as f64) < WHOLE_LEAST * truth.count().max(1) as f64 {
            return Err(Misfit::Pieces);
        }
        Ok(Piece {
            region,
            outline,
            bone: part,
            truth,
        })
    };
    outlines.into_iter().map(piece).collect()
}

/// All pieces on the skull's grid, and what they measure.
fn taken(bone: &Volume<bool>, pieces: &[Piece]) -> (Volume<bool>, Vec<Hole>) {
    let mut removed = bone.with(vec![false; bone.data().len()]);
    for Piece { region, truth, .. } in pieces {
        for (at, _) in truth.data().iter().enumerate().filter(|&(_, &set)| set) {
            let whole = whole_offset(&removed, region, truth, at);
            removed.data_mut()[whole] = true;
        }
    }
    let holes = pieces.iter().filter_map(|p| Hole::of(&p.truth)).collect();
    (removed, holes)
}

impl Hole {
    /// Measures a piece; `None` when it has no voxels.
    fn of(truth: &Volume<bool>) -> Option<Self> {
        // The farthest two voxels are the farthest in some direction each: 400 directions miss less than 0.1 %.
        let golden = 2.399_963_229_728_653_f64;
        let directions = (0..400).map(|n| {
            let z = (f64::from(n) + 0.5) / 400.0;
            let (s, c) = (f64::from(n) * golden).sin_cos();
            let flat = (1.0 - z * z).sqrt();
            Vector::<Lps>::new([flat * c, flat * s, z])
        });
        let points = skin(truth);
        let zero = Point::new([0.0; 3]);
        let extremes: Vec<Point<Lps>> = directions
            .flat_map(|d| {
                let along = |p: &&Point<Lps>| p.minus(zero).dot(d);
                let by = |a: &&Point<Lps>, b: &&Point<Lps>| along(a).total_cmp(&along(b));
                [points.iter().min_by(by), points.iter().max_by(by)]
            })
            .flatten()
            .copied()
            .collect();
        Some(Self {
            chord_mm: farthest(&extremes),
            mm3: truth.mm3(),
            centroid: truth.centroid()?,
        })
    }
}

/// Ends of the set voxels' rows along i: every extreme point is one.
fn skin(truth: &Volume<bool>) -> Vec<Point<Lps>> {
    let n = truth.shape()[0];
    let mut points = Vec::new();
    for (row, voxels) in truth.data().chunks_exact(n).enumerate() {
        let ends = [
            voxels.iter().position(|&v| v),
            voxels.iter().rposition(|&v| v),
        ];
        points.extend(
            ends.into_iter()
                .flatten()
                .map(|i| truth.centre(truth.index(row * n + i))),
        );
    }
    points
}

/// The box of voxels that a cut can touch, within the grid; `None` when it lies outside.
fn region(bone: &Volume<bool>, outline: &Outline) -> Option<IndexBox> {
    let to_ijk = bone.to_ijk();
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in outline.corners(OVER_MM + 4.0, DEEPEST_MM) {
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
    // tanh of 0.8 x / sd is the error function's step to 2 %.
    let weight = 0.5 * (1.0 + (0.8 * place.inside_mm / RIM_SD_MM).tanh());
    let depths = -OVER_MM..place.inner_mm + UNDER_MM;
    let taken = weight > 0.004 && depths.contains(&place.depth_mm);
    taken.then_some((weight, place.depth_mm))
}

fn whole_offset<T, U>(whole: &Volume<T>, region: &IndexBox, part: &Volume<U>, at: usize) -> usize {
    let index = part.index(at);
    whole.offset([0, 1, 2].map(|axis| index[axis] + region[axis].start))
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
            if place.inside_mm > 0.0
                && (DURA_MM..DURA_MM + 4.0).contains(&(place.depth_mm - place.inner_mm))
            {
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
