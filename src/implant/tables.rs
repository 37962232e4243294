//! Tables: the outer table and the thickness of bone, read off the rays around a hole and carried over it. The other
//! half of the head guides them where it has bone, the network where all bone is far.

use super::chart::Sheet;
use super::mirrored::{self, Around, Mirrored};
use super::plate::{Stiffness, Wish, solve};
use super::rays::{RAY_MM, Rays, Window};
use super::vault::{NODE_MM, Vault};
use crate::volume::{Volume, distance};

/// The ring that is read: nearer to the hole the bone is bevelled or blurred, farther off it says little.
const RING_MM: (f64, f64) = (4.0, 18.0);
/// A node of the ring that lies farther than this off the plate is not outer table (zygoma, linea temporalis).
const OUTLIERS_MM: [f64; 3] = [8.0, 4.0, 2.5];
/// How strongly the ring holds the plate: reach 2 mm.
const RING_WEIGHT: f64 = 0.05;
/// How strongly the network holds the plate where the bone is far: reach 18 mm.
const NETWORK_WEIGHT: f64 = 1e-5;
/// Nearer to the rim than the first the plate is better than the network; farther from it than the second the plate is
/// a guess, mm. Measured with a starter on 24 holes of 8 `val` skulls: a pull of reach 10 mm everywhere cost 0.03 of
/// DSC in the mean, no pull 0.05 in a hole of 114 mm.
const NETWORK_DEPTH_MM: (f64, f64) = (25.0, 60.0);
/// Bone of the other side is taken as no thinner than this, mm.
const THINNEST_MM: f64 = 1.5;
/// How strongly the ring holds the thickness: reach 3 mm.
const THICKNESS_WEIGHT: f64 = 0.1;

/// What helps the plate over the hole.
#[derive(Clone, Copy, Default)]
pub(super) struct Guides<'a> {
    /// The network covers the hole.
    pub(super) network: bool,
    /// The other half of the head.
    pub(super) mirrored: Option<&'a Mirrored>,
}

impl Rays {
    /// The plate's coordinate, its own inverse: R^2 / r. A sphere is constant in it and a plane nearly linear; in
    /// r itself a flat temple 70 mm wide would be carried 1.5 mm too deep.
    fn bent(&self, r: f64) -> f64 {
        self.chart.radius_mm * self.chart.radius_mm / r.max(1.0)
    }

    /// Reads the ring and carries outer table and thickness over the hole.
    pub(super) fn tables(&self, vault: &mut Vault, window: Window, guides: Guides<'_>) {
        let nodes = vault.outer.clone();
        let bent = |h: f64| self.bent(h);
        let from_hole = distance::distance_mm(&vault.hole.volume());
        let distance_at = |u: f64, v: f64| sheet_value(&vault.hole, &from_hole, u, v);
        let far: Vec<f64> = (0..nodes.data.len())
            .map(|n| {
                let (u, v) = nodes.mm(n);
                f64::from(distance_at(u, v))
            })
            .collect();
        let inside = nodes.with(far.iter().map(|&d| d <= RING_MM.1 + NODE_MM).collect());
        let expected = &vault.outer;
        let ring: Vec<Option<(f64, f64)>> = (0..nodes.data.len())
            .map(|n| {
                if far[n] < RING_MM.0 || far[n] > RING_MM.1 {
                    return None;
                }
                let (u, v) = nodes.mm(n);
                self.mean_wall(u, v, expected.sample(u, v), window)
            })
            .collect();
        let mut weight: Vec<f64> = ring
            .iter()
            .map(|w| if w.is_some() { RING_WEIGHT } else { 0.0 })
            .collect();
        let wish = |weight: &[f64]| {
            nodes.with(
                (ring.iter().zip(weight))
                    .map(|(w, &weight)| Wish {
                        height_mm: w.map_or(0.0, |w| bent(w.1)),
                        weight,
                    })
                    .collect(),
            )
        };
        let plate = |wishes: &Sheet<Wish>| {
            let mut sheet = solve(wishes, &inside, Stiffness::Plate);
            for (h, &inside) in sheet.data.iter_mut().zip(&inside.data) {
                *h = if inside { bent(*h) } else { 0.0 };
            }
            sheet
        };
        let mut outer = plate(&wish(&weight));
        // What does not lie on the plate is no outer table, and the plate must not follow it: the farthest goes first.
        for tolerance in OUTLIERS_MM {
            for (n, w) in ring.iter().enumerate() {
                let off = w.map(|w| (w.1 - outer.data[n]).abs());
                weight[n] = if off.is_some_and(|off| off <= tolerance) {
                    RING_WEIGHT
                } else {
                    0.0
                };
            }
            outer = plate(&wish(&weight));
        }
        let read = (0..nodes.data.len()).map(|n| ring[n].filter(|_| weight[n] > 0.0));
        let read = nodes.with(read.collect());
        let depth = depths(&vault.hole, &nodes);
        let around = Around {
            ring: &read,
            inside: &inside,
            depth_mm: &depth,
            plate: &outer,
        };
        let other = guides.mirrored.and_then(|m| m.wanted(&around));
        if guides.network || other.is_some() {
            let mut pulled = wish(&weight);
            if guides.network {
                self.network(&outer, (&far, &depth), &inside, &mut pulled);
            }
            // Where both have an opinion, bone counts more than a guess.
            if let Some(other) = &other {
                let heights = other.outer.iter().map(|mm| mm.map(bent));
                overrule(
                    &mut pulled.data,
                    heights,
                    other.say * mirrored::OUTER_WEIGHT,
                );
            }
            outer = plate(&pulled);
        }
        let mut thickness: Vec<Wish> = (ring.iter().zip(&weight))
            .map(|(w, &weight)| Wish {
                height_mm: w.map_or(0.0, |(inner, outer)| outer - inner),
                weight: if weight > 0.0 { THICKNESS_WEIGHT } else { 0.0 },
            })
            .collect();
        if let Some(other) = &other {
            let heights = other
                .thickness
                .iter()
                .map(|mm| mm.map(|mm| mm.max(THINNEST_MM)));
            overrule(
                &mut thickness,
                heights,
                other.say * mirrored::THICKNESS_WEIGHT,
            );
        }
        vault.mirrored_share = other.as_ref().map_or(0.0, |other| other.covered);
        let thickness = solve(&nodes.with(thickness), &inside, Stiffness::Membrane);
        let near = |n: usize| weight[n] > 0.0 && far[n] <= RING_MM.0 + 4.0;
        let mut steps: Vec<f64> = (0..nodes.data.len())
            .filter(|&n| near(n))
            .filter_map(|n| ring[n].map(|w| (w.1 - outer.data[n]).abs()))
            .collect();
        steps.sort_by(f64::total_cmp);
        vault.step_p95 = steps.get(steps.len() * 95 / 100).copied().unwrap_or(0.0);
        // Beyond the ring nothing was solved: what was expected stays.
        for n in 0..nodes.data.len() {
            if !inside.data[n] {
                outer.data[n] = vault.outer.data[n];
            }
        }
        vault.outer = outer;
        vault.thickness = thickness;
    }

    /// Wishes of the network in the hole: its outer surface, minus what it errs at the border carried inwards. `far` is
    /// the distance to the hole, `depth` that to the rim from within, mm.
    fn network(
        &self,
        plate: &Sheet<f64>,
        (far, depth): (&[f64], &[f64]),
        inside: &Sheet<bool>,
        wishes: &mut Sheet<Wish>,
    ) {
        let height: Vec<Option<f64>> = (0..plate.data.len())
            .map(|n| {
                let (u, v) = plate.mm(n);
                let seen = self.predicted.nearest(u, v).flatten();
                seen.map(f64::from).filter(|_| far[n] <= 0.0)
            })
            .collect();
        // The border: nodes of the hole with a neighbour outside it.
        let side = plate.side;
        let at_border = |n: usize| {
            let (x, y) = (n % side, n / side);
            x > 1
                && y > 1
                && x + 2 < side
                && y + 2 < side
                && [n - 2, n + 2, n - 2 * side, n + 2 * side]
                    .iter()
                    .any(|&m| far[m] > 0.0)
        };
        let error: Vec<Wish> = (0..plate.data.len())
            .map(|n| match height[n] {
                Some(h) if at_border(n) => Wish {
                    height_mm: h - plate.data[n],
                    weight: 1.0,
                },
                _ => Wish::default(),
            })
            .collect();
        if error.iter().all(|w| w.weight == 0.0) {
            return;
        }
        let error = solve(&plate.with(error), inside, Stiffness::Membrane);
        for (n, h) in height.iter().enumerate() {
            if let Some(h) = h {
                wishes.data[n] = Wish {
                    height_mm: self.bent(h - error.data[n]),
                    weight: NETWORK_WEIGHT * ramp(depth[n], NETWORK_DEPTH_MM),
                };
            }
        }
    }

    /// Mean wall of the rays around a node: half of the noise of one ray.
    pub(super) fn mean_wall(
        &self,
        u: f64,
        v: f64,
        expected: f64,
        window: Window,
    ) -> Option<(f64, f64)> {
        let (mut sum, mut n) = ((0.0, 0.0), 0.0);
        let half = (self.predicted.side as f64 - 1.0) / 2.0;
        let (x, y) = ((u / RAY_MM + half).round(), (v / RAY_MM + half).round());
        for dy in -1..=1 {
            for dx in -1..=1 {
                let (x, y) = (x + f64::from(dx), y + f64::from(dy));
                let last = self.predicted.side as f64 - 1.0;
                if x < 0.0 || y < 0.0 || x > last || y > last {
                    continue;
                }
                let cell = y as usize * self.predicted.side + x as usize;
                if let Some((inner, outer)) = self.wall(cell, expected, window) {
                    sum = (sum.0 + inner, sum.1 + outer);
                    n += 1.0;
                }
            }
        }
        // A node with few walls around it lies on an edge.
        (n >= 6.0).then(|| (sum.0 / n, sum.1 / n))
    }
}

/// Puts the heights that are there in place of what was wished.
fn overrule(wishes: &mut [Wish], heights: impl Iterator<Item = Option<f64>>, weight: f64) {
    for (wish, height) in wishes.iter_mut().zip(heights) {
        if let Some(height_mm) = height {
            *wish = Wish { height_mm, weight };
        }
    }
}

/// How far each node of the hole lies from its rim, mm; 0 outside it.
fn depths(hole: &Sheet<bool>, nodes: &Sheet<f64>) -> Vec<f64> {
    let rest = hole.with(hole.data.iter().map(|hole| !hole).collect());
    let to_rim = distance::distance_mm(&rest.volume());
    let depth = |n: usize| {
        let (u, v) = nodes.mm(n);
        f64::from(sheet_value(hole, &to_rim, u, v))
    };
    (0..nodes.data.len()).map(depth).collect()
}

/// From 0 at the first end to 1 at the second, smooth at both.
pub(super) fn ramp(x: f64, (from, to): (f64, f64)) -> f64 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The value at (u, v) of a flat volume made from a sheet.
fn sheet_value(sheet: &Sheet<bool>, values: &Volume<f32>, u: f64, v: f64) -> f32 {
    let half = (sheet.side as f64 - 1.0) / 2.0;
    let place = |x: f64| {
        (x / sheet.step_mm + half)
            .round()
            .clamp(0.0, sheet.side as f64 - 1.0) as usize
    };
    values.data()[place(v) * sheet.side + place(u)]
}
