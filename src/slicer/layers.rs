//! Layers: from a placed part to the toolpaths of every layer.
//!
//! Holds: a layer's paths depend on this part and its neighbouring layers only, so layers are worked in parallel
//!        and come out the same for any number of threads.

use super::SliceError;
use super::cut::Solid;
use super::field::Field;
use super::infill::{Angle, gyroid, straight};
use super::lattice;
use super::path::{Group, LayerPaths, Path, Role};
use super::place::Placed;
use super::plane::{Corner, Region, Spot, Um};
use super::seam::centre_um;
use super::settings::{Line, Recipe};
use super::support::{self, Foot, Support};
use super::told::Light;
use super::walls;
use rayon::prelude::*;

/// Islands smaller than this leave nothing worth drawing, mm2.
const ISLAND_MIN_MM2: f64 = 0.02;

/// One part, cut and supported.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// What the part is in each layer.
    pub(super) regions: Vec<Region>,
    /// What holds it.
    pub(super) supports: Vec<Support>,
    /// Layers of its brim.
    brim_layers: usize,
    /// Centre of the sphere that fits the part best: its inner face looks there.
    centre_um: [f64; 3],
    /// How much of its inside is to be filled, where that was told.
    field: Option<Field<'a>>,
}

impl<'a> Part<'a> {
    /// Cuts a placed part into layers and grows its supports.
    pub(super) fn new(
        placed: &Placed,
        light: Option<Light<'a>>,
        recipe: &Recipe,
    ) -> Result<Self, SliceError> {
        let solid = Solid::new(&placed.mesh)?;
        let count = recipe.layers(Um(solid.top_um()));
        let heights: Vec<i32> = (0..count).map(|layer| recipe.middle(layer).0).collect();
        let regions: Vec<Region> = solid
            .crossings(&heights)
            .par_iter()
            .zip(&heights)
            .enumerate()
            .map(|(layer, (list, &z))| {
                let grow = recipe.settings.xy_mm
                    - if layer == 0 {
                        recipe.settings.elephant_mm
                    } else {
                        0.0
                    };
                Region::from_contours(&solid.contours(z, list))
                    .simplified(recipe.resolution())
                    .offset(Um::from_mm(grow), Corner::Sharp)
                    .larger_than(ISLAND_MIN_MM2)
            })
            .collect();
        let supports = if recipe.settings.support {
            let none = Region::default();
            let foot = Foot::new(regions.first().unwrap_or(&none), placed.brim_layers, recipe);
            support::grow(&regions, &foot, recipe)
        } else {
            vec![Support::default(); count]
        };
        Ok(Self {
            regions,
            supports,
            brim_layers: placed.brim_layers,
            centre_um: centre_um(&placed.mesh),
            field: light.and_then(|light| Field::new(light, &placed.to_bed)),
        })
    }

    /// The integral of the field over the part, layer by layer, mm3; its volume where nothing was told.
    pub(super) fn asked_mm3(&self, recipe: &Recipe) -> f64 {
        let layer = |(n, region): (usize, &Region)| {
            let mean = (self.field).map_or(1.0, |field| field.mean(region, recipe.middle(n)));
            mean * region.area_mm2() * recipe.height(n).mm()
        };
        let layers: Vec<f64> = (self.regions.par_iter().enumerate()).map(layer).collect();
        layers.iter().sum()
    }

    /// The part's groups in one layer: support first, then each island.
    fn draw(&self, layer: usize, recipe: &Recipe) -> LayerPaths {
        let Some(region) = self.regions.get(layer) else {
            return LayerPaths::default();
        };
        let held = layer
            .checked_sub(1)
            .map(|below| self.regions[below].offset(Um(recipe.width.0 / 2), Corner::Round));
        let islands = region.islands().map(|island| {
            // An outer wall over air wants its inner neighbour to hold on to; elsewhere drawing it first keeps
            // the outline true.
            let overhangs = held
                .as_ref()
                .is_some_and(|held| !island.minus(held).opened(Um(200)).is_empty());
            self.island(&island, layer, recipe, overhangs)
        });
        LayerPaths {
            first: vec![support::draw(
                &self.supports[layer],
                recipe,
                layer,
                layer < self.brim_layers.max(1),
            )],
            islands: islands.filter(|g| !g.is_empty()).collect(),
        }
    }

    fn island(&self, island: &Region, layer: usize, recipe: &Recipe, overhangs: bool) -> Group {
        let walls = walls::draw(island, recipe, layer);
        let line = recipe.line(layer);
        let angle = if layer.is_multiple_of(2) {
            Angle::Rising
        } else {
            Angle::Falling
        };
        let (solid, light) = self.solid_and_light(&walls.inside, layer, recipe);
        let mut fill = straight(&solid, line, line.spacing(), angle, Role::Solid);
        if light.is_empty() {
            let drawn = [&walls.external, &walls.inner, &walls.thin];
            balance(
                &mut fill,
                room_mm2(island, drawn.into_iter().flatten(), line),
                line,
            );
        }
        if let Some(field) = &self.field {
            if !light.is_empty() {
                balance(&mut fill, solid.area_mm2(), line);
            }
            let z = recipe.middle(layer);
            fill.extend(lattice::draw(&light, line, field, recipe.cell, z));
        } else if recipe.settings.infill > 0.0 {
            fill.extend(gyroid(
                &light,
                line,
                recipe.settings.infill,
                recipe.middle(layer),
            ));
        }
        let [x, y, _] = self.centre_um;
        Group {
            steps: if overhangs {
                vec![walls.inner, walls.external, walls.thin, fill]
            } else {
                vec![walls.external, walls.inner, walls.thin, fill]
            },
            inner_face: Some(Spot::new(x.round() as i32, y.round() as i32)),
        }
    }

    /// Splits what the walls leave: solid where fewer than `skin_layers` of the part lie above or below.
    fn solid_and_light(&self, inside: &Region, layer: usize, recipe: &Recipe) -> (Region, Region) {
        if recipe.settings.is_solid() && self.field.is_none() {
            return (inside.clone(), Region::default());
        }
        let skin = recipe.settings.skin_layers as usize;
        let neighbours = (1..=skin).flat_map(|n| [layer.checked_sub(n), Some(layer + n)]);
        let mut covered = inside.clone();
        for neighbour in neighbours {
            covered = match neighbour.and_then(|l| self.regions.get(l)) {
                Some(region) => covered.intersect(region),
                None => Region::default(),
            };
        }
        if let Some(field) = &self.field {
            let below = (covered.bounds()).map(|bounds| field.light(bounds, recipe.middle(layer)));
            let light = covered.intersect(&below.unwrap_or_default());
            let light = light.opened(Um(recipe.width.0 * 2));
            if light.is_empty() {
                return (inside.clone(), light);
            }
            // What is too narrow beside it for lines of its own is filled as the field says: densely.
            let wide = inside.minus(&light).opened(Um(recipe.width.0 * 3 / 2));
            let beside = |island: &Region| !island.intersect(&light).is_empty();
            let light = (inside.minus(&wide).islands().filter(beside))
                .fold(Region::default(), |all, one| all.union(&one));
            return (inside.minus(&light), light);
        }
        // Skin reaches a line and a half under the light filling, and slivers between skins are filled too.
        let light = covered.opened(Um(recipe.width.0 * 3));
        let solid = inside.minus(&light);
        let light = light.minus(&solid.offset(Um(recipe.width.0 / 4), Corner::Round));
        (solid, light)
    }
}

/// Lines of the filling may be made this much thinner, of their spacing; the gaps that this leaves are a twentieth of a line.
const THINNER: f64 = 0.95;
/// They may be made this much thicker.
const THICKER: f64 = 1.05;

/// What a path fills, mm2.
fn area_mm2(path: &Path, line: Line) -> f64 {
    let line = Line {
        width: path.width,
        ..line
    };
    path.length_mm() * line.spacing().mm()
}

/// What an island's walls leave to be filled, mm2.
fn room_mm2<'a>(island: &Region, walls: impl Iterator<Item = &'a Path>, line: Line) -> f64 {
    island.area_mm2() - walls.map(|path| area_mm2(path, line)).sum::<f64>()
}

/// Gives the lines of a solid filling the width at which they get as much plastic as there is room for: their ends reach
/// into the walls, their joints lie on them, and each strip is a whole number of lines.
fn balance(fill: &mut [Path], room_mm2: f64, line: Line) {
    let filled: f64 = fill.iter().map(|path| area_mm2(path, line)).sum();
    if filled <= 0.0 {
        return;
    }
    let share = (room_mm2 / filled).clamp(THINNER, THICKER);
    let change = Um::from_mm(line.spacing().mm() * (share - 1.0));
    for path in fill {
        path.width = Um(path.width.0 + change.0);
    }
}

/// Toolpaths of every layer, brim included.
pub(super) fn draw(parts: &[Part<'_>], recipe: &Recipe) -> Vec<LayerPaths> {
    let count = parts.iter().map(|p| p.regions.len()).max().unwrap_or(0);
    let mut layers: Vec<LayerPaths> = (0..count)
        .into_par_iter()
        .map(|layer| {
            let mut all = LayerPaths::default();
            for part in parts {
                let one = part.draw(layer, recipe);
                all.first.extend(one.first);
                all.islands.extend(one.islands);
            }
            all
        })
        .collect();
    for (layer, brim) in brims(parts, recipe).into_iter().enumerate() {
        if let Some(paths) = layers.get_mut(layer) {
            paths.first.insert(0, brim);
        }
    }
    layers
}

/// The brim, layer by layer: round everything that stands on the bed, and again round narrow stands, within the first one.
fn brims(parts: &[Part<'_>], recipe: &Recipe) -> Vec<Group> {
    let count = parts.iter().map(|part| part.brim_layers).max().unwrap_or(0);
    let base = |layer: usize| {
        (parts.iter()).filter(|part| layer < part.brim_layers).fold(
            Region::default(),
            |all, part| {
                let held = part.supports.get(layer).map(|s| &s.all);
                let part = part.regions.get(layer);
                [held, part]
                    .into_iter()
                    .flatten()
                    .fold(all, |all, r| all.union(r))
            },
        )
    };
    let ground = base(0);
    let within = ground.offset(Um::from_mm(recipe.settings.brim_mm), Corner::Round);
    (0..count)
        .map(|layer| support::brim(&base(layer), &within, layer, recipe))
        .collect()
}
