//! Subtract: a network that answers the complete skull, made to answer what is missing.
//!
//! The step of the reference for CraNeXt and Wu's autoencoder: minus the skull that is there, dilated by one voxel
//! (without that, a shell of segmentation noise covers the whole head), opened by 1 mm, bodies of a millilitre and
//! more. Which of these bodies lie in a hole is not decided here: [`missing`](super::missing) asks that of every
//! network's answer, by rays.

use super::missing::NoDefect;
use super::rules::Rules;
use crate::volume::components::{self, Connectivity};
use crate::volume::crop::{bounds, crop, grown, paste};
use crate::volume::{Volume, morphology};
use rayon::prelude::*;

/// Thinner remains are noise, mm (radius of the ball).
const OPENING_MM: f64 = 1.0;

/// The probability that bone is missing, from the probability `complete` that there should be bone. Zero where the
/// skull is, beside it, and in bodies that are too thin or too small.
///
/// `complete` and `skull` are on one grid.
///
/// # Errors
/// [`NoDefect`] when they are not.
pub fn subtract(
    complete: &Volume<f32>,
    skull: &Volume<bool>,
    rules: &Rules,
) -> Result<Volume<f32>, NoDefect> {
    if complete.shape() != skull.shape() {
        return Err(NoDefect::because(
            "the answer is on another grid than the skull.",
        ));
    }
    let marked = complete
        .data()
        .par_iter()
        .zip(beside(skull).data())
        .map(|(&p, &near)| p >= rules.threshold && !near)
        .collect();
    let marked = skull.with(marked);
    let mut answer = skull.with(vec![0.0; skull.data().len()]);
    let Some(inner) = bounds(&marked) else {
        return Ok(answer);
    };
    let region = grown(&marked, &inner, OPENING_MM);
    let opened = morphology::open_mm(&crop(&marked, &region), OPENING_MM);
    let least = rules.body_least_mm3 / skull.voxel_mm3();
    let kept = components::keep(&opened, Connectivity::All, |body| {
        body.voxels as f64 >= least
    });
    let mut part = crop(complete, &region);
    for (p, &kept) in part.data_mut().iter_mut().zip(kept.data()) {
        if !kept {
            *p = 0.0;
        }
    }
    paste(&mut answer, &part, region.map(|range| range.start));
    Ok(answer)
}

/// The skull and the six neighbours of its voxels.
fn beside(skull: &Volume<bool>) -> Volume<bool> {
    let [ni, nj, nk] = skull.shape();
    let plane = ni * nj;
    let bone = skull.data();
    let mut wide = vec![false; bone.len()];
    wide.par_chunks_mut(plane.max(1))
        .enumerate()
        .for_each(|(k, slice)| {
            for (n, voxel) in slice.iter_mut().enumerate() {
                let (i, j, at) = (n % ni, n / ni, k * plane + n);
                *voxel = bone[at]
                    || (i > 0 && bone[at - 1])
                    || (i + 1 < ni && bone[at + 1])
                    || (j > 0 && bone[at - ni])
                    || (j + 1 < nj && bone[at + ni])
                    || (k > 0 && bone[at - plane])
                    || (k + 1 < nk && bone[at + plane]);
            }
        });
    skull.with(wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Map;

    /// A plate of bone 6 voxels thick with a window; 0.9 mm voxels.
    fn plate() -> (Volume<bool>, [std::ops::Range<usize>; 3]) {
        let s = 0.9;
        let to_lps = Map::new([[s, 0., 0., 0.], [0., s, 0., 0.], [0., 0., s, 0.]]);
        let window = [20..40, 15..45, 10..16];
        let shape = [60, 60, 30];
        let mut skull = Volume::new(shape, vec![false; 60 * 60 * 30], to_lps).unwrap();
        for at in 0..skull.data().len() {
            let [i, j, k] = skull.index(at);
            let open = window[0].contains(&i) && window[1].contains(&j);
            skull.data_mut()[at] = (10..16).contains(&k) && !open;
        }
        (skull, window)
    }

    #[test]
    fn the_window_is_left_and_the_shell_of_noise_is_not() {
        let (skull, window) = plate();
        // The network: the whole plate one voxel too thick on both sides, and a speck far off.
        let answer = |at: usize| -> f32 {
            let [i, j, k] = skull.index(at);
            let speck = i < 4 && j < 4 && k > 25;
            if (9..17).contains(&k) || speck {
                0.9
            } else {
                0.1
            }
        };
        let complete = skull.with((0..skull.data().len()).map(answer).collect());
        let rules = Rules::default();
        let left = subtract(&complete, &skull, &rules).unwrap();
        for at in 0..skull.data().len() {
            let [i, j, k] = skull.index(at);
            let deep = (21..39).contains(&i) && (16..44).contains(&j) && (10..16).contains(&k);
            let outside =
                !window[0].contains(&i) || !window[1].contains(&j) || !(9..17).contains(&k);
            let p = left.data()[at];
            assert!(p == 0.0 || p == 0.9, "{p}");
            if outside {
                assert_eq!(p, 0.0, "{i} {j} {k}");
            }
            // The ball of the opening rounds the corners off, nothing else.
            let corner = !(23..=36).contains(&i) && !(18..=41).contains(&j);
            if deep && !corner {
                assert_eq!(p, 0.9, "{i} {j} {k}");
            }
        }
    }

    #[test]
    fn a_complete_skull_that_is_all_there_leaves_nothing() {
        let (skull, _) = plate();
        let complete = skull.map(|&v| if v { 1.0 } else { 0.0 });
        let left = subtract(&complete, &skull, &Rules::default()).unwrap();
        assert!(left.data().iter().all(|&p| p == 0.0));
    }

    #[test]
    fn what_is_smaller_than_a_millilitre_is_dropped() {
        let (skull, _) = plate();
        let complete = skull.map(|_| 0.0);
        let mut small = complete.clone();
        for at in 0..small.data().len() {
            let [i, j, k] = small.index(at);
            // 10 x 10 x 10 voxels of 0.73 mm3.
            if (2..12).contains(&i) && (2..12).contains(&j) && (18..28).contains(&k) {
                small.data_mut()[at] = 1.0;
            }
        }
        let dropped = subtract(&small, &skull, &Rules::default()).unwrap();
        assert!(dropped.data().iter().all(|&p| p == 0.0));
        let rules = Rules {
            body_least_mm3: 500.0,
            ..Rules::default()
        };
        let kept = subtract(&small, &skull, &rules).unwrap();
        assert!(kept.data().iter().filter(|&&p| p == 1.0).count() > 800);
    }

    #[test]
    fn two_grids_are_refused() {
        let (skull, _) = plate();
        let other = Volume::new([60, 30, 60], vec![0.0f32; 60 * 60 * 30], skull.to_lps()).unwrap();
        assert!(subtract(&other, &skull, &Rules::default()).is_err());
    }
}
