//! Facing: whether the skull's form agrees with the axes that its file gives.
//!
//! A wrong affine turns the head or mirrors it with a turn; its part would be printed for the wrong place. A pure
//! mirror image of left and right is not told by any form.

use super::{Case, Ended};
use crate::head::{Atlas, FACING, Facing, Found, facing_word};
use crate::intake::{self, Limits, Refusal};
use crate::network;
use crate::status::{Finding, Severity};
use crate::volume::components;
use crate::volume::{Hu, Volume};
use std::path::Path;

const AXES: &str = "Export the scan again from where it was taken, with its true orientation; the original is untouched.";
const ATLAS: &str =
    "Put models/facing.safetensors in place, beside the card or in the usual model folder.";

/// The atlas of how heads face, from the folder of the model or a usual one.
///
/// # Errors
/// A failure: without it no case is designed.
pub(super) fn load(model: &Path) -> Result<Atlas, Ended> {
    let usual = network::places(None);
    let path = (std::iter::once(model).chain(usual.iter().map(AsRef::as_ref)))
        .map(|dir| dir.join(FACING))
        .find(|path| path.exists())
        .ok_or_else(|| Ended::failed("The atlas of how heads face is not there.", ATLAS))?;
    let bytes = std::fs::read(path).map_err(|e| Ended::failed(e, ATLAS))?;
    Atlas::from_bytes(&bytes).map_err(|e| Ended::failed(e, ATLAS))
}

/// Refuses a skull that lies otherwise than its file says; a form that does not tell is a finding.
///
/// # Errors
/// The refusal.
pub(super) fn judge(atlas: &Atlas, skull: &Volume<bool>, case: &mut Case<'_>) -> Result<(), Ended> {
    match atlas.facing(skull) {
        Facing::AsSaid => Ok(()),
        Facing::Unclear => {
            let text = "Whether the skull lies as the file says can not be told from its form: too little of it is in view, or it is no usual head. Compare the pictures with the patient.";
            case.find([Finding::warn("facing_unclear", text)]);
            Ok(())
        }
        Facing::Otherwise(found) => Err(refused(&found, case)),
    }
}

/// What is said of a scan that was not taken for a head, or has no skull: a head that lies otherwise looks like none.
pub(super) fn instead(
    otherwise: Ended,
    atlas: &Atlas,
    ct: &Volume<Hu>,
    threshold: Hu,
    case: &mut Case<'_>,
) -> Ended {
    let dense = ct.with(ct.data().iter().map(|&hu| hu >= threshold).collect());
    match atlas.facing(&components::largest(&dense)) {
        Facing::Otherwise(found) => refused(&found, case),
        Facing::AsSaid | Facing::Unclear => otherwise,
    }
}

/// The same for what the intake refused: only where it looked for a head and found none.
pub(super) fn instead_of(
    refusal: Refusal,
    next: &str,
    (atlas, threshold): (&Atlas, Hu),
    (input, limits): (&Path, &Limits),
    case: &mut Case<'_>,
) -> Ended {
    let no_head = matches!(refusal, Refusal::NotHead { .. });
    let ended = Ended::refused(refusal, next);
    let any = Limits {
        head: false,
        ..limits.clone()
    };
    match no_head.then(|| intake::read(input, &any)) {
        Some(Ok(study)) => instead(ended, atlas, &study.ct, threshold, case),
        _ => ended,
    }
}

fn refused(found: &Found, case: &mut Case<'_>) -> Ended {
    let text = format!(
        "The form of the skull contradicts the file: by the file's axes its face looks to the {} and its top lies at the {}. Left and right can not be trusted either.",
        facing_word(found.front),
        facing_word(found.up),
    );
    case.find([Finding::new(Severity::Refuse, "facing", text.clone())]);
    Ended::refused(text, AXES)
}
