//! Sites: where a hole of a kind lies on a head, and how large it is.
//!
//! The kinds of old are laid out along the scanner's axes. Those that reach where the vault ends (brow, temple, nape)
//! are laid out along the skull's own, since a nod of 20 degrees would move them onto the face; how low they may reach
//! is what landmarks of the mean training skull say in these axes (`head`).

use super::dice::Dice;
use super::rim::Rim;
use crate::space::{Head, Vector};
use std::fmt;
use std::str::FromStr;

/// Kinds of defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Fronto-temporo-parietal: a large hole on one side, as after a decompressive craniectomy.
    Ftp,
    /// Both frontal bones, across the midline.
    Bifrontal,
    /// Behind.
    Occipital,
    /// On top.
    Vertex,
    /// One hole on each side.
    Bilateral,
    /// Anywhere on the vault, any size.
    Random,
    /// In the forehead, down to the upper margin of an orbit.
    FrontoOrbital,
    /// Around the pterion, where four bones meet.
    Pterional,
    /// In the temple, down to the root of the zygomatic arch.
    TemporalLow,
    /// Under the lambdoid suture, down to the nape.
    OccipitalLow,
    /// Half of a vault, 150 mm.
    Hemi,
    /// Anywhere on the vault, its outer table bevelled by 45 degrees, 4 to 12 mm wide.
    Bevelled,
    /// No hole.
    None,
}

impl Defect {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Ftp,
        Self::Bifrontal,
        Self::Occipital,
        Self::Vertex,
        Self::Bilateral,
        Self::Random,
        Self::FrontoOrbital,
        Self::Pterional,
        Self::TemporalLow,
        Self::OccipitalLow,
        Self::Hemi,
        Self::Bevelled,
        Self::None,
    ];

    /// The word on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Bifrontal => "bifrontal",
            Self::Occipital => "occipital",
            Self::Vertex => "vertex",
            Self::Bilateral => "bilateral",
            Self::Random => "random",
            Self::FrontoOrbital => "frontoorbital",
            Self::Pterional => "pterional",
            Self::TemporalLow => "temporal-low",
            Self::OccipitalLow => "occipital-low",
            Self::Hemi => "hemi",
            Self::Bevelled => "bevelled",
            Self::None => "none",
        }
    }

    /// Laid out along the skull's own axes, not the scanner's.
    pub(super) const fn in_own_axes(self) -> bool {
        matches!(
            self,
            Self::FrontoOrbital
                | Self::Pterional
                | Self::TemporalLow
                | Self::OccipitalLow
                | Self::Hemi
        )
    }

    /// Reaches to where the vault ends: there is more bone under it, and it has gaps of its own.
    pub(super) const fn low(self) -> bool {
        matches!(
            self,
            Self::FrontoOrbital | Self::Pterional | Self::TemporalLow | Self::OccipitalLow
        )
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Defect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::word).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.word() == text);
        found.ok_or_else(|| format!("`{text}` is no kind of defect; known are {known}"))
    }
}

/// One hole, before it is known how the bone runs there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Site {
    /// Its kind, which says how low it may reach.
    pub(super) kind: Defect,
    /// From the head's middle: left, posterior, superior; length 1.
    pub(super) direction: [f64; 3],
    /// Greatest distance between two points of the rim on the outer table.
    pub(super) chord_mm: f64,
    /// The rim's shape; its long axis runs along the horizontal before it is turned.
    pub(super) rim: Rim,
    /// The rim is turned by this, radians.
    pub(super) turn: f64,
    /// The wall leans by this against the local normal, radians; the hole is wider outside.
    pub(super) bevel: f64,
    /// The outer table is taken off at 45 degrees, this far beyond the rim, mm.
    pub(super) chamfer_mm: f64,
}

/// Rim chords of injected holes: uniform between these.
const CHORD_MM: (f64, f64) = (40.0, 120.0);
/// The same for holes that reach low, and for half a vault.
const LOW_MM: (f64, f64) = (45.0, 85.0);
const HEMI_MM: (f64, f64) = (145.0, 150.0);
/// Width of a bevel, mm.
const CHAMFER_MM: (f64, f64) = (4.0, 12.0);

/// How low a vault may be opened, degrees of elevation over the head's middle, at the front, the side and the back.
const VAULT_DEG: [f64; 3] = [20.0, -5.0, -17.5];
/// The same for holes that reach low, in the skull's own axes. There the upper margin of the orbits lies at -10 to -13,
/// the root of the zygomatic arch above the porion at -36, the asterion at -27, the opisthion at -67.
const LOW_DEG: [f64; 3] = [-10.0, -30.0, -45.0];
/// Half a vault ends over the brow, at the temple and under the lambda.
const HEMI_DEG: [f64; 3] = [0.0, -15.0, -30.0];

/// Whether a direction from the head's middle (left, posterior, superior) leads to where a kind may be cut.
pub(super) fn on_vault(kind: Defect, direction: Vector<Head>) -> bool {
    let [x, y, z] = direction.0;
    let flat = x.hypot(y);
    let front = -y / flat.max(1e-9);
    let round = |[brow, ear, nape]: [f64; 3]| {
        let end = if front > 0.0 { brow } else { nape };
        ear + (end - ear) * front * front
    };
    let floor = match kind {
        Defect::Hemi => round(HEMI_DEG),
        kind if kind.low() => round(LOW_DEG),
        _ => {
            let [brow, ear, nape] = VAULT_DEG;
            ear + ((brow - ear) * front).max(nape - ear)
        }
    };
    z.atan2(flat).to_degrees() >= floor
}

/// The chords of a kind's holes, mm; drawn once a seed, so that drawing a place anew does not favour small holes.
pub(super) fn chords(kind: Defect, dice: &mut Dice) -> Vec<f64> {
    let holes = match kind {
        Defect::None => 0,
        Defect::Bilateral => 2,
        Defect::Ftp | Defect::Bifrontal | Defect::Occipital | Defect::Vertex | Defect::Random => 1,
        Defect::FrontoOrbital | Defect::Pterional | Defect::TemporalLow => 1,
        Defect::OccipitalLow | Defect::Hemi | Defect::Bevelled => 1,
    };
    let (least, most) = match kind {
        Defect::Hemi => HEMI_MM,
        kind if kind.low() => LOW_MM,
        _ => CHORD_MM,
    };
    (0..holes).map(|_| dice.uniform(least, most)).collect()
}

/// The `n`-th hole of a kind, of this chord. Large holes may lie higher: their rims have to stay off brow and nape.
pub(super) fn site(kind: Defect, n: usize, chord_mm: f64, dice: &mut Dice) -> Site {
    let (azimuth, low, high, aspect, turn): (f64, f64, f64, f64, f64) = match kind {
        Defect::Ftp => (
            dice.side() * dice.uniform(55.0, 95.0),
            12.0,
            50.0,
            dice.uniform(0.6, 0.9),
            dice.uniform(-25.0, 25.0),
        ),
        Defect::Bifrontal => (
            dice.uniform(-8.0, 8.0),
            35.0,
            45.0 + chord_mm / 6.0,
            dice.uniform(0.5, 0.8),
            dice.uniform(-8.0, 8.0),
        ),
        Defect::Occipital => (
            180.0 + dice.uniform(-35.0, 35.0),
            0.0,
            15.0 + chord_mm / 4.0,
            dice.uniform(0.55, 0.95),
            dice.uniform(-30.0, 30.0),
        ),
        Defect::Vertex => (
            dice.uniform(0.0, 360.0),
            75.0,
            90.0,
            dice.uniform(0.6, 1.0),
            dice.uniform(0.0, 180.0),
        ),
        // Large holes on both sides leave a bridge of bone between them only when they are long rather than high.
        Defect::Bilateral => (
            [-1.0, 1.0][n % 2] * dice.uniform(72.0, 110.0),
            10.0,
            42.0,
            dice.uniform(0.5, 1.0 - 0.4 * (chord_mm - 40.0) / 80.0),
            dice.uniform(-20.0, 20.0),
        ),
        Defect::FrontoOrbital => (
            dice.side() * dice.uniform(8.0, 42.0),
            2.0,
            25.0,
            dice.uniform(0.6, 0.95),
            dice.uniform(-20.0, 20.0),
        ),
        Defect::Pterional => (
            dice.side() * dice.uniform(48.0, 72.0),
            -5.0,
            18.0,
            dice.uniform(0.6, 0.95),
            dice.uniform(-40.0, 40.0),
        ),
        Defect::TemporalLow => (
            dice.side() * dice.uniform(75.0, 112.0),
            -16.0,
            8.0,
            dice.uniform(0.6, 0.95),
            dice.uniform(-25.0, 25.0),
        ),
        Defect::OccipitalLow => (
            180.0 + dice.uniform(-40.0, 40.0),
            -32.0,
            -8.0,
            dice.uniform(0.6, 0.95),
            dice.uniform(-30.0, 30.0),
        ),
        Defect::Hemi => (
            dice.side() * dice.uniform(78.0, 98.0),
            32.0,
            52.0,
            dice.uniform(0.66, 0.78),
            dice.uniform(-8.0, 8.0),
        ),
        Defect::Random | Defect::Bevelled | Defect::None => (
            dice.uniform(0.0, 360.0),
            0.0,
            88.0,
            dice.uniform(0.55, 1.0),
            dice.uniform(0.0, 180.0),
        ),
    };
    let rim = Rim::draw(aspect, dice);
    let turn = turn.to_radians();
    // Evenly over the sphere between the lowest and the highest elevation of the kind; too low a place is drawn anew
    // when it is known how the skull runs.
    let sine = dice.uniform(low.to_radians().sin(), high.to_radians().sin());
    let bevel = dice.uniform(0.0, 15.0).to_radians();
    let chamfer_mm = match kind {
        Defect::Bevelled => dice.uniform(CHAMFER_MM.0, CHAMFER_MM.1),
        _ => 0.0,
    };
    Site {
        kind,
        direction: towards(azimuth, sine.asin().to_degrees()),
        chord_mm,
        rim,
        turn,
        bevel: if chamfer_mm > 0.0 { 0.0 } else { bevel },
        chamfer_mm,
    }
}

/// The direction at `azimuth` (0 the front, 90 the left) and `elevation`, degrees: left, posterior, superior.
fn towards(azimuth: f64, elevation: f64) -> [f64; 3] {
    let (sa, ca) = azimuth.to_radians().sin_cos();
    let (se, ce) = elevation.to_radians().sin_cos();
    [ce * sa, -ce * ca, se]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_back_and_unknown_ones_named() {
        for kind in Defect::ALL {
            assert_eq!(kind.word().parse::<Defect>().unwrap(), kind);
        }
        assert!("hole".parse::<Defect>().unwrap_err().contains("bifrontal"));
    }

    #[test]
    fn holes_lie_where_their_kind_says() {
        for seed in 0..200 {
            let of = |kind, n| site(kind, n, 80.0, &mut Dice::new(seed, 1)).direction;
            assert!(of(Defect::Ftp, 0)[0].abs() > 0.4);
            assert!(of(Defect::Bifrontal, 0)[1] < -0.3);
            assert!(of(Defect::Occipital, 0)[1] > 0.4);
            assert!(of(Defect::Vertex, 0)[2] > 0.9);
            assert!(of(Defect::Bilateral, 0)[0] < -0.5 && of(Defect::Bilateral, 1)[0] > 0.5);
            for kind in Defect::ALL {
                let bevel_mm = site(kind, 0, 80.0, &mut Dice::new(seed, 1)).chamfer_mm;
                let bevelled = (4.0..=12.0).contains(&bevel_mm);
                assert!(bevelled == (kind == Defect::Bevelled) && (bevelled || bevel_mm == 0.0));
            }
            assert!(of(Defect::FrontoOrbital, 0)[1] < -0.6);
            assert!(of(Defect::TemporalLow, 0)[0].abs() > 0.8);
            assert!(of(Defect::OccipitalLow, 0)[2] < -0.1);
            for kind in Defect::ALL {
                let [x, y, z] = of(kind, 0);
                assert!((x * x + y * y + z * z - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn chords_are_uniform_from_40_to_120_mm() {
        let all: Vec<f64> = (0..4000)
            .flat_map(|seed| chords(Defect::Random, &mut Dice::new(seed, 1)))
            .collect();
        for n in 0..8 {
            let low = 40.0 + 10.0 * f64::from(n);
            let share = all
                .iter()
                .filter(|c| (low..low + 10.0).contains(*c))
                .count() as f64
                / all.len() as f64;
            assert!((share - 0.125).abs() < 0.02, "{low} mm: {share}");
        }
        assert_eq!(chords(Defect::Bilateral, &mut Dice::new(1, 1)).len(), 2);
        assert!(chords(Defect::None, &mut Dice::new(1, 1)).is_empty());
    }

    #[test]
    fn brow_ears_and_nape_are_not_the_vault() {
        let at =
            |azimuth, elevation| on_vault(Defect::Random, Vector::new(towards(azimuth, elevation)));
        assert!(at(0.0, 25.0) && !at(0.0, 15.0), "brow");
        assert!(at(90.0, 0.0) && !at(90.0, -10.0), "ear");
        assert!(at(180.0, -15.0) && !at(180.0, -20.0), "nape");
        let low = |azimuth, elevation| {
            on_vault(Defect::Pterional, Vector::new(towards(azimuth, elevation)))
        };
        assert!(low(30.0, -5.0) && !low(0.0, -12.0), "orbit");
        assert!(low(90.0, -28.0) && !low(90.0, -35.0), "zygomatic arch");
        assert!(low(180.0, -40.0) && !low(180.0, -50.0), "foramen");
    }
}
