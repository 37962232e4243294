//! Walls: lines along the outline, and what is left inside them.
//!
//! Holds: the outermost line's edge is the outline. What is too narrow for a loop is handed to [`super::thin`], at
//!        every level, so that a bevelled rim ends in single lines instead of in nothing.

use super::path::{Path, Role};
use super::plane::{Corner, Region, Um};
use super::settings::{Line, Recipe};
use super::thin;

/// What an outline becomes.
#[derive(Clone, Debug, Default)]
pub(super) struct Walls {
    /// Outermost loops.
    pub(super) external: Vec<Path>,
    /// Inner loops.
    pub(super) inner: Vec<Path>,
    /// Single lines in what is too narrow for a loop.
    pub(super) thin: Vec<Path>,
    /// What is left to fill, up to the innermost line's share.
    pub(super) inside: Region,
}

/// Strips narrower than this share of the usual line are one line of their own width, not a loop.
const SINGLE: f64 = 1.35;

fn share(of: Um, by: f64) -> Um {
    Um((f64::from(of.0) * by).round() as i32)
}

/// Draws the walls of one island.
pub(super) fn draw(island: &Region, recipe: &Recipe, layer: usize) -> Walls {
    let line = recipe.line(layer);
    let spacing = line.spacing();
    let body = island.opened(share(line.width, SINGLE));
    let mut walls = Walls {
        thin: thin::fill(&island.minus(&body), line, false),
        external: loops(
            &body.offset(Um(-line.width.0 / 2), Corner::Round),
            line,
            Role::External,
        ),
        ..Walls::default()
    };
    let mut rest = body.offset(Um(-(line.width.0 + spacing.0) / 2), Corner::Round);
    for _ in 1..recipe.settings.perimeters {
        let room = rest.opened(share(spacing, SINGLE));
        walls
            .thin
            .extend(thin::fill(&rest.minus(&room), line, true));
        let centre = room.offset(Um(-spacing.0 / 2), Corner::Round);
        walls.inner.extend(loops(&centre, line, Role::Perimeter));
        rest = room.offset(Um(-spacing.0), Corner::Round);
    }
    let room = rest.opened(share(spacing, SINGLE));
    walls
        .thin
        .extend(thin::fill(&rest.minus(&room), line, true));
    walls.inside = room;
    walls
}

fn loops(centre: &Region, line: Line, role: Role) -> Vec<Path> {
    centre
        .contours()
        .map(|contour| Path {
            role,
            width: line.width,
            closed: true,
            spots: contour.clone(),
        })
        .collect()
}
