//! Canvas: a picture in memory whose size is known at run time.

use embedded_graphics::pixelcolor::{Rgb565, RgbColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::primitives::Rectangle;
use std::convert::Infallible;

/// Pixels in rows from the top left, RGB565 as panels take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<Rgb565>,
}

impl Canvas {
    /// A black canvas.
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            pixels: vec![Rgb565::BLACK; (width * height) as usize],
        }
    }

    /// Pixels of one row.
    pub(super) fn row(&self, y: u32) -> &[Rgb565] {
        let start = (y * self.width) as usize;
        &self.pixels[start..start + self.width as usize]
    }

    /// Red, green and blue of each pixel, 8 bits each; low bits repeat the high ones, so that white is white.
    pub(super) fn rgb(&self) -> impl Iterator<Item = [u8; 3]> + '_ {
        self.pixels.iter().map(|p| rgb888(*p))
    }
}

/// 8 bits a colour out of 5 and 6.
pub(super) fn rgb888(p: Rgb565) -> [u8; 3] {
    let (r, g, b) = (p.r(), p.g(), p.b());
    [
        (r << 3) | (r >> 2),
        (g << 2) | (g >> 4),
        (b << 3) | (b >> 2),
    ]
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb565;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            // What lies outside is not drawn.
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && x < self.width
                && y < self.height
            {
                self.pixels[(y * self.width + x) as usize] = color;
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb565) -> Result<(), Infallible> {
        let inside = area.intersection(&Rectangle::new(Point::zero(), self.size()));
        for y in inside.rows() {
            let start = y as usize * self.width as usize + inside.top_left.x as usize;
            self.pixels[start..start + inside.size.width as usize].fill(color);
        }
        Ok(())
    }
}
