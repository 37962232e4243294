//! Rim: the shape of a hole's edge, drawn as surgeons saw it, before it is laid onto a skull.
//!
//! A rim is star-shaped about its middle: a radius for every direction of the tangent plane, without a size. The three
//! families are none of those that training draws (`models/train/defects.py`: waved ellipses, unions of balls, rounded
//! boxes, ellipsoids), so that weights can not be tuned to the holes they are judged by.

use super::dice::Dice;
use std::f64::consts::TAU;

/// Directions in the table, and the angle between two of them.
const NODES: usize = 120;
const STEP: f64 = TAU / NODES as f64;
/// Corners are rounded over this angle (deviation): a craniotome turns in about a centimetre.
const ROUND_DEG: f64 = 9.0;

/// A closed rim about the origin of the tangent plane.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rim {
    radius: Vec<f64>,
}

impl Rim {
    /// A rim of one of the families; `aspect` (0 to 1) is about its width over its length.
    pub(super) fn draw(aspect: f64, dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => Self::flap(aspect, dice),
            1 => Self::question_mark(aspect, dice),
            _ => Self::egg(aspect, dice),
        }
    }

    /// A bone flap: five to seven burr holes on an oval, joined by saw lines.
    fn flap(aspect: f64, dice: &mut Dice) -> Self {
        let n = 5 + dice.below(3);
        let gap = TAU / n as f64;
        let burrs: Vec<[f64; 2]> = (0..n)
            .map(|k| (k as f64 + dice.uniform(-0.25, 0.25)) * gap)
            .map(|t| [t.cos(), aspect * t.sin()])
            .collect();
        Self::of(|t| {
            let (s, c) = t.sin_cos();
            // The burr holes lie on a convex curve in order: the flap is where all saw lines are on the far side.
            let lines = (0..n).map(|k| (burrs[k], burrs[(k + 1) % n]));
            let far = lines.filter_map(|([ax, ay], [bx, by])| {
                let towards = c * (by - ay) - s * (bx - ax);
                (towards > 1e-9).then(|| (ax * by - ay * bx) / towards)
            });
            far.fold(f64::INFINITY, f64::min)
        })
    }

    /// A trauma flap: an oval with a lobe at one end, as the question-mark incision gives.
    fn question_mark(aspect: f64, dice: &mut Dice) -> Self {
        let lobe = aspect * dice.uniform(0.55, 0.75);
        let off = dice.uniform(0.45, 0.7);
        let at = dice.side() * dice.uniform(0.35, 0.9);
        Self::of(|t| {
            let oval = aspect / (aspect * t.cos()).hypot(t.sin());
            let (s, c) = (t - at).sin_cos();
            let under = lobe * lobe - off * off * s * s;
            let end = if under > 0.0 {
                off * c + under.sqrt()
            } else {
                0.0
            };
            oval.max(end)
        })
    }

    /// A blunt egg: a superellipse that is wider at one end.
    fn egg(aspect: f64, dice: &mut Dice) -> Self {
        let power = dice.uniform(2.2, 4.0);
        let wider = dice.uniform(-0.3, 0.3);
        Self::of(|t| {
            let (s, c) = t.sin_cos();
            let across = s / (aspect * (1.0 + wider * c));
            (c.abs().powf(power) + across.abs().powf(power)).powf(-1.0 / power)
        })
    }

    /// The table of `radius`, its corners rounded.
    fn of(radius: impl Fn(f64) -> f64) -> Self {
        let sharp: Vec<f64> = (0..NODES).map(|n| radius(n as f64 * STEP)).collect();
        let sd = ROUND_DEG.to_radians() / STEP;
        let reach = (3.0 * sd).ceil() as usize;
        let weights: Vec<f64> = (0..=2 * reach)
            .map(|k| (-0.5 * ((k as f64 - reach as f64) / sd).powi(2)).exp())
            .collect();
        let all: f64 = weights.iter().sum();
        let round = |n: usize| {
            let near = weights
                .iter()
                .enumerate()
                .map(|(k, w)| w * sharp[(n + NODES + k - reach) % NODES]);
            near.sum::<f64>() / all
        };
        Self {
            radius: (0..NODES).map(round).collect(),
        }
    }

    /// Radius in a direction of the tangent plane, and how it changes with the direction.
    pub(super) fn at(&self, direction: f64) -> (f64, f64) {
        let f = direction.rem_euclid(TAU) / STEP;
        let low = f.floor();
        let (n, part) = (low as usize % NODES, f - low);
        let (a, b) = (self.radius[n], self.radius[(n + 1) % NODES]);
        (a + (b - a) * part, (b - a) / STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rims_are_round_enough_to_saw_and_keep_their_aspect() {
        for seed in 0..200 {
            let mut dice = Dice::new(seed, 0);
            let aspect = dice.uniform(0.5, 1.0);
            let rim = Rim::draw(aspect, &mut dice);
            let points: Vec<[f64; 2]> = (0..360)
                .map(|n| f64::from(n).to_radians())
                .map(|t| (rim.at(t).0, t))
                .map(|(r, t)| [r * t.cos(), r * t.sin()])
                .collect();
            let span = |axis: usize| {
                let values = points.iter().map(|p| p[axis]);
                let high = values.clone().fold(f64::MIN, f64::max);
                high - values.fold(f64::MAX, f64::min)
            };
            let have = span(1) / span(0);
            assert!(
                (have / aspect - 1.0).abs() < 0.45,
                "{seed}: {have} for {aspect}"
            );
            for t in 0..360 {
                let (r, slope) = rim.at(f64::from(t).to_radians());
                assert!(r > 0.25 && r < 1.6, "{seed}: radius {r}");
                assert!(slope.abs() < 2.0, "{seed}: slope {slope}");
            }
        }
    }

    #[test]
    fn a_flap_of_a_square_is_the_square() {
        // Four burr holes by hand: the saw line between two of them is straight.
        let square = Rim::of(|t| {
            let (s, c) = t.sin_cos();
            1.0 / s.abs().max(c.abs())
        });
        assert!(
            (square.at(0.0).0 - 1.0).abs() < 0.03,
            "{}",
            square.at(0.0).0
        );
        // The corner is rounded, not lost.
        let corner = square.at(TAU / 8.0).0;
        assert!(
            (1.2..std::f64::consts::SQRT_2).contains(&corner),
            "{corner}"
        );
    }
}
