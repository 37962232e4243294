//! Heads whose axes are known: the mean vault made broader, shorter and lower as a shell of
//! 6 mm in voxels of 2 mm; turned by another affine, or drawn anew at an angle.

use super::*;
use crate::space::{Ijk, Lps, Map, Point, Vector};

const MIDDLE: [f64; 3] = [103.0, -51.0, 330.0];

/// Rows lead from the patient into the head: raised (chin up), then leant, then looking aside; degrees.
fn rotation([raised, lean, look]: [f64; 3]) -> [[f64; 3]; 3] {
    let about = |axis: usize, degrees: f64| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut m = [[0.0; 3]; 3];
        m[axis][axis] = 1.0;
        (m[a][a], m[a][b], m[b][a], m[b][b]) = (cos, -sin, sin, cos);
        m
    };
    let times = |m: [[f64; 3]; 3], n: [[f64; 3]; 3]| {
        [0, 1, 2].map(|r| [0, 1, 2].map(|c| (0..3).map(|k| m[r][k] * n[k][c]).sum::<f64>()))
    };
    times(times(about(2, look), about(1, lean)), about(0, raised))
}

/// What is drawn.
#[derive(Clone, Copy)]
struct Shell {
    turn: [f64; 3],
    /// Middle of a hole in the head's own axes, and its radius, mm.
    hole: Option<([f64; 3], f64)>,
    /// The scan ends this far under the middle, mm.
    floor_mm: f64,
}

const PLAIN: Shell = Shell {
    turn: [0.0; 3],
    hole: None,
    floor_mm: 60.0,
};

impl Shell {
    fn skull(self) -> Volume<bool> {
        let turn = rotation(self.turn);
        let map: Map<Ijk, Lps> = Map::new([
            [2.0, 0.0, 0.0, MIDDLE[0] - 108.0],
            [0.0, 2.0, 0.0, MIDDLE[1] - 108.0],
            [0.0, 0.0, 2.0, MIDDLE[2] - 100.0],
        ]);
        let shape = [108, 108, 100];
        let mut mask = Volume::new(shape, vec![false; shape.iter().product()], map).unwrap();
        for offset in 0..mask.data().len() {
            let p = mask.centre(mask.index(offset)).0;
            let d = [0, 1, 2].map(|a| p[a] - MIDDLE[a]);
            let own = turn.map(|row| row[0] * d[0] + row[1] * d[1] + row[2] * d[2]);
            let [x, y, z] = [own[0] / 1.06, own[1] / 0.96, own[2] / 0.98];
            let r = (x * x + y * y + z * z).sqrt();
            let outer = vault::radius_mm([x, y, z]);
            let shell = r <= outer && r >= outer - 6.0;
            let hole = self.hole.is_some_and(|(at, mm)| {
                (0..3).map(|a| (own[a] - at[a]).powi(2)).sum::<f64>() < mm * mm
            });
            // The lower end is the field of view's, level in the scanner.
            mask.data_mut()[offset] = shell && !hole && d[2] > -self.floor_mm;
        }
        mask
    }
}

/// Degrees between the found axes and the drawn ones about left, back and up, and the distance of the middles, mm.
fn errors(found: &Axes, turn: [f64; 3]) -> [f64; 4] {
    let drawn = rotation(turn);
    let along = |v: Vector<Lps>, row: usize| (0..3).map(|c| v.0[c] * drawn[row][c]).sum::<f64>();
    let nod = along(found.back(), 2).atan2(along(found.back(), 1));
    let lean = along(found.left(), 2).atan2(along(found.left(), 0));
    let look = along(found.left(), 1).atan2(along(found.left(), 0));
    let off = found.middle().minus(Point::new(MIDDLE)).length();
    [nod.to_degrees(), lean.to_degrees(), look.to_degrees(), off]
}

fn close(shell: Shell, most: [f64; 4]) {
    let found = axes(&shell.skull()).unwrap();
    let errors = errors(&found, shell.turn);
    assert!(
        (0..4).all(|n| errors[n].abs() <= most[n]),
        "{:?} {:?}: {errors:.2?}",
        shell.turn,
        shell.hole
    );
}

#[test]
fn a_turned_head_keeps_its_axes() {
    for turn in [[0.0; 3], [20.0, 6.0, -9.0], [-25.0, -8.0, 5.0]] {
        close(Shell { turn, ..PLAIN }, [2.5, 1.0, 1.0, 2.5]);
    }
}

#[test]
fn a_hole_does_not_turn_the_axes() {
    let turn = [-15.0, 4.0, 6.0];
    // Temple, forehead, back of the head; 100 to 110 mm across.
    for at in [[65.0, -20.0, 30.0], [0.0, -75.0, 35.0], [0.0, 80.0, 15.0]] {
        let hole = Some((at, 52.0));
        close(
            Shell {
                turn,
                hole,
                ..PLAIN
            },
            [3.0, 3.0, 1.5, 4.0],
        );
    }
}

/// Much of one half of the vault is gone, and a bare shell has nothing else: the plane holds less, and says so.
#[test]
fn a_hole_over_a_whole_side_does_not_turn_the_plane_and_raises_its_doubt() {
    let turn = [-8.0, 5.0, -7.0];
    let at = |hole| {
        Shell {
            turn,
            hole,
            ..PLAIN
        }
        .skull()
    };
    let (whole, half) = (at(None), at(Some(([64.0, 0.0, 35.0], 60.0))));
    let (whole, half) = (look(&whole).unwrap(), look(&half).unwrap());
    let degrees = half.plane.normal.dot(whole.plane.normal).min(1.0).acos();
    let middle = Point::new(MIDDLE);
    let mm = half.plane.foot(middle).minus(middle).length();
    assert!(
        degrees.to_degrees() < 3.0 && mm < 2.0,
        "{} degrees, {mm} mm: {:?}",
        degrees.to_degrees(),
        half.doubt
    );
    assert!(half.doubt.sd_deg > whole.doubt.sd_deg, "{:?}", half.doubt);
    assert!(half.doubt.sd_deg < 5.0, "{:?}", half.doubt);
}

#[test]
fn a_scan_that_ends_high_still_shows_the_nod() {
    for raised in [-15.0, 15.0] {
        let shell = Shell {
            turn: [raised, 0.0, 0.0],
            floor_mm: 25.0,
            ..PLAIN
        };
        close(shell, [3.0, 1.0, 1.0, 4.0]);
        let nod = axes(&shell.skull()).unwrap().nod_deg();
        assert!((nod + raised).abs() < 3.0, "{nod} of {}", -raised);
    }
}

/// The same voxels under a turned affine: the axes have to turn by it.
#[test]
fn turning_a_mask_turns_its_axes() {
    let skull = Shell {
        hole: Some(([65.0, -20.0, 30.0], 40.0)),
        ..PLAIN
    }
    .skull();
    let before = axes(&skull).unwrap();
    let back = rotation([14.0, -7.0, 10.0]);
    // Its transpose turns a head of no turn into one of this turn.
    let turn = |p: [f64; 3]| [0, 1, 2].map(|r| (0..3).map(|c| back[c][r] * p[c]).sum::<f64>());
    let columns = [0, 1, 2].map(|a| Vector::new(turn(skull.to_lps().column(a).0)));
    let origin = Point::new(turn(skull.to_lps().origin().0));
    let map = Map::from_columns(columns, origin);
    let turned = Volume::new(skull.shape(), skull.data().to_vec(), map).unwrap();
    let after = axes(&turned).unwrap();
    for (now, then) in [
        (after.left(), before.left()),
        (after.back(), before.back()),
        (after.up(), before.up()),
    ] {
        let degrees = now
            .dot(Vector::new(turn(then.0)))
            .min(1.0)
            .acos()
            .to_degrees();
        assert!(degrees < 2.0, "{degrees} {now:?}");
    }
    let middle = after.middle().minus(Point::new(turn(before.middle().0)));
    assert!(middle.length() < 2.5, "{middle:?}");
    // Places keep their names.
    let at = Point::new([60.0, -30.0, 35.0]);
    assert_eq!(Region::of(at), Region::of(after.locate(after.point(at))));
    assert!(after.locate(after.point(at)).minus(at).length() < 1e-9);
}

#[test]
fn one_thread_and_many_give_the_same_axes() {
    let skull = PLAIN.skull();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| axes(&skull).unwrap())
    };
    assert_eq!(with(1), with(5));
}

#[test]
fn nothing_has_no_axes() {
    let nothing = PLAIN.skull().map(|_| false);
    assert_eq!(axes(&nothing), None);
    let upright = Axes::upright(Point::new(MIDDLE));
    assert_eq!(upright.locate(Point::new(MIDDLE)), Point::new([0.0; 3]));
    assert!(upright.nod_deg().abs() < 1e-12);
}
