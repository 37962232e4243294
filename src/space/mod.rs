//! Space: coordinates that know which space they live in.
//!
//! A mirrored implant is the worst failure of such a station, so the compiler is the first test: a
//! `Point<Ijk>` where a `Point<Lps>` is wanted does not compile, and a [`Map`] says where it leads from and to.
//!
//! Holds: `map.inverse()?` undoes `map` to rounding error.
//! Never: knows about voxels' values, meshes or files.

use std::fmt;
use std::marker::PhantomData;

mod map;
pub use map::Map;

/// Voxel index (i, j, k) from 0; voxel centres at whole numbers, i fastest in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ijk {}
/// Patient millimetres as in DICOM: +x to the left, +y to the back, +z to the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lps {}
/// Voxel index of the network's frame, ordered (w, h, d): w towards superior, h towards left, d towards
/// posterior, unless the model's card has other axes; voxel centres at whole numbers, w fastest in memory, so that a frame volume's memory is the
/// tensor `[D, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {}
/// Millimetres in the skull's own axes, from the middle of the head: +x to the patient's left, +y to the back, +z to
/// the vertex; x = 0 is its plane of symmetry (`head::Axes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {}
/// Printer millimetres: the bed's front left corner is 0, +z is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bed {}

/// A point that knows its space.
pub struct Point<S>(pub [f64; 3], PhantomData<S>);

/// A displacement that knows its space: maps turn it without shifting it.
pub struct Vector<S>(pub [f64; 3], PhantomData<S>);

macro_rules! spaced {
    ($name:ident) => {
        impl<S> $name<S> {
            /// From its three components, in the space's own unit.
            pub const fn new(xyz: [f64; 3]) -> Self {
                Self(xyz, PhantomData)
            }
        }
        impl<S> Clone for $name<S> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<S> Copy for $name<S> {}
        impl<S> PartialEq for $name<S> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }
        impl<S> fmt::Debug for $name<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [x, y, z] = self.0;
                write!(f, concat!(stringify!($name), "({}, {}, {})"), x, y, z)
            }
        }
    };
}
spaced!(Point);
spaced!(Vector);

impl<S> Point<S> {
    /// The displacement from `from` to `self`.
    pub fn minus(self, from: Self) -> Vector<S> {
        Vector::new([
            self.0[0] - from.0[0],
            self.0[1] - from.0[1],
            self.0[2] - from.0[2],
        ])
    }
    /// The point displaced by `by`.
    pub fn plus(self, by: Vector<S>) -> Self {
        Point::new([
            self.0[0] + by.0[0],
            self.0[1] + by.0[1],
            self.0[2] + by.0[2],
        ])
    }
}

impl<S> Vector<S> {
    /// Euclidean length, in the space's unit.
    pub fn length(self) -> f64 {
        self.dot(self).sqrt()
    }
    /// Scalar product.
    pub fn dot(self, other: Self) -> f64 {
        self.0[0] * other.0[0] + self.0[1] * other.0[1] + self.0[2] * other.0[2]
    }
    /// Vector product, right-handed.
    pub fn cross(self, other: Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Vector::new([b * z - c * y, c * x - a * z, a * y - b * x])
    }
    /// One after the other.
    pub fn plus(self, other: Self) -> Self {
        Vector::new([0, 1, 2].map(|a| self.0[a] + other.0[a]))
    }
    /// Multiplied by a number.
    pub fn times(self, factor: f64) -> Self {
        Vector::new(self.0.map(|c| c * factor))
    }
    /// The same direction with length 1; `None` for a vector shorter than 1e-12.
    pub fn unit(self) -> Option<Self> {
        let length = self.length();
        (length > 1e-12).then(|| self.times(1.0 / length))
    }
}
