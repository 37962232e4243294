//! What the engine asks of a GPU: memory, copies, launches, in one order. CUDA answers it, and in tests a process that
//! runs the kernels on the CPU, and a GPU that fails on purpose.

use super::Fault;
use super::schedule::Launch;
use std::fmt;

/// One GPU with the kernels loaded. Everything that is asked for happens in that order.
pub(in crate::network) trait Gpu: fmt::Debug + Send {
    /// Kind and number, as the record names it.
    fn name(&self) -> String;

    /// Address of `bytes` new bytes, a multiple of 256.
    ///
    /// # Errors
    /// [`Fault::OutOfMemory`], or a GPU that is lost.
    fn allocate(&mut self, bytes: usize) -> Result<u64, Fault>;

    /// Gives memory back.
    fn free(&mut self, address: u64);

    /// Copies `bytes` to `address`, which was allocated for as many.
    ///
    /// # Errors
    /// A GPU that is lost.
    fn upload(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault>;

    /// Runs a kernel; its arguments hold addresses of this GPU. May return before it ran.
    ///
    /// # Errors
    /// A GPU that is lost.
    fn launch(&mut self, launch: &Launch) -> Result<(), Fault>;

    /// Waits until everything that was asked for is done.
    ///
    /// # Errors
    /// What went wrong in any of it, or [`Fault::Hung`].
    fn finish(&mut self) -> Result<(), Fault>;

    /// Copies `bytes` from `address`, after [`finish`](Self::finish).
    ///
    /// # Errors
    /// A GPU that is lost.
    fn download(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Fault>;
}
