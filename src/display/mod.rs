//! Display: the LCD's screens; no state of its own.
use crate::status::Snapshot;
use std::sync::Arc;
use tokio::sync::watch;
/// Where screens go.
pub struct Output;
impl Output {
    /// Opens it.
    pub fn open(_output: &str, _px: (u32, u32)) -> std::io::Result<Option<Self>> {
        Ok(None)
    }
}
/// Draws until the station has gone.
pub fn run(_output: Output, _snapshots: watch::Receiver<Arc<Snapshot>>) {}
