//! The line as a user runs it: real files, real processes. One module a room.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may; skips are printed"
)]

mod acts;
mod axes;
mod browser;
mod complete;
mod cone;
mod demo;
mod design;
mod display;
mod drops;
mod evaluate;
mod facing;
mod house;
mod household;
mod implant;
mod intake;
mod intake_figures;
mod kills;
mod lightening;
mod line;
mod link;
mod link_figures;
mod moonraker;
mod network;
mod node;
mod ordered;
mod orders;
mod phantom;
mod plane;
mod played;
mod printer;
mod prints;
mod profiles;
mod reentry;
mod refusals;
mod rights;
mod room;
mod series;
mod serve;
mod skull;
mod slice;
mod slice_cases;
mod station;
mod tls;
mod tune;
mod units;
mod update;
mod web;
