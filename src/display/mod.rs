//! Display: the LCD's screens; no state of its own.
//!
//! In:    [`Snapshot`]s, preview pictures of cases (PNG), a size in pixels known at run time.
//! Out:   frames: PNG files in a folder, or rows of a framebuffer device.
//! Holds: the same snapshot gives the same pixels, byte for byte (no anti-aliasing, no clock, no random). A word and
//!        a shape stand beside every colour. Codes only, never a name.
//! Never: draws more than one frame ahead; waits for anybody; ends the station when the panel is gone.
//!
//! The way of a frame: `screens` decides what matters and lays it out, `text` finds the largest font that fits,
//! `canvas` holds the pixels, `output` carries them out.

use crate::status::Snapshot;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

mod canvas;
mod framebuffer;
mod output;
mod picture;
mod screens;
mod text;

pub use canvas::Canvas;
pub use output::{Output, png_of};
pub use picture::Picture;
pub use screens::{Screen, draw, screen_of};

/// Redrawn this often while something flashes or runs.
const PACE: Duration = Duration::from_millis(250);

/// Draws until the station has gone. `cases` is the folder of the cases, for their pictures.
pub fn run(mut output: Output, cases: &Path, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let (width, height) = output.size();
    let mut canvas = Canvas::new(width, height);
    let mut pictures = picture::Pictures::new(cases);
    let mut tick = 0u32;
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        // A fault flashes at 2 Hz (people.md 2): on for one tick, off for the next. Files do not flash.
        let lit = !output.flashes() || tick.is_multiple_of(2);
        let picture = pictures.of(screens::pictured(&snapshot));
        draw(&mut canvas, &snapshot, picture, lit);
        if let Err(error) = output.show(&canvas, screen_of(&snapshot)) {
            // The panel may come back; the station goes on without it.
            tracing::warn!(kind = ?error.kind(), "the display can not be written");
            std::thread::sleep(Duration::from_secs(5));
        }
        std::thread::sleep(PACE);
        tick = tick.wrapping_add(1);
        match snapshots.has_changed() {
            Ok(true) => {}
            Ok(false) if output.flashes() => {}
            Ok(false) => {
                // Nothing moves: look again soon, without drawing.
                while matches!(snapshots.has_changed(), Ok(false)) {
                    std::thread::sleep(PACE);
                }
            }
            Err(_) => return,
        }
    }
}
