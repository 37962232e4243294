//! 3MF: a zip with the model as XML. Units, objects, components and their placing are honoured.
//!
//! Reads what a solid needs: `model unit`, `object`, `vertex`, `triangle`, `component` and `item` with
//! `transform`. Objects that are support or surface, and items marked not printable, are left out. Models
//! split over several files (production extension) are refused by name.

use super::Mesh;
use super::fault::{BYTES_MAX, MeshError, TRIANGLES_MAX};
use crate::space::{Map, Point};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Components may hold components; a real file nests two or three deep.
const DEPTH_MAX: usize = 16;
/// Objects placed in all: bounds files that nest the same object many times on every level.
const PLACED_MAX: usize = 10_000;

/// Reads a 3MF from its bytes.
///
/// # Errors
/// [`MeshError`]: no zip, no model in it, XML that does not follow the format, an unknown unit.
pub fn read<S>(bytes: &[u8]) -> Result<Mesh<S>, MeshError> {
    let xml = model_xml(bytes)?;
    let model = Model::<S>::scan(&xml)?;
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
    Ok(mesh)
}

fn wrong(at: usize, what: impl Into<String>) -> MeshError {
    MeshError::Format {
        kind: "3MF",
        at,
        what: what.into(),
    }
}

/// The model part, unpacked to at most [`BYTES_MAX`] whatever the zip says about its size.
fn model_xml(bytes: &[u8]) -> Result<String, MeshError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| wrong(1, format!("no zip archive ({e})")))?;
    let names: Vec<String> = (archive.file_names())
        .filter_map(|name| name.ok().map(|n| n.into_owned()))
        .collect();
    let is_model = |n: &&String| n.to_ascii_lowercase().ends_with("3d/3dmodel.model");
    // Some programs name the part otherwise; a single model is still clear.
    let any: Vec<&String> = (names.iter())
        .filter(|n| n.to_ascii_lowercase().ends_with(".model"))
        .collect();
    let name = match (names.iter().find(is_model), &any[..]) {
        (Some(name), _) => name.clone(),
        (None, [name]) => (*name).clone(),
        _ => return Err(wrong(1, "no model in the archive")),
    };
    let file = (archive.by_name(&name))
        .map_err(|e| wrong(1, format!("the model can not be unpacked ({e})")))?;
    let mut text = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(MeshError::TooLarge {
            mib: text.len() as u64 >> 20,
        });
    }
    String::from_utf8(text).map_err(|_| wrong(1, "the model is not UTF-8"))
}

struct Object<S> {
    printed: bool,
    mesh: Mesh<S>,
    components: Vec<(String, Map<S, S>)>,
}

struct Model<S> {
    objects: BTreeMap<String, Object<S>>,
    items: Vec<(String, Map<S, S>)>,
}

impl<S> Model<S> {
    fn scan(xml: &str) -> Result<Self, MeshError> {
        let mut model = Model {
            objects: BTreeMap::new(),
            items: Vec::new(),
        };
        let mut scale = 1.0;
        let mut current: Option<(String, Object<S>)> = None;
        for (n, tag) in tags(xml).enumerate() {
            let tag = tag.map_err(|what| wrong(n + 1, what))?;
            let missing = |name: &str| wrong(n + 1, format!("'{}' lacks '{name}'", tag.name));
            match tag.name {
                "model" if !tag.closes => scale = unit_mm(tag.get("unit"), n)?,
                "object" if tag.closes => model.objects.extend(current.take()),
                "object" => {
                    let id = tag.get("id").ok_or_else(|| missing("id"))?;
                    let kind = tag.get("type").unwrap_or("model");
                    let object = Object {
                        printed: !matches!(kind, "support" | "surface" | "solidsupport" | "other"),
                        mesh: Mesh {
                            vertices: Vec::new(),
                            triangles: Vec::new(),
                        },
                        components: Vec::new(),
                    };
                    current = Some((id.to_owned(), object));
                }
                "vertex" if !tag.closes => {
                    let object = current
                        .as_mut()
                        .ok_or_else(|| wrong(n + 1, "a vertex outside an object"))?;
                    let mut place = [0.0; 3];
                    for (x, name) in place.iter_mut().zip(["x", "y", "z"]) {
                        let value = tag.get(name).and_then(|v| v.parse::<f64>().ok());
                        let value = value.filter(|v| v.is_finite());
                        *x = scale * value.ok_or_else(|| missing(name))?;
                    }
                    object.1.mesh.vertices.push(Point::new(place));
                }
                "triangle" if !tag.closes => {
                    let object = current
                        .as_mut()
                        .ok_or_else(|| wrong(n + 1, "a triangle outside an object"))?;
                    let mesh = &mut object.1.mesh;
                    let mut corners = [0u32; 3];
                    for (corner, name) in corners.iter_mut().zip(["v1", "v2", "v3"]) {
                        let value = tag.get(name).and_then(|v| v.parse::<u32>().ok());
                        let value = value.filter(|&v| (v as usize) < mesh.vertices.len());
                        *corner = value.ok_or_else(|| missing(name))?;
                    }
                    mesh.triangles.push(corners);
                }
                "component" | "item" if !tag.closes => {
                    if tag.get("path").is_some() {
                        return Err(wrong(
                            n + 1,
                            "the model is split over several files, which is not read here",
                        ));
                    }
                    let id = tag.get("objectid").ok_or_else(|| missing("objectid"))?;
                    let place = transform(tag.get("transform"), scale)
                        .ok_or_else(|| wrong(n + 1, "a transform needs twelve numbers"))?;
                    let printed = !matches!(tag.get("printable"), Some("0" | "false"));
                    match (&mut current, tag.name) {
                        (Some((_, object)), "component") => {
                            object.components.push((id.to_owned(), place));
                        }
                        (None, "item") if printed => model.items.push((id.to_owned(), place)),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(model)
    }

    /// Adds one object with all that it is made of.
    fn add(
        &self,
        id: &str,
        place: &Map<S, S>,
        depth: usize,
        placed: &mut usize,
        to: &mut Mesh<S>,
    ) -> Result<(), MeshError> {
        let object =
            (self.objects.get(id)).ok_or_else(|| wrong(1, format!("object {id} is not there")))?;
        *placed += 1;
        if depth > DEPTH_MAX || *placed > PLACED_MAX {
            return Err(wrong(
                1,
                "objects hold each other without end, or too often",
            ));
        }
        if !object.printed {
            return Ok(());
        }
        let moved = object.mesh.mapped(place);
        // Also bounds files in which few objects are placed very often.
        if to.triangles.len() + moved.triangles.len() > TRIANGLES_MAX
            || to.vertices.len() > 3 * TRIANGLES_MAX
        {
            return Err(MeshError::TooMany);
        }
        let shift = to.vertices.len() as u32;
        to.vertices.extend(moved.vertices);
        to.triangles
            .extend(moved.triangles.iter().map(|t| t.map(|v| v + shift)));
        for (inner, inner_place) in &object.components {
            self.add(inner, &inner_place.then(place), depth + 1, placed, to)?;
        }
        Ok(())
    }
}

fn unit_mm(name: Option<&str>, at: usize) -> Result<f64, MeshError> {
    Ok(match name.unwrap_or("millimeter") {
        "micron" => 0.001,
        "millimeter" => 1.0,
        "centimeter" => 10.0,
        "inch" => 25.4,
        "foot" => 304.8,
        "meter" => 1000.0,
        other => return Err(wrong(at + 1, format!("the unit '{other}' is not known"))),
    })
}

/// Twelve numbers, a row vector times a 4x3 matrix: `m00 m01 m02 m10 .. m32`, the last three the shift.
fn transform<S>(text: Option<&str>, scale: f64) -> Option<Map<S, S>> {
    let Some(text) = text else {
        return Some(Map::new([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]));
    };
    let m: Vec<f64> = (text.split_whitespace())
        .map(|w| w.parse::<f64>().ok().filter(|x| x.is_finite()))
        .collect::<Option<_>>()?;
    (m.len() == 12)
        .then(|| Map::new([0, 1, 2].map(|r| [m[r], m[3 + r], m[6 + r], scale * m[9 + r]])))
}

/// One XML tag: its name without prefix, and its text.
struct Tag<'a> {
    name: &'a str,
    closes: bool,
    text: &'a str,
}

impl<'a> Tag<'a> {
    /// An attribute's value, by its name without prefix.
    fn get(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.text;
        loop {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|q| matches!(q, '"' | '\''))?;
            let (value, next) = after[1..].split_once(quote)?;
            if local(key.trim()) == name {
                return Some(value);
            }
            rest = next;
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The tags of an XML text in order. Comments, declarations and texts between tags are passed over; an element
/// that closes itself gives an opening and, for objects, a closing tag.
fn tags(xml: &str) -> impl Iterator<Item = Result<Tag<'_>, &'static str>> {
    let mut rest = xml;
    let mut pending: Option<&str> = None;
    std::iter::from_fn(move || {
        if let Some(name) = pending.take() {
            return Some(Ok(Tag {
                name,
                closes: true,
                text: "",
            }));
        }
        loop {
            rest = &rest[rest.find('<')? + 1..];
            let skip = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>"), ("!", ">")];
            if let Some((_, end)) = skip.iter().find(|(start, _)| rest.starts_with(start)) {
                let Some(at) = rest.find(end) else {
                    rest = "";
                    return Some(Err("the file ends within a comment"));
                };
                rest = &rest[at + end.len()..];
                continue;
            }
            let Some(end) = tag_end(rest) else {
                rest = "";
                return Some(Err("the file ends within a tag"));
            };
            let inner = &rest[..end];
            rest = &rest[end + 1..];
            let closes = inner.starts_with('/');
            let alone = inner.ends_with('/');
            let body = inner.trim_matches('/').trim();
            let (name, text) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
            if alone && local(name) == "object" {
                pending = Some("object");
            }
            return Some(Ok(Tag {
                name: local(name),
                closes,
                text,
            }));
        }
    })
}

/// Where a tag's `>` stands: not within quotes.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::check::inspect;
    use crate::mesh::testing::cuboid;
    use crate::space::Lps;
    use std::io::Write;

    fn zipped(name: &str, xml: &str) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).unwrap();
        writer.write_all(xml.as_bytes()).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn cube_object(id: u32, prefix: &str) -> String {
        let mesh = cuboid([0.0; 3], [10.0; 3]);
        let mut out =
            format!("<{prefix}object id='{id}' type=\"model\"><{prefix}mesh><{prefix}vertices>");
        for v in &mesh.vertices {
            let [x, y, z] = v.0;
            out += &format!("<{prefix}vertex x=\"{x}\" y='{y}' z=\"{z}\" />");
        }
        out += &format!("</{prefix}vertices><{prefix}triangles>");
        for [a, b, c] in mesh.triangles {
            out += &format!("<{prefix}triangle v1=\"{a}\" v2=\"{b}\" v3=\"{c}\"/>");
        }
        out + &format!("</{prefix}triangles></{prefix}mesh></{prefix}object>")
    }

    fn model(unit: &str, resources: &str, build: &str) -> Vec<u8> {
        let xml = format!(
            "<?xml version=\"1.0\"?><!-- a > b --><model unit=\"{unit}\" xmlns:m='x>y'>\
             <resources>{resources}</resources><build>{build}</build></model>"
        );
        zipped("3D/3dmodel.model", &xml)
    }

    #[test]
    fn units_are_honoured() {
        for (unit, mm) in [("millimeter", 1.0f64), ("inch", 25.4), ("micron", 0.001)] {
            let bytes = model(unit, &cube_object(1, ""), "<item objectid=\"1\"/>");
            let mesh: Mesh<Lps> = read(&bytes).unwrap();
            let want = (10.0 * mm).powi(3);
            assert!((mesh.volume_mm3() / want - 1.0).abs() < 1e-9, "{unit}");
        }
        let bytes = model("cubit", &cube_object(1, ""), "<item objectid=\"1\"/>");
        assert!(
            read::<Lps>(&bytes)
                .unwrap_err()
                .to_string()
                .contains("cubit")
        );
    }

    #[test]
    fn components_and_items_are_placed() {
        let resources = cube_object(1, "m:")
            + "<object id=\"2\"><components><component objectid=\"1\" \
               transform=\"1 0 0 0 1 0 0 0 1 100 0 0\"/><component objectid=\"1\"/></components></object>";
        // A quarter turn about z and a shift: x goes to y.
        let build = "<item objectid=\"2\" transform=\"0 1 0 -1 0 0 0 0 1 0 0 5\"/>\
                     <item objectid=\"1\" printable=\"0\"/>";
        let mesh: Mesh<Lps> = read(&model("millimeter", &resources, build)).unwrap();
        let report = inspect(&mesh);
        assert!(report.is_solid() && report.parts.len() == 2, "{report:?}");
        let (low, high) = mesh.bounds().unwrap();
        assert_eq!((low.0, high.0), ([-10.0, 0.0, 5.0], [0.0, 110.0, 15.0]));
    }

    #[test]
    fn broken_models_are_refused() {
        let endless =
            "<object id=\"1\"><components><component objectid=\"1\"/></components></object>";
        for bytes in [
            b"PK nothing".to_vec(),
            zipped("readme.txt", "hello"),
            zipped("3D/3dmodel.model", "<model><resources><object id='1'"),
            model("millimeter", "", "<item objectid=\"7\"/>"),
            model("millimeter", endless, "<item objectid=\"1\"/>"),
            model(
                "millimeter",
                &cube_object(1, "").replace("v1=\"0\"", "v1=\"99\""),
                "",
            ),
            model(
                "millimeter",
                &cube_object(1, "").replace("x=\"10\"", "x=\"NaN\""),
                "",
            ),
            model("millimeter", &cube_object(1, ""), ""),
            model(
                "millimeter",
                &cube_object(1, ""),
                "<item p:path=\"/a\" objectid=\"1\"/>",
            ),
        ] {
            assert!(read::<Lps>(&bytes).is_err());
        }
    }
}
