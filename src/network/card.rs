//! The card of a set of weights: one readable TOML file that says what they are, how their input is made, which
//! bytes they are and how good they proved. Everything that preprocessing and the way back need is here.
//!
//! ```toml
//! architecture = "v3"
//! frame = [240, 200, 240]    # mm, posterior x left x superior
//! grid = [120, 100, 120]     # cells, same order; frame = grid * voxel_mm
//! voxel_mm = 2.0
//! hu_threshold = 150
//! resample = "box"
//! input = "fraction"         # or "binary"
//! target = "fraction"        # or "binary", of what is missing; or "skull": the complete one
//! threshold = 0.5
//! file = "v3.safetensors"
//! sha256 = "..."
//! data = "what they were trained on"
//! licence = "CC BY-NC-SA 4.0"
//! status = "research prototype, no cleared medical device"
//! axes = "PLS"               # optional: where the grid's axes grow to; or "RAS"
//! fit = "middle"             # optional: of the skull's box; or "top", or "box" (frame and voxel_mm are nominal then)
//! [scores]                   # free: names and numbers, as measured
//! val_dsc_median = 0.8
//! ```

use super::architecture::Architecture;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a mask becomes cells of the frame, and what a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resample {
    /// Mean of the mask over the cell.
    Box,
    /// The mask at the cell's centre.
    Nearest,
}

/// What a cell's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Share of the cell that is bone, 0 to 1.
    Fraction,
    /// 0 or 1.
    Binary,
}

/// What the network was trained to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Share of the cell that is missing bone.
    Fraction,
    /// 1 where bone is missing.
    Binary,
    /// The complete skull, with what is missing: the skull that is there is subtracted from it.
    Skull,
}

/// Where the tensor's axes D, H, W grow to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Axes {
    /// Posterior, left, superior.
    #[default]
    Pls,
    /// Right, anterior, superior.
    Ras,
}

/// How the frame lies around the skull's box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Cells of `voxel_mm`, the box's middle in the frame's.
    #[default]
    Middle,
    /// Cells of `voxel_mm`, hung from the vertex.
    Top,
    /// The box and 10 mm around it stretched over the grid, every axis by itself.
    Box,
}

/// What a set of weights is. All keys but `status` and `scores` are needed; an unknown key is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Which layers.
    pub architecture: Architecture,
    /// Extent of the frame in mm along D, H, W: posterior, left, superior unless `axes` says otherwise. Nominal where
    /// the frame is stretched over the skull's box.
    pub frame: [f64; 3],
    /// Cells of the frame, the tensor's D, H, W.
    pub grid: [usize; 3],
    /// Edge of a cell in mm; nominal as the frame is.
    pub voxel_mm: f64,
    /// HU at and above which a voxel counts as bone.
    pub hu_threshold: i16,
    /// How a mask becomes cells.
    pub resample: Resample,
    /// What the network is fed.
    pub input: Content,
    /// What it was trained to answer.
    pub target: Target,
    /// Probability at and above which a voxel counts as missing bone.
    pub threshold: f64,
    /// Where the axes of frame and grid grow to.
    #[serde(default)]
    pub axes: Axes,
    /// How the frame lies around the skull's box.
    #[serde(default)]
    pub fit: Fit,
    /// The safetensors file, beside the card.
    pub file: String,
    /// SHA-256 of that file, lower-case hex.
    pub sha256: String,
    /// What the weights were trained on.
    pub data: String,
    /// Licence of the weights.
    pub licence: String,
    /// What these weights may be taken for, in a sentence.
    #[serde(default)]
    pub status: String,
    /// Measured scores, as they were measured.
    #[serde(default)]
    pub scores: toml::Table,
    /// How the weights were made: command, hours, hardware, seed.
    #[serde(default)]
    pub training: toml::Table,
    /// What they are known to do badly.
    #[serde(default)]
    pub known_failures: toml::Table,
}

/// Why a card can not be used.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// No TOML file in the folder.
    #[error("no model card (*.toml) in {}. Point --model or CALVARIA_MODELS at a folder with one.", .0.display())]
    Missing(PathBuf),
    /// More than one TOML file.
    #[error("{count} model cards in {}; a model folder holds one.", dir.display())]
    Several {
        /// The folder.
        dir: PathBuf,
        /// Cards in it.
        count: usize,
    },
    /// Not readable.
    #[error("the model card {} could not be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// Not TOML, a key missing, unknown or of the wrong kind.
    #[error("the model card {} is wrong: {}", path.display(), source.message())]
    Parse {
        /// The card.
        path: PathBuf,
        /// Which key, and why.
        source: toml::de::Error,
    },
    /// A value out of range, or values that contradict one another.
    #[error("the model card's `{key}` is wrong: {text}")]
    Value {
        /// Which key.
        key: &'static str,
        /// Why.
        text: String,
    },
}

impl Card {
    /// Reads the one card in `dir`.
    ///
    /// # Errors
    /// [`CardError`] when there is none, more than one, or one that is wrong.
    pub fn read(dir: &Path) -> Result<Self, CardError> {
        let path = Self::path(dir)?;
        let text = std::fs::read_to_string(&path).map_err(|e| CardError::Read(path.clone(), e))?;
        let card: Self =
            toml::from_str(&text).map_err(|source| CardError::Parse { path, source })?;
        card.check()?;
        Ok(card)
    }

    /// The one card in `dir`.
    pub(super) fn path(dir: &Path) -> Result<PathBuf, CardError> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(CardError::Missing(dir.into()));
            }
            Err(e) => return Err(CardError::Read(dir.into(), e)),
        };
        let mut cards: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "toml"))
            .collect();
        match (cards.pop(), cards.len()) {
            (None, _) => Err(CardError::Missing(dir.into())),
            (Some(card), 0) => Ok(card),
            (Some(_), more) => Err(CardError::Several {
                dir: dir.into(),
                count: more + 1,
            }),
        }
    }

    fn check(&self) -> Result<(), CardError> {
        let wrong = |key, text: String| Err(CardError::Value { key, text });
        if !(0.3..=5.0).contains(&self.voxel_mm) {
            return wrong(
                "voxel_mm",
                format!("{} mm is outside 0.3 to 5", self.voxel_mm),
            );
        }
        if let Some(why) = self.architecture.unfit(self.grid) {
            return wrong("grid", format!("{:?} cells: {why}", self.grid));
        }
        for axis in 0..3 {
            if self.grid[axis] > 512 {
                return wrong(
                    "grid",
                    format!("{} cells are more than 512", self.grid[axis]),
                );
            }
            let extent = self.grid[axis] as f64 * self.voxel_mm;
            if (extent - self.frame[axis]).abs() > 0.5 * self.voxel_mm {
                let text = format!(
                    "{} mm are not {} cells of {} mm",
                    self.frame[axis], self.grid[axis], self.voxel_mm
                );
                return wrong("frame", text);
            }
        }
        if !(self.threshold > 0.0 && self.threshold < 1.0) {
            return wrong(
                "threshold",
                format!("{} is not between 0 and 1", self.threshold),
            );
        }
        if Path::new(&self.file)
            .file_name()
            .is_none_or(|name| name != self.file.as_str())
        {
            return wrong(
                "file",
                format!("`{}` is not a file beside the card", self.file),
            );
        }
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if self.sha256.len() != 64 || !self.sha256.chars().all(hex) {
            return wrong("sha256", "not 64 lower-case hex digits".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        architecture = "v3"
        frame = [240, 200, 240]
        grid = [120, 100, 120]
        voxel_mm = 2.0
        hu_threshold = 150
        resample = "box"
        input = "fraction"
        target = "fraction"
        threshold = 0.5
        file = "v3.safetensors"
        sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        data = "seeded"
        licence = "none"
        [scores]
        val_dsc = 0.5
    "#;

    fn read(text: &str) -> Result<Card, CardError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("card.toml"), text).unwrap();
        Card::read(dir.path())
    }

    #[test]
    fn a_good_card_is_read() {
        let card = read(GOOD).unwrap();
        assert_eq!(card.architecture, Architecture::V3);
        assert_eq!(card.grid, [120, 100, 120]);
        assert_eq!(card.scores["val_dsc"].as_float(), Some(0.5));
    }

    #[test]
    fn each_wrong_value_is_refused_by_its_key() {
        let cases = [
            ("voxel_mm = 2.0", "voxel_mm = 1.0", "frame"),
            ("voxel_mm = 2.0", "voxel_mm = nan", "voxel_mm"),
            ("grid = [120, 100, 120]", "grid = [120, 100, 8]", "grid"),
            ("threshold = 0.5", "threshold = 1.0", "threshold"),
            ("\"v3.safetensors\"", "\"../v3.safetensors\"", "file"),
            ("\"0123", "\"Z123", "sha256"),
        ];
        for (from, to, key) in cases {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            match read(&text) {
                Err(CardError::Value { key: have, .. }) => assert_eq!(have, key, "{to}"),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn unknown_keys_and_networks_are_refused_by_name() {
        for (from, to, word) in [
            ("data =", "colour = 1\ndata =", "colour"),
            ("\"v3\"", "\"v9\"", "v9"),
            ("licence = \"none\"", "", "licence"),
        ] {
            let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn no_card_and_two_cards_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Card::read(dir.path()), Err(CardError::Missing(_))));
        assert!(matches!(
            Card::read(&dir.path().join("absent")),
            Err(CardError::Missing(_))
        ));
        for name in ["a.toml", "b.toml"] {
            std::fs::write(dir.path().join(name), GOOD).unwrap();
        }
        assert!(matches!(
            Card::read(dir.path()),
            Err(CardError::Several { count: 2, .. })
        ));
    }
}
