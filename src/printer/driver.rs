//! Driver: what the link asks of the machine that it drives, whatever way leads to the printer.
//!
//! In:    what people want, the time (ms, monotonic).
//! Out:   how things are. What is to be done about it each driver says in words of its own, because a wire wants bytes and a
//!        print server wants requests.
//! Holds: one contract at the socket: state, events and journal mean the same on either way.
//! Never: does I/O, reads a clock.

use super::conductor::Conductor;
use super::transport::Millis;
use super::wire::Status;
use crate::status::{Finding, Refused, Tune};
use std::path::PathBuf;

/// Whether a command was taken.
pub type Taken = Result<(), Refused>;

/// The pure half of a link.
pub trait Driver {
    /// How things are.
    fn status(&self, now: Millis) -> Status;
    /// Time passes. Call it at [`Driver::wake_ms`] at the latest.
    fn tick(&mut self, now: Millis);
    /// When [`Driver::tick`] has something to do.
    fn wake_ms(&self, now: Millis) -> Millis;
    /// A record that goes ahead of its lines is on the disk.
    fn kept(&mut self, now: Millis);
    /// Print a file, by its path and hash; `released`: it is a re-entry into that one.
    ///
    /// # Errors
    /// When there is a job, or the printer can not take one.
    fn print(
        &mut self,
        now: Millis,
        job: String,
        file: (PathBuf, String),
        released: Option<PathBuf>,
    ) -> Taken;
    /// Hold at a safe point.
    ///
    /// # Errors
    /// When nothing runs.
    fn pause(&mut self, now: Millis) -> Taken;
    /// Go on.
    ///
    /// # Errors
    /// When nothing is held.
    fn resume(&mut self, now: Millis) -> Taken;
    /// Give the job up.
    ///
    /// # Errors
    /// When there is none.
    fn cancel(&mut self, now: Millis) -> Taken;
    /// Change speed, flow, fan or height.
    ///
    /// # Errors
    /// When nothing is printed, one of them is out of bounds, or the printer can not do it.
    fn tune(&mut self, now: Millis, tune: Tune) -> Taken;
    /// Answer what the printer asks at its own panel.
    ///
    /// # Errors
    /// When it asks nothing, or not that.
    fn answer(&mut self, now: Millis, choice: usize) -> Taken;
    /// After a halt, by a person who looked.
    ///
    /// # Errors
    /// When nothing is halted.
    fn recover(&mut self, now: Millis) -> Taken;
    /// Stop everything, in every state.
    fn emergency_stop(&mut self, now: Millis);
    /// A halt that the journal has, and that no person has looked at since.
    fn still_halted(&mut self, fault: Finding);
    /// The process is told to end: heaters off, then [`Driver::is_finished`].
    fn terminate(&mut self, now: Millis);
    /// After [`Driver::terminate`]: nothing is left to do.
    fn is_finished(&self) -> bool;
}

impl Driver for Conductor {
    fn status(&self, now: Millis) -> Status {
        Self::status(self, now)
    }
    fn tick(&mut self, now: Millis) {
        Self::tick(self, now);
    }
    fn wake_ms(&self, now: Millis) -> Millis {
        Self::wake_ms(self, now)
    }
    fn kept(&mut self, now: Millis) {
        Self::kept(self, now);
    }
    fn print(
        &mut self,
        now: Millis,
        job: String,
        file: (PathBuf, String),
        released: Option<PathBuf>,
    ) -> Taken {
        self.print_from(now, job, file, released)
    }
    fn pause(&mut self, now: Millis) -> Taken {
        Self::pause(self, now)
    }
    fn resume(&mut self, now: Millis) -> Taken {
        Self::resume(self, now)
    }
    fn cancel(&mut self, now: Millis) -> Taken {
        Self::cancel(self, now)
    }
    fn tune(&mut self, now: Millis, tune: Tune) -> Taken {
        Self::tune(self, now, tune)
    }
    fn answer(&mut self, now: Millis, choice: usize) -> Taken {
        Self::answer(self, now, choice)
    }
    fn recover(&mut self, now: Millis) -> Taken {
        Self::recover(self, now)
    }
    fn emergency_stop(&mut self, now: Millis) {
        Self::emergency_stop(self, now);
    }
    fn still_halted(&mut self, fault: Finding) {
        Self::still_halted(self, fault);
    }
    fn terminate(&mut self, now: Millis) {
        Self::terminate(self, now);
    }
    fn is_finished(&self) -> bool {
        Self::is_finished(self)
    }
}
