//! Region: which bone a direction from the head's middle leads to, and on which side.
//!
//! The sutures run as arcs of great circles, seen from the middle, between craniometric landmarks: the coronal suture
//! from bregma to the pterion, the lambdoid suture from lambda to the asterion, the squamous suture from the pterion
//! over the top of the squama to the asterion.
//!
//! Sources, quoted from memory. Landmarks: Martin & Saller, *Lehrbuch der Anthropologie* (1957). Chords: Howells,
//! *Cranial Variation in Man* (1973), about 111 mm nasion to bregma, 112 bregma to lambda, 96 lambda to opisthion, 108
//! asterion to asterion. Pterion 40 mm above the zygomatic arch and 30 mm behind the frontal process of the zygomatic
//! bone: Greenberg, *Handbook of Neurosurgery*.
//!
//! Our own: on the mean of the 71 training skulls in these axes nasion lies at (0, -84, -24), porion at (57, 5, -50),
//! the lower orbital margin at (31, -75, -47), opisthion at (0, 30, -70), read to 3 mm, so that the Frankfurt
//! horizontal is level to 2 degrees. Bregma and lambda were laid on its outer contour where the three chords of the
//! midline are alike too long (4 to 5 %); asterion, pterion and the top of the squama (47 mm above the porion) on its
//! side. Heads differ: a boundary is good to 10 mm or 8 degrees. Our own, too: arcs for sutures, the greater wing of
//! the sphenoid counted as temporal, and what counts as crossing the midline.

use crate::space::{Head, Point, Vector};
use crate::status::Side;
use serde::Serialize;
use std::fmt;

// Landmarks of the left half in mm from the head's middle: left, back, up.
const BREGMA: Vector<Head> = Vector::new([0.0, -17.0, 71.0]);
const PTERION: Vector<Head> = Vector::new([57.0, -36.0, -12.0]);
/// Top of the temporal squama.
const SQUAMA: Vector<Head> = Vector::new([69.0, 0.0, -3.0]);
const ASTERION: Vector<Head> = Vector::new([54.0, 50.0, -37.0]);
const LAMBDA: Vector<Head> = Vector::new([0.0, 86.0, 14.0]);
/// A side has a share in a body when at least this share of its voxels lies there, farther from the midline than its
/// plane is known to, mm.
const ACROSS: f64 = 0.03;
const MIDLINE_MM: f64 = 3.0;

/// A bone of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Before the coronal suture.
    Frontal,
    /// Between coronal, lambdoid and squamous suture.
    Parietal,
    /// Under the squamous suture, the greater wing of the sphenoid counted in.
    Temporal,
    /// Behind the lambdoid suture.
    Occipital,
}

impl Region {
    /// Every region, from front to back.
    pub const ALL: [Self; 4] = [
        Self::Frontal,
        Self::Parietal,
        Self::Temporal,
        Self::Occipital,
    ];

    /// The bone in whose direction a place lies, seen from the head's middle.
    pub fn of(at: Point<Head>) -> Self {
        // Both halves alike.
        let at = Vector::new([at.0[0].abs(), at.0[1], at.0[2]]);
        let beyond = |from: Vector<Head>, to: Vector<Head>| from.cross(to).dot(at) > 0.0;
        if beyond(PTERION, BREGMA) {
            Self::Frontal
        } else if beyond(LAMBDA, ASTERION) {
            Self::Occipital
        } else if beyond(SQUAMA, PTERION) && beyond(ASTERION, SQUAMA) {
            Self::Temporal
        } else {
            Self::Parietal
        }
    }

    /// The word used in tables and findings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Frontal => "frontal",
            Self::Parietal => "parietal",
            Self::Temporal => "temporal",
            Self::Occipital => "occipital",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The patient's left, right, or both, from a body's voxels: both where either side has a share. Of nothing: both.
pub(super) fn side(places: impl Iterator<Item = Point<Head>>) -> Side {
    let (mut left, mut right, mut all) = (0usize, 0usize, 0usize);
    for at in places {
        all += 1;
        left += usize::from(at.0[0] > MIDLINE_MM);
        right += usize::from(at.0[0] < -MIDLINE_MM);
    }
    let share = |n: usize| n as f64 / all.max(1) as f64 >= ACROSS;
    match (share(left), share(right)) {
        (true, false) => Side::Left,
        (false, true) => Side::Right,
        _ => Side::Both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(xyz: [f64; 3]) -> Region {
        Region::of(Point::new(xyz))
    }

    #[test]
    fn places_whose_bone_is_known() {
        // Glabella, frontal eminence, just before bregma.
        for at in [[0.0, -90.0, 0.0], [30.0, -70.0, 30.0], [0.0, -22.0, 70.0]] {
            assert_eq!(of(at), Region::Frontal, "{at:?}");
        }
        // Just behind bregma, parietal eminence, obelion.
        for at in [[0.0, -12.0, 71.0], [-65.0, 25.0, 35.0], [5.0, 65.0, 45.0]] {
            assert_eq!(of(at), Region::Parietal, "{at:?}");
        }
        // Above the porion, greater wing.
        for at in [[66.0, 4.0, -30.0], [-58.0, -28.0, -20.0]] {
            assert_eq!(of(at), Region::Temporal, "{at:?}");
        }
        // Inion, cerebellar squama.
        for at in [[0.0, 90.0, -15.0], [30.0, 65.0, -45.0]] {
            assert_eq!(of(at), Region::Occipital, "{at:?}");
        }
    }

    #[test]
    fn landmarks_have_the_distances_of_their_sources() {
        let nasion = Vector::new([0.0, -84.0, -24.0]);
        let opisthion = Vector::new([0.0, 30.0, -70.0]);
        let chord = |a: Vector<Head>, b: Vector<Head>| a.plus(b.times(-1.0)).length();
        for (mm, book) in [
            (chord(nasion, BREGMA), 111.0),
            (chord(BREGMA, LAMBDA), 112.0),
            (chord(LAMBDA, opisthion), 96.0),
        ] {
            assert!((1.03..1.06).contains(&(mm / book)), "{mm} for {book}");
        }
        assert!((2.0 * ASTERION.0[0] - 108.0).abs() < 1.0);
    }

    #[test]
    fn a_share_beyond_the_midline_lies_on_both_sides() {
        let body = |right: usize, far_mm: f64| {
            let x = move |n: usize| if n < right { -far_mm } else { far_mm };
            side((0..100).map(move |n| Point::new([x(n), 5.0, 5.0])))
        };
        assert_eq!(body(0, 20.0), Side::Left);
        assert_eq!(body(2, 20.0), Side::Left);
        assert_eq!(body(4, 20.0), Side::Both);
        assert_eq!(body(96, 20.0), Side::Both);
        assert_eq!(body(98, 20.0), Side::Right);
        // Within what the midline is known to, no side is named.
        assert_eq!(body(0, 2.0), Side::Both);
        assert_eq!(side(std::iter::empty()), Side::Both);
    }
}
