//! Parts whose answer is known; cells whose law is measured.

use super::columns::{Columns, NONE};
use super::design::works;
use super::solve::solve;
use super::system::{LOADS, System};
use super::{
    Lighten, Lightened, POISSON, RIM_MM, SKIN_MM, Shape, YIELDS_MOST, holes, lighten, loads,
};
use crate::implant::chart::Chart;
use crate::space::{Lps, Point, Vector};

const RADIUS_MM: f64 = 75.0;
const OUT: [f64; 3] = [0.2, 0.1, 1.0];

fn chart() -> Chart {
    Chart::new(Point::new([0.0; 3]), RADIUS_MM, Vector::new(OUT)).unwrap()
}

/// A cap of a sphere: outer radius 75 mm, so wide and so thick.
fn cap_field(across_mm: f64, thickness_mm: f64) -> impl Fn(Point<Lps>) -> f32 + Sync {
    let half = (across_mm / 2.0 / RADIUS_MM).asin();
    let axis = Vector::<Lps>::new(OUT).unit().unwrap();
    move |p: Point<Lps>| {
        let d = p.minus(Point::new([0.0; 3]));
        let r = d.length();
        let angle = (d.dot(axis) / r).clamp(-1.0, 1.0).acos();
        let wall = (angle - half) * RADIUS_MM;
        (r - RADIUS_MM).max(RADIUS_MM - thickness_mm - r).max(wall) as f32
    }
}

fn shape(across_mm: f64, field: &(dyn Fn(Point<Lps>) -> f32 + Sync)) -> Shape<'_> {
    Shape {
        chart: chart(),
        reach_mm: across_mm * 0.7,
        radii_mm: [60.0, 90.0],
        field,
    }
}

fn cap(across_mm: f64, thickness_mm: f64) -> Columns {
    let field = cap_field(across_mm, thickness_mm);
    let s = shape(across_mm, &field);
    Columns::new(&s.chart, s.reach_mm, s.radii_mm, s.field).unwrap()
}

fn lightened(across_mm: f64, thickness_mm: f64, mode: Lighten) -> Lightened {
    let field = cap_field(across_mm, thickness_mm);
    lighten(mode, &shape(across_mm, &field), 2500.0).unwrap()
}

/// Mean displacement under the disc in the middle, mm.
fn sunk(columns: &Columns, held: &[bool], modulus: f64) -> f64 {
    let bricks = columns.stiffnesses(POISSON).unwrap();
    let places = loads::places(columns, LOADS);
    let system = System::new(columns, &bricks, &vec![1.0; bricks.len()], held);
    let f = loads::forces(columns, &places, 100.0, held);
    let mut x = vec![0.0; f.len()];
    let went = solve(&system, &f, &mut x, 1e-5).unwrap();
    assert!(went.looks < 60, "{went:?}");
    works(&f, &x)[0] / 100.0 / modulus
}

/// A clamped cap of 100 mm, 4 mm thick, E 2.5 GPa, nu 0.38, under 100 N on a disc of 10 mm: 0.064 mm by voxels of 1 mm and
/// other code, 0.075 by Reissner's formula for a shallow shell that nobody holds near the load; held by four plates 0.072.
#[test]
fn a_cap_gives_way_as_it_does_elsewhere() {
    let cap = cap(100.0, 4.0);
    let high = cap.high();
    let mut held = vec![false; cap.columns.len() * high];
    for (column, c) in cap.columns.iter().enumerate() {
        if c.around.contains(&NONE) {
            held[column * high..][..high].fill(true);
        }
    }
    let clamped = sunk(&cap, &held, 2500.0);
    let plates = loads::plates(&cap);
    assert_eq!(plates.len(), 7);
    let plated = sunk(&cap, &loads::held(&cap, &plates), 2500.0);
    assert!((clamped / 0.064 - 1.0).abs() < 0.06, "{clamped}");
    assert!((clamped..0.075).contains(&plated), "{clamped} {plated}");
}

/// A cantilever of 40 x 8 x 4 mm with 1 N at its end: F l^3 / (3 E I), and its shear.
#[test]
fn a_beam_bends_as_a_beam() {
    let flat = Columns::flat([20, 4], 8, 2.0, 4.0);
    let bricks = flat.stiffnesses(0.0).unwrap();
    let (high, mut held) = (flat.high(), vec![false; flat.columns.len() * flat.high()]);
    let mut f = vec![0.0; held.len() * 3 * LOADS];
    let ends = (5 * high) as f64;
    for (c, column) in flat.columns.iter().enumerate() {
        for k in 0..high {
            held[c * high + k] = column.lattice[0] == 0;
            if column.lattice[0] == 20 {
                f[(3 * (c * high + k) + 2) * LOADS] = 1.0 / ends;
            }
        }
    }
    let system = System::new(&flat, &bricks, &vec![1.0; bricks.len()], &held);
    let mut x = vec![0.0; f.len()];
    solve(&system, &f, &mut x, 1e-8).unwrap();
    let inertia = 8.0 * 4f64.powi(3) / 12.0;
    let exact = 40f64.powi(3) / (3.0 * inertia) + 1.2 * 40.0 / (0.5 * 8.0 * 4.0);
    let sunk = works(&f, &x)[0];
    assert!((sunk / exact - 1.0).abs() < 0.01, "{sunk} {exact}");
}

#[test]
fn a_part_that_nothing_holds_is_told_from_one_that_is() {
    let cap = cap(40.0, 4.0);
    let bricks = cap.stiffnesses(POISSON).unwrap();
    let held = vec![false; cap.columns.len() * cap.high()];
    let system = System::new(&cap, &bricks, &vec![1.0; bricks.len()], &held);
    let f = loads::forces(&cap, &loads::places(&cap, LOADS), 100.0, &held);
    let mut x = vec![0.0; f.len()];
    let went = solve(&system, &f, &mut x, 1e-6);
    assert!(went.is_none_or(|w| w.left > 1e-3), "{went:?}");
}

/// Skin and rim stay solid whatever is taken.
#[test]
fn a_cap_filled_less_densely_is_lighter_and_hardly_softer() {
    let done = lightened(60.0, 5.0, Lighten::Infill);
    let report = &done.report;
    println!("{report:?}");
    assert!(report.saved > 0.12, "{report:?}");
    let [solid, light] = report.displacement_mm;
    assert!(light > solid && light <= YIELDS_MOST * solid, "{report:?}");
    let mut taken = 0;
    let half = (30.0 / RADIUS_MM).asin() * RADIUS_MM;
    for n in 0..20_000 {
        let (u, v) = (
            (n % 100) as f64 * 0.7 - 35.0,
            (n / 100 % 100) as f64 * 0.7 - 35.0,
        );
        let depth = if n < 10_000 { 0.6 } else { 2.5 };
        let at = done.chart.point(u, v, RADIUS_MM - depth);
        let share = done.share(at);
        assert!((0.2..=1.0).contains(&share));
        let solid = depth < SKIN_MM || half - u.hypot(v) < RIM_MM - 2.0;
        assert!(!solid || share == 1.0, "{share} at {u} {v}, {depth} deep");
        taken += usize::from(share < 0.9);
    }
    assert!(taken > 500, "{taken}");
}

#[test]
fn a_perforated_cap_has_holes_where_it_can_do_without() {
    let done = lightened(60.0, 5.0, Lighten::Perforate);
    let report = &done.report;
    println!("{report:?}");
    assert!(report.saved > 0.08, "{report:?}");
    let [solid, light] = report.displacement_mm;
    assert!(light > solid && light <= YIELDS_MOST * solid, "{report:?}");
    let half = (30.0 / RADIUS_MM).asin() * RADIUS_MM;
    let [least, most] = holes::DIAMETERS_MM;
    assert!(done.holes.len() > 10);
    for (n, hole) in done.holes.iter().enumerate() {
        assert!((least..=most).contains(&hole.diameter_mm), "{hole:?}");
        let edge = half - hole.uv.0.hypot(hole.uv.1) - hole.diameter_mm / 2.0;
        assert!(edge > RIM_MM - 1.5, "{edge} {hole:?}");
        for other in &done.holes[..n] {
            let far = (hole.uv.0 - other.uv.0).hypot(hole.uv.1 - other.uv.1);
            assert!(far > holes::PITCH_MM - 1e-9);
        }
    }
    let hole = done.holes[0];
    let middle = done.chart.point(hole.uv.0, hole.uv.1, RADIUS_MM);
    let near = done.outside_holes_mm(middle) + hole.diameter_mm / 2.0;
    assert!(near.abs() < 1e-9, "{near}");
}

/// The sphere of a chart is that of the bone around, which may be far from the part.
#[test]
fn millimetres_are_the_part_s_own_whatever_its_chart_is() {
    let field = cap_field(60.0, 5.0);
    let far = Shape {
        chart: Chart {
            radius_mm: 90.0,
            ..chart()
        },
        reach_mm: 60.0 * 0.7 * 90.0 / RADIUS_MM,
        ..shape(60.0, &field)
    };
    let done = lighten(Lighten::Perforate, &far, 2500.0).unwrap();
    // What the holes take of the cap is what is said.
    let angle = (30.0 / RADIUS_MM).asin();
    let cubes = RADIUS_MM.powi(3) - (RADIUS_MM - 5.0).powi(3);
    let whole_mm3 = std::f64::consts::TAU / 3.0 * cubes * (1.0 - angle.cos());
    let hole_mm3 = |h: &holes::Hole| std::f64::consts::PI / 4.0 * h.diameter_mm.powi(2) * 5.0;
    let taken_mm3: f64 = done.holes.iter().map(hole_mm3).sum();
    let (saved, taken) = (done.report.saved, taken_mm3 / whole_mm3);
    assert!((saved - taken).abs() < 0.02, "{saved} {taken}");
    let at = |hole: &holes::Hole| done.chart.point(hole.uv.0, hole.uv.1, RADIUS_MM - 2.5);
    for (n, hole) in done.holes.iter().enumerate() {
        for other in &done.holes[..n] {
            let far = at(hole).minus(at(other)).length();
            assert!(far > holes::PITCH_MM * 0.97, "{far}");
        }
    }
}

#[test]
fn the_same_part_is_lightened_the_same_by_any_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build()
            .unwrap()
            .install(|| lightened(36.0, 4.0, Lighten::Infill))
    };
    let (one, three) = (with(1), with(3));
    assert_eq!(one.report, three.report);
    assert_eq!(one.shares, three.shares);
}

/// The part of the table: 100 mm across, each mode.
#[test]
#[ignore = "a figure: cargo test --release --lib a_cap_of_100_mm -- --ignored --nocapture"]
fn a_cap_of_100_mm_in_figures() {
    for thickness in [4.0, 5.0, 6.0] {
        for mode in [Lighten::Infill, Lighten::Perforate] {
            let begun = std::time::Instant::now();
            let done = lightened(100.0, thickness, mode);
            let [solid, light] = done.report.displacement_mm;
            println!(
                "{thickness} mm: {:.1} s, {:.1} % lighter, gives way {:.3} times as far; {:?}",
                begun.elapsed().as_secs_f64(),
                done.report.saved * 100.0,
                light / solid,
                done.report
            );
        }
    }
}

/// How stiff a flat plate with a pattern is beside the same one without: pulled, sheared in its plane, and bent, between
/// solid ends of 3 mm; and how much of it is material.
fn beside_solid(
    [nu, nv]: [usize; 2],
    (layers, step, thickness): (usize, f64, f64),
    filled: &dyn Fn([f64; 3]) -> f64,
) -> (f64, [f64; 3]) {
    let flat = Columns::flat([nu, nv], layers, step, thickness);
    let bricks = flat.stiffnesses(POISSON).unwrap();
    let high = flat.high();
    let mut held = vec![false; flat.columns.len() * high];
    let mut f = vec![0.0; held.len() * 3 * LOADS];
    for (c, column) in flat.columns.iter().enumerate() {
        for k in 0..high {
            held[c * high + k] = column.lattice[0] == 0;
            if column.lattice[0] as usize == nu {
                for load in 0..3 {
                    f[(3 * (c * high + k) + load) * LOADS + load] = 1.0;
                }
            }
        }
    }
    let long = nu as f64 * step;
    let cell = |x: f64| (3.0..long - 3.0).contains(&x);
    let share = |b: usize| {
        let at = flat.middle(flat.place(b)).0;
        if cell(at[0]) { filled(at) } else { 1.0 }
    };
    let shares: Vec<f64> = (0..bricks.len()).map(share).collect();
    let works = |moduli: &[f64]| {
        let system = System::new(&flat, &bricks, moduli, &held);
        let mut u = vec![0.0; f.len()];
        solve(&system, &f, &mut u, 1e-4).unwrap();
        works(&f, &u)
    };
    let solid = works(&vec![1.0; bricks.len()]);
    let cut = works(&shares.iter().map(|s| s.max(1e-5)).collect::<Vec<_>>());
    let inner: Vec<f64> = (0..bricks.len())
        .filter(|&b| cell(flat.middle(flat.place(b)).0[0]))
        .map(|b| shares[b])
        .collect();
    let mean = inner.iter().sum::<f64>() / inner.len() as f64;
    (mean, [0, 1, 2].map(|a| solid[a] / cut[a]))
}

/// Share of a square of `step` round a place that a pattern fills.
fn sampled(at: [f64; 3], step: [f64; 3], n: usize, inside: &dyn Fn([f64; 3]) -> bool) -> f64 {
    let deep = if step[2] > 0.0 { n } else { 1 };
    let mut sum = 0;
    for s in 0..n * n * deep {
        let k = [s % n, s / n % n, s / n / n];
        let p = [0, 1, 2].map(|a| at[a] + ((k[a] as f64 + 0.5) / n as f64 - 0.5) * step[a]);
        sum += usize::from(inside(p));
    }
    sum as f64 / (n * n * deep) as f64
}

/// What the pattern of holes is worth. No stiffness that is measured is more than a tenth below the law.
#[test]
#[ignore = "measures the cells: cargo test --release --lib the_law_of -- --ignored --nocapture"]
fn the_law_of_holes() {
    let row = holes::PITCH_MM * 3f64.sqrt() / 2.0;
    for diameter in [2.0, 3.0, 4.0] {
        let solid = move |p: [f64; 3]| {
            (-1..=1).all(|m| {
                let n = (p[1] / row).round() + f64::from(m);
                let shift = if (n as i64).rem_euclid(2) == 1 {
                    holes::PITCH_MM / 2.0
                } else {
                    0.0
                };
                let x = ((p[0] - shift) / holes::PITCH_MM).round() * holes::PITCH_MM + shift;
                (p[0] - x).hypot(p[1] - n * row) >= diameter / 2.0
            })
        };
        let filled = |p| sampled(p, [0.5, 0.5, 0.0], 4, &solid);
        let (share, e) = beside_solid([96, 42], (6, 0.5, 4.0), &filled);
        let power = e.map(|e| e.ln() / share.ln());
        println!("holes of {diameter} mm: share {share:.3}, stiffness {e:.3?}, powers {power:.2?}");
        assert!((share - holes::left(diameter)).abs() < 0.02);
        let law = share.powf(super::PERFORATED);
        assert!(e.iter().all(|e| *e > 0.9 * law), "{e:?} {law}");
    }
}

#[test]
#[ignore = "measures the cells: cargo test --release --lib the_law_of -- --ignored --nocapture"]
fn the_law_of_the_gyroid() {
    for level in [0.35, 0.5, 0.7, 0.9, 1.1] {
        let solid = move |p: [f64; 3]| {
            let [x, y, z] = p.map(|a| a * std::f64::consts::TAU / 6.0);
            (x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()).abs() < level
        };
        let filled = |p| sampled(p, [0.4; 3], 4, &solid);
        let (share, e) = beside_solid([75, 45], (15, 0.4, 6.0), &filled);
        let power = e.map(|e| e.ln() / share.ln());
        println!("gyroid {level}: share {share:.3}, stiffness {e:.3?}, powers {power:.2?}");
        let law = share.powf(super::INFILL.power);
        assert!(e.iter().all(|e| *e > 0.9 * law), "{e:?} {law}");
    }
}
