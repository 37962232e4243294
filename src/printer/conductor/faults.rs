//! Faults: what stopped a print, in plain language, with a stable name.

use super::super::transport::LineFault;
use crate::status::Finding;

/// A line that can not be trusted; `in_print`: a print ended by it.
pub(super) fn of_line(fault: &LineFault, in_print: bool) -> Finding {
    let (name, next) = match fault {
        LineFault::Silent { .. } => (
            "printer_silent",
            "Look at cable and power; if the printer is hot, use its own switch.",
        ),
        LineFault::Stuck { .. } => (
            "stuck",
            "Look at its display; if it is hot, use its own switch.",
        ),
        LineFault::Refused { .. } => (
            "line_refused",
            "Look at the cable, and keep it away from motors.",
        ),
        LineFault::OutOfStep { .. } => (
            "line_out_of_step",
            "Does another program use the port? Look at the cable.",
        ),
        LineFault::Reset => return was_reset(),
        LineFault::Position { .. } => (
            "position_differs",
            "The wire was disturbed and a move may have been made twice. The part can not be trusted; look at the cable.",
        ),
        LineFault::Halved { .. } => (
            "line_halved",
            "The part can not be trusted; look at the cable.",
        ),
        LineFault::Unanswered { .. } => (
            "line_unanswered",
            "The part can not be trusted; look at the connection.",
        ),
        LineFault::Count { .. } => (
            "count_differs",
            "The part can not be trusted; look at the cable.",
        ),
    };
    let what = if in_print {
        "The print was stopped: "
    } else {
        "Not connected: "
    };
    Finding::refuse(name, format!("{what}{fault}. {next}"))
}

/// Nobody answers `M115`.
pub(super) fn nobody_answers(bauds: &[u32]) -> Finding {
    Finding::refuse(
        "printer_silent",
        format!(
            "Not connected: the printer does not answer (at {} baud). Look at cable and power.",
            listed(bauds)
        ),
    )
}

/// What comes back can not be read, at any rate.
pub(super) fn wrong_baud(configured: u32, bauds: &[u32]) -> Finding {
    Finding::refuse(
        "wrong_baud",
        format!(
            "Not connected: what comes from the printer can not be read at {configured} baud. This is a wrong baud rate; the usual ones ({}) were tried. Set `baud` to what the printer's firmware is built with, or look at the cable.",
            listed(bauds)
        ),
    )
}

/// It was read at another rate than configured.
pub(super) fn other_baud(configured: u32, found: u32) -> Finding {
    Finding::warn(
        "other_baud",
        format!("The printer answers at {found} baud, not at {configured}. Set `baud` to {found}."),
    )
}

fn listed(bauds: &[u32]) -> String {
    let all: Vec<String> = bauds.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// It answers, but not what it is.
pub(super) fn nameless() -> Finding {
    Finding::refuse(
        "unknown_printer",
        "Not connected: what answers at the port does not say which firmware it is (M115). Nothing else was sent to it. Is this the printer?",
    )
}

/// Another printer than before.
pub(super) fn other_printer(found: &str, before: &str, in_print: bool) -> Finding {
    let what = if in_print {
        "The print was stopped: another"
    } else {
        "Another"
    };
    Finding::refuse(
        "other_printer",
        format!(
            "{what} printer answers at the port ({found}, before {before}). Nothing was sent to it. The first one may still be hot: look at it, and use its own switch. If this printer is meant, let it recover."
        ),
    )
}

/// The profile is made for another firmware.
pub(super) fn wrong_firmware(found: &str, title: &str) -> Finding {
    Finding::refuse(
        "wrong_firmware",
        format!(
            "The printer runs {found}, for which the profile \"{title}\" is not made. Nothing is printed, and nothing was sent to it. Choose the profile of this printer."
        ),
    )
}

/// A firmware of the right family that can not be stopped while it waits for heat.
pub(super) fn deaf_in_wait(found: &str) -> Finding {
    Finding::refuse(
        "wrong_firmware",
        format!(
            "The printer runs {found}, built without an emergency parser (EMERGENCY_PARSER): while it waits for heat it hears no stop. Nothing is printed, and nothing was sent to it. Build it with one."
        ),
    )
}

/// Metal at the port, and a profile that has none.
pub(super) fn virtual_profile(found: &str) -> Finding {
    Finding::refuse(
        "wrong_profile",
        format!(
            "A real printer answers at the port ({found}), but the profile is that of the virtual one. Nothing is printed, and nothing was sent to it. Choose the profile of this printer."
        ),
    )
}

/// The firmware lives on after an error.
pub(in crate::printer) fn trouble(text: &str) -> Finding {
    let lower = text.to_ascii_lowercase();
    if is_thermal(&lower) {
        return Finding::refuse(
            "thermal_fault",
            format!(
                "The print was stopped because of the {}'s heater or sensor: the printer reported \"{text}\". All heaters were ordered off. Have it looked at.",
                heater(&lower)
            ),
        );
    }
    Finding::refuse(
        "printer_fault",
        format!(
            "The print was stopped: the printer reported \"{text}\". Its heaters were ordered off. Find the cause and clear the bed."
        ),
    )
}

/// The same without a print.
pub(in crate::printer) fn trouble_idle(text: &str) -> Finding {
    Finding::warn(
        "printer_fault",
        format!("The printer reports \"{text}\". Find the cause before you print."),
    )
}

/// Stop at the printer's own panel.
pub(in crate::printer) fn stopped_at_printer() -> Finding {
    Finding::refuse(
        "stopped_at_printer",
        "The print was stopped at the printer: a person pressed Stop at its own panel. Parked, heaters off.",
    )
}

/// A heater that gets no warmer.
pub(super) fn not_warmer(heater: &str, now_c: f64, target_c: f64) -> Finding {
    Finding::warn(
        "target_not_reached",
        format!(
            "The {heater} gets no warmer: {now_c:.0} of {target_c:.0} C. If this stays so for some minutes, the print is stopped. Look at the heater and its cover."
        ),
    )
}

/// No print runs, and the printer has not said yet that its heaters are off; `why`: what else is to be said.
pub(in crate::printer) fn may_be_hot(why: Option<Finding>) -> Finding {
    let words = "It has not said yet that its heaters are off: it may still be hot.";
    match why {
        Some(why) => Finding {
            text: format!("{} {words}", why.text),
            ..why
        },
        None => Finding::warn(
            "may_be_hot",
            format!("The printer was told to switch off. {words}"),
        ),
    }
}

/// The same, given up.
pub(in crate::printer) fn target_not_reached(heater: &str, now_c: f64, target_c: f64) -> Finding {
    Finding::refuse(
        "target_not_reached",
        format!(
            "The print was stopped: the {heater} got no warmer than {now_c:.0} of {target_c:.0} C. Heaters were ordered off. Have heater and sensor looked at."
        ),
    )
}

/// A hold that lasts: the nozzle is switched off.
pub(in crate::printer) fn hold_cools(min: f64, bed: bool) -> Finding {
    let (what, note) = if bed {
        (
            "nozzle and bed were",
            " Look whether the part still sticks before you go on.",
        )
    } else {
        ("the nozzle was", "")
    };
    Finding::warn(
        "hold_cools",
        format!(
            "Held for {min:.0} min: {what} switched off. Going on heats up again and primes the nozzle.{note}"
        ),
    )
}

/// The printer waits and can not hear; everything was switched off by emergency stop.
pub(super) fn hold_too_long(min: f64, hot: bool) -> Finding {
    let hot = if hot { " with its heaters on" } else { "" };
    Finding::refuse(
        "hold_too_long",
        format!(
            "The print was stopped: the printer waited at its own display for {min:.0} min{hot} and could not hear. It was stopped by emergency stop. Clear the bed, then let it recover."
        ),
    )
}

/// Given up, but the printer does not hear.
pub(super) fn cancel_waits(min: f64) -> Finding {
    Finding::warn(
        "cancel_waits",
        format!(
            "The print is given up, but the printer waits at its own display and does not hear it. Press its button, or use the emergency stop. In at most {min:.0} min it is stopped by emergency stop."
        ),
    )
}

/// An order to switch off was not taken.
pub(in crate::printer) fn not_heard(why: &Finding) -> Finding {
    Finding::refuse(
        &why.name,
        format!(
            "{} The printer did not take the order to switch off, so it was stopped by emergency stop.",
            why.text
        ),
    )
}

pub(super) fn was_reset() -> Finding {
    Finding::refuse(
        "printer_reset",
        "The print was stopped: the printer was reset in mid-print and has lost its position. Look at power and cable.",
    )
}

pub(super) fn gone() -> Finding {
    Finding::refuse(
        "printer_gone",
        "The print was stopped: the port went away and did not come back in time. Look at cable and power; if the printer is hot, use its own switch.",
    )
    .value(super::GONE_MAX_MS as f64 / 1e3, "s")
}

/// A print waited for a printer that had been ready, and nothing of it was sent.
pub(in crate::printer) fn not_back() -> Finding {
    Finding::refuse(
        "printer_gone",
        "The print was not begun: the printer was being greeted anew and did not get ready in time. Look at cable and power, then release it again.",
    )
    .value(super::GONE_MAX_MS as f64 / 1e3, "s")
}

pub(super) fn cold_extrusion() -> Finding {
    Finding::refuse(
        "cold_extrusion",
        "The print was stopped: the printer refused to extrude because the nozzle is too cold. Look at the hotend.",
    )
}

/// A re-entry, and the head is not where the cut print left it.
pub(super) fn head_moved() -> Finding {
    Finding::refuse(
        "head_moved",
        "The print can not be gone on with: the head does not stand where the print left it, or the printer does not say where. Nothing was moved. Clear the bed and print it from the start.",
    )
}

/// A re-entry, and another printer than that of the cut print.
pub(super) fn other_bed() -> Finding {
    Finding::refuse(
        "other_printer",
        "The print can not be gone on with: this is not the printer that has the part on its bed. Nothing was sent to it.",
    )
}

/// As the reports have it, whatever the firmware says or does not.
pub(super) fn nozzle_cold(now_c: f64, least_c: f64) -> Finding {
    let text = format!(
        "The print was stopped: the nozzle is at {now_c:.0} C, too cold to push filament (at least {least_c:.0} C). Look at the hotend."
    );
    Finding::refuse("cold_extrusion", text)
}

/// Whether the nozzle was warm to the end could not be learnt.
pub(super) fn warmth_unsaid() -> Finding {
    Finding::refuse(
        "cold_extrusion",
        "The print was stopped near its end: the printer does not say any more how warm its nozzle is, so that nobody knows whether the last strokes have filament. Look at hotend and cable.",
    )
}

/// The firmware's own words; thermal faults by the name of their heater.
pub(in crate::printer) fn halted(text: &str) -> Finding {
    let lower = text.to_ascii_lowercase();
    if is_thermal(&lower) {
        let heater = heater(&lower);
        return Finding::refuse(
            "thermal_fault",
            format!(
                "The printer halted itself because of the {heater}'s heater or sensor ({text}). Switch it off and have it looked at."
            ),
        );
    }
    Finding::refuse(
        "printer_halted",
        format!("The printer halted itself ({text}). Find the cause, then let it recover."),
    )
}

fn is_thermal(lower: &str) -> bool {
    ["thermal", "heating f", "heater f", "maxtemp", "mintemp"]
        .iter()
        .any(|word| lower.contains(word))
}

/// Which heater a thermal text means: `Heater_ID: bed`, `E1`, `Error:1 ... Extruder switched off`.
fn heater(lower: &str) -> String {
    if lower.contains("chamber") {
        return "chamber".into();
    }
    if lower.contains("bed") {
        return "bed".into();
    }
    let named = lower.split("heater_id:").nth(1).map(str::trim_start);
    let number = named
        .map(|id| id.trim_start_matches('e'))
        .or_else(|| lower.strip_prefix("error:"))
        .and_then(|id| id.chars().next()?.to_digit(10));
    match number {
        None | Some(0) => "hotend".into(),
        Some(n) => format!("hotend {}", n + 1),
    }
}

/// Why a job ended: true whether or not the printer has confirmed.
pub(in crate::printer) fn emergency() -> Finding {
    Finding::refuse(
        "emergency_stop",
        "The print was ended by the emergency stop. When it is safe, let the printer recover and clear the bed.",
    )
}

/// On the wire, nothing heard yet.
pub(in crate::printer) fn stop_sent() -> Finding {
    Finding::refuse(
        "stop_sent",
        "Emergency stop sent, waiting for the printer to confirm it. If it still moves or heats, use its own switch.",
    )
}

/// The firmware said that it halted; a halted Marlin has its heaters and motors off. `why`: not by a person.
pub(in crate::printer) fn stop_confirmed(why: Option<Finding>) -> Finding {
    match why {
        Some(why) if why.name != "emergency_stop" => {
            let text = format!("{} The printer confirmed it: everything is off.", why.text);
            Finding::refuse(&why.name, text)
        }
        _ => Finding::refuse(
            "emergency_stop",
            "Emergency stop. The printer confirmed it: everything is off. When it is safe, let the printer recover and clear the bed.",
        ),
    }
}

/// A print that the end of the link interrupted, once the printer has taken the order to switch its heaters off.
pub(in crate::printer) fn restarted_and_off() -> Finding {
    Finding::refuse(
        crate::printer::journal::LINK_RESTARTED,
        "The print was stopped: the link ended in mid-print (power, crash or kill). The printer answers again and its heaters were switched off.",
    )
}

pub(in crate::printer) fn stop_unanswered() -> Finding {
    Finding::refuse(
        "stop_unanswered",
        "The printer did not confirm the emergency stop. Switch it off at its own switch now.",
    )
}

pub(in crate::printer) fn cancelled() -> Finding {
    Finding::info(
        "cancelled",
        "The print was given up by a person; parked, heaters off.",
    )
}

pub(in crate::printer) fn link_ended() -> Finding {
    Finding::refuse(
        "link_stopped",
        "The print was stopped because the link was told to end; it was told to lift the head and to switch its heaters off.",
    )
}

pub(in crate::printer) fn end_position() -> Finding {
    Finding::refuse(
        "position_differs",
        "Every line was sent, but the printer does not stand where the plan ends. The part can not be trusted; look at cable and mechanics.",
    )
}

pub(super) fn waits_for_person(left_min: f64, hot: bool, in_print: bool) -> Finding {
    let heat = match (hot, in_print) {
        (true, _) => {
            format!(" Its heaters stay on for at most {left_min:.0} min more; then it is stopped.")
        }
        (false, true) => format!(" After {left_min:.0} min more the print is stopped."),
        (false, false) => String::new(),
    };
    Finding::warn(
        "waits_for_person",
        format!(
            "The printer waits for a person: look at its own display (filament, message).{heat}"
        ),
    )
}

pub(super) fn bad_line() -> Finding {
    Finding::warn(
        "bad_line",
        "More than one line in ten had to be sent again; the print is held. Look at the cable, then resume or cancel.",
    )
    .at_most(0.1)
}

pub(in crate::printer) fn targets_lost() -> Finding {
    Finding::refuse(
        "printer_reset",
        "The print was stopped: the printer switched its heaters off by itself. Look at its display and at power.",
    )
}
