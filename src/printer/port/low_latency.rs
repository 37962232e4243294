//! Low latency: tells a serial driver not to hold bytes back.
//!
//! An FTDI bridge collects for 16 ms before it passes on what came; with `ASYNC_LOW_LATENCY` its driver sets 1 ms. The
//! call is that of `setserial`: `TIOCGSERIAL`, a flag, `TIOCSSERIAL`. A pty and a native USB port know neither.
#![allow(unsafe_code)]

use rustix::io::Errno;
use rustix::ioctl::{Getter, Setter, ioctl};
use std::ffi::{c_char, c_int, c_uchar, c_uint, c_ulong, c_ushort};
use std::os::fd::AsFd;

const TIOCGSERIAL: rustix::ioctl::Opcode = 0x541E;
const TIOCSSERIAL: rustix::ioctl::Opcode = 0x541F;
const ASYNC_LOW_LATENCY: c_int = 1 << 13;

/// `struct serial_struct` of `linux/serial.h`; all but the flags goes back as it came.
#[repr(C)]
#[derive(Clone, Copy)]
struct SerialStruct {
    kind: c_int,
    line: c_int,
    port: c_uint,
    irq: c_int,
    flags: c_int,
    xmit_fifo_size: c_int,
    custom_divisor: c_int,
    baud_base: c_int,
    close_delay: c_ushort,
    io_type: c_char,
    reserved_char: [c_char; 1],
    hub6: c_int,
    closing_wait: c_ushort,
    closing_wait2: c_ushort,
    iomem_base: *mut c_uchar,
    iomem_reg_shift: c_ushort,
    port_high: c_uint,
    iomap_base: c_ulong,
}

/// Sets the flag.
///
/// # Errors
/// What the driver says; `ENOTTY` or `EINVAL` where it knows no such thing.
pub(super) fn set(fd: impl AsFd) -> Result<(), Errno> {
    // SAFETY: TIOCGSERIAL fills exactly this struct, which is laid out as linux/serial.h has it, and keeps no pointer.
    let mut serial: SerialStruct =
        unsafe { ioctl(&fd, Getter::<TIOCGSERIAL, SerialStruct>::new())? };
    if serial.flags & ASYNC_LOW_LATENCY != 0 {
        return Ok(());
    }
    serial.flags |= ASYNC_LOW_LATENCY;
    // SAFETY: TIOCSSERIAL reads exactly this struct, which the driver itself has just filled.
    unsafe { ioctl(&fd, Setter::<TIOCSSERIAL, SerialStruct>::new(serial)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, openpt};

    #[test]
    fn the_struct_has_the_size_of_the_kernels() {
        let size = if cfg!(target_pointer_width = "64") {
            72
        } else {
            60
        };
        assert_eq!(size_of::<SerialStruct>(), size);
    }

    #[test]
    fn a_device_without_a_timer_says_so_and_is_left_as_it_is() {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let error = set(&pty).unwrap_err();
        assert!([Errno::NOTTY, Errno::INVAL].contains(&error), "{error}");
    }
}
