//! CUDA's driver as a [`Gpu`]: a context, a stream, the kernels.
//!
//! Never: waits without end: a GPU that does not answer in [`PATIENCE`] is given up.
//!
//! Why unsafe: every call of the driver is one. What has to hold is little, because everything that is passed is made
//! here: handles live as long as this value, slices as long as the call that copies them (copies from and to pageable
//! memory return when the host's side is done), kernels take plain numbers. A wrong address in those numbers stops the
//! kernel and loses the context; it can not reach the process's memory.
#![allow(
    unsafe_code,
    reason = "the driver's interface is C; see the module's text"
)]

use super::device::Gpu;
use super::fault::Fault;
use super::schedule::Launch;
use cudarc::driver::result::{self, DriverError, ctx, device, module, primary_ctx, stream};
use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute, CUresult};
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::io::Read;
use std::panic::catch_unwind;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The kernels, made by `kernels/ptx.py`. A test unpacks them; were they broken, the text would be empty.
pub(super) static PTX: LazyLock<String> = LazyLock::new(|| {
    let packed: &[u8] = include_bytes!("kernels/calvaria.ptx.gz");
    let mut text = String::new();
    match flate2::read::GzDecoder::new(packed).read_to_string(&mut text) {
        Ok(_) => text,
        // The driver then says that there is no image, and the CPU answers.
        Err(_) => String::new(),
    }
});

/// How long a forward may take. V3 is expected to take 0.3 s on the slowest GPU that is meant.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens GPU number `ordinal` and loads the kernels.
///
/// # Errors
/// Everything that can be missing: driver, device, compute capability 8.0, a driver that takes the PTX.
pub(in crate::network) fn open(ordinal: usize) -> Result<Box<dyn Gpu>, Fault> {
    // With candle's CUDA the driver is linked: without it the program would not have started.
    #[cfg(not(feature = "candle-cuda"))]
    // SAFETY: libraries of the driver's name are loaded and given back; their initialisers are NVIDIA's.
    if !unsafe { sys::is_culib_present() } {
        return Err(Fault::NoDriver);
    }
    // A driver that lacks a function makes the binding panic, not answer.
    match catch_unwind(|| Cuda::open(ordinal)) {
        Ok(opened) => Ok(Box::new(opened?)),
        Err(_) => Err(Fault::Driver("a function of CUDA 12.2 is missing".into())),
    }
}

/// An open GPU.
#[derive(Debug)]
struct Cuda {
    ordinal: usize,
    name: String,
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    module: Option<sys::CUmodule>,
    kernels: HashMap<String, sys::CUfunction>,
    /// After a fault nothing is given back: the context is gone, and calls into it may wait for ever.
    lost: bool,
}

// SAFETY: handles of the driver belong to the process, not to a thread; each call makes the context current first.
unsafe impl Send for Cuda {}

/// The driver's answer as a fault.
fn fault(error: DriverError, doing: &'static str, bytes: usize) -> Fault {
    let name = match error.error_name() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(_) => format!("error {}", error.0 as u32),
    };
    Fault::of_code(error.0 as u32, name, doing, bytes)
}

impl Cuda {
    fn open(ordinal: usize) -> Result<Self, Fault> {
        let opening = |e| fault(e, "was opened", 0);
        let absent = |found| Fault::NoDevice {
            asked: ordinal,
            found,
        };
        result::init().map_err(|e| match e.0 {
            CUresult::CUDA_ERROR_NO_DEVICE => absent(0),
            _ => opening(e),
        })?;
        let found = device::get_count().map_err(opening)?.max(0) as usize;
        if ordinal >= found {
            return Err(absent(found));
        }
        let device = device::get(ordinal as i32).map_err(opening)?;
        let name = device::get_name(device).map_err(opening)?;
        // SAFETY: the device was found above.
        let attribute = |a| unsafe { device::get_attribute(device, a) }.map_err(opening);
        let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        if major < 8 {
            return Err(Fault::TooOld { name, major, minor });
        }
        // SAFETY: the device was found above; the context is released when this value is dropped.
        let context = unsafe { primary_ctx::retain(device) }.map_err(opening)?;
        let mut opened = Self {
            ordinal,
            name,
            device,
            context,
            stream: stream::null(),
            module: None,
            kernels: HashMap::new(),
            lost: false,
        };
        opened.current()?;
        opened.stream = stream::create(stream::StreamKind::NonBlocking).map_err(opening)?;
        opened.load(&PTX)?;
        Ok(opened)
    }

    /// Hands the kernels to the driver's compiler.
    fn load(&mut self, ptx: &str) -> Result<(), Fault> {
        let loading = |e| fault(e, "loaded the kernels", 0);
        let text = |s: &str| CString::new(s).map_err(|_| Fault::Driver("a zero in the PTX".into()));
        let image = text(ptx)?;
        // SAFETY: the image is text that ends with a zero and lives through the call.
        let module = unsafe { module::load_data(image.as_ptr().cast()) }.map_err(loading)?;
        self.module = Some(module);
        for name in entries(ptx) {
            // SAFETY: the module was loaded above and is unloaded with this value.
            let kernel = unsafe { module::get_function(module, text(name)?) }.map_err(loading)?;
            self.kernels.insert(name.into(), kernel);
        }
        Ok(())
    }

    /// Contexts are current to a thread; a case may be computed on any.
    fn current(&self) -> Result<(), Fault> {
        // SAFETY: the context was retained and is released only when this value is dropped.
        unsafe { ctx::set_current(self.context) }.map_err(|e| fault(e, "was chosen", 0))
    }

    /// Notes that the GPU is lost, where it is.
    fn noted<T>(&mut self, answer: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(Fault::Lost { .. } | Fault::Hung { .. } | Fault::Other { .. }) = answer {
            self.lost = true;
        }
        answer
    }

    fn wait(&self) -> Result<(), Fault> {
        let start = Instant::now();
        loop {
            // SAFETY: the stream lives as long as this value.
            match unsafe { sys::cuStreamQuery(self.stream) } {
                CUresult::CUDA_SUCCESS => return Ok(()),
                CUresult::CUDA_ERROR_NOT_READY if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_micros(50));
                }
                CUresult::CUDA_ERROR_NOT_READY => {
                    let seconds = PATIENCE.as_secs();
                    return Err(Fault::Hung { seconds });
                }
                code => return Err(fault(DriverError(code), "computed", 0)),
            }
        }
    }
}

/// Names of the kernels in PTX.
pub(super) fn entries(ptx: &str) -> impl Iterator<Item = &str> {
    let lines = ptx.lines();
    lines.filter_map(|line| line.strip_prefix(".visible .entry ")?.split('(').next())
}

impl Gpu for Cuda {
    fn name(&self) -> String {
        format!("cuda:{} ({})", self.ordinal, self.name)
    }

    fn allocate(&mut self, bytes: usize) -> Result<u64, Fault> {
        self.current()?;
        // SAFETY: plain memory; it is given back by `free` or with the context.
        let answer =
            unsafe { result::malloc_sync(bytes) }.map_err(|e| fault(e, "asked for memory", bytes));
        self.noted(answer)
    }

    fn free(&mut self, address: u64) {
        if !self.lost && self.current().is_ok() {
            // SAFETY: the address came from `allocate`; the driver waits for kernels that may still use it. Whatever it
            // answers, the memory is not used again.
            let _ = unsafe { result::free_sync(address) };
        }
    }

    fn upload(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.current()?;
        // SAFETY: the caller allocated as many bytes there; pageable memory is read before the call returns.
        let answer = unsafe { result::memcpy_htod_async(address, bytes, self.stream) };
        self.noted(answer.map_err(|e| fault(e, "took data", bytes.len())))
    }

    fn launch(&mut self, launch: &Launch) -> Result<(), Fault> {
        self.current()?;
        let Some(&kernel) = self.kernels.get(&launch.kernel) else {
            return Err(Fault::Driver(format!("no kernel `{}`", launch.kernel)));
        };
        let [x, y, z] = launch.grid.map(|n| n as u32);
        let mut args = [launch.args.as_ptr().cast_mut().cast::<c_void>()];
        // SAFETY: the kernel is of the module that is loaded; it takes one structure of as many words, which a test
        // proves of every kernel, and which the driver copies before it returns.
        let answer = unsafe {
            result::launch_kernel(kernel, (x, y, z), (128, 1, 1), 0, self.stream, &mut args)
        };
        self.noted(answer.map_err(|e| fault(e, "started a kernel", 0)))
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.current()?;
        let waited = self.wait();
        self.noted(waited)
    }

    fn download(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Fault> {
        self.current()?;
        // SAFETY: the caller allocated as many bytes there, and nothing runs any more.
        let answer = unsafe { result::memcpy_dtoh_sync(bytes, address) };
        self.noted(answer.map_err(|e| fault(e, "gave data", 0)))
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        if self.lost || self.current().is_err() {
            return;
        }
        // SAFETY: all three were made in `open` and are not used again. Memory goes with the context; what the driver
        // answers changes nothing.
        unsafe {
            if let Some(module) = self.module.take() {
                let _ = module::unload(module);
            }
            if !self.stream.is_null() {
                let _ = stream::destroy(self.stream);
            }
            let _ = primary_ctx::release(self.device);
        }
    }
}
