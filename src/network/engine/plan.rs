//! Memory of one forward, known before it starts: every value gets a place in one arena for as long as it is read.
//!
//! Values that are never alive together share memory. The largest are placed first, each at the lowest place that is
//! free while it is alive: for V3 the peak is what is alive at the widest step (e1, d2 and two convolutions of dec1),
//! nothing is lost between.

use super::program::{Act, INPUT, Program};
use std::ops::Range;

/// Where everything is, in lines.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// A place for each value; empty for the input and for values that are never stored.
    pub(super) values: Vec<Range<usize>>,
    /// A place for each step's transformed filters.
    pub(super) filters: Vec<Range<usize>>,
    /// Lines of the whole arena.
    pub(super) lines: usize,
}

/// Something that needs a place while some steps run.
pub(in crate::network) struct Stay {
    /// Units of memory.
    lines: usize,
    steps: Range<usize>,
    place: Range<usize>,
}

impl Plan {
    /// Places for the values of `program`, whose step s needs `filters[s]` lines of transformed filters.
    pub(super) fn new(program: &Program, filters: &[usize]) -> Self {
        let steps = &program.steps;
        let mut stays: Vec<Stay> = Vec::new();
        for (v, value) in program.values.iter().enumerate() {
            let written = steps
                .iter()
                .position(|s| s.act == Act::Conv && s.target == v);
            let read = steps
                .iter()
                .rposition(|s| s.sources.contains(&v) || (s.act != Act::Last && s.target == v));
            stays.push(match (written, read) {
                (Some(from), Some(to)) if v != INPUT => Stay::new(value.lines(), from..to + 1),
                _ => Stay::new(0, 0..0),
            });
        }
        for (at, &lines) in filters.iter().enumerate() {
            stays.push(Stay::new(lines, at..at + 1));
        }
        let lines = place(&mut stays);
        let mut places = stays.into_iter().map(|s| s.place);
        Self {
            values: places.by_ref().take(program.values.len()).collect(),
            filters: places.collect(),
            lines,
        }
    }
}

/// Gives every stay its place, none over another that is there at the same time; how many units that takes.
pub(in crate::network) fn place(stays: &mut [Stay]) -> usize {
    let mut order: Vec<usize> = (0..stays.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(stays[i].lines), i));
    for at in 0..order.len() {
        let (placed, rest) = order.split_at(at);
        let stay = &stays[rest[0]];
        let mut taken: Vec<Range<usize>> = placed
            .iter()
            .map(|&i| &stays[i])
            .filter(|s| s.steps.start < stay.steps.end && stay.steps.start < s.steps.end)
            .map(|s| s.place.clone())
            .collect();
        taken.sort_by_key(|place| place.start);
        let mut start = 0;
        for place in taken {
            if place.start >= start + stay.lines {
                break;
            }
            start = start.max(place.end);
        }
        let place = start..start + stay.lines;
        stays[rest[0]].place = place;
    }
    stays.iter().map(|s| s.place.end).max().unwrap_or(0)
}

impl Stay {
    /// `lines` units while `steps` run.
    pub(in crate::network) fn new(lines: usize, steps: Range<usize>) -> Self {
        Self {
            lines,
            steps,
            place: 0..0,
        }
    }

    /// Where it was placed.
    pub(in crate::network) fn place(&self) -> Range<usize> {
        self.place.clone()
    }
}

/// Splits `arena` into the given places, which must not overlap, in the order asked for.
///
/// # Panics
/// When places overlap or lie outside: the plan would be wrong.
pub(super) fn split<'a, T>(arena: &'a mut [T], places: &[Range<usize>]) -> Vec<&'a mut [T]> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&i| (places[i].start, places[i].end));
    let mut parts: Vec<Option<&'a mut [T]>> = places.iter().map(|_| None).collect();
    let (mut rest, mut from) = (arena, 0);
    for i in order {
        let place = &places[i];
        if place.is_empty() {
            parts[i] = Some(&mut []);
            continue;
        }
        let (_, tail) = rest.split_at_mut(place.start - from);
        let (part, tail) = tail.split_at_mut(place.len());
        parts[i] = Some(part);
        (rest, from) = (tail, place.end);
    }
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::unet::Config;
    use super::*;

    #[test]
    fn values_that_are_alive_together_never_overlap_and_v3_needs_440_mib() {
        for (config, size, mib) in [
            (Config::v3(), [240, 200, 240], 441.0),
            (Config::v3(), [45, 37, 51], 12.0),
            (Config::native(), [96, 80, 96], 40.0),
            (Config::v1(), [48, 40, 48], 40.0),
        ] {
            let program = Program::new(&config, size);
            let filters: Vec<usize> = (0..program.steps.len()).map(|i| 100 + i).collect();
            let plan = Plan::new(&program, &filters);
            let have = plan.lines as f64 * 64.0 / (1 << 20) as f64;
            assert!(have < mib, "{config:?}: {have} MiB");
            for (at, step) in program.steps.iter().enumerate() {
                // Everything that is written before and read now or later is alive.
                let mut alive = vec![plan.filters[at].clone()];
                for value in 1..program.values.len() {
                    let written = program.steps.iter().position(|s| s.target == value);
                    let read = program.steps[at..]
                        .iter()
                        .any(|s| s.sources.contains(&value) || s.target == value);
                    if written.is_some_and(|w| w <= at) && read {
                        assert_eq!(plan.values[value].len(), program.values[value].lines());
                        alive.push(plan.values[value].clone());
                    }
                }
                alive.sort_by_key(|r| r.start);
                assert!(
                    alive.windows(2).all(|two| two[0].end <= two[1].start),
                    "{step:?}"
                );
                assert!(alive.iter().all(|r| r.end <= plan.lines));
            }
        }
    }

    #[test]
    fn an_arena_is_split_in_the_order_asked_for() {
        let mut arena: Vec<usize> = (0..10).collect();
        let parts = split(&mut arena, &[6..8, 0..0, 1..3]);
        assert_eq!(
            (&*parts[0], parts[1].len(), &*parts[2]),
            (&[6, 7][..], 0, &[1, 2][..])
        );
    }
}
