use super::*;
use crate::space::Map;

fn printer() -> Printer {
    Printer::load("virtual").unwrap()
}

fn material() -> Material {
    Material::load("pla").unwrap()
}

fn sliced(mesh: &Mesh<Lps>, settings: &Settings) -> Sliced {
    slice(mesh, &printer(), &material(), settings, &mut |_| {}).unwrap()
}

/// The cap turned a quarter round X: it stands on its rim.
fn on_edge(width_mm: f64) -> Mesh<Lps> {
    shapes::cap(width_mm).mapped(&Map::<Lps, Lps>::new([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, -1.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
    ]))
}

#[test]
fn a_cap_is_sliced_and_proved() {
    let result = sliced(&shapes::cap(60.0), &Settings::default());
    println!("{:#?}", result.plan);
    assert!(result.plan.checked.sealed);
}
