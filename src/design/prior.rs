//! The prior of the vault: it lies beside the model's card, and a case can be designed without it.

use super::{Case, Ended};
use crate::head::Prior;
use crate::status::Finding;
use std::io::ErrorKind;
use std::path::Path;

/// Name of its file in the model folder.
const FILE: &str = "vault.safetensors";

/// Reads it; where there is none, that is said.
pub(super) fn load(folder: &Path, case: &mut Case<'_>) -> Result<Option<Prior>, Ended> {
    let next = "Put the file back that came with this version (models/vault.safetensors).";
    let bytes = match std::fs::read(folder.join(FILE)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let text = format!(
                "The model folder has no prior of the vault ({FILE}): wide holes, and those without another side, are \
                 filled less well."
            );
            case.find([Finding::warn("no_prior", text)]);
            return Ok(None);
        }
        Err(e) => return Err(Ended::failed(e, next)),
    };
    let prior = Prior::from_bytes(&bytes).map_err(|e| Ended::failed(e, next))?;
    case.record.prior_sha256 = Some(super::sha256(&bytes));
    Ok(Some(prior))
}
