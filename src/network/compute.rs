//! Which path answers: the engine on some instruction set, or the reference in plain candle operations.

use super::NetworkError;
use super::architecture::Architecture;
use super::engine::Isa;
use std::fmt;
use std::str::FromStr;

/// What a network is computed with. Asking for what is not there is an error, never a silent change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute {
    /// The engine with these instructions.
    Engine(Isa),
    /// Plain candle operations: slow, four times the memory, what the engine is tested against.
    Reference,
}

impl Compute {
    /// The engine on the fastest instructions that are here; the reference path for what the engine does not know.
    pub fn best(architecture: Architecture) -> Self {
        match architecture.unet() {
            Some(_) => Self::Engine(Isa::best()),
            None => Self::Reference,
        }
    }

    /// What `CALVARIA_ISA` names (`avx512`, `avx2`, `neon`, `scalar`, `reference`), else the best.
    ///
    /// # Errors
    /// [`NetworkError::Compute`] when this processor does not have it.
    pub fn from_environment(architecture: Architecture) -> Result<Self, NetworkError> {
        match std::env::var("CALVARIA_ISA") {
            Ok(word) if !word.is_empty() => word.parse(),
            _ => Ok(Self::best(architecture)),
        }
    }

    /// The words that can be asked for on this processor.
    pub(super) fn here() -> String {
        let isas = Isa::ALL.into_iter().filter(|isa| isa.is_here());
        let mut words: Vec<String> = isas.map(|isa| isa.to_string()).collect();
        words.push(Self::Reference.to_string());
        words.join(", ")
    }

    pub(super) fn checked(self) -> Result<Self, NetworkError> {
        match self {
            Self::Engine(isa) if !isa.is_here() => Err(NetworkError::Compute(isa.to_string())),
            here => Ok(here),
        }
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(isa) => isa.fmt(f),
            Self::Reference => f.write_str("reference"),
        }
    }
}

impl FromStr for Compute {
    type Err = NetworkError;

    fn from_str(word: &str) -> Result<Self, NetworkError> {
        let named = match (word, word.parse()) {
            ("reference", _) => Some(Self::Reference),
            (_, Ok(isa)) => Some(Self::Engine(isa)),
            _ => None,
        };
        named
            .ok_or_else(|| NetworkError::Compute(word.into()))?
            .checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_is_written_and_what_is_not_here_is_refused_with_the_choice() {
        for word in Compute::here().split(", ") {
            assert_eq!(word.parse::<Compute>().unwrap().to_string(), word);
        }
        let foreign = if cfg!(target_arch = "x86_64") {
            "neon"
        } else {
            "avx2"
        };
        for word in [foreign, "sse9", ""] {
            let text = word.parse::<Compute>().unwrap_err().to_string();
            assert!(
                text.contains(&format!("`{word}`")) && text.contains("scalar"),
                "{text}"
            );
        }
    }
}
