//! Fail points: the process dies between a commit and its effect when a test asks for it.

use std::sync::OnceLock;

/// Aborts when the environment says `CALVARIA_FAIL_AT=name`. Costs one comparison otherwise.
pub(super) fn hit(name: &str) {
    static AT: OnceLock<Option<String>> = OnceLock::new();
    let at = AT.get_or_init(|| std::env::var("CALVARIA_FAIL_AT").ok());
    if at.as_deref() == Some(name) {
        // Like a power cut: no destructor, no flush, no goodbye.
        std::process::abort();
    }
}
