//! Tables: the outer table and the thickness of bone, carried from the ring around a hole over it. The other half of
//! the head guides them where it has bone, the prior of the vault everywhere, the network where all bone is far.

use super::around::{Around, Begins, RING_MM};
use super::asked::Asked;
use super::chart::Sheet;
use super::foreseen::Foreseen;
use super::mirrored::Mirrored;
use super::plate::{Stiffness, Wish, solve};
use super::rays::{NEAR_PLATE, Rays, Window};
use super::said::Said;
use super::uncertainty::Uncertainty;
use super::vault::Vault;

/// How strongly the network holds the plate where the bone is far: reach 18 mm.
const NETWORK_WEIGHT: f64 = 1e-5;
/// Nearer to the rim than the first the plate is better than the network; farther from it than the second the plate is
/// a guess, mm. Measured with a starter on 24 holes of 8 `val` skulls: a pull of reach 10 mm everywhere cost 0.03 of
/// DSC in the mean, no pull 0.05 in a hole of 114 mm.
const NETWORK_DEPTH_MM: (f64, f64) = (25.0, 60.0);

/// What helps the plate over the hole.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    /// The other half of the head.
    pub(super) mirrored: Option<Mirrored>,
    /// What is expected of a skull like this one.
    pub(super) foreseen: Option<Foreseen>,
}

impl Rays {
    /// Carries outer table and thickness over the hole by what the bone far from it says, before anything else is known.
    pub(super) fn first_tables(&self, vault: &mut Vault, window: Window) {
        let around = Around::read(self, vault, window, Begins::Steady);
        self.carry(vault, around, false, &Others::default());
    }

    /// Reads the ring and carries outer table and thickness over the hole. `network`: it covers the hole.
    pub(super) fn tables(&self, vault: &mut Vault, begins: Begins, network: bool, others: &Others) {
        let around = Around::read(self, vault, NEAR_PLATE, begins);
        self.carry(vault, around, network, others);
    }

    fn carry(&self, vault: &mut Vault, mut around: Around, network: bool, others: &Others) {
        let foreseen = (others.foreseen.as_ref()).and_then(|f| f.joined(&mut around));
        let other = others.mirrored.as_ref().and_then(|m| m.wanted(&around));
        vault.mirrored_share = other.as_ref().map_or(0.0, |other| other.covered);
        vault.foreseen_share = foreseen.as_ref().map_or(0.0, |f| share(&f.outer, &around));
        let mut wishes = around.held();
        if network {
            self.network(&around, &mut wishes);
        }
        let mut outer = around.outer(&wishes);
        let asked = Asked {
            around: &around,
            mirrored: other.as_ref(),
            foreseen: foreseen.as_ref(),
        };
        let outer_variance = asked.outer(&outer, &mut wishes);
        if asked.anybody() {
            outer = around.outer(&wishes);
        }
        let (thickness, thickness_variance) = asked.thickness();
        vault.thickness = thickness;
        vault.uncertainty =
            Uncertainty::of(&outer_variance, &thickness_variance).mapped(&outer, &outer_variance);
        vault.step_p95 = step_p95(&around, &outer);
        // Beyond the ring nothing was solved: what was expected stays.
        for n in 0..outer.data.len() {
            if !around.inside.data[n] {
                outer.data[n] = vault.outer.data[n];
            }
        }
        vault.outer = outer;
    }

    /// Wishes of the network in the hole: its outer surface, minus what it errs at the border carried inwards.
    fn network(&self, around: &Around, wishes: &mut Sheet<Wish>) {
        let plate = &around.plate;
        let height: Vec<Option<f64>> = (0..plate.data.len())
            .map(|n| {
                let (u, v) = plate.mm(n);
                let seen = self.predicted.nearest(u, v).flatten();
                seen.map(f64::from).filter(|_| around.far_mm[n] <= 0.0)
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
                    .any(|&m| around.far_mm[m] > 0.0)
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
        let error = solve(&plate.with(error), &around.inside, Stiffness::Membrane);
        for (n, h) in height.iter().enumerate() {
            if let Some(h) = h {
                wishes.data[n] = Wish {
                    height_mm: around.bent(h - error.data[n]),
                    weight: NETWORK_WEIGHT * ramp(around.depth_mm[n], NETWORK_DEPTH_MM),
                };
            }
        }
    }
}

/// From 0 at the first end to 1 at the second, smooth at both.
pub(super) fn ramp(x: f64, (from, to): (f64, f64)) -> f64 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// How far the ring lies off a table near the hole, 95th percentile, mm.
fn step_p95(around: &Around, outer: &Sheet<f64>) -> f64 {
    let mut steps: Vec<f64> = (0..outer.data.len())
        .filter(|&n| around.far_mm[n] <= RING_MM.0 + 4.0)
        .filter_map(|n| around.ring.data[n].map(|wall| (wall.1 - outer.data[n]).abs()))
        .collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() * 95 / 100).copied().unwrap_or(0.0)
}

/// Share of the hole of which something is said.
fn share(said: &[Said], around: &Around) -> f64 {
    let hole = (0..said.len()).filter(|&n| around.hole(n));
    let all = hole.clone().count();
    hole.filter(|&n| said[n].is_some()).count() as f64 / all.max(1) as f64
}
