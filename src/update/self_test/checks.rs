//! The checks that need nothing but rooms below: models, profiles, printer, disk, clock.

use super::{Fault, Hands, Seen};
use crate::design::probe;
use crate::gcode::{Material, Printer};
use crate::network::Device;
use crate::printer::client::{Client, ClientError, SOCKET};
use crate::printer::wire::Command;
use crate::status::{PrinterState, Reason, built_s};
use std::path::Path;
use std::time::{Duration, Instant};

/// The network's answer about the box has at least this DSC with its truth. Measured 0.47 (AVX-512 and AVX2): cut out of its
/// head, a hole is answered worse than it is. Weights that do not fit their program answer nothing, or something else.
pub(super) const NETWORK_LEAST: f64 = 0.35;
/// The same of the whole line. Measured 0.896 (AVX-512).
pub(super) const LINE_LEAST: f64 = 0.8;
/// A machine on which the network took longer over its box is emulated, or stands still: it takes ten minutes and more for
/// the whole line, and is not kept from its slot by that. On a box the network takes a second.
const SLOW: Duration = Duration::from_secs(15);
/// A link that lives answers within this time.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const INSTALL: &str = "Install this version again, or go back to the one before.";

/// Do the models answer? And how long it took.
pub(super) fn models(hands: &Hands<'_>) -> (Seen, Duration) {
    let began = Instant::now();
    let seen = judged(
        hands,
        probe::network_answer,
        (NETWORK_LEAST, "The network found the phantom's hole"),
    );
    (seen, began.elapsed())
}

/// Does the whole line find a phantom's hole? Not asked where the network alone took `took` and that is too long.
pub(super) fn line(hands: &Hands<'_>, took: Duration) -> Seen {
    if took > SLOW {
        let text = "This machine is too slow for the whole line: the network alone was asked.";
        return Seen::skipped(text, "");
    }
    judged(
        hands,
        probe::whole_line,
        (LINE_LEAST, "The whole line found the phantom's hole"),
    )
}

type Ask = fn(Option<&Path>, Device) -> Result<probe::Answered, Reason>;

fn judged(hands: &Hands<'_>, ask: Ask, (least, found): (f64, &str)) -> Seen {
    let asked = hands.model.as_deref();
    let place = crate::network::find(asked).map_or(String::new(), |p| p.display().to_string());
    match ask(asked, hands.device) {
        Ok(answer) if answer.dsc >= least => {
            let text = format!(
                "{found} (DSC {:.3}, {:.1} of {:.1} ml, weights {}, {}).",
                answer.dsc, answer.found_ml, answer.truth_ml, answer.weights, answer.device
            );
            Seen::ok(text, place)
        }
        Ok(answer) => {
            let text = format!(
                "The phantom's hole was not found as it is: DSC {:.3}, at least {least} is wanted.",
                answer.dsc
            );
            Seen::failed(Fault::Slot, text, place, INSTALL)
        }
        Err(why) => Seen::failed(Fault::Slot, why.text, place, &why.next),
    }
}

/// The configured profiles, and every other one that people may choose.
pub(super) fn profiles(hands: &Hands<'_>) -> Seen {
    let printers = named(&hands.printer, Printer::names());
    let materials = named(&hands.material, Material::names());
    let of_printer = printers.iter().map(|n| Printer::load(n).map(drop));
    let of_material = materials.iter().map(|n| Material::load(n).map(drop));
    let wrong: Vec<String> = of_printer
        .chain(of_material)
        .filter_map(|read| read.err().map(|e| e.to_string()))
        .collect();
    let place = "printer-profiles";
    if wrong.is_empty() {
        let text = format!(
            "{} printer and {} material profiles can be used.",
            printers.len(),
            materials.len()
        );
        return Seen::ok(text, place);
    }
    Seen::failed(Fault::Slot, wrong.join(" "), place, "Mend the profile.")
}

/// The configured one first, whether it is there or not.
fn named(configured: &str, mut known: Vec<String>) -> Vec<String> {
    known.retain(|name| name != configured);
    known.insert(0, configured.to_owned());
    known
}

pub(super) fn printer(hands: &Hands<'_>) -> Seen {
    let socket = hands.data.join(SOCKET);
    let place = socket.display().to_string();
    let asked = Client::connect(&socket, ANSWER_MAX).and_then(|mut c| c.ask(Command::Status));
    let status = match asked {
        Ok(status) => status,
        Err(ClientError::Connect { .. }) if !hands.station_runs => {
            return Seen::skipped("No station runs here, and no printer link.", place);
        }
        Err(error) => {
            let next = "Look at the log of calvaria-printer.";
            return Seen::failed(Fault::Slot, error.to_string(), place, next);
        }
    };
    let of = status.port.clone();
    let around = |what: String, next: &str| Seen::failed(Fault::Surroundings, what, of, next);
    match status.state {
        PrinterState::Idle | PrinterState::Printing | PrinterState::Paused => {
            Seen::ok(format!("{} answers.", status.name), status.port)
        }
        PrinterState::Halted => around(
            "The printer is halted.".into(),
            "Look at it, then reset it on the page.",
        ),
        PrinterState::Disconnected | PrinterState::LinkDown => around(
            "The link runs, and no printer answers it.".into(),
            "Switch the printer on and check its cable.",
        ),
    }
}

pub(super) fn disk(hands: &Hands<'_>) -> Seen {
    let place = hands.data.display().to_string();
    let Ok(disk) = rustix::fs::statvfs(&hands.data) else {
        return Seen::skipped("There is no data folder yet.", place);
    };
    let mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    if mib >= hands.free_mib_min {
        return Seen::ok(format!("{mib} MiB are free."), place);
    }
    let text = format!(
        "{mib} MiB are free, and no scan is taken below {}.",
        hands.free_mib_min
    );
    Seen::failed(Fault::Surroundings, text, place, "Free space.")
}

pub(super) fn clock(now_s: i64) -> Seen {
    if now_s >= built_s() {
        return Seen::ok("The clock is set.", "");
    }
    let text = "The clock is not set: it shows a time before this program was made.";
    let next = "Give the box a time server or set its clock.";
    Seen::failed(Fault::Surroundings, text, "", next)
}
