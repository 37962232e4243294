//! Around: the bone that was read in a ring around a hole, and the outer table that a thin plate carries from it over
//! the hole.

use super::chart::Sheet;
use super::plate::{Stiffness, Wish, solve};
use super::rays::{Rays, Window};
use super::vault::{NODE_MM, Vault};
use crate::volume::{Volume, distance};

/// The ring that is read: nearer to where the outer table ends the bone is blurred, or the last of a bevel, and the plate would
/// carry its slope over the hole; farther off it says little.
pub(super) const RING_MM: (f64, f64) = (4.0, 18.0);
/// The last stretch of a bevel is too shallow to be seen as one: so far beyond what is seen the bone is no outer table, mm.
const BEVEL_END_MM: f64 = 2.0;
/// The thickness is read from here on: on the same holes, nearer than the outer table's ring is better.
const THICK_MM: f64 = 2.0;
/// Before a bevel is known both are read from here on: what lies nearer may be one, and is too thin.
const STEADY_MM: f64 = 10.0;
/// A node of the ring that lies farther than this off the plate is not outer table (zygoma, linea temporalis).
const OUTLIERS_MM: [f64; 3] = [8.0, 4.0, 2.5];
/// How strongly the ring holds the plate: reach 2 mm.
pub(super) const RING_WEIGHT: f64 = 0.05;

/// Where the bone begins that is read.
#[derive(Clone, Copy)]
pub(super) enum Begins {
    /// Far enough for any bevel: none is known yet.
    Steady,
    /// Beyond hole and known bevel.
    AtBevel,
}

/// Inner and outer side of bone, mm from the chart's centre.
pub(super) type Wall = (f64, f64);

/// What the bone alone says, node by node of one sheet.
pub(super) struct Around {
    /// Walls that were read around the hole.
    pub(super) walls: Sheet<Option<Wall>>,
    /// Thickness of the bone around it, where both tables are there, mm.
    thick: Sheet<Option<f64>>,
    /// Those that belong to the vault.
    pub(super) ring: Sheet<Option<Wall>>,
    /// Nodes that take part: hole and ring.
    pub(super) inside: Sheet<bool>,
    /// How far a node lies from hole and bevel, mm; 0 in them.
    pub(super) far_mm: Vec<f64>,
    /// How far a node of hole or bevel lies from the rim of both, mm; 0 outside them.
    pub(super) depth_mm: Vec<f64>,
    /// The outer table as the ring alone has it, mm.
    pub(super) plate: Sheet<f64>,
    /// Of the chart, mm.
    radius_mm: f64,
}

impl Around {
    /// Reads the ring around a hole, from so far on, and lays a plate through it. What does not lie on the plate is no outer table, and
    /// the plate must not follow it: the farthest goes first.
    pub(super) fn read(rays: &Rays, vault: &Vault, window: Window, begins: Begins) -> Self {
        let (ring_mm, thick_mm) = match begins {
            Begins::Steady => (STEADY_MM, STEADY_MM),
            Begins::AtBevel => (RING_MM.0, THICK_MM),
        };
        let nodes = &vault.outer;
        let bare = vault.bare();
        let far_mm = outside(&bare, nodes);
        let inside = nodes.with(far_mm.iter().map(|&d| d <= RING_MM.1 + NODE_MM).collect());
        // The narrow bevel of a saw is no outer table either.
        let bevelled = outside(&vault.bevel.outer, nodes);
        let walls: Vec<Option<Wall>> = (0..nodes.data.len())
            .map(|n| {
                if far_mm[n] < ring_mm || far_mm[n] > RING_MM.1 {
                    return None;
                }
                let (u, v) = nodes.mm(n);
                if bevelled[n] < BEVEL_END_MM {
                    return None;
                }
                rays.mean_wall(u, v, nodes.sample(u, v), window)
            })
            .collect();
        let near_mm = outside(&vault.lacking(), nodes);
        let thick = nodes.with(
            (0..nodes.data.len())
                .map(|n| {
                    if near_mm[n] < thick_mm || near_mm[n] > RING_MM.1 {
                        return None;
                    }
                    let (u, v) = nodes.mm(n);
                    let (inner, outer) = rays.mean_wall(u, v, nodes.sample(u, v), window)?;
                    Some(outer - inner)
                })
                .collect(),
        );
        let mut around = Self {
            thick,
            ring: nodes.with(walls.clone()),
            walls: nodes.with(walls),
            inside,
            far_mm,
            depth_mm: depths(&bare, nodes),
            plate: nodes.clone(),
            radius_mm: rays.chart.radius_mm,
        };
        around.plate = around.outer(&around.held());
        for tolerance in OUTLIERS_MM {
            let plate = around.plate.clone();
            around.hold(|n, wall| (wall.1 - plate.data[n]).abs() <= tolerance);
        }
        around
    }

    /// Takes the walls that pass a test for the vault's, and lays the plate through them.
    pub(super) fn hold(&mut self, belongs: impl Fn(usize, Wall) -> bool) {
        for (n, wall) in self.walls.data.iter().enumerate() {
            self.ring.data[n] = wall.filter(|&wall| belongs(n, wall));
        }
        self.plate = self.outer(&self.held());
    }

    /// The plate's coordinate, its own inverse: R^2 / r. A sphere is constant in it and a plane nearly linear; in
    /// r itself a flat temple 70 mm wide would be carried 1.5 mm too deep.
    pub(super) fn bent(&self, r: f64) -> f64 {
        self.radius_mm * self.radius_mm / r.max(1.0)
    }

    /// The ring's wishes for the outer table, bent.
    pub(super) fn held(&self) -> Sheet<Wish> {
        self.wishes(RING_WEIGHT, |_, wall| self.bent(wall.1))
    }

    /// Thickness at a node around the hole: of bone that belongs to the vault, and of what is nearer to the hole than that is
    /// asked.
    pub(super) fn thickness(&self, n: usize) -> Option<f64> {
        let belongs = self.ring.data[n].is_some() || self.far_mm[n] < RING_MM.0;
        self.thick.data[n].filter(|_| belongs)
    }

    /// A wish at each node of the ring.
    pub(super) fn wishes(
        &self,
        weight: f64,
        height_mm: impl Fn(usize, Wall) -> f64,
    ) -> Sheet<Wish> {
        let wish = |(n, wall): (usize, &Option<Wall>)| {
            wall.map_or_else(Wish::default, |wall| Wish {
                height_mm: height_mm(n, wall),
                weight,
            })
        };
        self.ring
            .with(self.ring.data.iter().enumerate().map(wish).collect())
    }

    /// The outer table by bent wishes, mm.
    pub(super) fn outer(&self, wishes: &Sheet<Wish>) -> Sheet<f64> {
        let mut sheet = solve(wishes, &self.inside, Stiffness::Plate);
        for (h, &inside) in sheet.data.iter_mut().zip(&self.inside.data) {
            *h = if inside { self.bent(*h) } else { 0.0 };
        }
        sheet
    }

    /// Is this node one of the hole's, or of its bevel?
    pub(super) fn hole(&self, n: usize) -> bool {
        self.depth_mm[n] > 0.0
    }
}

/// How far each node lies from the hole, mm; 0 in it.
fn outside(hole: &Sheet<bool>, nodes: &Sheet<f64>) -> Vec<f64> {
    read(hole, &distance::distance_mm(&hole.volume()), nodes)
}

/// How far each node of the hole lies from its rim, mm; 0 outside it.
fn depths(hole: &Sheet<bool>, nodes: &Sheet<f64>) -> Vec<f64> {
    let rest = hole.with(hole.data.iter().map(|hole| !hole).collect());
    read(hole, &distance::distance_mm(&rest.volume()), nodes)
}

/// Values of a flat volume made from a sheet, at the nodes.
fn read(sheet: &Sheet<bool>, values: &Volume<f32>, nodes: &Sheet<f64>) -> Vec<f64> {
    let half = (sheet.side as f64 - 1.0) / 2.0;
    let place = |x: f64| {
        (x / sheet.step_mm + half)
            .round()
            .clamp(0.0, sheet.side as f64 - 1.0) as usize
    };
    let value = |n: usize| {
        let (u, v) = nodes.mm(n);
        f64::from(values.data()[place(v) * sheet.side + place(u)])
    };
    (0..nodes.data.len()).map(value).collect()
}
