//! A buffer that several threads write at once, each its own voxels.

use super::memory::Line;
use std::marker::PhantomData;

/// Exclusive access to some lines, shared out between the units of one layer. Each unit writes lines that no other
/// unit touches; which ones, the drivers say.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    at: *mut Line,
    len: usize,
    borrowed: PhantomData<&'a mut [Line]>,
}

// SAFETY: plain numbers; that no line is used by two threads is promised at every access.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(lines: &'a mut [Line]) -> Self {
        Self {
            at: lines.as_mut_ptr(),
            len: lines.len(),
            borrowed: PhantomData,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Safety
    /// `i < len`, and no other thread touches this line meanwhile.
    #[inline(always)]
    pub(super) unsafe fn line(&self, i: usize) -> *mut Line {
        debug_assert!(i < self.len);
        // SAFETY: inside the slice.
        unsafe { self.at.add(i) }
    }
}
