//! Morphology: growing and shrinking masks by millimetres, with a ball, on any spacing.
//!
//! In, out: `Volume<bool>` on one grid.
//! Holds: the grid's edge neither grows nor eats anything: beyond it nothing is known, and a skull that runs
//!        out of the scan does not end there. So open and close stay true openings and closings at the edge.
//! Cost:  exact distance transforms of the set voxels' box, linear in its voxels whatever the radius.

use super::crop::{bounds, crop, grown, paste};
use super::{Volume, distance};
use rayon::prelude::*;

/// Voxels whose centre is within `mm` of a set voxel's centre.
pub fn dilate_mm(set: &Volume<bool>, mm: f64) -> Volume<bool> {
    within_box(set, mm, |part| ball_dilate(part, mm))
}

/// Set voxels that have no unset voxel within `mm`. The grid's edge does not erode.
pub fn erode_mm(set: &Volume<bool>, mm: f64) -> Volume<bool> {
    within_box(set, 0.0, |part| ball_erode(part, mm))
}

/// Erode, then dilate: what a ball of radius `mm` can reach inside. Removes thin parts.
pub fn open_mm(set: &Volume<bool>, mm: f64) -> Volume<bool> {
    within_box(set, 0.0, |part| ball_dilate(&ball_erode(part, mm), mm))
}

/// Dilate, then erode: closes gaps that a ball of radius `mm` can not enter. Contains `set`.
pub fn close_mm(set: &Volume<bool>, mm: f64) -> Volume<bool> {
    within_box(set, mm, |part| ball_erode(&ball_dilate(part, mm), mm))
}

fn within_box(
    set: &Volume<bool>,
    mm: f64,
    work: impl Fn(&Volume<bool>) -> Volume<bool>,
) -> Volume<bool> {
    let mut out = set.with(vec![false; set.data().len()]);
    let Some(inner) = bounds(set) else {
        return out;
    };
    let grown = grown(set, &inner, mm);
    let layer =
        [0, 1, 2].map(|a| grown[a].start.saturating_sub(1)..(grown[a].end + 1).min(set.shape()[a]));
    let part = work(&crop(set, &layer));
    paste(&mut out, &part, [0, 1, 2].map(|a| layer[a].start));
    out
}

/// A radius of 1 mm reaches a neighbour at 1 mm also when the spacing was read as 0.99999994.
fn squared_limit(mm: f64) -> f32 {
    (mm * mm * (1.0 + 1e-6)) as f32
}

fn ball_dilate(set: &Volume<bool>, mm: f64) -> Volume<bool> {
    let limit = squared_limit(mm);
    let d = distance::squared_mm2(set);
    set.with(d.data().par_iter().map(|&d| d <= limit).collect())
}

fn ball_erode(set: &Volume<bool>, mm: f64) -> Volume<bool> {
    let limit = squared_limit(mm);
    let d = distance::squared_mm2(&set.map(|&v| !v));
    set.with(d.data().par_iter().map(|&d| d > limit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::{boxed, random_mask};
    use proptest::prelude::*;

    fn inside(a: &Volume<bool>, b: &Volume<bool>) -> bool {
        a.data().iter().zip(b.data()).all(|(&a, &b)| !a || b)
    }

    /// Every pair of voxels, the slow and obvious way.
    fn brute_dilate(set: &Volume<bool>, mm: f64) -> Volume<bool> {
        let spacing = set.spacing_mm();
        let on: Vec<_> = (0..set.data().len())
            .filter(|&o| set.data()[o])
            .map(|o| set.index(o))
            .collect();
        set.with(
            (0..set.data().len())
                .map(|o| {
                    let here = set.index(o);
                    on.iter().any(|t| {
                        let d2: f64 = (0..3)
                            .map(|a| (here[a].abs_diff(t[a]) as f64 * spacing[a]).powi(2))
                            .sum();
                        d2 <= mm * mm * (1.0 + 1e-6)
                    })
                })
                .collect(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn the_box_changes_nothing(
            shape in prop::array::uniform3(1usize..10),
            spacing in prop::array::uniform3(0.4f64..2.0),
            density in 0.01f64..0.5, mm in 0.3f64..3.0, seed: u64,
        ) {
            let set = random_mask(shape, spacing, density, seed);
            let not = |v: &Volume<bool>| v.map(|&v| !v);
            let dilated = brute_dilate(&set, mm);
            let eroded = not(&brute_dilate(&not(&set), mm));
            prop_assert_eq!(&dilate_mm(&set, mm), &dilated);
            prop_assert_eq!(&erode_mm(&set, mm), &eroded);
            prop_assert_eq!(&open_mm(&set, mm), &brute_dilate(&eroded, mm));
            prop_assert_eq!(&close_mm(&set, mm), &not(&brute_dilate(&not(&dilated), mm)));
        }

        #[test]
        fn open_and_close_are_what_they_are_called(
            shape in prop::array::uniform3(2usize..12), density in 0.2f64..0.9, mm in 0.5f64..3.0, seed: u64,
        ) {
            let set = random_mask(shape, [1.0; 3], density, seed);
            let (open, close) = (open_mm(&set, mm), close_mm(&set, mm));
            prop_assert!(inside(&open, &set) && inside(&set, &close));
            prop_assert_eq!(&open_mm(&open, mm), &open);
            prop_assert_eq!(&close_mm(&close, mm), &close);
        }
    }

    #[test]
    fn an_empty_mask_stays_empty() {
        let set = boxed([3, 3, 3], [1.0; 3], [0..0, 0..0, 0..0]);
        assert_eq!(dilate_mm(&set, 2.0).count(), 0);
    }
}
