//! Address: what somebody in front of the LCD has to type to reach the page.
//!
//! In:    where the page listens, the names that the configuration gives the box.
//! Out:   one URL. A name where there is one; the address of an interface that is up where the page listens on all of
//!        them; else the address itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An address is given by the network, some time after the start and again and again: looked up this often.
const LOOK: Duration = Duration::from_secs(30);
/// An address that is nobody's (RFC 5737): a route to it is the way out. Nothing is sent.
const ELSEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// Gives the URL at any time.
pub(super) fn of(
    listen: SocketAddr,
    names: &[String],
    tls: bool,
) -> impl Fn() -> String + Send + Sync + use<> {
    let name = names.first().cloned();
    let known: Mutex<Option<(Instant, String)>> = Mutex::new(None);
    move || {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((at, url)) if at.elapsed() < LOOK => url.clone(),
            _ => {
                let url = url(listen, name.as_deref(), own_address);
                let url = if tls { over_tls(&url) } else { url };
                *known = Some((Instant::now(), url.clone()));
                url
            }
        }
    }
}

/// The same over TLS, whose usual port is not typed.
fn over_tls(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    format!("https://{}", rest.replace(":443/", "/"))
}

fn url(listen: SocketAddr, name: Option<&str>, own: impl Fn() -> Option<IpAddr>) -> String {
    match name {
        // On loopback somebody else answers under this name and knows the port.
        Some(name) if listen.ip().is_loopback() => format!("http://{name}/"),
        Some(name) => format!("http://{name}:{}/", listen.port()),
        None if listen.ip().is_unspecified() => {
            let ip = own().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            format!("http://{}/", SocketAddr::new(ip, listen.port()))
        }
        None => format!("http://{listen}/"),
    }
}

/// The address that others know this box by: the one that a packet to elsewhere would carry, else any of an interface
/// that is up.
fn own_address() -> Option<IpAddr> {
    let routed = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(ELSEWHERE)?;
        Ok(socket.local_addr()?.ip())
    });
    let routed = routed
        .ok()
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    routed.or_else(|| {
        let table = std::fs::read_to_string("/proc/net/fib_trie").ok()?;
        local_in(&table).map(IpAddr::V4)
    })
}

/// Every address of this box that is known, loopback among them.
pub(super) fn all_own() -> Vec<IpAddr> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut all: Vec<IpAddr> = vec![
        Ipv4Addr::LOCALHOST.into(),
        std::net::Ipv6Addr::LOCALHOST.into(),
    ];
    all.extend(own_address());
    all.extend(all_local_in(&table).map(IpAddr::V4));
    let mut seen = Vec::new();
    all.retain(|ip| {
        !seen.contains(ip) && {
            seen.push(*ip);
            true
        }
    });
    all
}

/// The first address of our own in the kernel's routing table, loopback left out.
fn local_in(table: &str) -> Option<Ipv4Addr> {
    all_local_in(table).next()
}

/// Addresses of our own in the kernel's routing table, loopback left out. Only interfaces that are up stand in it. The
/// line above `host LOCAL` holds the address.
fn all_local_in(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    let pairs = table.lines().zip(table.lines().skip(1));
    let local = pairs.filter(|(_, line)| line.contains("host LOCAL"));
    let address = |(before, _): (&str, &str)| before.trim().strip_prefix("|-- ")?.parse().ok();
    local
        .filter_map(address)
        .filter(|ip| !Ipv4Addr::is_loopback(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_typed_is_shown() {
        let own = || Some(IpAddr::from([10, 0, 7, 20]));
        let none = || None;
        let listen = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (at, name, up, want) in [
            ("127.0.0.1:8080", None, true, "http://127.0.0.1:8080/"),
            ("0.0.0.0:8080", None, true, "http://10.0.7.20:8080/"),
            ("[::]:8080", None, true, "http://10.0.7.20:8080/"),
            ("0.0.0.0:8080", None, false, "http://127.0.0.1:8080/"),
            ("10.0.7.21:80", None, true, "http://10.0.7.21:80/"),
            (
                "0.0.0.0:8080",
                Some("print.ward"),
                true,
                "http://print.ward:8080/",
            ),
            (
                "127.0.0.1:8080",
                Some("print.ward"),
                true,
                "http://print.ward/",
            ),
        ] {
            let got = if up {
                url(listen(at), name, own)
            } else {
                url(listen(at), name, none)
            };
            assert_eq!(got, want, "{at} {name:?}");
        }
    }

    #[test]
    fn the_usual_port_of_tls_is_not_typed() {
        assert_eq!(over_tls("http://print.ward:443/"), "https://print.ward/");
        assert_eq!(
            over_tls("http://10.0.7.20:8443/"),
            "https://10.0.7.20:8443/"
        );
    }

    #[test]
    fn an_address_of_our_own_is_found_in_the_kernels_table() {
        let table = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.7.0\n        /24 link UNICAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.0.7.20\n        /32 host LOCAL\n";
        assert_eq!(local_in(table), Some(Ipv4Addr::new(10, 0, 7, 20)));
        assert_eq!(
            local_in("Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n"),
            None
        );
    }
}
