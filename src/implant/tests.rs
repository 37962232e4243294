//! Shapes whose truth is known (implant.md 7): a sphere of bone with a cone cut out.

mod lighter;

use super::*;
use crate::space::{Lps, Map, Point, Vector};
use crate::volume::{Hu, Volume};

const OUTER: f64 = 75.0;
const INNER: f64 = 69.0;
/// Half-angle of the cone hole: 60 mm across.
const HALF_DEG: f64 = 23.0;

struct Ball {
    ct: Volume<Hu>,
    skull: Volume<bool>,
    truth: Volume<bool>,
}

/// Outside of a hole at a point seen from the ball's middle, mm; negative in it.
type Hole<'a> = &'a dyn Fn(Vector<Lps>) -> f64;

/// Middle of the ball.
const MIDDLE: [f64; 3] = [180.0, -200.0, 70.0];

/// To the patient's left and up, 35 degrees from the vertex, off every grid axis.
fn axis() -> Vector<Lps> {
    Vector::new([0.5, 0.28, 0.82]).unit().unwrap()
}

/// A cone around a direction.
fn cone(axis: Vector<Lps>, half_deg: f64) -> impl Fn(Vector<Lps>) -> f64 {
    let axis = axis.unit().unwrap();
    move |d| {
        let r = d.length();
        let angle = (d.dot(axis) / r.max(1e-9)).clamp(-1.0, 1.0).acos();
        r * (angle - half_deg.to_radians()).sin()
    }
}

/// Upper part of a hollow ball in 1 mm voxels, edges blurred like a scan's (sigma 0.43 mm).
fn ball(hole: bool) -> Ball {
    sampled(hole, 1.0)
}

/// The same in voxels of `pixel_mm` in the slice and 1 mm across it.
fn sampled(hole: bool, pixel_mm: f64) -> Ball {
    let cone = cone(axis(), HALF_DEG);
    let holes: [Hole; 1] = [&cone];
    cut(if hole { &holes } else { &[] }, pixel_mm)
}

/// A ball with holes.
fn cut(holes: &[Hole], pixel_mm: f64) -> Ball {
    let side = (160.0 / pixel_mm) as usize;
    let shape = [side, side, 110];
    let p = pixel_mm;
    let map = Map::new([[p, 0., 0., 100.3], [0., p, 0., -280.2], [0., 0., 1., 40.1]]);
    let grid = Volume::new(shape, vec![(); shape.iter().product()], map).unwrap();
    let mut hu = Vec::new();
    let mut truth = Vec::new();
    for offset in 0..grid.data().len() {
        let d = grid.centre(grid.index(offset)).minus(Point::new(MIDDLE));
        let r = d.length();
        let shell = (r - OUTER).max(INNER - r);
        let outside = holes
            .iter()
            .map(|hole| hole(d))
            .fold(f64::INFINITY, f64::min);
        let bone = shell.max(-outside);
        // Logistic instead of the normal distribution: within 1 % of it.
        let share = 1.0 / (1.0 + (1.702 * bone / 0.43).exp());
        hu.push(Hu((40.0 + 1160.0 * share).round() as i16));
        truth.push(shell < 0.0 && outside < 0.0);
    }
    let ct = grid.with(hu);
    let skull = ct.map(|&hu| hu >= Hu(150));
    let truth = grid.with(truth);
    Ball { ct, skull, truth }
}

fn dice(a: &Volume<bool>, b: &Volume<bool>) -> f64 {
    let both = a
        .data()
        .iter()
        .zip(b.data())
        .filter(|&(&a, &b)| a && b)
        .count();
    2.0 * both as f64 / (a.count() + b.count()) as f64
}

fn blurred(mask: &Volume<bool>, sigma_mm: f64) -> Volume<f32> {
    crate::volume::gaussian::gaussian(&mask.map(|&v| if v { 1.0 } else { 0.0 }), sigma_mm)
}

#[test]
fn the_part_of_a_ball_keeps_its_clearance_all_round() {
    let ball = ball(true);
    let rules = Rules::default();
    let missing = missing(&blurred(&ball.truth, 1.5), &ball.skull, &rules, None).unwrap();
    assert_eq!(missing.bodies.len(), 1);
    // The skull's mask at 150 HU is thicker than the true bone and takes a rim of voxels.
    assert!(
        dice(&missing.mask, &ball.truth) > 0.88,
        "{}",
        dice(&missing.mask, &ball.truth)
    );
    assert_eq!(missing.side, crate::status::Side::Left);

    let made = solid(&missing, Bone::Ct(&ball.ct), &rules).unwrap();
    let fit = &made.parts[0].fit;
    let near = |x: f64| (x - rules.clearance_mm).abs() <= 0.06;
    assert!(near(fit.gap_p5) && near(fit.gap_median), "{fit:?}");
    // The rim is rounded off: more room there, never less.
    assert!(fit.gap_p95 < 0.85, "{fit:?}");
    assert!(
        fit.coverage_percent > 99.0 && fit.overlap_mm3 == 0.0,
        "{fit:?}"
    );
    assert!(
        fit.undercut_mm3 < 0.01 * fit.volume_mm3 && fit.step_p95 < 0.3,
        "{fit:?}"
    );
    let report = crate::mesh::check::inspect(&made.mesh);
    assert!(report.is_solid() && report.parts.len() == 1);
}

/// Gap of the part's wall to the true cone, not to what was read off the scan: worst, p5, median, p95 in mm, and how
/// far the part stands out of the ball.
fn true_gap(ball: &Ball) -> [f64; 5] {
    let rules = Rules::default();
    let missing = missing(&blurred(&ball.truth, 1.5), &ball.skull, &rules, None).unwrap();
    let made = solid(&missing, Bone::Ct(&ball.ct), &rules).unwrap();
    let outside = cone(axis(), HALF_DEG);
    let mut gaps = Vec::new();
    let mut proud = 0.0f64;
    for vertex in &made.mesh.vertices {
        let d = vertex.minus(Point::new(MIDDLE));
        gaps.push(-outside(d));
        proud = proud.max(d.length() - OUTER);
    }
    gaps.sort_by(f64::total_cmp);
    // Vertices nearer than 1 mm to the cone are the wall.
    let wall = gaps.partition_point(|&g| g < 1.0);
    let at = |share: f64| gaps[(wall as f64 * share) as usize];
    let all = [gaps[0], at(0.05), at(0.5), at(0.95), proud];
    println!(
        "worst, p5, median, p95, proud: {all:.3?} of {wall} fit {:.3} {:.3}",
        made.parts[0].fit.gap_p5, made.parts[0].fit.gap_min
    );
    all
}

/// What is promised for any scan that is taken: gap p5 >= 0.2 mm, and no vertex in bone. The part's own report says
/// 0.48 here: it measures against the edge that was read off the scan and knows nothing of that edge's error.
#[test]
fn at_1_mm_no_vertex_is_in_the_true_bone() {
    let [worst, p5, _, p95, proud] = true_gap(&ball(true));
    assert!(worst > 0.0 && p5 >= 0.2 && p95 <= 1.5 && proud < 0.4);
}

/// The grid of implant.md 2.3; its limits are those of 7.2.
#[test]
fn at_half_a_mm_the_true_gap_is_the_clearance() {
    let [worst, p5, median, _, _] = true_gap(&sampled(true, 0.5));
    let near = |x: f64| (x - 0.5).abs() <= 0.06;
    assert!(near(p5) && near(median) && worst > -0.01);
}

#[test]
fn a_short_prediction_still_fills_the_hole() {
    let ball = ball(true);
    let short =
        crate::volume::morphology::erode_mm(&blurred(&ball.truth, 2.0).map(|&p| p > 0.3), 1.5);
    let found = missing(&blurred(&short, 1.0), &ball.skull, &Rules::default(), None).unwrap();
    assert!(
        dice(&found.mask, &ball.truth) > 0.85,
        "{}",
        dice(&found.mask, &ball.truth)
    );
}

#[test]
fn nothing_missing_is_no_defect() {
    let whole = ball(false);
    let rules = Rules::default();
    let cut = ball(true);
    let refused = |p: &Volume<f32>| {
        missing(p, &whole.skull, &rules, None)
            .unwrap_err()
            .finding
            .name
    };
    let all = whole.ct.map(|_| 0.5f32);
    let none = whole.ct.map(|_| 0.0f32);
    for p in [&all, &none, &blurred(&cut.truth, 1.5)] {
        assert_eq!(refused(p), "no_defect");
    }
    // A lump in the brain.
    let lump = crate::volume::morphology::dilate_mm(
        &whole.ct.with(
            (0..whole.ct.data().len())
                .map(|o| whole.ct.index(o) == [80, 80, 60])
                .collect(),
        ),
        12.0,
    );
    assert_eq!(refused(&blurred(&lump, 1.0)), "no_defect");
}

/// A starter network marks a band along one side of half a skull's hole: the middle of what is open lies far from there.
#[test]
fn a_large_hole_that_is_marked_on_one_side_is_closed_by_its_bone() {
    let middle = Vector::<Lps>::new([0.35, 0.05, 0.94]).unit().unwrap();
    let wide = cone(middle, 52.0);
    let ball = cut(&[&wide], 1.0);
    let rim = ball.truth.with(
        (0..ball.truth.data().len())
            .map(|o| {
                let d = ball
                    .truth
                    .centre(ball.truth.index(o))
                    .minus(Point::new(MIDDLE));
                ball.truth.data()[o] && wide(d) > -14.0 && d.0[1] > 20.0
            })
            .collect(),
    );
    let found = missing(&blurred(&rim, 1.0), &ball.skull, &Rules::default(), None).unwrap();
    assert_eq!(found.bodies.len(), 1, "{:?}", found.findings);
    let names = names(&found.findings);
    assert!(!names.contains(&"open_rim"), "{names:?}");
    assert!(names.contains(&"network_short"), "{names:?}");
    let dice = dice(&found.mask, &ball.truth);
    assert!(dice > 0.85, "{dice}");
}

fn names(findings: &[crate::status::Finding]) -> Vec<&str> {
    findings.iter().map(|f| f.name.as_str()).collect()
}

/// Two holes 25 mm apart lie under one chart, and on one side of the head; each keeps its own part.
#[test]
fn two_holes_side_by_side_stay_two() {
    let (a, b) = (
        cone(axis(), 16.0),
        cone(Vector::new([0.5, -0.62, 0.6]), 14.0),
    );
    let ball = cut(&[&a, &b], 1.0);
    let rules = Rules::default();
    let found = missing(&blurred(&ball.truth, 1.5), &ball.skull, &rules, None).unwrap();
    assert_eq!(found.bodies.len(), 2, "{:?}", found.findings);
    assert!(dice(&found.mask, &ball.truth) > 0.85);
    let made = solid(&found, Bone::Ct(&ball.ct), &rules).unwrap();
    assert_eq!(made.parts.len(), 2);
    let report = crate::mesh::check::inspect(&made.mesh);
    assert!(report.is_solid() && report.parts.len() == 2, "{report:?}");
    let apart: Vec<f64> = (made.parts.iter().zip(&found.bodies))
        .map(|(part, body)| {
            let (low, high) = part.mesh.bounds().unwrap();
            low.plus(high.minus(low).times(0.5))
                .minus(body.centroid)
                .length()
        })
        .collect();
    assert!(
        apart.iter().all(|&mm| mm < 8.0),
        "each in its own hole: {apart:?}"
    );
}

/// Under 5 cm2 a hole is named and stays in `missing`, but gets no part; alone it is refused.
#[test]
fn a_small_hole_is_named_and_not_printed() {
    let (large, small) = (cone(axis(), 20.0), cone(Vector::new([-0.6, 0.0, 0.8]), 7.8));
    let rules = Rules::default();
    let both = cut(&[&large, &small], 1.0);
    let found = missing(&blurred(&both.truth, 1.0), &both.skull, &rules, None).unwrap();
    assert_eq!(
        found.bodies.iter().map(|b| b.printed).collect::<Vec<_>>(),
        [true, false]
    );
    assert!(names(&found.findings).contains(&"small_hole"));
    assert!(dice(&found.mask, &both.truth) > 0.85);
    assert_eq!(
        solid(&found, Bone::Ct(&both.ct), &rules)
            .unwrap()
            .parts
            .len(),
        1
    );

    let alone = cut(&[&small], 1.0);
    let found = missing(&blurred(&alone.truth, 1.0), &alone.skull, &rules, None).unwrap();
    let refused = solid(&found, Bone::Ct(&alone.ct), &rules).unwrap_err();
    assert!(
        matches!(refused, SolidError::TooSmall { area_cm2, .. } if area_cm2 < 5.0),
        "{refused}"
    );
    assert_eq!(refused.finding().name, "no_part");
}

/// Bone that ends all round a place says that it is a hole, whatever the network thinks.
#[test]
fn a_hole_that_the_network_does_not_mark_is_found_by_its_bone() {
    let (marked, silent) = (
        cone(axis(), 20.0),
        cone(Vector::new([-0.7, 0.0, 0.7]), 15.0),
    );
    let rules = Rules::default();
    let both = cut(&[&marked, &silent], 1.0);
    let one = cut(&[&marked], 1.0);
    let other = cut(&[&silent], 1.0);
    let by_bone = |found: &Missing| {
        let by_bone = (found.findings.iter()).filter(|f| f.name == "found_by_bone");
        by_bone.map(|f| f.text.clone()).collect::<Vec<_>>()
    };
    let found = missing(&blurred(&one.truth, 1.5), &both.skull, &rules, None).unwrap();
    assert_eq!(found.bodies.len(), 2, "{:?}", found.findings);
    let said = by_bone(&found);
    assert!(said.len() == 1 && said[0].contains("right"), "{said:?}");
    assert!(dice(&found.mask, &both.truth) > 0.85);

    let nothing = both.ct.map(|_| 0.0f32);
    let found = missing(&nothing, &other.skull, &rules, None).unwrap();
    assert_eq!(found.bodies.len(), 1, "{:?}", found.findings);
    assert!(dice(&found.mask, &other.truth) > 0.85);

    let found = missing(&blurred(&one.truth, 1.5), &one.skull, &rules, None).unwrap();
    assert!(by_bone(&found).is_empty(), "{:?}", found.findings);
}

/// A scan that ends in the vault leaves a ring of bone around nothing, and a child's fontanelle is a hole that nobody cut.
#[test]
fn the_end_of_a_scan_and_a_fontanelle_are_no_holes() {
    let whole = ball(false);
    let low = [0..160, 0..160, 0..95];
    let cut_off = crate::volume::crop::crop(&whole.skull, &low);
    let nothing = cut_off.map(|_| 0.0f32);
    let refused = missing(&nothing, &cut_off, &Rules::default(), None).unwrap_err();
    assert_eq!(refused.finding.name, "no_defect");

    let fontanelle = cone(Vector::new([0.0, -0.3, 1.0]), 12.0);
    let child = cut(&[&fontanelle], 1.0);
    let nothing = child.ct.map(|_| 0.0f32);
    let refused = missing(&nothing, &child.skull, &Rules::default(), None).unwrap_err();
    let text = &refused.finding.text;
    assert!(text.contains("The vault is open all the same"), "{text}");
}

/// What a technician sees on the pictures the findings say too: a notch that runs down to the end of the bone.
#[test]
fn an_open_vault_without_a_part_is_named_with_the_reason() {
    let (marked, notch) = (
        cone(axis(), 20.0),
        cone(Vector::new([-1.0, 0.0, 0.1]), 34.0),
    );
    let rules = Rules::default();
    let both = cut(&[&marked, &notch], 1.0);
    let one = cut(&[&marked], 1.0);
    let found = missing(&blurred(&one.truth, 1.5), &both.skull, &rules, None).unwrap();
    let unfilled: Vec<_> = found
        .findings
        .iter()
        .filter(|f| f.name == "unfilled_hole")
        .collect();
    assert_eq!(unfilled.len(), 1, "{:?}", found.findings);
    let said = &unfilled[0].text;
    assert!(said.contains("border is bone"), "{said}");
    // What stands 7 degrees over the middle and more, of a cap of 34 degrees on 75 mm.
    assert!(
        (10.0..30.0).contains(&unfilled[0].value.unwrap()),
        "{:?}",
        unfilled[0]
    );
    let found = missing(&blurred(&one.truth, 1.5), &one.skull, &rules, None).unwrap();
    assert!(
        !names(&found.findings).contains(&"unfilled_hole"),
        "{:?}",
        found.findings
    );

    let nothing = both.ct.map(|_| 0.0f32);
    let alone = cut(&[&notch], 1.0);
    let refused = missing(&nothing, &alone.skull, &rules, None)
        .unwrap_err()
        .finding;
    assert!(
        refused.text.contains("The vault is open all the same"),
        "{}",
        refused.text
    );
}

#[test]
fn a_hole_under_the_brow_is_refused_in_plain_words() {
    let low = cone(Vector::new([0.0, -1.0, -0.35]), 16.0);
    let ball = cut(&[&low], 1.0);
    let refused = missing(
        &blurred(&ball.truth, 1.5),
        &ball.skull,
        &Rules::default(),
        None,
    )
    .unwrap_err();
    let text = &refused.finding.text;
    assert!(text.contains("above brow, ears and nape"), "{text}");
}

/// A hole drilled 25 degrees off the normal: the part goes in along the drill, and hardly anything is taken off it.
#[test]
fn an_oblique_hole_gets_a_part_that_goes_in_along_it() {
    let out = axis();
    let aside = Vector::<Lps>::new([0.0, 0.82, -0.28]).unit().unwrap();
    let (s, c) = 25.0f64.to_radians().sin_cos();
    let drill = Vector::<Lps>::new([0, 1, 2].map(|a| out.0[a] * c + aside.0[a] * s));
    let at = out.times(72.0);
    let drilled = move |d: Vector<Lps>| {
        let d = Vector::<Lps>::new([0, 1, 2].map(|a| d.0[a] - at.0[a]));
        d.cross(drill).length() - 24.0
    };
    let ball = cut(&[&drilled], 1.0);
    let rules = Rules::default();
    let found = missing(&blurred(&ball.truth, 1.5), &ball.skull, &rules, None).unwrap();
    let made = solid(&found, Bone::Ct(&ball.ct), &rules).unwrap();
    let fit = &made.parts[0].fit;
    let off = Vector::<Lps>::new(fit.insertion_lps)
        .dot(drill)
        .acos()
        .to_degrees();
    // Every direction between the drill and the edge of its clearance is as good: a part may tilt in its gap.
    assert!(off < 12.0 && fit.insertion_tilt_deg > 12.0, "{off} {fit:?}");
    assert!(
        fit.undercut_mm3 < 0.01 * fit.volume_mm3 && fit.coverage_percent > 97.0,
        "{fit:?}"
    );
    let text = fit
        .findings(&rules)
        .into_iter()
        .find(|f| f.name == "undercut")
        .unwrap()
        .text;
    assert!(text.contains("degrees off straight"), "{text}");
}

/// A hole that is wider inside than outside in all directions: no way in is free, and that is said.
#[test]
fn a_hole_wider_inside_costs_part_and_is_warned_of() {
    let out = axis();
    // The radius grows by 0.7 mm a mm of depth; at 1 mm more than half of the hole has bone behind it and is refused.
    let bevelled = move |d: Vector<Lps>| {
        let depth = (OUTER - d.dot(out)).min(14.0);
        (d.cross(out).length() - 22.0 - 0.7 * depth) / 1.49f64.sqrt()
    };
    let ball = cut(&[&bevelled], 1.0);
    let rules = Rules {
        thickness: Thickness::Skull,
        ..Rules::default()
    };
    let found = missing(&blurred(&ball.truth, 1.5), &ball.skull, &rules, None).unwrap();
    let made = solid(&found, Bone::Ct(&ball.ct), &rules).unwrap();
    let fit = &made.parts[0].fit;
    let finding = fit
        .findings(&rules)
        .into_iter()
        .find(|f| f.name == "undercut")
        .unwrap();
    assert!(fit.undercut_mm3 > 0.05 * fit.volume_mm3, "{fit:?}");
    assert_eq!(finding.severity, crate::status::Severity::Warn);
    assert!(finding.text.contains("wider inside"), "{}", finding.text);
}

#[test]
fn one_thread_and_many_make_the_same_part() {
    let ball = ball(true);
    let rules = Rules::default();
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let found = missing(&blurred(&ball.truth, 1.5), &ball.skull, &rules, None).unwrap();
            let made = solid(&found, Bone::Ct(&ball.ct), &rules).unwrap();
            (found.mask, made.mesh.vertices, made.mesh.triangles)
        })
    };
    assert!(of(1) == of(8));
}
