//! A hollow ball of bone with what lies around real heads.

use super::*;
use crate::space::Map;

const SIDE: usize = 100;

/// A shell of 70 mm radius and 6 mm thickness at 700 HU, open at the bottom, in air; 2 mm voxels.
fn head() -> Volume<Hu> {
    let map = Map::new([[2., 0., 0., 180.], [0., 2., 0., -382.], [0., 0., 2., -201.]]);
    let air = vec![Hu(-1000); SIDE * SIDE * SIDE];
    let mut ct = Volume::new([SIDE; 3], air, map).unwrap();
    paint(&mut ct, Hu(700), |[x, y, z]| {
        let r = (x * x + y * y + z * z).sqrt();
        (64.0..70.0).contains(&r) && z > -50.0
    });
    ct
}

/// Sets voxels by their place in mm from the middle.
fn paint(ct: &mut Volume<Hu>, hu: Hu, test: impl Fn([f64; 3]) -> bool) {
    for offset in 0..ct.data().len() {
        let at = ct.index(offset).map(|n| (n as f64 - 49.5) * 2.0);
        if test(at) {
            ct.data_mut()[offset] = hu;
        }
    }
}

#[test]
fn a_holder_denser_than_the_threshold_goes_out_by_shape() {
    let mut ct = head();
    let alone = bone(&ct, Hu(150)).unwrap().mask;
    // A half pipe behind the head, 3 mm off it, and a bright couch.
    paint(&mut ct, Hu(360), |[x, y, _]| {
        (74.0..82.0).contains(&x.hypot(y)) && y > 20.0
    });
    paint(&mut ct, Hu(3000), |[x, y, _]| y > 90.0 && x.abs() < 8.0);
    let skull = bone(&ct, Hu(150)).unwrap();
    assert_eq!(skull.mask, alone);
    let names: Vec<&str> = skull.findings.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(
        names,
        ["left_out"],
        "metal of the couch is none of the patient's"
    );
}

#[test]
fn a_saw_line_does_not_lose_the_calvaria() {
    let mut ct = head();
    paint(&mut ct, Hu(-1000), |[_, _, z]| (20.0..22.0).contains(&z));
    let skull = bone(&ct, Hu(150)).unwrap();
    let dense = ct.data().iter().filter(|&&hu| hu >= Hu(150)).count();
    assert_eq!(skull.mask.count(), dense);
    assert!(skull.findings.iter().any(|f| f.name == "skull_in_parts"));
}

#[test]
fn metal_inside_the_head_is_named() {
    let mut ct = head();
    paint(&mut ct, Hu(3000), |[x, y, z]| {
        x.hypot(y) < 5.0 && z.abs() < 5.0
    });
    let skull = bone(&ct, Hu(150)).unwrap();
    assert!(skull.findings.iter().any(|f| f.name == "metal"));
}

#[test]
fn what_is_no_vault_is_refused() {
    let mut ct = head();
    ct.data_mut().fill(Hu(-1000));
    assert_eq!(
        bone(&ct, Hu(150)),
        Err(SkullError::Empty { threshold: 150 })
    );
    paint(&mut ct, Hu(900), |[x, y, z]| {
        x.abs() < 60.0 && y.abs() < 60.0 && z.abs() < 8.0
    });
    assert!(matches!(
        bone(&ct, Hu(150)),
        Err(SkullError::NotASkull { .. })
    ));
}

#[test]
fn a_cut_off_side_is_named_and_the_neck_is_not() {
    let mut mask = head().map(|&hu| hu >= Hu(150));
    for offset in 0..mask.data().len() {
        let [i, j, k] = mask.index(offset);
        let neck = k < 20 && i.abs_diff(50) < 10 && j.abs_diff(50) < 10;
        let side = i < 20 && j.abs_diff(50) < 5 && k.abs_diff(50) < 5;
        mask.data_mut()[offset] |= neck || side;
    }
    let found = Skull::from_mask(mask).unwrap().findings;
    assert_eq!(found.len(), 1);
    // i grows to the patient's left, so its first slice is the right side.
    assert!(found[0].text.contains("right"), "{}", found[0].text);
}
