//! When this program was built, as far as it may say so: a clock before that is not set.

/// Without `SOURCE_DATE_EPOCH` at the build: 2026-11-01, before which this code did not exist. Seconds since 1970.
const LEAST_S: i64 = 1_793_491_200;

/// Seconds since 1970, from `SOURCE_DATE_EPOCH` where the build set it, so that the same commit gives the same bytes.
pub fn built_s() -> i64 {
    let given = option_env!("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok());
    given.unwrap_or(LEAST_S)
}
