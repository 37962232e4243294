//! Printer: checked G-code goes over the wire, exactly once.
//!
//! In:    a G-code file with the hash that was released, a profile, a serial port or pty.
//! Out:   bytes on the wire; state, temperatures, progress and faults on `DATA/run/printer.sock`; a journal.
//! Holds: no line is executed twice or left out without the print being stopped and the fault named; nothing
//!        resumes by itself; an emergency stop goes ahead of everything.
//! Never: touches a job's state in the store (the station does), makes toolpaths, prints what was not checked.
//!
//! The rules of the link, with its bounds of time: `docs/printer-link.md`. What each family of firmware does:
//! `docs/firmware.md`.
//!
//! The life of a line: [`program`] takes it out of the proved file, [`conductor`] decides when it goes, [`transport`]
//! numbers it and knows when it was accepted, [`mod@line`] frames it, [`link`] writes it to the [`port`]; [`reply`] reads
//! what comes back.
//!
//! | file | what | |
//! |---|---|---|
//! | [`wire`] | what is said on the socket: [`wire::Command`], [`wire::Status`], [`wire::Event`] | types |
//! | [`started`] | what a link was started with, and what differs | types |
//! | [`client`] | the other end of the socket | I/O |
//! | [`link`] | the process: port, socket, signals, threads | I/O |
//! | [`port`] | a serial line or pty | I/O |
//! | [`journal`] | what a restart has to know | I/O |
//! | [`reentry`] | where a print that was cut off can go on | pure |
//! | [`driver`] | what the link asks of the machine that it drives | pure |
//! | [`conductor`] | one print from the first line to the last, and everything that may come between | pure |
//! | [`moonraker`] | the same over a print server's HTTP interface | pure, but for its connections |
//! | [`transport`] | every line accepted, exactly once | pure |
//! | [`program`], [`mod@line`], [`reply`] | file to lines, lines to frames, bytes to replies | pure |
//! | [`virtual_printer`] | a Marlin without metal | pure, but for its pty |

#[cfg(test)]
mod adversary;
pub mod client;
pub mod conductor;
pub mod driver;
pub mod journal;
pub mod line;
pub mod link;
pub mod moonraker;
pub mod port;
pub mod program;
pub mod reentry;
pub mod reply;
#[cfg(test)]
mod rig;
pub mod started;
pub mod transport;
pub mod virtual_printer;
pub mod wire;
