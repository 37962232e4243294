//! Faults: what stopped a print, in plain language, with a stable name.

use super::super::transport::LineFault;
use crate::status::Finding;

pub(super) fn of_line(fault: &LineFault) -> Finding {
    let (name, next) = match fault {
        LineFault::Silent { .. } => (
            "printer_silent",
            "Look at cable and power; if the printer is hot, use its own switch.",
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
    };
    Finding::refuse(name, format!("The print was stopped: {fault}. {next}"))
}

pub(super) fn was_reset() -> Finding {
    Finding::refuse(
        "printer_reset",
        "The print was stopped: the printer was reset in mid-print and has lost its position. Look at power and cable; clear the bed.",
    )
}

pub(super) fn gone() -> Finding {
    Finding::refuse(
        "printer_gone",
        "The print was stopped: the port went away and did not come back in time. Look at cable and power; if the printer is hot, use its own switch.",
    )
    .value(super::GONE_MAX_MS as f64 / 1e3, "s")
}

pub(super) fn cold_extrusion() -> Finding {
    Finding::refuse(
        "cold_extrusion",
        "The print was stopped: the printer refused to extrude because the nozzle is too cold. Look at the hotend.",
    )
}

/// The firmware's own words; thermal faults by the name of their heater.
pub(super) fn halted(text: &str) -> Finding {
    let lower = text.to_ascii_lowercase();
    let thermal = ["thermal", "heating failed", "maxtemp", "mintemp"]
        .iter()
        .any(|word| lower.contains(word));
    let heater = if lower.contains("bed") {
        "bed"
    } else {
        "hotend"
    };
    if thermal {
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

/// Why a job ended: true whether or not the printer has confirmed.
pub(super) fn emergency() -> Finding {
    Finding::refuse(
        "emergency_stop",
        "The print was ended by the emergency stop. When it is safe, let the printer recover and clear the bed.",
    )
}

/// On the wire, nothing heard yet.
pub(super) fn stop_sent() -> Finding {
    Finding::refuse(
        "stop_sent",
        "Emergency stop sent, waiting for the printer to confirm it. If it still moves or heats, use its own switch.",
    )
}

/// The firmware said that it halted; a halted Marlin has its heaters and motors off.
pub(super) fn stop_confirmed() -> Finding {
    Finding::refuse(
        "emergency_stop",
        "Emergency stop. The printer confirmed it: everything is off. When it is safe, let the printer recover and clear the bed.",
    )
}

/// A print that the end of the link interrupted, once the printer has taken the order to switch its heaters off.
pub(super) fn restarted_and_off() -> Finding {
    Finding::refuse(
        crate::printer::journal::LINK_RESTARTED,
        "The print was stopped: the link ended in mid-print (power, crash or kill). The printer answers again and its heaters were switched off. Clear the bed and print again.",
    )
}

pub(super) fn stop_unanswered() -> Finding {
    Finding::refuse(
        "stop_unanswered",
        "The printer did not confirm the emergency stop. Switch it off at its own switch now.",
    )
}

pub(super) fn cancelled() -> Finding {
    Finding::info(
        "cancelled",
        "The print was given up by a person; parked, heaters off.",
    )
}

pub(super) fn link_ended() -> Finding {
    Finding::refuse(
        "link_stopped",
        "The print was stopped because the link was told to end; it was told to lift the head and to switch its heaters off. Clear the bed and print again.",
    )
}

pub(super) fn end_position() -> Finding {
    Finding::refuse(
        "position_differs",
        "Every line was sent, but the printer does not stand where the plan ends. The part can not be trusted; look at cable and mechanics.",
    )
}

pub(super) fn waits_for_person() -> Finding {
    Finding::warn(
        "waits_for_person",
        "The printer waits for a person: look at its own display (filament, message).",
    )
}

pub(super) fn bad_line() -> Finding {
    Finding::warn(
        "bad_line",
        "More than one line in ten had to be sent again; the print is held. Look at the cable, then resume or cancel.",
    )
    .at_most(0.1)
}

pub(super) fn targets_lost() -> Finding {
    Finding::refuse(
        "printer_reset",
        "The print was stopped: the printer switched its heaters off by itself. Look at its display and at power.",
    )
}
