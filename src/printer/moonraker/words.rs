//! Words: what stopped a print behind Moonraker, or keeps one from beginning, in plain language with a stable name. What is
//! said on any way to a printer stands with the conductor's faults.

use super::api::Trouble;
use crate::printer::transport::Millis;
use crate::status::Finding;

/// Nobody answers for so long, and it is said.
pub(super) const AWAY_MS: Millis = 60_000;
/// So much longer than the plan has left, times 1.5, a printer may be away before its print ends here.
pub(super) const AWAY_MORE_MS: Millis = 1_800_000;
/// Name of what is said of a printer that is away in a print.
pub(super) const AWAY: &str = "printer_away";

pub(super) fn nobody_answers(port: &str, trouble: &Trouble) -> Finding {
    Finding::refuse(
        "printer_silent",
        format!(
            "Not connected: nobody answers at {port} ({trouble}). Look at the printer's power and its network."
        ),
    )
}

pub(super) fn no_key() -> Finding {
    Finding::refuse(
        "no_key",
        "Not connected: Moonraker wants a key. Put the printer's API key into a file and name it in printer.api_key_file, or let this station's address in Moonraker's [authorization] trusted_clients.",
    )
}

pub(super) fn klipper_away(text: &str) -> Finding {
    Finding::refuse(
        "klipper_away",
        format!(
            "Not connected: Moonraker answers, and Klipper behind it does not ({text}). Look at Klipper's own page."
        ),
    )
}

pub(super) fn not_ready(message: &str) -> Finding {
    Finding::refuse(
        "klipper_not_ready",
        format!("Klipper is not ready: {message} Look at Klipper's own page."),
    )
}

pub(super) fn lacks(missing: &str) -> Finding {
    Finding::refuse(
        "klipper_lacks",
        format!(
            "Klipper's configuration has no {missing}, without which nothing can be printed from here. Add it there and restart Klipper."
        ),
    )
}

pub(super) fn other_printer(found: &str, before: &str, in_print: bool) -> Finding {
    let what = if in_print {
        "The print was stopped: another"
    } else {
        "Another"
    };
    Finding::refuse(
        "other_printer",
        format!(
            "{what} printer answers ({found}, before {before}). Nothing was ordered of it. The first one may still be hot and may still print: look at it, and use its own switch. If this printer is meant, let it recover."
        ),
    )
}

pub(super) fn away() -> Finding {
    Finding::warn(
        AWAY,
        "The printer has not answered for a minute. It prints on by itself as long as it has power, and is looked at when it answers again. An emergency stop from here may not reach it: use its own switch if it must stop.",
    )
}

pub(super) fn not_begun() -> Finding {
    Finding::refuse(
        "printer_gone",
        "The print was not begun: the printer did not answer any more. Look at its power and its network, then release it again.",
    )
}

pub(super) fn never_back() -> Finding {
    Finding::refuse(
        "printer_gone",
        "The print was stopped: the printer has not answered for longer than the print could last. What it made is not known; look at it, and use its own switch if it is hot.",
    )
}

pub(super) fn cancelled_away() -> Finding {
    Finding::refuse(
        "cancelled",
        "The print was given up by a person, but the printer does not answer: it prints on until it hears of it. Use its own switch if it must stop now.",
    )
}

pub(super) fn unknown_commands(words: &str) -> Finding {
    Finding::refuse(
        "unknown_commands",
        format!(
            "The file uses {words}, which this printer's Klipper does not know and would leave out without a word. Nothing was printed. Write a macro of that name in its configuration, or choose the profile of this printer."
        ),
    )
}

pub(super) fn not_stored(why: &str) -> Finding {
    Finding::refuse(
        "not_stored",
        format!(
            "The print was not begun: the file could not be stored at the printer as it is ({why}). Look at its disk and its network."
        ),
    )
}

pub(super) fn not_started(why: &str) -> Finding {
    Finding::refuse(
        "not_started",
        format!(
            "The print was stopped: the printer did not begin it ({why}). Look at Klipper's own page, then release it again."
        ),
    )
}

pub(super) fn foreign(name: &str) -> Finding {
    Finding::warn(
        "other_print",
        format!(
            "Somebody prints {name} at Klipper's own page. Nothing is printed from here until that has ended."
        ),
    )
}

pub(super) fn foreign_began(name: &str) -> Finding {
    Finding::refuse(
        "other_print",
        format!(
            "The print was stopped: somebody prints {name} at Klipper's own page. That print was left alone; clear the bed when it has ended."
        ),
    )
}

pub(super) fn another_run() -> Finding {
    Finding::refuse(
        "another_run",
        "The print was stopped: its file was begun anew at the printer, or its computer was restarted. Heaters were ordered off. Clear the bed.",
    )
}

pub(super) fn taken_back() -> Finding {
    Finding::refuse(
        "printer_reset",
        "The print was stopped: Klipper was restarted in mid-print, or its file was put away at its own page. Look at power and at Klipper's log.",
    )
}

pub(super) fn other_size() -> Finding {
    Finding::refuse(
        "file_changed",
        "The print was stopped: the file that the printer reads has another size than the one that was stored there. Heaters were ordered off. Clear the bed.",
    )
}

pub(super) fn stuck() -> Finding {
    Finding::refuse(
        "stuck",
        "The print was stopped: the printer stays at one line for too long. Look at it; if it is hot, use its own switch.",
    )
}

pub(super) fn astray() -> Finding {
    Finding::refuse(
        "position_differs",
        "The print was stopped: the head stands where no line of the file has it. Did somebody move it at Klipper's own page? The part can not be trusted.",
    )
}

pub(super) fn other_heat() -> Finding {
    Finding::refuse(
        "heat_differs",
        "The print was stopped: a heater is set to another temperature than the file has it. Did somebody change it at Klipper's own page? The part can not be trusted.",
    )
}

pub(super) fn other_height() -> Finding {
    Finding::refuse(
        "height_differs",
        "The print was stopped: somebody changed the height (Z offset) at Klipper's own page by more than the profile allows while printing. The part can not be trusted.",
    )
}

pub(super) fn no_commands() -> Finding {
    Finding::refuse(
        "klipper_lacks",
        "Klipper does not tell which commands it knows, so that a file can not be compared with them, and an unknown one would be left out without a word. Nothing is printed. Update Klipper.",
    )
}

pub(super) fn other_end() -> Finding {
    Finding::refuse(
        "position_differs",
        "The file was carried out, but the printer does not stand where the plan ends. The part can not be trusted; do macros of the printer move the head?",
    )
}

pub(super) fn not_whole() -> Finding {
    Finding::refuse(
        "count_differs",
        "The printer calls the print complete, but it has not read the file to its end. The part can not be trusted.",
    )
}

pub(super) fn other_filament(used_mm: f64, plan_mm: f64) -> Finding {
    Finding::refuse(
        "filament_differs",
        format!(
            "The file was carried out, but the printer counts {used_mm:.1} mm of filament where the plan has {plan_mm:.1}. The part can not be trusted."
        ),
    )
}

pub(super) fn not_proved() -> Finding {
    Finding::refuse(
        "position_differs",
        "The printer calls the print complete, but does not come to rest or does not say where. The part can not be trusted.",
    )
}

pub(super) fn paused_there() -> Finding {
    Finding::warn(
        "paused_there",
        "The print is held at the printer, by a person there or by a sensor. Look at Klipper's own page; its head may stand on the part.",
    )
}

pub(super) fn resumed_cold() -> Finding {
    Finding::refuse(
        "cold_extrusion",
        "The print was stopped: it was let go on at the printer while its heaters were off for the hold. Clear the bed; go on from this station after a long hold.",
    )
}

pub(super) fn hold_in_doubt() -> Finding {
    Finding::refuse(
        "hold_failed",
        "The print was stopped: the printer did not carry out the moves around the hold, or did not say so. The part can not be trusted.",
    )
}

pub(super) fn does_not_hold(text: &str) -> Finding {
    Finding::warn(
        "hold_refused",
        format!("The printer does not hold the print ({text}). It prints on."),
    )
}

pub(super) fn does_not_go_on() -> Finding {
    Finding::warn(
        "does_not_go_on",
        "The printer took the order to go on, and still holds the print. Look at Klipper's own page, then try again or give it up.",
    )
}

pub(super) fn cancel_waits() -> Finding {
    Finding::warn(
        "cancel_waits",
        "The print is given up, but the printer is in a line that it can not leave (heating, homing): it hears of it behind that. Use the emergency stop if it must end now. In at most 5 min it is stopped by emergency stop.",
    )
}

pub(super) fn does_not_cool() -> Finding {
    Finding::refuse(
        "printer_hot",
        "The printer was told to switch its heaters off.",
    )
}
