//! Station: job states, store, operators, audit and the supervision of the other processes.
//!
//! In:    drops (folders and files that have come to rest), requests of people, lines of the designer, reports
//!        of the link.
//! Out:   [`crate::status::Snapshot`]s; the record in `DATA/store.db`; drops moved to `done/` or `quarantine/`.
//! Holds: [`step`] alone decides what state follows what; the store applies it in one transaction with the
//!        event appended, and the effect comes after the commit and may be repeated without harm.
//! Never: a second print beside a running one; a print without a release; a patient's name in log, store or page.

mod codes;
pub mod config;
mod folders;
mod step;
pub mod store;

pub use codes::is_code;
pub use config::Config;
pub use folders::Folders;
pub use step::{Action, DEATHS_MAX, Event, Place, RESTARTS_MAX, Release, step};
pub use store::{Job, Store, StoreError};
