//! Meshes by seed, bent, torn and damaged as files: each is sliced or refused. None panics, none hangs, and memory stays
//! bounded. A failure names its seed: `CALVARIA_MESHES=4711..4712 cargo test --lib meshes_by_the_thousand -- --ignored`.

use super::*;
use crate::mesh::file::load;
use crate::mesh::tags::Face;
use crate::mesh::testing::{joined, shifted};
use crate::mesh::{fault::MeshError, stl};
use crate::space::Point;
use crate::volume::Volume;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A case that takes longer than this hangs.
const HANGS: Duration = Duration::from_secs(120);
/// Peak of the whole process.
const MEMORY_MAX_MIB: u64 = 1024;

fn base(random: &mut ChaCha8Rng) -> Mesh<Lps> {
    let mut side = || 5.0 + 25.0 * random.random::<f64>().powi(2);
    let size = [side(), side(), side()];
    match random.random_range(0..6) {
        0 => shapes::cuboid(size),
        1 => shapes::cap(8.0 + size[0] / 2.0),
        2 => on_edge(8.0 + size[1] / 2.0),
        3 => shapes::bracket(),
        4 => shapes::leaning(random.random_range(-80.0..80.0), size[2]),
        // Triangles that have nothing to do with each other.
        _ => {
            let count = random.random_range(4..60_u32);
            let mut place = || [0, 1, 2].map(|a| size[a] * random.random::<f64>());
            Mesh {
                vertices: (0..count).map(|_| Point::new(place())).collect(),
                triangles: (0..3 * count)
                    .map(|n| {
                        [
                            n % count,
                            (7 * n + 1) % count,
                            (11 * n + n / count + 2) % count,
                        ]
                    })
                    .collect(),
            }
        }
    }
}

/// One change of a mesh.
fn bend(mesh: &mut Mesh<Lps>, random: &mut ChaCha8Rng) {
    let vertices = mesh.vertices.len();
    let triangles = mesh.triangles.len();
    if triangles == 0 || vertices == 0 {
        return;
    }
    let any = random.random_range(0..triangles);
    match random.random_range(0..13) {
        // A place is moved: by little, by much, out of all numbers.
        0..3 => {
            let by = [1e-4, 0.1, 2.0, 30.0, 1e3, 1e7, f64::INFINITY, f64::NAN];
            let by = by[random.random_range(0..by.len())];
            for _ in 0..random.random_range(1..5) {
                let n = random.random_range(0..vertices);
                let to = mesh.vertices[n]
                    .0
                    .map(|x| x + by * (random.random::<f64>() - 0.5));
                mesh.vertices[n] = Point::new(to);
            }
        }
        // A triangle is missing, stands twice, looks inwards, has other corners.
        3 => {
            mesh.triangles.remove(any);
        }
        4 => {
            let again = mesh.triangles[any];
            mesh.triangles.push(again);
        }
        5 => mesh.triangles[any].swap(0, 1),
        6 => {
            let corner = random.random_range(0..vertices);
            mesh.triangles[any][random.random_range(0..3)] = corner as u32;
        }
        7 => mesh.triangles.iter_mut().for_each(|t| t.swap(1, 2)),
        // Flat, long, in other units.
        8 => {
            let factor = [0.0, 1e-5, 0.02, 0.2, 4.0][random.random_range(0..5)];
            let axis = random.random_range(0..3);
            for vertex in &mut mesh.vertices {
                vertex.0[axis] *= factor;
            }
        }
        9 => {
            let factor = [1e-3, 0.1, 10.0, 25.4, 1e3][random.random_range(0..5)];
            for vertex in &mut mesh.vertices {
                *vertex = Point::new(vertex.0.map(|x| x * factor));
            }
        }
        // Far from the origin; coarse numbers.
        10 => {
            let by = [300.0, 1e4, 1e6][random.random_range(0..3)];
            *mesh = shifted(mesh, [by, -by, by]);
        }
        // Another body: within, across, beside.
        11 => {
            let by = [0.0, 1e-3, 0.3, 3.0, 20.0, 60.0][random.random_range(0..6)];
            *mesh = joined(mesh, &shifted(mesh, [by, by / 2.0, by / 3.0]));
        }
        _ => {
            let mut inner = mesh.clone();
            inner
                .vertices
                .iter_mut()
                .for_each(|v| *v = Point::new(v.0.map(|x| 0.5 * x + 2.0)));
            inner.triangles.iter_mut().for_each(|t| t.swap(1, 2));
            *mesh = joined(mesh, &inner);
        }
    }
}

/// Its file: STL or OBJ, now and then with other bytes in it.
fn file(mesh: &Mesh<Lps>, random: &mut ChaCha8Rng) -> (&'static str, Vec<u8>) {
    let mut bytes = Vec::new();
    let kind = if random.random_range(0..4) > 0 {
        stl::write(mesh, &mut bytes).unwrap();
        "stl"
    } else {
        for v in &mesh.vertices {
            bytes.extend(format!("v {} {} {}\n", v.0[0], v.0[1], v.0[2]).bytes());
        }
        for t in &mesh.triangles {
            bytes.extend(format!("f {} {} {}\n", t[0] + 1, t[1] + 1, t[2] + 1).bytes());
        }
        "obj"
    };
    if random.random_range(0..4) == 0 && !bytes.is_empty() {
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, random.random()),
                _ => bytes[at] = random.random(),
            }
        }
    }
    (kind, bytes)
}

fn settings(random: &mut ChaCha8Rng) -> Settings {
    let base = match random.random_range(0..3) {
        0 => Settings::default(),
        _ => Settings::draft(),
    };
    Settings {
        perimeters: random.random_range(1..4),
        support: random.random(),
        brim_mm: [0.0, 5.0][random.random_range(0..2)],
        orientation: [Orientation::Auto, Orientation::AsIs, Orientation::Pose(3)]
            [random.random_range(0..3)],
        xy_mm: [0.0, 0.3, -0.3][random.random_range(0..3)],
        ..base
    }
}

/// Faces and a density, mostly fitting ones.
fn told(mesh: &Mesh<Lps>, random: &mut ChaCha8Rng) -> Told {
    let mut told = Told::default();
    let faces = [Face::Outer, Face::Inner, Face::Rim];
    if random.random_range(0..3) == 0 {
        let face = |_| faces[random.random_range(0..3)];
        told.faces = Some(mesh.triangles.iter().map(face).collect());
    }
    let Some((low, high)) = mesh.bounds().filter(|_| random.random_range(0..3) == 0) else {
        return told;
    };
    let shape = [3, 4, 5];
    let to_lps = Map::new([0, 1, 2].map(|a| {
        let mut row = [0.0; 4];
        row[a] = ((high.0[a] - low.0[a]) / (shape[a] - 1) as f64).max(1e-3);
        row[3] = low.0[a];
        row
    }));
    let data = (0..60)
        .map(|_| 0.1 + 0.9 * random.random::<f32>().min(0.999))
        .collect();
    told.density = Volume::new(shape, data, to_lps).ok();
    told
}

fn word(error: &SliceError) -> &'static str {
    match error {
        SliceError::Empty => "empty",
        SliceError::Open { .. } => "open",
        SliceError::InsideOut => "inside out",
        SliceError::Overlap { .. } => "overlap",
        SliceError::Thin { .. } => "thin",
        SliceError::Gap { .. } => "gap",
        SliceError::TooLarge { .. } => "too large",
        SliceError::Told(_) => "told",
        SliceError::Setting { .. } => "setting",
        SliceError::Profile(_) => "profile",
        SliceError::Unproved { .. } | SliceError::Followed { .. } => "unproved",
    }
}

/// What becomes of one seed; what should not, in words.
fn one(seed: u64, folder: &std::path::Path) -> Result<&'static str, String> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut mesh = base(&mut random);
    for _ in 0..random.random_range(0..4) {
        bend(&mut mesh, &mut random);
    }
    let (kind, bytes) = file(&mesh, &mut random);
    let path = folder.join(format!("{seed}.{kind}"));
    std::fs::write(&path, bytes).unwrap();
    let loaded = load::<Lps>(&path, None);
    std::fs::remove_file(&path).unwrap();
    let mesh = match loaded {
        Ok(loaded) => loaded.mesh,
        Err(MeshError::Read(error)) => panic!("seed {seed}: {error}"),
        Err(_) => return Ok("file"),
    };
    let mut settings = settings(&mut random);
    let told = told(&mesh, &mut random);
    if told.density.is_some() {
        settings.infill = 1.0;
    }
    let result = slice_told(
        &mesh,
        &told,
        &printer(),
        &material(),
        &settings,
        &mut |_| {},
    );
    match result {
        Ok(_) if told.density.is_some() => Ok("sliced, of a density"),
        Ok(_) => Ok("sliced"),
        Err(error @ (SliceError::Unproved { .. } | SliceError::Followed { .. })) => {
            Err(format!("seed {seed}: {error}"))
        }
        Err(error) => Ok(word(&error)),
    }
}

/// Peak memory of this process, MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

/// Runs seeds one after another; ends the process where one hangs, since nothing else can end it.
fn run(seeds: std::ops::Range<u64>) -> BTreeMap<&'static str, u64> {
    static NOW: AtomicU64 = AtomicU64::new(u64::MAX);
    let folder = tempfile::tempdir().unwrap();
    let mut found = BTreeMap::new();
    let mut faults: Vec<String> = Vec::new();
    let mut slowest = (Duration::ZERO, 0);
    let (done, watched) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let mut since = (u64::MAX, Instant::now());
        while watched.recv_timeout(Duration::from_secs(1)).is_err() {
            let seed = NOW.load(Relaxed);
            if seed != since.0 {
                since = (seed, Instant::now());
            } else if seed != u64::MAX && since.1.elapsed() > HANGS {
                eprintln!("seed {seed} takes more than {HANGS:?}");
                std::process::abort();
            }
        }
    });
    for seed in seeds {
        NOW.store(seed, Relaxed);
        let begun = Instant::now();
        let what = std::panic::catch_unwind(|| one(seed, folder.path()))
            .unwrap_or_else(|_| Err(format!("seed {seed} panics")));
        slowest = slowest.max((begun.elapsed(), seed));
        match what {
            Ok(what) => *found.entry(what).or_insert(0) += 1,
            Err(fault) => faults.push(fault),
        }
    }
    NOW.store(u64::MAX, Relaxed);
    done.send(()).unwrap();
    watch.join().unwrap();
    println!("slowest: {:?}, seed {}", slowest.0, slowest.1);
    // A file of our own that our validator refuses is a fault of ours.
    assert!(faults.is_empty(), "{found:?}, and\n{}", faults.join("\n"));
    found
}

#[test]
fn seeded_and_damaged_meshes_are_sliced_or_refused() {
    let found = run(1_000_000..1_000_060);
    println!("{found:?}");
    assert!(found["sliced"] > 5 && found.len() > 4, "{found:?}");
}

/// `CALVARIA_MESHES=FROM..TO`, else the first ten thousand.
#[test]
#[ignore = "takes the better part of an hour"]
fn meshes_by_the_thousand() {
    let asked = std::env::var("CALVARIA_MESHES").unwrap_or("0..10000".into());
    let (from, to) = asked.split_once("..").unwrap();
    let found = run(from.parse().unwrap()..to.parse().unwrap());
    let peak = peak_mib();
    println!("{asked}: {found:?}, peak {peak} MiB");
    assert!(peak <= MEMORY_MAX_MIB, "{peak} MiB");
}
