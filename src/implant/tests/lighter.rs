//! A part for a ball of bone, made lighter: what fits stays, what is said is so.

use super::*;
use crate::mesh::check;
use crate::mesh::tags::Face;

fn made(lighten: Lighten) -> Solid {
    let ball = ball(true);
    let rules = Rules {
        lighten,
        ..Rules::default()
    };
    let missing = missing(&blurred(&ball.truth, 1.5), &ball.skull, &rules, None).unwrap();
    solid(&missing, Bone::Ct(&ball.ct), &rules).unwrap()
}

fn area_mm2(solid: &Solid, face: Face) -> f64 {
    let own = solid.mesh.triangles.iter().zip(&solid.faces);
    own.filter(|(_, f)| **f == face)
        .map(|(t, _)| solid.mesh.area_vector(*t).length() / 2.0)
        .sum()
}

#[test]
fn a_part_is_lightened_as_asked_and_fits_as_before() {
    let solid = made(Lighten::None);
    assert!(solid.density.is_none() && solid.parts[0].lightness.is_none());
    assert_eq!(solid.faces.len(), solid.mesh.triangles.len());
    // Slivers without a direction are nothing's face.
    assert!(area_mm2(&solid, Face::Hole) < 0.1);
    // A disc of 59 mm across on a ball: both faces, and a rim round it.
    let (outer, inner) = (area_mm2(&solid, Face::Outer), area_mm2(&solid, Face::Inner));
    assert!((2300.0..2900.0).contains(&outer), "{outer}");
    assert!((2000.0..2700.0).contains(&inner), "{inner}");
    let rim = area_mm2(&solid, Face::Rim);
    assert!((400.0..1200.0).contains(&rim), "{rim}");

    let filled = made(Lighten::Infill);
    assert_eq!(filled.mesh, solid.mesh);
    assert_eq!(filled.parts[0].fit, solid.parts[0].fit);
    let light = filled.parts[0].lightness.as_ref().unwrap();
    let density = filled.density.as_ref().unwrap();
    let part = crate::mesh::check::inspect(&filled.mesh);
    let spared: f64 = density.data().iter().map(|&d| f64::from(1.0 - d)).sum();
    let spared = spared * density.voxel_mm3() / part.volume_mm3;
    // What is written is what is said.
    assert!((spared - light.saved).abs() < 0.02, "{spared} {light:?}");
    assert!(light.saved > 0.1, "{light:?}");

    let drilled = made(Lighten::Perforate);
    let light = drilled.parts[0].lightness.as_ref().unwrap();
    let report = check::inspect(&drilled.mesh);
    assert!(report.is_solid() && report.parts.len() == 1);
    // A hole through a ball makes a handle: 2 - 2 g.
    assert_eq!(report.euler, 2 - 2 * light.holes as i64);
    let spared = 1.0 - report.volume_mm3 / part.volume_mm3;
    assert!((spared - light.saved).abs() < 0.03, "{spared} {light:?}");
    assert!(drilled.density.is_none());
    assert!(area_mm2(&drilled, Face::Hole) > 10.0 * light.holes as f64);
    let rim_then = area_mm2(&drilled, Face::Rim);
    assert!((rim_then / rim - 1.0).abs() < 0.02, "{rim_then} {rim}");
    assert_eq!(drilled.parts[0].fit, solid.parts[0].fit);
}
