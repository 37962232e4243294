//! What one drop may cost and how good it has to be. Every bound of the intake stands here, with its default.

use super::orientation::Orientation;

/// Bounds of the intake. All of them are checked before memory is taken or a folder is walked further.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Files in one drop, whatever they are. A whole-body CT has some 3,000.
    pub files: usize,
    /// Folders below the drop's own one.
    pub depth: usize,
    /// Bytes of one file. An enhanced head CT has about 500 MB.
    pub file_bytes: u64,
    /// Bytes of one drop, unpacked.
    pub total_bytes: u64,
    /// Voxels of one volume; 512 x 512 x 1,500 fits.
    pub voxels: usize,
    /// Sequences within sequences in a DICOM file. Parsers recurse: 2,000 levels overflow a thread's stack.
    pub nesting: usize,
    /// Elements of one data set or item; CT headers with private groups have some hundreds.
    pub elements: usize,
    /// Unpacked bytes for one packed byte (zip entry, deflated DICOM). A CT slice packs 2 to 4 times; a slice of
    /// nothing but air up to about 100 times.
    pub ratio: u64,
    /// Slices below which a stack is no volume.
    pub slices: usize,
    /// Slice distance above which the operator is told, mm.
    pub thick_warn_mm: f64,
    /// Slice distance above which a study is refused, mm.
    pub thick_refuse_mm: f64,
    /// Pixel size above which the operator is told, mm.
    pub pixel_warn_mm: f64,
    /// Gantry tilt above which a stack is refused, degrees. Gantries go to 30.
    pub tilt_refuse_deg: f64,
    /// Whether the volume has to look like a head. Off only for tools and tests.
    pub head: bool,
    /// What a person says of a file's axes; only for a file that does not say it, and never in the station.
    pub orientation: Option<Orientation>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 20_000,
            depth: 12,
            file_bytes: 2 << 30,
            total_bytes: 8 << 30,
            voxels: 512 * 512 * 1500,
            nesting: 64,
            elements: 50_000,
            ratio: 200,
            slices: 10,
            thick_warn_mm: 1.25,
            thick_refuse_mm: 3.0,
            pixel_warn_mm: 1.0,
            tilt_refuse_deg: 35.0,
            head: true,
            orientation: None,
        }
    }
}

/// Slack when a distance is held against a limit: header texts carry rounded millimetres.
pub(crate) const ROUNDING_MM: f64 = 0.02;
