//! Uncertainty: how far the tables over a hole are expected to lie off the bone that was there, by what plate, other half of
//! the head and prior state of themselves.
//!
//! Held against the truth of holes of the `val` skulls: `benches/RESULTS.md`.

use super::chart::Sheet;

/// What is expected of one table of one hole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Error {
    /// Mean distance over the hole, mm.
    pub(super) mean_mm: f64,
    /// In a tenth of the hole it is expected to be this and more, mm.
    pub(super) worst_mm: f64,
}

/// What is expected of both; `None` where a hole has no node.
#[derive(Clone, Debug, Default)]
pub(super) struct Uncertainty {
    pub(super) outer: Option<Error>,
    pub(super) thickness: Option<Error>,
    /// Expected distance of the outer table, node by node, mm; 0 beside the hole, where bone says it.
    pub(super) map_mm: Option<Sheet<f64>>,
}

impl Uncertainty {
    /// From the variances at the nodes of the hole, mm2.
    pub(super) fn of(outer: &[Option<f64>], thickness: &[Option<f64>]) -> Self {
        Self {
            outer: expected(outer),
            thickness: expected(thickness),
            map_mm: None,
        }
    }

    /// With a map over the nodes of `sheet`, whose variances these are.
    pub(super) fn mapped(self, sheet: &Sheet<f64>, outer: &[Option<f64>]) -> Self {
        let off = outer.iter().map(|v| v.map_or(0.0, mean_mm)).collect();
        Self {
            map_mm: Some(sheet.with(off)),
            ..self
        }
    }
}

/// The mean distance of what lies off normally, with that variance.
fn mean_mm(variance: f64) -> f64 {
    (2.0 / std::f64::consts::PI).sqrt() * variance.max(0.0).sqrt()
}

fn expected(variance: &[Option<f64>]) -> Option<Error> {
    let mut off: Vec<f64> = variance.iter().flatten().copied().map(mean_mm).collect();
    off.sort_by(f64::total_cmp);
    let worst_mm = *off.get(off.len() * 9 / 10)?;
    let mean_mm = off.iter().sum::<f64>() / off.len() as f64;
    Some(Error { mean_mm, worst_mm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_the_hole_alone_count() {
        let variance = [None, Some(1.0), Some(1.0), None, Some(4.0)];
        let found = Uncertainty::of(&variance, &[None]);
        let share = (2.0 / std::f64::consts::PI).sqrt();
        let outer = found.outer.unwrap();
        assert!((outer.mean_mm - share * 4.0 / 3.0).abs() < 1e-12);
        assert!((outer.worst_mm - share * 2.0).abs() < 1e-12);
        assert_eq!(found.thickness, None);
        let nodes = Sheet {
            side: 2,
            step_mm: 1.0,
            data: vec![0.0; 4],
        };
        let map = Uncertainty::default().mapped(&nodes, &[None, Some(1.0), None, Some(4.0)]);
        assert_eq!(map.map_mm.unwrap().data, [0.0, share, 0.0, share * 2.0]);
    }
}
