//! Memory of the engine: lines of 16 numbers, one cache line each, asked for once and refused as a value.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Sixteen channels of one voxel: 64 bytes, one AVX-512 register, two of AVX2, four of NEON.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(in super::super) struct Line(pub(in super::super) [f32; 16]);

impl Line {
    /// All zero.
    pub(in super::super) const ZERO: Self = Self([0.0; 16]);
}

/// Memory that could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct OutOfMemory {
    /// Bytes that were asked for.
    pub(in super::super) bytes: usize,
}

/// An owned slice of zeroed lines. Unlike `vec![..]` it returns an error when there is no memory, and untouched
/// pages cost nothing.
#[derive(Debug)]
pub(in super::super) struct Lines {
    /// What was allocated; the lines begin at its first multiple of 64.
    block: NonNull<u8>,
    layout: Layout,
    at: NonNull<Line>,
    len: usize,
}

// SAFETY: `Lines` owns plain numbers, as a `Box<[Line]>` would.
unsafe impl Send for Lines {}
// SAFETY: shared access only hands out `&[Line]`.
unsafe impl Sync for Lines {}

impl Lines {
    pub(in super::super) fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        const LINE: usize = size_of::<Line>();
        let bytes = len.saturating_mul(LINE);
        let refused = OutOfMemory { bytes };
        // Asked for with a small alignment and a line more: with a large one the standard library would clear, and
        // so touch, every page itself instead of taking zeroed ones.
        let layout =
            Layout::from_size_align(bytes.saturating_add(LINE), 16).map_err(|_| refused)?;
        // SAFETY: the layout is not empty.
        let block = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(refused)?;
        // SAFETY: fewer than LINE bytes further is inside the block, which has LINE bytes more than the lines.
        let at = unsafe { block.add(block.align_offset(LINE)) }.cast::<Line>();
        large_pages(at, bytes);
        Ok(Self {
            block,
            layout,
            at,
            len,
        })
    }
}

/// An empty vector with room for `len` numbers, or an error where there is no memory.
pub(in super::super) fn room(len: usize) -> Result<Vec<f32>, OutOfMemory> {
    let mut numbers: Vec<f32> = Vec::new();
    let bytes = len.saturating_mul(size_of::<f32>());
    let refused = |_| OutOfMemory { bytes };
    numbers.try_reserve_exact(len).map_err(refused)?;
    if let Some(at) = NonNull::new(numbers.as_mut_ptr()) {
        large_pages(at.cast(), bytes);
    }
    Ok(numbers)
}

/// Asks Linux for 2 MiB pages: a run touches hundreds of MiB once, and 4 KiB at a time that costs several percent.
fn large_pages(at: NonNull<Line>, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let start = at.as_ptr().addr().next_multiple_of(PAGE);
        let end = (at.as_ptr().addr() + bytes) / PAGE * PAGE;
        if end > start && end - start >= 4 << 20 {
            let from = at.as_ptr().with_addr(start).cast();
            // A refusal changes nothing but speed.
            // SAFETY: the range lies inside our allocation, and the advice does not change its contents.
            let _ = unsafe {
                rustix::mm::madvise(from, end - start, rustix::mm::Advice::LinuxHugepage)
            };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (at, bytes);
}

impl Drop for Lines {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this very layout.
        unsafe { dealloc(self.block.as_ptr(), self.layout) };
    }
}

impl Deref for Lines {
    type Target = [Line];
    fn deref(&self) -> &[Line] {
        // SAFETY: `len` lines were allocated and zeroed; any bits are valid numbers.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_zero_and_aligned() {
        let lines = Lines::zeroed(100_000).unwrap();
        assert_eq!(lines.as_ptr().addr() % 64, 0);
        assert!(lines.iter().all(|line| *line == Line::ZERO));
        assert_eq!(Lines::zeroed(0).unwrap().len(), 0);
    }

    #[test]
    fn memory_that_is_not_there_is_an_error_and_no_abort() {
        for len in [usize::MAX, usize::MAX / 128, 1 << 52] {
            let error = Lines::zeroed(len).unwrap_err();
            assert_eq!(error.bytes, len.saturating_mul(64));
        }
        assert!(room(usize::MAX).is_err() && room(1 << 54).is_err());
        assert!(room(5 << 20).unwrap().capacity() >= 5 << 20);
    }
}
