//! Pose: what one way of standing costs, in seconds of printing.
//!
//! In:    a closed part in patient millimetres, and a direction that is to be up.
//! Out:   [`Pose`]: what is to be supported, which faces that touches, and what the part stands on.
//! Holds: what support touches weighs by its face: the inner one looks at the brain and shows nothing, the outer one is seen
//!        through the skin, the rim has to fit. What the part stands on is the section of its first two layers.
//! Cost:  one pass over the triangles a direction, two for those whose stand is looked at.

use super::seam::centre_um;
use super::settings::{Orientation, Settings};
use crate::mesh::Mesh;
use crate::space::{Lps, Point, Vector};
use crate::status::Finding;

/// What a square millimetre of each face costs when support touches it: inner, outer, rim, in seconds.
const TOUCHED_S: [f64; 3] = [3.0, 9.0, 30.0];
/// A face belongs to the rim when it looks further than this from the way out of the skull: cosine.
const RIM: f64 = 0.6;
/// What touches the part below this height holds it on the bed, mm.
const FOOT_MM: f64 = 1.0;
/// A part this many times as high (to its centre of mass) as its stand reaches begins to sway.
const SWAY: f64 = 3.0;
/// Cost of one such time more, s; of two, four times as much.
const SWAY_S: f64 = 600.0;
/// Below this much of the first layers on the bed a part may come off, mm2; and what having none costs, s.
const CONTACT_MM2: f64 = 10.0;
const CONTACT_S: f64 = 600.0;
/// Widest brim that is drawn for a narrow stand, mm.
const BRIM_MAX_MM: f64 = 10.0;
/// The edge of a line that runs round the stand, mm.
const LINE_MM: f64 = 0.5;

/// The faces of an implant.
const INNER: usize = 0;
const OUTER: usize = 1;
const RIM_FACE: usize = 2;

/// A triangle as the search sees it.
struct Facet {
    normal: Vector<Lps>,
    area_mm2: f64,
    middle: Point<Lps>,
    face: usize,
}

/// A part as the search sees it.
pub(super) struct Shape<'a> {
    mesh: &'a Mesh<Lps>,
    facets: Vec<Facet>,
    /// Centre of mass.
    middle: Point<Lps>,
}

/// What the part stands on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stand {
    /// Section of the first two layers, in the mean, mm2.
    pub(super) contact_mm2: f64,
    /// Furthest inside its outline that the centre of mass may be moved, mm; negative where it lies outside.
    pub(super) margin_mm: f64,
    /// Height of the centre of mass, mm.
    pub(super) middle_mm: f64,
    /// The brim that it wants, mm.
    pub(super) brim_mm: f64,
}

/// One way of standing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    pub(super) up: Vector<Lps>,
    pub(super) high_mm: f64,
    /// Inner face, outer face and rim that support touches, mm2.
    pub(super) touched_mm2: [f64; 3],
    pub(super) stand: Stand,
    /// Print time with penalties that stand for quality and safety, s.
    pub(super) cost_s: f64,
}

impl<'a> Shape<'a> {
    pub(super) fn new(mesh: &'a Mesh<Lps>) -> Self {
        let centre = Point::new(centre_um(mesh).map(|um| um / 1000.0));
        let mut middle = Vector::<Lps>::new([0.0; 3]);
        let mut six_volumes = 0.0;
        let mut facets = Vec::with_capacity(mesh.triangles.len());
        for &triangle in &mesh.triangles {
            let corners = mesh.corners(triangle);
            let [a, b, c] = corners.map(|p| p.minus(centre));
            let six = a.dot(b.cross(c));
            six_volumes += six;
            middle = middle.plus(a.plus(b).plus(c).times(six / 4.0));
            let twice = mesh.area_vector(triangle);
            let Some(normal) = twice.unit() else { continue };
            let out = a.plus(b).plus(c);
            let face = match out.unit().map_or(0.0, |out| out.dot(normal)) {
                cosine if cosine > RIM => OUTER,
                cosine if cosine < -RIM => INNER,
                _ => RIM_FACE,
            };
            facets.push(Facet {
                normal,
                area_mm2: twice.length() / 2.0,
                middle: centre.plus(out.times(1.0 / 3.0)),
                face,
            });
        }
        Self {
            mesh,
            facets,
            middle: centre.plus(middle.times(1.0 / six_volumes)),
        }
    }

    /// A way of standing, its stand not yet looked at.
    pub(super) fn pose(&self, up: Vector<Lps>, settings: &Settings, layer_mm: f64) -> Pose {
        let (low, high) = self.reach(up);
        let steep = settings.overhang_deg.to_radians().sin();
        let (mut support_mm3, mut terrace_mm2, mut touched_mm2) = (0.0, 0.0, [0.0; 3]);
        for facet in &self.facets {
            let rise = facet.normal.dot(up);
            if rise < -steep {
                let height = along(facet.middle, up) - low;
                if height > layer_mm {
                    support_mm3 += facet.area_mm2 * -rise * height;
                }
                if height > FOOT_MM {
                    touched_mm2[facet.face] += facet.area_mm2;
                }
            }
            // Slopes below 15 degrees come out in terraces; what is flat does not.
            if (0.966..0.9998).contains(&rise) {
                terrace_mm2 += facet.area_mm2;
            }
        }
        let touched_s: f64 = (touched_mm2.iter().zip(TOUCHED_S))
            .map(|(area_mm2, seconds)| area_mm2 * seconds)
            .sum();
        Pose {
            up,
            high_mm: high - low,
            touched_mm2,
            stand: Stand::default(),
            // Support is drawn at about a fifth of its volume at 5 mm3/s; a layer costs some 3 s of travel and seam.
            cost_s: 0.04 * support_mm3
                + touched_s
                + 3.0 * (high - low) / layer_mm
                + 0.5 * terrace_mm2,
        }
    }

    /// Looks at what the part stands on, and counts it in.
    pub(super) fn stood(&self, pose: Pose, settings: &Settings, layers_mm: [f64; 2]) -> Pose {
        let (low, _) = self.reach(pose.up);
        let sides = sideways(pose.up);
        let [first, layer] = layers_mm;
        let mut ends = Vec::new();
        let contact_mm2 = [first / 2.0, first + layer / 2.0]
            .map(|z_mm| self.section(pose.up, low + z_mm, sides, &mut ends))
            .iter()
            .sum::<f64>()
            / 2.0;
        let middle = Vector::<Lps>::new(self.middle.0);
        let (x, y) = (middle.dot(sides.0), middle.dot(sides.1));
        let margin_mm = (0..36)
            .map(|i| {
                let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / 36.0).sin_cos();
                let far = |p: &[f64; 2]| (p[0] - x) * cos + (p[1] - y) * sin;
                ends.iter().map(far).fold(f64::NEG_INFINITY, f64::max)
            })
            .fold(f64::INFINITY, f64::min);
        let middle_mm = middle.dot(pose.up) - low;
        let wanted_mm = (middle_mm / SWAY - margin_mm - LINE_MM).min(BRIM_MAX_MM);
        let widens = settings.brim_mm > 0.0 && settings.orientation == Orientation::Auto;
        let stand = Stand {
            contact_mm2,
            margin_mm,
            middle_mm,
            brim_mm: if widens {
                settings.brim_mm.max(wanted_mm)
            } else {
                settings.brim_mm
            },
        };
        let bare = (1.0 - contact_mm2 / CONTACT_MM2).max(0.0);
        Pose {
            stand,
            cost_s: pose.cost_s + SWAY_S * (stand.tip() - SWAY).max(0.0).powi(2) + CONTACT_S * bare,
            ..pose
        }
    }

    /// Lowest and highest of the part along `up`.
    fn reach(&self, up: Vector<Lps>) -> (f64, f64) {
        let heights = self.mesh.vertices.iter().map(|&v| along(v, up));
        heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), z| {
            (l.min(z), h.max(z))
        })
    }

    /// Area of the section at a height along `up`, mm2; its corners are added to `ends`.
    fn section(
        &self,
        up: Vector<Lps>,
        height: f64,
        (x, y): (Vector<Lps>, Vector<Lps>),
        ends: &mut Vec<[f64; 2]>,
    ) -> f64 {
        let mut twice = 0.0;
        for &triangle in &self.mesh.triangles {
            let corners = self.mesh.corners(triangle).map(|p| Vector::<Lps>::new(p.0));
            let over = corners.map(|c| c.dot(up) - height);
            // Leaving upwards, and coming back down: solids lie to the left of the way from one to the other.
            let crossing = |rises: bool| {
                let side = (0..3).find(|&k| {
                    let (here, next) = (over[k] < 0.0, over[(k + 1) % 3] < 0.0);
                    here != next && here == rises
                })?;
                let (a, b) = (corners[side], corners[(side + 1) % 3]);
                let share = over[side] / (over[side] - over[(side + 1) % 3]);
                let spot = a.times(1.0 - share).plus(b.times(share));
                Some([spot.dot(x), spot.dot(y)])
            };
            if let (Some(from), Some(to)) = (crossing(false), crossing(true)) {
                twice += from[0] * to[1] - to[0] * from[1];
                ends.push(from);
            }
        }
        twice.abs() / 2.0
    }
}

impl Stand {
    /// How often the way from the centre of mass to the edge of stand and brim goes into its height.
    fn tip(self) -> f64 {
        self.middle_mm / (self.margin_mm + self.brim_mm + LINE_MM).max(LINE_MM)
    }

    /// Says when the part stands on less than it should.
    pub(super) fn finding(self) -> Option<Finding> {
        (self.tip() > 2.0 * SWAY).then(|| {
            let text = "The part may fall over while it is printed: so many times as high as its stand with the brim reaches \
                        is its centre of mass. Give it a wider brim, or another pose.";
            Finding::warn("narrow_stand", text)
        })
    }
}

impl Pose {
    /// In a few words.
    fn words(&self) -> String {
        let [inner, outer, rim] = self.touched_mm2;
        format!(
            "{:.1} mm high on {:.1} mm², support on {inner:.0} mm² of the inner face, {outer:.0} of the outer and {rim:.0} of the \
             rim: {:.0} min",
            self.high_mm,
            self.stand.contact_mm2,
            self.cost_s / 60.0,
        )
    }

    /// Says how the part stands, what that costs, and which others lost.
    pub(super) fn finding(&self, lost: &[&Pose]) -> Finding {
        let mut text = format!("The part stands {}, penalties included.", self.words());
        for (k, other) in lost.iter().enumerate() {
            let start = if k == 0 { " Dearer would be: " } else { "; " };
            text.push_str(start);
            text.push_str(&other.words());
        }
        if !lost.is_empty() {
            text.push('.');
        }
        Finding::info("pose", text)
    }
}

fn along(p: Point<Lps>, up: Vector<Lps>) -> f64 {
    Vector::<Lps>::new(p.0).dot(up)
}

/// Two unit vectors square to `up`, right-handed with it.
pub(super) fn sideways(up: Vector<Lps>) -> (Vector<Lps>, Vector<Lps>) {
    let help = if up.0[2].abs() < 0.9 {
        [0.0, 0.0, 1.0]
    } else {
        [1.0, 0.0, 0.0]
    };
    let x = Vector::new(help).cross(up);
    let x = x.times(1.0 / x.length());
    (x, up.cross(x))
}

#[cfg(test)]
mod tests {
    use super::super::shapes;
    use super::*;

    const UP: Vector<Lps> = Vector::new([0.0, 0.0, 1.0]);

    fn posed(mesh: &Mesh<Lps>, up: Vector<Lps>, settings: &Settings) -> Pose {
        let shape = Shape::new(mesh);
        shape.stood(shape.pose(up, settings, 0.2), settings, [0.2; 2])
    }

    #[test]
    fn a_block_stands_on_its_whole_face() {
        let block = shapes::cuboid([20.0, 12.0, 8.0]);
        let pose = posed(&block, UP, &Settings::default());
        assert!((pose.stand.contact_mm2 - 240.0).abs() < 1e-6, "{pose:?}");
        assert!((pose.stand.margin_mm - 6.0).abs() < 1e-6, "{pose:?}");
        assert!((pose.stand.middle_mm - 4.0).abs() < 1e-6, "{pose:?}");
        assert_eq!(pose.touched_mm2, [0.0; 3]);
        assert_eq!(pose.stand.brim_mm, Settings::default().brim_mm);
        assert!(pose.stand.finding().is_none());
    }

    #[test]
    fn what_leans_out_too_far_may_fall_over() {
        let as_is = Settings {
            orientation: Orientation::AsIs,
            ..Settings::default()
        };
        let upright = posed(&shapes::leaning(10.0, 10.0), UP, &as_is);
        assert!(upright.stand.margin_mm > 0.0 && upright.stand.finding().is_none());
        let leaning = posed(&shapes::leaning(65.0, 10.0), UP, &as_is);
        // Half of the 27 mm that it leans out, less half of the 8 mm on the bed and what the second layer adds.
        assert!((leaning.stand.margin_mm + 8.95).abs() < 0.1, "{leaning:?}");
        assert_eq!(leaning.stand.finding().unwrap().name, "narrow_stand");
    }

    #[test]
    fn the_faces_of_a_cap_are_told_apart() {
        // Lying on its rim the hollow side looks down, lying on its back the outer one does.
        let cap = shapes::cap(100.0);
        let settings = Settings::default();
        let dome = posed(&cap, UP, &settings).touched_mm2;
        let bowl = posed(&cap, UP.times(-1.0), &settings).touched_mm2;
        assert!(dome[INNER] > 4_000.0 && dome[OUTER] == 0.0, "{dome:?}");
        assert!(bowl[OUTER] > 4_000.0 && bowl[INNER] == 0.0, "{bowl:?}");
        // Its rim is cut along the radius: standing on it, only the rim lies on support.
        let edge = posed(&cap, Vector::new([0.0, 1.0, 0.0]), &settings).touched_mm2;
        assert!(
            edge[RIM_FACE] > 10.0 && edge[INNER] + edge[OUTER] == 0.0,
            "{edge:?}"
        );
    }

    #[test]
    fn a_narrow_stand_gets_a_wider_brim_unless_the_pose_or_no_brim_was_asked_for() {
        let rod = shapes::cuboid([4.0, 4.0, 80.0]);
        let brim_mm = |brim_mm: f64, orientation: Orientation| {
            let settings = Settings {
                brim_mm,
                orientation,
                ..Settings::default()
            };
            posed(&rod, UP, &settings).stand.brim_mm
        };
        assert_eq!(brim_mm(5.0, Orientation::Auto), BRIM_MAX_MM);
        assert_eq!(brim_mm(12.0, Orientation::Auto), 12.0);
        assert_eq!(brim_mm(0.0, Orientation::Auto), 0.0);
        assert_eq!(brim_mm(5.0, Orientation::AsIs), 5.0);
    }
}
