//! Parts: the scores by where the hole lies. Side and bone are those of the truth, in the skull's own axes.

use super::metric::{Metric, metrics};
use super::row::Row;
use crate::head::Region;
use crate::status::Side;
use serde::Serialize;
use std::collections::BTreeMap;

/// The cases of one region, of one side, or of both together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// `None`: all regions.
    pub region: Option<Region>,
    /// `None`: all sides.
    pub side: Option<Side>,
    /// Cases.
    pub cases: usize,
    /// Measures by name, over those cases.
    pub metrics: BTreeMap<&'static str, Metric>,
}

/// Every region, every side, and every side of every region that has cases, in this order.
pub(super) fn by_region(rows: &[&Row]) -> Vec<Part> {
    let regions = Region::ALL.map(Some);
    let sides = [Side::Left, Side::Right, Side::Both].map(Some);
    let keys = (regions.iter().map(|&r| (r, None)))
        .chain(sides.iter().map(|&s| (None, s)))
        .chain((regions.iter()).flat_map(|&r| sides.iter().map(move |&s| (r, s))));
    keys.filter_map(|(region, side)| {
        let own = |row: &&Row| {
            (region.is_none() || row.region == region) && (side.is_none() || row.side == side)
        };
        let rows: Vec<&Row> = rows.iter().copied().filter(own).collect();
        (!rows.is_empty()).then(|| Part {
            region,
            side,
            cases: rows.len(),
            metrics: metrics(&rows),
        })
    })
    .collect()
}
