//! The fake against what Klipper's and Moonraker's sources say.

use super::*;

const FILE: &str =
    "M104 S200\nG28\nM109 S200\nG90\nM83\nG92 E0\nG1 X10 Y10 Z0.3 F6000\nG1 X20 E1 F60\nM104 S0\n";

fn ready() -> Klipper {
    let mut klipper = Klipper::default();
    klipper.put("a.gcode", FILE.as_bytes());
    klipper
}

#[test]
fn a_file_is_carried_out_to_its_last_line_end() {
    let mut klipper = ready();
    klipper.put("b.gcode", format!("{FILE}G1 X99").as_bytes());
    for name in ["a.gcode", "b.gcode"] {
        klipper.forget();
        klipper.do_there(&format!("SDCARD_PRINT_FILE FILENAME=\"{name}\""));
        let to_s = klipper.now_s() + 120.0;
        klipper.advance(to_s);
        assert_eq!(klipper.stats.state, "complete", "{name}");
        assert_eq!(klipper.position, FILE.len());
        let ends: Vec<f64> = klipper.made().map(|made| made.to[0]).collect();
        assert_eq!(ends, [10.0, 20.0]);
    }
}

#[test]
fn a_hold_of_its_own_comes_back_to_its_place_and_to_its_filament() {
    let mut klipper = ready();
    klipper.parks = true;
    klipper.do_there("SDCARD_PRINT_FILE FILENAME=\"a.gcode\"");
    while klipper.motion.last[0] < 10.0 {
        let to_s = klipper.now_s() + 0.05;
        klipper.advance(to_s);
    }
    klipper.do_there("PAUSE");
    klipper.advance(klipper.now_s() + 15.0);
    assert_eq!(klipper.stats.state, "paused");
    klipper.do_there("M83\nG1 E3 F300\nRESUME");
    klipper.advance(klipper.now_s() + 60.0);
    assert_eq!(klipper.stats.state, "complete");
    let at = klipper.motion.gcode_position();
    assert!(
        (at[0] - 20.0).abs() < 1e-9 && (at[3] - 1.0).abs() < 1e-9,
        "{at:?}"
    );
}

#[test]
fn a_stop_makes_no_further_move_and_nobody_waits_for_its_scripts() {
    let mut klipper = ready();
    klipper.do_there("SDCARD_PRINT_FILE FILENAME=\"a.gcode\"");
    let ticket = klipper.script("M117 hello");
    klipper.shut_down("Shutdown due to webhooks request");
    assert!(klipper.answer(ticket).unwrap().is_err());
    klipper.advance(klipper.now_s() + 60.0);
    assert_eq!((klipper.made().count(), klipper.is_hot()), (0, false));
    klipper.script("FIRMWARE_RESTART");
    klipper.advance(klipper.now_s() + 10.0);
    assert_eq!(
        (klipper.state(), klipper.prints()),
        (klipper::State::Ready, None)
    );
}

#[test]
fn what_is_tuned_does_not_show_in_the_files_coordinates() {
    let mut klipper = ready();
    klipper.do_there("G28\nG1 X5 Z1 F600\nSET_GCODE_OFFSET Z_ADJUST=0.1 MOVE=1\nM221 S90");
    klipper.advance(klipper.now_s() + 30.0);
    assert_eq!(klipper.motion.gcode_position()[2], 1.0);
    assert!((klipper.motion.last[2] - 1.1).abs() < 1e-9);
}
