//! Place: where on the head something lies, in the head's own axes.

use crate::head::{Axes, Region};
use crate::space::{Head, Lps, Point};
use crate::volume::Volume;
use crate::volume::crop::IndexBox;
use std::f64::consts::{PI, TAU};

/// Without a vault to be seen the middle of the head lies this far under the highest bone, mm.
const UNDER_TOP_MM: f64 = 75.0;

/// The scanner's axes in the middle of the skull's box, for a skull that shows no vault.
pub(super) fn upright(skull: &Volume<bool>, hull: &IndexBox) -> Axes {
    Axes::upright(box_middle(skull, hull))
}

/// In the middle of the skull's box from side to side and front to back, 75 mm under its top.
fn box_middle(skull: &Volume<bool>, head: &IndexBox) -> Point<Lps> {
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in 0..8usize {
        let index = [0, 1, 2].map(|a| {
            if corner >> a & 1 == 0 {
                head[a].start
            } else {
                head[a].end - 1
            }
        });
        let at = skull.centre(index);
        for a in 0..3 {
            lo[a] = lo[a].min(at.0[a]);
            hi[a] = hi[a].max(at.0[a]);
        }
    }
    let under = UNDER_TOP_MM.min((hi[2] - lo[2]) / 2.0);
    Point::new([(lo[0] + hi[0]) / 2.0, (lo[1] + hi[1]) / 2.0, hi[2] - under])
}

/// The vault's outer skin within `mm` of a point: the farthest bone in every direction from the head's middle,
/// where it belongs to the vault. One point a direction (2 degrees), so that a fit weighs all alike.
pub(super) fn skin(skull: &Volume<bool>, head: &IndexBox, axes: &Axes) -> Vec<Point<Lps>> {
    let (azimuths, elevations) = (180usize, 90usize);
    let mut farthest: Vec<(f64, Option<Point<Lps>>)> = vec![(0.0, None); azimuths * elevations];
    for k in head[2].clone() {
        for j in head[1].clone() {
            for i in head[0].clone() {
                if !skull.data()[skull.offset([i, j, k])] {
                    continue;
                }
                let at = skull.centre([i, j, k]);
                let [x, y, z] = axes.locate(at).0;
                let r = (x * x + y * y + z * z).sqrt();
                let turn = (y.atan2(x) / TAU + 0.5) * azimuths as f64;
                let rise =
                    ((z / r.max(1e-9)).clamp(-1.0, 1.0).asin() / PI + 0.5) * elevations as f64;
                let bin = (rise as usize).min(elevations - 1) * azimuths
                    + (turn as usize).min(azimuths - 1);
                if r > farthest[bin].0 {
                    farthest[bin] = (r, Some(at));
                }
            }
        }
    }
    let points = farthest.into_iter().filter_map(|(_, at)| at);
    points
        .filter(|&at| on_upper_vault(axes.locate(at), 0.0))
        .collect()
}

/// Where a part may be made, degrees of elevation seen from the head's middle, in front, at the sides and behind. On
/// the mean of the training skulls the upper margin of the orbits lies at -13, the porion at -41, the opisthion at -67:
/// each floor stays 18 degrees and more away. Two nodded views of a whole head had an orbit's opening taken for a hole,
/// its middle at -9 and -11.
const FLOOR_DEG: [f64; 3] = [5.0, -18.0, -30.0];

/// Above brow, ears and nape: a hole there is one of the vault.
pub(super) fn on_vault(at: Point<Lps>, axes: &Axes) -> bool {
    let (elevation, front) = seen(axes.locate(at));
    let [brow, ear, nape] = FLOOR_DEG;
    let end = if front > 0.0 { brow } else { nape };
    elevation > ear + (end - ear) * front.abs()
}

/// The upper vault, where a ray that meets no bone means an opening, and where the skin is smooth enough for a sphere.
/// The floor can be lifted by some degrees.
pub(super) fn on_upper_vault(at: Point<Head>, by_deg: f64) -> bool {
    let (elevation, front) = seen(at);
    elevation > by_deg - 5.0 + 25.0 * front.clamp(-0.5, 1.0)
}

/// Degrees above the middle's own horizontal, and how far to the front (1 at the brow, -1 at the back).
fn seen(at: Point<Head>) -> (f64, f64) {
    let [x, y, z] = at.0;
    let flat = x.hypot(y).max(1e-9);
    (z.atan2(flat).to_degrees(), -y / flat)
}

/// The bone that is missing at a place.
pub(super) fn region(at: Point<Lps>, axes: &Axes) -> Region {
    Region::of(axes.locate(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orbits_ears_and_the_foramen_are_no_vault() {
        let axes = Axes::upright(Point::new([10.0, -20.0, 300.0]));
        let on = |own: [f64; 3]| on_vault(axes.point(Point::new(own)), &axes);
        // Opening of an orbit, porion, temporal fossa, opisthion.
        for low in [
            [31.0, -78.0, -14.0],
            [57.0, 5.0, -50.0],
            [55.0, -45.0, -25.0],
            [0.0, 30.0, -70.0],
        ] {
            assert!(!on(low), "{low:?}");
        }
        // Forehead, temple, nuchal squama.
        for high in [[20.0, -82.0, 15.0], [64.0, -10.0, 0.0], [10.0, 88.0, -35.0]] {
            assert!(on(high), "{high:?}");
        }
        let upper = |own: [f64; 3]| on_upper_vault(Point::new(own), 12.0);
        assert!(upper([0.0, -60.0, 60.0]) && !upper([0.0, -85.0, 20.0]));
    }
}
