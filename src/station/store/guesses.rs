//! Wrong PINs: how long the next try of a name, or from an address, has to wait.
//!
//! Holds: of a name no more than [`NAME_MAX`] wrong PINs are heard in any hour, whoever is right in between and from
//!        wherever they come. The last of them are heard only from where that name was right before, so that nobody keeps
//!        a person out from somewhere else. Every wait ends: between two tries it is [`DELAY_MAX`] at most, and with the
//!        hour's tries used up it ends when the oldest of them is an hour old.
//! Never: a clock. Instants come in as arguments and are monotonic, so that a clock that is set wrong delays nobody.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong PINs of a name before the first delay: people mistype.
const FREE: u32 = 2;
/// First delay; doubled at each further wrong PIN.
const DELAY: Duration = Duration::from_secs(1);
/// Longest delay.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// Wrong PINs of a name that are heard within [`WINDOW`].
pub(super) const NAME_MAX: usize = 20;
/// As many of them from addresses at which the name was not right before.
const STRANGE_MAX: usize = 15;
/// Wrong PINs from an address, whatever the name, before each further try waits [`DELAY_MAX`].
const ADDRESS_MAX: usize = 60;
/// The time in which both are counted.
const WINDOW: Duration = Duration::from_secs(3600);
/// Names, addresses and pairs of both that are kept; the one that was quiet longest makes room.
const KEPT_MAX: usize = 1000;

/// Wrong PINs heard, and when.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    names: BTreeMap<String, Wrong>,
    addresses: BTreeMap<IpAddr, Wrong>,
    /// Who was right from where: the limit of that address is not theirs.
    known: BTreeMap<(IpAddr, String), Instant>,
}

/// What is kept of a name for the next run of the station.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Wrong PINs since the last right one.
    pub(super) wrong: u32,
    /// Wrong PINs within the hour before the last try, [`NAME_MAX`] at most.
    pub(super) heard: u32,
}

/// Wrong tries, oldest first; no more than count.
#[derive(Debug, Default)]
struct Wrong {
    /// Since the last right one: the delay grows with it.
    count: u32,
    at: Vec<Instant>,
    /// It stands in the store: where it does not any more, somebody has cleared it.
    kept: bool,
}

impl Wrong {
    fn add(&mut self, now: Instant, keep: usize) {
        self.count = self.count.saturating_add(1);
        self.at.push(now);
        if self.at.len() > keep {
            self.at.remove(0);
        }
    }
    /// When the `max`-th last try leaves the window.
    fn full_until(&self, max: usize) -> Option<Instant> {
        let oldest = self.at.len().checked_sub(max)?;
        Some(self.at[oldest] + WINDOW)
    }
    fn forget_old(&mut self, now: Instant) {
        self.at.retain(|at| now < *at + WINDOW);
    }
}

impl Guesses {
    /// How long `name` has to wait before a try from `from` is heard; zero: now. `before` is what the store says of
    /// it: wrong tries of an earlier run of the station count as made `now`.
    pub(super) fn wait(
        &mut self,
        name: &str,
        from: Option<IpAddr>,
        before: Option<Kept>,
        now: Instant,
    ) -> Duration {
        match (before, self.names.get(name)) {
            (None, Some(wrong)) if wrong.kept => drop(self.names.remove(name)),
            (Some(before), None) => self.take_over(name, before, now),
            _ => {}
        }
        let is_known = from.is_some_and(|ip| self.known.contains_key(&(ip, name.into())));
        let max = if is_known { NAME_MAX } else { STRANGE_MAX };
        let name_free = self.names.get(name).and_then(|wrong| {
            let next = *wrong.at.last()? + delay(wrong.count);
            Some(wrong.full_until(max).map_or(next, |full| full.max(next)))
        });
        let address_free = from.filter(|_| !is_known).and_then(|ip| {
            let wrong = self.addresses.get(&ip)?;
            let full = wrong.full_until(ADDRESS_MAX)?;
            // Full: one try a minute until the window has room again.
            Some(full.min(*wrong.at.last()? + DELAY_MAX))
        });
        let until = name_free.max(address_free);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn take_over(&mut self, name: &str, before: Kept, now: Instant) {
        // A store of an earlier version knew nothing of the hour.
        let heard = match before.heard {
            0 => before.wrong,
            heard => heard,
        };
        let heard = usize::try_from(heard).unwrap_or(NAME_MAX).min(NAME_MAX);
        let wrong = Wrong {
            count: before.wrong,
            at: vec![now; heard],
            kept: true,
        };
        make_room(&mut self.names, |w| w.at.last().copied());
        self.names.insert(name.into(), wrong);
    }

    /// A wrong PIN was heard.
    pub(super) fn wrong(&mut self, name: &str, from: Option<IpAddr>, now: Instant) {
        if !self.names.contains_key(name) {
            make_room(&mut self.names, |w| w.at.last().copied());
        }
        if let Some(ip) = from {
            if !self.addresses.contains_key(&ip) {
                make_room(&mut self.addresses, |w| w.at.last().copied());
            }
            self.addresses.entry(ip).or_default().add(now, ADDRESS_MAX);
        }
        let wrong = self.names.entry(name.into()).or_default();
        wrong.add(now, NAME_MAX);
    }

    /// The right PIN was heard: there is no delay any more. The hour's wrong ones still count, or whoever guesses would
    /// have as many again each time that the person signs in.
    pub(super) fn right(&mut self, name: &str, from: Option<IpAddr>, now: Instant) {
        if let Some(wrong) = self.names.get_mut(name) {
            wrong.count = 0;
            wrong.forget_old(now);
            if wrong.at.is_empty() {
                self.names.remove(name);
            }
        }
        if let Some(ip) = from {
            make_room(&mut self.known, |at| Some(*at));
            self.known.insert((ip, name.into()), now);
        }
    }

    /// What is to be kept of `name`; `None`: nothing.
    pub(super) fn to_keep(&self, name: &str, now: Instant) -> Option<Kept> {
        let wrong = self.names.get(name)?;
        let heard = wrong.at.iter().filter(|at| now < **at + WINDOW).count();
        Some(Kept {
            wrong: wrong.count,
            heard: u32::try_from(heard).unwrap_or(u32::MAX),
        })
    }

    /// It stands in the store now.
    pub(super) fn is_kept(&mut self, name: &str) {
        if let Some(wrong) = self.names.get_mut(name) {
            wrong.kept = true;
        }
    }

    /// Forgets the wrong PINs of `name`, and with `None` those of everybody and from everywhere.
    pub(super) fn clear(&mut self, name: Option<&str>) {
        match name {
            Some(name) => drop(self.names.remove(name)),
            None => {
                self.names.clear();
                self.addresses.clear();
            }
        }
    }
}

/// After so many wrong PINs.
fn delay(count: u32) -> Duration {
    match count.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(n) => DELAY.saturating_mul(1 << n.min(16)).min(DELAY_MAX),
    }
}

/// Below the limit, by the oldest.
fn make_room<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, last: impl Fn(&V) -> Option<Instant>) {
    if map.len() < KEPT_MAX {
        return;
    }
    let oldest = map
        .iter()
        .min_by_key(|(_, v)| last(v))
        .map(|(k, _)| k.clone());
    if let Some(oldest) = oldest {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries a wrong PIN as soon as it is heard, for `span`; when each was heard, and the longest wait.
    fn attack(
        g: &mut Guesses,
        from: Option<IpAddr>,
        start: Instant,
        span: Duration,
    ) -> (Vec<Instant>, Duration) {
        let (mut now, mut heard, mut longest) = (start, Vec::new(), Duration::ZERO);
        while now < start + span {
            let wait = g.wait("weber", from, None, now);
            if wait.is_zero() {
                g.wrong("weber", from, now);
                heard.push(now);
            } else {
                longest = longest.max(wait);
                now += wait;
            }
        }
        (heard, longest)
    }

    /// The most within any hour.
    fn in_an_hour(heard: &[Instant]) -> usize {
        let from = |n: usize| {
            heard[n..]
                .iter()
                .take_while(move |at| **at < heard[n] + WINDOW)
        };
        (0..heard.len()).map(|n| from(n).count()).max().unwrap_or(0)
    }

    #[test]
    fn no_more_guesses_than_twenty_are_heard_in_any_hour_and_no_wait_is_longer() {
        let (start, desk) = (Instant::now(), "10.0.0.9".parse().ok());
        let mut g = Guesses::default();
        g.right("weber", desk, start);
        let (heard, longest) = attack(&mut g, desk, start, 24 * WINDOW);
        assert_eq!(in_an_hour(&heard), NAME_MAX);
        assert!(heard.len() >= 23 * NAME_MAX && longest < WINDOW);
        // Another name does not wait for it, nor does this one once it is cleared.
        let now = *heard.last().unwrap();
        assert_eq!(g.wait("curie", None, None, now), Duration::ZERO);
        assert!(!g.wait("weber", None, None, now).is_zero());
        g.clear(Some("weber"));
        assert_eq!(g.wait("weber", None, None, now), Duration::ZERO);
    }

    #[test]
    fn a_right_pin_between_ends_the_delay_and_not_the_hours_count() {
        let (mut now, start) = (Instant::now(), Instant::now());
        let mut g = Guesses::default();
        let mut heard = Vec::new();
        while now < start + 3 * WINDOW {
            if g.wait("weber", None, None, now).is_zero() {
                g.wrong("weber", None, now);
                heard.push(now);
            }
            // The person signs in again and again, each time at once.
            now += Duration::from_millis(400);
            g.right("weber", None, now);
        }
        assert_eq!(in_an_hour(&heard), STRANGE_MAX);
        now += WINDOW;
        g.right("weber", None, now);
        assert!(g.names.is_empty());
    }

    #[test]
    fn whoever_guesses_from_elsewhere_keeps_nobody_out_at_their_own_desk() {
        let (start, desk) = (Instant::now(), "10.0.0.9".parse().ok());
        let mut g = Guesses::default();
        g.right("weber", desk, start);
        let (heard, _) = attack(&mut g, "10.6.6.6".parse().ok(), start, WINDOW);
        assert_eq!(heard.len(), STRANGE_MAX);
        // The last guess was long ago.
        let now = start + WINDOW - Duration::from_secs(1);
        assert!(
            !g.wait("weber", "10.0.0.8".parse().ok(), None, now)
                .is_zero()
        );
        assert_eq!(g.wait("weber", desk, None, now), Duration::ZERO);
        // Right after a guess it is a delay, no more.
        let soon = *heard.last().unwrap();
        assert!(g.wait("weber", desk, None, soon) <= DELAY_MAX);
        // Both together have no more than anybody.
        let (mut at, mut desks) = (soon, 0);
        while at < start + WINDOW {
            if g.wait("weber", desk, None, at).is_zero() {
                g.wrong("weber", desk, at);
                desks += 1;
            }
            at += Duration::from_secs(1);
        }
        assert_eq!(heard.len() + desks, NAME_MAX);
    }

    #[test]
    fn the_delay_grows_to_a_minute() {
        let seconds: Vec<u64> = (0..=12).map(|n| delay(n).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(delay(u32::MAX), DELAY_MAX);
    }

    #[test]
    fn an_address_is_slowed_and_who_was_right_from_it_is_not() {
        let (now, ip) = (Instant::now(), "10.0.0.9".parse::<IpAddr>().unwrap());
        let mut g = Guesses::default();
        g.right("weber", Some(ip), now);
        for n in 0..ADDRESS_MAX {
            g.wrong(&format!("nobody {n}"), Some(ip), now);
        }
        assert_eq!(g.wait("curie", Some(ip), None, now), DELAY_MAX);
        assert_eq!(g.wait("weber", Some(ip), None, now), Duration::ZERO);
        let other = "10.0.0.8".parse().ok();
        assert_eq!(g.wait("curie", other, None, now), Duration::ZERO);
        assert_eq!(
            g.wait("curie", Some(ip), None, now + WINDOW),
            Duration::ZERO
        );
    }

    #[test]
    fn wrong_pins_before_a_restart_still_count_and_memory_is_bounded() {
        let now = Instant::now();
        let mut g = Guesses::default();
        let kept = |wrong, heard| Some(Kept { wrong, heard });
        assert_eq!(
            g.wait("weber", None, kept(5, 5), now),
            Duration::from_secs(4)
        );
        g.wrong("weber", None, now);
        assert_eq!(g.to_keep("weber", now), kept(6, 6));
        // Right before the restart: no delay, and the hour's guesses are used up.
        assert_eq!(g.wait("curie", None, kept(0, 20), now), WINDOW);
        assert_eq!(g.wait("braun", None, kept(0, 14), now), Duration::ZERO);
        for n in 0..2 * KEPT_MAX {
            g.wrong(&format!("nobody {n}"), None, now);
        }
        assert!(g.names.len() <= KEPT_MAX);
    }

    #[test]
    fn what_went_from_the_store_is_forgotten_and_what_never_came_there_is_not() {
        let now = Instant::now();
        let mut g = Guesses::default();
        for _ in 0..5 {
            g.wrong("weber", None, now);
        }
        // The disk was full: it could not be written down.
        assert!(!g.wait("weber", None, None, now).is_zero());
        g.is_kept("weber");
        assert!(g.wait("weber", None, None, now).is_zero());
        assert_eq!(g.to_keep("weber", now), None);
    }
}
