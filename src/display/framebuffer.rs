//! Framebuffer: `/dev/fb0` by plain writes, without mapping memory: a whole 800x480 frame is 1.5 MB, and only rows
//! that changed are sent.

use super::canvas::{Canvas, rgb888};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::pixelcolor::raw::{RawData, RawU16};
use embedded_graphics::prelude::OriginDimensions;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An open framebuffer device, and what it shows.
pub(super) struct Framebuffer {
    device: File,
    width: u32,
    height: u32,
    stride: u64,
    bytes_per_pixel: usize,
    shown: Vec<Vec<u8>>,
}

impl Framebuffer {
    /// Opens a device; its form is read from `/sys/class/graphics`. 16 bits are taken as RGB565, 32 as XRGB8888
    /// (little endian), which is what the drivers of the panels in the reference give.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let device = File::options().write(true).open(path)?;
        let name = path.file_name().unwrap_or_default();
        let sys = Path::new("/sys/class/graphics").join(name);
        let read = |file: &str| std::fs::read_to_string(sys.join(file));
        let wrong =
            |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("framebuffer: {what}"));
        let size = read("virtual_size")?;
        let (w, h) = size
            .trim()
            .split_once(',')
            .ok_or_else(|| wrong("virtual_size"))?;
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong("a number"));
        let (width, height) = (number(w)?, number(h)?);
        let bits = number(&read("bits_per_pixel")?)?;
        if !matches!(bits, 16 | 32) {
            return Err(wrong("only 16 and 32 bits a pixel are known"));
        }
        let bytes_per_pixel = bits as usize / 8;
        let stride = u64::from(number(&read("stride")?)?);
        Ok(Self {
            device,
            width,
            height,
            stride,
            bytes_per_pixel,
            shown: Vec::new(),
        })
    }

    /// Sends the rows that changed since the last call.
    pub(super) fn show(&mut self, canvas: &Canvas) -> io::Result<()> {
        let rows = canvas.size().height.min(self.height);
        self.shown.resize(rows as usize, Vec::new());
        for y in 0..rows {
            let row = encode(
                &canvas.row(y)[..canvas.size().width.min(self.width) as usize],
                self.bytes_per_pixel,
            );
            let shown = &mut self.shown[y as usize];
            if *shown != row {
                self.device.write_all_at(&row, u64::from(y) * self.stride)?;
                *shown = row;
            }
        }
        Ok(())
    }
}

fn encode(pixels: &[Rgb565], bytes_per_pixel: usize) -> Vec<u8> {
    if bytes_per_pixel == 2 {
        return pixels
            .iter()
            .flat_map(|p| RawU16::from(*p).into_inner().to_le_bytes())
            .collect();
    }
    pixels
        .iter()
        .flat_map(|p| {
            let [r, g, b] = rgb888(*p);
            [b, g, r, 0xff]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::prelude::RgbColor;

    #[test]
    fn white_is_white_and_red_is_red_in_both_forms() {
        assert_eq!(encode(&[Rgb565::WHITE], 4), [0xff; 4]);
        assert_eq!(encode(&[Rgb565::RED], 4), [0, 0, 0xff, 0xff]);
        assert_eq!(encode(&[Rgb565::RED], 2), [0x00, 0xf8]);
    }
}
