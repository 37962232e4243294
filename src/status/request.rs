//! Acts: what a person asks of the station, on whose word, and until when it may begin.

use super::{Nozzle, Reason, Side, Tune};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An act that names no deadline begins within this time after the station heard of it, or never.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Longest deadline an act may name; a longer one is this one.
pub const DEADLINE_MAX: Duration = Duration::from_secs(30);
/// Longest [`ActId`], characters.
pub const ACT_ID_MAX: usize = 64;

/// What a person asks of the station; the answer is a [`Reply`]. Emergency stop is none of these: it has a way of
/// its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    /// Print the design with this hash, on the word of a named person, or of two.
    Release(Box<ReleaseAct>),
    /// Hold the running print.
    Pause(Act),
    /// Go on with a held print.
    Resume(Act),
    /// Give a job up, or stop its print in order (parked, heaters off).
    Cancel(Act),
    /// Say no to a design, with a reason. Final.
    Reject {
        /// Who, and which case.
        act: Act,
        /// Why, in the person's own words; no name of a patient belongs here.
        reason: String,
    },
    /// Try a failed or refused job anew.
    Retry(Act),
    /// Back to awaiting release after a stopped print.
    PrintAgain(Act),
    /// Go on with a stopped print whose part is still on the bed; it is released anew after this.
    Reenter(Box<ReenterAct>),
    /// Take a case that is over off the list. It stays in the record and in the history.
    PutAway(Act),
    /// A person looked at the bed: nothing lies on it. The code is not read.
    BedClear(Act),
    /// Show who the patient is: asks for the PIN and is written into the record, changes nothing else.
    SignIn(Act),
    /// After a halt, by a person who looked at the printer: reset it. Nothing is resumed. The code is not read.
    Recover(Act),
    /// Answers what the printer asks at its own panel.
    Answer {
        /// Who. The code is not read.
        act: Act,
        /// The question that was seen, as it stood there: another one is not answered by it.
        question: String,
        /// The choice by its place, from 0; 0 where there are none: go on.
        choice: usize,
    },
    /// Changes speed, flow, fan or height of the print that runs, within the profile's bounds.
    Tune {
        /// Who. The code is not read.
        act: Act,
        /// What.
        tune: Tune,
    },
    /// Hand in a bundle to be installed; of the service alone. The code is not read.
    Update(Act),
    /// A supervisor clears what wrong PINs have delayed: a name, or every name and address where `name` is empty.
    Unlock {
        /// Who. The code is not read.
        act: Act,
        /// Whose name; empty: everybody's.
        name: String,
    },
}

impl Request {
    /// Everybody who vouches for it, with their PIN, in its own order: one person, or two at a release.
    pub fn vouchers(&mut self) -> Vec<(&str, &mut Pin)> {
        match self {
            Self::Release(release) => {
                let mut people = vec![(release.operator.as_str(), &mut release.pin)];
                if let Some(Person { operator, pin }) = &mut release.second {
                    people.push((operator, pin));
                }
                people
            }
            Self::Reenter(reenter) => vec![(&reenter.act.operator, &mut reenter.act.pin)],
            Self::Pause(act)
            | Self::Resume(act)
            | Self::Cancel(act)
            | Self::Retry(act)
            | Self::PrintAgain(act)
            | Self::PutAway(act)
            | Self::BedClear(act)
            | Self::SignIn(act)
            | Self::Recover(act)
            | Self::Update(act)
            | Self::Reject { act, .. }
            | Self::Answer { act, .. }
            | Self::Tune { act, .. }
            | Self::Unlock { act, .. } => vec![(&act.operator, &mut act.pin)],
        }
    }
}

/// What is vouched for at a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseAct {
    /// Case code.
    pub code: String,
    /// Who releases.
    pub operator: String,
    /// Their PIN; never logged, never stored.
    pub pin: Pin,
    /// Another person who releases with them.
    #[serde(default)]
    pub second: Option<Person>,
    /// SHA-256 of the G-code that was shown, lower-case hex.
    pub sha256: String,
    /// The spool that is loaded, as written on it.
    pub spool: String,
    /// The spool names another material than the case's, or none, and that is right: one of the releasing persons,
    /// a supervisor, says so.
    #[serde(default)]
    pub other_material: bool,
    /// The side as the order has it.
    pub side: Side,
    /// The operator saw that the bed is clear.
    pub bed_clear: bool,
    /// Of a re-entry: the operator saw that the part holds on the bed.
    #[serde(default)]
    pub part_holds: bool,
}

/// What a person measured and saw of a part whose print was cut off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReenterAct {
    /// Who, and which case.
    pub act: Act,
    /// The layer that was shown.
    pub from_layer: u32,
    /// Height of the part over the bed, by a ruler, mm.
    pub height_mm: f64,
    /// How the nozzle stands, where that is asked.
    pub nozzle: Option<Nozzle>,
    /// The part holds on the bed.
    pub part_holds: bool,
}

/// Who asks for what on which job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Case code.
    #[serde(default)]
    pub code: String,
    /// Who asks.
    pub operator: String,
    /// Their PIN; never logged, never stored.
    pub pin: Pin,
}

/// A person and their PIN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their name, as the list of operators has it but for capitals.
    pub operator: String,
    /// Their PIN; never logged, never stored.
    pub pin: Pin,
}

/// A PIN on its way in. Its `Debug` shows nothing, so that no log can.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pin(pub String);

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(****)")
    }
}

/// What a person may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks after the machine: holds, ends and clears, recovers the printer. Releases nothing, sees no patient.
    Service,
    /// Releases, and everything else but what needs a supervisor.
    #[default]
    Operator,
    /// Also releases what is doubtful or names another material, and clears wrong PINs.
    Supervisor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Supervisor, Self::Service];

    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
        }
    }

    /// May release a print and see who the patient is.
    pub fn releases(self) -> bool {
        match self {
            Self::Operator | Self::Supervisor => true,
            Self::Service => false,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let role = Self::ALL.into_iter().find(|role| role.word() == text);
        role.ok_or("write operator, supervisor or service")
    }
}

/// An act's own name, chosen by whoever asks: a repeat with the same one is answered like the first and done once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActId(String);

impl ActId {
    /// `None`: not 1 to [`ACT_ID_MAX`] of `A-Z a-z 0-9 - _`.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=ACT_ID_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        fits.then(|| Self(text.into()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What comes with a [`Request`] and is not part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The act's own name.
    pub id: Option<ActId>,
    /// The act begins before this instant or never; `None`: [`DEADLINE`] from when the station hears of it.
    pub begin_by: Option<Instant>,
    /// Where it came from; wrong PINs are counted by it too.
    pub from: Option<IpAddr>,
}

/// The answer to a [`Request`].
pub type Reply = Result<(), Refused>;

/// Why a request was not carried out: for people and scripts alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text} {next}")]
pub struct Refused {
    /// Stable word for scripts, e.g. `wrong_pin`.
    pub code: String,
    /// What happened, in plain language.
    pub text: String,
    /// What to do next.
    #[serde(rename = "do")]
    pub next: String,
}

impl Refused {
    /// From its three parts.
    pub fn new(code: &str, text: impl Into<String>, next: impl Into<String>) -> Self {
        let Reason { text, next } = Reason::new(text, next);
        Self {
            code: code.into(),
            text,
            next,
        }
    }

    /// Not begun by its deadline, and never will be.
    pub fn late() -> Self {
        let text = "The station did not come to it in time. It was not done, and will not be.";
        Self::new("late", text, "Try again.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_id_is_short_and_plain() {
        for good in ["a", "2f1c-9_Z", &"x".repeat(64)] {
            assert_eq!(ActId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "é", "a\n", "a/b", &"x".repeat(65)] {
            assert!(ActId::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_role_is_known_by_its_word() {
        for role in Role::ALL {
            assert_eq!(role.word().parse(), Ok(role));
        }
        assert!("Admin".parse::<Role>().is_err());
        assert_eq!(Role::default(), Role::Operator);
    }

    #[test]
    fn no_pin_is_seen_in_debug() {
        let person = Person {
            operator: "A. Weber".into(),
            pin: Pin("481516".into()),
        };
        assert!(!format!("{person:?}").contains("481516"));
    }
}
