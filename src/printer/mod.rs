//! Printer: checked G-code goes over the wire, exactly once.
