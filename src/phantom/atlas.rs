//! The atlas: template heads as signed distances, from `heads.safetensors.gz` in the model folder.
//!
//! They come from skulls of the training set and carry that set's licence; `models/heads/make.py` writes them. Each
//! head has the bone every 1 mm, and skin, brain and air made up around it every 3 mm.

use super::PhantomError;
use flate2::read::GzDecoder;
use safetensors::{Dtype, SafeTensors};
use std::io::Read;
use std::path::Path;

/// The atlas' file name in a model folder.
pub const ATLAS: &str = "heads.safetensors.gz";
/// Largest unpacked size that is taken: the file holds some 30 MB.
const LIMIT_BYTES: u64 = 128 << 20;
/// As in `make.py`.
const BONE: (f32, f32) = (1.0, 0.3);
const SOFT: (f32, f32) = (3.0, 0.5);

/// Signed distance in mm, negative inside, on a regular grid in the order posterior, left, superior.
#[derive(Clone, Debug)]
pub(super) struct Field {
    shape: [usize; 3],
    data: Vec<i8>,
    cell_mm: f32,
    step_mm: f32,
}

impl Field {
    /// Trilinear at `at`: mm from the grid's outer corner towards posterior, left, superior. Beyond the sides, front,
    /// back and top the distance to the grid is added; below, the lowest plane goes on, for there the view ends, not
    /// the neck.
    pub(super) fn at(&self, at: [f32; 3]) -> f32 {
        let mut low = [0usize; 3];
        let mut part = [0f32; 3];
        let mut beyond = 0f32;
        for axis in 0..3 {
            let last = (self.shape[axis] - 1) as f32;
            let f = at[axis] / self.cell_mm - 0.5;
            let inside = f.clamp(0.0, last);
            if axis < 2 || f > last {
                beyond += (f - inside) * (f - inside);
            }
            low[axis] = (inside as usize).min(self.shape[axis] - 2);
            part[axis] = inside - low[axis] as f32;
        }
        let [_, nl, ns] = self.shape;
        let corner = (low[0] * nl + low[1]) * ns + low[2];
        let line = |from: usize| {
            let (a, b) = (f32::from(self.data[from]), f32::from(self.data[from + 1]));
            a + (b - a) * part[2]
        };
        let plane = |from: usize| {
            let (a, b) = (line(from), line(from + ns));
            a + (b - a) * part[1]
        };
        let (a, b) = (plane(corner), plane(corner + nl * ns));
        (a + (b - a) * part[0]) * self.step_mm + beyond.sqrt() * self.cell_mm
    }

    /// Extent in mm towards posterior, left, superior.
    pub(super) fn extent_mm(&self) -> [f64; 3] {
        self.shape.map(|n| n as f64 * f64::from(self.cell_mm))
    }
}

/// One template head.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) bone: Field,
    pub(super) skin: Field,
    pub(super) brain: Field,
    pub(super) air: Field,
}

/// The template heads.
#[derive(Clone, Debug)]
pub struct Atlas {
    pub(super) heads: Vec<Template>,
}

impl Atlas {
    /// Reads the atlas in a model folder.
    ///
    /// # Errors
    /// [`PhantomError`] when it is missing, damaged or empty.
    pub fn read(dir: &Path) -> Result<Self, PhantomError> {
        let packed = std::fs::read(dir.join(ATLAS)).map_err(PhantomError::NoAtlas)?;
        let mut bytes = Vec::new();
        GzDecoder::new(&packed[..])
            .take(LIMIT_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| PhantomError::Atlas(e.to_string()))?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, PhantomError> {
        let wrong = |what: String| PhantomError::Atlas(what);
        let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(e.to_string()))?;
        let mut cases: Vec<&str> = file
            .names()
            .into_iter()
            .filter_map(|n| n.strip_suffix(".bone"))
            .collect();
        cases.sort_unstable();
        if cases.is_empty() {
            return Err(wrong("it holds no head".into()));
        }
        let field = |case: &str, name: &str, (cell_mm, step_mm): (f32, f32)| {
            let name = format!("{case}.{name}");
            let view = file.tensor(&name).map_err(|e| wrong(e.to_string()))?;
            match (view.dtype(), view.shape()) {
                (Dtype::I8, &[p, l, s]) if p.min(l).min(s) >= 2 => Ok(Field {
                    shape: [p, l, s],
                    data: view.data().iter().map(|&b| b as i8).collect(),
                    cell_mm,
                    step_mm,
                }),
                (kind, shape) => Err(wrong(format!("`{name}` is {kind:?} {shape:?}"))),
            }
        };
        let head = |case: &&str| {
            Ok(Template {
                bone: field(case, "bone", BONE)?,
                skin: field(case, "skin", SOFT)?,
                brain: field(case, "brain", SOFT)?,
                air: field(case, "air", SOFT)?,
            })
        };
        Ok(Self {
            heads: cases
                .iter()
                .map(head)
                .collect::<Result<_, PhantomError>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_trilinear_inside_and_grows_outside_but_not_below() {
        let data = (0..4i8)
            .flat_map(|p| (0..3i8).flat_map(move |l| (0..5i8).map(move |s| p + 2 * l - 3 * s)))
            .collect();
        let field = Field {
            shape: [4, 3, 5],
            data,
            cell_mm: 2.0,
            step_mm: 0.5,
        };
        // Linear in its indices: exact between them.
        let want = |p: f32, l: f32, s: f32| 0.5 * (p + 2.0 * l - 3.0 * s);
        let at = |p: f32, l: f32, s: f32| field.at([p, l, s].map(|v| 2.0 * (v + 0.5)));
        for q in [[0.0, 0.0, 0.0], [1.25, 0.5, 3.75], [3.0, 2.0, 4.0]] {
            assert!((at(q[0], q[1], q[2]) - want(q[0], q[1], q[2])).abs() < 1e-5);
        }
        assert!((at(-3.0, 1.0, 2.0) - (want(0.0, 1.0, 2.0) + 6.0)).abs() < 1e-5);
        assert!((at(1.0, 1.0, 6.0) - (want(1.0, 1.0, 4.0) + 4.0)).abs() < 1e-5);
        assert!((at(1.0, 1.0, -6.0) - want(1.0, 1.0, 0.0)).abs() < 1e-5);
    }

    #[test]
    fn a_missing_or_damaged_atlas_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            Atlas::read(dir.path()),
            Err(PhantomError::NoAtlas(_))
        ));
        std::fs::write(dir.path().join(ATLAS), b"no gzip").unwrap();
        assert!(matches!(
            Atlas::read(dir.path()),
            Err(PhantomError::Atlas(_))
        ));
    }
}
