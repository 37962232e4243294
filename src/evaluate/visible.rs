//! Visible: the outer surface as a surgeon sees it, from left, right, front, back and above (SdH).
//!
//! Along every grid line the first voxel that is implant or bone is what is seen. Which index axis looks where
//! comes from the affine, never from the order of the array.

use super::surface::{directed, percentile};
use crate::volume::Volume;
use crate::volume::axes::Canonical;
use crate::volume::crop::{self, IndexBox};

/// What is visible of two masks, and how far apart it is.
pub(super) struct Visible {
    /// Voxels seen of the truth and of the prediction.
    #[cfg(test)]
    pub(super) voxels: [usize; 2],
    /// Hausdorff distance between the two visible sets, mm; `None` when one is empty.
    pub(super) sdh: Option<f64>,
}

/// Compares what is visible; `boxed` holds both masks.
pub(super) fn compare(
    truth: &Volume<bool>,
    prediction: &Volume<bool>,
    skull: &Volume<bool>,
    boxed: &IndexBox,
) -> Visible {
    let t = seen(truth, skull, boxed);
    let p = seen(prediction, skull, boxed);
    let (truth_voxels, prediction_voxels) = (t.count(), p.count());
    let sdh = (truth_voxels > 0 && prediction_voxels > 0).then(|| {
        let mut pooled = directed(&p, &t);
        pooled.extend(directed(&t, &p));
        pooled.sort_unstable_by(f64::total_cmp);
        percentile(&pooled, 1.0)
    });
    Visible {
        #[cfg(test)]
        voxels: [truth_voxels, prediction_voxels],
        sdh,
    }
}

/// The implant's voxels that are seen from one of the five sides, on the grid of `boxed`.
fn seen(implant: &Volume<bool>, skull: &Volume<bool>, boxed: &IndexBox) -> Volume<bool> {
    let order = Canonical::lps(implant);
    let mut out = crop::crop(implant, boxed).map(|_| false);
    for (along, side) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)] {
        // Side 1 is the end towards left, back, head; a flipped axis has it at index 0.
        let from_end = (side == 1) != order.flipped[along];
        look(
            implant,
            skull,
            boxed,
            order.source[along],
            from_end,
            &mut out,
        );
    }
    out
}

/// Marks what is seen along `axis`, from index 0 or from the end.
fn look(
    implant: &Volume<bool>,
    skull: &Volume<bool>,
    boxed: &IndexBox,
    axis: usize,
    from_end: bool,
    out: &mut Volume<bool>,
) {
    let [ni, nj, _] = implant.shape();
    let length = implant.shape()[axis];
    let step = [1, ni, ni * nj][axis];
    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
    for b in boxed[v].clone() {
        for a in boxed[u].clone() {
            let mut index = [0; 3];
            (index[u], index[v]) = (a, b);
            let start = implant.offset(index);
            let at = |n: usize| if from_end { length - 1 - n } else { n };
            let first = (0..length).map(at).find(|&n| {
                let offset = start + n * step;
                implant.data()[offset] || skull.data()[offset]
            });
            let Some(n) = first.filter(|&n| implant.data()[start + n * step]) else {
                continue;
            };
            index[axis] = n;
            let inside = [0, 1, 2].map(|x| index[x] - boxed[x].start);
            let offset = out.offset(inside);
            out.data_mut()[offset] = true;
        }
    }
}
