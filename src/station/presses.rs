//! Presses of the emergency stop that the engine has not written down yet.

use std::sync::atomic::{AtomicU32, Ordering};

/// The lowest bit: the link took one of them.
const TAKEN: u32 = 1;
/// One press, above that bit.
const ONE: u32 = 2;

/// How often it was pressed, and whether the link answered one of the presses. In one word, so that both are of the
/// same presses.
#[derive(Debug, Default)]
pub(super) struct Presses(AtomicU32);

impl Presses {
    /// Counts a press; true when the engine does not know of one yet.
    pub(super) fn add(&self, taken: bool) -> bool {
        let more = |n: u32| Some(n.saturating_add(ONE) | u32::from(taken));
        let before = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        before == Ok(0)
    }

    /// Presses since the last time, and whether the link took one of them.
    pub(super) fn take(&self) -> (u32, bool) {
        let n = self.0.swap(0, Ordering::SeqCst);
        (n / ONE, n & TAKEN != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presses_are_counted_once_and_one_that_was_taken_is_enough() {
        let presses = Presses::default();
        assert_eq!(presses.take(), (0, false));
        assert!(presses.add(false));
        assert!(!presses.add(true));
        assert!(!presses.add(false));
        assert_eq!(presses.take(), (3, true));
        assert!(presses.add(false));
        assert_eq!(presses.take(), (1, false));
    }
}
