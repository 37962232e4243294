//! Modes: what G90 and G91 mean for E is not the same everywhere, and a hold has pushes of its own.

use super::receipt::absolute;
use crate::printer::rig::{Rig, part};
use crate::printer::virtual_printer::Dialect;
use crate::printer::wire::Phase;

/// A print that is held and goes on makes the file's moves, and besides them pulls back and primes: nowhere as much as the
/// whole of what was pushed.
#[test]
fn a_hold_pushes_as_much_as_it_should_whatever_the_firmware_makes_of_g91() {
    let firmwares = [
        Dialect::Marlin21,
        Dialect::Prusa311,
        Dialect::Prusa314,
        Dialect::Buddy,
        Dialect::Duet,
        Dialect::Klipper,
        Dialect::Repetier,
    ];
    for firmware in firmwares {
        // There no tool is chosen by itself.
        let tool = if firmware == Dialect::Duet {
            "T0\n"
        } else {
            ""
        };
        for (mode, text) in [("M83", part(3, 900)), ("M82", absolute(700))] {
            let text = format!("{tool}{text}");
            let mut rig = Rig::of(firmware, &text, 3);
            rig.begin();
            let moves = rig.until(900.0, |rig| rig.executed().len() > 40);
            assert!(moves, "{firmware:?} {mode}: {:?}", rig.fault());
            rig.conductor.pause(rig.ms()).unwrap();
            let held = |rig: &mut Rig| rig.job().is_some_and(|j| j.phase == Phase::Paused);
            assert!(rig.until(60.0, held), "{firmware:?} {mode}");
            rig.conductor.resume(rig.ms()).unwrap();
            let job = rig.finish();
            assert_eq!(
                job.phase,
                Phase::Printed,
                "{firmware:?} {mode}: {:?}",
                job.fault
            );
            let executed = rig.executed();
            let mut moves = executed.iter();
            for planned in rig.planned() {
                let made = moves.any(|done| done[..3] == planned[..3]);
                assert!(made, "{firmware:?} {mode}: missing {planned:?}");
            }
            // Units of 1e-4 mm: 0.2 mm are primed besides.
            let steps = |at: usize| (executed[at][3] - executed[at - 1][3]).abs();
            let most = (1..executed.len()).map(steps).max().unwrap();
            assert!(
                most <= 12_500,
                "{firmware:?} {mode}: {most} pushed in one move"
            );
        }
    }
}
