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
        let unit = match self.unit.as_str() {
            "mm2" => "mm²",
            "cm2" => "cm²",
            "mm3" => "mm³",
            other => other,
        };
        let number = |n: f64| {
            let rounded = (n * 100.0).round() / 100.0;
            format!("{rounded} {unit}").trim_end().to_owned()
        };
        let bracket = match (self.value, self.limit) {
            (Some(value), Some(limit)) => format!("({}, limit {})", number(value), number(limit)),
            (Some(value), None) => format!("({})", number(value)),
            _ => return self.text.clone(),
        };
        // The number belongs to the sentence, not behind it.
        match self.text.strip_suffix('.') {
            Some(sentence) => format!("{sentence} {bracket}."),
            None => format!("{} {bracket}", self.text),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_belongs_to_the_sentence() {
        let plain = Finding::info("x", "Nothing to measure.");
        assert_eq!(plain.line(), "Nothing to measure.");
        let one = Finding::info("x", "Bone is missing.").value(61.594, "cm2");
        assert_eq!(one.line(), "Bone is missing (61.59 cm²).");
        let two = Finding::warn("x", "Share closed").value(98.0, "%");
        assert_eq!(two.limit(97.0).line(), "Share closed (98 %, limit 97 %)");
    }
}
