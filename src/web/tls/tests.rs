use super::*;
use std::os::unix::fs::PermissionsExt;

const DAY_S: i64 = 86_400;

fn named(name: &str, day: i64) -> Named {
    Named {
        names: vec![name.into(), "localhost".into()],
        addresses: vec!["127.0.0.1".parse().unwrap()],
        now_s: day * DAY_S,
        built_s: 20_000 * DAY_S,
    }
}

#[test]
fn the_boxs_own_certificate_stays_until_it_no_longer_does() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tls");
    let of = |named: Named| Tls::own(&folder, &named).unwrap().fingerprint();
    let first = of(named("print-a", 20_100));
    assert_eq!(first.len(), 32 * 3 - 1);
    assert_eq!(of(named("print-a", 20_700)), first);
    // Its key is for the station's user alone.
    let mode = std::fs::metadata(folder.join(own::KEY))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Another name, and the end that comes near.
    let second = of(named("print-b", 20_100));
    assert_ne!(second, first);
    let third = of(named("print-b", 20_100 + 800));
    assert_ne!(third, second);
    // Cut between the key and the certificate: made anew.
    std::fs::remove_file(folder.join("about.json")).unwrap();
    assert_ne!(of(named("print-b", 20_100 + 800)), third);
}

#[test]
fn a_box_whose_clock_is_not_set_has_a_certificate_that_holds() {
    let dir = tempfile::tempdir().unwrap();
    // In 1970; the browser lives in the present, a month after the program was built.
    Tls::own(dir.path(), &named("print-a", 0)).unwrap();
    let about = std::fs::read_to_string(dir.path().join("about.json")).unwrap();
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    assert_eq!(about["until_s"], (20_000 + 820) * DAY_S);
}

#[test]
fn a_file_that_can_not_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    Tls::own(&path("a"), &named("a", 20_100)).unwrap();
    Tls::own(&path("b"), &named("b", 20_100)).unwrap();
    let (certificate, key) = (path("a/certificate.pem"), path("a/key.pem"));
    assert!(Tls::load(&certificate, &key).is_ok());
    std::fs::write(path("empty.pem"), "nothing here").unwrap();
    for (certificate, key, word) in [
        (path("none.pem"), key.clone(), "none.pem"),
        (path("empty.pem"), key.clone(), "no certificate"),
        (certificate.clone(), path("empty.pem"), "no private key"),
        (
            certificate.clone(),
            path("b/key.pem"),
            "key that of the first",
        ),
    ] {
        let text = Tls::load(&certificate, &key).unwrap_err().to_string();
        assert!(text.contains(word), "{text}");
    }
}
