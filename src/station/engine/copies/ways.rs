//! Ways: how people and programs copy a scan into the drop folder, drawn by a seed.

use super::{QUIET_MS, zipped};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// One act of somebody who copies.
#[derive(Clone)]
pub(super) enum Act {
    /// A folder in which a program then works, wherever the folder is moved to.
    Enter(PathBuf),
    /// Into the entered folder.
    Inside(String, Vec<u8>),
    /// A whole file, its folder made anew if it went.
    Whole(PathBuf, Vec<u8>),
    /// The beginning of a file that stays open.
    Begin(PathBuf, Vec<u8>),
    /// The rest of it.
    Rest(Vec<u8>),
    Rename(PathBuf, PathBuf),
    Link(PathBuf),
    Remove(PathBuf),
}

/// The acts of one copy and their times, ms.
pub(super) struct Copier {
    pub(super) acts: Vec<(u64, Act)>,
    entered: Option<File>,
    open: Option<File>,
}

impl Copier {
    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Enter(path) => {
                fs::create_dir_all(&path).unwrap();
                self.entered = Some(File::open(path).unwrap());
            }
            Act::Inside(name, bytes) => {
                let folder = self.entered.as_ref().unwrap().as_raw_fd();
                // Written as one thing: beside, under a hidden name, then renamed.
                let at = |name: &str| PathBuf::from(format!("/proc/self/fd/{folder}/{name}"));
                let beside = format!(".{name}.Xq3");
                if fs::write(at(&beside), bytes).is_ok() {
                    fs::rename(at(&beside), at(&name)).unwrap();
                }
            }
            Act::Whole(path, bytes) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Act::Begin(path, bytes) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let mut file = File::create(path).unwrap();
                file.write_all(&bytes).unwrap();
                self.open = Some(file);
            }
            Act::Rest(bytes) => self.open.take().unwrap().write_all(&bytes).unwrap(),
            Act::Rename(from, to) => {
                // What was gathered meanwhile is not there any more, as the program then says.
                if from.exists() {
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    // As `mv` does: into a folder that is there.
                    let to = if to.is_dir() { to.join("scan") } else { to };
                    fs::rename(from, to).unwrap();
                }
            }
            Act::Link(path) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let _ = std::os::unix::fs::symlink("/etc/hostname", path);
            }
            Act::Remove(path) => {
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

/// Draws ways to copy.
pub(super) struct Ways<'a> {
    pub(super) random: ChaCha8Rng,
    pub(super) drop: &'a Path,
    pub(super) outside: &'a Path,
    pub(super) names: usize,
}

impl Ways<'_> {
    pub(super) fn odds(&mut self, of_100: u32) -> bool {
        self.random.random_ratio(of_100, 100)
    }

    fn pause(&mut self) -> u64 {
        if self.odds(8) {
            self.random.random_range(QUIET_MS..8 * QUIET_MS)
        } else {
            self.random.random_range(1..400)
        }
    }

    /// A folder name that nobody used.
    fn folder(&mut self) -> PathBuf {
        self.names += 1;
        let tail = ["", "/series", "/a/b"][self.random.random_range(0..3)];
        self.drop.join(format!("DOE^JANE-{}{tail}", self.names))
    }

    /// One copy of a scan from `start` on, in a way of its own; says whether what is cut may stay a case.
    pub(super) fn copy(
        &mut self,
        files: &BTreeMap<String, Vec<u8>>,
        start: u64,
    ) -> (Copier, &'static str) {
        let way = self.random.random_range(0..8);
        let mut files: Vec<(String, Vec<u8>)> = files.clone().into_iter().collect();
        match self.random.random_range(0..3) {
            0 => files.reverse(),
            1 => files.shuffle(&mut self.random),
            _ => {}
        }
        if self.odds(30) {
            // Names that tell nothing, as archives give them.
            for (n, (name, _)) in files.iter_mut().enumerate() {
                *name = format!("{}{n:03}", ["IM", "slice", "x"][n % 3]);
            }
        }
        let (mut acts, mut at) = (Vec::new(), start);
        let folder = self.folder();
        if self.odds(20) {
            acts.push((at, Act::Link(folder.join("link"))));
        }
        let word = match way {
            0 | 1 => {
                for (name, bytes) in files {
                    at += self.pause();
                    self.file(&mut acts, &mut at, folder.join(name), bytes);
                }
                "folder"
            }
            2 => {
                // Flat; two people's files may have the same names.
                self.names += 1;
                let flat = format!("{:02}", self.names);
                for (name, bytes) in files {
                    at += self.pause();
                    let path = self.drop.join(format!("{flat}{name}"));
                    self.file(&mut acts, &mut at, path, bytes);
                }
                "flat"
            }
            3 => {
                let bytes = zipped(&files.into_iter().collect());
                self.names += 1;
                let path = self.drop.join(format!("{}.zip", self.names));
                let cut = self.random.random_range(1..bytes.len());
                acts.push((at, Act::Begin(path, bytes[..cut].into())));
                at += self.pause();
                acts.push((at, Act::Rest(bytes[cut..].into())));
                "zip"
            }
            4 => {
                acts.push((at, Act::Enter(folder)));
                for (name, bytes) in files {
                    at += self.pause();
                    acts.push((at, Act::Inside(name, bytes)));
                }
                "rsync"
            }
            5 => {
                let outside = self.outside.join(format!("{}", self.names));
                for (name, bytes) in files {
                    acts.push((at, Act::Whole(outside.join(name), bytes)));
                }
                at += self.pause();
                acts.push((at, Act::Rename(outside, folder)));
                "mv"
            }
            6 => {
                // It dies, leaves a cut file, and is begun anew under the same or another name.
                let died = self.random.random_range(0..files.len());
                for (name, bytes) in &files[..died] {
                    at += self.pause();
                    acts.push((at, Act::Whole(folder.join(name), bytes.clone())));
                }
                let (name, bytes) = &files[died];
                let cut = self.random.random_range(1..bytes.len());
                acts.push((at, Act::Whole(folder.join(name), bytes[..cut].into())));
                at += self.random.random_range(1..6 * QUIET_MS);
                let anew = match self.random.random_range(0..3) {
                    0 => self.folder(),
                    1 => {
                        acts.push((at, Act::Remove(folder.clone())));
                        folder
                    }
                    _ => folder,
                };
                for (name, bytes) in files {
                    at += self.pause();
                    acts.push((at, Act::Whole(anew.join(name), bytes)));
                }
                "anew"
            }
            _ => {
                // Two halves, in two folders or one of them flat.
                let half = self.random.random_range(1..files.len());
                let rest = files.split_off(half);
                for (name, bytes) in files {
                    at += self.pause();
                    acts.push((at, Act::Whole(folder.join(name), bytes)));
                }
                at += self.random.random_range(1..6 * QUIET_MS);
                let other = if self.odds(50) {
                    self.folder()
                } else {
                    self.drop.into()
                };
                self.names += 1;
                let flat = self.names;
                for (name, bytes) in rest {
                    at += self.pause();
                    acts.push((at, Act::Whole(other.join(format!("{flat}-{name}")), bytes)));
                }
                "halves"
            }
        };
        let copier = Copier {
            acts,
            entered: None,
            open: None,
        };
        (copier, word)
    }

    /// One file: at once, in two parts, or under a name that says it is not finished.
    fn file(&mut self, acts: &mut Vec<(u64, Act)>, at: &mut u64, path: PathBuf, bytes: Vec<u8>) {
        match self.random.random_range(0..10) {
            0 => {
                let cut = self.random.random_range(0..bytes.len());
                acts.push((*at, Act::Begin(path, bytes[..cut].into())));
                *at += self.pause();
                acts.push((*at, Act::Rest(bytes[cut..].into())));
            }
            1 => {
                let mut part = path.as_os_str().to_owned();
                part.push(".part");
                acts.push((*at, Act::Whole(part.clone().into(), bytes)));
                *at += self.pause();
                acts.push((*at, Act::Rename(part.into(), path)));
            }
            _ => acts.push((*at, Act::Whole(path, bytes))),
        }
    }
}
