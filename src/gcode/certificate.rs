//! Certificate: what makes a material more than a fit model's.
//!
//! Holds: text that is not wholly a certificate is none: a "yes", an empty text or a half-filled line never lifts the
//!        "not for implantation" off a print.
//! Never: judges whether the certificate is valid; that is the manufacturer's word.

/// A certificate as the material profile names it: `HOLDER, NUMBER, YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Who holds it; may have commas of its own.
    pub holder: String,
    /// Its number, with at least one digit.
    pub number: String,
    /// Its date, `YYYY-MM-DD`.
    pub date: String,
}

impl Certificate {
    /// Reads `HOLDER, NUMBER, YYYY-MM-DD`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, ',').map(str::trim);
        let (date, number, holder) = (parts.next()?, parts.next()?, parts.next()?);
        let named = holder.chars().filter(|c| c.is_alphabetic()).count() >= 2;
        let numbered = number.chars().any(|c| c.is_ascii_digit());
        (named && numbered && is_date(date)).then(|| Self {
            holder: holder.into(),
            number: number.into(),
            date: date.into(),
        })
    }
}

/// A day of the calendar as `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<u32>().ok());
    let (true, Some(year), Some(month), Some(day)) = (shape, part(0..4), part(5..7), part(8..10))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holder_number_and_date_make_a_certificate() {
        let read = Certificate::parse("Kranio Werk, Inc., MD-4711/2, 2026-02-28").unwrap();
        assert_eq!(read.holder, "Kranio Werk, Inc.");
        assert_eq!(
            (read.number.as_str(), read.date.as_str()),
            ("MD-4711/2", "2026-02-28")
        );
        assert!(Certificate::parse("Kranio Werk, 1, 2024-02-29").is_some());
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "no",
            "yes",
            "",
            "true",
            ",,",
            "Kranio Werk, MD-4711",
            "Kranio Werk, MD-4711, soon",
            "Kranio Werk, pending, 2026-02-28",
            "Kranio Werk, MD-4711, 2026-02-29",
            "Kranio Werk, MD-4711, 2026-13-01",
            "Kranio Werk, MD-4711, 2026-2-28",
            "Kranio Werk, MD-4711, 28.02.2026",
            ", MD-4711, 2026-02-28",
            "Kranio Werk, MD-4711, ２０２６-02-28",
        ] {
            assert_eq!(Certificate::parse(text), None, "{text}");
        }
    }
}
