//! Decimal numbers as they stand in the file: exact, never through binary floating point.

use std::fmt;

/// Most digits a number may have, without leading zeros of the whole part.
pub const DIGITS_MAX: usize = 15;

/// An exact decimal number: `mantissa / 10^decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// All digits as one whole number, with the sign.
    pub mantissa: i64,
    /// How many of them stand behind the point, at most [`DIGITS_MAX`].
    pub decimals: u8,
}

/// Why the characters behind a letter are no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Signs or points without a digit.
    #[error("has a sign or a point but no digit")]
    NoDigit,
    /// More than [`DIGITS_MAX`] digits.
    #[error("has more than {DIGITS_MAX} digits")]
    TooLong,
}

impl Number {
    /// Reads the number that `bytes` begin with: `[+-]digits[.digits]`, at least one digit, no exponent
    /// (`E` is an axis). `None` when they begin with something else; otherwise the number and its length.
    ///
    /// # Errors
    /// [`NumberError`] when a sign or point has no digit, or there are more than [`DIGITS_MAX`].
    pub fn leading(bytes: &[u8]) -> Result<Option<(Self, usize)>, NumberError> {
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
        let (mut mantissa, mut digits, mut significant) = (0_i64, 0_usize, 0_usize);
        let mut decimals = 0_u8;
        let mut point = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    significant += usize::from(significant > 0 || byte != b'0' || point);
                    if significant > DIGITS_MAX {
                        return Err(NumberError::TooLong);
                    }
                    mantissa = mantissa * 10 + i64::from(byte - b'0');
                    decimals += u8::from(point);
                }
                b'.' if !point => point = true,
                _ => break,
            }
            at += 1;
        }
        match (digits, at) {
            (0, 0) => Ok(None),
            (0, _) => Err(NumberError::NoDigit),
            _ => {
                let mantissa = if negative { -mantissa } else { mantissa };
                Ok(Some((Self { mantissa, decimals }, at)))
            }
        }
    }

    /// The nearest binary number. Exact division of two exact numbers, so correctly rounded.
    pub fn value(self) -> f64 {
        // Both are below 2^53: a mantissa has at most 15 digits.
        self.mantissa as f64 / 10_f64.powi(i32::from(self.decimals))
    }

    /// Millionths (of a millimetre: nanometres), rounded half away from zero; `None` beyond +-1e12.
    pub fn millionths(self) -> Option<i64> {
        if self.decimals <= 6 {
            let scale = 10_i64.pow(6 - u32::from(self.decimals));
            self.mantissa
                .checked_mul(scale)
                .filter(|v| v.abs() <= 1_000_000_000_000)
        } else {
            Some(divide_rounded(
                self.mantissa,
                10_i64.pow(u32::from(self.decimals) - 6),
            ))
        }
    }

    /// The whole number, when nothing but zeros stands behind the point.
    pub fn whole(self) -> Option<i64> {
        let scale = 10_i64.pow(u32::from(self.decimals));
        (self.mantissa % scale == 0).then_some(self.mantissa / scale)
    }
}

/// `value / by` rounded half away from zero; `by` is positive.
pub(super) fn divide_rounded(value: i64, by: i64) -> i64 {
    let half = if value < 0 { -(by / 2) } else { by / 2 };
    (value + half) / by
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let scale = 10_u64.pow(u32::from(self.decimals));
        let (whole, part) = (
            self.mantissa.unsigned_abs() / scale,
            self.mantissa.unsigned_abs() % scale,
        );
        match self.decimals {
            0 => write!(f, "{sign}{whole}"),
            n => write!(f, "{sign}{whole}.{part:0width$}", width = usize::from(n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Number, usize)>, NumberError> {
        Number::leading(text.as_bytes())
    }

    #[test]
    fn numbers_are_exact_decimals() {
        let (n, length) = read("-12.03385Y4").unwrap().unwrap();
        assert_eq!((n.mantissa, n.decimals, length), (-1_203_385, 5, 9));
        assert_eq!(n.to_string(), "-12.03385");
        assert_eq!(n.millionths(), Some(-12_033_850));
        assert_eq!(read(".5").unwrap().unwrap().0.millionths(), Some(500_000));
        assert_eq!(read("10.").unwrap().unwrap().0.whole(), Some(10));
        assert_eq!(read("10.5").unwrap().unwrap().0.whole(), None);
    }

    #[test]
    fn what_is_no_number_is_said_so() {
        assert_eq!(read("NaN"), Ok(None));
        assert_eq!(read("-"), Err(NumberError::NoDigit));
        assert_eq!(read("."), Err(NumberError::NoDigit));
        assert_eq!(read("1234567890123456"), Err(NumberError::TooLong));
        assert_eq!(read("1e5").unwrap().unwrap().1, 1, "no exponents");
        assert_eq!(read("1.2.3").unwrap().unwrap().1, 3, "one point only");
    }

    #[test]
    fn more_than_six_decimals_are_rounded_half_away_from_zero() {
        assert_eq!(read("0.0000015").unwrap().unwrap().0.millionths(), Some(2));
        assert_eq!(
            read("-0.0000015").unwrap().unwrap().0.millionths(),
            Some(-2)
        );
        assert_eq!(read("9999999999").unwrap().unwrap().0.millionths(), None);
    }
}
