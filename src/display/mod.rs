//! Display: the LCD's screens; no state of its own.
//!
//! In:    [`Snapshot`]s, preview pictures of cases (PNG), a size in pixels known at run time.
//! Out:   frames: PNG files in a folder, or rows of a framebuffer device.
//! Holds: the same snapshot gives the same pixels, byte for byte (no anti-aliasing, no clock, no random). A word and
//!        a shape stand beside every colour. Codes only, never a name.
//! Never: draws more than one frame ahead; waits for anybody; ends the station when the panel is gone.
//!
//! The way of a frame: `choice` decides what matters, `screens` says what stands where, `page` and `body` lay it out,
//! `text` finds the largest font that fits, `canvas` holds the pixels, `output` carries them out.

use crate::status::{Heater, PrinterView, Snapshot};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

mod body;
mod canvas;
mod choice;
mod framebuffer;
mod output;
mod page;
mod picture;
mod reentry;
mod screens;
mod text;

pub use canvas::Canvas;
pub use choice::{Screen, screen_of};
pub use output::{Output, png_of};
pub use picture::Picture;
pub use screens::draw;

/// Redrawn this often while something flashes or runs.
const PACE: Duration = Duration::from_millis(250);

/// Draws until the station has gone. `cases` is the folder of the cases, for their pictures.
pub fn run(mut output: Output, cases: &Path, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let (width, height) = output.size();
    let mut canvas = Canvas::new(width, height);
    let mut pictures = picture::Pictures::new(cases);
    let mut tick = 0u32;
    let mut shown: Option<(Arc<Snapshot>, bool)> = None;
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        // A fault flashes at 2 Hz: on for one tick, off for the next. Files do not flash.
        let lit = !output.flashes() || tick.is_multiple_of(2);
        let is_new = shown
            .as_ref()
            .is_none_or(|(old, was_lit)| *was_lit != lit || !looks_alike(old, &snapshot));
        if is_new {
            let picture = pictures.of(choice::pictured(&snapshot));
            draw(&mut canvas, &snapshot, picture, lit);
            match output.show(&canvas, screen_of(&snapshot)) {
                Ok(()) => shown = Some((snapshot, lit)),
                Err(error) => {
                    // The panel may come back; the station goes on without it.
                    tracing::warn!(kind = ?error.kind(), "the display can not be written");
                    std::thread::sleep(Duration::from_secs(5));
                }
            }
        }
        std::thread::sleep(PACE);
        let flashes = output.flashes()
            && (shown.as_ref()).is_some_and(|(s, _)| screen_of(s) == Screen::Attention);
        if flashes {
            tick = tick.wrapping_add(1);
        } else {
            tick = 0;
        }
        // Nothing moves: look again soon, without drawing.
        while !flashes && shown.is_some() && matches!(snapshots.has_changed(), Ok(false)) {
            std::thread::sleep(PACE);
        }
        if snapshots.has_changed().is_err() {
            return;
        }
    }
}

/// A station at rest publishes every second or so what nobody sees: only what can reach the screen counts.
/// Temperatures are shown in whole degrees.
fn looks_alike(a: &Snapshot, b: &Snapshot) -> bool {
    let whole = |heater: Option<Heater>| heater.map(|h| (h.now_c.round(), h.target_c.round()));
    let hot = |s: &Snapshot| (whole(s.printer.hotend), whole(s.printer.bed));
    let cold = |s: &Snapshot| PrinterView {
        hotend: None,
        bed: None,
        ..s.printer.clone()
    };
    a.station.starting == b.station.starting
        && a.station.attention == b.station.attention
        && a.station.address == b.station.address
        && hot(a) == hot(b)
        && a.jobs == b.jobs
        && cold(a) == cold(b)
}
