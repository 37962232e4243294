//! Versions of images: numbers and dots, and what is older than what.

use std::cmp::Ordering;

/// How `a` stands to `b`; `None`: one of them is no version. `1.2` is `1.2.0`; `1.2.0-rc1` comes before `1.2.0`; what
/// stands behind `+` does not count.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((a, pre_a), (b, pre_b)) = (parse(a)?, parse(b)?);
    Some(a.cmp(&b).then_with(|| match (pre_a, pre_b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => by_parts(a, b),
    }))
}

fn parse(text: &str) -> Option<([u64; 4], Option<&str>)> {
    let text = text.trim().trim_start_matches('v').split('+').next()?;
    let (numbers, pre) = match text.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre)),
        None => (text, None),
    };
    let mut all = [0; 4];
    let mut given = numbers.split('.');
    for place in &mut all {
        match given.next() {
            Some(number) => *place = number.parse().ok()?,
            None => break,
        }
    }
    given.next().is_none().then_some((all, pre))
}

/// Part by part between dots, numbers as numbers.
fn by_parts(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_is_older() {
        let rising = [
            "0.9",
            "1.0.0-rc.2",
            "1.0.0-rc.10",
            "1.0",
            "1.0.1",
            "1.2",
            "1.10",
            "2",
        ];
        for (n, a) in rising.iter().enumerate() {
            for (m, b) in rising.iter().enumerate() {
                assert_eq!(compare(a, b), Some(n.cmp(&m)), "{a} {b}");
            }
        }
        assert_eq!(compare("v1.2.0+abc", "1.2"), Some(Ordering::Equal));
        for bad in ["", "x", "1..2", "1.2.3.4.5", "1.2x"] {
            assert_eq!(compare(bad, "1"), None, "{bad:?}");
        }
    }
}
