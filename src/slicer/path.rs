//! Toolpaths: what the nozzle draws, before order, speed and seam are decided.

use super::plane::{Spot, Um, distance_um};

/// What a line is for. The words are those viewers know (`;TYPE:`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Role {
    Brim,
    Support,
    Interface,
    External,
    Perimeter,
    Thin,
    Solid,
    Sparse,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Brim => "Skirt/Brim",
            Self::Support => "Support material",
            Self::Interface => "Support material interface",
            Self::External => "External perimeter",
            Self::Perimeter => "Perimeter",
            Self::Thin => "Gap fill",
            Self::Solid => "Solid infill",
            Self::Sparse => "Internal infill",
        }
    }
}

/// One line of constant width.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub(super) role: Role,
    pub(super) width: Um,
    /// A loop: the last spot joins the first.
    pub(super) closed: bool,
    pub(super) spots: Vec<Spot>,
}

impl Path {
    /// Length of the drawn line, mm.
    pub(super) fn length_mm(&self) -> f64 {
        let open: f64 = self.spots.windows(2).map(|p| distance_um(p[0], p[1])).sum();
        let last = match (self.closed, self.spots.first(), self.spots.last()) {
            (true, Some(&a), Some(&b)) => distance_um(a, b),
            _ => 0.0,
        };
        (open + last) / 1000.0
    }
}

/// Paths that are printed in one go, in this order of steps; within a step the order is free.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    pub(super) steps: Vec<Vec<Path>>,
    /// Where the part's inner face looks; seams are put on that side.
    pub(super) inner_face: Option<Spot>,
}

impl Group {
    pub(super) fn plain(steps: Vec<Vec<Path>>) -> Self {
        Self {
            steps,
            inner_face: None,
        }
    }
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> + '_ {
        self.steps.iter().flatten()
    }
    pub(super) fn is_empty(&self) -> bool {
        self.paths().next().is_none()
    }
    /// Where its first path begins; decides which group is nearest.
    pub(super) fn start(&self) -> Option<Spot> {
        self.paths().next()?.spots.first().copied()
    }
}

/// One layer: groups without order among them, but that support and brim come first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LayerPaths {
    pub(super) first: Vec<Group>,
    pub(super) islands: Vec<Group>,
}

impl LayerPaths {
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> + '_ {
        self.first
            .iter()
            .chain(&self.islands)
            .flat_map(Group::paths)
    }
}
