//! Phantom: a seeded head in HU with a hole whose truth is known.
