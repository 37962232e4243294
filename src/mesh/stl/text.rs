//! Text: STL as words, one statement a line.
//!
//! Reads what programs write: any case, any number of solids, names of any words, `end solid` beside `endsolid`.
//! Normals are passed over: the corners say which way a face looks.

use super::{MeshError, TRIANGLES_MAX};

/// The corners of a text, three a facet.
pub(super) struct Text {
    pub(super) corners: Vec<[f64; 3]>,
    /// The last solid is ended.
    pub(super) ended: bool,
}

/// Reads a text that begins with `solid`.
///
/// # Errors
/// [`MeshError::Format`] with the line that does not follow the format, or that the file ends within a facet.
pub(super) fn read(text: &str) -> Result<Text, MeshError> {
    let mut found = Text {
        corners: Vec::new(),
        ended: true,
    };
    let mut facet = None;
    let mut last = 0;
    for (at, line) in text.lines().enumerate() {
        last = at + 1;
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else {
            continue;
        };
        let wrong = |what: &str| format(last, what);
        let mut keyword = first.to_ascii_lowercase();
        if keyword == "end" {
            keyword.extend(words.next().map(str::to_ascii_lowercase));
        }
        match keyword.as_str() {
            "solid" => found.ended = false,
            "endsolid" => found.ended = true,
            "facet" => facet = Some(found.corners.len()),
            "outer" => {}
            "vertex" => {
                if facet.is_none() {
                    return Err(wrong("a vertex outside a facet"));
                }
                let corner = vertex(words).ok_or_else(|| wrong("a vertex needs three numbers"))?;
                found.corners.push(corner);
            }
            "endloop" => {
                if facet.is_none_or(|from| found.corners.len() != from + 3) {
                    return Err(wrong("a facet needs three corners"));
                }
            }
            "endfacet" => {
                let whole = facet.take().is_some_and(|f| found.corners.len() == f + 3);
                if !whole {
                    return Err(wrong("a facet needs three corners"));
                }
                if found.corners.len() > 3 * TRIANGLES_MAX {
                    return Err(MeshError::TooMany);
                }
            }
            _ => return Err(wrong("a word that STL does not know")),
        }
    }
    if facet.is_some() {
        return Err(format(last, "the file ends within a facet"));
    }
    Ok(found)
}

fn format(at: usize, what: &str) -> MeshError {
    MeshError::Format {
        kind: "STL",
        at,
        what: what.into(),
    }
}

/// Three numbers as `f32`: what STL holds, in text as in binary.
fn vertex<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<[f64; 3]> {
    let mut number = || words.next()?.parse::<f32>().ok().filter(|x| x.is_finite());
    Some([number()?, number()?, number()?].map(f64::from))
}
