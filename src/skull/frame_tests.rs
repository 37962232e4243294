//! What networks.md 1.7 asks of the frame.

use super::super::spec::{Axes, Take};
use super::*;
use crate::space::{Lps, Vector};

fn grid(shape: [usize; 3], spacing: [f64; 3]) -> Volume<bool> {
    let [a, b, c] = spacing;
    let map = Map::new([[a, 0., 0., -40.], [0., b, 0., 300.], [0., 0., c, 7.]]);
    Volume::new(shape, vec![false; shape.iter().product()], map).unwrap()
}

/// A solid box of bone.
fn block(shape: [usize; 3], spacing: [f64; 3], set: [std::ops::Range<usize>; 3]) -> Volume<bool> {
    let mut mask = grid(shape, spacing);
    for offset in 0..mask.data().len() {
        let index = mask.index(offset);
        mask.data_mut()[offset] = (0..3).all(|a| set[a].contains(&index[a]));
    }
    mask
}

fn spec(voxel_mm: f64) -> FrameSpec {
    FrameSpec {
        voxel_mm,
        ..FrameSpec::default()
    }
}

/// The worked example of networks.md 1.2: n = 512, s = 0.45, box [100, 400) along left-right.
#[test]
fn the_worked_example_comes_out() {
    let mask = block([512, 60, 60], [0.45, 3.0, 3.0], [100..400, 5..50, 5..50]);
    let frame = Frame::fit(&mask, &spec(1.0)).unwrap();
    let native = |h: f64| frame.to_native().apply(Point::new([0.0, h, 0.0])).0[0];
    assert!((native(0.0) - 28.388889).abs() < 1e-6 && (native(199.0) - 470.611111).abs() < 1e-6);
    let h = |i: f64| frame.to_net().apply(Point::new([i, 0.0, 0.0])).0[1];
    assert!((h(100.0) - 32.225).abs() < 1e-12);
    assert!((h(native(37.0)) - 37.0).abs() < 1e-12);
}

#[test]
fn both_maps_meet_in_the_patient() {
    for spacing in [[0.3, 0.7, 5.0], [0.45, 0.45, 1.0], [1.0, 1.0, 3.0]] {
        let shape = spacing.map(|s: f64| (150.0 / s) as usize / 2 * 2 + 1);
        let inner = shape.map(|n| n / 8..n - n / 9);
        let frame = Frame::fit(&block(shape, spacing, inner), &spec(2.0)).unwrap();
        let there = Point::<Ijk>::new([3.3, 11.0, 7.5]);
        let net = frame.to_net().apply(there);
        assert!(frame.to_native().apply(net).minus(there).length() < 1e-9);
        let patient = frame.native_to_lps.apply(there);
        assert!(frame.to_lps().apply(net).minus(patient).length() < 1e-9);
    }
}

/// One head, 48 ways to store it: a marked corner keeps its anatomical place, and comes back to its voxel.
#[test]
fn every_axis_order_puts_the_mark_at_the_same_place() {
    let mut seen: Option<Vec<f32>> = None;
    for source in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        for flips in 0..8u8 {
            // Stored axis a runs along patient axis source[a]; the head is 120 x 160 x 140 mm in LPS.
            let size = [120.0, 160.0, 140.0];
            let step = 4.0;
            let shape = source.map(|p| (size[p] / step) as usize);
            let mut columns = [Vector::<Lps>::new([0.0; 3]); 3];
            let mut origin = [0.0; 3];
            for a in 0..3 {
                let back = flips >> a & 1 == 1;
                columns[a].0[source[a]] = if back { -step } else { step };
                origin[source[a]] = if back { size[source[a]] - step } else { 0.0 };
            }
            let map = Map::from_columns(columns, Point::new(origin));
            let empty = vec![false; shape.iter().product()];
            let mut mask = Volume::new(shape, empty, map).unwrap();
            for offset in 0..mask.data().len() {
                let at = mask.centre(mask.index(offset)).0;
                // The box's two corners fix the frame; the mark lies near left, posterior, superior.
                let corner = at == [0.0; 3] || at == [116.0, 156.0, 136.0];
                mask.data_mut()[offset] = corner || at == [112.0, 148.0, 132.0];
            }
            let frame = Frame::fit(&mask, &spec(2.0)).unwrap();
            let cells = frame.forward(&mask).unwrap();
            assert_eq!(cells.shape(), [120, 100, 120]);
            let [w, h, d] = frame
                .to_net()
                .apply(mask.to_ijk().apply(Point::new([112.0, 148.0, 132.0])))
                .0;
            assert!(
                w > 90.0 && h > 75.0 && d > 90.0,
                "superior, left, posterior: {w} {h} {d}"
            );
            let back = frame.back(&cells).unwrap();
            // A lone voxel thicker than a cell comes back weaker, but nowhere else.
            let least =
                |set: bool| (back.data().iter().zip(mask.data())).filter(move |&(_, &m)| m == set);
            let weakest = least(true).map(|(&p, _)| p).fold(f32::INFINITY, f32::min);
            let elsewhere = least(false).map(|(&p, _)| p).fold(0.0, f32::max);
            assert!(weakest > 1.5 * elsewhere, "{weakest} {elsewhere}");
            match &seen {
                None => seen = Some(cells.into_data()),
                Some(first) => assert_eq!(first, cells.data()),
            }
        }
    }
}

#[test]
fn bone_is_neither_lost_nor_made() {
    let mask = block([90, 100, 110], [1.3, 1.7, 1.1], [11..70, 13..80, 17..101]);
    let frame = Frame::fit(&mask, &spec(2.0)).unwrap();
    let cells = frame.forward(&mask).unwrap();
    let sum: f64 = cells.data().iter().map(|&f| f64::from(f)).sum::<f64>() * 8.0;
    assert!(
        (sum / mask.mm3() - 1.0).abs() < 1e-4,
        "{sum} {}",
        mask.mm3()
    );
    let inside = cells.data().iter().filter(|&&f| f > 0.999).count();
    assert!(inside > 50_000 && cells.data()[0] == 0.0);
}

#[test]
fn a_cap_outside_the_skulls_box_comes_back() {
    let shape = [80, 90, 80];
    let skull = block(shape, [2.0; 3], [10..70, 10..80, 5..60]);
    let cap = block(shape, [2.0; 3], [20..60, 20..70, 60..64]);
    let frame = Frame::fit(&skull, &spec(2.0)).unwrap();
    let back = frame.back(&frame.forward(&cap).unwrap()).unwrap();
    assert_eq!(back.map(|&p| p >= 0.5), cap);
}

#[test]
fn a_large_head_stretches_the_frame_and_a_huge_one_is_refused() {
    let of = |mm: usize| block([100, 140, 100], [2.0; 3], [10..80, 1..1 + mm / 2, 10..90]);
    let frame = Frame::fit(&of(244), &spec(2.0)).unwrap();
    assert!(frame.cell_mm().iter().all(|mm| (mm - 2.2).abs() < 1e-12));
    assert_eq!(frame.findings[0].name, "large_head");
    let refused = Frame::fit(&of(268), &spec(2.0));
    assert!(matches!(refused, Err(FrameError::TooLarge { extent_mm }) if extent_mm[0] == 268.0));
    assert_eq!(
        Frame::fit(&grid([4; 3], [1.0; 3]), &spec(2.0)),
        Err(FrameError::Empty)
    );
}

#[test]
fn jaw_and_neck_do_not_move_the_frame() {
    let mut mask = block([80, 90, 120], [2.0; 3], [10..70, 10..80, 30..115]);
    let neck = block([80, 90, 120], [2.0; 3], [30..50, 70..90, 0..30]);
    (mask.data_mut().iter_mut().zip(neck.data())).for_each(|(m, &n)| *m |= n);
    let frame = Frame::fit(&mask, &spec(2.0)).unwrap();
    // 180 mm under slice 115 is slice 25; the middle is slice 69.5.
    let w = frame.to_net().apply(Point::new([0.0, 0.0, 69.5])).0[0];
    assert!((w - 59.5).abs() < 1e-9, "{w}");
    assert_eq!(frame.findings[0].name, "neck_ignored");
}

#[test]
fn one_thread_and_many_give_the_same_bytes() {
    let mask = block([90, 100, 40], [1.3, 1.7, 3.1], [11..70, 13..80, 3..38]);
    let frame = Frame::fit(&mask, &spec(2.0)).unwrap();
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let cells = frame.forward(&mask).unwrap();
            let back = frame.back(&cells).unwrap();
            (cells, back)
        })
    };
    assert!(of(1) == of(8));
}

/// A head stored 24 degrees tilted about the left-right axis, as some headers have it: the frame follows the stored
/// axes, its map to the patient carries the tilt, and nothing is turned or lost.
#[test]
fn a_tilted_header_is_kept_and_not_resampled() {
    let upright = block([70, 90, 75], [2.0; 3], [10..60, 12..80, 9..69]);
    let (s, c) = 24.0f64.to_radians().sin_cos();
    let columns = [
        [2.0, 0.0, 0.0],
        [0.0, 2.0 * c, 2.0 * s],
        [0.0, -2.0 * s, 2.0 * c],
    ];
    let map = Map::from_columns(columns.map(Vector::new), Point::new([5.0, -90.0, 33.0]));
    let tilted = Volume::new([70, 90, 75], upright.data().to_vec(), map).unwrap();
    let (a, b) = (
        Frame::fit(&upright, &spec(2.0)).unwrap(),
        Frame::fit(&tilted, &spec(2.0)).unwrap(),
    );
    // The tilted columns' lengths are rounded in the last digit, nothing more.
    for (x, y) in a
        .to_net()
        .0
        .iter()
        .flatten()
        .zip(b.to_net().0.iter().flatten())
    {
        assert!((x - y).abs() < 1e-9, "{x} {y}");
    }
    let (one, other) = (a.forward(&upright).unwrap(), b.forward(&tilted).unwrap());
    assert!(
        (one.data().iter().zip(other.data())).all(|(x, y)| (x - y).abs() < 1e-5),
        "the cells differ"
    );
    let back = b.back(&b.forward(&tilted).unwrap()).unwrap();
    assert_eq!(back.map(|&p| p >= 0.5), tilted);
    // Patient positions: over the stored voxel and over the cell, the same to 1e-9; the cells lie tilted too.
    let there = Point::<Ijk>::new([20.0, 77.0, 31.5]);
    let cell = b.to_net().apply(there);
    assert!(
        b.to_lps()
            .apply(cell)
            .minus(tilted.to_lps().apply(there))
            .length()
            < 1e-9
    );
    let superior = b.to_lps().column(0);
    assert!((superior.0[2] / superior.length() - c).abs() < 1e-12);
    assert!((superior.0[1] / superior.length() + s).abs() < 1e-12);
}

/// A head that fills its grid to the last voxel on every side, and one cut through at the top: whatever lies beyond
/// the scan is 0, and the frame comes back whole up to the scan's own edge.
#[test]
fn a_head_at_the_grids_edge_is_neither_clipped_nor_smeared() {
    for shape in [[70, 85, 72], [71, 84, 73]] {
        let mask = block(shape, [2.0; 3], shape.map(|n| 0..n));
        let frame = Frame::fit(&mask, &spec(2.0)).unwrap();
        let cells = frame.forward(&mask).unwrap();
        let sum: f64 = cells.data().iter().map(|&f| f64::from(f)).sum::<f64>() * 8.0;
        assert!(
            (sum / mask.mm3() - 1.0).abs() < 1e-5,
            "{sum} {}",
            mask.mm3()
        );
        let back = frame.back(&cells).unwrap();
        assert_eq!(back.map(|&p| p >= 0.5), mask, "{shape:?}");
    }
}

/// CraNeXt's frame: right, anterior, superior, the skull's box and 10 mm around it stretched over the grid.
#[test]
fn a_stretched_frame_holds_the_box_and_its_margin_and_leads_back() {
    let box_spec = FrameSpec {
        size_mm: [176.0, 224.0, 144.0],
        voxel_mm: 1.0,
        axes: Axes::Ras,
        fit: Fit::Box,
        take: Take::Share,
    };
    // 120 mm to the left, 140 mm to the back, 120 mm up; the cap stands out of the box by 8 mm.
    let shape = [80, 90, 90];
    let skull = block(shape, [2.0; 3], [10..70, 10..80, 5..65]);
    let frame = Frame::fit(&skull, &box_spec).unwrap();
    assert_eq!(frame.cells(), [144, 224, 176]);
    let edges = [140.0 / 144.0, 160.0 / 224.0, 140.0 / 176.0];
    for (have, want) in frame.cell_mm().iter().zip(edges) {
        assert!((have - want).abs() < 1e-12, "{have} {want}");
    }
    // Outer faces of the box, and where they lie in cells: 10 mm inside the frame's.
    let face = |index: [f64; 3]| frame.to_net().apply(Point::new(index)).0;
    let (low, high) = (face([9.5, 9.5, 4.5]), face([69.5, 79.5, 64.5]));
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
    near(low[0], -0.5 + 10.0 / edges[0]);
    near(high[0], 143.5 - 10.0 / edges[0]);
    // The patient's left and back are the tensor's low ends.
    near(high[1], -0.5 + 10.0 / edges[1]);
    near(high[2], -0.5 + 10.0 / edges[2]);
    near(low[2], 175.5 - 10.0 / edges[2]);
    let cap = block(shape, [2.0; 3], [20..60, 20..70, 65..69]);
    let cells = frame.forward(&cap).unwrap();
    let back = frame.back(&cells).unwrap();
    assert_eq!(back.map(|&p| p >= 0.5), cap);
    // Cells and voxels of the cap have their middle at the same place of the patient.
    let marked = cells.map(|&f| f >= 0.5);
    let apart = marked.centroid().unwrap().minus(cap.centroid().unwrap());
    assert!(apart.length() < 0.5, "{apart:?}");
    // A frame that fits itself takes no skull that the fixed one would refuse, and calls no head large.
    assert!(frame.findings.is_empty(), "{:?}", frame.findings);
    let huge = block([140, 90, 90], [2.0; 3], [1..110, 10..80, 5..65]);
    let refused = Frame::fit(&huge, &box_spec);
    assert!(
        matches!(refused, Err(FrameError::TooLarge { extent_mm }) if extent_mm == [140.0, 218.0, 120.0])
    );
}

/// Wu's frame: the upper cranium, hung from the vertex.
#[test]
fn a_frame_hung_from_the_vertex_ends_where_it_ends() {
    let top = FrameSpec {
        size_mm: [224.0, 224.0, 80.0],
        voxel_mm: 2.0,
        fit: Fit::Top,
        ..FrameSpec::default()
    };
    for flipped in [false, true] {
        let mut skull = block([90, 100, 80], [2.0; 3], [10..80, 10..90, 7..71]);
        if flipped {
            let map = Map::new([[2., 0., 0., 0.], [0., 2., 0., 0.], [0., 0., -2., 0.]]);
            skull = Volume::new(skull.shape(), skull.into_data(), map).unwrap();
        }
        let frame = Frame::fit(&skull, &top).unwrap();
        assert_eq!(frame.cells(), [40, 112, 112]);
        assert_eq!(frame.cell_mm(), [2.0; 3]);
        // The vertex's outer face, 10 mm under the frame's.
        let vertex = if flipped { 6.5 } else { 70.5 };
        let w = frame.to_net().apply(Point::new([0.0, 0.0, vertex])).0[0];
        assert!((w - 34.5).abs() < 1e-9, "{w}");
        let cells = frame.forward(&skull).unwrap();
        let layers: Vec<bool> = (0..40)
            .map(|w| cells.data().chunks(40).any(|row| row[w] > 0.5))
            .collect();
        assert!(layers[..35].iter().all(|&v| v) && layers[35..].iter().all(|&v| !v));
        // What lies under the frame is not in the answer; the rest comes back.
        let back = frame.back(&cells).unwrap();
        let up = |k: usize| if flipped { 77usize.wrapping_sub(k) } else { k };
        for (at, &p) in back.data().iter().enumerate() {
            let [i, j, k] = back.index(at);
            let inside =
                (10..80).contains(&i) && (10..90).contains(&j) && (36..71).contains(&up(k));
            // The lowest plane fades over one cell.
            if !(35..37).contains(&up(k)) {
                assert_eq!(p >= 0.5, inside, "{i} {j} {k}: {p}");
            }
        }
    }
}

#[test]
fn the_nearest_rule_takes_the_voxel_at_the_centre() {
    let mut mask = block([60, 70, 60], [2.0; 3], [5..50, 5..60, 5..55]);
    let hole = mask.offset([20, 20, 20]);
    mask.data_mut()[hole] = false;
    // No cell's centre falls on a voxel's face.
    let nearest = FrameSpec {
        take: Take::Centre,
        ..spec(1.7)
    };
    let frame = Frame::fit(&mask, &nearest).unwrap();
    let cells = frame.forward(&mask).unwrap();
    assert!(cells.data().iter().all(|&f| f == 0.0 || f == 1.0));
    let to_native = frame.to_native();
    for (at, &value) in cells.data().iter().enumerate() {
        let centre = to_native
            .apply(Point::new(cells.index(at).map(|n| n as f64)))
            .0;
        let voxel = centre.map(|c| (c + 0.5).floor() as i64);
        let want = mask.get(voxel).copied().unwrap_or(false);
        assert_eq!(value == 1.0, want, "{voxel:?}");
    }
}
