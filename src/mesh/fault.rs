//! Fault: what may be wrong with a mesh file, and how large one may be.

/// Largest mesh file read: 10 million triangles as binary STL.
pub const BYTES_MAX: u64 = 512 << 20;
/// Most triangles read. A skull plate at 0.5 mm has under a million.
pub const TRIANGLES_MAX: usize = 10_000_000;
/// A part whose longest side is under this is likely drawn in inches or metres, in mm.
pub const SIDE_MIN_MM: f64 = 5.0;
/// A part whose longest side is over this likely has another unit, in mm.
pub const SIDE_MAX_MM: f64 = 400.0;

/// Below this longest side, mm, fine facets are a reason to ask for the unit.
pub const SMALL_MM: f64 = 40.0;
/// Facets finer than this on a small part are a reason to ask for the unit: a third of a line of plastic, mm.
pub const FACET_MIN_MM: f64 = 0.15;

/// Why a mesh file is not read. Never a path or a name.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// Larger than the station reads.
    #[error("the mesh file has {mib} MiB; at most {} are read. Reduce the triangles.", BYTES_MAX >> 20)]
    TooLarge {
        /// Size in MiB.
        mib: u64,
    },
    /// More triangles than the station reads.
    #[error("the mesh has more than {TRIANGLES_MAX} triangles. Reduce them.")]
    TooMany,
    /// No reader for this kind of file.
    #[error("'.{0}' is no mesh file that is read here. Save it as STL, OBJ or 3MF.")]
    Kind(String),
    /// The number of triangles in a binary STL does not fit its length.
    #[error(
        "the STL says {said} triangles and has {room} and {rest} bytes more: the file is cut or damaged. Save it again."
    )]
    Count {
        /// The count in its header.
        said: u64,
        /// Whole triangles that its length holds.
        room: u64,
        /// Bytes behind those.
        rest: u64,
    },
    /// A text or XML that does not follow its format.
    #[error("{kind}, line or element {at}: {what}. Save the file again.")]
    Format {
        /// STL, OBJ or 3MF.
        kind: &'static str,
        /// Line, triangle or element number from 1.
        at: usize,
        /// What is wrong there.
        what: String,
    },
    /// A file of the right kind without a single triangle.
    #[error("the {0} holds no triangle. Save the part as a mesh.")]
    Empty(&'static str),
    /// A size that suggests another unit.
    #[error(
        "the part's longest side is {side_mm:.2} mm; {SIDE_MIN_MM} to {SIDE_MAX_MM} mm are expected. \
         Was it drawn in inches, centimetres or metres? Scale it to millimetres."
    )]
    Size {
        /// Longest side of its box, mm.
        side_mm: f64,
    },
    /// A small part of facets that are finer than any printer's line: likely drawn in centimetres.
    #[error(
        "the part's longest side is {side_mm:.1} mm and its facets are {facet_mm:.2} mm long, finer than any line of \
         plastic. Was it drawn in centimetres? Say its unit with --unit cm, or --unit mm when it is so small."
    )]
    Centimetres {
        /// Longest side of its box, mm.
        side_mm: f64,
        /// Mean length of an edge, mm.
        facet_mm: f64,
    },
    /// So far from the origin that the file's numbers are coarser than a printer.
    #[error(
        "the part lies {at_mm:.0} mm from its origin; there the file's numbers are {step_mm} mm apart, which blurs it. \
         Move the part to the origin and save it again."
    )]
    Coarse {
        /// Largest coordinate, mm.
        at_mm: f64,
        /// Distance of neighbouring numbers there, mm.
        step_mm: f64,
    },
    /// A unit was given for a file that names its own.
    #[error("the 3MF names its unit itself. Leave --unit out.")]
    Unit,
    /// A 3MF whose shape is told in a way that is not read.
    #[error(
        "the 3MF {0}, which is not read here: the part would not be the one that was drawn. Save it as plain meshes."
    )]
    Unread(String),
    /// The operating system's reason.
    #[error("the mesh file could not be read. Copy it again.")]
    Read(#[from] std::io::Error),
}
