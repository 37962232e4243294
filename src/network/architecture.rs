//! Architecture: the networks by name, and what each of them can be asked.
//!
//! Four are U-Nets that differ in stem width and in the residual blocks ahead of the first two strides: engine and
//! reference path run them. CraNeXt and Wu's autoencoder are there for comparison; only the reference path runs them.

use super::unet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A network by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 12,628,009 parameters: stem of 8, no residual blocks in the first two stages.
    V3,
    /// 12,723,489 parameters: the U-Net that the others were made from (Wodzinski et al. 2022).
    Native,
    /// 12,873,601 parameters: two more blocks in each of the first two stages.
    V1,
    /// 12,802,865 parameters: one more block in each of the first two stages.
    V2,
    /// 11,594,080 parameters: depthwise 7x7x7 blocks (Kesornsri et al. 2024). Made to answer the complete skull.
    CraNeXt,
    /// 8,269 parameters: an autoencoder for the upper cranium (Wu et al. 2022). Made to answer the complete skull.
    Wu,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::V3,
        Self::Native,
        Self::V1,
        Self::V2,
        Self::CraNeXt,
        Self::Wu,
    ];

    /// The name in cards, files and seeds.
    pub fn word(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::Native => "native",
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::CraNeXt => "cranext",
            Self::Wu => "wu",
        }
    }

    /// Its layers, if it is one of the U-Nets.
    pub(super) fn unet(self) -> Option<unet::Config> {
        match self {
            Self::V3 => Some(unet::Config::v3()),
            Self::Native => Some(unet::Config::native()),
            Self::V1 => Some(unet::Config::v1()),
            Self::V2 => Some(unet::Config::v2()),
            Self::CraNeXt | Self::Wu => None,
        }
    }

    /// Why it can not run over `cells`, if it can not.
    pub(super) fn unfit(self, cells: [usize; 3]) -> Option<&'static str> {
        match self {
            Self::V3 | Self::Native | Self::V1 | Self::V2 => {
                if cells.iter().any(|&n| n < 16) {
                    return Some("every axis needs at least 16 cells, for four halvings");
                }
                // One voxel a channel has no variance to normalise by.
                let deepest: usize = cells.iter().map(|n| n / 16).fold(1, usize::saturating_mul);
                (deepest < 2).then_some(
                    "one axis needs more than 31 cells, or the deepest level holds a single one",
                )
            }
            Self::CraNeXt => {
                let short = cells.iter().any(|&n| n < 32);
                short.then_some("every axis needs at least 32 cells, for five halvings")
            }
            Self::Wu => {
                // Skips are sums: what comes up must be as large as what went down.
                let odd = cells.iter().any(|&n| n == 0 || n % 8 != 0);
                odd.then_some(
                    "every axis needs a multiple of 8 cells, for three poolings and their way back",
                )
            }
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|a| a.word() == word);
        named.ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!("`{word}` is no architecture; there are {words}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_on_the_command_line_and_in_a_card() {
        for architecture in Architecture::ALL {
            let word = architecture.to_string();
            assert_eq!(word.parse(), Ok(architecture));
            assert_eq!(serde_json::to_value(architecture).unwrap(), word);
        }
        assert!(
            "v9".parse::<Architecture>()
                .unwrap_err()
                .contains("cranext")
        );
    }

    #[test]
    fn sizes_that_an_architecture_can_not_halve_are_named() {
        for (architecture, cells, fits) in [
            (Architecture::V3, [16, 16, 32], true),
            (Architecture::V3, [16, 16, 31], false),
            (Architecture::V2, [15, 64, 64], false),
            (Architecture::CraNeXt, [176, 224, 144], true),
            (Architecture::CraNeXt, [40, 48, 31], false),
            (Architecture::Wu, [112, 112, 40], true),
            (Architecture::Wu, [112, 112, 44], false),
            (Architecture::Wu, [0, 112, 40], false),
        ] {
            assert_eq!(
                architecture.unfit(cells).is_none(),
                fits,
                "{architecture} {cells:?}"
            );
        }
    }
}
