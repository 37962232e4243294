//! Said: what each of several says of the nodes of a hole, and how that is weighed.

/// A value in mm and its variance in mm2 at one node; `None` where nothing is said.
pub(super) type Said = Option<(f64, f64)>;

/// The values, each weighed by its precision, with the variance that is left; `None` where nobody says anything.
pub(super) fn weighed(all: &[&[Said]]) -> Vec<Said> {
    let nodes = all.iter().map(|said| said.len()).min().unwrap_or(0);
    let node = |n: usize| {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (mm, variance) in all.iter().filter_map(|said| said[n]) {
            let precision = 1.0 / variance.max(1e-6);
            (sum, weight) = (sum + precision * mm, weight + precision);
        }
        (weight > 0.0).then(|| (sum / weight, 1.0 / weight))
    };
    (0..nodes).map(node).collect()
}

/// Share of a variance that is left `far_mm` from where the value is known, when neighbours go together over `reach_mm`.
pub(super) fn apart(far_mm: f64, reach_mm: f64) -> f64 {
    1.0 - (-2.0 * far_mm / reach_mm).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_surer_says_more_and_silence_says_nothing() {
        let a: [Said; 4] = [Some((1.0, 1.0)), Some((1.0, 1.0)), None, None];
        let b: [Said; 4] = [Some((4.0, 0.5)), None, Some((4.0, 0.5)), None];
        let both = weighed(&[&a, &b]);
        let (mm, variance) = both[0].unwrap();
        assert!((mm - 3.0).abs() < 1e-12 && (variance - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(both[1..], [Some((1.0, 1.0)), Some((4.0, 0.5)), None]);
    }

    #[test]
    fn at_a_known_place_nothing_is_left_and_far_from_it_all() {
        assert!(apart(0.0, 20.0).abs() < 1e-12);
        assert!(apart(10.0, 20.0) < apart(20.0, 20.0));
        assert!(apart(200.0, 20.0) > 0.999);
    }
}
