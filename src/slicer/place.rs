//! Placement: which way is up, and where on the bed.
//!
//! In:    closed parts in patient millimetres.
//! Out:   each part with its rigid map to the bed, and how it stands.
//! Holds: maps turn and shift, never mirror or scale; every part lies on Z = 0, within the bed's margins and below
//!        the printer's height, and parts stand apart.
//! Cost:  two passes over the mesh per direction, about 460 directions; 80 k triangles in half a second of one core.

use super::SliceError;
use super::pose::{Pose, Shape, sideways};
use super::settings::{Orientation, POSES, Recipe};
use crate::gcode::Printer;
use crate::mesh::Mesh;
use crate::mesh::tags::Face;
use crate::space::{Bed, Lps, Map, Vector};
use crate::status::Finding;
use rayon::prelude::*;

/// Free border of the bed, mm; the left border also holds the purge line of the start code.
const BORDER_MM: f64 = 8.0;
/// Free space between two parts with their brims, mm.
const BETWEEN_MM: f64 = 4.0;
/// Room above the part for lifting and parking, mm.
const HEADROOM_MM: f64 = 5.0;
/// Directions of the search.
const DIRECTIONS: u32 = 240;
/// How far round the best the search looks once more, degrees; neighbours of the first search lie about 13 degrees apart.
const REFINED_DEG: [f64; 3] = [6.0, 3.0, 1.5];
/// Round how many of the best, which lie apart.
const REFINED: usize = 12;
/// Cosine of the angle from which on a way of standing is another one: 10 degrees.
const ANOTHER: f64 = 0.985;
/// Others that are named.
const LOST: usize = 2;

/// One part and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) mesh: Mesh<Bed>,
    pub(super) to_bed: Map<Lps, Bed>,
    /// How it stands, and which ways lost.
    pub(super) findings: Vec<Finding>,
    /// The brim that it wants, mm.
    pub(super) brim_mm: f64,
    /// Layers of the brim.
    pub(super) brim_layers: usize,
}

/// One way of standing, turned for the bed.
#[derive(Clone, Debug)]
struct Way {
    pose: Pose,
    turn: Map<Lps, Bed>,
    low: [f64; 3],
    high: [f64; 3],
}

impl Way {
    fn new(part: &Mesh<Lps>, pose: Pose, turn: Map<Lps, Bed>) -> Self {
        let (low, high) = extent(part, &turn);
        Self {
            pose,
            turn,
            low,
            high,
        }
    }

    fn size(&self) -> [f64; 3] {
        [0, 1, 2].map(|a| self.high[a] - self.low[a])
    }
}

/// Turns every part for the least cost at a safe stand and sets them beside each other. `faces`: of each part's triangles,
/// where they are known.
pub(super) fn place(
    parts: &[Mesh<Lps>],
    faces: &[Vec<Face>],
    printer: &Printer,
    recipe: &Recipe,
) -> Result<Vec<Placed>, SliceError> {
    let ways: Vec<Vec<Way>> = (parts.iter().enumerate())
        .map(|(n, part)| ways(part, faces.get(n).map(Vec::as_slice), recipe))
        .collect();
    let most = ways.iter().map(Vec::len).max().unwrap_or(0);
    let ranks = match recipe.settings.orientation {
        Orientation::Auto | Orientation::AsIs => 0..most,
        Orientation::Pose(asked) => asked as usize - 1..asked as usize,
    };
    for rank in ranks {
        // A part with fewer ways than another keeps its last one.
        let chosen: Vec<(usize, &Way)> = ways
            .iter()
            .filter_map(|w| {
                let rank = rank.min(w.len().saturating_sub(1));
                Some((rank, w.get(rank)?))
            })
            .collect();
        let stood: Vec<&Way> = chosen.iter().map(|c| c.1).collect();
        if let Some(shifts) = arrange(&stood, printer) {
            return Ok((parts.iter().zip(&ways))
                .zip(chosen)
                .zip(shifts)
                .map(|(((part, ways), (rank, way)), shift)| {
                    let to_bed = way.turn.then(&shift);
                    Placed {
                        mesh: part.mapped(&to_bed),
                        to_bed,
                        findings: findings(ways, rank, recipe),
                        brim_mm: way.pose.stand.brim_mm,
                        brim_layers: way.pose.stand.brim_layers,
                    }
                })
                .collect());
        }
    }
    let size = ways
        .iter()
        .filter_map(|w| w.first())
        .map(Way::size)
        .fold([0.0_f64; 3], |all, one| {
            [all[0] + one[0], all[1].max(one[1]), all[2].max(one[2])]
        });
    Err(SliceError::TooLarge {
        size_mm: size,
        bed_mm: [printer.bed_mm[0], printer.bed_mm[1], printer.height_mm],
    })
}

/// Ways of standing, cheapest first.
fn ways(part: &Mesh<Lps>, faces: Option<&[Face]>, recipe: &Recipe) -> Vec<Way> {
    let shape = Shape::new(part, faces);
    if recipe.settings.orientation == Orientation::AsIs {
        let turn = Map::new([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]);
        let pose = shape.pose(Vector::new([0.0, 0.0, 1.0]), recipe);
        return vec![Way::new(part, pose, turn)];
    }
    let look = |up: Vector<Lps>| shape.pose(up, recipe);
    let mut found: Vec<Pose> = directions().into_par_iter().map(look).collect();
    for degrees in REFINED_DEG {
        let best = apart(&mut found, REFINED);
        let nearer: Vec<_> = best.iter().flat_map(|p| around(p.up, degrees)).collect();
        found.par_extend(nearer.into_par_iter().map(look));
    }
    apart(&mut found, POSES)
        .into_par_iter()
        .map(|pose| Way::new(part, pose, yaw(part, pose.up)))
        .collect()
}

/// The cheapest `count` that lie apart, cheapest first.
fn apart(poses: &mut [Pose], count: usize) -> Vec<Pose> {
    poses.sort_by(|a, b| a.cost_s.total_cmp(&b.cost_s));
    let mut kept: Vec<Pose> = Vec::new();
    for pose in poses.iter() {
        if kept.len() < count && kept.iter().all(|k| k.up.dot(pose.up) < ANOTHER) {
            kept.push(*pose);
        }
    }
    kept
}

/// How the chosen way stands, and which others it was preferred to.
fn findings(ways: &[Way], rank: usize, recipe: &Recipe) -> Vec<Finding> {
    let pose = &ways[rank].pose;
    let stand = [pose.stand.carried(), pose.stand.finding()];
    let narrow = stand.into_iter().flatten();
    if recipe.settings.orientation == Orientation::AsIs {
        return narrow.collect();
    }
    let mut text = format!("Pose {} of {}: {}", rank + 1, ways.len(), pose.words());
    let mut start = ". Instead of ";
    for (other, way) in ways
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != rank)
        .take(LOST)
    {
        text.push_str(&format!("{start}pose {}: {}", other + 1, way.pose.words()));
        start = ", or ";
    }
    text.push_str(". Cost is print time with what support and a narrow stand take; `calvaria slice --pose K` makes another.");
    if !pose.stand.is_own() {
        let own = ways.iter().position(|way| way.pose.stand.is_own());
        text.push_str(&own.map_or_else(
            || " None of them has a stand of its own.".to_owned(),
            |n| {
                format!(
                    " The first with a stand of its own is pose {}: {}.",
                    n + 1,
                    ways[n].pose.words()
                )
            },
        ));
    }
    if pose.stand.brim_layers > 1 {
        let top = recipe.top(pose.stand.brim_layers - 1).mm();
        text.push_str(&format!(
            " The brim is cut off along {top:.1} mm of the part's foot."
        ));
    }
    let mut found = vec![Finding::info("pose", text)];
    found.extend(narrow);
    found
}

/// Directions spread evenly over the sphere (Fibonacci), the six axes of the patient first.
fn directions() -> Vec<Vector<Lps>> {
    let axes = [0, 1, 2].into_iter().flat_map(|a| {
        [1.0, -1.0].map(|s| {
            let mut v = [0.0; 3];
            v[a] = s;
            Vector::new(v)
        })
    });
    let golden = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt());
    let spread = (0..DIRECTIONS).map(|i| {
        let z = 1.0 - 2.0 * (f64::from(i) + 0.5) / f64::from(DIRECTIONS);
        let (sin, cos) = (golden * f64::from(i)).sin_cos();
        let r = (1.0 - z * z).sqrt();
        Vector::new([r * cos, r * sin, z])
    });
    axes.chain(spread).collect()
}

/// Six directions as far round one.
fn around(up: Vector<Lps>, degrees: f64) -> impl Iterator<Item = Vector<Lps>> {
    let (x, y) = sideways(up);
    let (sin, cos) = degrees.to_radians().sin_cos();
    (0..6).map(move |k| {
        let (along_y, along_x) = (std::f64::consts::TAU * f64::from(k) / 6.0).sin_cos();
        up.times(cos)
            .plus(x.times(sin * along_x))
            .plus(y.times(sin * along_y))
    })
}

/// The turn that brings `up` to +Z and the narrowest box along X and Y, its long side along X.
fn yaw(part: &Mesh<Lps>, up: Vector<Lps>) -> Map<Lps, Bed> {
    let (x, y) = sideways(up);
    let flat: Vec<[f64; 2]> = (part.vertices.iter())
        .map(|v| Vector::<Lps>::new(v.0))
        .map(|v| [v.dot(x), v.dot(y)])
        .collect();
    // How far the part reaches along each direction of half a circle, 2 degrees apart.
    let widths: Vec<f64> = (0..90)
        .map(|k| {
            let (sin, cos) = f64::from(2 * k).to_radians().sin_cos();
            let reach = flat.iter().map(|p| p[0] * cos + p[1] * sin);
            let (low, high) = reach.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), r| {
                (l.min(r), h.max(r))
            });
            high - low
        })
        .collect();
    let box_at = |k: usize| (widths[k], widths[(k + 45) % 90]);
    let best = (0..90)
        .filter(|&k| box_at(k).0 >= box_at(k).1)
        .min_by(|&a, &b| {
            let area = |k: usize| box_at(k).0 * box_at(k).1;
            area(a).total_cmp(&area(b))
        })
        .unwrap_or(0);
    let (sin, cos) = (2.0 * best as f64).to_radians().sin_cos();
    let long = x.times(cos).plus(y.times(sin));
    let row = |r: Vector<Lps>| [r.0[0], r.0[1], r.0[2], 0.0];
    Map::new([row(long), row(up.cross(long)), row(up)])
}

fn extent(part: &Mesh<Lps>, map: &Map<Lps, Bed>) -> ([f64; 3], [f64; 3]) {
    part.vertices.iter().map(|&v| map.apply(v).0).fold(
        ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]),
        |(l, h), p| {
            (
                [0, 1, 2].map(|a| l[a].min(p[a])),
                [0, 1, 2].map(|a| h[a].max(p[a])),
            )
        },
    )
}

/// The shifts that set the parts in rows in the middle of the bed; `None` when they do not fit.
fn arrange(stands: &[&Way], printer: &Printer) -> Option<Vec<Map<Bed, Bed>>> {
    let brims = stands.iter().map(|s| s.pose.stand.brim_mm);
    let brim_mm = brims.fold(0.0, f64::max);
    let gap = BETWEEN_MM + 2.0 * brim_mm;
    let room = printer.bed_mm.map(|b| b - 2.0 * (BORDER_MM + brim_mm));
    let sizes: Vec<[f64; 3]> = stands.iter().map(|s| s.size()).collect();
    let flat_mm2: f64 = sizes.iter().map(|s| s[0] * s[1]).sum();
    if flat_mm2 > room[0] * room[1] || sizes.iter().any(|s| s[2] > printer.height_mm - HEADROOM_MM)
    {
        return None;
    }
    // The deepest first, as many in a row along X as it takes.
    let mut order: Vec<usize> = (0..stands.len()).collect();
    order.sort_by(|&a, &b| sizes[b][1].total_cmp(&sizes[a][1]));
    let rows = (1..=order.len()).find_map(|count| {
        let rows: Vec<&[usize]> = order.chunks(count).collect();
        let wide = |row: &[usize]| row.iter().map(|&n| sizes[n][0] + gap).sum::<f64>() - gap;
        let deep = rows.iter().map(|row| sizes[row[0]][1] + gap).sum::<f64>() - gap;
        let fits = deep <= room[1] && rows.iter().all(|row| wide(row) <= room[0]);
        fits.then(|| {
            (
                rows.iter()
                    .map(|row| (row.to_vec(), wide(row)))
                    .collect::<Vec<_>>(),
                deep,
            )
        })
    });
    let (rows, deep) = rows?;
    let mut shifts = vec![[0.0; 3]; stands.len()];
    let mut y = (printer.bed_mm[1] - deep) / 2.0;
    for (row, wide) in rows {
        let row_deep = sizes[row[0]][1];
        let mut x = (printer.bed_mm[0] - wide) / 2.0;
        for n in row {
            let low = stands[n].low;
            shifts[n] = [
                x - low[0],
                y + (row_deep - sizes[n][1]) / 2.0 - low[1],
                -low[2],
            ];
            x += sizes[n][0] + gap;
        }
        y += row_deep + gap;
    }
    let map = |[x, y, z]: [f64; 3]| {
        Map::new([[1.0, 0.0, 0.0, x], [0.0, 1.0, 0.0, y], [0.0, 0.0, 1.0, z]])
    };
    Some(shifts.into_iter().map(map).collect())
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::super::shapes;
    use super::*;
    use crate::gcode::Material;
    use crate::mesh::testing::shifted;
    use proptest::prelude::*;

    fn printer() -> Printer {
        Printer::load("virtual").unwrap()
    }

    fn stood(parts: &[Mesh<Lps>], orientation: Orientation) -> Result<Vec<Placed>, SliceError> {
        let settings = Settings {
            orientation,
            ..Settings::default()
        };
        let recipe = Recipe::new(&printer(), &Material::load("pla").unwrap(), &settings).unwrap();
        place(parts, &[], &printer(), &recipe)
    }

    fn up(placed: &Placed) -> Vector<Lps> {
        let [x, y, z, _] = placed.to_bed.0[2];
        Vector::new([x, y, z])
    }

    fn usual(parts: &[Mesh<Lps>]) -> Vec<Placed> {
        stood(parts, Orientation::Auto).unwrap()
    }

    /// Boxes on the bed lie within its margins and apart from each other, brims counted in.
    fn is_sound(placed: &[Placed]) -> bool {
        let brim_mm = placed.iter().map(|p| p.brim_mm).fold(0.0, f64::max);
        let border = BORDER_MM + brim_mm - 1e-6;
        let bounds: Vec<_> = placed.iter().map(|p| p.mesh.bounds().unwrap()).collect();
        let inside = bounds.iter().all(|(low, high)| {
            low.0[2].abs() < 1e-9
                && (0..2).all(|a| low.0[a] > border && high.0[a] < printer().bed_mm[a] - border)
        });
        let gap = |i: usize, j: usize| {
            let along = |a: usize| {
                (bounds[i].0.0[a] - bounds[j].1.0[a]).max(bounds[j].0.0[a] - bounds[i].1.0[a])
            };
            along(0).max(along(1))
        };
        inside
            && (0..bounds.len())
                .all(|i| (0..i).all(|j| gap(i, j) > BETWEEN_MM + 2.0 * brim_mm - 1e-6))
    }

    #[test]
    fn a_cap_stands_rigidly_on_the_bed_inside_its_margins() {
        let cap = shifted(&shapes::cap(100.0), [-300.0, 40.0, 1200.0]);
        let placed = usual(std::slice::from_ref(&cap));
        assert_eq!(placed.len(), 1);
        assert!((placed[0].to_bed.determinant() - 1.0).abs() < 1e-9);
        assert!(is_sound(&placed), "{:?}", placed[0].mesh.bounds());
        assert!((placed[0].mesh.volume_mm3() / cap.volume_mm3() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_cap_is_stood_up_steeply_with_a_tenth_to_support() {
        let cap = shapes::cap(100.0);
        let placed = usual(std::slice::from_ref(&cap));
        let (low, high) = placed[0].mesh.bounds().unwrap();
        // Lying down it is 19 mm high.
        assert!(high.0[2] - low.0[2] > 40.0, "{:?}", high.0[2]);
        let settings = Settings::default();
        let recipe = Recipe::new(&printer(), &Material::load("pla").unwrap(), &settings).unwrap();
        let shape = Shape::new(&cap, None);
        let pose = |up| shape.pose(up, &recipe);
        let chosen = pose(up(&placed[0]));
        assert!(chosen.cost_s < pose(Vector::new([0.0, 0.0, 1.0])).cost_s);
        let hanging = |pose: Pose| pose.hanging_mm2.iter().sum::<f64>();
        let lying = hanging(pose(Vector::new([0.0, 0.0, 1.0])));
        assert!(hanging(chosen) < 0.1 * lying, "{chosen:?}");
        assert!(chosen.stand.finding().is_none(), "{chosen:?}");
    }

    #[test]
    fn a_cap_never_stands_on_its_outer_face() {
        let cap = shapes::cap(60.0);
        let settings = Settings::default();
        let recipe = Recipe::new(&printer(), &Material::load("pla").unwrap(), &settings).unwrap();
        let down = Vector::new([0.0, 0.0, -1.0]);
        let [_, lying, _] = Shape::new(&cap, None).pose(down, &recipe).hanging_mm2;
        for way in ways(&cap, None, &recipe).iter().take(8) {
            let [_, outer, _] = way.pose.hanging_mm2;
            assert!(outer < 0.1 * lying, "{lying} {:?}", way.pose);
        }
    }

    #[test]
    fn the_poses_are_sorted_and_any_of_them_can_be_asked_for() {
        let cap = [shapes::cap(40.0)];
        let first = usual(&cap);
        let text = |placed: &[Placed]| placed[0].findings[0].text.clone();
        assert!(text(&first).starts_with("Pose 1 of "), "{}", text(&first));
        assert!(
            text(&first).contains("Instead of pose 2: "),
            "{}",
            text(&first)
        );
        let third = stood(&cap, Orientation::Pose(3)).unwrap();
        assert!(text(&third).starts_with("Pose 3 of "), "{}", text(&third));
        assert!(up(&first[0]).dot(up(&third[0])) < ANOTHER);
        let again = stood(&cap, Orientation::Pose(1)).unwrap();
        assert_eq!(again[0].to_bed.0, first[0].to_bed.0);
        for asked in [0, 25] {
            let settings = Settings {
                orientation: Orientation::Pose(asked),
                ..Settings::default()
            };
            let material = Material::load("pla").unwrap();
            let refused = Recipe::new(&printer(), &material, &settings).unwrap_err();
            assert!(matches!(refused, SliceError::Setting { name: "pose", .. }));
        }
    }

    #[test]
    fn no_direction_of_the_first_search_is_better_than_the_pose_chosen() {
        let material = Material::load("pla").unwrap();
        let recipe = Recipe::new(&printer(), &material, &Settings::default()).unwrap();
        for part in [shapes::cap(40.0), shapes::leaning(55.0, 12.0)] {
            let best = ways(&part, None, &recipe)[0].pose;
            let shape = Shape::new(&part, None);
            for up in directions() {
                let other = shape.pose(up, &recipe);
                assert!(best.cost_s <= other.cost_s, "{best:?} {other:?}");
            }
        }
    }

    #[test]
    fn one_thread_chooses_as_many_do() {
        let cap = [shapes::cap(40.0)];
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let [alone, together] = [one.install(|| usual(&cap)), usual(&cap)];
        assert_eq!(alone[0].to_bed.0, together[0].to_bed.0);
        assert_eq!(alone[0].findings, together[0].findings);
    }

    #[test]
    fn two_shells_stand_side_by_side() {
        let two = [
            shapes::cap(70.0),
            shifted(&shapes::cap(60.0), [0.0, 0.0, 50.0]),
        ];
        assert!(is_sound(&usual(&two)));
    }

    #[test]
    fn four_blocks_stand_in_a_square() {
        let four = vec![shapes::cuboid([50.0; 3]); 4];
        let placed = usual(&four);
        assert!(is_sound(&placed));
        let corners = placed.iter().map(|p| p.mesh.bounds().unwrap().0.0);
        let at: std::collections::BTreeSet<[i64; 2]> = corners
            .map(|c| [c[0].round() as i64, c[1].round() as i64])
            .collect();
        let along = |a: usize| {
            at.iter()
                .map(|c| c[a])
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(
            (at.len(), along(0).len(), along(1).len()),
            (4, 2, 2),
            "{at:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        /// Whatever the size: a cap stands by itself, or something that carries it is drawn and said.
        #[test]
        fn a_cap_stands_or_is_carried(width in 30.0..110.0_f64) {
            let cap = shapes::cap(width);
            let placed = usual(std::slice::from_ref(&cap));
            let material = Material::load("pla").unwrap();
            let recipe = Recipe::new(&printer(), &material, &Settings::default()).unwrap();
            let stand = Shape::new(&cap, None).pose(up(&placed[0]), &recipe).stand;
            let said = |name: &str| placed[0].findings.iter().any(|f| f.name == name);
            prop_assert_eq!(said("carried_stand"), !stand.is_own(), "{:?}", stand);
            let firm = stand.neck_mm2 >= if stand.tip() > 3.0 { 15.0 } else { 5.0 };
            prop_assert!(firm || said("narrow_stand"), "{:?}", stand);
            prop_assert_eq!(placed[0].brim_layers, stand.brim_layers);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Whatever the parts: they stand apart within the margins, or are refused.
        #[test]
        fn blocks_stand_apart_or_are_refused(
            sizes in prop::collection::vec(prop::array::uniform3(4.0..70.0_f64), 1..9),
        ) {
            let parts: Vec<Mesh<Lps>> = sizes.iter().map(|&s| shapes::cuboid(s)).collect();
            match stood(&parts, Orientation::Auto) {
                Ok(placed) => prop_assert!(placed.len() == parts.len() && is_sound(&placed)),
                Err(error) => {
                    prop_assert!(matches!(error, SliceError::TooLarge { .. }), "{}", error);
                    prop_assert!(parts.len() > 4, "{:?}", sizes);
                }
            }
        }
    }

    #[test]
    fn a_giant_is_refused() {
        let refused = stood(&[shapes::cuboid([300.0, 300.0, 300.0])], Orientation::Auto);
        assert!(matches!(refused, Err(SliceError::TooLarge { .. })));
    }
}
