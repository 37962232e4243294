//! Caller: who may send, by AE title and by address.

use super::plain;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its AE title, as it calls itself.
    pub aet: String,
    /// Where it calls from.
    pub network: Network,
}

/// An address, or all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text is no address and no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write an address (10.1.2.3) or a network (10.1.0.0/16)")]
pub struct NoNetwork;

impl Network {
    /// Is `address` one of it?
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.address, plain(address)) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same_bits(&own.octets(), &other.octets(), self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                same_bits(&own.octets(), &other.octets(), self.bits)
            }
            _ => false,
        }
    }
}

/// Do the first `bits` agree?
fn same_bits(own: &[u8], other: &[u8], bits: u8) -> bool {
    let (bytes, rest) = (usize::from(bits / 8), bits % 8);
    let part = |of: &[u8]| of.get(bytes).map(|byte| u16::from(*byte) >> (8 - rest));
    own[..bytes] == other[..bytes] && part(own) == part(other)
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| NoNetwork))?;
        let is_plain = plain(address) == address;
        (bits <= most && is_plain)
            .then_some(Self { address, bits })
            .ok_or(NoNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(network: &str, address: &str) -> bool {
        let network: Network = network.parse().unwrap();
        network.has(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_what_begins_as_it_does() {
        assert!(has("10.1.2.3", "10.1.2.3"));
        assert!(!has("10.1.2.3", "10.1.2.4"));
        assert!(has("10.1.0.0/16", "10.1.255.9") && !has("10.1.0.0/16", "10.2.0.1"));
        assert!(has("10.1.2.128/25", "10.1.2.200") && !has("10.1.2.128/25", "10.1.2.127"));
        assert!(has("0.0.0.0/0", "192.0.2.1") && !has("0.0.0.0/0", "2001:db8::1"));
        assert!(has("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!has("2001:db8::/33", "2001:db8:8000::1"));
        // A socket of both families reports IPv4 callers so.
        assert!(has("10.1.2.3", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "pacs",
            "10.1.2",
            "10.1.2.3/33",
            "10.1.2.3/x",
            "::1/129",
            "::ffff:10.0.0.1",
            "10.0.0.0/",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
    }
}
