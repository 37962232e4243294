//! Implant: probability becomes the bone that is missing, and a solid that fits.
//!
//! In:    the probability that bone is missing, on the native grid; the skull's mask; the CT in HU.
//! Out:   [`Missing`], the bone that is not there at full thickness on the native grid, with its bodies, side
//!        and region, or [`NoDefect`]; and [`Solid`], a closed mesh in patient LPS mm with its [`Fit`].
//! Holds: the bone decides the outline and the border's height and slope; the other half of the head, and far from
//!        the rim the network, the middle. Every part is one closed shell; it never comes nearer to the bone than
//!        the clearance along its way in.
//! Where asked the part is lightened: what it can do without is found by finite elements (`lighten/`).
//! Never: opens a file, asks the time, draws a random number. Never takes the bone's edge from a mask when grey
//!        values are there.

mod around;
mod asked;
mod bevel;
mod body;
mod candidate;
mod chart;
mod edge;
mod faces;
mod fault;
mod field;
mod fit;
mod foreseen;
mod insertion;
mod lighten;
mod mirrored;
mod missing;
mod opening;
mod part;
mod place;
mod plate;
mod rays;
mod report;
mod rules;
mod said;
mod scene;
mod solid;
mod subtract;
mod tables;
mod uncertainty;
mod vault;

pub use body::Body;
pub use fault::SolidError;
pub use fit::Fit;
pub use lighten::{Lighten, LightenError, Lightness, UnknownLighten};
pub use missing::{Missing, NoDefect, missing};
pub use part::Bone;
pub use rules::{Rules, Thickness};
pub use solid::{Part, Solid, solid};
pub use subtract::subtract;

#[cfg(test)]
mod tests;
