//! Supports: what stands under overhangs, with a gap of one layer above and below it.
//!
//! In:    regions of one part, layer by layer, from the bed up.
//! Out:   for each layer the region of support, and within it the dense interface right under the part.
//! Holds: support never touches the part: `XY_GAP` beside it, one layer above and below.

use super::infill::{Angle, straight};
use super::path::{Group, Path, Role};
use super::plane::{Corner, Region, Um};
use super::settings::Recipe;

/// Layers without support between it and the part, above and below.
const GAP_LAYERS: usize = 1;
/// Dense layers under the part.
const INTERFACE_LAYERS: usize = 2;
/// Free space beside the part: 60 % of a line and half a line for the part's own.
const XY_GAP: Um = Um(500);
/// Distance of support lines.
const PITCH: Um = Um(2_000);
/// Distance of interface lines.
const INTERFACE_PITCH: Um = Um(800);
/// Overhangs narrower than this hold by themselves.
const OVERHANG_MIN: Um = Um(300);
/// Support reaches this far beyond the overhang: a column under a rim's tip must stand by itself.
const REACH: Um = Um(1_000);
/// Unions of many layers fray; support needs no finer outline than this.
const SIMPLIFY: Um = Um(60);
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

/// Grows supports from the top down.
pub(super) fn grow(regions: &[Region], recipe: &Recipe) -> Vec<Support> {
    let count = regions.len();
    let mut needs = vec![Region::default(); count];
    for layer in 1..count {
        let reach = recipe.height(layer).mm() * recipe.settings.overhang_deg.to_radians().tan();
        let held = regions[layer - 1].offset(Um::from_mm(reach), Corner::Round);
        let bare = regions[layer].minus(&held);
        if bare.is_empty() {
            continue;
        }
        let wide = bare.opened(OVERHANG_MIN);
        if !wide.is_empty() {
            needs[layer] = wide.offset(REACH, Corner::Sharp);
        }
    }
    let mut supports = vec![Support::default(); count];
    let mut column = Region::default();
    for layer in (0..count).rev() {
        let above = layer + 1 + GAP_LAYERS;
        if let Some(need) = needs.get(above) {
            column = column.union(need);
        }
        if column.is_empty() {
            continue;
        }
        let near = regions[layer.saturating_sub(GAP_LAYERS)..=layer]
            .iter()
            .fold(Region::default(), |all, r| all.union(r));
        column = column
            .minus(&near.offset(XY_GAP, Corner::Round))
            .opened(recipe.width)
            .simplified(SIMPLIFY)
            .larger_than(COLUMN_MIN_MM2);
        let dense = (above..above + INTERFACE_LAYERS)
            .filter_map(|l| needs.get(l))
            .fold(Region::default(), |all, n| all.union(n));
        supports[layer] = Support {
            interface: column.intersect(&dense).opened(recipe.width),
            all: column.clone(),
        };
    }
    supports
}

/// Draws the support of one layer: a loop round each column, lines inside.
pub(super) fn draw(support: &Support, recipe: &Recipe, layer: usize) -> Group {
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
    // The first layer has to hold on the bed.
    let pitch = if layer == 0 { INTERFACE_PITCH } else { PITCH };
    steps[1].extend(straight(&sparse, line, pitch, Angle::Flat, Role::Support));
    steps[1].extend(straight(
        &dense,
        line,
        INTERFACE_PITCH,
        Angle::Rising,
        Role::Interface,
    ));
    Group::plain(steps)
}

/// Loops round everything that stands on the bed, from outside inwards.
pub(super) fn brim(base: &Region, recipe: &Recipe) -> Group {
    let line = recipe.line(0);
    let spacing = line.spacing();
    let loops = (recipe.settings.brim_mm / spacing.mm()).round() as i32;
    let steps = (0..loops)
        .rev()
        .map(|k| {
            base.offset(Um(spacing.0 * k + line.width.0 / 2), Corner::Round)
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
