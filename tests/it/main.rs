//! The line as a user runs it: real files, real processes. One module a room.

mod house;
mod intake;
mod line;
