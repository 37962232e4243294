//! Durations as people read them: one arithmetic, one form for each place.
//!
//! Never: fails. What is negative or not a number is 0.

/// Longest duration told, minutes: beyond it a number is wrong.
const MINUTES_MAX: f64 = 60_000.0;

/// `2 h 14 min`, `14 min`, `under a minute`: for a page.
pub fn words(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round().clamp(0.0, MINUTES_MAX) as u64;
    match (minutes / 60, minutes % 60) {
        (0, 0) => "under a minute".into(),
        (0, m) => format!("{m} min"),
        (h, m) => format!("{h} h {m:02} min"),
    }
}

/// `2 h 14`, `14 min`: for a line of an LCD. Rounded up, so that 0 is told at the end only.
pub fn short(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil().clamp(0.0, MINUTES_MAX) as u64;
    match (minutes / 60, minutes % 60) {
        (0, m) => format!("{m} min"),
        (h, m) => format!("{h} h {m:02}"),
    }
}

/// `4h 48m 12s`, as G-code viewers read it in a file's head.
pub fn for_viewers(seconds: f64) -> String {
    let all = seconds.clamp(0.0, 60.0 * MINUTES_MAX).round() as u64;
    match (all / 3600, all / 60 % 60, all % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, m, s) => format!("{h}h {m}m {s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_form() {
        for (seconds, page, lcd, file) in [
            (20.0, "under a minute", "1 min", "20s"),
            (840.0, "14 min", "14 min", "14m 0s"),
            (8040.0, "2 h 14 min", "2 h 14", "2h 14m 0s"),
            (17_292.0, "4 h 48 min", "4 h 49", "4h 48m 12s"),
            (f64::NAN, "under a minute", "0 min", "0s"),
            (-5.0, "under a minute", "0 min", "0s"),
            (f64::INFINITY, "1000 h 00 min", "1000 h 00", "1000h 0m 0s"),
        ] {
            assert_eq!(
                (words(seconds), short(seconds), for_viewers(seconds)),
                (page.into(), lcd.into(), file.into()),
                "{seconds}"
            );
        }
    }
}
