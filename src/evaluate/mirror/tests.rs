//! A head whose plane is known: a shell of an ellipsoid, turned and shifted, with a hole on its left.

use super::*;
use crate::head::plane;
use crate::space::{Lps, Map, Point, Vector};
use crate::volume::Volume;
use crate::volume::axes::{Canonical, LEFT, POSTERIOR, SUPERIOR};

/// What is drawn.
#[derive(Clone, Copy)]
struct Head {
    yaw_deg: f64,
    hole: bool,
    /// A neck that leans to one side, as large as a fifth of the skull.
    neck: bool,
    /// The left half of the shell is thinner inside by this, mm: ordinary asymmetry.
    thin_left_mm: f64,
    slice_mm: f64,
}

const CENTRE: [f64; 3] = [103.0, -51.0, 330.0];

impl Head {
    const PLAIN: Self = Self {
        yaw_deg: 7.0,
        hole: true,
        neck: false,
        thin_left_mm: 0.0,
        slice_mm: 2.0,
    };

    fn skull(self) -> Volume<bool> {
        let (sin, cos) = self.yaw_deg.to_radians().sin_cos();
        let map = Map::new([
            [1.5, 0.0, 0.0, CENTRE[0] - 90.0],
            [0.0, 1.5, 0.0, CENTRE[1] - 105.0],
            [0.0, 0.0, self.slice_mm, CENTRE[2] - 110.0],
        ]);
        let shape = [120, 140, (200.0 / self.slice_mm) as usize];
        let mut mask = Volume::new(shape, vec![false; shape.iter().product()], map).unwrap();
        for offset in 0..mask.data().len() {
            let p = mask.centre(mask.index(offset)).0;
            let d = [0, 1, 2].map(|a| p[a] - CENTRE[a]);
            // The head's own axes: x to its left.
            let (x, y, z) = (cos * d[0] + sin * d[1], -sin * d[0] + cos * d[1], d[2]);
            let r = ((x / 70.0).powi(2) + (y / 92.0).powi(2) + (z / 80.0).powi(2)).sqrt();
            let thin = if x > 0.0 {
                self.thin_left_mm / 80.0
            } else {
                0.0
            };
            let shell = (0.92 + thin..=1.0).contains(&r) && z > -40.0;
            let hole = self.hole && (x - 60.0).hypot(y - 10.0).hypot(z - 30.0) < 30.0;
            let neck = self.neck
                && (-110.0..-38.0).contains(&z)
                && (x - 0.5 * z.abs()).hypot(y - 30.0) < 22.0;
            mask.data_mut()[offset] = (shell || neck) && !hole;
        }
        mask
    }

    /// What the hole took away, and its centroid.
    fn truth(self) -> (Volume<bool>, Point<Lps>) {
        let (mask, whole) = (
            self.skull(),
            Self {
                hole: false,
                ..self
            }
            .skull(),
        );
        let lost = whole.data().iter().zip(mask.data()).map(|(&w, &m)| w && !m);
        let truth = mask.with(lost.collect());
        let near = truth.centroid().unwrap();
        (truth, near)
    }

    /// DSC of the mirror's answer.
    fn dsc(self) -> f64 {
        let (mask, (truth, near)) = (self.skull(), self.truth());
        let answer = baseline(&mask, &plane(&mask).unwrap(), Some(near));
        super::super::score(&truth, &answer, &mask).unwrap().dsc
    }
}

/// Degrees of yaw, and mm by which the head's middle lies off the plane.
fn errors(found: &Plane, yaw_deg: f64) -> [f64; 2] {
    let yaw = found.normal.0[1].atan2(found.normal.0[0]).to_degrees();
    [
        yaw - yaw_deg,
        found.normal.dot(Vector::new(CENTRE)) - found.offset_mm,
    ]
}

#[test]
fn the_plane_of_a_turned_head_is_found_despite_the_hole() {
    for yaw_deg in [7.0, -21.0] {
        let found = plane(
            &Head {
                yaw_deg,
                ..Head::PLAIN
            }
            .skull(),
        )
        .unwrap();
        let [degrees, mm] = errors(&found, yaw_deg);
        assert!(degrees.abs() < 0.3 && mm.abs() < 0.4, "{degrees} {mm}");
        // The shell is nearly round seen from the front: 1.5 degrees of roll move its skin by 0.45 mm, under a third of a
        // voxel.
        let roll_deg = found.normal.0[2].asin().to_degrees();
        assert!(roll_deg.abs() < 1.5, "{found:?}");
    }
}

#[test]
fn a_leaning_neck_does_not_turn_the_plane() {
    let with_neck = Head {
        neck: true,
        ..Head::PLAIN
    };
    let [degrees, mm] = errors(&plane(&with_neck.skull()).unwrap(), 7.0);
    assert!(degrees.abs() < 0.3 && mm.abs() < 0.4, "{degrees} {mm}");
    assert!(with_neck.dsc() > 0.85, "{}", with_neck.dsc());
}

#[test]
fn the_hole_is_filled_from_the_other_side() {
    let dsc = Head {
        yaw_deg: -11.0,
        ..Head::PLAIN
    }
    .dsc();
    assert!(dsc > 0.85, "{dsc}");
}

/// A difference of a slice's thickness is not taken off by an opening within the slices: the body that fills the
/// hole has to be cut free of it all the same.
#[test]
fn ordinary_asymmetry_over_thick_slices_is_no_part_of_the_answer() {
    let head = Head {
        thin_left_mm: 1.5,
        slice_mm: 4.0,
        ..Head::PLAIN
    };
    assert!(head.dsc() > 0.7, "{}", head.dsc());
}

#[test]
fn the_order_of_the_axes_does_not_matter() {
    let (mask, (_, near)) = (Head::PLAIN.skull(), Head::PLAIN.truth());
    let order = Canonical::closest(&mask, [SUPERIOR.times(-1.0), LEFT.times(-1.0), POSTERIOR]);
    let turned = order.apply(&mask);
    let here = baseline(&mask, &plane(&mask).unwrap(), Some(near)).count();
    let there = baseline(&turned, &plane(&turned).unwrap(), Some(near)).count();
    assert!(
        here > 1000 && here.abs_diff(there) * 100 < 3 * here,
        "{here} {there}"
    );
}

#[test]
fn an_intact_symmetric_head_is_answered_with_nothing() {
    let head = Head {
        hole: false,
        ..Head::PLAIN
    };
    let mask = head.skull();
    assert_eq!(baseline(&mask, &plane(&mask).unwrap(), None).count(), 0);
    // With a hole and no place to look at, the largest body is the answer.
    let mask = Head::PLAIN.skull();
    assert!(baseline(&mask, &plane(&mask).unwrap(), None).count() > 1000);
}

#[test]
fn one_thread_and_many_give_the_same_plane_and_answer() {
    let (mask, (_, near)) = (Head::PLAIN.skull(), Head::PLAIN.truth());
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let found = plane(&mask).unwrap();
            (found, baseline(&mask, &found, Some(near)))
        })
    };
    assert_eq!(with(1), with(5));
}

#[test]
fn nothing_has_no_plane() {
    let mask = Head::PLAIN.skull();
    let empty = mask.map(|_| false);
    assert_eq!(plane(&empty), None);
    let mut speck = empty.clone();
    speck.data_mut()[5000] = true;
    assert_eq!(plane(&speck), None);
    let plane = plane(&mask).unwrap();
    assert_eq!(
        baseline(&empty, &plane, Some(Point::new(CENTRE))).count(),
        0
    );
}
