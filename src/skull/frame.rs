//! Frame: where the network looks. A box around the skull cut into cells, and the exact affine map between the native
//! grid and the cells. Its size, axes and place are the card's ([`FrameSpec`]): by default 240x200x240 mm around the
//! middle of the skull.
//!
//! The frame's axes are the native index axes, permuted and flipped, never turned: a head's tilt stays in, as in
//! training. Bone more than 180 mm under the vertex (jaw and neck) is no part of the skull's box.

use super::sampling;
use super::spec::{Fit, FrameSpec, Take};
use crate::space::{Ijk, Lps, Map, Net, Point, Vector};
use crate::status::Finding;
use crate::volume::axes::Canonical;
use crate::volume::crop::{IndexBox, bounds, crop};
use crate::volume::{Volume, VolumeError};
use serde::{Deserialize, Serialize};

/// Bone farther than this below the highest bone does not move the frame: it is jaw and neck. 180 mm keeps 98
/// of the 100 training skulls whole.
const BELOW_TOP_MM: f64 = 180.0;
/// Room on every side: an implant may stand out beyond the defective skull's box.
const MARGIN_MM: f64 = 10.0;
/// A frame may be stretched by this much for a large head; beyond it the network has never seen bone that thin.
const STRETCH_MAX: f64 = 1.15;
/// A frame that stretches by itself takes no larger skull than the fixed one would: front-back, left-right, up-down.
const MOST_MM: [f64; 3] = [276.0, 230.0, 276.0];
/// No training skull is smaller along any axis.
const SMALL_MM: f64 = 100.0;

/// Why a skull can not be put into the frame.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum FrameError {
    /// The mask is empty.
    #[error("there is no bone at this threshold. Check that the scan is a head CT in HU.")]
    Empty,
    /// The mask is far too large to be a skull.
    #[error(
        "the bone is {:.0} x {:.0} x {:.0} mm (front-back, left-right, up-down), too large for a skull: something else \
         is in the mask, or the spacing is wrong. Check the scan.", extent_mm[0], extent_mm[1], extent_mm[2]
    )]
    TooLarge {
        /// Antero-posterior, left-right, infero-superior extent in mm.
        extent_mm: [f64; 3],
    },
    /// The card's frame makes no sense.
    #[error(
        "a frame of {size_mm:?} mm in cells of {voxel_mm} mm can not be built. Check the model's card."
    )]
    Spec {
        /// Size asked for.
        size_mm: [f64; 3],
        /// Cell asked for.
        voxel_mm: f64,
    },
    /// A grid that is not the one the frame was made for.
    #[error("a grid of {got:?} voxels was given where {want:?} was wanted")]
    Grid {
        /// Shape given.
        got: [usize; 3],
        /// Shape wanted.
        want: [usize; 3],
    },
    /// The native grid's affine is not usable.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

/// A frame around one skull.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Cells along w, h, d.
    cells: [usize; 3],
    /// Edges of a cell in mm along w, h, d, stretch included.
    cell_mm: [f64; 3],
    /// Shape of the native grid.
    native: [usize; 3],
    /// The native grid's affine.
    native_to_lps: Map<Ijk, Lps>,
    /// Native axis of each frame axis w, h, d.
    source: [usize; 3],
    to_net: Map<Ijk, Net>,
    take: Take,
    /// What people should know about the fit.
    pub findings: Vec<Finding>,
}

/// What `case.json` keeps of a frame: all that is needed to map between the native grid and the network's cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameRecord {
    /// Cells along w, h, d: superior, left, posterior unless the card has other axes.
    pub cells: [usize; 3],
    /// Edges of a cell in mm along w, h, d.
    pub cell_mm: [f64; 3],
    /// Rows of the affine map from native voxel index to cell index (w, h, d).
    pub native_to_net: [[f64; 4]; 3],
    /// Rows of the affine map from cell index (w, h, d) to patient LPS mm.
    pub net_to_lps: [[f64; 4]; 3],
}

impl Frame {
    /// The frame around a skull's mask.
    ///
    /// # Errors
    /// [`FrameError`]: no bone, too large for a skull, or a card that makes no sense.
    pub fn fit(mask: &Volume<bool>, spec: &FrameSpec) -> Result<Self, FrameError> {
        let size_mm = spec.sizes_mm()?;
        let order = Canonical::closest(mask, spec.axes.directions());
        let spacing = mask.spacing_mm();
        let mut findings = Vec::new();
        let inner = upper_box(mask, &order, &mut findings).ok_or(FrameError::Empty)?;

        let extent = order.source.map(|n| inner[n].len() as f64 * spacing[n]);
        let cells = size_mm.map(|s| (s / spec.voxel_mm).round() as usize);
        let stretch = stretch(extent, size_mm, spec)?;
        judge(extent, stretch, spec, &mut findings);
        let cell_mm = stretch.map(|by| by * spec.voxel_mm);
        let mut columns = [Vector::<Net>::new([0.0; 3]); 3];
        let mut origin = [0.0; 3];
        for a in 0..3 {
            let n = order.source[a];
            let sign = if order.flipped[a] { -1.0 } else { 1.0 };
            let step = sign * spacing[n] / cell_mm[a];
            // What falls on what: native index, cell index. The outer faces lie half an index beyond the last centres.
            let middle = (inner[n].start + inner[n].end) as f64 / 2.0 - 0.5;
            let (native, cell) = if a == 0 && spec.fit == Fit::Top {
                let up = (extent[a] / 2.0 + MARGIN_MM) / spacing[n];
                (middle + sign * up, cells[a] as f64 - 0.5)
            } else {
                (middle, cells[a] as f64 / 2.0 - 0.5)
            };
            columns[n].0[a] = step;
            origin[a] = cell - step * native;
        }
        Ok(Self {
            cells,
            cell_mm,
            native: mask.shape(),
            native_to_lps: mask.to_lps(),
            source: order.source,
            take: spec.take,
            to_net: Map::from_columns(columns, Point::new(origin)),
            findings,
        })
    }

    /// Cells along w, h, d: superior, left, posterior unless the card has other axes.
    pub fn cells(&self) -> [usize; 3] {
        self.cells
    }
    /// Edges of a cell in mm along w, h, d: the card's, up to 1.15 of it for a large head, or each as the skull has it.
    pub fn cell_mm(&self) -> [f64; 3] {
        self.cell_mm
    }
    /// Native voxel index to cell index.
    pub fn to_net(&self) -> Map<Ijk, Net> {
        self.to_net
    }
    /// Cell index to native voxel index.
    pub fn to_native(&self) -> Map<Net, Ijk> {
        // A permutation scaled by positive spacings: never singular.
        self.to_net.inverse().expect("a frame's map is invertible")
    }
    /// Cell index to patient millimetres.
    pub fn to_lps(&self) -> Map<Net, Lps> {
        self.to_native().then(&self.native_to_lps)
    }
    /// What the record keeps.
    pub fn record(&self) -> FrameRecord {
        FrameRecord {
            cells: self.cells,
            cell_mm: self.cell_mm,
            native_to_net: self.to_net.0,
            net_to_lps: self.to_lps().0,
        }
    }

    /// Fraction of each cell that a native mask fills, 0 to 1, shape (w, h, d): the exact box average. Where
    /// native slices are thicker than a cell, linear between slice centres instead. Outside the scan is 0. With
    /// [`Take::Centre`] 1 where the voxel at the cell's centre is set, else 0.
    ///
    /// # Errors
    /// [`FrameError::Grid`] when the mask is on another grid.
    pub fn forward(&self, mask: &Volume<bool>) -> Result<Volume<f32>, FrameError> {
        self.same_grid(mask.shape(), self.native)?;
        let data = sampling::fractions(mask, &self.to_net, self.source, self.cells, self.take);
        Ok(Volume::new(self.cells, data, Map::new(self.to_lps().0))?)
    }

    /// A probability per cell, trilinear between cell centres, on the whole native grid (not only the skull's
    /// box: at the vertex the missing bone lies outside it). 0 beyond the frame.
    ///
    /// # Errors
    /// [`FrameError::Grid`] when the probability does not have the frame's cells.
    pub fn back(&self, probability: &Volume<f32>) -> Result<Volume<f32>, FrameError> {
        self.same_grid(probability.shape(), self.cells)?;
        let data = sampling::interpolated(probability, &self.to_net, self.source, self.native);
        Ok(Volume::new(self.native, data, self.native_to_lps)?)
    }

    fn same_grid(&self, got: [usize; 3], want: [usize; 3]) -> Result<(), FrameError> {
        if got == want {
            Ok(())
        } else {
            Err(FrameError::Grid { got, want })
        }
    }
}

/// Fractions as a mask of exactly 0.0 and 1.0 (>= 0.5), for weights whose card says `input = "mask"`.
pub fn binarised(fractions: &Volume<f32>) -> Volume<f32> {
    fractions.map(|&f| if f >= 0.5 { 1.0 } else { 0.0 })
}

/// The skull's native box without what lies more than 180 mm under the vertex.
fn upper_box(
    mask: &Volume<bool>,
    order: &Canonical,
    findings: &mut Vec<Finding>,
) -> Option<IndexBox> {
    let whole = bounds(mask)?;
    let up = order.source[0];
    let reach = (BELOW_TOP_MM / mask.spacing_mm()[up]).floor() as usize;
    if whole[up].len() <= reach {
        return Some(whole);
    }
    let cut = whole[up].len() - reach;
    let mut upper = whole.clone();
    upper[up] = if order.flipped[0] {
        whole[up].start..whole[up].end - cut
    } else {
        whole[up].start + cut..whole[up].end
    };
    let below_mm = cut as f64 * mask.spacing_mm()[up];
    findings.push(
        Finding::info(
            "neck_ignored",
            "Bone more than 180 mm under the vertex (jaw, neck) does not move the frame.",
        )
        .value(below_mm, "mm"),
    );
    let inner = bounds(&crop(mask, &upper))?;
    Some([0, 1, 2].map(|a| inner[a].start + upper[a].start..inner[a].end + upper[a].start))
}

/// How much larger than the card's a cell is along w, h, d, so that the skull and a margin fit.
fn stretch(extent: [f64; 3], size_mm: [f64; 3], spec: &FrameSpec) -> Result<[f64; 3], FrameError> {
    let by = [0, 1, 2].map(|a| (extent[a] + 2.0 * MARGIN_MM) / size_mm[a]);
    let named = spec.axes.named(extent);
    let (most, stretch) = match spec.fit {
        Fit::Middle => by.iter().fold((0.0, [1.0; 3]), |(most, all), &by| {
            (by.max(most), all.map(|a: f64| a.max(by)))
        }),
        Fit::Top => (by[1].max(by[2]), [by[1].max(by[2]).max(1.0); 3]),
        Fit::Box => {
            let share = |a: usize| STRETCH_MAX * (named[a] + 2.0 * MARGIN_MM) / MOST_MM[a];
            ((0..3).map(share).fold(0.0, f64::max), by)
        }
    };
    if most > STRETCH_MAX {
        return Err(FrameError::TooLarge { extent_mm: named });
    }
    Ok(stretch)
}

/// Findings about the head's size. `extent` and `stretch` along w, h, d.
fn judge(extent: [f64; 3], stretch: [f64; 3], spec: &FrameSpec, findings: &mut Vec<Finding>) {
    if spec.fit != Fit::Box && stretch[0] > 1.0 {
        let text =
            "Large head: the network sees it smaller than it is. Look at the design closely.";
        findings.push(
            Finding::warn("large_head", text)
                .value(spec.voxel_mm * stretch[0], "mm")
                .at_most(spec.voxel_mm),
        );
    }
    let least = extent.iter().copied().fold(f64::INFINITY, f64::min);
    if least < SMALL_MM {
        let text = "The skull is smaller than any training skull: an infant, or part of a head. \
                    Look at the design closely.";
        findings.push(
            Finding::warn("small_head", text)
                .value(least, "mm")
                .at_least(SMALL_MM),
        );
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
