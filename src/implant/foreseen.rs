//! Foreseen: what is expected in and around a hole of a vault like this one, by the prior of many skulls.
//!
//! `head::prior` is told what is seen of the skull, but for the hole and its rim, and says how the vault goes on there
//! and how well that is known, by direction from the head's middle. Here that is laid over the hole's own chart.

use super::around::{Around, RING_MM, RING_WEIGHT};
use super::chart::{Chart, Sheet, blank};
use super::plate::{Stiffness, Wish, solve};
use super::said::{Said, apart};
use super::vault::{NODE_MM, Vault};
use crate::head::{Axes, Expected, Prior, Shell, Vaulted};
use crate::space::Point;
use crate::volume::distance;
use rayon::prelude::*;

/// Bone this near to the hole may be bevelled or sunken and is not looked at, mm.
const HIDDEN_MM: f32 = 4.0;
/// A place is met when another step would move it by less than this, mm.
const MET_MM: f64 = 0.01;
/// Bone around the hole goes with what is expected when it lies no farther off than so many standard deviations, or mm.
const AGREES_SD: f64 = 2.5;
const AGREES_MM: f64 = 1.5;
/// So many nodes around the hole are asked at least, and this share must go with it.
const ASKED_LEAST: usize = 60;
const AGREED_LEAST: f64 = 0.5;
/// Bone this far from the hole is no bevel, mm; nearer to it, it may lie lower by so much more than that beside it, mm.
const STEADY_MM: f64 = 9.0;
const BESIDE_MM: f64 = 12.0;
const LEVEL_MM: f64 = 0.5;
/// What the bone around the hole lies off is carried so far into it, outer table and thickness, mm.
const FADES_MM: (f64, f64) = (30.0, 20.0);
/// Share of the stated variance that is left once the prior is moved onto the bone around the hole, outer table and
/// thickness. Chosen with the spreads in `asked.rs`.
const SHARES: (f64, f64) = (0.4, 0.7);
/// Over these lengths neighbouring places lie off alike: by what is known of the skull, and by what is left, mm.
const KNOWN_MM: f64 = 40.0;
const REST_MM: f64 = 20.0;
/// A ray that meets the vault flatter than this (cosine) says little of it.
const FLAT: f64 = 0.4;

/// A value and its standard deviation, mm: by what is known of the whole skull, and by what no other place tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) mm: f64,
    pub(super) known_mm: f64,
    pub(super) rest_mm: f64,
}

/// What is expected along one ray of a chart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foresight {
    /// Outer table, from the chart's centre.
    pub(super) outer: Told,
    /// Thickness of the bone.
    pub(super) thickness: Told,
}

impl Told {
    fn sd_mm(&self) -> f64 {
        self.known_mm.hypot(self.rest_mm)
    }
}

/// What is expected over a hole, moved onto the bone around it.
pub(super) struct Joined {
    /// The outer table, from the chart's centre.
    pub(super) outer: Vec<Said>,
    /// The thickness of bone.
    pub(super) thickness: Vec<Said>,
}

/// What is expected over a chart, at nodes `NODE_MM` apart; `None` where the prior ends.
#[derive(Clone, Debug)]
pub(super) struct Foreseen {
    nodes: Sheet<Option<Foresight>>,
}

/// One skull as the prior sees it.
pub(super) struct Learned<'a> {
    prior: &'a Prior,
    shell: Shell,
    axes: Axes,
}

impl<'a> Learned<'a> {
    /// `shell` is the skull's, seen along its `axes`.
    pub(super) fn new(prior: &'a Prior, shell: Shell, axes: Axes) -> Self {
        Self { prior, shell, axes }
    }

    /// What is expected over a chart whose hole was surveyed; `None` when too little of the skull is seen.
    pub(super) fn over(&self, vault: &Vault, reach_mm: f64) -> Option<Foreseen> {
        let hidden = self.hidden(vault);
        let expected = self.prior.expect(&self.shell, &hidden)?;
        let nodes = blank(reach_mm, NODE_MM);
        let cast = |n: usize| {
            let (u, v) = nodes.mm(n);
            foresight(&vault.chart, (u, v), &expected, &self.axes)
        };
        let found = (0..nodes.data.len()).into_par_iter().map(cast).collect();
        Some(Foreseen {
            nodes: nodes.with(found),
        })
    }

    /// The prior's directions that pass through the hole or its rim.
    fn hidden(&self, vault: &Vault) -> Vec<bool> {
        /// Steps to the vault along a ray; it is smooth, and a node's cell is 5 mm wide.
        const STEPS: usize = 6;
        let away = distance::distance_mm(&vault.bare().volume());
        let away = vault.hole.with(away.into_data());
        let chart = &vault.chart;
        let hidden = |direction: [f64; 3]| {
            let along = |mm: f64| self.axes.point(Point::new(direction.map(|x| x * mm)));
            let mut mm = chart.radius_mm;
            for _ in 0..STEPS {
                let at = along(mm);
                if at.minus(chart.centre).dot(chart.frame[2]) <= 0.0 {
                    return false;
                }
                let [u, v, r] = chart.locate(at);
                mm += vault.outer.sample(u, v) - r;
            }
            let [u, v, _] = chart.locate(along(mm));
            away.nearest(u, v).is_some_and(|mm| mm <= HIDDEN_MM)
        };
        Shell::directions().into_iter().map(hidden).collect()
    }
}

impl Foreseen {
    /// What is expected, moved onto the bone around the hole. The bone that does not go with it (a bevel, a muscle's
    /// line, a sunken rim) is no longer held. `None`, and nothing changed, where much of it does not: then the axes are
    /// wrong, or the skull is unlike others.
    pub(super) fn joined(&self, around: &mut Around) -> Option<Joined> {
        let told: Vec<Option<Foresight>> = (0..around.walls.data.len())
            .map(|n| {
                let (u, v) = around.walls.mm(n);
                self.nodes.nearest(u, v).flatten()
            })
            .collect();
        let grown = agree(around, &told)?;
        let outer = |n: usize| told[n].map(|t| t.outer);
        let thickness = |n: usize| told[n].map(|t| t.thickness);
        Some(Joined {
            outer: moved(
                around,
                outer,
                |n| around.ring.data[n].map(|wall| wall.1),
                Stiffness::Plate,
                grown * SHARES.0,
            ),
            thickness: moved(
                around,
                thickness,
                |n| around.thickness(n),
                Stiffness::Membrane,
                grown * SHARES.1,
            ),
        })
    }
}

/// Lets the bone around a hole that goes with what is told be held, and only that. How much larger than stated its
/// variance was there, at least 1; `None` where too little goes with it.
fn agree(around: &mut Around, told: &[Option<Foresight>]) -> Option<f64> {
    // How far the wall of each node lies off, mm and standard deviations.
    let off: Vec<Option<(f64, f64)>> = (around.walls.data.iter().zip(told))
        .map(|(wall, told)| {
            let (outer, told) = (wall.as_ref()?.1, told.as_ref()?.outer);
            Some((outer - told.mm, (outer - told.mm) / told.sd_mm()))
        })
        .collect();
    let near = |&(mm, sds): &(f64, f64)| sds.abs() <= AGREES_SD || mm.abs() <= AGREES_MM;
    let asked = off.iter().flatten().count();
    let agreed = off.iter().flatten().filter(|off| near(off));
    let (count, sum) = agreed.fold((0, 0.0), |(n, sum), (_, sds)| (n + 1, sum + sds * sds));
    tracing::debug!(asked, count, sum, "bone that goes with the prior");
    if asked < ASKED_LEAST || f64::from(count) < AGREED_LEAST * asked as f64 {
        return None;
    }
    // Near the rim it must go on as it does farther off: a bevel may be no deeper than heads differ.
    let sheet = around.walls.with(vec![(); off.len()]);
    let steady: Vec<((f64, f64), f64)> = (off.iter().enumerate())
        .filter(|&(n, _)| around.far_mm[n] >= STEADY_MM)
        .filter_map(|(n, off)| Some((sheet.mm(n), off.filter(near)?.0)))
        .collect();
    let level = |n: usize| {
        let (u, v) = sheet.mm(n);
        let beside = steady
            .iter()
            .filter(|((x, y), _)| (x - u).hypot(y - v) <= BESIDE_MM);
        let (count, sum) = beside.fold((0.0, 0.0), |(n, sum), (_, mm)| (n + 1.0, sum + mm));
        (count > 0.0).then_some(sum / count)
    };
    let goes: Vec<bool> = (off.iter().enumerate())
        .map(|(n, off)| match off {
            // Nothing is told here: as the plate has it.
            None => around.ring.data[n].is_some(),
            Some(off) if around.far_mm[n] >= STEADY_MM => near(off),
            Some(off) => near(off) && level(n).is_none_or(|mm| off.0 - mm >= -LEVEL_MM),
        })
        .collect();
    around.hold(|n, _| goes[n]);
    Some(f64::max(sum / f64::from(count), 1.0))
}

/// What is expected, moved by what the bone around the hole lies off it: that is carried into the hole and fades there.
/// `grown`: how much larger than stated its square was around the hole.
fn moved(
    around: &Around,
    told: impl Fn(usize) -> Option<Told>,
    value: impl Fn(usize) -> Option<f64>,
    stiffness: Stiffness,
    grown: f64,
) -> Vec<Said> {
    let pull = match stiffness {
        Stiffness::Plate => FADES_MM.0.powi(-4),
        Stiffness::Membrane => FADES_MM.1.powi(-2),
    };
    let wish = |n: usize| match (value(n), told(n)) {
        (Some(mm), Some(told)) => Wish {
            height_mm: mm - told.mm,
            weight: RING_WEIGHT,
        },
        _ if around.hole(n) => Wish {
            height_mm: 0.0,
            weight: pull,
        },
        _ => Wish::default(),
    };
    let nodes = around.ring.data.len();
    let wishes = around.ring.with((0..nodes).map(wish).collect());
    let off = solve(&wishes, &around.inside, stiffness);
    let said = |n: usize| {
        let told = told(n).filter(|_| around.hole(n))?;
        // The ring begins a little outside the rim.
        let far_mm = around.depth_mm[n] + RING_MM.0;
        let known = told.known_mm.powi(2) * apart(far_mm, KNOWN_MM);
        let rest = told.rest_mm.powi(2) * apart(far_mm, REST_MM);
        Some((told.mm + off.data[n], (known + rest) * grown))
    };
    (0..nodes).map(said).collect()
}

/// Where a ray of a chart meets the expected vault.
fn foresight(
    chart: &Chart,
    (u, v): (f64, f64),
    expected: &Expected,
    axes: &Axes,
) -> Option<Foresight> {
    let direction = chart.direction(u, v);
    let own = (axes.locate(chart.centre.plus(direction))).minus(axes.locate(chart.centre));
    let meet = |from: f64, side: &dyn Fn(&Vaulted) -> f64| {
        const STEPS: usize = 30;
        let mut r = from;
        for _ in 0..STEPS {
            let at = axes.locate(chart.centre.plus(direction.times(r)));
            let there = expected.at(at)?;
            let out = at.minus(Point::new([0.0; 3]));
            let steep = (own.dot(out) / out.length().max(1.0)).max(FLAT);
            let step = (side(&there) - out.length()) / steep;
            r += step;
            if step.abs() < MET_MM {
                return Some((r, steep, there));
            }
        }
        None
    };
    let (outer, steep, there) = meet(chart.radius_mm, &|there| there.outer_mm)?;
    let inner = outer - there.thickness_mm / steep;
    let (inner, ..) = meet(inner, &|there| there.outer_mm - there.thickness_mm)?;
    Some(Foresight {
        outer: Told {
            mm: outer,
            known_mm: there.outer_sd_mm / steep,
            rest_mm: there.outer_rest_mm / steep,
        },
        thickness: Told {
            mm: outer - inner,
            known_mm: there.thickness_sd_mm / steep,
            rest_mm: there.thickness_rest_mm / steep,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::tables::Others;
    use super::super::vault::Marks;
    use super::*;
    use crate::space::{Lps, Vector};

    /// The head's middle; the chart is seen from elsewhere.
    const MIDDLE: Point<Lps> = Point::new([10.0, -200.0, 300.0]);

    /// Degrees between a direction and the middle of the left or right boss.
    fn degrees(d: [f64; 3], side: f64) -> f64 {
        (side * 0.8 * d[0] + 0.6 * d[2])
            .clamp(-1.0, 1.0)
            .acos()
            .to_degrees()
    }

    /// A boss on either side: who has one has the other.
    fn bosses(d: [f64; 3]) -> f64 {
        let boss = |side: f64| (-(degrees(d, side) / 14.0).powi(2) / 2.0).exp();
        boss(1.0) + boss(-1.0)
    }

    /// One skull by direction: outer radius and thickness. It stands out by 1 mm on the left.
    fn skull(d: [f64; 3]) -> (f64, f64) {
        let left = f64::from(u8::from(d[0] > 0.1));
        (77.0 + 4.0 * bosses(d) + 6.0 * d[1] * d[1] + left, 7.0)
    }

    /// How far outer table and thickness lie off in a hole of 52 degrees over the left boss, at most, and the share that
    /// was foreseen; with a prior for a head whose middle lies `askew_mm` higher, or without one.
    fn filled(askew_mm: Option<f64>) -> (f64, f64, f64) {
        let prior = Prior::made(
            |_| (75.0, 6.0),
            &[
                &|_| (4.0, 0.0),
                &|d| (5.0 * d[1] * d[1], 0.0),
                &|d| (4.0 * bosses(d), 0.0),
                &|_| (0.0, 1.5),
            ],
        );
        let hole = |d: [f64; 3]| degrees(d, 1.0) < 26.0;
        let own = |p: Point<Lps>| {
            let d = p.minus(MIDDLE);
            let r = d.length().max(1e-9);
            (d.0.map(|x| x / r), r)
        };
        let bone = |p: Point<Lps>| {
            let (d, r) = own(p);
            let (outer, thick) = skull(d);
            if hole(d) {
                5.0
            } else {
                (r - outer).max(outer - thick - r) as f32
            }
        };
        let missing = |p: Point<Lps>| {
            let (d, r) = own(p);
            ((r - skull(d).0 + 3.0).abs() - 3.0).max(degrees(d, 1.0) - 26.0) as f32
        };
        let walls = |d: [f64; 3]| {
            let (outer, thick) = skull(d);
            let wall = ((outer - thick) as f32, outer as f32);
            if hole(d) { vec![] } else { vec![wall] }
        };
        let shell = Shell {
            walls: Shell::directions().into_iter().map(walls).collect(),
        };
        let up = Vector::new([0.0, 0.0, askew_mm.unwrap_or(0.0)]);
        let learned = Learned::new(&prior, shell, Axes::upright(MIDDLE.plus(up)));
        let centre = MIDDLE.plus(Vector::new([8.0, 5.0, -6.0]));
        let chart = Chart::new(centre, 76.0, Vector::new([0.8, 0.0, 0.6])).unwrap();
        let others = |vault: &Vault| Others {
            mirrored: None,
            foreseen: askew_mm.and_then(|_| learned.over(vault, 62.0)),
        };
        let vault = Vault::survey(chart, 62.0, &bone, Marks::network(&missing), others).unwrap();
        let (mut off, mut thick) = (0.0f64, 0.0f64);
        for (cell, _) in vault.hole.data.iter().enumerate().filter(|&(_, &h)| h) {
            let (u, v) = vault.hole.mm(cell);
            let (d, r) = own(chart.point(u, v, vault.outer.sample(u, v)));
            off = off.max((r - skull(d).0).abs());
            thick = thick.max((vault.thickness.sample(u, v) - 7.0).abs());
        }
        (off, thick, vault.foreseen_share)
    }

    #[test]
    fn the_prior_gives_the_form_and_the_rim_its_height() {
        let (plate, _, none) = filled(None);
        assert!(plate > 2.0 && none == 0.0, "{plate} mm off, {none}");
        let (off, thick, share) = filled(Some(0.0));
        assert!(
            off < plate / 2.0 && off < 1.2,
            "{off} mm off, {plate} without"
        );
        assert!(thick < 0.5 && share > 0.99, "{thick} mm, {share}");
    }

    #[test]
    fn a_prior_for_another_head_is_not_believed() {
        let (plate, ..) = filled(None);
        let (off, _, _) = filled(Some(25.0));
        assert!(off < plate + 0.5, "{off} mm off, {plate} without it");
    }
}
