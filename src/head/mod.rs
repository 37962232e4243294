//! Head: the skull's own axes, and where on the head something lies.
//!
//! In:    a skull's mask, with a hole or without, turned as it likes, with or without face and neck.
//! Out:   in one [`Look`], the [`Plane`] of symmetry and the [`Axes`]: a map from the patient's millimetres to the
//!        head's own ([`Head`](crate::space::Head)); the [`Region`] and side of a place.
//! Holds: axes turn with the skull, whatever the scanner's axes are. What is missing pulls nothing: a direction
//!        without bone is not asked. The same bits for any number of threads.
//! Never: opens a file, knows of a prediction.
//! Cost:  six casts of some thousand rays and four small fits.
//!
//! `skin` is the vault's outer surface as rays see it, `register` finds the plane under which it is its own mirror
//! image (yaw, roll, side), `nod` lays the mean vault of `vault` over it (pitch and the middle), `region` names bones.
//! `plane` and `axes` are what comes out, together as a [`Look`].

use crate::volume::Volume;

mod axes;
mod nod;
mod plane;
mod region;
mod register;
mod skin;
#[cfg(test)]
mod tests;
mod vault;

pub use axes::Axes;
pub use plane::Plane;
pub use region::Region;
pub(crate) use skin::half_bone;

use skin::Skin;

/// What one look at a skull finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The plane that best registers the skull's vault, as the scanner's axes show it, to its reflection.
    pub plane: Plane,
    /// The skull's own axes.
    pub axes: Axes,
}

/// Plane and axes of a skull; `None` when no vault is seen. Then [`Axes::upright`] is what is left.
///
/// The axes are found twice: what the scanner's axes show of a turned head is lopsided, one temple and the other ear,
/// and its best plane can lie askew. The second time the vault is looked at along the axes of the first.
pub fn look(skull: &Volume<bool>) -> Option<Look> {
    let skin = Skin::of(skull)?;
    let plane = register::best(&skin)?;
    let first = nod::found(skull, &skin, plane);
    let own = [first.left(), first.back(), first.up()];
    let middle = first.middle().plus(first.up().times(-nod::RAISED_MM));
    let again = Skin::seen(skull, middle, own, skin::LOWEST_DEG)
        .and_then(|skin| Some(nod::found(skull, &skin, register::best(&skin)?)));
    let axes = again.unwrap_or(first);
    Some(Look { plane, axes })
}

/// The axes of a skull; `None` when no vault is seen.
pub fn axes(skull: &Volume<bool>) -> Option<Axes> {
    look(skull).map(|look| look.axes)
}

/// The plane alone, at half the cost; `None` when no vault is seen.
#[cfg(test)]
pub(crate) fn plane(skull: &Volume<bool>) -> Option<Plane> {
    register::best(&Skin::of(skull)?)
}
