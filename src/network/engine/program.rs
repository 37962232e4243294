//! The program of one network: which layers run in which order on which values. Nothing is computed here.
//!
//! ```text
//! x   e1 = down1   e2 = down2   e3 = pre3, down3   e4 = pre4, down4   mid, up4   dec3(up4, e3), up3
//!     dec2(up3, e2), up2   dec1(up2, e1), last level
//! ```
//! The same walk names the layers (for the weights) and the values (for the memory plan), so that they can not drift
//! apart.

use super::super::unet::{Config, Level};
use super::kernel::View;

/// A tensor. Value 0 is the network's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network) struct Value {
    pub(in crate::network) channels: usize,
    /// Voxels along z, y, x.
    pub(in crate::network) size: [usize; 3],
}

impl Value {
    pub(in crate::network) fn voxels(&self) -> usize {
        self.size.iter().product()
    }
    /// Lines of 16 channels.
    pub(in crate::network) fn lines(&self) -> usize {
        self.channels.div_ceil(16) * self.voxels()
    }
}

/// The network's input.
pub(in crate::network) const INPUT: usize = 0;

/// A layer by the names of its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network) struct LayerName {
    /// Prefix of `weight` and `bias`.
    pub(in crate::network) conv: String,
    /// Prefix of the norm's `weight` and `bias`; none for skip and head.
    pub(in crate::network) norm: Option<String>,
    pub(in crate::network) view: View,
    /// Channels of each source.
    pub(in crate::network) from: Vec<usize>,
    /// The source is the network's input.
    pub(in crate::network) single: bool,
    pub(in crate::network) to: usize,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) enum Act {
    /// A convolution; its output is stored raw and normalised by whoever reads it.
    Conv,
    /// The end of a residual block, in place over the target.
    Join,
    /// The last transposed convolution with the head, which is the layer after it; the target is the answer.
    Last,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network) struct Step {
    pub(in crate::network) act: Act,
    pub(in crate::network) layer: usize,
    pub(in crate::network) sources: Vec<usize>,
    /// The value that is written; of no meaning for `Last`.
    pub(in crate::network) target: usize,
    /// What is there afterwards.
    pub(in crate::network) level: Option<Level>,
}

/// A network over one size of input.
#[derive(Clone, Debug)]
pub(in crate::network) struct Program {
    pub(in crate::network) values: Vec<Value>,
    pub(in crate::network) layers: Vec<LayerName>,
    pub(in crate::network) steps: Vec<Step>,
}

impl Program {
    /// The steps of `config` for an input of `size` (z, y, x), every axis at least 16.
    pub(in crate::network) fn new(config: &Config, size: [usize; 3]) -> Self {
        let mut p = Self {
            values: vec![Value { channels: 1, size }],
            layers: Vec::new(),
            steps: Vec::new(),
        };
        let x = p.blocks("pre1", INPUT, &config.pre1);
        let e1 = p.down("down1", x, config.stem, Level::E1);
        let x = p.blocks("pre2", e1, &config.pre2);
        let e2 = p.down("down2", x, 32, Level::E2);
        let x = p.blocks("pre3", e2, &[64, 64]);
        let e3 = p.down("down3", x, 64, Level::E3);
        let x = p.blocks("pre4", e3, &[128, 128]);
        let e4 = p.down("down4", x, 128, Level::E4);
        let x = p.blocks("mid", e4, &[256, 256]);
        p.mark(Level::Mid);
        let x = p.up("up4", x, 128);
        p.mark(Level::D4);
        let x = p.residual("dec3", &[x, e3], p.values[e3].size, 64);
        let x = p.up("up3", x, 64);
        p.mark(Level::D3);
        let x = p.residual("dec2", &[x, e2], p.values[e2].size, 32);
        let x = p.up("up2", x, 32);
        p.mark(Level::D2);
        let x = p.residual("dec1", &[x, e1], p.values[e1].size, 16);
        p.mark(Level::D1);
        p.last(x);
        p
    }

    fn layer(
        &mut self,
        conv: String,
        norm: Option<String>,
        view: View,
        from: &[usize],
        to: usize,
    ) -> usize {
        self.layers.push(LayerName {
            conv,
            norm,
            view,
            from: from.iter().map(|&v| self.values[v].channels).collect(),
            single: from == [INPUT],
            to,
        });
        self.layers.len() - 1
    }

    fn value(&mut self, channels: usize, size: [usize; 3]) -> usize {
        self.values.push(Value { channels, size });
        self.values.len() - 1
    }

    /// A convolution with its norm.
    fn conv(
        &mut self,
        name: &str,
        at: [usize; 2],
        view: View,
        sources: &[usize],
        to: usize,
        size: [usize; 3],
    ) -> usize {
        let norm = Some(format!("{name}.{}", at[1]));
        let layer = self.layer(format!("{name}.{}", at[0]), norm, view, sources, to);
        let target = self.value(to, size);
        self.steps.push(Step {
            act: Act::Conv,
            layer,
            sources: sources.to_vec(),
            target,
            level: None,
        });
        target
    }

    fn down(&mut self, name: &str, x: usize, to: usize, level: Level) -> usize {
        let size = self.values[x].size.map(|n| n / 2);
        let x = self.conv(name, [0, 1], View::Half, &[x], to, size);
        self.mark(level);
        x
    }

    fn up(&mut self, name: &str, x: usize, to: usize) -> usize {
        let size = self.values[x].size.map(|n| n * 2);
        self.conv(name, [0, 1], View::Double, &[x], to, size)
    }

    /// A residual block over sources side by side; those that are smaller than `size` have zeros behind.
    fn residual(&mut self, name: &str, sources: &[usize], size: [usize; 3], to: usize) -> usize {
        let body = format!("{name}.body");
        let first = self.conv(&body, [0, 1], View::Same, sources, to, size);
        let second = self.conv(&body, [3, 4], View::Same, &[first], to, size);
        let layer = self.layer(format!("{name}.skip"), None, View::Point, sources, to);
        self.steps.push(Step {
            act: Act::Join,
            layer,
            sources: sources.to_vec(),
            target: second,
            level: None,
        });
        second
    }

    fn blocks(&mut self, name: &str, mut x: usize, widths: &[usize]) -> usize {
        for (i, &to) in widths.iter().enumerate() {
            x = self.residual(&format!("{name}.{i}"), &[x], self.values[x].size, to);
        }
        x
    }

    fn last(&mut self, x: usize) {
        let norm = Some("up1.1".into());
        let layer = self.layer("up1.0".into(), norm, View::Double, &[x], 16);
        self.layers.push(LayerName {
            conv: "head".into(),
            norm: None,
            view: View::Point,
            from: vec![16],
            single: false,
            to: 1,
        });
        self.steps.push(Step {
            act: Act::Last,
            layer,
            sources: vec![x],
            target: INPUT,
            level: Some(Level::Logit),
        });
    }

    /// The last step completes `level`.
    fn mark(&mut self, level: Level) {
        if let Some(step) = self.steps.last_mut() {
            step.level = Some(level);
        }
    }
}
