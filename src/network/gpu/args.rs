//! What a kernel is told, in the words of memory that `kernels/conv.cuh` and `kernels/kernels.cu` name fields of.

/// Words of `Args`.
pub(super) const CONV_WORDS: usize = 19;
/// Words of `NormArgs`.
pub(super) const NORM_WORDS: usize = 6;

/// One input of a layer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source {
    /// Address of halves `[z][y][x][channel]`, or of the network's input.
    pub(super) data: u64,
    /// Address of the norm's `[2][channels]` floats; 0 where the source is stored as it is used.
    pub(super) scale: u64,
    pub(super) channels: usize,
    /// Voxels along z, y, x.
    pub(super) size: [usize; 3],
}

/// Arguments of a convolution; the fields are explained in `kernels/conv.cuh`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conv {
    pub(super) sources: [Option<Source>; 2],
    pub(super) weights: u64,
    pub(super) target: u64,
    pub(super) sums: u64,
    pub(super) scale: u64,
    pub(super) bias: u64,
    /// The one source is the network's input.
    pub(super) single: bool,
    pub(super) positions: [usize; 3],
    pub(super) out: [usize; 3],
    pub(super) channels: usize,
    pub(super) pairs: usize,
    /// The last level stops before its sigmoid.
    pub(super) logits: bool,
}

/// Arguments of the norm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    pub(super) sums: u64,
    pub(super) weight: u64,
    pub(super) bias: u64,
    pub(super) scale: u64,
    pub(super) rows: usize,
    pub(super) pitch: usize,
    pub(super) channels: usize,
    pub(super) voxels: usize,
}

/// Two 32-bit fields that follow each other; sizes were checked to fit (`schedule::check`).
fn two(low: usize, high: usize) -> u64 {
    (low as u64 & 0xffff_ffff) | (high as u64) << 32
}

impl Conv {
    pub(super) fn words(&self) -> Vec<u64> {
        let mut words = Vec::with_capacity(CONV_WORDS);
        for source in self.sources {
            let Source {
                data,
                scale,
                channels,
                size,
            } = source.unwrap_or_default();
            words.extend([data, scale, two(channels, size[0]), two(size[1], size[2])]);
        }
        words.extend([self.weights, self.target, self.sums, self.scale, self.bias]);
        let (p, o) = (self.positions, self.out);
        let sources = self.sources.iter().flatten().count();
        words.extend([
            two(sources, usize::from(self.single)),
            two(p[0], p[1]),
            two(p[2], o[0]),
            two(o[1], o[2]),
            two(self.channels, self.pairs),
            two(usize::from(self.logits), 0),
        ]);
        words
    }
}

impl Norm {
    pub(super) fn words(&self) -> Vec<u64> {
        let words: [u64; NORM_WORDS] = [
            self.sums,
            self.weight,
            self.bias,
            self.scale,
            two(self.rows, self.pitch),
            two(self.channels, self.voxels),
        ];
        words.into()
    }
}
