//! Who may speak at all: the Host check against DNS rebinding, the origin of acts, acts from this host only; and the
//! headers that every answer carries.

use super::fault::Fault;
use crate::status::Refused;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                   connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
/// Acts, and only it, that anybody may do from anywhere.
const STOP: &str = "/api/v1/printer/emergency-stop";
/// Where scans come in, for as long as that takes.
const UPLOAD: &str = "/api/v1/drop";
/// An act is asked and answered within this time: longer than the station takes to say that it is stuck.
const ACT_MAX: Duration = Duration::from_secs(40);

pub(super) async fn guard(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let stop = request.uri().path() == STOP;
    let mut response = match check(peer.ip(), request.method(), request.headers(), stop) {
        Ok(()) => in_our_form(bounded(request, next).await),
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An act whose body never ends must not hold its connection. Uploads watch over themselves, looks may stay open.
async fn bounded(request: Request, next: Next) -> Response {
    if request.method() != Method::POST || request.uri().path() == UPLOAD {
        return next.run(request).await;
    }
    match tokio::time::timeout(ACT_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Fault::busy("The act took too long.").into_response(),
    }
}

/// Errors look the same everywhere, those of the libraries beneath as well.
fn in_our_form(response: Response) -> Response {
    let status = response.status();
    let ours = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    Fault::of_status(status).into_response()
}

fn check(peer: IpAddr, method: &Method, headers: &HeaderMap, stop: bool) -> Result<(), Fault> {
    let no = |code: &str, text: &str, next: &str| {
        Err(Fault(StatusCode::FORBIDDEN, Refused::new(code, text, next)))
    };
    let host = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .unwrap_or_default();
    if !known_host(host) {
        let next = "Use the address that the station's display shows.";
        return no("unknown_host", "This station is not called so.", next);
    }
    if matches!(*method, Method::GET | Method::HEAD) || stop {
        return Ok(());
    }
    if *method != Method::POST {
        return no("method", "That can not be done here.", "Use GET or POST.");
    }
    if !peer.is_loopback() {
        return no(
            "other_host",
            "From another host this page only shows.",
            "Go to the station itself.",
        );
    }
    let origin = headers.get(header::ORIGIN).and_then(|o| o.to_str().ok());
    let same = |o: &str| o.strip_prefix("http://").is_some_and(|rest| rest == host);
    let fetched_elsewhere = headers
        .get("sec-fetch-site")
        .is_some_and(|s| s != "same-origin" && s != "none");
    if origin.is_some_and(|o| !same(o)) || fetched_elsewhere {
        return no(
            "other_origin",
            "Another page asked for this.",
            "Use the station's own page.",
        );
    }
    Ok(())
}

/// Names by which this station may be called: a literal address, `localhost`, its own host name.
fn known_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim();
    !own.is_empty()
        && (name.eq_ignore_ascii_case(own) || name.eq_ignore_ascii_case(&format!("{own}.local")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(
        peer: &str,
        method: Method,
        headers: &[(&'static str, &str)],
        stop: bool,
    ) -> &'static str {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        match check(peer.parse().unwrap(), &method, &map, stop) {
            Ok(()) => "ok",
            Err(fault) => Box::leak(fault.1.code.into_boxed_str()),
        }
    }

    #[test]
    fn who_may_speak() {
        let here = ("host", "127.0.0.1:8080");
        assert_eq!(said("127.0.0.1", Method::GET, &[here], false), "ok");
        assert_eq!(
            said(
                "127.0.0.1",
                Method::GET,
                &[("host", "evil.example:8080")],
                false
            ),
            "unknown_host"
        );
        assert_eq!(said("127.0.0.1", Method::GET, &[], false), "unknown_host");
        assert_eq!(
            said("::1", Method::POST, &[("host", "[::1]:8080")], false),
            "ok"
        );
        assert_eq!(said("10.0.0.9", Method::GET, &[here], false), "ok");
        assert_eq!(said("10.0.0.9", Method::POST, &[here], false), "other_host");
        assert_eq!(said("10.0.0.9", Method::POST, &[here], true), "ok");
        assert_eq!(said("127.0.0.1", Method::DELETE, &[here], false), "method");
        let origin = |o| said("127.0.0.1", Method::POST, &[here, ("origin", o)], false);
        assert_eq!(origin("http://127.0.0.1:8080"), "ok");
        assert_eq!(origin("http://127.0.0.1:9090"), "other_origin");
        assert_eq!(origin("null"), "other_origin");
        let site = |s| {
            said(
                "127.0.0.1",
                Method::POST,
                &[here, ("sec-fetch-site", s)],
                false,
            )
        };
        assert_eq!(site("cross-site"), "other_origin");
        assert_eq!(site("same-origin"), "ok");
    }
}
