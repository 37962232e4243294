//! Display: the LCD's screens; no state of its own.
