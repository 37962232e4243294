//! The box's own certificate: P-256, for its names and addresses, 820 days.
//!
//! Holds: `about.json` is written last, so that a power cut in between makes all of it anew. Addresses may change with
//!        the network and make no new certificate: its fingerprint is what people compare.

use super::TlsError;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

pub(super) const CERTIFICATE: &str = "certificate.pem";
pub(super) const KEY: &str = "key.pem";
const ABOUT: &str = "about.json";
/// Some systems refuse a certificate that holds for more than 825 days.
const DAYS: i64 = 820;
/// A new one is made so many days before the end.
const BEFORE_DAYS: i64 = 30;
const DAY_S: i64 = 86_400;

/// By what the box is reached, and the time.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Names, the first as the certificate's own.
    pub names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Now, seconds since 1970.
    pub now_s: i64,
    /// When this program was built: a clock before it is not set, and the certificate begins then.
    pub built_s: i64,
}

/// What the certificate that is there was made for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct About {
    names: Vec<String>,
    until_s: i64,
}

/// Makes the certificate unless one is there that will do.
pub(super) fn make_sure(folder: &Path, named: &Named) -> Result<(), TlsError> {
    let wrong = |text: String| TlsError::Make {
        folder: folder.into(),
        text,
    };
    let about = std::fs::read(folder.join(ABOUT)).ok();
    let about: Option<About> = about.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let has_files = [CERTIFICATE, KEY].iter().all(|f| folder.join(f).is_file());
    let will_do = about.is_some_and(|about| {
        about.names == named.names && named.now_s < about.until_s - BEFORE_DAYS * DAY_S
    });
    if has_files && will_do {
        return Ok(());
    }
    let (certificate, key, until_s) = make(named).map_err(|e| wrong(e.to_string()))?;
    let about = About {
        names: named.names.clone(),
        until_s,
    };
    let about = serde_json::to_string(&about).map_err(|e| wrong(e.to_string()))?;
    private_dir(folder)
        .and_then(|()| {
            // While the three are not of one making none of them counts.
            match std::fs::remove_file(folder.join(ABOUT)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            write(folder, KEY, key.as_bytes())?;
            write(folder, CERTIFICATE, certificate.as_bytes())?;
            write(folder, ABOUT, about.as_bytes())
        })
        .map_err(|e| wrong(e.to_string()))
}

/// Certificate and key as PEM, and its end, seconds since 1970.
fn make(named: &Named) -> Result<(String, String, i64), rcgen::Error> {
    let addresses = named.addresses.iter().map(ToString::to_string);
    let all: Vec<String> = named.names.iter().cloned().chain(addresses).collect();
    let mut params = CertificateParams::new(all)?;
    let own_name = named.names.first().map_or("calvaria", String::as_str);
    params.distinguished_name.push(DnType::CommonName, own_name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "calvaria station");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // A browser whose clock is a little behind takes it too.
    let from_s = (named.now_s - DAY_S).max(named.built_s);
    let until_s = from_s + DAYS * DAY_S;
    for (end, s) in [
        (&mut params.not_before, from_s),
        (&mut params.not_after, until_s),
    ] {
        let (year, month, day) = day_of(s);
        *end = date_time_ymd(year, month, day);
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem(), until_s))
}

/// Year, month and day, UTC.
fn day_of(s: i64) -> (i32, u8, u8) {
    let at = jiff::Timestamp::from_second(s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let part = |n: i8| n.unsigned_abs();
    (date.year().into(), part(date.month()), part(date.day()))
}

/// Made with rights for its owner alone, written beside, synced, renamed.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|e| e.error)?;
    std::fs::File::open(folder)?.sync_all()
}

fn private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)
}
