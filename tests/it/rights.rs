//! Rights of the drop folder with real users: a group of technicians, a station that is not root, folders that may not
//! be written.

use crate::drops::{copy, slices};
use crate::room::{calvaria, phantom, wait};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);

/// A user of this machine in a test; nobody real.
const STATION: &str = "61234";
const TECHNICIAN: &str = "61235";
const GROUP: &str = "61236";
const OPERATOR: &str = "M. Curie";
const PIN: &str = "481516";

/// A command as another user in the group of technicians.
fn as_user(user: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", GROUP, "--clear-groups", "--"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn sh(user: &str, script: &str) -> bool {
    let run = as_user(user)
        .args(["sh", "-c", script])
        .stderr(Stdio::null())
        .status();
    run.unwrap().success()
}

/// Several users in a folder of their own; the station's has a sub-folder.
struct Users {
    dir: TempDir,
    listen: String,
}

impl Users {
    /// `None`, with the reason printed, where this can not be tried.
    fn new(top: &str, drop_keys: &str) -> Option<Self> {
        let is_root = rustix::process::geteuid().is_root();
        if !is_root || Command::new("setpriv").arg("--version").output().is_err() {
            println!("skipped: only root may be several users, by setpriv");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let station = dir.path().join("station");
        std::fs::create_dir(&station).unwrap();
        for path in [dir.path(), &station] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::chown(&station, Some(STATION.parse().unwrap()), None).unwrap();
        let program = calvaria().get_program().to_owned();
        if !sh(STATION, &format!("test -x {}", program.display())) {
            println!("skipped: the program lies where other users may not go");
            return None;
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = free.local_addr().unwrap().to_string();
        let users = Self { dir, listen };
        let (data, listen) = (users.data(), &users.listen);
        let text = format!(
            "data = {data:?}\n{top}\n[drop]\n{drop_keys}\nquiet_s = 0.5\nrescan_s = 0.5\n[web]\nlisten = {listen:?}\n"
        );
        std::fs::write(users.config(), text).unwrap();
        Some(users)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("station/data")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("calvaria.toml")
    }

    /// One slice of a phantom: a scan that is soon refused.
    fn scan(&self, seed: u64) -> PathBuf {
        let file = slices(&phantom(self.dir.path(), seed, "dicom")).remove(0);
        let scan = self.dir.path().join(format!("scan-{seed}"));
        copy(&[file], &scan);
        scan
    }

    fn add_operator(&self) {
        let mut child = as_user(STATION)
            .arg(calvaria().get_program())
            .args(["operator", "add", OPERATOR, "--pin-stdin", "--config"])
            .arg(self.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{PIN}").unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// A station without root's rights, with `designer` instead of its own.
    fn start(&self, designer: Option<&Path>) -> Serve {
        let mut serve = as_user(STATION);
        serve.arg(calvaria().get_program());
        serve
            .args(["serve", "--no-link", "--config"])
            .arg(self.config());
        if let Some(program) = designer {
            serve.arg("--program").arg(program);
        }
        let child = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let serve = Serve(child.unwrap(), format!("http://{}", self.listen));
        wait("the page", SOON, || serve.get("/healthz"));
        serve
    }
}

struct Serve(Child, String);

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Serve {
    fn get(&self, path: &str) -> Option<Value> {
        let mut answer = ureq::get(&format!("{}{path}", self.1)).call().ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    fn jobs(&self) -> usize {
        self.get("/api/v1/jobs")
            .map_or(0, |jobs| jobs.as_array().unwrap().len())
    }

    /// Cancels a case as the one operator.
    fn cancel(&self, code: &str) {
        let url = format!("{}/api/v1/jobs/{code}/cancel", self.1);
        let body = json!({ "operator": OPERATOR, "pin": PIN });
        assert!(
            ureq::post(&url)
                .send_json(body)
                .unwrap()
                .status()
                .is_success()
        );
    }

    fn attention(&self, name: &str) -> bool {
        self.get("/api/v1/station")
            .is_some_and(|s| s.to_string().contains(name))
    }
}

/// A station of a user of its own, and technicians who share a group with it: they may drop and see nothing else; what
/// the station may not read is said; what it may not move it copies, once.
#[test]
fn technicians_drop_and_see_nothing_else() {
    let Some(users) = Users::new("", &format!("group = {GROUP:?}")) else {
        return;
    };
    let data = users.data();
    let scan = users.scan(5);
    let serve = users.start(None);
    let drop_folder = data.join("drop");
    let (d, s) = (data.display(), scan.display());
    for closed in [
        "ls",
        "cat store.db #",
        "ls done #",
        "ls cases #",
        "cat pepper #",
        "ls run #",
        "ls printer #",
    ] {
        assert!(!sh(TECHNICIAN, &format!("cd {d} && {closed}")), "{closed}");
    }
    assert!(!serve.attention("drop_group"));
    // As copies are made with a closed umask: nobody else may read it.
    assert!(sh(
        TECHNICIAN,
        &format!("umask 077; cp -r {s} {d}/drop/DOE")
    ));
    wait("that it is said", SOON, || {
        serve.attention("drop_unreadable").then_some(())
    });
    assert_eq!(serve.jobs(), 0);
    assert!(sh(TECHNICIAN, &format!("chmod -R g+rX {d}/drop/DOE")));
    wait("the case", SOON, || (serve.jobs() == 1).then_some(()));
    assert!(!serve.attention("drop_unreadable"));
    // The station may not move another's folder: it is a copy, and no second case after a restart.
    assert!(drop_folder.join("DOE").exists());
    drop(serve);
    let serve = users.start(None);
    assert!(sh(
        TECHNICIAN,
        &format!("umask 002; cp -r {s} {d}/drop/MINE; chmod -R g+w {d}/drop/MINE")
    ));
    wait("the second is taken", SOON, || {
        (!drop_folder.join("MINE").exists()).then_some(())
    });
    wait("over", SOON, || {
        let jobs = serve.get("/api/v1/jobs")?;
        let all = jobs.as_array()?;
        all.iter()
            .all(|job| job["state"] == "refused")
            .then_some(())
    });
    // The same series of the same person: the same case.
    assert_eq!(serve.jobs(), 1);
}

/// As `cp -a` leaves a CD: nothing in it may be written. The station has no right to move such a folder, so it copies
/// it, says so, and takes it once.
#[test]
fn a_folder_that_may_not_be_moved_is_copied_and_that_is_said() {
    let Some(users) = Users::new("", "") else {
        return;
    };
    let (scan, other, data) = (users.scan(5), users.scan(6), users.data());
    let serve = users.start(None);
    let drop_folder = data.join("drop");
    let (d, s) = (drop_folder.display(), scan.display());
    let dropped = format!("cp -r {s} {d}/CD && chmod 0444 {d}/CD/* && chmod 0555 {d}/CD");
    assert!(sh(STATION, &dropped));
    let said = |serve: &Serve| {
        let jobs = serve.get("/api/v1/jobs")?;
        let job = jobs.as_array()?.first()?.clone();
        (job["state"] == "refused").then_some(job)
    };
    let job = wait("refused", SOON, || said(&serve));
    // The reason is the scan's, not the folder's: it was read.
    assert!(job["reason"].to_string().contains("slice"), "{job}");
    let findings = job["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["name"] == "drop_copied"), "{job}");
    let copied = data.join("quarantine").join(job["code"].as_str().unwrap());
    assert!(copied.join("input").read_dir().unwrap().next().is_some());
    assert!(drop_folder.join("CD").exists());
    // It is not taken a second time, by the next station neither; another scan is.
    drop(serve);
    let serve = users.start(None);
    assert!(sh(STATION, &format!("cp -r {} {d}/next", other.display())));
    wait("the next one", SOON, || (serve.jobs() == 2).then_some(()));
    wait("the next one taken", SOON, || {
        (!drop_folder.join("next").exists()).then_some(())
    });
    assert_eq!(serve.jobs(), 2);
}

/// A folder within the drop that may not be written moves with it, and goes with it: strict privacy keeps no original.
#[test]
fn strict_privacy_deletes_folders_that_may_not_be_written() {
    let Some(users) = Users::new("privacy = \"strict\"", "") else {
        return;
    };
    let (scan, data) = (users.scan(5), users.data());
    let designer = users.dir.path().join("designer.sh");
    std::fs::write(
        &designer,
        "#!/bin/sh\n[ \"$2\" = --look ] && exit 0\nexec sleep 60\n",
    )
    .unwrap();
    std::fs::set_permissions(&designer, std::fs::Permissions::from_mode(0o755)).unwrap();
    users.add_operator();
    let serve = users.start(Some(&designer));
    let (d, s) = (data.join("drop").display().to_string(), scan.display());
    let dropped = format!(
        "mkdir {d}/CD.part && cp -r {s} {d}/CD.part/series && chmod 0555 {d}/CD.part/series && mv {d}/CD.part {d}/CD"
    );
    assert!(sh(STATION, &dropped));
    let code = wait("in work", SOON, || {
        let jobs = serve.get("/api/v1/jobs")?;
        let job = jobs.as_array()?.first()?.clone();
        (job["state"] == "reading").then(|| job["code"].as_str().unwrap().to_owned())
    });
    let work = data.join("work").join(&code);
    assert!(work.join("input/series").exists() && !data.join("drop/CD").exists());
    serve.cancel(&code);
    wait("the originals gone", SOON, || {
        let places = ["work", "done", "quarantine"];
        let kept = places.iter().any(|p| data.join(p).join(&code).exists());
        (!kept).then_some(())
    });
}
