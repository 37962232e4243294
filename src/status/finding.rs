//! Named facts about a case, with the number behind them.

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it before you release.
    Warn,
    /// The case can not be printed.
    Refuse,
}

/// One named fact, with a number, its limit and a sentence in plain language. Never a name, an ID or a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name, e.g. `thick_slices`, `no_defect`.
    pub name: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found and what to do, one or two sentences.
    pub text: String,
    /// The number behind it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// The limit it is held against.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<f64>,
    /// Unit of both, e.g. `mm`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub unit: String,
}

impl Finding {
    /// A finding without a number.
    pub fn new(severity: Severity, name: &str, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            severity,
            text: text.into(),
            value: None,
            limit: None,
            unit: String::new(),
        }
    }
    /// Worth knowing.
    pub fn info(name: &str, text: impl Into<String>) -> Self {
        Self::new(Severity::Info, name, text)
    }
    /// Look at it before you release.
    pub fn warn(name: &str, text: impl Into<String>) -> Self {
        Self::new(Severity::Warn, name, text)
    }
    /// The case can not be printed.
    pub fn refuse(name: &str, text: impl Into<String>) -> Self {
        Self::new(Severity::Refuse, name, text)
    }
    /// The text with its number, unit and limit: one line for a terminal or a list.
    pub fn line(&self) -> String {
        let number = |n: f64| format!("{}", (n * 100.0).round() / 100.0);
        let unit = if self.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", self.unit)
        };
        match (self.value, self.limit) {
            (Some(value), Some(limit)) => format!(
                "{} ({}{unit}, limit {}{unit})",
                self.text,
                number(value),
                number(limit)
            ),
            (Some(value), None) => format!("{} ({}{unit})", self.text, number(value)),
            _ => self.text.clone(),
        }
    }
    /// With the number behind it and its unit.
    #[must_use]
    pub fn value(mut self, value: f64, unit: &str) -> Self {
        self.value = Some(value);
        self.unit = unit.into();
        self
    }
    /// With the limit it is held against, in the value's unit.
    #[must_use]
    pub fn limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }
}
