//! Scene: one skull and its axes, against which every place that the network marks is looked at: is it a hole, and
//! which voxels of it would be bone?

use super::candidate::{Candidate, Sign, of_opening};
use super::chart::{Chart, sphere};
use super::field::Sampled;
use super::foreseen::Learned;
use super::mirrored::Mirrored;
use super::opening::{SURVEYED_DEG, openings};
use super::place;
use super::rules::Rules;
use super::tables::Others;
use super::vault::{Marks, Vault};
use crate::head::{Axes, Look, Prior, Shell};
use crate::space::{Lps, Map, Point};
use crate::volume::components::{self, Connectivity};
use crate::volume::crop::{self, IndexBox, crop};
use crate::volume::{Volume, morphology};
use rayon::prelude::*;

/// Share of a body's rays that must pass the vault without meeting bone.
const FREE_LEAST: f64 = 0.5;
/// Share of the hole's border that must be bone.
const BORDER_LEAST: f64 = 0.6;
/// Holes under this are pinholes, mm2.
const HOLE_LEAST_MM2: f64 = 100.0;
/// Share of the hole that the prediction must cover.
const COVERED_LEAST: f64 = 0.1;
/// The same of a hole that the network does not mark: bone is all that speaks for it.
pub(super) const CLOSED_LEAST: f64 = 0.9;
/// Openings under this are not surveyed, mm2.
const OPENING_LEAST_MM2: f64 = 200.0;
/// Share of a hole that the network does not mark whose outer table must lie on the scan: the end of a scan opens a skull too.
const SCANNED_LEAST: f64 = 0.98;
/// A fontanelle or a bregmatic bone lies this near to the midline, mm, this steeply above the middle, degrees, and is no larger,
/// mm2.
const FONTANELLE: (f64, f64, f64) = (15.0, 55.0, 1500.0);
/// Share of the hole that must lie on the vault: above the brow and the ears.
const VAULTED_LEAST: f64 = 0.6;
/// The sphere is fitted to the skin this far around a body.
const AROUND_MM: f64 = 65.0;
/// As far as a chart of a hole reaches from its middle: half a skull's 75 mm and some bone around.
const REACH_MM: f64 = 115.0;
/// Bone around a hole that its chart shows, mm.
const BESIDE_MM: f64 = 22.0;
/// Rays beyond the hole's outline that may still hold missing bone, mm.
const EDGE_MM: f64 = 1.5;

/// The reflection in the head's plane.
#[derive(Clone, Copy)]
struct Reflection {
    map: Map<Lps, Lps>,
    /// How far a reflected place of the vault may lie off, mm: one standard deviation.
    off_mm: f64,
}

/// How far the chart of a hole reaches that ends `far` mm from its middle.
pub(super) fn reach_mm(far: f64) -> f64 {
    (far + BESIDE_MM).min(REACH_MM)
}

/// A place where bone may be missing and that is no hole.
pub(super) struct Refused {
    /// Who said so.
    pub(super) sign: Sign,
    pub(super) at: Point<Lps>,
    pub(super) why: String,
}

/// What became of the places where bone may be missing.
pub(super) struct Found {
    /// Every hole with its voxels, on a part of the grid that holds them; the largest first.
    pub(super) holes: Vec<(Vault, Volume<bool>)>,
    /// The voxels of all holes.
    pub(super) mask: Volume<bool>,
    pub(super) refused: Vec<Refused>,
}

pub(super) struct Scene<'a> {
    pub(super) skull: &'a Volume<bool>,
    pub(super) rules: &'a Rules,
    /// The head's own axes.
    pub(super) axes: Axes,
    /// In its plane of symmetry, where one was found.
    reflection: Option<Reflection>,
    /// The prior of the vault, and what it is told of this one.
    learned: Option<Learned<'a>>,
    /// Outer skin of its vault.
    skin: Vec<Point<Lps>>,
}

impl<'a> Scene<'a> {
    /// `axes` are those of the look, where there was one.
    pub(super) fn new(
        skull: &'a Volume<bool>,
        hull: &IndexBox,
        look: Option<Look>,
        axes: Axes,
        rules: &'a Rules,
        prior: Option<&'a Prior>,
    ) -> Self {
        Self {
            skull,
            rules,
            axes,
            // The middle of a box is no plane of symmetry.
            reflection: look.map(|look| Reflection {
                map: look.plane.reflection(),
                off_mm: look.doubt.reflected_mm(),
            }),
            learned: look.and_then(|look| {
                let shell = Shell::cast(skull, &look.axes)?;
                Some(Learned::new(prior?, shell, look.axes))
            }),
            skin: place::skin(skull, hull, &axes),
        }
    }

    /// Looks at every place that the network marks, then at those where the vault is open all the same. Without a look at the
    /// head's own axes nobody knows where the vault ends.
    pub(super) fn found(&self, candidates: &[Candidate]) -> Found {
        let mut found = Found {
            holes: Vec::new(),
            mask: self.skull.with(vec![false; self.skull.data().len()]),
            refused: Vec::new(),
        };
        for candidate in candidates {
            self.look_at(candidate, &mut found);
        }
        if self.reflection.is_some() {
            let filled = Some(&found.mask);
            let open = openings(
                self.skull,
                filled,
                &self.axes,
                OPENING_LEAST_MM2,
                SURVEYED_DEG,
            );
            for candidate in open.iter().filter_map(|open| of_opening(open, self.skull)) {
                self.look_at(&candidate, &mut found);
            }
        }
        (found.holes).sort_by_key(|(_, body)| std::cmp::Reverse(body.count()));
        found
    }

    fn look_at(&self, candidate: &Candidate, found: &mut Found) {
        if found.mask.get(candidate.voxel).copied().unwrap_or(false) {
            return;
        }
        if let Err(why) = self.add(candidate, found) {
            let (sign, at) = (candidate.sign, candidate.centroid);
            found.refused.push(Refused { sign, at, why });
        }
    }

    /// One of them; why it is none where it is not added.
    fn add(&self, candidate: &Candidate, found: &mut Found) -> Result<(), String> {
        let vault = self.hole(candidate)?;
        tracing::debug!("hole surveyed");
        let (corner, body) = self.paint(&vault);
        let region = [0, 1, 2].map(|a| corner[a]..corner[a] + body.shape()[a]);
        let mut there = crop(&found.mask, &region);
        let shared = (body.data().iter().zip(there.data())).filter(|&(&a, &b)| a && b);
        let shared = shared.count();
        if 2 * shared > body.count() {
            // One hole that the network marks in two pieces.
            return Ok(());
        }
        if candidate.sign == Sign::Bone && shared > 0 {
            return Err("it goes on from a hole that gets a part.".into());
        }
        // A bridge between two holes that lacks a table lies in the bevel of both: it goes with the first.
        let own = (body.data().iter().zip(there.data())).map(|(&a, &b)| a && !b);
        let body = body.with(own.collect());
        if body.mm3() < self.rules.body_least_mm3 {
            return Err(format!(
                "only {:.1} ml of bone are missing there.",
                body.mm3() / 1000.0
            ));
        }
        (there.data_mut().iter_mut().zip(body.data())).for_each(|(t, &b)| *t |= b);
        crop::paste(&mut found.mask, &there, corner);
        found.holes.push((vault, body));
        Ok(())
    }

    /// The hole around a body, or why it is none.
    fn hole(&self, candidate: &Candidate) -> Result<Vault, String> {
        let centroid = candidate.centroid;
        let near = self
            .skin
            .iter()
            .filter(|p| p.minus(centroid).length() < AROUND_MM);
        let points: Vec<_> = near.copied().collect();
        let (centre, radius) = sphere(&points, self.axes.middle(), 12.0)
            .filter(|(c, r)| {
                (45.0..140.0).contains(r) && c.minus(self.axes.middle()).length() < 70.0
            })
            .ok_or("there is no vault around what the network marks.")?;
        let chart = Chart::new(centre, radius, centroid.minus(centre))
            .ok_or("it lies in the middle of the head.")?;
        let bone = Sampled::new(self.skull, 0.0);
        let bone = |p: Point<Lps>| 0.5 - bone.at(p, |v| if v { 1.0 } else { 0.0 });
        let predicted = Sampled::new(&candidate.own, 0.0);
        let threshold = self.rules.threshold;
        let predicted = |p: Point<Lps>| threshold - predicted.at(p, |v| v);
        let marks = Marks {
            field: &predicted,
            sign: candidate.sign,
        };

        let none = match candidate.sign {
            Sign::Network => "no ray passes the skull where the network marks it as missing.",
            Sign::Bone => "no ray from the middle of what is around it passes the skull.",
        };
        let first = Vault::survey(chart, 80.0, &bone, marks, |_| Others::default()).ok_or(none)?;
        let from = |chart: Chart, far: f64| {
            let reach_mm = reach_mm(far);
            let others = |vault: &Vault| Others {
                mirrored: self.reflection.as_ref().map(|r| {
                    Mirrored::cast(chart, reach_mm, &bone, &r.map, r.off_mm, &vault.outer)
                }),
                foreseen: (self.learned.as_ref()).and_then(|learned| learned.over(vault, reach_mm)),
            };
            Vault::survey(chart, reach_mm, &bone, marks, others)
        };
        let ((u, v), far) = first.extent();
        let mut vault = from(chart.turned_to(u, v).ok_or(none)?, far).ok_or(none)?;
        if vault.open
            && let Some((chart, far)) = vault.centred(REACH_MM, &bone, marks)
            && let Some(closed) = from(chart, far).filter(|again| !again.open)
        {
            vault = closed;
        }
        self.judge(&vault)?;
        Ok(vault)
    }

    fn judge(&self, vault: &Vault) -> Result<(), String> {
        let area = vault.area_mm2();
        if area < HOLE_LEAST_MM2 {
            return Err(format!("the hole is {:.1} cm2, a pinhole.", area / 100.0));
        }
        let percent = |x: f64| x * 100.0;
        if vault.free < FREE_LEAST {
            return Err(format!(
                "only {:.0} % of what the network marks has no bone behind it, {:.0} % are wanted.",
                percent(vault.free),
                percent(FREE_LEAST)
            ));
        }
        if vault.sign == Sign::Bone {
            self.judge_alone(vault)?;
        } else if vault.covered < COVERED_LEAST {
            return Err(format!(
                "the network marks only {:.0} % of the hole.",
                percent(vault.covered)
            ));
        }
        if vault.bordered < BORDER_LEAST {
            return Err(format!(
                "only {:.0} % of the border is bone, {:.0} % are wanted.",
                percent(vault.bordered),
                percent(BORDER_LEAST)
            ));
        }
        let vaulted = vault.share(|at| place::on_vault(at, &self.axes));
        if vaulted < VAULTED_LEAST {
            return Err(format!(
                "only {:.0} % of the hole lie on the vault, above brow, ears and nape ({:.0} % are wanted); under it are \
                 orbits, face and skull base, where this station makes no part.",
                percent(vaulted),
                percent(VAULTED_LEAST)
            ));
        }
        Ok(())
    }

    /// What more is asked where the network says nothing: bone all round, and that it is no end of the scan and no fontanelle.
    fn judge_alone(&self, vault: &Vault) -> Result<(), String> {
        let unmarked = "the network does not mark it as missing, and";
        if vault.open || vault.bordered < CLOSED_LEAST {
            return Err(format!(
                "{unmarked} only {:.0} % of its border is bone, {:.0} % are wanted.",
                vault.bordered * 100.0,
                CLOSED_LEAST * 100.0
            ));
        }
        let to_ijk = self.skull.to_ijk();
        let shape = self.skull.shape();
        let on_scan = |at: Point<Lps>| {
            let index = to_ijk.apply(at).0;
            (0..3).all(|a| index[a] > 0.5 && index[a] < shape[a] as f64 - 1.5)
        };
        if vault.share(on_scan) < SCANNED_LEAST {
            return Err(format!("{unmarked} the scan ends there."));
        }
        let (aside_mm, steep_deg, most_mm2) = FONTANELLE;
        let ((u, v), _) = vault.extent();
        let [x, y, z] = self
            .axes
            .locate(vault.chart.point(u, v, vault.outer.sample(u, v)))
            .0;
        let crown = x.abs() < aside_mm && z.atan2(x.hypot(y)).to_degrees() > steep_deg;
        if crown && vault.area_mm2() < most_mm2 {
            return Err(format!("{unmarked} a fontanelle lies there."));
        }
        Ok(())
    }

    /// Voxels of the missing bone of one hole and its bevel: between the tables, not skull, one body. On the part of the scan's
    /// grid that can hold them, with its first voxel there.
    fn paint(&self, vault: &Vault) -> ([usize; 3], Volume<bool>) {
        let wide = morphology::dilate_mm(&vault.hole.volume(), EDGE_MM);
        let lacking = vault.lacking();
        let wide = wide.data().iter().zip(&lacking.data);
        let wide = vault
            .hole
            .with(wide.map(|(&near, &lacks)| near || lacks).collect());
        let region = vault.voxels(self.skull);
        let skull = crop(self.skull, &region);
        let bone: Vec<bool> = (0..skull.data().len())
            .into_par_iter()
            .map(|o| {
                if skull.data()[o] {
                    return false;
                }
                let [u, v, r] = vault.chart.locate(skull.centre(skull.index(o)));
                if wide.nearest(u, v) != Some(true) {
                    return false;
                }
                let outer = vault.outer.sample(u, v);
                r <= outer && r >= outer - vault.thickness.sample(u, v)
            })
            .collect();
        let body = components::largest_by(&skull.with(bone), Connectivity::Face);
        (region.map(|range| range.start), body)
    }
}
