//! Supports: what stands under overhangs, with a gap of one layer above and below it.
//!
//! In:    regions of one part, layer by layer, from the bed up, and the brim round its foot.
//! Out:   for each layer the region of support, and within it the dense interface right under the part.
//! Holds: what is spanned from side to side ([`SPANNED`]) gets none. Support never touches the part: `XY_GAP` beside it, one layer above and below. Within the brim there is none:
//!        the brim touches the part, carries what hangs right over it, and columns stand on it.

use super::infill::{Angle, straight};
use super::path::{Group, Path, Role};
use super::plane::{Corner, Region, Spot, Um};
use super::settings::Recipe;
use rayon::prelude::*;

/// Layers without support between it and the part, above and below.
const GAP_LAYERS: usize = 1;
/// Dense layers under the part.
const INTERFACE_LAYERS: usize = 2;
/// Free space beside the part, of a line's width: for the interface, and for the columns under it, which need not come as
/// near and would lie against slopes that carry themselves.
const XY_GAP: f64 = 0.55;
const COLUMN_GAP: f64 = 0.75;
/// The interface reaches this far beyond the overhang, of a line's width.
const ROOF: f64 = 0.6;
/// It is to be this wide, of a line's width, less what two layers of the part give way: where little overhang is supported,
/// that is little, and the interface reaches further.
const ROOF_WIDE: f64 = 1.6;
/// Distance of support lines.
const PITCH: Um = Um(2_000);
/// Distance of support lines in a column's foot.
const BED_PITCH: Um = Um(800);
/// What is no wider than this between two sides of the layer below is spanned without support: the roof of a perforation.
const SPANNED: Um = Um(4_400);
/// Looks for the two sides: so many directions of half a turn, so far apart, um.
const SPAN_WAYS: i32 = 12;
const SPAN_STEP: i32 = 200;
/// Overhangs are told from the roughness of the cut by this much: they begin as much earlier and must be as wide.
const ROUGHNESS: Um = Um(30);
/// Support reaches this far beyond the overhang: a column under a rim's tip must stand by itself.
const REACH: Um = Um(1_000);
/// Unions of many layers fray; columns need no finer outline than this.
const SIMPLIFY: Um = Um(200);
/// Smallest column, mm2.
const COLUMN_MIN_MM2: f64 = 1.0;

/// Support of one layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Support {
    /// All of it.
    pub(super) all: Region,
    /// The dense part of it.
    pub(super) interface: Region,
}

/// The brim of one part, as what hangs over it and stands on it sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Foot {
    layers: usize,
    /// What its loops cover.
    all: Region,
    /// Where a column may stand on it with all of its reach.
    firm: Region,
}

impl Foot {
    /// The brim of so many layers round what lies on the bed.
    pub(super) fn new(first: &Region, layers: usize, recipe: &Recipe) -> Self {
        if layers == 0 || recipe.settings.brim_mm <= 0.0 {
            return Self::default();
        }
        let wide = Um::from_mm(recipe.settings.brim_mm);
        let grown = |by: Um| first.offset(by, Corner::Round);
        Self {
            layers,
            all: grown(wide),
            firm: grown(Um((wide.0 - REACH.0).max(0))),
        }
    }
}

/// What hangs over air in one layer.
#[derive(Clone, Debug, Default)]
struct Overhang {
    /// Where columns have to stand for it.
    columns: Region,
    /// Where the part lies on them.
    roof: Region,
}

/// How far a layer may stand out over the one below.
fn ledge(layer: usize, recipe: &Recipe) -> Um {
    Um::from_mm(recipe.height(layer).mm() * recipe.settings.overhang_deg.to_radians().tan())
}

/// The overhang of one layer: what stands out further than the setting allows.
fn overhang(regions: &[Region], layer: usize, foot: &Foot, recipe: &Recipe) -> Overhang {
    let Some(below) = layer.checked_sub(1) else {
        return Overhang::default();
    };
    let ledge = ledge(layer, recipe);
    let rough = ROUGHNESS.min(Um(ledge.0 / 2));
    let held = regions[below].offset(Um(ledge.0 - rough.0), Corner::Round);
    let mut bare = regions[layer].minus(&held);
    if layer <= foot.layers {
        bare = bare.minus(&foot.all);
    }
    let bare = unspanned(bare.opened(rough), &held);
    let width = recipe.width.mm();
    let roof_mm = (ROOF * width).max(ROOF_WIDE * width - 2.0 * ledge.mm());
    Overhang {
        columns: bare.offset(REACH, Corner::Sharp).simplified(SIMPLIFY),
        roof: bare.offset(Um::from_mm(roof_mm), Corner::Sharp),
    }
}

/// What hangs over without the small pieces that are spanned from side to side: the roofs of perforations.
fn unspanned(bare: Region, held: &Region) -> Region {
    let (spanned, rest): (Vec<Region>, Vec<Region>) =
        bare.islands().partition(|island| is_spanned(island, held));
    if spanned.is_empty() {
        return bare;
    }
    rest.iter()
        .fold(Region::default(), |all, island| all.union(island))
}

/// Has each corner of a small piece something that holds on two opposite sides, no farther apart than [`SPANNED`]?
fn is_spanned(island: &Region, held: &Region) -> bool {
    let Some((low, high)) = island.bounds() else {
        return false;
    };
    let far = SPANNED.0;
    let size = (high.x - low.x).max(high.y - low.y);
    if size > far + far / 4 {
        return false;
    }
    let (west, south, east, north) = (low.x - far, low.y - far, high.x + far, high.y + far);
    let corners = [(west, south), (east, south), (east, north), (west, north)];
    let around = corners.map(|(x, y)| Spot { x, y }).to_vec();
    let near = held.intersect(&Region::from_contours(&[around]));
    let steps = far / SPAN_STEP;
    let holds = |spot: Spot, along: [f64; 2]| {
        (0..=steps).find(|n| {
            let [x, y] = along.map(|a| (a * f64::from(n * SPAN_STEP)).round() as i32);
            near.contains(Spot {
                x: spot.x + x,
                y: spot.y + y,
            })
        })
    };
    island.contours().flatten().all(|&spot| {
        (0..SPAN_WAYS).any(|way| {
            let angle = f64::from(way) * std::f64::consts::PI / f64::from(SPAN_WAYS);
            let along = [angle.cos(), angle.sin()];
            let one = holds(spot, along);
            let other = one.and_then(|_| holds(spot, along.map(|a| -a)));
            one.zip(other).is_some_and(|(a, b)| a + b <= steps)
        })
    })
}

/// Grows supports from the top down, to the bed or to the brim.
pub(super) fn grow(regions: &[Region], foot: &Foot, recipe: &Recipe) -> Vec<Support> {
    let count = regions.len();
    let overhangs: Vec<Overhang> = (0..count)
        .into_par_iter()
        .map(|layer| overhang(regions, layer, foot, recipe))
        .collect();
    let [gap, column_gap] =
        [XY_GAP, COLUMN_GAP].map(|share| Um::from_mm(share * recipe.width.mm()));
    let mut supports = vec![Support::default(); count];
    let mut column = Region::default();
    for layer in (0..count).rev() {
        let above = layer + 1 + GAP_LAYERS;
        // Right under the part support is no wider than it has to be, since every contact is a scar; columns begin below
        // the interface.
        if let Some(overhang) = overhangs.get(above + INTERFACE_LAYERS) {
            column = column.union(&overhang.columns);
        }
        let roof = overhangs[above.min(count)..(above + INTERFACE_LAYERS).min(count)]
            .iter()
            .fold(Region::default(), |all, o| all.union(&o.roof));
        if column.is_empty() && roof.is_empty() {
            continue;
        }
        let beside = regions[layer.saturating_sub(GAP_LAYERS)..=layer]
            .iter()
            .fold(Region::default(), |all, r| all.union(r));
        let [near, far] = [gap, column_gap].map(|gap| beside.offset(gap, Corner::Round));
        let wanted = column.minus(&far).union(&roof.minus(&near));
        // The layers in the gap above stay free as well, but need no room beside them.
        let mut free = (layer + 1..above)
            .filter_map(|l| regions.get(l))
            .fold(wanted, |left, r| left.minus(r));
        if layer < foot.layers {
            free = free.minus(&foot.firm);
        }
        let all = free.opened(recipe.width).larger_than(COLUMN_MIN_MM2);
        column = all.simplified(SIMPLIFY);
        supports[layer] = Support {
            interface: all.intersect(&roof),
            all,
        };
    }
    supports
}

/// Draws the support of one layer: a loop round each column, lines inside; closer ones in its foot, on the bed and in the brim.
pub(super) fn draw(support: &Support, recipe: &Recipe, layer: usize, is_foot: bool) -> Group {
    let line = recipe.line(layer);
    let mut steps = vec![Vec::new(), Vec::new()];
    for island in support.all.islands() {
        let centre = island.offset(Um(-line.width.0 / 2), Corner::Round);
        steps[0].extend(centre.contours().map(|contour| Path {
            role: Role::Support,
            width: line.width,
            closed: true,
            spots: contour.clone(),
        }));
    }
    let inside = support.all.offset(Um(-line.width.0), Corner::Round);
    let dense = support.interface.intersect(&inside);
    let sparse = inside.minus(&dense);
    // What stands on the bed has to hold there.
    let pitch = if is_foot { BED_PITCH } else { PITCH };
    steps[1].extend(straight(&sparse, line, pitch, Angle::Flat, Role::Support));
    // Lines of the roof lie side by side without pressing on one another, so that it peels off in one piece; those of
    // one layer cross those of the next.
    let across = if layer.is_multiple_of(2) {
        Angle::Rising
    } else {
        Angle::Falling
    };
    steps[1].extend(straight(&dense, line, line.width, across, Role::Interface));
    Group::plain(steps)
}

/// Loops round what stands in the brim in one layer, from outside inwards: as many as the brim is wide and as lie `within`
/// the brim on the bed.
pub(super) fn brim(base: &Region, within: &Region, layer: usize, recipe: &Recipe) -> Group {
    let line = recipe.line(layer);
    let spacing = line.spacing();
    let most = (recipe.settings.brim_mm / spacing.mm()).round() as i32;
    let reach = |k: i32| base.offset(Um(spacing.0 * k + line.width.0 / 2), Corner::Round);
    // A loop may stand out by half a line, as any wall may.
    let lies = |k: &i32| layer == 0 || reach(*k).minus(within).is_empty();
    let loops = (1..=most).rev().find(|k| lies(&(k - 1))).unwrap_or(0);
    let steps = (0..loops)
        .rev()
        .map(|k| {
            reach(k)
                .contours()
                .map(|contour| Path {
                    role: Role::Brim,
                    width: line.width,
                    closed: true,
                    spots: contour.clone(),
                })
                .collect()
        })
        .collect();
    Group::plain(steps)
}
