//! Pose: what one way of standing costs, in seconds of printing.
//!
//! In:    a closed part in patient millimetres, and a direction that is to be up.
//! Out:   [`Pose`]: what hangs over and needs support, on which face, and what the part stands on.
//! Holds: what support touches weighs by its face: the inner one looks at the brain and shows nothing, the outer one is seen
//!        through the skin, the rim has to fit. What a part stands on is a section right above its brim, not the extent of
//!        its corners.
//! Cost:  one pass over corners and one over triangles a direction.

use super::seam::centre_um;
use super::settings::{Orientation, Recipe};
use crate::mesh::Mesh;
use crate::mesh::tags::Face;
use crate::space::{Lps, Point, Vector};
use crate::status::Finding;

/// What a square millimetre of each face costs when support touches it: inner, outer, rim, in seconds. One, three and ten
/// times what it takes to clean it.
const TOUCHED_S: [f64; 3] = [3.0, 9.0, 30.0];
/// Support touches this many times what hangs over, since its roof reaches beyond: measured in eight poses of two implants, 1.6 to
/// 2.5.
const TOUCHED: f64 = 2.0;
/// What a layer costs in travel and seam, s: between poses of two implants each layer more took less than this.
const LAYER_S: f64 = 2.0;
/// A face belongs to the rim when it looks further than this from the way out of the skull: cosine.
const RIM: f64 = 0.6;
/// What touches the part below this height holds it on the bed, mm.
const FOOT_MM: f64 = 1.0;
/// A part this many times as high (to its centre of mass) as its stand reaches begins to sway.
const SWAY: f64 = 3.0;
/// Cost of one such time more, s; of two, four times as much.
const SWAY_S: f64 = 600.0;
/// As much of the part should stand on the bed, or, where it can not, in its brim, mm2; what having none in the brim costs, s.
const STAND_MM2: f64 = 25.0;
const STAND_S: f64 = 1800.0;
/// A stand of its own has its centre of mass at least this share of its height inside the outline of the first layer.
const INSIDE: f64 = 0.1;
/// What having nothing on the bed costs, and what having the centre of mass outside of it costs, s: a brim that carries the
/// part can fail, and is cut off by hand.
const OWN_S: f64 = 900.0;
/// With less than this it may break off its stand, mm2; and with less than that, where it sways.
const STAND_MIN_MM2: f64 = 5.0;
const SWAYING_MIN_MM2: f64 = 15.0;
/// Cutting off one more layer of brim, s.
const BRIM_LAYER_S: f64 = 60.0;
/// Widest brim that is drawn for a narrow stand, mm.
const BRIM_MAX_MM: f64 = 15.0;
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
    face: usize,
}

/// A part as the search sees it.
pub(super) struct Shape<'a> {
    mesh: &'a Mesh<Lps>,
    /// One for each triangle.
    facets: Vec<Facet>,
    /// Centre of mass.
    middle: Vector<Lps>,
}

/// What a part stands on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stand {
    /// Section of the first layer at its middle, mm2.
    pub(super) first_mm2: f64,
    /// Furthest inside the outline of that section that the centre of mass may be moved, mm; negative where it lies outside.
    pub(super) own_margin_mm: f64,
    /// Section right above the brim, mm2: what it would break off.
    pub(super) neck_mm2: f64,
    /// The same for the outline of that section, mm.
    pub(super) margin_mm: f64,
    /// Height of the centre of mass, mm.
    pub(super) middle_mm: f64,
    /// The brim that it wants, mm, and its layers.
    pub(super) brim_mm: f64,
    pub(super) brim_layers: usize,
}

/// One way of standing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    pub(super) up: Vector<Lps>,
    pub(super) high_mm: f64,
    /// What hangs over above the foot and needs support: inner face, outer face and rim, mm2.
    pub(super) hanging_mm2: [f64; 3],
    pub(super) stand: Stand,
    /// Print time with penalties that stand for quality and safety, s.
    pub(super) cost_s: f64,
}

impl<'a> Shape<'a> {
    /// A part; `faces`, one for each triangle, where they are known. They are guessed from the way out of the skull otherwise.
    pub(super) fn new(mesh: &'a Mesh<Lps>, faces: Option<&[Face]>) -> Self {
        let centre = Point::new(centre_um(mesh).map(|um| um / 1000.0));
        let mut middle = Vector::<Lps>::new([0.0; 3]);
        let mut six_volumes = 0.0;
        let mut facets = Vec::with_capacity(mesh.triangles.len());
        for (number, &triangle) in mesh.triangles.iter().enumerate() {
            let [a, b, c] = mesh.corners(triangle).map(|p| p.minus(centre));
            let out = a.plus(b).plus(c);
            let six = a.dot(b.cross(c));
            six_volumes += six;
            middle = middle.plus(out.times(six / 4.0));
            let twice = mesh.area_vector(triangle);
            let normal = twice.unit().unwrap_or(Vector::new([0.0; 3]));
            let guess = || match out.unit().map_or(0.0, |out| out.dot(normal)) {
                cosine if cosine > RIM => OUTER,
                cosine if cosine < -RIM => INNER,
                _ => RIM_FACE,
            };
            let face = match faces.and_then(|faces| faces.get(number)) {
                Some(Face::Outer) => OUTER,
                Some(Face::Inner) => INNER,
                Some(Face::Rim | Face::Hole) => RIM_FACE,
                None => guess(),
            };
            // The wall of a perforation spans itself: however it stands, nothing is laid under it.
            let spans = faces.is_some_and(|faces| faces.get(number) == Some(&Face::Hole));
            facets.push(Facet {
                normal: if spans { Vector::new([0.0; 3]) } else { normal },
                area_mm2: twice.length() / 2.0,
                face,
            });
        }
        let middle = centre.plus(middle.times(1.0 / six_volumes));
        Self {
            mesh,
            facets,
            middle: Vector::new(middle.0),
        }
    }

    /// A way of standing.
    pub(super) fn pose(&self, up: Vector<Lps>, recipe: &Recipe) -> Pose {
        let mut heights: Vec<f64> = (self.mesh.vertices.iter())
            .map(|v| Vector::<Lps>::new(v.0).dot(up))
            .collect();
        let low = heights.iter().copied().fold(f64::INFINITY, f64::min);
        heights.iter_mut().for_each(|height| *height -= low);
        let high_mm = heights.iter().copied().fold(0.0, f64::max);
        let layer_mm = recipe.layer.mm();
        let steep = recipe.settings.overhang_deg.to_radians().sin();
        let (mut support_mm3, mut terrace_mm2, mut hanging_mm2) = (0.0, 0.0, [0.0; 3]);
        for (facet, triangle) in self.facets.iter().zip(&self.mesh.triangles) {
            let rise = facet.normal.dot(up);
            if rise < -steep {
                let height = triangle.map(|v| heights[v as usize]).iter().sum::<f64>() / 3.0;
                if height > layer_mm {
                    support_mm3 += facet.area_mm2 * -rise * height;
                }
                if height > FOOT_MM {
                    hanging_mm2[facet.face] += facet.area_mm2;
                }
            }
            // Slopes below 15 degrees come out in terraces; what is flat does not.
            if (0.966..0.9998).contains(&rise) {
                terrace_mm2 += facet.area_mm2;
            }
        }
        let stand = self.stand(up, &heights, self.middle.dot(up) - low, recipe);
        let hanging_s: f64 = (hanging_mm2.iter().zip(TOUCHED_S))
            .map(|(area_mm2, seconds)| TOUCHED * area_mm2 * seconds)
            .sum();
        Pose {
            up,
            high_mm,
            hanging_mm2,
            stand,
            // Support is drawn at about a fifth of its volume at 5 mm3/s.
            cost_s: 0.04 * support_mm3
                + hanging_s
                + LAYER_S * high_mm / layer_mm
                + 0.5 * terrace_mm2
                + stand.cost_s(),
        }
    }

    /// What the part stands on, `heights` of its corners above the bed given.
    fn stand(&self, up: Vector<Lps>, heights: &[f64], middle_mm: f64, recipe: &Recipe) -> Stand {
        let foot: Vec<[u32; 3]> = (self.mesh.triangles.iter().copied())
            .filter(|t| {
                t.iter()
                    .any(|&v| heights[v as usize] < FOOT_MM + recipe.layer.mm())
            })
            .collect();
        let sides = sideways(up);
        let cut = |layer: usize| self.section(&foot, heights, recipe.middle(layer).mm(), sides);
        let (x, y) = (self.middle.dot(sides.0), self.middle.dot(sides.1));
        // Nothing at all in a layer: as far outside as it is high.
        let inside = |ends: &[[f64; 2]]| margin([x, y], ends).unwrap_or(-middle_mm);
        let (first_mm2, first_ends) = cut(0);
        let mut stand = Stand {
            first_mm2,
            own_margin_mm: inside(&first_ends),
            middle_mm,
            brim_mm: recipe.settings.brim_mm,
            brim_layers: usize::from(recipe.settings.brim_mm > 0.0),
            ..Stand::default()
        };
        let widens = stand.brim_layers > 0 && recipe.settings.orientation != Orientation::AsIs;
        let (mut neck_mm2, mut ends) = cut(1);
        // A narrow stand gets a brim of more layers, until enough of the part stands in it.
        while widens && neck_mm2 < STAND_MM2 && recipe.top(stand.brim_layers).mm() <= FOOT_MM {
            stand.brim_layers += 1;
            (neck_mm2, ends) = cut(stand.brim_layers);
        }
        stand.neck_mm2 = neck_mm2;
        stand.margin_mm = inside(&ends);
        if widens {
            let wanted_mm = middle_mm / SWAY - stand.margin_mm - LINE_MM;
            stand.brim_mm = stand.brim_mm.max(wanted_mm.min(BRIM_MAX_MM));
        }
        stand
    }

    /// Area of the section at a height, mm2, and its corners along two sides.
    fn section(
        &self,
        triangles: &[[u32; 3]],
        heights: &[f64],
        height: f64,
        (x, y): (Vector<Lps>, Vector<Lps>),
    ) -> (f64, Vec<[f64; 2]>) {
        let (mut twice, mut ends) = (0.0, Vec::new());
        for triangle in triangles {
            let over = triangle.map(|v| heights[v as usize] - height);
            // Coming down and going back up: solids lie to one side of the way from the first to the second.
            let crossing = |falls: bool| {
                let side = (0..3).find(|&k| {
                    let (here, next) = (over[k] < 0.0, over[(k + 1) % 3] < 0.0);
                    here != next && next == falls
                })?;
                let next = (side + 1) % 3;
                let corner =
                    |k: usize| Vector::<Lps>::new(self.mesh.vertices[triangle[k] as usize].0);
                let share = over[side] / (over[side] - over[next]);
                let spot = corner(side)
                    .times(1.0 - share)
                    .plus(corner(next).times(share));
                Some([spot.dot(x), spot.dot(y)])
            };
            if let (Some(from), Some(to)) = (crossing(true), crossing(false)) {
                twice += from[0] * to[1] - to[0] * from[1];
                ends.push(from);
            }
        }
        (twice.abs() / 2.0, ends)
    }
}

/// Furthest that `from` may be moved in any direction without leaving the hull of `ends`; negative outside of it.
fn margin(from: [f64; 2], ends: &[[f64; 2]]) -> Option<f64> {
    let reach = |[cos, sin]: [f64; 2]| {
        let far = |p: &[f64; 2]| (p[0] - from[0]) * cos + (p[1] - from[1]) * sin;
        ends.iter().map(far).fold(f64::NEG_INFINITY, f64::max)
    };
    // From inside, the nearest way out is square to an edge of the hull; from outside, it may end at a corner.
    let turns = (0..36).map(|i| {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / 36.0).sin_cos();
        [cos, sin]
    });
    let hull = hull(ends);
    let edges = hull.iter().zip(hull.iter().cycle().skip(1));
    let out = edges.filter_map(|(a, b)| {
        let [u, v] = [b[0] - a[0], b[1] - a[1]];
        let length = u.hypot(v);
        (length > 0.0).then(|| [v / length, -u / length])
    });
    turns
        .chain(out)
        .map(reach)
        .reduce(f64::min)
        .filter(|margin| margin.is_finite())
}

/// Corners of the convex hull, counter-clockwise (Andrew's chains).
fn hull(ends: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut sorted = ends.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let chain = |spots: &mut dyn Iterator<Item = &[f64; 2]>| {
        let mut kept: Vec<[f64; 2]> = Vec::new();
        for &c in spots {
            while let [.., a, b] = kept[..]
                && (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])
            {
                kept.pop();
            }
            kept.push(c);
        }
        // The other chain begins where this one ends.
        kept.pop();
        kept
    };
    let mut around = chain(&mut sorted.iter());
    around.extend(chain(&mut sorted.iter().rev()));
    around
}

impl Stand {
    /// How often the way from the centre of mass to the edge of stand and brim goes into its height.
    pub(super) fn tip(self) -> f64 {
        self.middle_mm / (self.margin_mm + self.brim_mm + LINE_MM).max(LINE_MM)
    }

    /// Stands it on the bed by itself: enough of it, and its centre of mass well inside?
    pub(super) fn is_own(self) -> bool {
        self.first_mm2 >= STAND_MM2 && self.own_margin_mm >= INSIDE * self.middle_mm
    }

    fn cost_s(self) -> f64 {
        let bare = (1.0 - self.neck_mm2 / STAND_MM2).max(0.0);
        let lifted = (1.0 - self.first_mm2 / STAND_MM2).max(0.0);
        let outside = (1.0 - self.own_margin_mm / (INSIDE * self.middle_mm)).clamp(0.0, 1.0);
        let layers = self.brim_layers.saturating_sub(1) as f64;
        SWAY_S * (self.tip() - SWAY).max(0.0).powi(2)
            + STAND_S * bare
            + OWN_S * (lifted + outside)
            + BRIM_LAYER_S * layers
    }

    /// Says what carries a part that has no stand of its own.
    pub(super) fn carried(self) -> Option<Finding> {
        if self.is_own() || self.brim_layers == 0 {
            return None;
        }
        Some(Finding::info(
            "carried_stand",
            format!(
                "The part does not stand by itself: {:.1} mm² of its first layer lie on the bed (at least {STAND_MM2:.0} are wanted), its \
                 centre of mass {} them ({:.1} mm inside is wanted). A brim {:.0} mm wide and {} carries it: {:.0} mm² of the part stand \
                 in it. Look that it holds, and cut it off afterwards.",
                self.first_mm2,
                if self.own_margin_mm < 0.0 {
                    format!("{:.1} mm outside", -self.own_margin_mm)
                } else {
                    format!("{:.1} mm inside", self.own_margin_mm)
                },
                INSIDE * self.middle_mm,
                self.brim_mm,
                match self.brim_layers {
                    1 => "one layer high".to_owned(),
                    layers => format!("{layers} layers high"),
                },
                self.neck_mm2,
            ),
        ))
    }

    /// Says when the part stands on less than it should.
    pub(super) fn finding(self) -> Option<Finding> {
        let finding = |text: &str| Some(Finding::warn("narrow_stand", text));
        if self.tip() > 2.0 * SWAY {
            let text = "The part may fall over while it is printed; watch its first layers, give it a wider brim or another pose. \
                        So many times as high as it lies inside the edge of stand and brim is its centre of mass.";
            return finding(text).map(|f| f.value(self.tip(), "").at_most(2.0 * SWAY));
        }
        let least = if self.tip() > SWAY {
            SWAYING_MIN_MM2
        } else {
            STAND_MIN_MM2
        };
        if self.neck_mm2 < least {
            let text = "The part may break off the bed; watch its first layers, or choose another pose. So little of it stands in \
                        its brim.";
            return finding(text).map(|f| f.value(self.neck_mm2, "mm2").at_least(least));
        }
        None
    }
}

impl Pose {
    /// In a few words.
    pub(super) fn words(&self) -> String {
        let [inner, outer, rim] = self.hanging_mm2;
        format!(
            "{:.0} mm high, first layer {:.1} mm²{}, to be supported: {inner:.0} mm² of the inner face, {outer:.0} of the outer \
             face, {rim:.0} of the rim; cost {:.0} min",
            self.high_mm,
            self.stand.first_mm2,
            if self.stand.is_own() {
                ""
            } else {
                " (carried by its brim)"
            },
            self.cost_s / 60.0,
        )
    }
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
    use super::super::settings::Settings;
    use super::super::shapes;
    use super::*;
    use crate::gcode::{Material, Printer};
    use crate::space::Map;
    use proptest::prelude::*;

    const UP: Vector<Lps> = Vector::new([0.0, 0.0, 1.0]);

    fn recipe(brim_mm: f64, orientation: Orientation) -> Recipe {
        let settings = Settings {
            brim_mm,
            orientation,
            ..Settings::default()
        };
        let printer = Printer::load("virtual").unwrap();
        Recipe::new(&printer, &Material::load("pla").unwrap(), &settings).unwrap()
    }

    fn usual(mesh: &Mesh<Lps>, up: Vector<Lps>) -> Pose {
        Shape::new(mesh, None).pose(up, &recipe(5.0, Orientation::Auto))
    }

    #[test]
    fn a_block_stands_on_its_whole_face() {
        let pose = usual(&shapes::cuboid([20.0, 12.0, 8.0]), UP);
        let stand = pose.stand;
        assert!((stand.first_mm2 - 240.0).abs() < 1e-6, "{pose:?}");
        assert!((stand.neck_mm2 - 240.0).abs() < 1e-6, "{pose:?}");
        assert!((stand.margin_mm - 6.0).abs() < 1e-6, "{pose:?}");
        assert!((stand.middle_mm - 4.0).abs() < 1e-6, "{pose:?}");
        assert_eq!(pose.hanging_mm2, [0.0; 3]);
        assert_eq!((stand.brim_mm, stand.brim_layers), (5.0, 1));
        assert!((stand.own_margin_mm - 6.0).abs() < 1e-6, "{pose:?}");
        assert!(stand.is_own() && stand.carried().is_none() && stand.finding().is_none());
    }

    #[test]
    fn what_leans_out_too_far_may_fall_over() {
        let posed = |lean_deg| {
            let mesh = shapes::leaning(lean_deg, 10.0);
            Shape::new(&mesh, None).pose(UP, &recipe(5.0, Orientation::AsIs))
        };
        let upright = posed(10.0);
        assert!(upright.stand.margin_mm > 0.0 && upright.stand.finding().is_none());
        let leaning = posed(65.0);
        // Half of the 27.2 mm that it leans out, less the half of the 8 mm on the bed and what the second layer adds.
        assert!((leaning.stand.margin_mm + 8.95).abs() < 0.3, "{leaning:?}");
        assert_eq!(leaning.stand.finding().unwrap().name, "narrow_stand");
    }

    #[test]
    fn the_faces_of_a_cap_are_told_apart() {
        // Lying on its rim the hollow side looks down, lying on its back the outer one does.
        let cap = shapes::cap(100.0);
        let dome = usual(&cap, UP).hanging_mm2;
        let bowl = usual(&cap, UP.times(-1.0)).hanging_mm2;
        assert!(dome[INNER] > 4_000.0 && dome[OUTER] == 0.0, "{dome:?}");
        assert!(bowl[OUTER] > 4_000.0 && bowl[INNER] == 0.0, "{bowl:?}");
        // Its rim is cut along the radius: standing on it, only the rim lies on support.
        let edge = usual(&cap, Vector::new([0.0, 1.0, 0.0])).hanging_mm2;
        assert!(
            edge[RIM_FACE] > 10.0 && edge[INNER] + edge[OUTER] == 0.0,
            "{edge:?}"
        );
    }

    #[test]
    fn a_high_part_gets_a_wider_brim_unless_the_pose_or_no_brim_was_asked_for() {
        let rod = shapes::cuboid([4.0, 8.0, 120.0]);
        let brim = |brim_mm, orientation| {
            let stand = Shape::new(&rod, None)
                .pose(UP, &recipe(brim_mm, orientation))
                .stand;
            (stand.brim_mm, stand.brim_layers)
        };
        assert_eq!(brim(5.0, Orientation::Auto), (BRIM_MAX_MM, 1));
        assert_eq!(brim(5.0, Orientation::Pose(3)), (BRIM_MAX_MM, 1));
        assert_eq!(brim(18.0, Orientation::Auto), (18.0, 1));
        assert_eq!(brim(0.0, Orientation::Auto), (0.0, 0));
        assert_eq!(brim(5.0, Orientation::AsIs), (5.0, 1));
    }

    #[test]
    fn what_stands_on_a_tip_gets_a_brim_of_more_layers_within_the_foot() {
        // A block on one of its edges, then on one of its corners.
        let block = shapes::cuboid([20.0, 20.0, 20.0]);
        let half = 0.5_f64.sqrt();
        let edge = usual(&block, Vector::new([half, half, 0.0])).stand;
        assert!(edge.first_mm2 < 5.0 && edge.brim_layers > 1, "{edge:?}");
        assert!(edge.neck_mm2 > STAND_MM2 * 0.99, "{edge:?}");
        let third = (1.0_f64 / 3.0).sqrt();
        let corner = usual(&block, Vector::new([third; 3])).stand;
        assert_eq!(corner.brim_layers, 5, "{corner:?}");
        assert_eq!(corner.finding().unwrap().name, "narrow_stand");
    }

    proptest! {
        /// A plate stands on the section of its first layer, whatever its lean: 8 mm by its width, shifted by what the lean
        /// does in a tenth of a millimetre. Its centre of mass moves out by half of what it leans.
        #[test]
        fn a_plate_stands_on_its_first_section(lean in 5.0..80.0_f64, wide in 2.0..30.0_f64) {
            let plate = shapes::leaning(lean, wide);
            let stand = Shape::new(&plate, None).pose(UP, &recipe(5.0, Orientation::AsIs)).stand;
            let rad = lean.to_radians();
            prop_assert!((stand.first_mm2 - 8.0 * wide).abs() < 1e-6, "{:?}", stand);
            let to_edge = 8.0 + 0.1 * rad.tan() - (4.0 + 15.0 * rad.sin());
            // Directions lie 10 degrees apart, so a margin to one side is exact where that side looks along an axis.
            let margin = to_edge.min(wide / 2.0);
            prop_assert!((stand.own_margin_mm - margin).abs() < 1e-3, "{:?} {}", stand, margin);
            let own = 8.0 * wide >= STAND_MM2 && margin >= INSIDE * 15.0 * rad.cos();
            prop_assert_eq!(stand.is_own(), own);
            prop_assert_eq!(stand.carried().is_none(), own);
        }

        /// More on the bed and a centre of mass further inside never cost more.
        #[test]
        fn a_better_stand_never_costs_more(
            first in 0.0..60.0_f64, inside in -20.0..20.0_f64, more in 0.0..20.0_f64, further in 0.0..10.0_f64,
        ) {
            let stand = Stand { first_mm2: first, own_margin_mm: inside, neck_mm2: 30.0, margin_mm: 5.0, middle_mm: 25.0,
                brim_mm: 5.0, brim_layers: 1 };
            let better = Stand { first_mm2: first + more, own_margin_mm: inside + further, ..stand };
            prop_assert!(better.cost_s() <= stand.cost_s());
            prop_assert!(stand.is_own() <= better.is_own());
        }

        /// What a part costs does not depend on where the patient lay, nor on the way that the scanner was turned.
        #[test]
        fn a_pose_is_worth_the_same_wherever_the_part_lies(
            turn in 0.0..std::f64::consts::TAU,
            shift in prop::array::uniform3(-400.0..400.0_f64),
            tilt in 0.0..std::f64::consts::PI,
        ) {
            let (sin, cos) = turn.sin_cos();
            let to = Map::<Lps, Lps>::new([
                [cos, -sin, 0.0, shift[0]],
                [sin, cos, 0.0, shift[1]],
                [0.0, 0.0, 1.0, shift[2]],
            ]);
            let cap = shapes::cap(30.0);
            let up = Vector::new([tilt.sin(), 0.0, tilt.cos()]);
            let here = usual(&cap, up);
            let there = usual(&cap.mapped(&to), to.turn(up));
            // Facets that hang at the very limit may fall on either side of it.
            let close = |a: f64, b: f64, by: f64| (a - b).abs() <= by + 0.02 * a.abs();
            prop_assert!(close(here.high_mm, there.high_mm, 1e-6));
            prop_assert!(close(here.stand.neck_mm2, there.stand.neck_mm2, 0.1), "{:?} {:?}", here, there);
            prop_assert!(close(here.stand.margin_mm, there.stand.margin_mm, 0.3), "{:?} {:?}", here, there);
            for (a, b) in here.hanging_mm2.into_iter().zip(there.hanging_mm2) {
                prop_assert!(close(a, b, 2.0), "{:?} {:?}", here, there);
            }
        }
    }
}
