//! Signals: SIGTERM and SIGINT become a note for the loop.

use super::Note;
use tokio::signal::unix::{SignalKind, signal};

/// Watches from a thread of its own, for as long as the process lives.
pub(super) fn watch(tell: impl Fn(Note) + Send + 'static) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        let watched = runtime.and_then(|runtime| {
            runtime.block_on(async {
                let mut term = signal(SignalKind::terminate())?;
                let mut int = signal(SignalKind::interrupt())?;
                loop {
                    tokio::select! {
                        _ = term.recv() => tell(Note::Terminate),
                        _ = int.recv() => tell(Note::Terminate),
                    }
                }
            })
        });
        let outcome: std::io::Result<()> = watched;
        if let Err(error) = outcome {
            tracing::error!(%error, "signals can not be watched");
        }
    });
}
