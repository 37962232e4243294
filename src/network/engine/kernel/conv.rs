//! One unit of a convolution: slices are transformed into a ring, multiplied, transformed back.
//!
//! ```text
//! ring    [slot][point][block * T + tile]         lines; T tiles of the strip, a slot a slice
//! mixed   [step][4][block * T + tile]             lines of one point; the depth transform of four slices
//! product [step * slices + slice][point][output block * T + tile]
//! ```
//! Every slice is transformed once a unit; the ring keeps those that the next depth step needs again.

use super::super::shape::{Shape, Unit};
use super::load::{Kind, Port};
use super::memory::Line;
use super::product::{Product, Segment};
use super::scheme::Scheme;
use super::simd::{Job, Simd};
use super::store::{Finish, Target};
use std::marker::PhantomData;

/// What the units of one layer share.
pub(super) struct Layer<'a> {
    pub(super) shape: &'a Shape,
    /// `shape.k_blocks` of them.
    pub(super) ports: &'a [Port],
    /// `[point][group][4][k][blocks]`
    pub(super) filters: &'a [Line],
    /// One an output block.
    pub(super) targets: &'a [Target],
    pub(super) finish: Finish,
}

/// One unit, with scratch of its own.
pub(super) struct ConvUnit<'a, W> {
    pub(super) layer: &'a Layer<'a>,
    pub(super) unit: &'a Unit,
    pub(super) scratch: &'a mut [Line],
    /// `[output block][sums 16, squares 16]`; this unit's blocks are added to.
    pub(super) sums: &'a mut [f64],
    pub(super) scheme: PhantomData<W>,
}

/// The unit's places in memory.
struct Places {
    ring: *mut f32,
    mixed: *mut f32,
    product: *mut f32,
    sums: *mut f32,
    /// Tiles of the strip.
    tiles: usize,
    /// Lines of input from one point to the next.
    input_pitch: usize,
    product_pitch: usize,
}

impl<W: Scheme> Job for ConvUnit<'_, W> {
    type Out = ();

    /// # Safety
    /// Ports, targets and `finish` point at what they say, no other unit writes the same voxels, and the shape is
    /// that of scheme `W`.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            layer, unit, sums, ..
        } = self;
        let shape = layer.shape;
        let [ring, mixed, product] = shape.parts();
        assert!(self.scratch.len() >= ring + mixed + product + 2);
        let base = self.scratch.as_mut_ptr();
        // SAFETY: the parts lie one behind the other in the scratch, as asserted.
        let places = unsafe {
            Places {
                ring: base.cast(),
                mixed: base.add(ring).cast(),
                product: base.add(ring + mixed).cast(),
                sums: base.add(ring + mixed + product).cast(),
                tiles: unit.rows.len() * shape.across,
                input_pitch: shape.input_pitch(),
                product_pitch: shape.product_pitch(),
            }
        };
        // The segments of a row: its channels lie `tiles` lines apart.
        let segments: Vec<Segment> = layer
            .ports
            .iter()
            .enumerate()
            .map(|(block, port)| Segment {
                at: block * places.tiles * 16,
                len: port.channels,
            })
            .collect();
        let mut ready = W::SLICES * unit.steps.start;
        for step in unit.steps.clone().step_by(shape.batch) {
            let batch = shape.batch.min(unit.steps.end - step);
            let end = W::SLICES * (step + batch) + 4 - W::SLICES;
            // SAFETY: the ring holds `slots` slices, those of this batch and no more are alive.
            unsafe {
                for slice in ready..end {
                    load_slice::<S, W>(layer, unit, &places, slice);
                }
                ready = end;
                for first in unit.blocks.clone().step_by(shape.chunk) {
                    for point in 0..W::IN * W::IN {
                        mix::<S, W>(layer, unit, &places, (step, batch), point);
                        multiply::<S, W>(layer, &places, &segments, batch, point, first);
                    }
                    for slice in 0..batch * W::SLICES {
                        let position = W::SLICES * step + slice;
                        finish::<S, W>(layer, unit, &places, slice, position, first, sums);
                    }
                }
            }
        }
    }
}

/// The slot of the ring that holds a slice.
#[inline(always)]
fn slot<W: Scheme>(shape: &Shape, unit: &Unit, slice: usize) -> usize {
    (slice - W::SLICES * unit.steps.start) % shape.slots()
}

/// Transforms input slice `slice` of the strip into its slot.
#[inline(always)]
unsafe fn load_slice<S: Simd, W: Scheme>(
    layer: &Layer<'_>,
    unit: &Unit,
    places: &Places,
    slice: usize,
) {
    let shape = layer.shape;
    let points = W::IN * W::IN;
    let pitch = places.input_pitch * 16;
    // SAFETY: `slots` slices of `points` times `input_pitch` lines are the ring.
    unsafe {
        let to = places
            .ring
            .add(slot::<W>(shape, unit, slice) * points * pitch);
        for (block, port) in layer.ports.iter().enumerate() {
            let to = to.add(block * places.tiles * 16);
            let z = port.voxel(0, slice);
            if port.kind == Kind::Lines && !(0..port.size[0]).contains(&z) {
                for point in 0..points {
                    std::ptr::write_bytes(to.add(point * pitch), 0, places.tiles * 16);
                }
                continue;
            }
            let mut tile = 0;
            for row in unit.rows.clone() {
                let y = port.voxel(1, row * W::OUT);
                for column in 0..shape.across {
                    let x = port.voxel(2, column * W::OUT);
                    port.tile::<S, W>(z, y, x, to.add(tile * 16), pitch);
                    tile += 1;
                }
            }
        }
    }
}

/// The depth transform of one point: four slices of each step become four mixtures.
#[inline(always)]
unsafe fn mix<S: Simd, W: Scheme>(
    layer: &Layer<'_>,
    unit: &Unit,
    places: &Places,
    (step, batch): (usize, usize),
    point: usize,
) {
    let shape = layer.shape;
    let pitch = places.input_pitch * 16;
    let numbers = shape.k_blocks * places.tiles * 16;
    // SAFETY: the four slices of every step of the batch are in the ring; `mixed` holds 4 * batch points.
    unsafe {
        for b in 0..batch {
            let first = W::SLICES * (step + b);
            let mut from = [std::ptr::null(); 4];
            for i in 0..4 {
                let slot = slot::<W>(shape, unit, first + i);
                from[i] = places
                    .ring
                    .add((slot * W::IN * W::IN + point) * pitch)
                    .cast_const();
            }
            let to = places.mixed.add(4 * b * numbers);
            let mut at = 0;
            while at < numbers {
                let d0 = S::load(from[0].add(at));
                let d1 = S::load(from[1].add(at));
                let d2 = S::load(from[2].add(at));
                let d3 = S::load(from[3].add(at));
                S::store(to.add(at), S::sub(d0, d2));
                S::store(to.add(numbers + at), S::add(d1, d2));
                S::store(to.add(2 * numbers + at), S::sub(d2, d1));
                S::store(to.add(3 * numbers + at), S::sub(d3, d1));
                at += S::LANES;
            }
        }
    }
}

/// All products of one point: every step of the batch, every group of the chunk that starts at block `first`.
#[inline(always)]
unsafe fn multiply<S: Simd, W: Scheme>(
    layer: &Layer<'_>,
    places: &Places,
    segments: &[Segment],
    batch: usize,
    point: usize,
    first: usize,
) {
    let shape = layer.shape;
    let tiles = places.tiles;
    let numbers = shape.k_blocks * tiles * 16;
    let panel = shape.k * shape.group * 16;
    let groups = shape.n / shape.group;
    // Row blocks of nearly equal height.
    let blocks = tiles.div_ceil(S::ROWS);
    let (height, higher) = (tiles / blocks, tiles % blocks);
    // SAFETY: inputs lie in `mixed`, filters in a slice that the driver checked, outputs in `product`.
    unsafe {
        let filters = layer.filters.as_ptr().cast::<f32>();
        for group in 0..shape.chunk / shape.group {
            let of_all = first / shape.group + group;
            for b in 0..batch {
                let mut row = 0;
                for block in 0..blocks {
                    let rows = height + usize::from(block < higher);
                    let mut output = [std::ptr::null_mut(); 3];
                    for slice in 0..W::SLICES {
                        let line = ((b * W::SLICES + slice) * W::IN * W::IN + point)
                            * places.product_pitch
                            + group * shape.group * tiles
                            + row;
                        output[slice] = places.product.add(line * 16);
                    }
                    S::product(&Product {
                        rows,
                        blocks: shape.group,
                        input: places.mixed.add(4 * b * numbers + row * 16),
                        input_pitch: numbers,
                        segments,
                        filters: filters.add((point * groups + of_all) * 4 * panel),
                        filters_pitch: panel,
                        output,
                        block_pitch: tiles * 16,
                    });
                    row += rows;
                }
            }
        }
    }
}

/// Transforms one slice of products back and adds its sums.
#[inline(always)]
unsafe fn finish<S: Simd, W: Scheme>(
    layer: &Layer<'_>,
    unit: &Unit,
    places: &Places,
    slice: usize,
    position: usize,
    first: usize,
    all: &mut [f64],
) {
    let shape = layer.shape;
    let pitch = places.product_pitch * 16;
    // SAFETY: the products of this slice were just made; targets are the driver's promise.
    unsafe {
        let from = places.product.add(slice * W::IN * W::IN * pitch);
        for block in 0..shape.chunk {
            let target = &layer.targets[first + block];
            let z = target.voxel(0, position);
            if !(0..target.size[0]).contains(&z) {
                continue;
            }
            std::ptr::write_bytes(places.sums, 0, 32);
            let mut tile = 0;
            for row in unit.rows.clone() {
                let y = target.voxel(1, row * W::OUT);
                for column in 0..shape.across {
                    let x = target.voxel(2, column * W::OUT);
                    let from = from.add((block * places.tiles + tile) * 16);
                    target.tile::<S, W>(&layer.finish, [z, y, x], from, pitch, places.sums);
                    tile += 1;
                }
            }
            let sums = &mut all[(first + block) * 32..][..32];
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(*places.sums.add(i));
            }
        }
    }
}
