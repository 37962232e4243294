//! Sites: where a hole of a kind lies on a head, and how large it is.

use super::dice::Dice;
use super::outline::{sum, tangents};
use crate::space::{Lps, Vector};
use std::f64::consts::TAU;
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
    /// No hole.
    None,
}

impl Defect {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Ftp,
        Self::Bifrontal,
        Self::Occipital,
        Self::Vertex,
        Self::Bilateral,
        Self::Random,
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
            Self::None => "none",
        }
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
    /// From the head's middle: left, posterior, superior; length 1.
    pub(super) direction: [f64; 3],
    /// Half axes of the outline along the surface, mm: along the horizontal, and across it.
    pub(super) half_mm: [f64; 2],
    /// The outline is turned by this, radians.
    pub(super) turn: f64,
    /// Amplitude and phase of the outline's waves of order 2, 3 and 5.
    pub(super) waves: [[f64; 2]; 3],
}

impl Site {
    /// Arc length from the middle to the rim in a direction of the tangent plane.
    pub(super) fn rim_mm(&self, direction: f64) -> f64 {
        let t = direction - self.turn;
        let [a, b] = self.half_mm;
        let ellipse = a * b / (b * t.cos()).hypot(a * t.sin());
        let wave =
            |(order, [amplitude, phase]): (f64, [f64; 2])| amplitude * (order * t + phase).cos();
        let waves: f64 = [2.0, 3.0, 5.0].into_iter().zip(self.waves).map(wave).sum();
        ellipse * (1.0 + waves)
    }
}

/// Where a head's vault may be opened, in degrees of elevation over its middle: the orbits, the ears and the base
/// stay. `azimuth` 0 is the front, 90 the left.
fn floor_deg(azimuth: f64) -> f64 {
    -5.0 + 25.0 * azimuth.to_radians().cos().clamp(-0.5, 1.0)
}

/// The holes of a kind.
pub(super) fn sites(kind: Defect, dice: &mut Dice) -> Vec<Site> {
    match kind {
        Defect::None => vec![],
        Defect::Ftp => {
            let azimuth = dice.side() * dice.uniform(68.0, 98.0);
            let (elevation, half) = (
                dice.uniform(22.0, 38.0),
                [dice.uniform(40.0, 56.0), dice.uniform(32.0, 44.0)],
            );
            let turn = dice.uniform(-20.0, 20.0);
            vec![site(azimuth, elevation, half, turn, dice)]
        }
        Defect::Bifrontal => {
            let (azimuth, elevation) = (dice.uniform(-8.0, 8.0), dice.uniform(42.0, 55.0));
            let half = [dice.uniform(36.0, 50.0), dice.uniform(21.0, 30.0)];
            vec![site(azimuth, elevation, half, 0.0, dice)]
        }
        Defect::Occipital => {
            let (azimuth, elevation) = (180.0 + dice.uniform(-35.0, 35.0), dice.uniform(8.0, 35.0));
            let half = [dice.uniform(22.0, 40.0), dice.uniform(20.0, 32.0)];
            let turn = dice.uniform(-30.0, 30.0);
            vec![site(azimuth, elevation, half, turn, dice)]
        }
        Defect::Vertex => {
            let (azimuth, elevation) = (dice.uniform(0.0, 360.0), dice.uniform(75.0, 90.0));
            let half = [dice.uniform(25.0, 45.0), dice.uniform(22.0, 40.0)];
            let turn = dice.uniform(0.0, 180.0);
            vec![site(azimuth, elevation, half, turn, dice)]
        }
        Defect::Bilateral => [-1.0, 1.0]
            .map(|side| {
                let (azimuth, elevation) =
                    (side * dice.uniform(72.0, 110.0), dice.uniform(30.0, 45.0));
                let half = [dice.uniform(20.0, 32.0), dice.uniform(20.0, 28.0)];
                let turn = dice.uniform(0.0, 180.0);
                site(azimuth, elevation, half, turn, dice)
            })
            .into(),
        Defect::Random => {
            let (azimuth, elevation) = (dice.uniform(0.0, 360.0), dice.uniform(5.0, 85.0));
            let long = dice.uniform(20.0, 58.0);
            let half = [long, (long * dice.uniform(0.6, 1.0)).max(18.0)];
            let turn = dice.uniform(0.0, 180.0);
            vec![site(azimuth, elevation, half, turn, dice)]
        }
    }
}

/// Radius of a vault, for the question where a rim runs. Only used to keep it off the base.
const VAULT_MM: f64 = 78.0;

/// A hole lifted so far that its whole rim stays on the vault.
fn site(azimuth: f64, elevation: f64, half_mm: [f64; 2], turn: f64, dice: &mut Dice) -> Site {
    let mut site = Site {
        direction: towards(azimuth, elevation),
        half_mm,
        turn: turn.to_radians(),
        waves: [0; 3].map(|_| [dice.uniform(0.01, 0.05), dice.uniform(0.0, TAU)]),
    };
    let mut elevation = elevation;
    while elevation < 89.0 && !on_vault(&site) {
        elevation += 1.0;
        site.direction = towards(azimuth, elevation);
    }
    site
}

/// The direction at `azimuth` (0 the front, 90 the left) and `elevation`, degrees: left, posterior, superior.
fn towards(azimuth: f64, elevation: f64) -> [f64; 3] {
    let (sa, ca) = azimuth.to_radians().sin_cos();
    let (se, ce) = elevation.to_radians().sin_cos();
    [ce * sa, -ce * ca, se]
}

fn on_vault(site: &Site) -> bool {
    let normal = Vector::<Lps>::new(site.direction);
    let (along, across) = tangents(normal);
    (0..36).all(|n| {
        let around = f64::from(n) / 36.0 * TAU;
        let arc = site.rim_mm(around) / VAULT_MM;
        let sideways = sum(along.times(around.cos()), across.times(around.sin()));
        let [x, y, z] = sum(normal.times(arc.cos()), sideways.times(arc.sin())).0;
        let azimuth = x.atan2(-y).to_degrees();
        z.clamp(-1.0, 1.0).asin().to_degrees() >= floor_deg(azimuth)
    })
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
        for seed in 0..50 {
            let of = |kind| sites(kind, &mut Dice::new(seed, 1));
            assert!(of(Defect::None).is_empty());
            assert!(of(Defect::Ftp)[0].direction[0].abs() > 0.4);
            assert!(of(Defect::Bifrontal)[0].direction[1] < -0.2);
            assert!(of(Defect::Occipital)[0].direction[1] > 0.3);
            assert!(of(Defect::Vertex)[0].direction[2] > 0.9);
            let both = of(Defect::Bilateral);
            assert!(both[0].direction[0] < -0.3 && both[1].direction[0] > 0.3);
            for kind in Defect::ALL {
                for site in of(kind) {
                    assert!(
                        on_vault(&site) || site.direction[2] > 0.999,
                        "{kind} {site:?}"
                    );
                    let [x, y, z] = site.direction;
                    assert!((x * x + y * y + z * z - 1.0).abs() < 1e-9);
                    let chord = 2.0 * site.half_mm[0].max(site.half_mm[1]);
                    assert!((36.0..=120.0).contains(&chord), "{kind} {chord}");
                }
            }
        }
    }
}
