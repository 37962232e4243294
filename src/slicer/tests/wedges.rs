//! Single strokes in what gets too narrow for a loop: they stay within the part.

use super::raster::{Role, layers};
use super::*;
use crate::space::{Point, Vector};
use proptest::prelude::*;

/// A wedge lying on its side, 1.2 mm high: from 0.05 mm at its tip to `wide_mm` over `long_mm`, turned by an angle.
fn wedge(long_mm: f64, wide_mm: f64, turn_deg: f64) -> Mesh<Lps> {
    let half = wide_mm / 2.0;
    let outline = [
        [0.0, -0.025],
        [long_mm, -half],
        [long_mm, half],
        [0.0, 0.025],
    ];
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    // Drawn along Y; a quarter turn round X sets it upright, then it is turned round Z.
    shapes::prism::<Lps>(&outline, &[[0, 1, 2, 3]], 1.2).mapped(&Map::<Lps, Lps>::new([
        [cos, 0.0, sin, 0.0],
        [sin, 0.0, -cos, 0.0],
        [0.0, 1.0, 0.0, 0.0],
    ]))
}

/// Furthest that a stroke of the part reaches over one of the upright faces, mm; the part is convex.
fn over_the_faces(made: &Sliced, part: &Mesh<Lps>) -> f64 {
    let bed = on_bed(part, made);
    let faces: Vec<(Vector<Bed>, Point<Bed>)> = (bed.triangles.iter())
        .filter_map(|&t| Some((bed.area_vector(t).unit()?, bed.corners(t)[0])))
        .filter(|(normal, _)| normal.0[2].abs() < 0.5)
        .collect();
    let drawn = layers(&made.gcode);
    let aside = [Role::Travel, Role::Support, Role::Brim];
    let strokes = drawn
        .iter()
        .flat_map(|layer| &layer.lines)
        .filter(|l| !aside.contains(&l.role));
    let over = strokes.flat_map(|line| {
        let reach = move |end: [f64; 2], (normal, corner): &(Vector<Bed>, Point<Bed>)| {
            (0..2)
                .map(|a| normal.0[a] * (end[a] - corner.0[a]))
                .sum::<f64>()
                + line.width / 2.0
        };
        let both = [line.from, line.to];
        faces
            .iter()
            .flat_map(move |face| both.map(|end| reach(end, face)))
    });
    over.fold(f64::NEG_INFINITY, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever its angle: no stroke stands beside the flat face of a wedge. A line of least width may, at its tip.
    #[test]
    fn strokes_stay_inside_straight_wedges(
        long in 20.0..45.0_f64,
        wide in 1.5..4.0_f64,
        turn in 0.0..360.0_f64,
    ) {
        let part = wedge(long, wide, turn);
        let made = sliced(&part, &bare());
        let over = over_the_faces(&made, &part);
        prop_assert!(over < 0.1, "{over} mm");
        prop_assert!(over > -0.1, "nothing reaches the faces: {over} mm");
    }
}
