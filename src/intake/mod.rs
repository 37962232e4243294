//! Intake: files become one CT volume with its facts, or a named refusal.
