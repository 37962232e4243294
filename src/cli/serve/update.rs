//! What is shown of updates, read from what the installing process keeps.

use crate::status::UpdateView;
use crate::update::state::{Folder, boot_id};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Read again after this long.
const LOOK: Duration = Duration::from_secs(1);

/// Puts an uploaded bundle where the unit that installs looks for one. One that is there is replaced: it was not begun.
pub(super) fn hand_in(data: &Path) -> Arc<dyn Fn(&Path) -> std::io::Result<()> + Send + Sync> {
    let folder = Folder::of(data);
    Arc::new(move |path| folder.take_bundle(path))
}

/// Gives it at any time, for this data folder.
pub(super) fn shown(data: &Path) -> Arc<dyn Fn() -> UpdateView + Send + Sync> {
    let (folder, boot) = (Folder::of(data), boot_id());
    let known: Mutex<Option<(Instant, UpdateView)>> = Mutex::default();
    Arc::new(move || {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((at, view)) if at.elapsed() < LOOK => view.clone(),
            _ => {
                let view = folder.view(&boot);
                *known = Some((Instant::now(), view.clone()));
                view
            }
        }
    })
}
