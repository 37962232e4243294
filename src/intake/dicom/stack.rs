//! The geometry of a series, from positions alone: order, distance, duplicates, gaps, drift.
//!
//! In:    slices of one orientation and size.
//! Out:   a [`Stack`]: which slice lies where, and the affine of the whole (sheared when the gantry was tilted).
//! Holds: nothing is displaced: an uneven stack is refused, never averaged (common readers give 19 slices of 1 mm
//!        with one missing a spacing of 1.0556 mm and a note on stderr).
//! Never: looks at InstanceNumber, file names, SliceLocation, SliceThickness or SpacingBetweenSlices.

use super::groups::Slice;
use super::header::Header;
use crate::intake::limits::{Limits, ROUNDING_MM};
use crate::intake::refusal::Refusal;
use crate::space::{Ijk, Lps, Map, Point, Vector};

/// Slices nearer to each other than this hold one position, mm.
const SAME_PLACE_MM: f64 = 0.01;
/// What positions are rounded to where they are rounded coarsely, mm.
const ROUNDED_MM: f64 = 0.1;
/// Sideways departure from a straight stack that is taken for rounding, mm.
const STRAIGHT_MM: f64 = 0.1;

/// A slice of a stack: offset in the list of headers, offset in that header's slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) header: usize,
    pub(super) slice: usize,
}

impl Member {
    pub(super) fn of(self, headers: &[Header]) -> &Slice {
        &headers[self.header].slices[self.slice]
    }
}

/// Slices in order, and the grid that they make.
#[derive(Debug)]
pub(super) struct Stack {
    /// One a position, ascending along the normal.
    pub(super) order: Vec<Member>,
    /// Further slices at a position: (offset in `order`, the slice). Their pixels have to be the same.
    pub(super) duplicates: Vec<(usize, Member)>,
    /// Voxel (column, row, slice) to LPS mm. The third column leans when the gantry was tilted.
    pub(super) to_lps: Map<Ijk, Lps>,
    /// Distance of slices along the normal, mm.
    pub(super) spacing_mm: f64,
    /// What positions were rounded to, mm, where that explains uneven distances.
    pub(super) rounded_mm: Option<f64>,
}

/// Slices in one row of equal steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// Height of the first slice, mm.
    first_mm: f64,
    /// Distance of the slices, mm.
    pub(super) spacing_mm: f64,
    rounded_mm: Option<f64>,
}

/// The slices' common normal.
fn normal(slice: &Slice) -> Vector<Lps> {
    slice.along_row.cross(slice.along_column)
}

/// Height of a slice along its own normal, mm.
pub(super) fn height(member: Member, headers: &[Header]) -> f64 {
    let slice = member.of(headers);
    slice.position.dot(normal(slice))
}

/// Puts the members in order and checks the stack.
///
/// # Errors
/// [`Refusal`]: too few, too thick, a gap, uneven, shifted.
pub(super) fn stack(
    members: &[Member],
    headers: &[Header],
    limits: &Limits,
) -> Result<Stack, Refusal> {
    let (order, duplicates) = ordered(members, headers);
    if order.len() < limits.slices {
        return Err(Refusal::TooFew {
            slices: order.len(),
            needed: limits.slices,
        });
    }
    let first = order[0].of(headers);
    let n = normal(first);
    let heights: Vec<f64> = order
        .iter()
        .map(|m| m.of(headers).position.dot(n))
        .collect();
    let row = even(&heights, limits)?;

    let steps = (order.len() - 1) as f64;
    let last = order[order.len() - 1].of(headers);
    let mut step = minus(last.position, first.position).times(1.0 / steps);
    straight(&order, headers, step)?;
    // Along the normal the even row counts, which rounded positions do not move.
    step = plus(step, n.times(row.spacing_mm - step.dot(n)));
    let origin = plus(first.position, n.times(row.first_mm - heights[0]));
    let to_lps = Map::from_columns(
        [
            first.along_row.times(first.pixel_mm[0]),
            first.along_column.times(first.pixel_mm[1]),
            step,
        ],
        Point::new(origin.0),
    );
    Ok(Stack {
        order,
        duplicates,
        to_lps,
        spacing_mm: row.spacing_mm,
        rounded_mm: row.rounded_mm,
    })
}

/// One member a position, in order, and the others beside. Equal positions keep the order of the files.
pub(super) fn ordered(
    members: &[Member],
    headers: &[Header],
) -> (Vec<Member>, Vec<(usize, Member)>) {
    let Some(first) = members.first() else {
        return (Vec::new(), Vec::new());
    };
    let n = normal(first.of(headers));
    let height = |m: &Member| m.of(headers).position.dot(n);
    let mut sorted = members.to_vec();
    sorted.sort_by(|a, b| height(a).total_cmp(&height(b)));
    let (mut order, mut duplicates) = (Vec::<Member>::new(), Vec::new());
    for member in sorted {
        match order.last() {
            Some(last) if height(&member) - height(last) < SAME_PLACE_MM => {
                duplicates.push((order.len() - 1, member));
            }
            _ => order.push(member),
        }
    }
    (order, duplicates)
}

fn minus(a: Vector<Lps>, b: Vector<Lps>) -> Vector<Lps> {
    Vector::new([a.0[0] - b.0[0], a.0[1] - b.0[1], a.0[2] - b.0[2]])
}

fn plus(a: Vector<Lps>, b: Vector<Lps>) -> Vector<Lps> {
    minus(a, b.times(-1.0))
}

/// What heights were rounded to: some archives and anonymisers keep one decimal. `None` where they keep more.
fn rounded_to(heights: &[f64]) -> Option<f64> {
    let is_whole = |mm: &f64| (mm / ROUNDED_MM - (mm / ROUNDED_MM).round()).abs() < 1e-4;
    heights.iter().all(is_whole).then_some(ROUNDED_MM)
}

/// The row of equal steps that lies nearest to all heights (least squares), and the largest distance from it.
fn fitted(heights: &[f64]) -> ([f64; 2], f64) {
    let n = heights.len() as f64;
    let (middle, mean) = ((n - 1.0) / 2.0, heights.iter().sum::<f64>() / n);
    let (mut above, mut below) = (0.0, 0.0);
    for (k, height) in heights.iter().enumerate() {
        above += (k as f64 - middle) * (height - mean);
        below += (k as f64 - middle).powi(2);
    }
    let step = above / below;
    let first = mean - step * middle;
    let off = |(k, height): (usize, &f64)| (height - first - step * k as f64).abs();
    let worst = heights.iter().enumerate().map(off).fold(0.0, f64::max);
    ([first, step], worst)
}

/// The distance of the slices, when it is one distance and not too large.
pub(super) fn even(heights: &[f64], limits: &Limits) -> Result<Row, Refusal> {
    let gaps: Vec<f64> = heights.windows(2).map(|w| w[1] - w[0]).collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let (median, min_mm, max_mm) = (
        sorted[sorted.len() / 2],
        sorted[0],
        sorted[sorted.len() - 1],
    );
    let exact = (0.01 * median).max(ROUNDING_MM);
    // Two rounded heights are off by a half each.
    let rounded = rounded_to(heights);
    let slack = exact.max(rounded.unwrap_or(0.0) + 1e-6);
    let odd = |gap: f64| (gap - median).abs() > slack;
    let uneven = || Refusal::Uneven {
        min_mm,
        max_mm,
        limit_mm: limits.thick_refuse_mm,
    };
    if gaps.iter().any(|&gap| odd(gap)) {
        // Slices that are missing leave whole multiples; anything else is another kind of stack.
        let missing = |gap: f64| {
            let times = (gap / median).round();
            times >= 2.0 && (gap - times * median).abs() <= times * slack
        };
        let only_missing = gaps.iter().all(|&gap| !odd(gap) || missing(gap));
        if only_missing && median <= limits.thick_refuse_mm + ROUNDING_MM {
            let after = gaps.iter().position(|&gap| gap >= max_mm).unwrap_or(0) + 1;
            return Err(Refusal::Gap {
                after,
                of: heights.len(),
                gap_mm: max_mm,
                spacing_mm: median,
            });
        }
        return Err(uneven());
    }
    let is_exact = max_mm - median <= exact && median - min_mm <= exact;
    let row = if is_exact {
        // First to last is the best estimate once all are known to be equal: it does not add up rounding.
        Row {
            first_mm: heights[0],
            spacing_mm: (heights[heights.len() - 1] - heights[0]) / gaps.len() as f64,
            rounded_mm: None,
        }
    } else {
        let ([first_mm, spacing_mm], worst) = fitted(heights);
        if worst > ROUNDED_MM / 2.0 + ROUNDING_MM {
            return Err(uneven());
        }
        Row {
            first_mm,
            spacing_mm,
            rounded_mm: rounded,
        }
    };
    if row.spacing_mm > limits.thick_refuse_mm + ROUNDING_MM {
        return Err(Refusal::TooThick {
            spacing_mm: row.spacing_mm,
            limit_mm: limits.thick_refuse_mm,
        });
    }
    Ok(row)
}

/// Whether each slice lies where a straight row of equal steps puts it. Steps may lean: that is a tilted gantry.
fn straight(order: &[Member], headers: &[Header], step: Vector<Lps>) -> Result<(), Refusal> {
    let first = order[0].of(headers).position;
    let n = normal(order[0].of(headers));
    let mut by_mm = 0.0f64;
    for (k, member) in order.iter().enumerate() {
        let off = minus(
            minus(member.of(headers).position, first),
            step.times(k as f64),
        );
        // Along the normal the distances were checked already.
        let sideways = minus(off, n.times(off.dot(n)));
        by_mm = by_mm.max(sideways.length());
    }
    if by_mm > STRAIGHT_MM {
        return Err(Refusal::Shifted { by_mm });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(heights: &[f64]) -> Refusal {
        even(heights, &Limits::default()).unwrap_err()
    }

    #[test]
    fn even_slices_have_the_distance_of_first_to_last() {
        let heights: Vec<f64> = (0..20).map(|k| f64::from(k) * 0.625).collect();
        let row = even(&heights, &Limits::default()).unwrap();
        assert!((row.spacing_mm - 0.625).abs() < 1e-12 && row.rounded_mm.is_none());
    }

    #[test]
    fn positions_with_one_decimal_are_an_even_row_when_rounding_explains_them() {
        let tenths = |mm: f64| (mm * 10.0).round() / 10.0;
        for spacing in [0.3, 0.625, 0.75, 1.25] {
            let exact: Vec<f64> = (0..60).map(|k| 17.23 + f64::from(k) * spacing).collect();
            let heights: Vec<f64> = exact.iter().copied().map(tenths).collect();
            let row = even(&heights, &Limits::default()).unwrap();
            assert!(
                (row.spacing_mm - spacing).abs() < 0.002,
                "{spacing}: {row:?}"
            );
            for (k, height) in exact.iter().enumerate() {
                assert!((row.first_mm + k as f64 * row.spacing_mm - height).abs() < 0.05);
            }
            // A slice that is missing is not explained by rounding.
            let less: Vec<f64> = (0..60).filter(|&k| k != 31).map(|k| heights[k]).collect();
            assert!(even(&less, &Limits::default()).is_err(), "{spacing}");
        }
        let bent: Vec<f64> = (0..60)
            .map(|k| {
                tenths(f64::from(k) * 0.6 + if k > 30 { 0.1 * f64::from(k - 30) } else { 0.0 })
            })
            .collect();
        assert!(even(&bent, &Limits::default()).is_err());
    }

    #[test]
    fn one_slice_missing_is_a_gap_and_never_another_spacing() {
        for missing in [1, 7, 18] {
            let heights: Vec<f64> = (0..20).filter(|&k| k != missing).map(f64::from).collect();
            let Refusal::Gap { after, gap_mm, .. } = refused(&heights) else {
                panic!("{missing}: {:?}", even(&heights, &Limits::default()));
            };
            assert_eq!((after as i32, gap_mm), (missing, 2.0));
        }
    }

    #[test]
    fn a_change_of_distance_is_uneven_and_thick_slices_are_thick() {
        let changing = [0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 7.5, 9.0, 10.5];
        assert_eq!(refused(&changing).code(), "uneven_slices");
        let thick: Vec<f64> = (0..12).map(|k| f64::from(k) * 5.0).collect();
        assert_eq!(refused(&thick).code(), "thick_slices");
        let three: Vec<f64> = (0..12).map(|k| f64::from(k) * 3.0).collect();
        assert!(even(&three, &Limits::default()).is_ok());
    }
}
