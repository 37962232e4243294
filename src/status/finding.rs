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

/// On which side of a limit a number is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The limit or more is good.
    AtLeast,
    /// The limit or less is good.
    AtMost,
}

impl Bound {
    /// Is `value` on the good side of `limit`?
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::AtLeast => value >= limit,
            Self::AtMost => value <= limit,
        }
    }

    /// As it stands before the limit in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
        }
    }
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
    /// Which side of the limit is good; records of earlier versions do not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound: Option<Bound>,
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
            bound: None,
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
            (Some(value), Some(limit)) => {
                let bound = self.bound_words();
                format!("({}, {bound} {})", number(value), number(limit))
            }
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
    /// With the least that is good, in the value's unit.
    #[must_use]
    pub fn at_least(self, limit: f64) -> Self {
        self.bound(Bound::AtLeast, limit)
    }
    /// With the most that is good, in the value's unit.
    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        self.bound(Bound::AtMost, limit)
    }
    /// With the limit it is held against, in the value's unit, and the side of it that is good.
    #[must_use]
    pub fn bound(mut self, bound: Bound, limit: f64) -> Self {
        self.bound = Some(bound);
        self.limit = Some(limit);
        self
    }
    /// What stands before the limit: `at least`, `at most`, or `limit` where the side is not known.
    pub fn bound_words(&self) -> &'static str {
        self.bound.map_or("limit", Bound::words)
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
        let two = Finding::info("x", "Share closed").value(98.0, "%");
        assert_eq!(
            two.at_least(97.0).line(),
            "Share closed (98 %, at least 97 %)"
        );
        let three = Finding::warn("x", "Gap.").value(1.75, "mm").at_most(1.5);
        assert_eq!(three.line(), "Gap (1.75 mm, at most 1.5 mm).");
    }

    #[test]
    fn a_finding_of_an_earlier_record_is_still_read() {
        let old = r#"{"name":"x","severity":"info","text":"T.","value":1.0,"limit":2.0}"#;
        let finding: Finding = serde_json::from_str(old).unwrap();
        assert_eq!(finding.line(), "T (1, limit 2).");
        let new = serde_json::to_value(finding.at_most(2.0)).unwrap();
        assert_eq!(new["bound"], "at_most");
    }
}
