//! Mirror: the baseline that every network has to beat, and that needs none.
//!
//! In:    the defective skull's mask, the [`Plane`] that best registers its vault to its own reflection, and where the
//!        defect is.
//! Out:   the [`baseline`]: what the reflection has and the skull has not, opened by 1 mm, the body nearest the defect.
//! Holds: missing bone pulls nothing: what has no partner is not asked. A head turned by up to 24 degrees about
//!        its long or its front-to-back axis is found. The same bits for any number of threads.
//! Never: looks at the truth beyond its centroid. A hole on the midline has no other side: the answer is then a
//!        poor one, and its score says so.
//! Why the skin of the vault alone: neck, jaw and the cut through the face lie askew to the calvaria; asked for all
//! bone, the plane of a real head was 3 mm off over the vault. `head` finds the
//! plane, `answer` says how the body is cut free.

mod answer;
#[cfg(test)]
mod tests;

pub use crate::head::Plane;
pub use answer::baseline;
