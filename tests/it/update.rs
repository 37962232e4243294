//! Self-test, setup and updates over real processes: RAUC is a script on `PATH` that behaves as version 1.8 does.

use crate::room::head::{Place, places};
use crate::room::{Room, calvaria, phantom, wait};
use calvaria::printer::virtual_printer::Record;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Models answer within this on a busy machine without optimisation.
const SOON: Duration = Duration::from_secs(30);
const DESIGN_MAX: Duration = Duration::from_secs(300);
const PRINT_MAX: Duration = Duration::from_secs(600);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn config(dir: &Path, more: &str) -> PathBuf {
    let path = dir.join("calvaria.toml");
    let data = dir.join("data");
    std::fs::write(&path, format!("data = {data:?}\n{more}")).unwrap();
    path
}

fn self_test(config: &Path, more: &[&str]) -> (Option<i32>, Value, String) {
    let done = calvaria()
        .args(["self-test", "--json", "--config"])
        .arg(config)
        .args(more)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    (done.status.code(), report, text(&done.stderr))
}

fn outcome<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|c| c["name"] == name).unwrap();
    check["outcome"].as_str().unwrap()
}

#[test]
fn a_sound_program_says_so_and_one_without_its_models_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), "");
    let (code, report, said) = self_test(&path, &[]);
    assert_eq!(code, Some(0), "{report} {said}");
    for (name, want) in [
        ("models", "ok"),
        ("profiles", "ok"),
        ("store", "skipped"),
        ("page", "ok"),
        ("printer", "skipped"),
        ("display", "skipped"),
    ] {
        assert_eq!(outcome(&report, name), want, "{report}");
    }
    // Nothing was made by looking.
    assert!(!dir.path().join("data").exists());

    let before = dir.path().join("before.json");
    let mut passed = report.clone();
    for check in passed["checks"].as_array_mut().unwrap() {
        check["outcome"] = "ok".into();
    }
    std::fs::write(&before, passed.to_string()).unwrap();
    let none = dir.path().join("none");
    let path = config(dir.path(), "[display]\noutput = \"/dev/fb77\"\n");
    let arguments = [
        "--before",
        before.to_str().unwrap(),
        "--model",
        none.to_str().unwrap(),
    ];
    let (code, report, said) = self_test(&path, &arguments);
    assert_eq!((code, outcome(&report, "models")), (Some(1), "failed"));
    assert_eq!(report["against"], json!(["display"]), "{report}");
    assert!(
        said.contains("models:") && said.contains("display:"),
        "{said}"
    );
    // A file that is no report is wrong use.
    std::fs::write(&before, "{").unwrap();
    assert_eq!(self_test(&path, &arguments[..2]).0, Some(2));
}

#[test]
fn a_box_that_nobody_may_use_is_set_up_by_the_code_in_its_log_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("executed.jsonl");
    let mut room = Room::new(dir, 600.0, &log, None);
    let toml = room.dir.path().join("calvaria.toml");
    let removed = calvaria()
        .args(["operator", "remove", "M. Curie", "--config"])
        .arg(&toml)
        .status()
        .unwrap();
    assert!(removed.success());
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, text.replace("[web]\n", "[web]\nsetup_code = true\n")).unwrap();
    room.start_station(None);
    let code = wait("a code", SOON, || {
        let log = room.station_log();
        let (_, rest) = log.split_once("Setup code: ")?;
        Some(rest[..9].to_owned())
    });
    let station = wait("the page", SOON, || room.get("/api/v1/station"));
    assert_eq!(station["station"]["setup"], true);
    // The code is nowhere but on the display and in the log.
    assert!(!station.to_string().contains(&code));
    let kept = std::fs::read_to_string(room.data().join("setup.json")).unwrap();
    assert!(kept.contains("$argon2id$") && !kept.contains(&code));
    let shown = room.dir.path().join("lcd/lcd-set-up.png");
    wait("the display", SOON, || shown.exists().then_some(()));

    let with = |code: &str, pin: &str| json!({ "code": code, "name": "A. Weber", "pin": pin });
    let set_up = |body: &Value| room.post("/api/v1/setup", body);
    assert_eq!(
        room.post("/api/v1/drop", &json!({})),
        Err("set_up_first".into())
    );
    assert_eq!(
        set_up(&with("AAAA-AAAA", "481516")),
        Err("wrong_code".into())
    );
    // A weak PIN uses up no code.
    assert_eq!(set_up(&with(&code, "123456")), Err("weak_pin".into()));
    assert_eq!(set_up(&with(&code.to_lowercase(), "481516")), Ok(()));
    assert_eq!(set_up(&with(&code, "481516")), Err("set_up".into()));
    let station = wait("the page", SOON, || {
        let station = room.get("/api/v1/station")?;
        (station["station"]["setup"] == false).then_some(station)
    });
    assert_eq!(station["station"]["supervisors"], 1);
    assert!(!room.data().join("setup.json").exists());
    let who = json!({ "operator": "A. Weber", "pin": "481516" });
    assert_eq!(room.post("/api/v1/printer/bed-clear", &who), Ok(()));
}

/// RAUC 1.8, played: two slots, a plain bundle.
fn rauc(folder: &Path, bundle: &str, install: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let status = r#"{"compatible":"calvaria-x86_64","variant":"","booted":"A","boot_primary":"rootfs.0","slots":[{"rootfs.1":{"class":"rootfs","device":"/dev/none","type":"raw","bootname":"B","state":"inactive","boot_status":"good","slot_status":{"bundle":{"version":"1.0.0"}}}},{"rootfs.0":{"class":"rootfs","device":"/dev/none","type":"raw","bootname":"A","state":"booted","boot_status":"good","slot_status":{"bundle":{"version":"1.1.0"}}}}]}"#;
    let info = format!(
        r#"{{"compatible":"calvaria-x86_64","version":"{bundle}","images":[{{"rootfs":{{"size":5}}}}]}}"#
    );
    let script = format!(
        "#!/bin/sh\ncase \"$1 $2\" in\nstatus*) echo '{status}';;\n'info --output-format=json')\n if grep -q forged \"$3\"; then echo 'signature verification failed: unable to get local issuer certificate' >&2; exit 1; fi\n echo '{info}';;\ninfo*) echo 'Bundle Format: plain';;\ninstall*) {install};;\nesac\n"
    );
    std::fs::write(folder.join("rauc"), script).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.join("rauc"), mode).unwrap();
}

fn update(config: &Path, rauc: Option<&Path>) -> Command {
    let mut command = calvaria();
    let path = std::env::var("PATH").unwrap();
    let path = match rauc {
        Some(folder) => format!("{}:{path}", folder.display()),
        None => "/nowhere".into(),
    };
    command
        .env("PATH", path)
        .args(["update", "--config"])
        .arg(config);
    command
}

fn ended(done: &Output) -> (Option<i32>, String) {
    (done.status.code(), text(&done.stderr))
}

const GOOD: &str = "echo installing; echo '  0% Installing'; sleep 1; echo ' 40% Copying image to rootfs.1'; sleep 2; echo '100% Installing done.'; echo 'Installing succeeded'";

#[test]
fn a_plain_installation_says_that_it_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), "");
    let done = update(&path, None).arg("status").output().unwrap();
    assert!(done.status.success() && text(&done.stdout).contains("updated by hand"));
    let done = update(&path, None)
        .args(["status", "--json"])
        .output()
        .unwrap();
    let view: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&view["is_image"], &view["slot"]),
        (&json!(false), &json!(""))
    );
    let done = update(&path, None)
        .args(["install", "x.raucb"])
        .output()
        .unwrap();
    let (code, said) = ended(&done);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("no slots") && said.contains("by hand"),
        "{said}"
    );
}

#[test]
fn an_update_waits_for_a_design_holds_releases_and_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("executed.jsonl");
    let mut room = Room::new(dir, 600.0, &log, None);
    let (toml, played) = (
        room.dir.path().join("calvaria.toml"),
        room.dir.path().join("rauc"),
    );
    rauc(&played, "1.2.0", GOOD);
    let bundle = room.dir.path().join("b.raucb");
    std::fs::write(&bundle, "a bundle").unwrap();
    let scan = phantom(room.dir.path(), 1, "nifti");
    room.start_station(None);
    wait("the page", SOON, || room.get("/healthz"));
    std::fs::copy(&scan, room.data().join("drop/scan.nii.gz")).unwrap();
    room.reaches("designing", DESIGN_MAX);

    // Without a word to wait it is refused, and nothing is written.
    let install = || {
        let mut command = update(&toml, Some(&played));
        command.arg("install").arg(&bundle);
        command
    };
    let (code, said) = ended(&install().output().unwrap());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is being designed"), "{said}");
    let shown = || {
        room.get("/api/v1/station")
            .map(|s| s["station"]["update"]["installation"].clone())
    };
    wait("the refusal", SOON, || {
        shown().filter(|i| i["step"] == "refused")
    });

    let mut waits = install().arg("--wait").spawn().unwrap();
    let step = |want: &str| {
        wait(want, DESIGN_MAX, || shown().filter(|i| i["step"] == want));
    };
    step("waiting");
    let job = room.reaches("awaiting_release", DESIGN_MAX);
    step("installing");
    let refused = room.release(&job).unwrap_err();
    assert_eq!(refused, "updating");
    wait("progress", SOON, || shown().filter(|i| i["percent"] == 40));
    assert!(waits.wait().unwrap().success());
    step("done");
    let station = room.get("/api/v1/station").unwrap();
    assert_eq!(station["station"]["update"]["slot"], "A");
    let before = std::fs::read_to_string(room.data().join("update/before.json")).unwrap();
    let before: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(outcome(&before, "store"), "ok");
    // The station goes on.
    wait("a release", SOON, || {
        match room.release(&job).as_ref().map_err(String::as_str) {
            Ok(()) => Some(()),
            Err("updating" | "printer_away" | "printer_busy") => None,
            Err(other) => panic!("{other}"),
        }
    });
    wait("the print", SOON, || room.printer()?.job);
    let (code, said) = ended(&install().output().unwrap());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is being printed"), "{said}");
    let restart = |how: &str| {
        let mut command = update(&toml, Some(&played));
        command.args(["restart", how]);
        command
    };
    let (code, said) = ended(&restart("--ask").output().unwrap());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is being printed"), "{said}");

    // With the word it waits until the print is over, people see it wait, and the print ends as planned.
    let told = room.dir.path().join("systemctl.txt");
    systemctl(&played, &told);
    let mut waits = install().arg("--wait").spawn().unwrap();
    let shown_why = wait("waiting", SOON, || {
        shown().filter(|i| i["step"] == "waiting")
    });
    let why = shown_why["text"].as_str().unwrap();
    assert!(why.contains("is being printed"), "{why}");
    let mut restarts = restart("--wait").spawn().unwrap();
    let printed = room.reaches("printed", PRINT_MAX);
    assert!(waits.wait().unwrap().success());
    step("done");
    let gcode = room.data().join("cases").join(&printed.code);
    let gcode = std::fs::read_to_string(gcode.join("implant.gcode")).unwrap();
    assert!(executed(&log) == places(gcode.lines()), "not as planned");
    // Then the box is restarted, and until it is nothing begins.
    wait("a restart", SOON, || told.exists().then_some(()));
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "reboot\n");
    assert_eq!(room.release(&printed).unwrap_err(), "updating");
    restarts.kill().unwrap();
    restarts.wait().unwrap();
    assert_eq!(ended(&restart("--ask").output().unwrap()).0, Some(0));
}

/// `systemctl`, played: writes down what it is told.
fn systemctl(folder: &Path, told: &Path) {
    let path = folder.join("systemctl");
    let script = format!("#!/bin/sh\necho \"$@\" >{told:?}\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where the head went, in the words of the virtual printer's log.
fn executed(log: &Path) -> Vec<Place> {
    let text = std::fs::read_to_string(log).unwrap();
    let records = text.lines().filter_map(|l| serde_json::from_str(l).ok());
    let ends = records.filter_map(|record| match record {
        Record::Block { to, .. } => Some(to.map(|mm| (mm * 1e5).round() as i64)),
        _ => None,
    });
    ends.collect()
}

/// What a stick may say of the network, by the image's own look at it.
#[test]
fn network_settings_of_a_stick_are_plain_ones_or_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("image/rootfs/usr/lib/calvaria/network-check");
    let look = |text: &str| {
        let path = dir.path().join("calvaria.network");
        std::fs::write(&path, text).unwrap();
        let done = Command::new("sh").arg(&script).arg(&path).output().unwrap();
        (done.status.success(), crate::update::text(&done.stdout))
    };
    let plain = "# ward 3\r\n[Match]\r\nType=ether\r\n\r\n[Network]\r\nAddress=10.0.7.20/24\r\nGateway=10.0.7.1\r\nDNS=10.0.0.2\r\n";
    assert_eq!(look(plain), (true, String::new()));
    for (text, why) in [
        ("[Network]\nDHCP=yes\n", "names no card"),
        ("[Match]\nType=ether\n", "[Network] is missing"),
        (
            "[Match]\nType=ether\n[Network]\nIPForward=yes\n",
            "line 4: IPForward=",
        ),
        ("[Match]\nType=ether\n[Bridge]\n", "[Bridge] is not taken"),
        ("DHCP=yes\n", "neither a section nor a key"),
        (
            "[Match]\nType=ether\n[Network]\nDNS=\u{1b}[2J\n",
            "a character",
        ),
        ("", "names no card"),
    ] {
        let (taken, said) = look(text);
        assert!(!taken && said.contains(why), "{text:?}: {said}");
    }
    let long = format!("{plain}{}", "#\n".repeat(5000));
    assert!(!look(&long).0);
}

#[test]
fn what_rauc_does_not_take_is_told_in_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), "");
    std::fs::create_dir_all(dir.path().join("data/run")).unwrap();
    let played = dir.path().join("rauc");
    let bundle = dir.path().join("b.raucb");
    std::fs::write(&bundle, "forged").unwrap();
    let install = |more: &[&str]| {
        let done = update(&path, Some(&played))
            .arg("install")
            .arg(&bundle)
            .args(more)
            .output();
        ended(&done.unwrap())
    };
    rauc(&played, "1.2.0", GOOD);
    let (code, said) = install(&[]);
    assert_eq!(code, Some(3));
    assert!(
        said.contains("unable to get local issuer certificate"),
        "{said}"
    );
    std::fs::write(&bundle, "signed").unwrap();
    rauc(&played, "1.0.9", GOOD);
    let (code, said) = install(&[]);
    assert_eq!(code, Some(3));
    assert!(
        said.contains("older than 1.1.0") && said.contains("--allow-downgrade"),
        "{said}"
    );
    rauc(
        &played,
        "1.0.9",
        "echo ' 60% x'; echo 'LastError: Installation error: write failed'; exit 1",
    );
    let (code, said) = install(&["--allow-downgrade"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("write failed"), "{said}");
    let done = update(&path, Some(&played))
        .args(["status", "--json"])
        .output()
        .unwrap();
    let view: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&view["installation"]["step"], &view["version"]),
        (&json!("failed"), &json!("1.1.0"))
    );
    // Of a bundle that was uploaded nothing stays.
    let (code, _) = install(&["--remove"]);
    assert_eq!((code, bundle.exists()), (Some(3), false));
}
