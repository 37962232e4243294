//! Who may speak at all: the Host check against DNS rebinding, the origin of acts, acts from this host or over TLS; what
//! is left of the plain port where TLS is on; and the headers that every answer carries.

use super::connections::Secured;
use super::fault::Fault;
use super::{Reached, Shared, stop};
use crate::status::Refused;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const CSP: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
                   img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
                   connect-src 'self'";
/// Says that the process answers.
const ALIVE: &str = "/healthz";
/// Where scans and bundles come in, for as long as that takes.
const UPLOADS: [&str; 2] = ["/api/v1/drop", "/api/v1/update/bundle"];
/// An act is asked and answered within this time: longer than the station takes to say that it is stuck.
const ACT_MAX: Duration = Duration::from_secs(40);
/// What a proxy adds. Programs do not send them, so that nobody is taken for one by mistake.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-forwarded-host"];

pub(super) async fn guard(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = Caller::of(peer.ip(), &request);
    let (policy, origin) = (
        caller.policy(&shared.reached),
        caller.shared_origin(&shared.reached),
    );
    let client = Client(caller.client(&shared.reached));
    request.extensions_mut().insert(client);
    let mut response = match caller.check(&shared.reached) {
        Ok(()) => match caller.elsewhere(&shared.reached, request.uri()) {
            Some(place) => redirect(&place),
            None => in_our_form(bounded(request, next).await),
        },
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if caller.tls && shared.reached.may_promise_tls() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The same by the other door. Not for ever: TLS may be turned off again.
fn redirect(place: &str) -> Response {
    match HeaderValue::from_str(place) {
        Ok(place) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response(),
        Err(_) => Fault::missing().into_response(),
    }
}

/// An act whose body never ends must not hold its connection. Uploads watch over themselves, looks may stay open.
async fn bounded(request: Request, next: Next) -> Response {
    if request.method() != Method::POST || UPLOADS.contains(&request.uri().path()) {
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

/// The machine that a person sits at: wrong PINs are counted by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

/// What a request says of where it comes from.
struct Caller {
    peer: IpAddr,
    method: Method,
    /// It presses the emergency stop, or asks what became of it.
    stop: bool,
    /// It asks whether the process answers, and nothing else.
    alive: bool,
    /// It came over TLS that ends here.
    tls: bool,
    /// Name and port by which the station was called.
    host: String,
    /// The page that asks; browsers name it with every act, programs name none.
    origin: Option<String>,
    /// How far that page is from here, in the browser's words.
    site: Option<String>,
    /// It came through a proxy.
    forwarded: bool,
    /// The proxy took it over TLS.
    secure: bool,
    /// Where the proxy took it from, as it says.
    from: Option<String>,
}

impl Caller {
    fn of(peer: IpAddr, request: &Request) -> Self {
        let secured = request.extensions().get::<Secured>();
        Self {
            tls: secured.is_some_and(|s| s.0),
            ..Self::new(
                peer,
                request.method(),
                request.uri().path(),
                request.headers(),
            )
        }
    }

    fn new(peer: IpAddr, method: &Method, path: &str, headers: &HeaderMap) -> Self {
        // Bytes that are no text are no name of ours, but they are there: a header that is not read must not count
        // as one that is absent.
        let text = |name: &str| {
            let value = headers.get(name)?;
            Some(value.to_str().unwrap_or("?").to_owned())
        };
        Self {
            peer,
            method: method.clone(),
            stop: path == stop::PATH || path == stop::STATE,
            alive: path == ALIVE,
            tls: false,
            host: text("host").unwrap_or_default(),
            origin: text("origin"),
            site: text("sec-fetch-site"),
            forwarded: FORWARDED.iter().any(|name| headers.contains_key(*name)),
            secure: text("x-forwarded-proto").as_deref() == Some("https"),
            // A proxy adds its own word to the line of the client, or a line of its own behind it.
            from: (headers.get_all("x-forwarded-for").iter().next_back())
                .map(|value| value.to_str().unwrap_or("?").to_owned()),
        }
    }

    /// Where it comes from: behind a proxy that is believed what that says, the last word of it, since those before are
    /// the client's own.
    fn client(&self, reached: &Reached) -> IpAddr {
        let believed = reached.behind_proxy && self.peer.is_loopback();
        let said = self.from.as_ref().filter(|_| believed);
        let last = said.and_then(|said| said.rsplit(',').next()).map(str::trim);
        let with_port = |word: &str| word.parse().map(|at: SocketAddr| at.ip());
        let client = last.and_then(|word| word.parse().or_else(|_| with_port(word)).ok());
        client.unwrap_or(self.peer)
    }

    fn check(&self, reached: &Reached) -> Result<(), Fault> {
        let no = |code: &str, text: &str, next: &str| {
            Err(Fault(StatusCode::FORBIDDEN, Refused::new(code, text, next)))
        };
        let program = self.origin.is_none() && self.site.is_none();
        // A program that presses stop may call the station as it likes: no page can pass for one.
        let any_name = self.stop && program;
        if !any_name && !reached.is_known(&self.host) {
            let next =
                "Use the address that the station's display shows, or add the name to [web] names.";
            return no("unknown_host", "This station is not called so.", next);
        }
        if matches!(self.method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        if self.method != Method::POST {
            return Err(Fault::of_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        let by_proxy = self.forwarded && !(reached.behind_proxy && self.secure);
        if !self.stop && by_proxy {
            let next =
                "Go to the station itself, or let IT set [web] behind_proxy and TLS at the proxy.";
            return no(
                "other_host",
                "Through this proxy the page only shows.",
                next,
            );
        }
        if !self.stop && self.must_go_elsewhere(reached) {
            return no(
                "needs_tls",
                "This came over a connection that others can read.",
                "Ask at the station's https address. Take another PIN if one was sent.",
            );
        }
        if !self.stop && !self.tls && !self.peer.is_loopback() {
            return no(
                "other_host",
                "From another host this page only shows.",
                "Go to the station itself, or let IT set [web] tls.",
            );
        }
        if !self.is_own_page(reached) {
            return no(
                "other_origin",
                "Another page asked for this.",
                "Use the station's own page.",
            );
        }
        Ok(())
    }

    /// It came over a plain connection although there is TLS, and is neither a stop nor a sign of life.
    fn must_go_elsewhere(&self, reached: &Reached) -> bool {
        let by_proxy = reached.behind_proxy && self.forwarded && self.secure;
        reached.tls.is_some() && !self.tls && !by_proxy && !self.stop && !self.alive
    }

    /// Where it is to be asked instead; the name was checked before.
    fn elsewhere(&self, reached: &Reached, uri: &axum::http::Uri) -> Option<String> {
        let (_, name) = split(&self.host);
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let port = match reached.page_port {
            443 => String::new(),
            port => format!(":{port}"),
        };
        self.must_go_elsewhere(reached)
            .then(|| format!("https://{name}{port}{path}"))
    }

    /// The page that asks is the station's own, or no page asks.
    fn is_own_page(&self, reached: &Reached) -> bool {
        if self.is_page_beside(reached) {
            return true;
        }
        let near = |site: &String| site == "same-origin" || site == "none";
        if !self.site.as_ref().is_none_or(near) {
            return false;
        }
        let Some(origin) = &self.origin else {
            return true;
        };
        // A form of our own page, without its script: our referrer policy hides the origin, the browser vouches for it.
        if origin == "null" && self.site.as_deref() == Some("same-origin") {
            return true;
        }
        match origin.split_once("://") {
            Some(("http", name)) if !self.tls => name == self.host || reached.is_named(name),
            Some(("https", name)) if self.tls => name == self.host || reached.is_named(name),
            // TLS ends at a proxy, which may call us by another name than people do.
            Some(("https", name)) => {
                reached.behind_proxy && (name == self.host || reached.is_named(name))
            }
            _ => false,
        }
    }

    /// The page asks at the listener of the stop, which is the same host on another port: to the browser another
    /// origin of the same site.
    fn is_page_beside(&self, reached: &Reached) -> bool {
        let near = |site: &String| site == "same-site" || site == "same-origin";
        let (scheme, usual) = if self.tls {
            ("https", 443)
        } else {
            ("http", 80)
        };
        let origin = self.origin.as_ref().and_then(|o| o.split_once("://"));
        let Some((_, name)) = origin.filter(|(s, _)| *s == scheme) else {
            return false;
        };
        let port = self.port().parse().ok();
        let (page, bare) = split(name);
        self.stop
            && port.is_some()
            && port == reached.stop_port
            && self.site.as_ref().is_none_or(near)
            && bare == split(&self.host).1
            && page.parse().unwrap_or(usual) == reached.page_port
    }

    fn port(&self) -> &str {
        split(&self.host).0
    }

    /// The page that may read what the listener of the stop answers.
    fn shared_origin(&self, reached: &Reached) -> Option<HeaderValue> {
        let origin = self.origin.as_ref()?;
        let beside = self.is_page_beside(reached) && reached.is_known(&self.host);
        beside.then(|| HeaderValue::from_str(origin).ok()).flatten()
    }

    /// The policy, with the listener of the stop under the name by which the station was called.
    fn policy(&self, reached: &Reached) -> String {
        let (_, name) = split(&self.host);
        let scheme = if self.tls { "https" } else { "http" };
        match reached.stop_port {
            // A policy can not name an IPv6 address.
            Some(port) if name.starts_with('[') => format!("{CSP} {scheme}://*:{port}"),
            Some(port) if reached.is_known(&self.host) => format!("{CSP} {scheme}://{name}:{port}"),
            _ => CSP.into(),
        }
    }
}

/// Port (empty when there is none) and name of an authority.
fn split(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (port, name),
        _ => ("", authority),
    }
}

impl Reached {
    /// The certificate is one that browsers may be told to rely on.
    fn may_promise_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.is_own())
    }

    /// A name by which this station may be called: a literal address, `localhost`, its own host name, or a
    /// configured one.
    fn is_known(&self, host: &str) -> bool {
        let (_, name) = split(host);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.is_named(host)
        {
            return true;
        }
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let own = own.trim();
        !own.is_empty()
            && (name.eq_ignore_ascii_case(own)
                || name.eq_ignore_ascii_case(&format!("{own}.local")))
    }

    /// One of the configured names, at any port.
    fn is_named(&self, host: &str) -> bool {
        let (_, name) = split(host);
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests;
