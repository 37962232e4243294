//! Wrong PINs: how long the next try of a name, or from an address, has to wait. Delays grow and end; nobody is locked
//! out for good.
//!
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

/// Wrong tries, oldest first; no more than count.
#[derive(Debug, Default)]
struct Wrong {
    count: u32,
    at: Vec<Instant>,
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
}

impl Guesses {
    /// How long `name` has to wait before a try from `from` is heard; zero: now. `before` is what the store says of
    /// wrong tries since the last right one: those of an earlier run of the station count as made `now`.
    pub(super) fn wait(
        &mut self,
        name: &str,
        from: Option<IpAddr>,
        before: u32,
        now: Instant,
    ) -> Duration {
        if before == 0 {
            // Right meanwhile, or cleared.
            self.names.remove(name);
        } else if !self.names.contains_key(name) {
            let heard = usize::try_from(before).unwrap_or(NAME_MAX).min(NAME_MAX);
            let wrong = Wrong {
                count: before,
                at: vec![now; heard],
            };
            make_room(&mut self.names, |w| w.at.last().copied());
            self.names.insert(name.into(), wrong);
        }
        let name_free = self.names.get(name).and_then(|wrong| {
            let last = wrong.at.last()?;
            let next = *last + delay(wrong.count);
            Some(
                wrong
                    .full_until(NAME_MAX)
                    .map_or(next, |full| full.max(next)),
            )
        });
        let address_free = from.and_then(|ip| {
            if self.known.contains_key(&(ip, name.into())) {
                return None;
            }
            let wrong = self.addresses.get(&ip)?;
            let full = wrong.full_until(ADDRESS_MAX)?;
            // Full: one try a minute until the window has room again.
            Some(full.min(*wrong.at.last()? + DELAY_MAX))
        });
        let until = name_free.max(address_free);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// A wrong PIN was heard. How many of the name's there are now.
    pub(super) fn wrong(&mut self, name: &str, from: Option<IpAddr>, now: Instant) -> u32 {
        make_room(&mut self.names, |w| w.at.last().copied());
        make_room(&mut self.addresses, |w| w.at.last().copied());
        if let Some(ip) = from {
            self.addresses.entry(ip).or_default().add(now, ADDRESS_MAX);
        }
        let wrong = self.names.entry(name.into()).or_default();
        wrong.add(now, NAME_MAX);
        wrong.count
    }

    /// The right PIN was heard.
    pub(super) fn right(&mut self, name: &str, from: Option<IpAddr>, now: Instant) {
        self.names.remove(name);
        if let Some(ip) = from {
            make_room(&mut self.known, |at| Some(*at));
            self.known.insert((ip, name.into()), now);
        }
    }

    /// Forgets the wrong PINs of `name`, and with `None` those of everybody and from everywhere.
    pub(super) fn clear(&mut self, name: Option<&str>) {
        match name {
            Some(name) => drop(self.names.remove(name)),
            None => *self = Self::default(),
        }
    }

    /// How many wrong PINs of `name` are counted in memory.
    pub(super) fn count(&self, name: &str) -> u32 {
        self.names.get(name).map_or(0, |w| w.count)
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

    /// Tries a wrong PIN as soon as it is heard, for `span`; how many were heard and the longest wait.
    fn attack(g: &mut Guesses, name: &str, start: Instant, span: Duration) -> (usize, Duration) {
        let (mut now, mut heard, mut longest) = (start, 0, Duration::ZERO);
        while now < start + span {
            let before = g.count(name);
            let wait = g.wait(name, None, before, now);
            if wait.is_zero() {
                g.wrong(name, None, now);
                heard += 1;
            } else {
                longest = longest.max(wait);
                now += wait;
            }
        }
        (heard, longest)
    }

    #[test]
    fn twenty_guesses_of_a_name_are_heard_in_an_hour_and_it_never_locks() {
        let start = Instant::now();
        let mut g = Guesses::default();
        let (heard, longest) = attack(&mut g, "weber", start, WINDOW);
        assert_eq!(heard, NAME_MAX);
        assert!(longest < WINDOW);
        let (later, _) = attack(&mut g, "weber", start + WINDOW, 23 * WINDOW);
        assert!((20..=23 * NAME_MAX).contains(&later), "{later}");
        // Another name does not wait for it, nor does this one once it is cleared.
        assert_eq!(g.wait("curie", None, 0, start), Duration::ZERO);
        g.clear(Some("weber"));
        assert_eq!(g.wait("weber", None, 0, start), Duration::ZERO);
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
        assert_eq!(g.wait("curie", Some(ip), 0, now), DELAY_MAX);
        assert_eq!(g.wait("weber", Some(ip), 0, now), Duration::ZERO);
        let other = "10.0.0.8".parse().ok();
        assert_eq!(g.wait("curie", other, 0, now), Duration::ZERO);
        assert_eq!(g.wait("curie", Some(ip), 0, now + WINDOW), Duration::ZERO);
    }

    #[test]
    fn wrong_pins_before_a_restart_still_count_and_memory_is_bounded() {
        let now = Instant::now();
        let mut g = Guesses::default();
        assert_eq!(g.wait("weber", None, 5, now), Duration::from_secs(4));
        assert_eq!(g.wrong("weber", None, now), 6);
        for n in 0..2 * KEPT_MAX {
            g.wrong(&format!("nobody {n}"), None, now);
        }
        assert!(g.names.len() <= KEPT_MAX);
    }
}
