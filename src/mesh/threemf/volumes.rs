//! Volumes: what PrusaSlicer and its descendants say about parts of a 3MF that are not printed.
//!
//! Both write a file of settings beside the model: PrusaSlicer names ranges of an object's triangles, Bambu Studio and
//! OrcaSlicer name whole objects. A volume may be a part, or only a place where other settings or support apply, or
//! something to be cut out of the part. The last is refused: without it the part would be another one.

use super::wrong;
use super::xml::{Tag, tags};
use crate::mesh::fault::MeshError;
use crate::status::Finding;
use std::ops::Range;

/// Where the settings lie in the archive.
pub(super) const FILES: [&str; 2] = [
    "Metadata/Slic3r_PE_model.config",
    "Metadata/model_settings.config",
];

/// A volume that is no part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Volume {
    /// The object's id in the model.
    pub(super) object: String,
    /// Its triangles, from 0; `None`: all of the object.
    pub(super) triangles: Option<Range<usize>>,
    /// What it is, in the settings' own word.
    kind: String,
}

/// The volumes that are not printed.
///
/// # Errors
/// A volume that is cut out of the part, one of a kind that is not known, or one whose triangles are not numbers.
pub(super) fn not_printed(settings: &str) -> Result<Vec<Volume>, MeshError> {
    let mut found = Vec::new();
    let mut object = "";
    let mut triangles = None;
    for (n, tag) in tags(settings).enumerate() {
        let tag = tag.map_err(|what| wrong(n + 1, what))?;
        match (tag.name, tag.closes) {
            ("object", false) => object = tag.get("id").unwrap_or_default(),
            ("volume", false) => {
                triangles =
                    Some(range(&tag).ok_or_else(|| wrong(n + 1, "a volume lacks its triangles"))?)
            }
            ("volume", true) => triangles = None,
            ("metadata", false) => {
                let Some(range) = &triangles else { continue };
                if let Some(kind) = volume_kind(&tag)? {
                    found.push(Volume {
                        object: object.into(),
                        triangles: Some(range.clone()),
                        kind: kind.into(),
                    });
                }
            }
            ("part", false) => {
                if let (Some(id), Some(kind)) = (tag.get("id"), part_kind(&tag)?) {
                    found.push(Volume {
                        object: id.into(),
                        triangles: None,
                        kind: kind.into(),
                    });
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn range(tag: &Tag<'_>) -> Option<Range<usize>> {
    let number = |name: &str| tag.get(name)?.parse::<usize>().ok();
    Some(number("firstid")?..number("lastid")?.checked_add(1)?)
}

/// The kind of a PrusaSlicer volume that is not printed.
fn volume_kind<'a>(tag: &Tag<'a>) -> Result<Option<&'a str>, MeshError> {
    match (tag.get("key"), tag.get("value")) {
        // Before version 1.42.
        (Some("modifier"), Some("1")) => Ok(Some("modifier")),
        (Some("volume_type"), Some(kind)) => not_a_part(
            kind,
            "ModelPart",
            &["ParameterModifier", "SupportEnforcer", "SupportBlocker"],
        ),
        _ => Ok(None),
    }
}

/// The kind of a Bambu Studio part that is not printed.
fn part_kind<'a>(tag: &Tag<'a>) -> Result<Option<&'a str>, MeshError> {
    let Some(kind) = tag.get("subtype") else {
        return Ok(None);
    };
    not_a_part(
        kind,
        "normal_part",
        &["modifier_part", "support_enforcer", "support_blocker"],
    )
}

fn not_a_part<'a>(
    kind: &'a str,
    part: &str,
    others: &[&str],
) -> Result<Option<&'a str>, MeshError> {
    match kind {
        kind if kind == part => Ok(None),
        kind if others.contains(&kind) => Ok(Some(kind)),
        kind => Err(MeshError::Unread(format!(
            "has a volume of the kind '{kind}'"
        ))),
    }
}

/// What was left out.
pub(super) fn finding(volumes: &[Volume]) -> Option<Finding> {
    if volumes.is_empty() {
        return None;
    }
    let named: Vec<String> = (volumes.iter())
        .map(|v| format!("{} in object {}", v.kind, v.object))
        .collect();
    let text = format!(
        "Volumes of the 3MF that are no part were left out: {}. Their settings and support do not apply here.",
        named.join(", ")
    );
    Some(Finding::warn("mesh_volumes", text))
}
