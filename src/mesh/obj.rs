//! OBJ: the vertices and faces of a Wavefront text, in mm. Everything else in it (normals, textures,
//! materials, groups) says nothing about the solid and is passed over. A line that ends in a backslash goes on in
//! the next; what follows a `#` is a comment.

use super::Mesh;
use super::fault::{MeshError, TRIANGLES_MAX};
use super::file::Loaded;
use crate::space::Point;
use std::borrow::Cow;

/// Reads an OBJ from its bytes. Polygons are split into fans.
///
/// # Errors
/// [`MeshError`] with the line that is wrong.
pub fn read<S>(bytes: &[u8]) -> Result<Loaded<S>, MeshError> {
    let text = String::from_utf8_lossy(bytes);
    let mut mesh = Mesh {
        vertices: Vec::new(),
        triangles: Vec::new(),
    };
    for (at, line) in statements(text.trim_start_matches('\u{feff}')) {
        let wrong = |what: &str| MeshError::Format {
            kind: "OBJ",
            at,
            what: what.into(),
        };
        let mut words = line.split_whitespace();
        match words.next() {
            Some("v") => {
                let place = vertex(words).ok_or_else(|| wrong("a vertex needs three numbers"))?;
                mesh.vertices.push(Point::new(place));
            }
            Some("f") => {
                let corners: Option<Vec<u32>> =
                    words.map(|w| corner(w, mesh.vertices.len())).collect();
                let corners =
                    corners.ok_or_else(|| wrong("a face names a vertex that is not there"))?;
                if corners.len() < 3 {
                    return Err(wrong("a face needs three corners"));
                }
                for two in corners[1..].windows(2) {
                    mesh.triangles.push([corners[0], two[0], two[1]]);
                }
                if mesh.triangles.len() > TRIANGLES_MAX {
                    return Err(MeshError::TooMany);
                }
            }
            _ => {}
        }
    }
    if mesh.triangles.is_empty() {
        return Err(MeshError::Empty("OBJ"));
    }
    mesh.triangles
        .retain(|t| t[0] != t[1] && t[1] != t[2] && t[2] != t[0]);
    Ok(Loaded::plain(mesh))
}

/// The statements of a text, each with the number of its first line, from 1.
fn statements(text: &str) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let mut lines = text.lines().enumerate();
    std::iter::from_fn(move || {
        let (n, line) = lines.next()?;
        let mut statement = Cow::Borrowed(line);
        while let Some(begun) = unfinished(&statement) {
            let begun = format!("{begun} ");
            let next = lines.next().map_or("", |(_, line)| line);
            statement = Cow::Owned(begun + next);
        }
        let code = statement.find('#').unwrap_or(statement.len());
        Some(match statement {
            Cow::Borrowed(line) => (n + 1, Cow::Borrowed(&line[..code])),
            Cow::Owned(mut line) => {
                line.truncate(code);
                (n + 1, Cow::Owned(line))
            }
        })
    })
}

/// What stands before the backslash of a line that goes on; a comment does not.
fn unfinished(line: &str) -> Option<&str> {
    let begun = line.trim_end().strip_suffix('\\')?;
    (!begun.contains('#')).then_some(begun)
}

/// The first three numbers; a weight or a colour may follow.
fn vertex<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<[f64; 3]> {
    let mut number = || words.next()?.parse::<f64>().ok().filter(|x| x.is_finite());
    Some([number()?, number()?, number()?])
}

/// `7`, `7/1`, `7/1/2`, `7//2`: from 1, or from the last vertex back when negative.
fn corner(word: &str, vertices: usize) -> Option<u32> {
    let index: i64 = word.split('/').next()?.parse().ok()?;
    let count = i64::try_from(vertices).ok()?;
    let at = if index < 0 { count + index } else { index - 1 };
    (0..count).contains(&at).then_some(())?;
    u32::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::check::inspect;
    use crate::space::Lps;
    use proptest::prelude::*;

    const CUBE: &str = "# a cube\nmtllib none\no cube\nv 0 0 0\nv 10 0 0 0.5 0.5 0.5\nv 10 10 0\nv 0 10 0\n\
        v 0 0 10\nv 10 0 10\nv 10 10 10\nv 0 10 10\nvn 0 0 1\n\
        f 4 3 2 1\nf 5/1 6/2 7/3 8/4\nf 1//1 2//1 6//1 5//1\nf -6 -5 -1 -2\nf 3 4 8 7\nf 1/1/1 5/1/1 8/1/1 4/1/1\n";

    #[test]
    fn a_cube_of_quads_is_a_solid() {
        // One face of the cube is written with negative numbers: 3 4 8 7 once, 2 3 7 6 from the end.
        let text = CUBE.replace("f -6 -5 -1 -2", "f -7 -6 -2 -3");
        let mesh: Mesh<Lps> = read(text.as_bytes()).unwrap().mesh;
        let report = inspect(&mesh);
        assert!(report.is_solid(), "{report:?}");
        assert!((mesh.volume_mm3() - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, line) in [
            ("v 0 0\n", 1),
            ("v 0 0 0\nf 1 2 3\n", 2),
            ("v 0 0 0\nv 1 nan 0\n", 2),
            ("v 0 0 0\nv 1 0 0\nf 1 2\n", 3),
            ("v 0 0 0\nf 0 0 0\n", 2),
            ("v 0 0 0\nv 1 \\\n0 0\nf 1 2 \\\n 9\n", 4),
        ] {
            let error = read::<Lps>(text.as_bytes()).unwrap_err();
            assert!(
                matches!(error, MeshError::Format { at, .. } if at == line),
                "{error}"
            );
        }
        assert!(matches!(read::<Lps>(b"hello"), Err(MeshError::Empty(_))));
    }

    #[test]
    fn continued_lines_marks_and_comments_change_nothing() {
        let plain = CUBE.replace("f -6 -5 -1 -2", "f -7 -6 -2 -3");
        let want: Mesh<Lps> = read(plain.as_bytes()).unwrap().mesh;
        let cases = [
            format!("\u{feff}{plain}"),
            plain.replace("\nf 4 3 2 1", "\nf 4 3 \\\n 2\\\r\n1 # the floor"),
            plain.replace("\nv 10 0 0", "\nv\\\n10 0 0#corner"),
            // A comment does not go on, whatever it ends with.
            plain.replace("# a cube", "# a cube \\"),
        ];
        for text in cases {
            assert_ne!(text, plain);
            assert_eq!(read::<Lps>(text.as_bytes()).unwrap().mesh, want, "{text}");
        }
    }

    proptest! {
        /// Wherever a program breaks its lines, and whatever it remarks.
        #[test]
        fn any_breaking_of_lines_gives_the_same_part(breaks in prop::collection::vec(0u8..4, 200)) {
            let plain = CUBE.replace("f -6 -5 -1 -2", "f -7 -6 -2 -3");
            let mut next = breaks.iter();
            let broken: String = plain.split_inclusive(' ').map(|word| {
                let inside = !word.contains('\n') && next.next() == Some(&0);
                if inside { format!("{word}\\\n") } else { word.to_owned() }
            }).collect();
            // The first line is a comment, which no backslash continues.
            let broken = broken.replacen("# \\\n", "# ", 1).replacen("a \\\n", "a ", 1);
            let want = read::<Lps>(plain.as_bytes()).unwrap().mesh;
            prop_assert_eq!(read::<Lps>(broken.as_bytes()).unwrap().mesh, want);
        }

        #[test]
        fn no_bytes_panic(text in "[vf0-9/ .\\\\#\\-\n]{0,200}") {
            let _ = read::<Lps>(text.as_bytes());
        }
    }
}
