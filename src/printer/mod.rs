//! Printer: checked G-code goes over the wire, exactly once.
//!
//! In:    a G-code file with the hash that was released, a profile, a serial port or pty.
//! Out:   bytes on the wire; state, temperatures, progress and faults on `DATA/run/printer.sock`; a journal.
//! Holds: no line is executed twice or left out without the print being stopped and the fault named; nothing
//!        resumes by itself; an emergency stop goes ahead of everything.
//! Never: touches a job's state in the store (the station does), makes toolpaths, prints what was not checked.
//!
//! Facts about firmware and wire are those of printing.md sections 4 to 6 ("4.9 rule 3" is meant so).
//!
//! | file | what |
//! |---|---|
//! | [`wire`] | what is said on the socket: [`wire::Command`], [`wire::Status`], [`wire::Event`] |
//! | [`client`] | the other end of the socket, blocking |
//! | [`line`] | framing: number and checksum |
//! | [`reply`] | what the firmware says, however damaged |
//! | [`transport`] | pure state machine: every line accepted, exactly once |

pub mod client;
pub mod conductor;
pub mod journal;
pub mod line;
pub mod program;
pub mod reply;
#[cfg(test)]
mod rig;
pub mod transport;
pub mod virtual_printer;
pub mod wire;
