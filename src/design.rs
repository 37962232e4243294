//! Design: one case, from its files to checked G-code.

pub mod preview;
