//! Register: the plane under which the vault's skin fits its own reflection best.
//!
//! Several starts over yaw, roll and shift on a part of the points; the best distinct ones are refined on all points,
//! first with a wide limit, then with a narrow one, and the best of them wins. The limit (a truncated square) is what
//! keeps a bump, a leftover of the head holder or a sunken flap from turning the plane.

use super::plane::Plane;
use super::skin::Skin;
use crate::space::{Lps, Point};
use rayon::prelude::*;

/// Turns that are tried, degrees.
const TURNS_DEG: [f64; 9] = [-24.0, -18.0, -12.0, -6.0, 0.0, 6.0, 12.0, 18.0, 24.0];
/// Shifts that are tried, mm: a hole of half a side draws the mean of what is left 16 mm off.
const SHIFTS_MM: [f64; 11] = [
    -20.0, -16.0, -12.0, -8.0, -4.0, 0.0, 4.0, 8.0, 12.0, 16.0, 20.0,
];
/// Every how many points are asked at the starts.
const COARSE: usize = 6;
/// How many starts are refined.
const REFINED: usize = 4;
/// Limits of the mismatch, mm: while searching, and at the end. 4 mm is about twice what the halves of a healthy
/// vault differ by.
const LIMITS_MM: [f64; 2] = [12.0, 4.0];

/// Yaw and roll in radians, shift in mm.
type Turn = [f64; 3];

/// The best plane; `None` when under none enough of the skin meets bone.
pub(super) fn best(skin: &Skin) -> Option<Plane> {
    let pivot = skin.pivot();
    (starts(skin, pivot).into_par_iter())
        .map(|start| {
            let wide = refine(skin, pivot, start, LIMITS_MM[0], 2);
            let turn = refine(skin, pivot, wide, LIMITS_MM[1], 1);
            let plane = Plane::turned(pivot, turn);
            (skin.mismatch(&plane, LIMITS_MM[1], 1), plane)
        })
        .collect::<Vec<_>>()
        .into_iter()
        .filter(|(mismatch, _)| mismatch.is_finite())
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, plane)| plane)
}

/// The best of all starts that are no neighbours of one another.
fn starts(skin: &Skin, pivot: Point<Lps>) -> Vec<Turn> {
    let mut tried: Vec<(f64, [usize; 3])> =
        (0..TURNS_DEG.len() * TURNS_DEG.len() * SHIFTS_MM.len())
            .into_par_iter()
            .map(|n| {
                let turns = TURNS_DEG.len();
                let at = [n % turns, n / turns % turns, n / (turns * turns)];
                let plane = Plane::turned(pivot, start(at));
                (skin.mismatch(&plane, LIMITS_MM[0], COARSE), at)
            })
            .collect();
    tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut chosen: Vec<[usize; 3]> = Vec::new();
    for (_, at) in tried {
        let beside = |other: &[usize; 3]| (0..3).all(|a| at[a].abs_diff(other[a]) <= 1);
        if chosen.len() < REFINED && !chosen.iter().any(beside) {
            chosen.push(at);
        }
    }
    chosen.into_iter().map(start).collect()
}

fn start([yaw, roll, shift]: [usize; 3]) -> Turn {
    [
        TURNS_DEG[yaw].to_radians(),
        TURNS_DEG[roll].to_radians(),
        SHIFTS_MM[shift],
    ]
}

/// Pattern search: one parameter at a time, steps halved until they are under 0.03 degrees and mm.
fn refine(skin: &Skin, pivot: Point<Lps>, start: Turn, limit_mm: f64, stride: usize) -> Turn {
    let value = |turn: Turn| skin.mismatch(&Plane::turned(pivot, turn), limit_mm, stride);
    let (mut turn, mut least) = (start, value(start));
    let mut step = 3.0f64;
    while step > 0.03 {
        let mut moved = false;
        for axis in 0..3 {
            let by = if axis == 2 { step } else { step.to_radians() };
            for by in [-by, by] {
                let mut next = turn;
                next[axis] += by;
                let new = value(next);
                if new < least {
                    (turn, least, moved) = (next, new, true);
                }
            }
        }
        if !moved {
            step *= 0.5;
        }
    }
    turn
}
