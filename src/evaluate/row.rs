//! Row: one case on one grid, answered by one method.

use super::Scores;
use crate::head::Region;
use crate::status::Side;
use serde::Serialize;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The prediction that was given.
    Prediction,
    /// The mirror baseline.
    Mirror,
}

/// On which grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Grid {
    /// The scan's own.
    #[serde(rename = "native")]
    Native,
    /// The frame's, 1 mm.
    #[serde(rename = "1 mm")]
    Millimetre,
}

/// One case on one grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The case's own key.
    pub case: String,
    /// The skull it was cut from; several cases may share one.
    pub skull: String,
    /// On which grid.
    pub grid: Grid,
    /// Who answered.
    pub method: Method,
    /// Where the truth lies in the skull's own axes; `None` for an intact head and where no vault is seen.
    pub region: Option<Region>,
    /// Side of the truth.
    pub side: Option<Side>,
    /// All measures.
    #[serde(flatten)]
    pub scores: Scores,
}
