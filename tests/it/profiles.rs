//! The shipped profiles: each is sound, slices, is proved, and prints on a virtual printer with its firmware. And
//! `calvaria profile` as a technician types it.

use crate::printer::Station;
use crate::room::{head, run as calvaria};
use crate::slice::block_of;
use calvaria::gcode::{Material, Printer};
use calvaria::printer::virtual_printer::Record;
use calvaria::printer::wire::Phase;
use std::path::Path;

/// The first material that the machine is made for.
fn material_of(printer: &Printer) -> String {
    let fits = |name: &String| printer.takes(&Material::load(name).unwrap()).is_ok();
    let names = Material::names();
    // A chamber is for what needs one.
    let first = if printer.limits.chamber_max_c > 0.0 {
        "peek"
    } else {
        "pla"
    };
    let found = std::iter::once(first.to_owned()).chain(names).find(fits);
    found.unwrap_or_else(|| panic!("{} prints nothing", printer.name))
}

fn sliced(folder: &Path, printer: &str, material: &str) -> String {
    let (mesh, gcode) = (
        folder.join("block.stl"),
        folder.join(format!("{printer}.gcode")),
    );
    block_of([9.0, 6.0, 1.6], &mesh);
    let out = calvaria(&[
        "slice",
        mesh.to_str().unwrap(),
        "--printer",
        printer,
        "--material",
        material,
        "--as-is",
        "-o",
        gcode.to_str().unwrap(),
    ]);
    assert!(
        out.status.success(),
        "{printer}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let checked = calvaria(&["check", gcode.to_str().unwrap(), "--printer", printer]);
    assert!(
        checked.status.success(),
        "{printer}: {}",
        String::from_utf8_lossy(&checked.stdout)
    );
    std::fs::read_to_string(gcode).unwrap()
}

/// Moves behind the first mark of a layer: before it a firmware that probed stands where it likes.
fn of_layers(text: &str) -> usize {
    let (head, _) = text.split_once(";LAYER_CHANGE").unwrap();
    head::places(text.lines()).len() - head::places(head.lines()).len()
}

#[test]
fn every_profile_slices_is_proved_and_prints_on_its_firmware() {
    let folder = tempfile::tempdir().unwrap();
    for name in Printer::names() {
        let printer = Printer::load(&name).unwrap();
        let material = material_of(&printer);
        let text = sliced(folder.path(), &name, &material);
        let station = Station::at(300.0, &["--profile", &name]);
        station.print(&text);
        let status = station.until("over", |s| {
            s.job.as_ref().is_some_and(|j| j.phase.is_over())
        });
        let job = status.job.unwrap();
        assert_eq!(
            job.phase,
            Phase::Printed,
            "{name} in {material}: {:?}",
            job.fault
        );
        let planned = head::places(text.lines());
        let executed: Vec<head::Place> = station
            .records()
            .iter()
            .filter_map(|record| match record {
                Record::Block { to, .. } => Some(to.map(|mm| (mm * 1e5).round() as i64)),
                _ => None,
            })
            .collect();
        let count = of_layers(&text);
        assert!(count > 100, "{name}: {count}");
        let tail = |all: &[head::Place]| all[all.len() - count..].to_vec();
        assert_eq!(executed.len(), planned.len(), "{name}");
        assert!(
            tail(&executed) == tail(&planned),
            "{name}: executed is not planned"
        );
    }
}

#[test]
fn a_profile_is_judged_by_its_name_or_its_file() {
    for name in [
        "ender3",
        "pla",
        "printer-profiles/voron.toml",
        "printer-profiles/materials/peek.toml",
    ] {
        let out = calvaria(&["profile", "check", name]);
        assert!(
            out.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        assert!(
            String::from_utf8_lossy(&out.stdout).contains("taken"),
            "{name}"
        );
    }
    let hot = calvaria(&["profile", "check", "peek"]);
    let said = String::from_utf8_lossy(&hot.stdout).into_owned();
    assert!(said.contains("hightemp: taken"), "{said}");
    assert!(
        said.contains("ender3: not hot enough: hotend 405 C, 240 can be reached"),
        "{said}"
    );
    let unknown = calvaria(&["profile", "check", "ender4"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("ender3"));
}

#[test]
fn a_fault_in_a_profile_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let text = std::fs::read_to_string("printer-profiles/ender3.toml").unwrap();
    let refused = |text: &str, part: &str| {
        std::fs::write(&file, text).unwrap();
        let out = calvaria(&["profile", "check", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(3), "{said}");
        assert!(said.contains(part), "{said}");
    };
    refused(&text, "its name must be its file's: 'mine'");
    let mine = text.replace("\"ender3\"", "\"mine\"");
    refused(
        &mine.replace("\"G29\"", "\"G80\""),
        "'mine', start, line 5 (`G80`)",
    );
    refused(
        &mine.replace("{hotend_first_c}", "{hot}"),
        "nothing fills {hot}",
    );
    refused(&mine.replace("\"M104 S0\", ", ""), "hotend");
    refused(
        &mine.replace("nozzle_mm = 0.4", "nozzle_mm = 4"),
        "nozzle_mm is 4",
    );
    refused(&mine.replace("\"marlin\"", "\"mach3\""), "mach3");
}

#[test]
fn a_configuration_of_another_slicer_becomes_profiles_that_slice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let config = "bed_shape = 0x0,220x0,220x220,0x220\nmax_print_height = 240\ngcode_flavor = marlin2\nnozzle_diameter = 0.4\n\
        layer_height = 0.2\nfilament_type = PLA\ntemperature = 205\nfirst_layer_temperature = 210\nbed_temperature = 60\n\
        first_layer_bed_temperature = 60\n\
        start_gcode = G28\\nG29\\nM190 S[first_layer_bed_temperature]\\nM109 S[first_layer_temperature]\\nM600\n\
        end_gcode = M104 S0\\nM140 S0\\nG1 X5 Y210 F6000\\nM84\n";
    std::fs::write(at("config.ini"), config).unwrap();
    let import = || {
        calvaria(&[
            "profile",
            "import",
            &at("config.ini"),
            "-o",
            &at("bench.toml"),
            "--material-out",
            &at("bench-pla.toml"),
        ])
    };
    let out = import();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(said.contains("not carried over: start: `M600`"), "{said}");
    assert!(said.contains("assumed"), "{said}");
    // What is there is not written over.
    assert_eq!(import().status.code(), Some(2));
    let checked = calvaria(&["profile", "check", &at("bench.toml")]);
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(
        calvaria(&["profile", "check", &at("bench-pla.toml")])
            .status
            .success()
    );
    let printer = Printer::read(Path::new(&at("bench.toml"))).unwrap();
    assert_eq!((printer.bed_mm, printer.height_mm), ([220.0, 220.0], 240.0));
}
