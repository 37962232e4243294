//! Whole heads and whole cuts.

use super::*;
use crate::space::Map;
use std::path::Path;

fn atlas() -> Atlas {
    Atlas::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap()
}

fn recipe(defect: Defect, seed: u64) -> Recipe {
    Recipe {
        seed,
        defect,
        chord_mm: None,
    }
}

fn made(seed: u64, defect: Defect) -> Head {
    head(&recipe(defect, seed), &atlas()).unwrap()
}

/// Largest extent of a mask's voxel box, mm.
fn extent_mm(mask: &Volume<bool>) -> f64 {
    let bounds = crate::volume::crop::bounds(mask).unwrap();
    let spacing = mask.spacing_mm();
    (0..3)
        .map(|a| bounds[a].len() as f64 * spacing[a])
        .fold(0.0, f64::max)
}

#[test]
fn a_head_has_the_size_and_the_tissues_of_a_head() {
    let whole = made(3, Defect::None);
    assert_eq!(whole.removed.count(), 0);
    let bone = components::largest(&whole.ct.map(|&hu| hu >= BONE));
    let bounds = crate::volume::crop::bounds(&bone).unwrap();
    let spacing = bone.spacing_mm();
    let [left, back, _] = [0, 1, 2].map(|a| bounds[a].len() as f64 * spacing[a]);
    assert!(
        (118.0..165.0).contains(&left) && (158.0..230.0).contains(&back),
        "{left} x {back} mm"
    );
    assert!(
        (300.0..1000.0).contains(&(bone.mm3() / 1000.0)),
        "{} ml of bone",
        bone.mm3() / 1000.0
    );
    // The skull is closed above the ears: a level there crosses bone, brain, bone and scalp.
    let [ni, nj, nk] = whole.ct.shape();
    let share = |low: i16, high: i16| {
        let inside = whole
            .ct
            .data()
            .iter()
            .filter(|hu| (low..high).contains(&hu.0))
            .count();
        inside as f64 / (ni * nj * nk) as f64
    };
    assert!(share(-1024, -900) > 0.4, "air");
    assert!(share(0, 80) > 0.1, "soft tissue");
    assert!(share(900, 1800) > 0.01, "tables");
}

#[test]
fn the_same_seed_is_the_same_head_whatever_the_thread_count() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| made(4, Defect::Random))
    };
    let (one, three) = (on(1), on(3));
    assert!(one.ct == three.ct && one.removed == three.removed);
    assert!(made(5, Defect::Random).ct != one.ct);
}

#[test]
fn the_hole_changes_nothing_but_the_hole() {
    let (whole, cut) = (made(2, Defect::None), made(2, Defect::Ftp));
    assert_eq!(whole.ct.to_lps(), cut.ct.to_lps());
    let near = crate::volume::morphology::dilate_mm(&cut.removed, 6.0);
    let mut left_over = 0;
    for (at, (before, after)) in whole.ct.data().iter().zip(cut.ct.data()).enumerate() {
        assert!(
            near.data()[at] || before == after,
            "changed far from the hole: {:?}",
            whole.ct.index(at)
        );
        left_over += usize::from(cut.removed.data()[at] && *after >= BONE);
    }
    // Only the partial-volume rim still looks like bone.
    assert!(
        (left_over as f64) < 0.12 * cut.removed.count() as f64,
        "{left_over} of {}",
        cut.removed.count()
    );
    let bone: usize = (0..whole.ct.data().len())
        .filter(|&at| cut.removed.data()[at] && whole.ct.data()[at] >= BONE)
        .count();
    assert!(
        bone as f64 > 0.9 * cut.removed.count() as f64,
        "the truth is bone"
    );
}

#[test]
fn every_kind_makes_its_holes_of_a_sensible_size() {
    for (kind, holes) in [
        (Defect::Bifrontal, 1),
        (Defect::Occipital, 1),
        (Defect::Vertex, 1),
        (Defect::Bilateral, 2),
    ] {
        let head = made(6, kind);
        let labels = components::label(&head.removed, components::Connectivity::All);
        let large: Vec<_> = labels
            .sizes
            .iter()
            .map(|&n| n as f64 * head.removed.voxel_mm3() / 1000.0)
            .filter(|&ml| ml > 0.5)
            .collect();
        assert_eq!(large.len(), holes, "{kind}: {large:?} ml");
        for (label, ml) in (1..).zip(large) {
            assert!((2.0..130.0).contains(&ml), "{kind}: {ml} ml");
            let across = extent_mm(&labels.mask(label));
            assert!((25.0..130.0).contains(&across), "{kind}: {across} mm");
        }
    }
}

/// A hollow ball of bone, 150 mm across, 6 mm thick, its lower third open.
fn ball(air: bool) -> (Volume<Hu>, Volume<bool>) {
    let n = 84;
    let to_lps = Map::new([
        [2.0, 0.0, 0.0, 300.0],
        [0.0, 2.0, 0.0, -90.0],
        [0.0, 0.0, 2.0, 10.0],
    ]);
    let of = |r: f64, z: f64| match r {
        r if (69.0..75.0).contains(&r) && z > -40.0 => 900,
        r if r < 80.0 && !air => 40,
        _ => -1000,
    };
    let middle = (n - 1) as f64;
    let data = (0..n * n * n)
        .map(|at| [at % n, at / n % n, at / (n * n)].map(|v| 2.0 * v as f64 - middle))
        .map(|[x, y, z]| Hu(of((x * x + y * y + z * z).sqrt(), z)))
        .collect();
    let ct = Volume::new([n; 3], data, to_lps).unwrap();
    let bone = ct.map(|&hu| hu >= BONE);
    (ct, bone)
}

#[test]
fn a_cut_is_filled_with_what_surrounds_the_bone() {
    for air in [false, true] {
        let (ct, bone) = ball(air);
        let done = cut(&ct, &bone, &recipe(Defect::Vertex, 3)).unwrap();
        let deep = crate::volume::morphology::erode_mm(&done.removed, 2.1);
        let mut seen = 0;
        for (at, _) in deep.data().iter().enumerate().filter(|&(_, &set)| set) {
            let hu = done.changed.data()[at].0;
            assert!(
                if air {
                    hu < -900
                } else {
                    (-30..110).contains(&hu)
                },
                "air {air}: {hu} HU"
            );
            seen += 1;
        }
        assert!(seen > 50, "{seen}");
    }
}

#[test]
fn a_mask_and_its_hole_make_the_mask_again() {
    let (_, bone) = ball(false);
    let done = cut_mask(&bone, &recipe(Defect::Ftp, 8)).unwrap();
    assert!(done.removed.mm3() > 2500.0);
    for at in 0..bone.data().len() {
        let (rest, gone) = (done.changed.data()[at], done.removed.data()[at]);
        assert_eq!(bone.data()[at], rest || gone);
        assert!(!(rest && gone));
    }
}

#[test]
fn walls_run_along_the_normal() {
    // On a ball the outer and the inner mouth of a hole differ as the radii do: 75 to 69.
    let (_, bone) = ball(false);
    let done = cut_mask(&bone, &recipe(Defect::Vertex, 1)).unwrap();
    let middle = bone.to_lps().apply(crate::space::Point::new([41.5; 3]));
    let widest = |low: f64, high: f64| {
        let angles = done
            .removed
            .data()
            .iter()
            .enumerate()
            .filter(|&(_, &set)| set)
            .filter_map(|(at, _)| {
                let v = done.removed.centre(done.removed.index(at)).minus(middle);
                let r = v.length();
                (low..high).contains(&r).then(|| (v.0[2] / r).acos())
            });
        angles.fold(0.0, f64::max)
    };
    let (outer, inner) = (widest(73.0, 75.0), widest(69.0, 71.0));
    assert!((outer - inner).abs() < 0.06, "{outer} {inner} rad");
}

#[test]
fn a_scan_without_a_vault_is_refused() {
    let (ct, bone) = ball(false);
    let none = bone.map(|_| false);
    assert!(matches!(
        cut(&ct, &none, &recipe(Defect::Ftp, 1)),
        Err(PhantomError::NoVault(Defect::Ftp))
    ));
    assert!(matches!(
        cut_mask(&none, &recipe(Defect::Vertex, 1)),
        Err(PhantomError::NoVault(_))
    ));
}

#[test]
fn a_series_reads_back_with_the_same_hu_and_place() {
    use dicom_dictionary_std::tags;
    let (ct, _) = ball(false);
    let dir = tempfile::tempdir().unwrap();
    dicom::write(dir.path(), &ct, "SEED 1 TEST").unwrap();
    let [ni, nj, nk] = ct.shape();
    for k in [0, nk / 2, nk - 1] {
        let file = dicom_object::open_file(dir.path().join(format!("{:04}.dcm", k + 1))).unwrap();
        let numbers = |tag| file.element(tag).unwrap().to_multi_float64().unwrap();
        assert_eq!(
            numbers(tags::IMAGE_POSITION_PATIENT),
            ct.centre([0, 0, k]).0
        );
        assert_eq!(
            numbers(tags::IMAGE_ORIENTATION_PATIENT),
            [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        );
        assert_eq!(numbers(tags::PIXEL_SPACING), [2.0, 2.0]);
        let stored: Vec<u16> = file
            .element(tags::PIXEL_DATA)
            .unwrap()
            .to_multi_int()
            .unwrap();
        let want = &ct.data()[k * ni * nj..][..ni * nj];
        assert!(
            stored
                .iter()
                .zip(want)
                .all(|(&s, hu)| i32::from(s) - 1024 == i32::from(hu.0))
        );
    }
    let again = tempfile::tempdir().unwrap();
    dicom::write(again.path(), &ct, "SEED 1 TEST").unwrap();
    let bytes = |dir: &Path| std::fs::read(dir.join("0042.dcm")).unwrap();
    assert_eq!(bytes(dir.path()), bytes(again.path()));
}
