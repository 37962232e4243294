//! Interrupt: Ctrl-C, Ctrl-\, TERM and a terminal that is closed become a word that every wait of the demo looks for, so that
//! its processes are ended and its folder is removed on the usual way out.

use super::super::Failure;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

static CAME: AtomicBool = AtomicBool::new(false);

/// Watches from a thread of its own, from before the first process on.
pub(super) fn watch() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(Failure::failed)?;
    let watched = runtime.block_on(async {
        let kinds = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::hangup(),
        ];
        let [term, int, quit, hangup] = kinds.map(signal);
        std::io::Result::Ok((term?, int?, quit?, hangup?))
    });
    let (mut term, mut int, mut quit, mut hangup) = watched.map_err(Failure::failed)?;
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
                _ = quit.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        CAME.store(true, Ordering::Relaxed);
        // Further signals change nothing: the way out is short and has its own limits.
        loop {
            std::thread::park();
        }
    };
    let thread = std::thread::Builder::new().name("signals".into());
    thread.spawn(wait).map(drop).map_err(Failure::failed)
}

/// Sleeps; an error once a signal came.
pub(super) fn sleep(pause: Duration) -> Result<(), Failure> {
    std::thread::sleep(pause);
    if CAME.load(Ordering::Relaxed) {
        return Err(Failure::failed("the demo was interrupted and put away"));
    }
    Ok(())
}
