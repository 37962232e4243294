//! Fault: what may be wrong with a mesh file, and how large one may be.

/// Largest mesh file read: 10 million triangles as binary STL.
pub const BYTES_MAX: u64 = 512 << 20;
/// Most triangles read. A skull plate at 0.5 mm has under a million.
pub const TRIANGLES_MAX: usize = 10_000_000;
/// A part whose longest side is under this is likely drawn in inches or metres, in mm.
pub const SIDE_MIN_MM: f64 = 5.0;
/// A part whose longest side is over this likely has another unit, in mm.
pub const SIDE_MAX_MM: f64 = 400.0;

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
        "the STL says {said} triangles and has room for {room}: the file is cut or damaged. Save it again."
    )]
    Count {
        /// The count in its header.
        said: u64,
        /// Whole triangles that its length holds.
        room: u64,
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
         Was it drawn in inches or metres? Scale it to millimetres."
    )]
    Size {
        /// Longest side of its box, mm.
        side_mm: f64,
    },
    /// The operating system's reason.
    #[error("the mesh file could not be read. Copy it again.")]
    Read(#[from] std::io::Error),
}
