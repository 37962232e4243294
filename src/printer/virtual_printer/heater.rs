//! Heater: first-order heating with Marlin's thermal protection.
//!
//! dT/dt = P duty / C - (T - ambient) / tau; constants of a usual 50 W hotend and a 250 W bed.

/// Room temperature, C.
pub(super) const AMBIENT_C: f64 = 21.0;
/// Step of the simulation, virtual s.
const STEP_S: f64 = 0.1;

/// What a heater may be broken by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Defect {
    /// It works.
    #[default]
    None,
    /// It gives no heat.
    Dead,
    /// It stays 15 K below its target, which no protection notices.
    Weak,
}

/// What protection trips over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trip {
    /// No 2 K within the watch time while heating up.
    HeatingFailed,
    /// Fell out of its band while holding.
    Runaway,
}

/// One heater.
#[derive(Clone, Debug)]
pub(super) struct Heater {
    /// Heating rate at full power without loss, K/s.
    full_k_s: f64,
    /// Time constant of the loss, s.
    tau_s: f64,
    /// Watch time while heating up, s.
    watch_s: f64,
    /// Time out of the band before it trips, s.
    period_s: f64,
    /// Band, K.
    hysteresis_k: f64,
    pub(super) now_c: f64,
    pub(super) target_c: f64,
    pub(super) duty: f64,
    pub(super) defect: Defect,
    clock: f64,
    reached: bool,
    watch: (f64, f64),
    out_since: Option<f64>,
}

impl Heater {
    fn new(full_k_s: f64, tau_s: f64, watch_s: f64, period_s: f64, hysteresis_k: f64) -> Self {
        Self {
            full_k_s,
            tau_s,
            watch_s,
            period_s,
            hysteresis_k,
            now_c: AMBIENT_C,
            target_c: 0.0,
            duty: 0.0,
            defect: Defect::None,
            clock: 0.0,
            reached: false,
            watch: (0.0, 0.0),
            out_since: None,
        }
    }
    /// 50 W, 12 J/K; Marlin: watch 40 s, period 40 s, hysteresis 4 K.
    pub(super) fn hotend() -> Self {
        Self::new(50.0 / 12.0, 150.0, 40.0, 40.0, 4.0)
    }
    /// 250 W, 400 J/K; Marlin: watch 60 s, period 20 s, hysteresis 2 K.
    pub(super) fn bed() -> Self {
        Self::new(250.0 / 400.0, 600.0, 60.0, 20.0, 2.0)
    }

    pub(super) fn set(&mut self, target_c: f64) {
        self.target_c = target_c;
        self.reached = self.now_c >= target_c - 1.0;
        self.watch = (self.clock + self.watch_s, self.now_c + 2.0);
        self.out_since = None;
    }

    /// Simulates up to `clock`; says when protection trips.
    pub(super) fn run(&mut self, clock: f64) -> Option<Trip> {
        if self.target_c <= 0.0 && self.now_c - AMBIENT_C < 0.05 {
            (self.clock, self.duty) = (clock, 0.0);
            return None;
        }
        while self.clock + STEP_S <= clock {
            self.clock += STEP_S;
            let reach_c = match self.defect {
                Defect::Weak if self.target_c > 60.0 => self.target_c - 15.0,
                _ => self.target_c,
            };
            let error = reach_c - self.now_c;
            let hold = (reach_c - AMBIENT_C) / self.tau_s / self.full_k_s;
            self.duty = if self.target_c <= 0.0 {
                0.0
            } else {
                (hold + error * 0.15).clamp(0.0, 1.0)
            };
            let given = if self.defect == Defect::Dead {
                0.0
            } else {
                self.duty
            };
            self.now_c += STEP_S * (given * self.full_k_s - (self.now_c - AMBIENT_C) / self.tau_s);
            if let Some(trip) = self.protect() {
                return Some(trip);
            }
        }
        None
    }

    fn protect(&mut self) -> Option<Trip> {
        if self.target_c <= 0.0 {
            return None;
        }
        if self.defect == Defect::Weak {
            return None;
        }
        if !self.reached {
            self.reached = self.now_c >= self.target_c - 1.0;
            if self.now_c >= self.watch.1 {
                self.watch = (self.clock + self.watch_s, self.now_c + 2.0);
            }
            return (!self.reached && self.clock > self.watch.0).then_some(Trip::HeatingFailed);
        }
        if self.now_c >= self.target_c - self.hysteresis_k {
            self.out_since = None;
            return None;
        }
        let since = *self.out_since.get_or_insert(self.clock);
        (self.clock - since > self.period_s).then_some(Trip::Runaway)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hotend_reaches_220_in_about_90_s_and_holds_it() {
        let mut heater = Heater::hotend();
        heater.set(220.0);
        let reached = (1..300)
            .find(|&t| heater.run(f64::from(t)).is_none() && heater.now_c > 218.0)
            .unwrap();
        assert!((50..110).contains(&reached), "{reached} s");
        assert_eq!(heater.run(600.0), None);
        assert!((heater.now_c - 220.0).abs() < 0.5, "{}", heater.now_c);
    }

    #[test]
    fn a_dead_heater_trips_both_ways() {
        let mut heater = Heater::hotend();
        heater.defect = Defect::Dead;
        heater.set(200.0);
        assert_eq!(heater.run(60.0), Some(Trip::HeatingFailed));
        let mut heater = Heater::bed();
        heater.set(60.0);
        assert_eq!(heater.run(400.0), None);
        heater.defect = Defect::Dead;
        assert_eq!(heater.run(600.0), Some(Trip::Runaway));
    }
}
