//! Skull: a CT in HU becomes the network's input, and the way back.
//!
//! In:    `Volume<Hu>` of any axis order and spacing from 0.3 to 3 mm, affine to LPS mm; or a skull mask.
//! Out:   the skull's mask on the native grid ([`bone`], [`Skull`]); the network's frame around it
//!        ([`Frame`]): bone fraction per cell forward, probability back onto the whole native grid.
//! Holds: `frame.to_net()` and `frame.to_native()` undo each other to 1e-9. Masks do not round-trip: the ceiling of
//!        a 2 mm frame is a DSC of 0.98.
//! Never: opens a file, asks the time, draws a random number. Never interpolates HU.
//! Cost:  a few passes over the volume; at most a few bytes a voxel; the same bytes for any number of threads.

mod bone;
mod frame;
mod outline;
mod sampling;
mod spec;

pub use bone::{Skull, SkullError, bone};
pub use frame::{Frame, FrameError, FrameRecord, binarised};
pub use spec::{Axes, Fit, FrameSpec, Take};
