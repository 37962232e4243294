//! Tags: which face of the implant each triangle of a mesh file belongs to, as `implant.tags.json` says it.
//!
//! In:    bytes from anywhere, bounded by [`BYTES_MAX`]; the mesh file's SHA-256 and its number of triangles.
//! Out:   [`Tags`]: one [`Face`] for each triangle, in the order of the mesh file.
//! Holds: tags belong to one mesh file, byte for byte: those of another one are refused.
//! The format stands in `docs/lightening.md`.

use super::fault::TRIANGLES_MAX;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::Path;

/// The format's name and version.
pub const FORMAT: &str = "calvaria-tags/1";
/// Largest file read: one letter for each triangle, and what stands round them.
pub const BYTES_MAX: u64 = TRIANGLES_MAX as u64 + (64 << 10);

/// A face of an implant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Towards the skin: it is seen through it.
    Outer,
    /// Towards the brain.
    Inner,
    /// Towards the bone: it has to fit.
    Rim,
    /// The wall of a perforation: nothing has to fit there, and it is so narrow that it spans itself.
    Hole,
}

impl Face {
    /// Its letter in the file.
    fn letter(self) -> char {
        match self {
            Self::Outer => 'o',
            Self::Inner => 'i',
            Self::Rim => 'r',
            Self::Hole => 'h',
        }
    }

    fn of(letter: char) -> Option<Self> {
        match letter {
            'o' => Some(Self::Outer),
            'i' => Some(Self::Inner),
            'r' => Some(Self::Rim),
            'h' => Some(Self::Hole),
            _ => None,
        }
    }
}

/// The face of each triangle of a mesh, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// One for each triangle.
    pub faces: Vec<Face>,
}

/// Why tags are not read. Never a path or a name.
#[derive(Debug, thiserror::Error)]
pub enum TagsError {
    /// Larger than tags can be.
    #[error("the tags have more than {} MiB. Save them again.", BYTES_MAX >> 20)]
    TooLarge,
    /// No JSON, or not the keys that belong there.
    #[error("the tags can not be understood: {0}. Save them again.")]
    Unread(#[from] serde_json::Error),
    /// Another format or version.
    #[error("the tags have the format '{0}'; '{FORMAT}' is read here.")]
    Format(String),
    /// Made for other bytes.
    #[error(
        "the tags belong to another mesh file (their SHA-256 differs). Give those that were written with it."
    )]
    OtherMesh,
    /// Not one for each triangle.
    #[error(
        "the tags say {said} triangles and name the face of {named}; the mesh has {triangles}. Save mesh and tags again."
    )]
    Count {
        /// What the file says.
        said: usize,
        /// Letters in it.
        named: usize,
        /// What the mesh has once it was read: without what was left out or mended.
        triangles: usize,
    },
    /// A letter that stands for no face.
    #[error("the tags call the face of triangle {triangle} '{letter}'; o, i, r and h are known.")]
    Letter {
        /// Triangle, from 1.
        triangle: usize,
        /// The letter.
        letter: char,
    },
    /// The operating system's reason.
    #[error("the tags could not be read. Copy them again.")]
    Read(#[from] std::io::Error),
}

/// The file as it stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    mesh: String,
    sha256: String,
    triangles: usize,
    faces: String,
}

impl Tags {
    /// Writes the tags of the mesh file called `mesh` (its name without folders), whose SHA-256 is `sha256` (lower-case
    /// hex).
    ///
    /// # Errors
    /// When `out` can not be written.
    pub fn write(&self, mesh: &str, sha256: &str, out: &mut impl Write) -> std::io::Result<()> {
        let file = File {
            format: FORMAT.to_owned(),
            mesh: mesh.to_owned(),
            sha256: sha256.to_owned(),
            triangles: self.faces.len(),
            faces: self.faces.iter().map(|face| face.letter()).collect(),
        };
        serde_json::to_writer(&mut *out, &file)?;
        out.write_all(b"\n")
    }

    /// Reads tags that must be those of the mesh file with SHA-256 `sha256` (hex) and so many `triangles`.
    ///
    /// # Errors
    /// [`TagsError`], nothing half-read.
    pub fn read(bytes: &[u8], sha256: &str, triangles: usize) -> Result<Self, TagsError> {
        if bytes.len() as u64 > BYTES_MAX {
            return Err(TagsError::TooLarge);
        }
        // Another version may have other keys: it is named before they are looked at.
        #[derive(Deserialize)]
        struct Named {
            format: String,
        }
        let Named { format } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(TagsError::Format(format.chars().take(40).collect()));
        }
        let file: File = serde_json::from_slice(bytes)?;
        if !file.sha256.eq_ignore_ascii_case(sha256) {
            return Err(TagsError::OtherMesh);
        }
        let named = file.faces.chars().count();
        if file.triangles != triangles || named != triangles {
            return Err(TagsError::Count {
                said: file.triangles,
                named,
                triangles,
            });
        }
        let face = |(index, letter): (usize, char)| {
            Face::of(letter).ok_or(TagsError::Letter {
                triangle: index + 1,
                letter,
            })
        };
        let faces = file.faces.chars().enumerate().map(face);
        Ok(Self {
            faces: faces.collect::<Result<_, _>>()?,
        })
    }

    /// Reads a file of tags, as [`Tags::read`].
    ///
    /// # Errors
    /// [`TagsError`].
    pub fn load(path: &Path, sha256: &str, triangles: usize) -> Result<Self, TagsError> {
        let mut bytes = Vec::new();
        // One byte past the limit tells a file that grows.
        std::fs::File::open(path)?
            .take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
        Self::read(&bytes, sha256, triangles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Tags {
        Tags {
            faces: vec![Face::Outer, Face::Outer, Face::Inner, Face::Rim, Face::Rim],
        }
    }

    fn text() -> String {
        let mut out = Vec::new();
        some().write("implant.stl", "00ff", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn tags_are_written_as_the_page_says_and_read_again() {
        let said = r#"{"format":"calvaria-tags/1","mesh":"implant.stl","sha256":"00ff","triangles":5,"faces":"ooirr"}"#;
        assert_eq!(text(), format!("{said}\n"));
        assert_eq!(
            Tags::read(text().as_bytes(), "00FF", 5).unwrap().faces,
            some().faces
        );
    }

    #[test]
    fn what_is_not_this_meshs_is_refused() {
        let read = |text: &str, sha256: &str, triangles| {
            Tags::read(text.as_bytes(), sha256, triangles).unwrap_err()
        };
        assert!(matches!(read(&text(), "00fe", 5), TagsError::OtherMesh));
        assert!(matches!(
            read(&text(), "00ff", 6),
            TagsError::Count {
                said: 5,
                named: 5,
                triangles: 6
            }
        ));
        let changed = |from: &str, to: &str| text().replace(from, to);
        let short = changed("ooirr", "ooir");
        assert!(matches!(
            read(&short, "00ff", 5),
            TagsError::Count { named: 4, .. }
        ));
        assert!(matches!(
            read(&changed("ooirr", "ooixr"), "00ff", 5),
            TagsError::Letter {
                triangle: 4,
                letter: 'x'
            }
        ));
        // Letters are counted, not bytes.
        assert!(matches!(
            read(&changed("ooirr", "ooi\u{e4}r"), "00ff", 5),
            TagsError::Letter { .. }
        ));
        let other = r#"{"format":"calvaria-tags/2","bodies":[]}"#;
        assert!(matches!(read(other, "00ff", 5), TagsError::Format(f) if f.ends_with("/2")));
        for broken in [
            "",
            "[]",
            "{}",
            &text()[..40],
            &changed("\"mesh\"", "\"mash\""),
        ] {
            assert!(matches!(read(broken, "00ff", 5), TagsError::Unread(_)));
        }
    }

    #[test]
    fn a_file_larger_than_any_tags_is_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("implant.tags.json");
        std::fs::write(&path, text()).unwrap();
        assert_eq!(Tags::load(&path, "00ff", 5).unwrap().faces, some().faces);
        // Sparse: it takes no room on the disk.
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(1 << 30).unwrap();
        assert!(matches!(
            Tags::load(&path, "00ff", 5),
            Err(TagsError::TooLarge)
        ));
    }
}
