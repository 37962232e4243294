//! 3MF: a zip with the model as XML. Units, objects, components and their placing are honoured.
//!
//! Reads what a solid needs: `model unit`, `object`, `vertex`, `triangle`, `component` and `item` with
//! `transform`. Objects that are support or surface, items marked not printable, and the volumes of PrusaSlicer that
//! only change its settings are left out; the last is said. What tells a shape in another way (lattices, stacks of
//! slices, negative volumes, extensions that are required and not known, models split over several files) is refused by
//! name.

use super::Mesh;
use super::fault::{BYTES_MAX, MeshError};
use super::file::Loaded;
use std::io::{Cursor, Read};

mod model;
mod volumes;
mod xml;

/// Reads a 3MF from its bytes.
///
/// # Errors
/// [`MeshError`]: no zip, no model in it, XML that does not follow the format, an unknown unit.
pub fn read<S>(bytes: &[u8]) -> Result<Loaded<S>, MeshError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| wrong(1, format!("no zip archive ({e})")))?;
    let mut model = model::Model::<S>::scan(&model_xml(&mut archive)?)?;
    let settings = volumes::FILES.map(|name| text(&mut archive, name));
    let mut left_out = Vec::new();
    for settings in settings.into_iter().flatten() {
        left_out.extend(volumes::not_printed(&settings?)?);
    }
    model.leave_out(&left_out);
    let mut mesh = Mesh {
        vertices: Vec::new(),
        triangles: Vec::new(),
    };
    let mut placed = 0;
    for (id, place) in &model.items {
        model.add(id, place, 0, &mut placed, &mut mesh)?;
    }
    if mesh.triangles.is_empty() {
        return Err(MeshError::Empty("3MF"));
    }
    // Vertices of what was left out are no part of its size.
    mesh.compact();
    Ok(Loaded {
        mesh,
        findings: volumes::finding(&left_out).into_iter().collect(),
    })
}

type Archive<'a> = zip::ZipArchive<Cursor<&'a [u8]>>;

fn wrong(at: usize, what: impl Into<String>) -> MeshError {
    MeshError::Format {
        kind: "3MF",
        at,
        what: what.into(),
    }
}

/// The model part.
fn model_xml(archive: &mut Archive<'_>) -> Result<String, MeshError> {
    let names: Vec<String> = (archive.file_names())
        .filter_map(|name| name.ok().map(|n| n.into_owned()))
        .collect();
    let is_model = |n: &&String| n.to_ascii_lowercase().ends_with("3d/3dmodel.model");
    // Some programs name the part otherwise; a single model is still clear.
    let any: Vec<&String> = (names.iter())
        .filter(|n| n.to_ascii_lowercase().ends_with(".model"))
        .collect();
    let name = match (names.iter().find(is_model), &any[..]) {
        (Some(name), _) => name.as_str(),
        (None, [name]) => name.as_str(),
        _ => return Err(wrong(1, "no model in the archive")),
    };
    text(archive, name).unwrap_or_else(|| Err(wrong(1, "no model in the archive")))
}

/// A part of the archive, unpacked to at most [`BYTES_MAX`] whatever the zip says about its size; `None` when it is
/// not there.
fn text(archive: &mut Archive<'_>, name: &str) -> Option<Result<String, MeshError>> {
    archive.index_for_name(name)?;
    Some(unpack(archive, name))
}

fn unpack(archive: &mut Archive<'_>, name: &str) -> Result<String, MeshError> {
    let file = (archive.by_name(name))
        .map_err(|e| wrong(1, format!("a part of it can not be unpacked ({e})")))?;
    let mut text = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(MeshError::TooLarge {
            mib: text.len() as u64 >> 20,
        });
    }
    String::from_utf8(text).map_err(|_| wrong(1, "a part of it is not UTF-8"))
}

#[cfg(test)]
mod tests;
