//! Preview: the five pictures a surgeon looks at before a release.
//!
//! In:    meshes in patient LPS mm, each with a colour.
//! Out:   `SIZE` x `SIZE` RGB pictures, orthographic, z-buffered, with the patient's directions lettered.
//! Holds: same meshes, same bytes; nothing depends on threads or time.
//! Never: mirrors. A picture's right is `forward x up`, and the letters are computed from it, not written down.

use crate::mesh::Mesh;
use crate::space::{Lps, Point, Vector};
use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_10X20};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Alignment, Text};

/// Edge of a picture in pixels.
pub const SIZE: usize = 640;
/// Drawn at twice the size and averaged, so that edges are smooth.
const SUPER: usize = 2;
const BACKGROUND: [f32; 3] = [0.965, 0.972, 0.980];

/// A colour, linear 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub [f32; 3]);

/// Bone, as surgeons know it from volume renderings.
pub const BONE: Paint = Paint([0.90, 0.86, 0.76]);
/// The part: no colour that bone or tissue has.
pub const PART: Paint = Paint([0.10, 0.52, 0.62]);

/// Where the eye is.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Direction of sight.
    pub forward: Vector<Lps>,
    /// Direction that is up in the picture.
    pub up: Vector<Lps>,
    /// Centre of the picture.
    pub centre: Point<Lps>,
    /// Half the picture's edge, mm.
    pub half_mm: f64,
}

impl View {
    /// Direction to the picture's right.
    pub fn right(&self) -> Vector<Lps> {
        self.forward.cross(self.up)
    }

    /// The view named in a file `preview-NAME.png`, around `centre`.
    pub fn named(name: &str, centre: Point<Lps>, half_mm: f64) -> Option<Self> {
        let (forward, up) = match name {
            "front" => ([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]),
            "left" => ([-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]),
            "right" => ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]),
            "top" => ([0.0, 0.0, -1.0], [0.0, -1.0, 0.0]),
            _ => return None,
        };
        Some(Self {
            forward: Vector::new(forward),
            up: Vector::new(up),
            centre,
            half_mm,
        })
    }

    /// Straight onto a part whose outer side faces `outward`.
    pub fn onto(outward: Vector<Lps>, centre: Point<Lps>, half_mm: f64) -> Self {
        let forward = outward
            .times(-1.0)
            .unit()
            .unwrap_or(Vector::new([0.0, 1.0, 0.0]));
        // Superior is up; for a part on the vertex, anterior is.
        let wish = if forward.0[2].abs() < 0.9 {
            [0.0, 0.0, 1.0]
        } else {
            [0.0, -1.0, 0.0]
        };
        let wish = Vector::new(wish);
        let across = wish.dot(forward);
        let up = Vector::new([0, 1, 2].map(|a| wish.0[a] - across * forward.0[a]));
        Self {
            forward,
            up: up.unit().unwrap_or(Vector::new([0.0, 0.0, 1.0])),
            centre,
            half_mm,
        }
    }
}

/// Letters of the patient direction `v` points to, the largest part first: L or R, P or A, S or I.
pub fn letters(v: Vector<Lps>) -> String {
    let names = [("L", "R"), ("P", "A"), ("S", "I")];
    let mut parts: Vec<(f64, &str)> = (0..3)
        .filter(|&a| v.0[a].abs() > 0.35)
        .map(|a| {
            (
                v.0[a].abs(),
                if v.0[a] > 0.0 { names[a].0 } else { names[a].1 },
            )
        })
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    parts.into_iter().map(|(_, n)| n).take(2).collect()
}

/// An RGB picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue of each pixel, row by row from the top.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// As a PNG file's bytes. Writing to memory does not fail; should the encoder ever refuse, its word is passed on.
    ///
    /// # Errors
    /// The encoder's.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.rgb)?;
        Ok(bytes)
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) else {
                continue;
            };
            if x < self.width && y < self.height {
                let offset = 3 * (y * self.width + x);
                self.rgb[offset..offset + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

/// Colours of a scale, pale to dark, which keep their order for colour-blind eyes and in grey.
const SCALE: [[f32; 3]; 5] = [
    [0.99, 0.93, 0.62],
    [0.98, 0.70, 0.38],
    [0.85, 0.38, 0.37],
    [0.55, 0.16, 0.48],
    [0.22, 0.07, 0.36],
];
/// The dark end of the scale of distances, mm.
pub const SCALE_MM: f32 = 1.5;

/// A scale of what a map shows.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// What the pale and the dark end stand for.
    pub ends: [f32; 2],
    /// Words at the dark end, in the middle, at the pale end.
    pub marks: [&'static str; 3],
    /// Words under the picture.
    pub caption: &'static str,
}

/// How far the outside is expected to lie off, mm.
pub const EXPECTED: Scale = Scale {
    ends: [0.0, SCALE_MM],
    marks: ["1.5 mm and more", "0.75", "0"],
    caption: "expected distance to the bone that was there",
};
/// Share of material between the two surfaces.
pub const FILLED: Scale = Scale {
    ends: [1.0, 0.4],
    marks: ["40 % and less", "70 %", "solid"],
    caption: "how much is filled between the surfaces",
};

impl Scale {
    fn paint(&self, value: f32) -> Paint {
        let [pale, dark] = self.ends;
        scaled((value - pale) / (dark - pale))
    }
}

/// Colour of a share of the scale.
fn scaled(share: f32) -> Paint {
    let steps = SCALE.len() - 1;
    let at = share.clamp(0.0, 1.0) * steps as f32;
    let low = (at as usize).min(steps - 1);
    let share = at - low as f32;
    Paint([0, 1, 2].map(|c| SCALE[low][c] * (1.0 - share) + SCALE[low + 1][c] * share))
}

/// Draws bone as seen from `view`, and a part whose corners have a value each, with the scale beside it.
pub fn render_map(
    view: &View,
    bone: &Mesh<Lps>,
    (part, values): (&Mesh<Lps>, &[f32]),
    scale: &Scale,
) -> Picture {
    let mut canvas = Canvas::new(view);
    canvas.draw(bone, BONE);
    canvas.draw_with(part, |triangle| {
        let mean = triangle
            .iter()
            .map(|&v| values.get(v as usize).copied().unwrap_or(0.0))
            .sum::<f32>()
            / 3.0;
        scale.paint(mean)
    });
    let mut picture = lettered(canvas, view, scale.caption);
    let (left, top, wide, high) = (20, 52, 24, 160);
    for y in 0..high {
        let Paint(colour) = scaled(1.0 - y as f32 / (high - 1) as f32);
        let [r, g, b] = colour.map(|c| (c * 255.0 + 0.5) as u8);
        for x in left..left + wide {
            let offset = 3 * ((top + y) * SIZE + x);
            picture.rgb[offset..offset + 3].copy_from_slice(&[r, g, b]);
        }
    }
    let style = MonoTextStyle::new(&FONT_10X20, INK);
    for (share, text) in scale.marks.into_iter().enumerate() {
        let at = Point2::new(
            (left + wide + 8) as i32,
            (top + share * high / 2 + 6) as i32,
        );
        let Ok(_) = Text::new(text, at, style).draw(&mut picture);
    }
    picture
}

/// Letters and captions.
const INK: Rgb888 = Rgb888::new(40, 52, 64);

/// Draws `meshes` as seen from `view`, with direction letters and `caption` at the lower edge.
pub fn render(view: &View, meshes: &[(&Mesh<Lps>, Paint)], caption: &str) -> Picture {
    let mut canvas = Canvas::new(view);
    for (mesh, paint) in meshes {
        canvas.draw(mesh, *paint);
    }
    lettered(canvas, view, caption)
}

fn lettered(canvas: Canvas, view: &View, caption: &str) -> Picture {
    let mut picture = canvas.finish();
    let middle = SIZE as i32 / 2;
    let style = MonoTextStyle::new(&FONT_10X20, INK);
    let mut write = |text: &str, x: i32, y: i32| {
        let Ok(_) = Text::with_alignment(text, Point2::new(x, y), style, Alignment::Center)
            .draw(&mut picture);
    };
    write(&letters(view.right()), SIZE as i32 - 22, middle);
    write(&letters(view.right().times(-1.0)), 22, middle);
    write(&letters(view.up), middle, 26);
    write(&letters(view.up.times(-1.0)), middle, SIZE as i32 - 40);
    write(caption, middle, SIZE as i32 - 14);
    picture
}

/// embedded-graphics' pixel position; `Point` is the patient's here.
type Point2 = embedded_graphics::geometry::Point;

struct Canvas {
    right: Vector<Lps>,
    up: Vector<Lps>,
    forward: Vector<Lps>,
    centre: Point<Lps>,
    scale: f64,
    edge: usize,
    colour: Vec<[f32; 3]>,
    depth: Vec<f32>,
}

impl Canvas {
    fn new(view: &View) -> Self {
        let edge = SIZE * SUPER;
        Self {
            right: view.right(),
            up: view.up,
            forward: view.forward,
            centre: view.centre,
            scale: edge as f64 / (2.0 * view.half_mm),
            edge,
            colour: vec![BACKGROUND; edge * edge],
            depth: vec![f32::INFINITY; edge * edge],
        }
    }

    /// Picture x, picture y (pixels) and depth (mm, smaller is nearer).
    fn project(&self, point: Point<Lps>) -> [f64; 3] {
        let from = point.minus(self.centre);
        let half = self.edge as f64 / 2.0;
        [
            half + from.dot(self.right) * self.scale,
            half - from.dot(self.up) * self.scale,
            from.dot(self.forward),
        ]
    }

    fn draw(&mut self, mesh: &Mesh<Lps>, paint: Paint) {
        self.draw_with(mesh, |_| paint);
    }

    /// The same with a colour for each triangle.
    fn draw_with(&mut self, mesh: &Mesh<Lps>, paint: impl Fn([u32; 3]) -> Paint) {
        let light: Vec<f32> = vertex_normals(mesh)
            .iter()
            .map(|&n| self.shade(n))
            .collect();
        let seen: Vec<[f64; 3]> = mesh.vertices.iter().map(|&p| self.project(p)).collect();
        for &triangle in &mesh.triangles {
            let corner = triangle.map(|v| seen[v as usize]);
            let bright = triangle.map(|v| light[v as usize]);
            self.fill(corner, bright, paint(triangle));
        }
    }

    /// Brightness of a surface with outward normal `n`: a head lamp, a weak light from above left, and some of
    /// everywhere, so that no side is black.
    fn shade(&self, n: Vector<Lps>) -> f32 {
        let lamp = (-n.dot(self.forward)).max(0.0);
        let side =
            (0.5 * n.dot(self.up) - 0.4 * n.dot(self.right) - 0.6 * n.dot(self.forward)).max(0.0);
        (0.22 + 0.55 * lamp + 0.28 * side) as f32
    }

    fn fill(&mut self, p: [[f64; 3]; 3], bright: [f32; 3], paint: Paint) {
        let area =
            (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) - (p[2][0] - p[0][0]) * (p[1][1] - p[0][1]);
        if area.abs() < 1e-9 {
            return;
        }
        let range = |axis: usize| {
            let lo = p
                .iter()
                .map(|c| c[axis])
                .fold(f64::INFINITY, f64::min)
                .floor()
                .max(0.0);
            let hi = p
                .iter()
                .map(|c| c[axis])
                .fold(f64::NEG_INFINITY, f64::max)
                .ceil()
                .min(self.edge as f64 - 1.0);
            if hi < lo {
                0..0
            } else {
                lo as usize..hi as usize + 1
            }
        };
        for y in range(1) {
            for x in range(0) {
                let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
                let cut = |a: [f64; 3], b: [f64; 3]| {
                    (b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])
                };
                let w = [
                    cut(p[1], p[2]) / area,
                    cut(p[2], p[0]) / area,
                    cut(p[0], p[1]) / area,
                ];
                if w.iter().any(|&w| w < 0.0) {
                    continue;
                }
                let depth = (w[0] * p[0][2] + w[1] * p[1][2] + w[2] * p[2][2]) as f32;
                let at = y * self.edge + x;
                if depth < self.depth[at] {
                    self.depth[at] = depth;
                    let b = (0..3).map(|c| w[c] as f32 * bright[c]).sum::<f32>();
                    self.colour[at] = paint.0.map(|c| (c * b).min(1.0));
                }
            }
        }
    }

    fn finish(self) -> Picture {
        let mut rgb = Vec::with_capacity(3 * SIZE * SIZE);
        for y in 0..SIZE {
            for x in 0..SIZE {
                for channel in 0..3 {
                    let sum: f32 = (0..SUPER * SUPER)
                        .map(|s| {
                            self.colour[(y * SUPER + s / SUPER) * self.edge + x * SUPER + s % SUPER]
                                [channel]
                        })
                        .sum();
                    rgb.push((sum / (SUPER * SUPER) as f32 * 255.0 + 0.5) as u8);
                }
            }
        }
        Picture {
            width: SIZE,
            height: SIZE,
            rgb,
        }
    }
}

/// Unit normals at the vertices, weighted by area.
fn vertex_normals(mesh: &Mesh<Lps>) -> Vec<Vector<Lps>> {
    let mut sum = vec![[0.0f64; 3]; mesh.vertices.len()];
    for &triangle in &mesh.triangles {
        let normal = mesh.area_vector(triangle).0;
        for vertex in triangle {
            for axis in 0..3 {
                sum[vertex as usize][axis] += normal[axis];
            }
        }
    }
    sum.into_iter()
        .map(|s| {
            Vector::new(s)
                .unit()
                .unwrap_or(Vector::new([0.0, 0.0, 0.0]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tetrahedron(at: [f64; 3], edge: f64) -> Mesh<Lps> {
        let v = |x: f64, y: f64, z: f64| {
            Point::new([at[0] + x * edge, at[1] + y * edge, at[2] + z * edge])
        };
        Mesh {
            vertices: vec![
                v(0.0, 0.0, 0.0),
                v(1.0, 0.0, 0.0),
                v(0.0, 1.0, 0.0),
                v(0.0, 0.0, 1.0),
            ],
            triangles: vec![[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
        }
    }

    /// Mean column of the pixels that show the part.
    fn part_column(picture: &Picture) -> f64 {
        let columns: Vec<usize> = (0..SIZE * SIZE)
            .filter(|&i| picture.rgb[3 * i + 2] > picture.rgb[3 * i].saturating_add(40))
            .map(|i| i % SIZE)
            .collect();
        assert!(!columns.is_empty(), "the part is not in the picture");
        columns.iter().sum::<usize>() as f64 / columns.len() as f64
    }

    #[test]
    fn what_lies_further_off_is_darker_and_the_scale_has_its_colours() {
        let centre = Point::new([0.0, 0.0, 0.0]);
        let view = View::named("front", centre, 30.0).unwrap();
        let bone = tetrahedron([200.0, 0.0, 0.0], 1.0);
        let part = tetrahedron([-15.0, 0.0, -15.0], 30.0);
        // Beside scale, letters and caption: the part alone.
        let light = |mm: f32| {
            let picture = render_map(&view, &bone, (&part, &[mm; 4]), &EXPECTED);
            let at = |x: usize, y: usize| 3 * (y * SIZE + x);
            let offset = at(SIZE * 2 / 5, SIZE * 3 / 5);
            picture.rgb[offset..offset + 3]
                .iter()
                .map(|&c| u32::from(c))
                .sum::<u32>()
        };
        let steps = [0.0, 0.4, 0.8, 1.2, 1.5].map(light);
        assert!(steps.is_sorted_by(|a, b| a > b), "{steps:?}");
        assert_eq!(light(9.0), light(SCALE_MM));
    }

    #[test]
    fn the_patients_left_is_on_the_right_of_the_front_view() {
        let part = tetrahedron([40.0, 0.0, 0.0], 20.0);
        let centre = Point::new([0.0, 0.0, 0.0]);
        let front = View::named("front", centre, 100.0).unwrap();
        assert_eq!(letters(front.right()), "L");
        assert!(part_column(&render(&front, &[(&part, PART)], "")) > SIZE as f64 / 2.0);
        let top = View::named("top", centre, 100.0).unwrap();
        assert_eq!(letters(top.right()), "R");
        assert!(part_column(&render(&top, &[(&part, PART)], "")) < SIZE as f64 / 2.0);
    }

    #[test]
    fn the_nearer_surface_hides_the_farther_one() {
        let (near, far) = (
            tetrahedron([0.0, -50.0, 0.0], 30.0),
            tetrahedron([0.0, 50.0, 0.0], 30.0),
        );
        let view = View::named("front", Point::new([10.0, 0.0, 10.0]), 40.0).unwrap();
        let both = render(&view, &[(&near, BONE), (&far, PART)], "");
        assert_eq!(both, render(&view, &[(&far, PART), (&near, BONE)], ""));
        assert_eq!(both, render(&view, &[(&near, BONE)], ""));
    }
}
