//! Adopted: is the link that answers the one that the configuration asks for? A link goes on when the station is
//! restarted, so it may own another port or speak for another machine than the one the next design is made for.
//!
//! In:    the configuration's `[printer]`; what the link says that it was started with.
//! Out:   why nothing may be printed on it, for page, LCD and release; whether it may be restarted from here.
//! Holds: a link that does not say counts as another one. A link that prints is never touched, and none is ended that could not
//!        be started anew: without a link nobody can press stop.

use crate::gcode::Printer;
use crate::printer::started::{Keeper, Started};
use crate::station::Config;
use crate::status::Finding;
use std::time::{Duration, Instant};

/// A profile may be edited while everything runs: compared again after this long.
const LOOK: Duration = Duration::from_secs(10);
/// A link that was told to end is given this long to come back before it is told again.
const AGAIN: Duration = Duration::from_secs(30);

/// The link that the configuration asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    printer: crate::station::config::Printer,
    /// The station starts links itself.
    starts: bool,
}

impl Wanted {
    pub(super) fn new(config: &Config, starts: bool) -> Self {
        Self {
            printer: config.printer.clone(),
            starts,
        }
    }

    /// As it would be started now: profiles are read anew by every designer, too.
    fn started(&self) -> Result<Started, String> {
        let of_config = &self.printer;
        let printer = Printer::load(&of_config.profile).map_err(|e| e.to_string())?;
        let (baud, keeper) = (of_config.baud_of(&printer), Keeper::Station);
        Ok(Started::new(of_config.place(), baud, &printer, keeper))
    }
}

/// The link that answers now.
#[derive(Debug)]
pub(super) struct Adopted {
    wanted: Wanted,
    said: Option<Started>,
    barred: Option<Finding>,
    /// One could be started in its place: the profile can be read.
    replaceable: bool,
    looked: Option<Instant>,
    told_to_end: Option<Instant>,
}

impl Adopted {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            said: None,
            barred: None,
            replaceable: false,
            looked: None,
            told_to_end: None,
        }
    }

    /// A connection begins: nothing is known of who answers.
    pub(super) fn begin(&mut self) {
        (self.said, self.looked) = (None, None);
    }

    /// What the link says of itself.
    pub(super) fn hear(&mut self, said: Started) {
        self.said = Some(said);
        self.looked = None;
    }

    /// What the link was started with, when it has said so.
    pub(super) fn said(&self) -> Option<&Started> {
        self.said.as_ref()
    }

    /// Why nothing may be printed on it; `None` when it is the right one.
    pub(super) fn barred(&mut self) -> Option<Finding> {
        if self.looked.is_none_or(|at| at.elapsed() > LOOK) {
            self.look();
        }
        self.barred.clone()
    }

    /// As [`Adopted::barred`], by what lies on the disk at this moment.
    pub(super) fn barred_now(&mut self) -> Option<Finding> {
        self.look();
        self.barred.clone()
    }

    /// `true` once in a while for a link of the station's own that is not the right one.
    pub(super) fn should_end(&mut self) -> bool {
        let ours = self.wanted.starts && self.keeper() == Some(Keeper::Station);
        let due = self.told_to_end.is_none_or(|at| at.elapsed() > AGAIN);
        let should = ours && due && self.replaceable && self.barred.is_some();
        if should {
            self.told_to_end = Some(Instant::now());
        }
        should
    }

    fn keeper(&self) -> Option<Keeper> {
        self.said.as_ref().map(|s| s.keeper)
    }

    fn look(&mut self) {
        self.looked = Some(Instant::now());
        let wanted = self.wanted.started();
        self.replaceable = wanted.is_ok();
        let differs = match (&self.said, wanted) {
            (_, Err(why)) => {
                // A parser shows the line that it stumbles over below its words.
                let text = format!(
                    "The profile {} can not be read any more ({}). Nothing is printed until it can; the printer link goes on and \
                     stop works. Tell IT: mend the file; then the station goes on by itself.",
                    self.wanted.printer.profile,
                    why.lines()
                        .next()
                        .unwrap_or_default()
                        .trim_end_matches(['.', ':'])
                );
                self.barred = Some(Finding::warn("link_differs", text));
                return;
            }
            (None, Ok(_)) => {
                vec!["settings that it does not tell: it is an earlier version".into()]
            }
            (Some(said), Ok(wanted)) => said.differs_from(&wanted),
        };
        self.barred = (!differs.is_empty()).then(|| {
            let text = format!(
                "The printer link does not run as it is configured. Nothing is printed until it was restarted. It has {}. {}",
                differs.join(", "),
                self.next()
            );
            Finding::warn("link_differs", text)
        });
    }

    /// What a person has to do.
    fn next(&self) -> &'static str {
        match self.keeper() {
            Some(Keeper::Station) if self.wanted.starts => {
                "The station does that by itself as soon as no print runs."
            }
            Some(Keeper::Systemd) => {
                "Tell IT: when no print runs, systemctl restart calvaria-printer."
            }
            _ if self.wanted.starts => {
                "Tell IT: when no print runs, end the process `calvaria printer`; the station starts it anew."
            }
            _ => {
                "Tell IT: when no print runs, restart it (systemctl restart calvaria-printer, or by hand)."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopted(starts: bool) -> Adopted {
        Adopted::new(Wanted::new(&Config::default(), starts))
    }
    #[test]
    fn a_link_goes_on_when_its_profile_can_not_be_read_any_more() {
        let mut config = Config::default();
        config.printer.profile = "taken-away".into();
        let mut link = Adopted::new(Wanted::new(&config, true));
        link.hear(started("virtual", "virtual", Keeper::Station));
        let text = link.barred_now().unwrap().text;
        assert!(text.contains("taken-away can not be read"), "{text}");
        assert!(
            text.contains("stop works") && !text.contains('\n'),
            "{text}"
        );
        assert!(!link.should_end(), "nothing could be started in its place");
    }
    fn started(port: &str, profile: &str, keeper: Keeper) -> Started {
        Started::new(port, 115_200, &Printer::load(profile).unwrap(), keeper)
    }

    #[test]
    fn the_right_link_is_taken_and_a_silent_one_is_not() {
        let mut link = adopted(true);
        let silent = link.barred().unwrap();
        assert!(silent.text.contains("does not tell"), "{}", silent.text);
        link.hear(started("virtual", "virtual", Keeper::Systemd));
        assert_eq!(link.barred(), None);
        assert!(!link.should_end());
        // The next one may be another.
        link.begin();
        assert!(link.barred().is_some());
    }

    #[test]
    fn a_configuration_that_names_no_speed_means_the_profiles() {
        let mut config = Config::default();
        config.printer.port = "/dev/ttyUSB0".into();
        let mut profile = Printer::load("virtual").unwrap();
        let said = |baud| Started::new("/dev/ttyUSB0", baud, &profile, Keeper::Hand);
        let (own, other) = (profile.link.baud, profile.link.baud + 1);
        let barred = |config: &Config, said| {
            let mut link = Adopted::new(Wanted::new(config, true));
            link.hear(said);
            link.barred().map(|f| f.text)
        };
        assert_eq!(barred(&config, said(own)), None);
        assert!(
            barred(&config, said(other))
                .unwrap()
                .contains("baud instead of")
        );
        config.printer.baud = other;
        assert_eq!(barred(&config, said(other)), None);
        assert!(
            barred(&config, said(own))
                .unwrap()
                .contains("baud instead of")
        );
        profile.link.baud = 250_000;
        assert_eq!(Config::default().printer.baud_of(&profile), 250_000);
        assert_eq!(config.printer.baud_of(&profile), other);
    }

    #[test]
    fn the_stations_own_link_is_ended_once_and_that_of_a_unit_is_only_told_of() {
        for (keeper, starts, ends, words) in [
            (Keeper::Station, true, true, "by itself"),
            (Keeper::Station, false, false, "systemctl restart"),
            (
                Keeper::Systemd,
                true,
                false,
                "systemctl restart calvaria-printer",
            ),
            (Keeper::Hand, true, false, "end the process"),
        ] {
            let mut link = adopted(starts);
            link.hear(started("virtual", "prusa-mk3s", keeper));
            let text = link.barred().unwrap().text;
            assert!(
                text.contains("profile prusa-mk3s instead of virtual"),
                "{text}"
            );
            assert!(text.contains(words), "{text}");
            assert_eq!(link.should_end(), ends, "{keeper:?}");
            assert!(!link.should_end(), "told twice");
        }
    }
}
