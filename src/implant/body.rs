//! Body: one hole as it was found, and the words that name it.

use super::chart::Chart;
use super::tables::Others;
use crate::space::{Lps, Point};
use crate::status::Side;
use crate::volume::Volume;

/// One hole.
#[derive(Clone, Debug)]
pub struct Body {
    /// Volume of the missing bone, mm3.
    pub mm3: f64,
    /// Area of the hole on the outer table, mm2.
    pub area_mm2: f64,
    /// Middle of the missing bone.
    pub centroid: Point<Lps>,
    /// Patient's left, right, or across the midline.
    pub side: Side,
    /// Where it lies, in words.
    pub region: String,
    /// Large enough for a part of its own.
    pub printed: bool,
    /// Its voxels alone, on a part of the scan's grid that holds them.
    pub(super) mask: Volume<bool>,
    /// How it was surveyed.
    pub(super) chart: Chart,
    pub(super) reach_mm: f64,
    /// Who else was asked for the shape.
    pub(super) others: Others,
}

impl Body {
    /// Region and the patient's own side, in words: `parietal left`.
    pub(super) fn place(&self) -> String {
        let side = match self.side {
            Side::Left => "left",
            Side::Right => "right",
            Side::Both => "across the midline",
        };
        format!("{} {side}", self.region)
    }
}

/// What stands before a finding, so that it is known which hole it is about: nothing where there is one, its place
/// where there are several, with a number where two have the same.
pub(super) fn labels<'a>(bodies: impl IntoIterator<Item = &'a Body>) -> Vec<String> {
    let places: Vec<String> = bodies.into_iter().map(Body::place).collect();
    if places.len() < 2 {
        return vec![String::new(); places.len()];
    }
    let label = |(n, place): (usize, &String)| {
        let same = |others: &[String]| others.iter().filter(|p| *p == place).count();
        match same(&places) {
            1 => format!("{place}: "),
            _ => format!("{place} ({}): ", same(&places[..n]) + 1),
        }
    };
    places.iter().enumerate().map(label).collect()
}
