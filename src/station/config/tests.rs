use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("calvaria.toml"))
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(
        Config::default().drop_folder(),
        Path::new("/var/lib/calvaria/drop")
    );
}

#[test]
fn what_is_printed_can_be_read_back() {
    let mut config =
        parse("data = '/srv/c'\nprivacy = 'strict'\n[web]\nlisten = '127.0.0.1:0'").unwrap();
    config.drop.folder = config.drop_folder();
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    for (text, key, nearest) in [
        ("dat = '/srv'", "dat", "data"),
        (
            "[design]\nmemory_mb = 5",
            "design.memory_mb",
            "design.memory_mib",
        ),
        (
            "[printer]\nbaudrate = 5",
            "printer.baudrate",
            "printer.baud",
        ),
        ("[desing]\ntime_s = 5", "desing.time_s", "design.time_s"),
        ("listen = 'x'", "listen", "web.listen"),
    ] {
        match parse(text) {
            Err(ConfigError::UnknownKey {
                key: k, nearest: n, ..
            }) => {
                assert_eq!((k.as_str(), n.as_str()), (key, nearest));
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_key_that_is_like_none_gets_no_guess() {
    for text in [
        "wibble = 1",
        "[design]\nwibble = 1",
        "[cloud]\nuser = 'x'",
        "[printer]\ncolour = 1",
    ] {
        match parse(text) {
            Err(error @ ConfigError::UnknownKey { .. }) => {
                let said = error.to_string();
                assert!(said.contains("--print-config"), "{text}: {said}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_value_that_can_not_be_meant_is_refused_by_key() {
    for (text, key) in [
        ("[display]\nsize = 'big'", "display.size"),
        ("[display]\noutput = 'hdmi'", "display.output"),
        ("[printer]\nport = 'COM3'", "printer.port"),
        ("[drop]\nquiet_s = 0.0", "drop.quiet_s"),
        ("[design]\nmemory_mib = 1", "design.memory_mib"),
        ("[retention]\nfree_mib = 2048", "retention.free_mib"),
        ("[design]\ndevice = 'gpu'", "design.device"),
        ("[design]\nlighten = 'yes'", "design.lighten"),
        ("data = ''", "data"),
        ("data = '/'", "data"),
        ("[drop]\nfolder = '/'", "drop.folder"),
        ("data = '/srv/c'\n[drop]\nfolder = '/srv/c'", "drop.folder"),
        ("data = '/srv/c'\n[drop]\nfolder = '/srv'", "drop.folder"),
        (
            "data = '/srv/c'\n[drop]\nfolder = '/srv/c/cases'",
            "drop.folder",
        ),
        ("[display]\noutput = '/dev/sda'", "display.output"),
        ("[display]\noutput = 'png:'", "display.output"),
        ("[printer]\nport = 'pty:'", "printer.port"),
        ("[printer]\nport = '/dev/'", "printer.port"),
        ("[printer]\ntransport = 'tcp:'", "printer.transport"),
        ("[printer]\ntransport = 'tcp:esp3d'", "printer.transport"),
        ("[printer]\ntransport = 'udp:esp3d:23'", "printer.transport"),
        (
            "[printer]\ntransport = 'moonraker:voron'",
            "printer.transport",
        ),
        ("[printer]\napi_key_file = 'key'", "printer.api_key_file"),
        ("[printer]\nstop_button = 'event0'", "printer.stop_button"),
        ("[printer]\nswitch_off = ['gpioset']", "printer.switch_off"),
    ] {
        let text = parse(text).unwrap_err().to_string();
        assert!(text.contains(key), "{text}");
    }
    assert!(matches!(
        parse("privacy = 'none'"),
        Err(ConfigError::Parse { .. })
    ));
}
