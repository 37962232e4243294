//! TLS over a real station: its own certificate and one that is given, what is left of the plain port, old TLS, names.

use crate::room::{Room, calvaria, wait};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use sha2::Digest as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const STOP: &str = "/api/v1/printer/emergency-stop";
const WHO: &str = r#"{"operator":"M. Curie","pin":"481516"}"#;

/// Takes any certificate, and says which it was.
#[derive(Debug, Default)]
struct Any(Mutex<Vec<u8>>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = certificate.to_vec();
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &known)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Head and body over TLS of this version, and the certificate's fingerprint.
fn over_tls(
    at: SocketAddr,
    version: &'static rustls::SupportedProtocolVersion,
    request: &str,
) -> (String, String) {
    let any = Arc::new(Any::default());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(any.clone())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(at).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut stream = StreamOwned::new(session, stream);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server may end without the last word of TLS.
    let _ = stream.read_to_end(&mut answer);
    let digest = sha2::Sha256::digest(&*any.0.lock().unwrap());
    let pairs: Vec<String> = digest.iter().map(|b| format!("{b:02X}")).collect();
    (
        String::from_utf8_lossy(&answer).into_owned(),
        pairs.join(":"),
    )
}

fn plain(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

fn post(host: &str, path: &str, more: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A room whose page speaks TLS on every address.
fn room(further: &str) -> (Room, SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("executed.jsonl");
    let mut room = Room::new(dir, 600.0, &log, None);
    let path = room.dir.path().join("calvaria.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[web]\n", &format!("[web]\ntls = true\n{further}"));
    let text = text.replace("listen = \"127.0.0.1:", "listen = \"0.0.0.0:");
    std::fs::write(&path, text).unwrap();
    let at: SocketAddr = room
        .address()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    room.start_station(None);
    wait("the page", Duration::from_secs(20), || {
        let stream = TcpStream::connect(at).ok()?;
        drop(stream);
        plain(at, &get("localhost", "/healthz"))
            .contains("\"ok\":true")
            .then_some(())
    });
    (room, at)
}

/// An address of this machine that is not loopback; `None` where it has none.
fn from_outside(at: SocketAddr) -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback()).then_some(SocketAddr::new(ip, at.port()))
}

#[test]
fn a_box_with_a_certificate_of_its_own_is_reached_over_tls_and_stopped_over_anything() {
    let (room, at) = room("names = [\"print.ward.example\"]\n");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (page, fingerprint) = over_tls(at, version, &get("print.ward.example", "/"));
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.contains(&fingerprint) && page.contains("data-tls"));
        // What no browser knows is promised for no time.
        assert!(!page.to_lowercase().contains("strict-transport-security"));
        assert!(room.station_log().contains(&fingerprint));
    }
    let key = room.data().join("tls/key.pem");
    assert_eq!(
        std::fs::metadata(key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (page, _) = over_tls(at, &rustls::version::TLS13, &get("evil.example", "/"));
    assert!(page.contains("unknown_host"), "{page}");

    // The plain port.
    let sent_on = plain(at, &get("print.ward.example", "/jobs/K7-2043?x=1"));
    let place = format!(
        "location: https://print.ward.example:{}/jobs/K7-2043?x=1",
        at.port()
    );
    assert!(
        sent_on.starts_with("HTTP/1.1 307") && sent_on.contains(&place),
        "{sent_on}"
    );
    assert!(plain(at, &get("evil.example", "/")).contains("unknown_host"));
    let act = plain(at, &post("localhost", "/api/v1/printer/bed-clear", "", WHO));
    assert!(
        act.starts_with("HTTP/1.1 403") && act.contains("needs_tls"),
        "{act}"
    );
    wait("a stop", Duration::from_secs(20), || {
        let own = format!("Origin: http://localhost:{}\r\n", at.port());
        let stop = plain(
            at,
            &post(&format!("localhost:{}", at.port()), STOP, &own, ""),
        );
        stop.contains("\"ok\":true").then_some(())
    });
    let foreign = post("localhost", STOP, "Origin: http://evil.example\r\n", "");
    assert!(plain(at, &foreign).contains("other_origin"));

    // From another host it shows and acts over TLS; the page that asks is named with https.
    if let Some(outside) = from_outside(at) {
        let host = outside.to_string();
        let origin = format!("Origin: https://{host}\r\n");
        let act = post(&host, "/api/v1/printer/bed-clear", &origin, WHO);
        let (answer, _) = over_tls(outside, &rustls::version::TLS13, &act);
        assert!(answer.contains("\"ok\":true"), "{answer}");
        let other = post(
            &host,
            "/api/v1/printer/bed-clear",
            "Origin: http://a.example\r\n",
            WHO,
        );
        let (answer, _) = over_tls(outside, &rustls::version::TLS13, &other);
        assert!(answer.contains("other_origin"), "{answer}");
    }
}

#[test]
fn old_tls_is_refused() {
    let (_room, at) = room("");
    // A greeting of TLS 1.1 with two suites and nothing else.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    let mut record = vec![
        22,
        3,
        1,
        0,
        hello.len() as u8 + 4,
        1,
        0,
        0,
        hello.len() as u8,
    ];
    record.extend(&hello);
    let mut stream = TcpStream::connect(at).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(&record).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    // An alert, fatal, and no handshake.
    assert_eq!(
        (answer.first(), answer.get(5)),
        (Some(&21), Some(&2)),
        "{answer:?}"
    );
}

#[test]
fn a_given_certificate_is_promised_and_a_wrong_one_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = [dir.path().join("box.pem"), dir.path().join("box.key")];
    std::fs::write(&files[0], certificate.pem()).unwrap();
    std::fs::write(&files[1], key.serialize_pem()).unwrap();
    let given = format!("certificate = {:?}\nkey = {:?}\n", files[0], files[1]);
    let (_room, at) = room(&given);
    let (page, _) = over_tls(at, &rustls::version::TLS13, &get("localhost", "/"));
    assert!(
        page.to_lowercase()
            .contains("strict-transport-security: max-age=31536000"),
        "{page}"
    );

    std::fs::write(&files[1], "nothing").unwrap();
    let config = dir.path().join("calvaria.toml");
    let text = format!(
        "data = {:?}\n[web]\ntls = true\nlisten = \"127.0.0.1:0\"\n{given}",
        dir.path().join("data")
    );
    std::fs::write(&config, text).unwrap();
    let ended = calvaria()
        .args(["serve", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("box.key") && said.contains("no private key"),
        "{said}"
    );
}
