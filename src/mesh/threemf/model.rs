//! Model: the objects of a 3MF, and what is built of them.

use super::super::Mesh;
use super::super::fault::{MeshError, TRIANGLES_MAX};
use super::volumes::Volume;
use super::wrong;
use super::xml::{Tag, tags};
use crate::space::{Map, Point};
use std::collections::BTreeMap;

/// Components may hold components; a real file nests two or three deep.
const DEPTH_MAX: usize = 16;
/// Objects placed in all: bounds files that nest the same object many times on every level.
const PLACED_MAX: usize = 10_000;

/// Extensions that may be required: they change colours, names and files, not the shape; a model that is really split
/// over several files is refused where it says so.
const EXTENSIONS: [&str; 4] = [
    "http://schemas.microsoft.com/3dmanufacturing/core/2015/02",
    "http://schemas.microsoft.com/3dmanufacturing/material/2015/02",
    "http://schemas.microsoft.com/3dmanufacturing/production/2015/06",
    "http://schemas.microsoft.com/3dmanufacturing/trianglesets/2021/07",
];

/// What an object may be made of. Anything else in it is a shape that is not read: a lattice, an implicit body.
const ELEMENTS: [&str; 12] = [
    "metadatagroup",
    "metadata",
    "mesh",
    "vertices",
    "vertex",
    "triangles",
    "triangle",
    "components",
    "component",
    "trianglesets",
    "triangleset",
    "ref",
];

/// One object of the resources.
struct Object<S> {
    printed: bool,
    mesh: Mesh<S>,
    components: Vec<(String, Map<S, S>)>,
}

/// All objects, and which are printed where.
pub(super) struct Model<S> {
    objects: BTreeMap<String, Object<S>>,
    pub(super) items: Vec<(String, Map<S, S>)>,
}

impl<S> Model<S> {
    /// Reads the model's XML.
    pub(super) fn scan(xml: &str) -> Result<Self, MeshError> {
        let mut reader = Reader {
            model: Self {
                objects: BTreeMap::new(),
                items: Vec::new(),
            },
            scale: None,
            current: None,
        };
        for (n, tag) in tags(xml).enumerate() {
            let tag = tag.map_err(|what| wrong(n + 1, what))?;
            reader.take(n + 1, &tag)?;
        }
        Ok(reader.model)
    }

    /// Takes volumes out that are no part of the print; those of other objects are passed over.
    pub(super) fn leave_out(&mut self, volumes: &[Volume]) {
        for volume in volumes {
            let Some(object) = self.objects.get_mut(&volume.object) else {
                continue;
            };
            match &volume.triangles {
                None => object.printed = false,
                // Emptied, not removed: other volumes' ranges count from the same beginning.
                Some(range) => {
                    let triangles = &mut object.mesh.triangles;
                    let end = range.end.min(triangles.len());
                    let some = triangles.get_mut(range.start..end).unwrap_or_default();
                    some.fill([0; 3]);
                }
            }
        }
        for object in self.objects.values_mut() {
            object.mesh.triangles.retain(|t| *t != [0; 3]);
        }
    }

    /// Adds one object with all that it is made of.
    pub(super) fn add(
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

/// The model in the making.
struct Reader<S> {
    model: Model<S>,
    /// mm a unit, once the model has begun.
    scale: Option<f64>,
    current: Option<(String, Object<S>)>,
}

impl<S> Reader<S> {
    fn take(&mut self, at: usize, tag: &Tag<'_>) -> Result<(), MeshError> {
        match tag.name {
            "model" if !tag.closes => self.begin(at, tag)?,
            "object" if tag.closes => self.model.objects.extend(self.current.take()),
            "object" => self.object(at, tag)?,
            "vertex" if !tag.closes => self.vertex(at, tag)?,
            "triangle" if !tag.closes => self.triangle(at, tag)?,
            "component" | "item" if !tag.closes => self.place(at, tag)?,
            name if self.current.is_some() && !ELEMENTS.contains(&name) => {
                return Err(MeshError::Unread(format!("makes a part of <{name}>")));
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: usize, tag: &Tag<'_>) -> Result<(), MeshError> {
        if self.scale.is_some() {
            return Err(wrong(at, "a second model in the same file"));
        }
        self.scale = Some(unit_mm(tag.get("unit"), at)?);
        let required = tag.get("requiredextensions").unwrap_or_default();
        for prefix in required.split_whitespace() {
            let key = format!("xmlns:{prefix}");
            let space = tag.attributes().find(|(k, _)| *k == key).map(|(_, v)| v);
            if !space.is_some_and(|space| EXTENSIONS.contains(&space)) {
                let name = space.unwrap_or("which it does not name");
                return Err(MeshError::Unread(format!(
                    "requires the extension '{prefix}' ({name})"
                )));
            }
        }
        Ok(())
    }

    fn object(&mut self, at: usize, tag: &Tag<'_>) -> Result<(), MeshError> {
        let id = tag.get("id").ok_or_else(|| lacks(at, tag, "id"))?;
        if tag.get("slicestackid").is_some() {
            return Err(MeshError::Unread(
                "tells a part as a stack of slices".into(),
            ));
        }
        let kind = tag.get("type").unwrap_or("model");
        let object = Object {
            printed: !matches!(kind, "support" | "surface" | "solidsupport" | "other"),
            mesh: Mesh {
                vertices: Vec::new(),
                triangles: Vec::new(),
            },
            components: Vec::new(),
        };
        self.current = Some((id.to_owned(), object));
        Ok(())
    }

    /// The object that is being read.
    fn open(&mut self, at: usize, what: &str) -> Result<&mut Object<S>, MeshError> {
        (self.current.as_mut())
            .map(|(_, object)| object)
            .ok_or_else(|| wrong(at, format!("a {what} outside an object")))
    }

    fn vertex(&mut self, at: usize, tag: &Tag<'_>) -> Result<(), MeshError> {
        let scale = self.scale.unwrap_or(1.0);
        let object = self.open(at, "vertex")?;
        let mut place = [0.0; 3];
        for (x, name) in place.iter_mut().zip(["x", "y", "z"]) {
            let value = tag.get(name).and_then(|v| v.trim().parse::<f64>().ok());
            let value = value.filter(|v| v.is_finite());
            *x = scale * value.ok_or_else(|| lacks(at, tag, name))?;
        }
        object.mesh.vertices.push(Point::new(place));
        Ok(())
    }

    fn triangle(&mut self, at: usize, tag: &Tag<'_>) -> Result<(), MeshError> {
        let mesh = &mut self.open(at, "triangle")?.mesh;
        let mut corners = [0u32; 3];
        for (corner, name) in corners.iter_mut().zip(["v1", "v2", "v3"]) {
            let value = tag.get(name).and_then(|v| v.trim().parse::<u32>().ok());
            let value = value.filter(|&v| (v as usize) < mesh.vertices.len());
            *corner = value.ok_or_else(|| lacks(at, tag, name))?;
        }
        mesh.triangles.push(corners);
        Ok(())
    }

    fn place(&mut self, at: usize, tag: &Tag<'_>) -> Result<(), MeshError> {
        if tag.get("path").is_some() {
            let what = "the model is split over several files, which is not read here";
            return Err(wrong(at, what));
        }
        let id = tag.get("objectid");
        let id = id.ok_or_else(|| lacks(at, tag, "objectid"))?.to_owned();
        let place = transform(tag.get("transform"), self.scale.unwrap_or(1.0))
            .ok_or_else(|| wrong(at, "a transform needs twelve numbers"))?;
        let printed = !matches!(tag.get("printable"), Some("0" | "false"));
        match (&mut self.current, tag.name) {
            (Some((_, object)), "component") => object.components.push((id, place)),
            (None, "item") if printed => self.model.items.push((id, place)),
            _ => {}
        }
        Ok(())
    }
}

fn lacks(at: usize, tag: &Tag<'_>, name: &str) -> MeshError {
    wrong(at, format!("'{}' lacks '{name}'", tag.name))
}

fn unit_mm(name: Option<&str>, at: usize) -> Result<f64, MeshError> {
    Ok(match name.unwrap_or("millimeter") {
        "micron" => 0.001,
        "millimeter" => 1.0,
        "centimeter" => 10.0,
        "inch" => 25.4,
        "foot" => 304.8,
        "meter" => 1000.0,
        other => return Err(wrong(at, format!("the unit '{other}' is not known"))),
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
