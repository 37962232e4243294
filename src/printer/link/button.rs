//! Button: a stop button on the box, as the kernel's input layer tells of it. A button at a GPIO is one, too (`gpio-keys`).
//!
//! Holds: any key that goes down is a stop; a device that goes away is looked for again, each second.

use super::Note;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `struct input_event` of 64-bit Linux: two longs of time, type, code, value.
const EVENT_BYTES: usize = 24;
/// `EV_KEY` of `linux/input-event-codes.h`.
const KEY: u16 = 1;
/// Between two looks for a device that is not there.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches from a thread of its own, for as long as the process lives.
pub(super) fn watch(path: PathBuf, tell: impl Fn(Note) + Send + 'static) {
    std::thread::spawn(move || {
        let mut told = String::new();
        loop {
            let error = read(&path, || tell(Note::Pressed)).to_string();
            if told != error {
                tracing::error!(path = %path.display(), error, "no stop button");
                told = error;
            }
            std::thread::sleep(AGAIN);
        }
    });
}

/// Reads until it can not; why.
fn read(path: &Path, pressed: impl Fn()) -> std::io::Error {
    let mut event = [0_u8; EVENT_BYTES];
    let mut device = match std::fs::File::open(path) {
        Ok(device) => device,
        Err(error) => return error,
    };
    tracing::info!(path = %path.display(), "stop button");
    loop {
        if let Err(error) = device.read_exact(&mut event) {
            return error;
        }
        if is_press(&event) {
            pressed();
        }
    }
}

fn is_press(event: &[u8; EVENT_BYTES]) -> bool {
    let [.., t0, t1, _, _, v0, v1, v2, v3] = *event;
    u16::from_ne_bytes([t0, t1]) == KEY && i32::from_ne_bytes([v0, v1, v2, v3]) == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = vec![7; 16];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_key_that_goes_down_is_a_press_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("event0");
        // Down, synchronised, repeated by itself, up; a wheel that turns.
        let said = [
            (1, 0x100, 1),
            (0, 0, 0),
            (1, 0x100, 2),
            (1, 0x100, 0),
            (2, 8, 1),
        ];
        let bytes: Vec<u8> = said.iter().flat_map(|&(k, c, v)| event(k, c, v)).collect();
        std::fs::write(&path, bytes).unwrap();
        let pressed = Cell::new(0);
        let error = read(&path, || pressed.set(pressed.get() + 1));
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        assert_eq!(pressed.get(), 1);
    }
}
