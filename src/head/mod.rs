//! Head: the skull's own axes, and where on the head something lies.
//!
//! In:    a skull's mask, with a hole or without, turned as it likes, with or without face and neck.
//! Out:   in one [`Look`], the [`Plane`] of symmetry and the [`Axes`]: a map from the patient's millimetres to the
//!        head's own ([`Head`](crate::space::Head)); the [`Region`] and side of a place.
//! Holds: axes turn with the skull, whatever the scanner's axes are. What is missing pulls nothing: a direction
//!        without bone is not asked. The same bits for any number of threads.
//! Never: opens a file, knows of a prediction.
//! Cost:  six casts of some thousand rays, a coarse distance transform and four small fits.
//!
//! `skin` is the vault's outer surface as rays see it, `body` all bone of the upper head; `register` finds the plane
//! under which they are their own mirror image (yaw, roll, side) and how well it is known, `nod` lays the mean vault of `vault` over it (pitch and the middle), `region` names bones.
//! `plane` and `axes` are what comes out, together as a [`Look`]. `shell` is the vault as walls by direction in those axes; `prior`
//! says how it goes on where bone is missing, and how well that is known. `facing` asks the whole form, before
//! anything else, whether the skull lies as its file says.

use crate::volume::{Volume, crop};

mod axes;
mod body;
mod facing;
mod nod;
mod plane;
mod prior;
mod region;
mod register;
mod shell;
mod skin;
#[cfg(test)]
mod tests;
mod vault;

pub use axes::Axes;
pub use facing::{Atlas, FILE as FACING, Facing, FacingError, Found, word as facing_word};
pub use plane::{Doubt, Plane};
pub use prior::{Expected, Prior, PriorError, Vaulted};
pub use region::Region;
pub use shell::{Shell, Wall};
pub(crate) use skin::half_bone;

use body::Body;
use register::Scene;
use skin::Skin;

/// What one look at a skull finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The plane that best registers the skull to its reflection.
    pub plane: Plane,
    /// How well it is known.
    pub doubt: Doubt,
    /// The skull's own axes; their left is the plane's normal.
    pub axes: Axes,
}

/// Plane and axes of a skull; `None` when no vault is seen. Then [`Axes::upright`] is what is left.
///
/// They are found twice: what the scanner's axes show of a turned head is lopsided, one temple and the other ear,
/// and its best plane can lie askew. The second time the vault is looked at along the axes of the first.
pub fn look(skull: &Volume<bool>) -> Option<Look> {
    let bounds = crop::bounds(skull)?;
    let skin = Skin::of(skull, &bounds)?;
    let body = Body::of(skull, &bounds)?;
    let (plane, doubt) = Scene::new(&skin, &body).best()?;
    let axes = nod::found(skull, &bounds, &skin, plane);
    let first = Look { plane, doubt, axes };
    let own = [axes.left(), axes.back(), axes.up()];
    let middle = axes.middle().plus(axes.up().times(-nod::RAISED_MM));
    let again = || {
        let skin = Skin::seen(skull, &bounds, middle, own, skin::LOWEST_DEG)?;
        let (plane, doubt) = Scene::new(&skin, &body).best()?;
        let axes = nod::found(skull, &bounds, &skin, plane);
        Some(Look { plane, doubt, axes })
    };
    Some(again().unwrap_or(first))
}

/// The axes of a skull; `None` when no vault is seen.
pub fn axes(skull: &Volume<bool>) -> Option<Axes> {
    look(skull).map(|look| look.axes)
}

/// The plane alone; `None` when no vault is seen.
#[cfg(test)]
pub(crate) fn plane(skull: &Volume<bool>) -> Option<Plane> {
    look(skull).map(|look| look.plane)
}
