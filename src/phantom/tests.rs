//! Whole heads.
