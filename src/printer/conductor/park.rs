//! Park: our own moves around a hold or an end. Each leaves the file's modes as they were.

use super::super::transport::Class;
use super::tracker::Tracker;
use crate::gcode::Printer;

/// Filament pulled back while parked, mm.
const RETRACT_MM: f64 = 1.0;
const RETRACT_MM_MIN: f64 = 1_800.0;
/// Nozzle above the part while parked, mm.
const LIFT_MM: f64 = 5.0;
const LIFT_MM_MIN: f64 = 480.0;
const TRAVEL_MM_MIN: f64 = 6_000.0;
/// Pushed besides what was pulled back: it oozed while waiting, mm.
const PRIME_MM: f64 = 0.2;
/// The board's own limit lies so far behind the host's, s.
const GUARD_S: f64 = 300.0;
/// Margin to the edge of the bed, mm.
const MARGIN_MM: f64 = 5.0;

type Script = Vec<(String, Class)>;

fn setting(text: impl Into<String>) -> (String, Class) {
    (text.into(), Class::Setting)
}
/// Pushes of our own are relative. G91 does not make them so everywhere: Prusa-Firmware and RepRapFirmware leave E absolute
/// behind an M82.
fn relative_e() -> (String, Class) {
    setting("M83")
}
fn motion(text: String) -> (String, Class) {
    (text, Class::Move(3_000))
}

/// Heaters and part fan off. No report that is read here tells of a chamber: its order is sent, and not proved.
pub(super) fn heat_off(printer: &Printer) -> Script {
    let mut script = ["M104 S0", "M140 S0", "M107"].map(setting).to_vec();
    script.extend(chamber_off(printer).map(setting));
    script
}

/// The order to a heated chamber, where the machine has one.
pub(super) fn chamber_off(printer: &Printer) -> Option<&'static str> {
    (printer.limits.chamber_max_c > 0.0).then_some("M141 S0")
}

/// Ends the hold at a safe place: everything planned is done, retract, lift, to the front edge.
pub(super) fn park(at: &[f64; 4], hot: bool, printer: &Printer) -> Script {
    let mut script = vec![("M400".to_owned(), Class::Drain), setting("G91")];
    if hot {
        script.push(relative_e());
        script.push(motion(format!("G1 E-{RETRACT_MM} F{RETRACT_MM_MIN}")));
    }
    let lift = lift_mm(at, printer);
    if lift > 0.0 {
        script.push(motion(format!("G1 Z{lift:.2} F{LIFT_MM_MIN}")));
    }
    script.push(setting("G90"));
    if at[0].is_finite() && at[1].is_finite() {
        let y = printer.bed_mm[1] - MARGIN_MM;
        script.push(motion(format!("G1 X{MARGIN_MM} Y{y} F{TRAVEL_MM_MIN}")));
    }
    // An `ok` means planned: held is what has come to rest.
    script.push(("M400".to_owned(), Class::Drain));
    // The steppers' own time limit (120 s) would let the head lose its place.
    script.push(setting("M84 S0"));
    // A host that dies in a hold leaves the heaters on no longer than a hold may last.
    let seconds = printer.link.hold_bed_min * 60.0 + GUARD_S;
    script.push(setting(format!("M85 S{seconds:.0}")));
    script
}

fn lift_mm(at: &[f64; 4], printer: &Printer) -> f64 {
    if at[2].is_finite() {
        LIFT_MM.min(printer.height_mm - at[2]).max(0.0)
    } else {
        0.0
    }
}

/// Pushed out beside the part after the nozzle was cold: what oozed and what is burnt, mm.
const PRIME_COLD_MM: f64 = 4.0;

/// Heats up again what was switched off in a hold, and primes where the head is parked.
pub(super) fn reheat(held: &Tracker, cooled: [bool; 2]) -> Script {
    let [hotend_c, bed_c] = held.targets_c;
    let mut script = Script::new();
    if cooled[1] && bed_c > 0.0 {
        script.push((format!("M190 S{bed_c}"), Class::Heat));
    }
    if cooled[0] && hotend_c > 0.0 {
        script.push((format!("M109 S{hotend_c}"), Class::Heat));
        script.push(relative_e());
        let push = RETRACT_MM + PRIME_COLD_MM;
        script.push(motion(format!("G1 E{push} F180")));
        script.push(motion(format!("G1 E-{RETRACT_MM} F{RETRACT_MM_MIN}")));
    }
    script
}

/// Back to where `held` was taken, with its modes; `held` is the tracker before [`park`].
pub(super) fn unpark(held: &Tracker, hot: bool, printer: &Printer) -> Script {
    let at = held.at();
    let mut script = vec![setting("M85 S900"), setting("G90")];
    if at[0].is_finite() && at[1].is_finite() {
        script.push(motion(format!(
            "G1 X{:.4} Y{:.4} F{TRAVEL_MM_MIN}",
            at[0], at[1]
        )));
    }
    if lift_mm(&at, printer) > 0.0 {
        script.push(motion(format!("G1 Z{:.4} F{LIFT_MM_MIN}", at[2])));
    }
    if hot {
        script.push(relative_e());
        let push = RETRACT_MM + PRIME_MM;
        script.push(motion(format!("G1 E{push} F{RETRACT_MM_MIN}")));
    }
    // The file's E is what it was; the prime does not count.
    if at[3].is_finite() {
        script.push(setting(format!("G92 E{:.5}", at[3])));
    }
    let relative = held.relative();
    if relative[0] {
        script.push(setting("G91"));
    }
    // Whatever G90 and G91 mean for E there.
    script.push(setting(if relative[3] { "M83" } else { "M82" }));
    script.push(setting(format!("G1 F{:.1}", held.feed_mm_min())));
    script.push(setting("M84 S120"));
    script
}

/// The end of a print that was given up: park, then heaters and motors off.
pub(super) fn give_up(at: &[f64; 4], hot: bool, printer: &Printer) -> Script {
    let mut script = heat_off(printer);
    script.extend(park(at, hot, printer));
    script.push(setting("M85 S0"));
    script.push(setting("M84"));
    script
}

/// After a fault whose cause is not the line: heaters off first, then up and away from the part as far as the
/// position is known, without any extrusion.
pub(super) fn make_safe(at: &[f64; 4], printer: &Printer) -> Script {
    let mut script = heat_off(printer);
    let lift = lift_mm(at, printer);
    if lift > 0.0 {
        script.push(setting("G91"));
        script.push(motion(format!("G1 Z{lift:.2} F{LIFT_MM_MIN}")));
        script.push(setting("G90"));
    }
    script.push(setting("M85 S0"));
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_ends_a_print_switches_a_heated_chamber_off_too() {
        let at = [f64::NAN; 4];
        for (name, heated) in [("hightemp", true), ("virtual", false)] {
            let printer = Printer::load(name).unwrap();
            for script in [
                heat_off(&printer),
                give_up(&at, true, &printer),
                make_safe(&at, &printer),
            ] {
                let is_off = script.iter().any(|(text, _)| text == "M141 S0");
                assert_eq!(is_off, heated, "{name}");
            }
        }
    }

    #[test]
    fn a_hold_and_its_end_lead_back_to_the_same_state() {
        let printer = Printer::load("virtual").unwrap();
        for modes in [&["M83"][..], &["M82"], &["G91"], &["G91", "M82"]] {
            let mut tracker = Tracker::default();
            for line in ["G28", "G90", "G92 E0", "G1 X50 Y60 Z0.4 F1800", "G1 E1.25"] {
                tracker.apply(line);
            }
            for line in modes {
                tracker.apply(line);
            }
            let held = tracker.clone();
            for (line, _) in park(&held.at(), true, &printer) {
                tracker.apply(&line);
            }
            assert!((tracker.at()[2] - 5.4).abs() < 1e-9);
            for (line, _) in unpark(&held, true, &printer) {
                tracker.apply(&line);
            }
            assert_eq!(tracker.at(), held.at(), "{modes:?}");
            assert_eq!(tracker.relative(), held.relative(), "{modes:?}");
            assert_eq!(tracker.feed_mm_min(), held.feed_mm_min(), "{modes:?}");
        }
    }
}
