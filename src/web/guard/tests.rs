use super::*;

const ACT: &str = "/api/v1/jobs/K7-2043/pause";
const HERE: (&str, &str) = ("host", "127.0.0.1:8080");

fn reached() -> Reached {
    Reached {
        names: vec!["print.klinik.example".into()],
        behind_proxy: false,
        page_port: 8080,
        stop_port: Some(8081),
        tls: None,
    }
}

fn caller(peer: &str, method: &Method, path: &str, headers: &[(&'static str, &str)]) -> Caller {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    Caller::new(peer.parse().unwrap(), method, path, &map)
}

fn said(
    peer: &str,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    reached: &Reached,
) -> String {
    match caller(peer, &method, path, headers).check(reached) {
        Ok(()) => "ok".into(),
        Err(fault) => fault.1.code,
    }
}

#[test]
fn who_may_look_and_act() {
    let get = |host: &str| said("10.0.0.9", Method::GET, "/", &[("host", host)], &reached());
    for known in [
        "127.0.0.1:8080",
        "localhost",
        "[::1]:8080",
        "PRINT.klinik.example:443",
    ] {
        assert_eq!(get(known), "ok", "{known}");
    }
    for unknown in ["evil.example:8080", "", "print.klinik.example.evil.example"] {
        assert_eq!(get(unknown), "unknown_host", "{unknown}");
    }
    let act = |peer: &str, headers: &[(&'static str, &str)]| {
        said(peer, Method::POST, ACT, headers, &reached())
    };
    assert_eq!(act("::1", &[("host", "[::1]:8080")]), "ok");
    assert_eq!(act("10.0.0.9", &[HERE]), "other_host");
    for (origin, want) in [
        ("http://127.0.0.1:8080", "ok"),
        ("http://print.klinik.example", "ok"),
        ("http://127.0.0.1:9090", "other_origin"),
        ("https://127.0.0.1:8080", "other_origin"),
        ("http://evil.example", "other_origin"),
        ("null", "other_origin"),
    ] {
        assert_eq!(
            act("127.0.0.1", &[HERE, ("origin", origin)]),
            want,
            "{origin}"
        );
    }
    for (site, want) in [
        ("same-origin", "ok"),
        ("none", "ok"),
        ("same-site", "other_origin"),
        ("cross-site", "other_origin"),
    ] {
        assert_eq!(
            act("127.0.0.1", &[HERE, ("sec-fetch-site", site)]),
            want,
            "{site}"
        );
    }
    let delete = caller("127.0.0.1", &Method::DELETE, ACT, &[HERE]).check(&reached());
    let fault = delete.unwrap_err();
    assert_eq!((fault.0.as_u16(), fault.1.code.as_str()), (405, "method"));
}

#[test]
fn every_program_may_stop_and_no_page_of_another_site() {
    let stop = |headers: &[(&'static str, &str)]| {
        said("10.0.0.9", Method::POST, stop::PATH, headers, &reached())
    };
    // curl, a script, a button in the wall: whatever they call the station.
    assert_eq!(stop(&[HERE]), "ok");
    assert_eq!(stop(&[]), "ok");
    assert_eq!(stop(&[("host", "whatever")]), "ok");
    assert_eq!(stop(&[HERE, ("x-forwarded-for", "10.0.0.9")]), "ok");
    // A form of the page, where no script runs.
    assert_eq!(
        stop(&[HERE, ("origin", "null"), ("sec-fetch-site", "same-origin")]),
        "ok"
    );
    // The station's own page, at its own port and at that of the stop.
    let own = ("origin", "http://127.0.0.1:8080");
    assert_eq!(stop(&[HERE, own, ("sec-fetch-site", "same-origin")]), "ok");
    let beside = ("host", "127.0.0.1:8081");
    assert_eq!(stop(&[beside, own, ("sec-fetch-site", "same-site")]), "ok");
    assert_eq!(stop(&[beside, own]), "ok");
    // Another site, another port of this host, a sandboxed frame, a name that an attacker bound to our address.
    for headers in [
        &[HERE, ("origin", "http://evil.example")][..],
        &[beside, ("origin", "http://evil.example:8080")],
        &[beside, ("origin", "http://127.0.0.1:9999")],
        &[beside, own, ("sec-fetch-site", "cross-site")],
        &[
            HERE,
            ("origin", "http://127.0.0.1:9999"),
            ("sec-fetch-site", "same-site"),
        ],
        &[HERE, ("origin", "null")],
        &[HERE, ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(stop(headers), "other_origin", "{headers:?}");
    }
    let rebound = ("host", "evil.example:8080");
    assert_eq!(
        stop(&[rebound, ("origin", "http://evil.example:8080")]),
        "unknown_host"
    );
    // What is no text is not nothing.
    let mut map = HeaderMap::new();
    map.insert("host", HERE.1.parse().unwrap());
    map.insert("origin", HeaderValue::from_bytes(b"http://\xff").unwrap());
    let odd = Caller::new(
        "127.0.0.1".parse().unwrap(),
        &Method::POST,
        stop::PATH,
        &map,
    );
    assert!(odd.check(&reached()).is_err());
}

#[test]
fn a_proxy_acts_only_where_it_is_configured_and_has_tls() {
    let forwarded = ("x-forwarded-for", "10.0.0.9");
    let tls = ("x-forwarded-proto", "https");
    let origin = ("origin", "https://print.klinik.example");
    let mut reached = reached();
    let act = |headers: &[(&'static str, &str)], reached: &Reached| {
        said("127.0.0.1", Method::POST, ACT, headers, reached)
    };
    assert_eq!(act(&[HERE, forwarded, tls, origin], &reached), "other_host");
    reached.behind_proxy = true;
    assert_eq!(act(&[HERE, forwarded, tls, origin], &reached), "ok");
    assert_eq!(act(&[HERE, forwarded, origin], &reached), "other_host");
    let evil = ("origin", "https://evil.example");
    assert_eq!(act(&[HERE, forwarded, tls, evil], &reached), "other_origin");
}

#[test]
fn the_policy_names_the_listener_of_the_stop_and_only_its_page_reads_it() {
    let of = |host: &str| caller("::1", &Method::GET, "/", &[("host", host)]).policy(&reached());
    assert!(of("127.0.0.1:8080").ends_with("connect-src 'self' http://127.0.0.1:8081"));
    assert!(of("[::1]:8080").ends_with("connect-src 'self' http://*:8081"));
    // What was not checked is not repeated.
    assert!(of("a; script-src *").ends_with("connect-src 'self'"));
    let reads = |origin: &str| {
        let headers = [("host", "127.0.0.1:8081"), ("origin", origin)];
        caller("::1", &Method::POST, stop::PATH, &headers)
            .shared_origin(&reached())
            .is_some()
    };
    assert!(reads("http://127.0.0.1:8080"));
    assert!(!reads("http://127.0.0.1:9999") && !reads("http://evil.example:8080"));
}

/// Wrong PINs of one machine behind a proxy must not slow all the others.
#[test]
fn the_client_is_whom_a_believed_proxy_names_last() {
    let behind = Reached {
        behind_proxy: true,
        ..reached()
    };
    let client = |peer: &str, said: &'static str, reached: &Reached| {
        let headers = [HERE, ("x-forwarded-for", said)];
        caller(peer, &Method::POST, ACT, &headers)
            .client(reached)
            .to_string()
    };
    for (said, want) in [
        ("10.0.0.9", "10.0.0.9"),
        ("6.6.6.6, 10.0.0.9", "10.0.0.9"),
        ("10.0.0.9:5060", "10.0.0.9"),
        ("fd00::9", "fd00::9"),
        ("[fd00::9]:80", "fd00::9"),
        ("unknown", "127.0.0.1"),
        ("10.0.0.9,", "127.0.0.1"),
    ] {
        assert_eq!(client("127.0.0.1", said, &behind), want, "{said}");
    }
    // Some proxies add a line of their own behind the client's.
    let two = ["6.6.6.6", "10.0.0.9"].map(|said| ("x-forwarded-for", said));
    let two = caller("127.0.0.1", &Method::POST, ACT, &[HERE, two[0], two[1]]);
    assert_eq!(two.client(&behind).to_string(), "10.0.0.9");
    // Nobody else is believed.
    assert_eq!(client("127.0.0.1", "10.0.0.9", &reached()), "127.0.0.1");
    assert_eq!(client("10.0.0.8", "10.0.0.9", &behind), "10.0.0.8");
}

/// A station with a certificate of its own.
fn with_tls(folder: &std::path::Path) -> Reached {
    let named = super::super::tls::Named {
        names: vec!["localhost".into()],
        now_s: 1_800_000_000,
        ..Default::default()
    };
    Reached {
        tls: Some(super::super::tls::Tls::own(folder, &named).unwrap()),
        ..reached()
    }
}

#[test]
fn over_tls_another_host_acts_and_over_a_plain_connection_nobody_does() {
    let dir = tempfile::tempdir().unwrap();
    let reached = with_tls(dir.path());
    let said = |peer: &str, tls: bool, path: &str, headers: &[(&'static str, &str)]| {
        let asked = Caller {
            tls,
            ..caller(peer, &Method::POST, path, headers)
        };
        asked
            .check(&reached)
            .map_or_else(|fault| fault.1.code, |()| "ok".into())
    };
    let origin = |text: &'static str| [HERE, ("origin", text)];
    for (peer, tls, path, headers, want) in [
        ("10.0.0.9", true, ACT, &[HERE][..], "ok"),
        (
            "10.0.0.9",
            true,
            ACT,
            &origin("https://127.0.0.1:8080"),
            "ok",
        ),
        (
            "10.0.0.9",
            true,
            ACT,
            &origin("https://print.klinik.example"),
            "ok",
        ),
        // A page that came plain, by whatever way, is not this page.
        (
            "10.0.0.9",
            true,
            ACT,
            &origin("http://127.0.0.1:8080"),
            "other_origin",
        ),
        (
            "10.0.0.9",
            true,
            ACT,
            &origin("https://evil.example"),
            "other_origin",
        ),
        (
            "10.0.0.9",
            true,
            ACT,
            &[("host", "evil.example")],
            "unknown_host",
        ),
        ("10.0.0.9", false, ACT, &[HERE], "needs_tls"),
        ("127.0.0.1", false, ACT, &[HERE], "needs_tls"),
        // The stop is taken over anything, from this page or from a program.
        ("10.0.0.9", false, stop::PATH, &[HERE], "ok"),
        (
            "10.0.0.9",
            false,
            stop::PATH,
            &origin("http://127.0.0.1:8080"),
            "ok",
        ),
        (
            "10.0.0.9",
            false,
            stop::PATH,
            &origin("http://evil.example"),
            "other_origin",
        ),
    ] {
        assert_eq!(
            said(peer, tls, path, headers),
            want,
            "{peer} {tls} {path} {headers:?}"
        );
    }
    // The listener of the stop, which is another port of the same host.
    let beside = [
        ("host", "127.0.0.1:8081"),
        ("origin", "https://127.0.0.1:8080"),
    ];
    assert_eq!(said("10.0.0.9", true, stop::PATH, &beside), "ok");
    let beside = [
        ("host", "127.0.0.1:8081"),
        ("origin", "http://127.0.0.1:8080"),
    ];
    assert_eq!(said("10.0.0.9", true, stop::PATH, &beside), "other_origin");
}

#[test]
fn whoever_looks_over_a_plain_connection_is_sent_on() {
    let dir = tempfile::tempdir().unwrap();
    let reached = with_tls(dir.path());
    let sent = |tls: bool, path: &str, host: &'static str, reached: &Reached| {
        let asked = Caller {
            tls,
            ..caller("10.0.0.9", &Method::GET, path, &[("host", host)])
        };
        asked.elsewhere(reached, &path.parse().unwrap())
    };
    let on = |host, path| sent(false, path, host, &reached);
    let place = |text: &str| Some(text.to_owned());
    assert_eq!(
        on("localhost", "/a?b=1"),
        place("https://localhost:8080/a?b=1")
    );
    assert_eq!(on("[::1]:80", "/"), place("https://[::1]:8080/"));
    assert_eq!(on("localhost", "/healthz"), None);
    assert_eq!(on("localhost", stop::STATE), None);
    assert_eq!(sent(true, "/", "localhost", &reached), None);
    let usual = Reached {
        page_port: 443,
        ..reached.clone()
    };
    assert_eq!(
        sent(false, "/", "localhost:80", &usual),
        place("https://localhost/")
    );
}
