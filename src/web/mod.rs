//! Web: the page and the API; no state of its own.
