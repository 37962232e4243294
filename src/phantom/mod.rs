//! Phantom: heads that nobody has, with holes whose truth is known.
//!
//! In:    a seed and a kind of defect; the [`Atlas`] of template heads. Or a real scan or mask to be cut.
//! Out:   a CT in HU with the hole in it, and the bone that was taken out, on the same grid.
//! Holds: same seed, same atlas: the same bytes, whatever the thread count. Another kind of defect leaves the head
//!        as it is. Rim walls run along the local normal; edges carry partial volume.
//! Never: asks the time. The identity in a phantom's files is invented.
//! Cost:  a head of 272x272x190 voxels takes 3 to 4 s on two busy cores in the dev profile.
//!
//! A head is a template from the atlas, mirrored or not, scaled, bent and thickened by seed (`form.rs`), then scanned
//! (`scan.rs`): distances become tissue, tissue becomes HU, noise is added. A hole is drawn by kind (`site.rs`) and
//! shape (`rim.rs`), laid onto the bone (`table.rs`, `outline.rs`) and cut (`cut.rs`); real scans and masks are cut by
//! the same code. Intact skulls are seen anew, turned and cropped, by `view.rs`. The templates are skulls of the training set, so a good answer on a phantom proves that the line works, not that the network knows
//! unseen heads.

mod atlas;
mod cut;
mod dice;
pub mod dicom;
mod form;
mod outline;
mod rim;
mod scan;
mod site;
mod table;
mod view;

#[cfg(test)]
mod tests;

pub use atlas::{ATLAS, Atlas};
pub use cut::{Cut, Hole, cut, cut_mask};
pub use scan::Grid;
pub use site::Defect;
pub use view::View;

use crate::volume::{Hu, Volume, VolumeError, components};
use dice::Dice;

/// What head is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Where the hole is.
    pub defect: Defect,
    /// Rim chord in mm, between 20 and 150; without it the seed draws one between 40 and 120.
    pub chord_mm: Option<f64>,
}

/// A head and its truth.
#[derive(Clone, Debug)]
pub struct Head {
    /// The CT with the hole.
    pub ct: Volume<Hu>,
    /// The bone that was taken out, diploe included; same grid.
    pub removed: Volume<bool>,
    /// What each hole measures.
    pub holes: Vec<Hole>,
}

/// Why there is no phantom.
#[derive(Debug, thiserror::Error)]
pub enum PhantomError {
    /// The atlas' file is not there.
    #[error(
        "there are no template heads ({ATLAS}) in the model folder. Point --model or CALVARIA_MODELS at a folder with them."
    )]
    NoAtlas(#[source] std::io::Error),
    /// The atlas' file is damaged.
    #[error("the template heads ({ATLAS}) could not be read: {0}. Copy the model folder again.")]
    Atlas(String),
    /// A grid that can not be.
    #[error(transparent)]
    Volume(VolumeError),
    /// No vault where the hole should be.
    #[error(
        "no vault was found where the {0} hole should be cut. The scan must show the top of an upright head; try another seed or kind."
    )]
    NoVault(Defect),
    /// There is no bone at all.
    #[error("there is no bone in it. Give the scan or mask of a head.")]
    Empty,
    /// A file could not be written.
    #[error("the series could not be written: {0}")]
    Write(String),
}

/// HU at and above which a voxel is bone, as in the networks' cards.
const BONE: Hu = Hu(150);

/// A seeded head with a seeded hole.
///
/// # Errors
/// [`PhantomError`] when the grid can not be made or the hole finds no vault; neither happens with the atlas as
/// shipped.
pub fn head(recipe: &Recipe, atlas: &Atlas) -> Result<Head, PhantomError> {
    head_on(recipe, atlas, &Grid::FINE)
}

/// The same, scanned on another grid. Its noise and its hole are drawn on that grid: it is another head.
///
/// # Errors
/// Those of [`head`].
pub fn head_on(recipe: &Recipe, atlas: &Atlas, grid: &Grid) -> Result<Head, PhantomError> {
    let mut dice = Dice::new(recipe.seed, 0);
    let template = &atlas.heads[dice.below(atlas.heads.len())];
    let form = form::Form::draw(&mut dice, template.bone.extent_mm());
    let ct = scan::scan(template, &form, (&mut dice, recipe.seed), grid)?;
    let bone = components::largest(&ct.map(|&hu| hu >= BONE));
    let Cut {
        changed,
        removed,
        holes,
    } = cut(&ct, &bone, recipe)?;
    Ok(Head {
        ct: changed,
        removed,
        holes,
    })
}
