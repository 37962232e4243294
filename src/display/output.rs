//! Outputs: where a frame goes.

use super::canvas::Canvas;
use super::choice::Screen;
use super::framebuffer::Framebuffer;
use embedded_graphics::prelude::OriginDimensions;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// An open output.
pub struct Output {
    size: (u32, u32),
    kind: Kind,
}

enum Kind {
    /// `lcd.png` is the present frame, `lcd-SCREEN.png` the last of each screen.
    Folder {
        folder: PathBuf,
        last: Vec<u8>,
    },
    Device(Framebuffer),
}

impl Output {
    /// `none`, a device or `png:DIR`, as the configuration has it; `None` for `none`.
    pub fn open(output: &str, size: (u32, u32)) -> io::Result<Option<Self>> {
        if output == "none" {
            return Ok(None);
        }
        let kind = match output.strip_prefix("png:") {
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                Kind::Folder {
                    folder: folder.into(),
                    last: Vec::new(),
                }
            }
            None => Kind::Device(Framebuffer::open(Path::new(output))?),
        };
        Ok(Some(Self { size, kind }))
    }

    /// Width and height, pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Whether frames that flash make sense here.
    pub(super) fn flashes(&self) -> bool {
        matches!(self.kind, Kind::Device(_))
    }

    /// Shows a frame.
    pub(super) fn show(&mut self, canvas: &Canvas, screen: Screen) -> io::Result<()> {
        match &mut self.kind {
            Kind::Device(device) => device.show(canvas),
            Kind::Folder { folder, last } => {
                let png = png_of(canvas)?;
                if png == *last {
                    return Ok(());
                }
                for name in ["lcd.png".to_string(), format!("lcd-{}.png", screen.word())] {
                    let part = folder.join(format!("{name}.part"));
                    std::fs::write(&part, &png)?;
                    std::fs::rename(&part, folder.join(name))?;
                }
                *last = png;
                Ok(())
            }
        }
    }
}

/// A canvas as PNG: with a palette when it has few colours (every screen without a picture), else RGB. The same
/// canvas gives the same bytes.
pub fn png_of(canvas: &Canvas) -> io::Result<Vec<u8>> {
    let size = canvas.size();
    let mut palette: BTreeMap<[u8; 3], u8> = BTreeMap::new();
    for color in canvas.rgb() {
        if palette.len() > 255 {
            break;
        }
        palette.entry(color).or_default();
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.width, size.height);
    encoder.set_depth(png::BitDepth::Eight);
    let data: Vec<u8> = if palette.len() <= 255 {
        for (n, index) in palette.values_mut().enumerate() {
            *index = n as u8;
        }
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(palette.keys().flatten().copied().collect::<Vec<u8>>());
        canvas
            .rgb()
            .map(|c| palette.get(&c).copied().unwrap_or(0))
            .collect()
    } else {
        encoder.set_color(png::ColorType::Rgb);
        canvas.rgb().flatten().collect()
    };
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&data)?;
    writer.finish()?;
    Ok(bytes)
}
