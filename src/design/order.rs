//! Order: what a surgeon asked for, held against what was found.
//!
//! In:    `order.toml` in the drop, a file given by hand, and flags; each key may be left out.
//! Out:   the numbers of the implant room with the order in them, and findings that say what was ordered and what was found.
//! Holds: a flag goes before the order, an order before the default. An order that contradicts what was found is refused
//!        in words: a part for the wrong side is worse than none.
//! Never: makes up what is not asked.

use crate::implant::{Lighten, Missing, Rules, Thickness};
use crate::status::{Finding, Side};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Gap to the bone that may be ordered, mm: less does not go in, more wobbles.
const CLEARANCE_MM: [f64; 2] = [0.3, 1.0];
/// Thickness that may be ordered, mm, and percent of the bone.
const THICKNESS_MM: [f64; 2] = [1.5, 10.0];
const THICKNESS_PERCENT: [f64; 2] = [30.0, 100.0];
/// Largest order that is read, bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// Regions as they lie: two that share a suture are told apart by a line that people draw differently.
const REGIONS: [&str; 4] = ["frontal", "parietal", "temporal", "occipital"];

/// An order. Everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// The patient's own side; `both` for a hole across the midline, or one on each side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// Where the largest hole lies: `frontal`, `parietal`, `temporal`, `occipital`, or several with hyphens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `"skull"`, mm, or a share of the bone as `"80%"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thickness: Option<Asked>,
    /// Gap between part and bone, mm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clearance_mm: Option<f64>,
    /// How the part sits: `inlay` within the hole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<String>,
    /// How the part is made lighter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lighten: Option<Lighten>,
    /// How many parts are expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
    /// The orbit's edge: `leave`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orbit: Option<String>,
}

/// A thickness as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Asked {
    /// mm.
    Mm(f64),
    /// `skull`, `80%`, or mm as text.
    Text(String),
}

/// Why an order can not be followed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OrderError {
    /// It can not be read.
    #[error("the order can not be read: {0}")]
    Read(String),
    /// It is no order.
    #[error("the order is not valid: {0}")]
    Parse(String),
    /// A value that is not known or out of range.
    #[error("the order asks for {key} = {value}; {known}.")]
    Value {
        /// Key.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What may.
        known: String,
    },
    /// What is known, and not made by this version.
    #[error(
        "the order asks for {key} = {value}, which this version does not make; it makes {made}."
    )]
    NotMade {
        /// Key.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What is made.
        made: &'static str,
    },
    /// It contradicts the scan.
    #[error("the order says {ordered}, and the scan shows {found}.")]
    Contradicted {
        /// What was ordered.
        ordered: String,
        /// What was found.
        found: String,
    },
}

fn words(side: Side) -> &'static str {
    match side {
        Side::Left => "the patient's left",
        Side::Right => "the patient's right",
        Side::Both => "both sides",
    }
}

impl Order {
    /// Reads the text of an order.
    ///
    /// # Errors
    /// [`OrderError`]: no TOML, a key or value that is not known.
    pub fn parse(text: &str) -> Result<Self, OrderError> {
        let order: Self = toml::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|e| OrderError::Parse(e.to_string().trim().replace('\n', " ")))?;
        order.judge()?;
        Ok(order)
    }

    /// Reads an order's file.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn read(path: &Path) -> Result<Self, OrderError> {
        let read = |e: std::io::Error| OrderError::Read(e.to_string());
        let bytes = std::fs::metadata(path).map_err(read)?.len();
        if bytes > BYTES_MAX {
            return Err(OrderError::Read(format!(
                "it has {bytes} bytes, at most {BYTES_MAX} are read"
            )));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(read)?)
    }

    /// What is said here goes before what the other says.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Self {
            side: self.side.or(other.side),
            region: self.region.or(other.region),
            thickness: self.thickness.or(other.thickness),
            clearance_mm: self.clearance_mm.or(other.clearance_mm),
            edge: self.edge.or(other.edge),
            lighten: self.lighten.or(other.lighten),
            parts: self.parts.or(other.parts),
            orbit: self.orbit.or(other.orbit),
        }
    }

    /// Does it ask for nothing?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses values that make no sense or are not made.
    ///
    /// # Errors
    /// [`OrderError::Value`], [`OrderError::NotMade`].
    pub fn judge(&self) -> Result<(), OrderError> {
        self.thickness()?;
        if let Some(mm) = self
            .clearance_mm
            .filter(|mm| !(CLEARANCE_MM[0]..=CLEARANCE_MM[1]).contains(mm))
        {
            return Err(OrderError::Value {
                key: "clearance_mm",
                value: mm.to_string(),
                known: format!("{} to {} can be made", CLEARANCE_MM[0], CLEARANCE_MM[1]),
            });
        }
        if let Some(region) = &self.region
            && regions(region).is_none()
        {
            return Err(OrderError::Value {
                key: "region",
                value: region.clone(),
                known: format!(
                    "known are {}, or several of them with hyphens",
                    REGIONS.join(", ")
                ),
            });
        }
        if self.parts == Some(0) {
            return Err(OrderError::Value {
                key: "parts",
                value: "0".into(),
                known: "at least one part is made".into(),
            });
        }
        let choices: [(&'static str, &Option<String>, &'static str, &[&str]); 2] = [
            ("edge", &self.edge, "inlay", &["bevel"]),
            ("orbit", &self.orbit, "leave", &["rebuild"]),
        ];
        for (key, asked, made, others) in choices {
            let Some(value) = asked.as_deref().filter(|v| *v != made) else {
                continue;
            };
            let value = value.to_owned();
            return Err(if others.contains(&value.as_str()) {
                OrderError::NotMade { key, value, made }
            } else {
                OrderError::Value {
                    key,
                    value,
                    known: format!("known are {made}, {}", others.join(", ")),
                }
            });
        }
        Ok(())
    }

    fn thickness(&self) -> Result<Option<Thickness>, OrderError> {
        let wrong = |value: String| OrderError::Value {
            key: "thickness",
            value,
            known: format!(
                "known are \"skull\", {} to {} mm, and \"{}%\" to \"{}%\" of the bone",
                THICKNESS_MM[0], THICKNESS_MM[1], THICKNESS_PERCENT[0], THICKNESS_PERCENT[1]
            ),
        };
        let within = |value: f64, [low, high]: [f64; 2]| (low..=high).contains(&value);
        match &self.thickness {
            None => Ok(None),
            // Never thicker than the bone that was there: it would press on the dura.
            Some(Asked::Mm(mm)) if within(*mm, THICKNESS_MM) => Ok(Some(Thickness::AtMost(*mm))),
            Some(Asked::Mm(mm)) => Err(wrong(mm.to_string())),
            Some(Asked::Text(text)) if text == "skull" => Ok(Some(Thickness::Skull)),
            Some(Asked::Text(text)) => {
                let percent = text.strip_suffix('%').and_then(|p| p.trim().parse().ok());
                let share = percent
                    .filter(|p| within(*p, THICKNESS_PERCENT))
                    .map(|p: f64| p / 100.0);
                share
                    .map(|share| Some(Thickness::Fraction(share)))
                    .ok_or_else(|| wrong(text.clone()))
            }
        }
    }

    /// The implant's numbers with the order in them.
    ///
    /// # Errors
    /// As [`Order::judge`].
    pub(super) fn applied(&self, rules: Rules) -> Result<Rules, OrderError> {
        self.judge()?;
        Ok(Rules {
            thickness: self.thickness()?.unwrap_or(rules.thickness),
            clearance_mm: self.clearance_mm.unwrap_or(rules.clearance_mm),
            lighten: self.lighten.unwrap_or(rules.lighten),
            ..rules
        })
    }

    /// Holds the order against what was found; the finding says both.
    ///
    /// # Errors
    /// [`OrderError::Contradicted`].
    pub(super) fn held(&self, missing: &Missing) -> Result<Vec<Finding>, OrderError> {
        let printed = missing.bodies.iter().filter(|body| body.printed).count();
        self.held_against(missing.side, &missing.region, printed)
    }

    fn held_against(
        &self,
        side: Side,
        region: &str,
        printed: usize,
    ) -> Result<Vec<Finding>, OrderError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let contradicted =
            |ordered: String, found: String| Err(OrderError::Contradicted { ordered, found });
        if let Some(asked) = self.side.filter(|asked| *asked != side) {
            return contradicted(
                format!("a hole on {}", words(asked)),
                format!("one on {}", words(side)),
            );
        }
        if let Some(parts) = self.parts.filter(|parts| *parts != printed) {
            return contradicted(
                format!("{parts} part(s)"),
                format!("{printed} hole(s) that get one"),
            );
        }
        let mut findings = Vec::new();
        let found = regions(region).unwrap_or_default();
        let asked = self.region.as_deref().and_then(regions).unwrap_or_default();
        if !asked.is_empty() && asked.iter().all(|one| !found.contains(one)) {
            let near = asked
                .iter()
                .any(|&a| found.iter().any(|&b| is_neighbour(a, b)));
            let ordered = self.region.clone().unwrap_or_default();
            if !near {
                return contradicted(format!("a {ordered} hole"), format!("a {region} one"));
            }
            findings.push(Finding::warn(
                "ordered_region",
                format!("Ordered was a {ordered} hole; the middle of the one that was found is {region}. The two bones lie side by side: look that it is the hole that was meant."),
            ));
        }
        findings.insert(
            0,
            Finding::info(
                "order",
                format!(
                    "Ordered: {}. Found: {}, {region}, {printed} part(s).",
                    self.words(),
                    words(side)
                ),
            ),
        );
        Ok(findings)
    }

    /// The order in a line.
    fn words(&self) -> String {
        let thickness = self.thickness.as_ref().map(|asked| match asked {
            Asked::Mm(mm) => format!("thickness at most {mm} mm"),
            Asked::Text(text) => format!("thickness {text}"),
        });
        let parts = [
            self.side.map(|side| words(side).to_owned()),
            self.region.clone(),
            thickness,
            self.clearance_mm.map(|mm| format!("clearance {mm} mm")),
            self.edge.as_ref().map(|v| format!("edge {v}")),
            self.lighten.map(|v| format!("lighten {}", v.word())),
            self.parts.map(|n| format!("{n} part(s)")),
            self.orbit.as_ref().map(|v| format!("orbit {v}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The regions in a word such as `fronto-temporo-parietal`; `None` when a piece is no region.
fn regions(word: &str) -> Option<Vec<usize>> {
    let pieces = word
        .split(['-', ' ', ','])
        .filter(|piece| !piece.is_empty());
    let found: Option<Vec<usize>> = pieces
        .map(|piece| {
            let piece = piece.to_ascii_lowercase();
            // `fronto`, `temporo`, `parieto`, `occipito`: the first five letters are the region's own.
            REGIONS.iter().position(|region| {
                piece == *region
                    || piece
                        .strip_suffix('o')
                        .is_some_and(|stem| region.starts_with(stem))
            })
        })
        .collect();
    found.filter(|found| !found.is_empty())
}

/// Do two regions share a suture? All do but the frontal and the occipital bone.
fn is_neighbour(a: usize, b: usize) -> bool {
    let ends = [REGIONS[a], REGIONS[b]];
    !(ends.contains(&"frontal") && ends.contains(&"occipital"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Order {
        Order::parse(text).unwrap()
    }

    #[test]
    fn an_order_becomes_the_numbers_of_the_part() {
        let order = parse(
            "side = \"left\"\nregion = \"fronto-temporo-parietal\"\nthickness = \"80%\"\nclearance_mm = 0.7\nedge = \"inlay\"\nparts = 1\n",
        );
        let rules = order.applied(Rules::default()).unwrap();
        assert_eq!(
            (rules.clearance_mm, rules.thickness),
            (0.7, Thickness::Fraction(0.8))
        );
        let thick = |text: &str| parse(text).applied(Rules::default()).unwrap().thickness;
        assert_eq!(thick("thickness = \"skull\""), Thickness::Skull);
        assert_eq!(thick("thickness = 3.5"), Thickness::AtMost(3.5));
        assert_eq!(thick("thickness = 3"), Thickness::AtMost(3.0));
        assert_eq!(
            parse("").applied(Rules::default()).unwrap(),
            Rules::default()
        );
    }

    #[test]
    fn what_makes_no_sense_or_is_not_made_is_refused_in_words() {
        for (text, part) in [
            ("side = \"port\"", "side"),
            ("seite = \"left\"", "seite"),
            ("clearance_mm = 3.0", "0.3 to 1"),
            ("clearance_mm = nan", "0.3 to 1"),
            ("thickness = 40", "1.5 to 10"),
            ("thickness = \"5%\"", "30%"),
            ("thickness = \"thick\"", "skull"),
            ("region = \"nasal\"", "frontal, parietal"),
            ("region = \"\"", "frontal, parietal"),
            ("parts = 0", "at least one"),
            ("edge = \"bevel\"", "does not make"),
            ("lighten = \"drill\"", "perforate"),
            ("orbit = \"rebuild\"", "does not make"),
            ("edge = \"sharp\"", "known are inlay, bevel"),
            ("side = ", "not valid"),
        ] {
            let said = Order::parse(text).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn an_order_that_contradicts_the_scan_is_refused() {
        let held = |text: &str| parse(text).held_against(Side::Left, "parietal", 1);
        for (text, part) in [
            (
                "side = \"right\"",
                "on the patient's right, and the scan shows one on the patient's left",
            ),
            ("side = \"both\"", "both sides"),
            ("parts = 2", "2 part(s), and the scan shows 1 hole(s)"),
        ] {
            let said = held(text).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
        let frontal = parse("region = \"frontal\"");
        assert!(frontal.held_against(Side::Left, "occipital", 1).is_err());
        assert_eq!(held("").unwrap(), []);
        let names = |text: &str| -> Vec<String> {
            held(text).unwrap().into_iter().map(|f| f.name).collect()
        };
        assert_eq!(
            names("side = \"left\"\nregion = \"temporo-parietal\""),
            ["order"]
        );
        // Side by side: a person looks.
        assert_eq!(names("region = \"temporal\""), ["order", "ordered_region"]);
        let said = held("side = \"left\"\nthickness = \"skull\"").unwrap()[0]
            .text
            .clone();
        assert!(
            said.contains("thickness skull. Found: the patient's left, parietal"),
            "{said}"
        );
    }

    #[test]
    fn a_flag_goes_before_the_order() {
        let flags = parse("clearance_mm = 0.4");
        let both = flags.over(parse("clearance_mm = 0.8\nside = \"right\""));
        assert_eq!(
            (both.clearance_mm, both.side),
            (Some(0.4), Some(Side::Right))
        );
    }
}
