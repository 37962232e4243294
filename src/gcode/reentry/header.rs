//! Header: the second line of a re-entry, under its seal: which file it goes on with, where, and how high the part is.

use std::fmt;

/// Begin of the line.
const BEGIN: &str = "; re-entry of ";

/// What the line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// SHA-256 of the released file, 64 digits.
    pub sha256: String,
    /// The first layer that is made (again).
    pub layer: usize,
    /// Height of what is printed below it, mm: what a ruler must show.
    pub printed_mm: f64,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sha256,
            layer,
            printed_mm,
        } = self;
        write!(
            f,
            "{BEGIN}{sha256} at layer {layer} above {printed_mm:.3} mm"
        )
    }
}

impl Header {
    /// Reads the line; `None` when it is none.
    pub fn read(line: &str) -> Option<Self> {
        let (sha256, rest) = line
            .trim_end()
            .strip_prefix(BEGIN)?
            .split_once(" at layer ")?;
        let (layer, rest) = rest.split_once(" above ")?;
        let printed_mm: f64 = rest.strip_suffix(" mm")?.parse().ok()?;
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        (is_hash && printed_mm.is_finite() && printed_mm > 0.0).then_some(Self {
            sha256: sha256.to_owned(),
            layer: layer.parse().ok()?,
            printed_mm,
        })
    }
}
