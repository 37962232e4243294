//! The station's configuration: TOML, every key optional, unknown keys refused with the nearest known one.

use crate::implant::Lighten;
use crate::network::Device;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

mod node;
mod place;

pub use node::{Caller, Node};
pub use place::{SYSTEM, VARIABLE, home};

/// Everything a person may set. `Config::default()` is what DESIGN says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Folder of store, cases and sockets.
    pub data: PathBuf,
    /// What is kept of who the patient is.
    pub privacy: Privacy,
    /// The drop folder.
    pub drop: Drop,
    /// The page.
    pub web: Web,
    /// The printer.
    pub printer: Printer,
    /// Materials.
    pub material: Material,
    /// Who releases.
    pub release: Release,
    /// When cases are put away by themselves.
    pub retention: Retention,
    /// The designer.
    pub design: Design,
    /// The LCD.
    pub display: Display,
    /// The DICOM node.
    pub node: Node,
}

/// What is kept of who the patient is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// In one file of the case, mode 0600.
    #[default]
    Case,
    /// Nowhere; the hospital keeps the list of codes.
    Strict,
}

/// The drop folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drop {
    /// Where studies are dropped; empty: `DATA/drop`.
    pub folder: PathBuf,
    /// Group whose members may drop; empty: the folder's rights are left as they are.
    pub group: String,
    /// A drop is complete when nothing changed for this long, seconds.
    pub quiet_s: f64,
    /// The folder is looked through this often, seconds.
    pub rescan_s: f64,
}

/// The page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Web {
    /// Where the page listens.
    pub listen: SocketAddr,
    /// Port of the emergency stop's own listener, at the same address; 0: the one after the page's, or any free one.
    pub stop_port: u16,
    /// Host names under which the page is reached beside its addresses and the box's own name; the first one on the LCD.
    pub names: Vec<String>,
    /// A proxy with TLS stands before the page, on this host: what it says of its clients is believed.
    pub behind_proxy: bool,
    /// The page speaks TLS, at the same ports; over a plain connection only the emergency stop is taken then.
    pub tls: bool,
    /// PEM file of the certificate, with those above it; empty: the box's own, made in `DATA/tls`.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
    /// A station on whose list nobody is shows a one-time code on its display; whoever types it on the page becomes the first
    /// supervisor. Without it the first one is added on the console.
    pub setup_code: bool,
    /// A further port of plain HTTP from which people are sent on to TLS, e.g. 80; 0: none.
    pub plain_port: u16,
}

/// The printer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Printer {
    /// `virtual`, `/dev/serial/by-id/…` or `pty:PATH`.
    pub port: String,
    /// Bits per second; 0: those of the profile.
    pub baud: u32,
    /// Name of the machine's profile.
    pub profile: String,
    /// `serial`: at `port`; `tcp:HOST:PORT`: at a serial port that a box on the network hands on (ser2net, ESP3D);
    /// `moonraker:HOST:PORT`: Klipper, over the HTTP interface of its print server.
    pub transport: String,
    /// A file with Moonraker's API key; empty: it asks for none.
    pub api_key_file: PathBuf,
    /// A stop button at this box: its input device (`/dev/input/by-path/…`); empty: none.
    pub stop_button: PathBuf,
    /// Takes the mains from the printer behind an emergency: a program and its arguments; empty: nothing does.
    pub switch_off: Vec<String>,
}

/// Materials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Material {
    /// Name of the material that is sliced for.
    #[serde(rename = "default")]
    pub name: String,
    /// Words that stand on this room's spools and make no other material of it: makers, products, names of colours.
    pub words: Vec<String>,
}

/// Who releases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    /// How many people a release needs, 1 or 2.
    pub persons: u32,
}

/// What becomes of cases that are over for long enough, each by a rule of its own that stands in the record then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// Put away after so many days: off the list, and no file is deleted; 0: never.
    pub days: u32,
    /// Files and originals are deleted after so many days; 0: never. Findings, hashes and record stay.
    pub delete_days: u32,
    /// What was dropped is deleted after so many days; 0: with the other files.
    pub originals_days: u32,
    /// Below this much free space, MiB, files and originals are deleted, the oldest first; 0: never.
    pub free_mib: u64,
}

/// The designer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Design {
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// How parts are made lighter where no order says it: `none`, `infill` or `perforate`.
    pub lighten: String,
    /// A designer above this resident memory is ended, MiB.
    pub memory_mib: u64,
    /// A designer above this time is ended, seconds.
    pub time_s: u64,
}

/// The LCD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Display {
    /// `none`, `/dev/fb0` or `png:DIR`.
    pub output: String,
    /// Width and height in pixels, `800x480` or `320x240`.
    pub size: String,
}

impl Printer {
    /// Where the link finds it, as its command line has it.
    pub fn place(&self) -> &str {
        match self.transport.as_str() {
            "serial" => &self.port,
            network => network,
        }
    }

    /// Bits per second: as the configuration names them, else as the profile does.
    pub fn baud_of(&self, profile: &crate::gcode::Printer) -> u32 {
        match self.baud {
            0 => profile.link.baud,
            named => named,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "/var/lib/calvaria".into(),
            privacy: Privacy::Case,
            drop: Drop::default(),
            web: Web::default(),
            printer: Printer::default(),
            material: Material::default(),
            release: Release::default(),
            retention: Retention::default(),
            design: Design::default(),
            display: Display::default(),
            node: Node::default(),
        }
    }
}
impl Default for Drop {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            group: String::new(),
            quiet_s: 10.0,
            rescan_s: 30.0,
        }
    }
}
impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            stop_port: 0,
            names: Vec::new(),
            behind_proxy: false,
            tls: false,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            setup_code: false,
            plain_port: 0,
        }
    }
}
impl Default for Printer {
    fn default() -> Self {
        Self {
            port: "virtual".into(),
            baud: 0,
            profile: "virtual".into(),
            transport: "serial".into(),
            api_key_file: PathBuf::new(),
            stop_button: PathBuf::new(),
            switch_off: Vec::new(),
        }
    }
}
impl Default for Material {
    fn default() -> Self {
        Self {
            name: "pla".into(),
            words: Vec::new(),
        }
    }
}
impl Default for Release {
    fn default() -> Self {
        Self { persons: 1 }
    }
}
impl Default for Design {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            lighten: "none".into(),
            memory_mib: 6000,
            time_s: 1800,
        }
    }
}
impl Default for Display {
    fn default() -> Self {
        Self {
            output: "none".into(),
            size: "800x480".into(),
        }
    }
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can not be read.
    #[error("{}: {source}. Check the path given with --config.", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, or a value of the wrong type.
    #[error("{}: {text}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// The parser's words, with line and column.
        text: String,
    },
    /// A key that nobody reads.
    #[error("{}: unknown key `{key}`; {}", path.display(), meant(nearest))]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The key, dotted.
        key: String,
        /// The known key that is spelled most like it; empty: none is.
        nearest: String,
    },
    /// A value that can not be meant.
    #[error("{}: {key} = {value}: {want}.", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// The key, dotted.
        key: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        want: &'static str,
    },
    /// A `~` that nobody can resolve.
    #[error("{}: {want}. Write the whole path.", path.display())]
    Home {
        /// The path.
        path: PathBuf,
        /// Why not.
        want: &'static str,
    },
}

impl Config {
    /// Reads `path`; relative paths inside it are taken from the working directory.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Parses `text`; `path` is named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let parse = |e: toml::de::Error| ConfigError::Parse {
            path: path.into(),
            text: e.to_string(),
        };
        let table: toml::Table = text.parse().map_err(parse)?;
        if let Some((key, nearest)) = unknown_key(&table) {
            return Err(ConfigError::UnknownKey {
                path: path.into(),
                key,
                nearest,
            });
        }
        let config = toml::from_str::<Self>(text).map_err(parse)?.at_home()?;
        config.check(path)?;
        Ok(config)
    }

    /// The drop folder, `DATA/drop` when the config does not say.
    pub fn drop_folder(&self) -> PathBuf {
        if self.drop.folder.as_os_str().is_empty() {
            self.data.join("drop")
        } else {
            self.drop.folder.clone()
        }
    }

    /// What is dropped is moved: a drop folder that held the store or the cases would have them taken as scans.
    fn is_drop_folder_apart(&self) -> bool {
        let absolute = |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_path_buf());
        let (data, drop) = (absolute(&self.data), absolute(&self.drop_folder()));
        match drop.strip_prefix(&data) {
            Ok(inside) => inside.starts_with("drop"),
            Err(_) => !data.starts_with(&drop),
        }
    }

    /// Width and height of the LCD in pixels.
    pub fn display_px(&self) -> Option<(u32, u32)> {
        let (w, h) = self.display.size.split_once('x')?;
        let px = (w.parse().ok()?, h.parse().ok()?);
        matches!(px, (320..=1920, 240..=1080)).then_some(px)
    }

    /// The configuration as TOML, every key written out.
    pub fn to_toml(&self) -> String {
        let mut full = self.clone();
        full.drop.folder = self.drop_folder();
        toml::to_string(&full).unwrap_or_else(|e| format!("# can not be written: {e}\n"))
    }

    /// Key, value and what may be written instead.
    fn check_tls(&self) -> Result<(), (&'static str, String, &'static str)> {
        let web = &self.web;
        let given = |path: &Path| !path.as_os_str().is_empty();
        let shown = |path: &Path| path.display().to_string();
        match (given(&web.certificate), given(&web.key)) {
            (true, false) => Err((
                "web.key",
                String::new(),
                "write the file of the certificate's key",
            )),
            (false, true) => {
                let want = "write the file of the key's certificate";
                Err(("web.certificate", String::new(), want))
            }
            (true, true) if !web.tls => {
                let want = "write tls = true beside it, or leave it out";
                Err(("web.certificate", shown(&web.certificate), want))
            }
            _ if web.plain_port == 0 => Ok(()),
            _ if !web.tls => {
                let want = "write 0, or tls = true beside it: without TLS web.listen is plain";
                Err(("web.plain_port", web.plain_port.to_string(), want))
            }
            _ if [web.listen.port(), web.stop_port].contains(&web.plain_port) => {
                let want = "write another port than those of web.listen and web.stop_port";
                Err(("web.plain_port", web.plain_port.to_string(), want))
            }
            _ => Ok(()),
        }
    }

    /// Refuses values that can not be meant; `path` is named in errors.
    ///
    /// # Errors
    /// [`ConfigError::Value`], by key.
    pub fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let wrong = |key, value: String, want| {
            Err(ConfigError::Value {
                path: path.into(),
                key,
                value,
                want,
            })
        };
        if self.data.as_os_str().is_empty() || self.data == Path::new("/") {
            let want = "write a folder of the station's own";
            return wrong("data", self.data.display().to_string(), want);
        }
        if !self.is_drop_folder_apart() {
            let want = "write a folder of its own: not the data folder, not one around it, none of its sub-folders but drop";
            return wrong("drop.folder", self.drop.folder.display().to_string(), want);
        }
        if self.web.stop_port != 0 && self.web.stop_port == self.web.listen.port() {
            let want = "write another port than that of web.listen";
            return wrong("web.stop_port", self.web.stop_port.to_string(), want);
        }
        self.check_tls()
            .or_else(|(key, value, want)| wrong(key, value, want))?;
        if let Some(name) = self.web.names.iter().find(|n| !is_host_name(n)) {
            let want = "write a host name without port or path, e.g. print.ward.example";
            return wrong("web.names", name.clone(), want);
        }
        if self.display_px().is_none() {
            let want = "write WIDTHxHEIGHT, from 320x240 to 1920x1080";
            return wrong("display.size", self.display.size.clone(), want);
        }
        let output = self.display.output.as_str();
        let number = output.strip_prefix("/dev/fb").unwrap_or_default();
        let is_framebuffer = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if !(output == "none" || is_framebuffer || names_path(output, "png:")) {
            let want = "write none, /dev/fb0 or png:DIR";
            return wrong("display.output", output.into(), want);
        }
        let port = self.printer.port.as_str();
        if !(port == "virtual" || names_path(port, "/dev/") || names_path(port, "pty:")) {
            let want = "write virtual, /dev/serial/by-id/NAME or pty:PATH";
            return wrong("printer.port", port.into(), want);
        }
        let transport = self.printer.transport.as_str();
        if !(transport == "serial" || names_host(transport)) {
            let want = "write serial, tcp:HOST:PORT or moonraker:HOST:PORT";
            return wrong("printer.transport", transport.into(), want);
        }
        let key = &self.printer.api_key_file;
        if !(key.as_os_str().is_empty() || key.is_absolute()) {
            let want = "write the whole path of a file with Moonraker's API key in it";
            return wrong("printer.api_key_file", key.display().to_string(), want);
        }
        let button = &self.printer.stop_button;
        if !(button.as_os_str().is_empty() || button.is_absolute()) {
            let want = "write an input device, e.g. /dev/input/by-path/NAME";
            return wrong("printer.stop_button", button.display().to_string(), want);
        }
        let switch = self.printer.switch_off.first();
        if switch.is_some_and(|program| !Path::new(program).is_absolute()) {
            let want = "write the whole path of a program, then its arguments";
            return wrong(
                "printer.switch_off",
                self.printer.switch_off.join(" "),
                want,
            );
        }
        if !(0.2..=3600.0).contains(&self.drop.quiet_s) {
            let want = "write seconds from 0.2 to 3600";
            return wrong("drop.quiet_s", self.drop.quiet_s.to_string(), want);
        }
        if !(0.2..=3600.0).contains(&self.drop.rescan_s) {
            let want = "write seconds from 0.2 to 3600";
            return wrong("drop.rescan_s", self.drop.rescan_s.to_string(), want);
        }
        if !(1..=2).contains(&self.release.persons) {
            let want = "write 1 or 2";
            return wrong("release.persons", self.release.persons.to_string(), want);
        }
        let free_mib = self.retention.free_mib;
        if free_mib != 0 && free_mib <= super::FREE_MIB_MIN {
            // At the limit itself the door is shut.
            let want = "write 0, or more MiB than the 2048 below which no scan is taken";
            return wrong("retention.free_mib", free_mib.to_string(), want);
        }
        if self.design.device.parse::<Device>().is_err() {
            let want = "write auto, cpu or cuda:N";
            return wrong("design.device", self.design.device.clone(), want);
        }
        if self.design.lighten.parse::<Lighten>().is_err() {
            let want = "write none, infill or perforate";
            return wrong("design.lighten", self.design.lighten.clone(), want);
        }
        if !(64..=1_000_000).contains(&self.design.memory_mib) {
            let want = "write MiB from 64 to 1000000";
            return wrong(
                "design.memory_mib",
                self.design.memory_mib.to_string(),
                want,
            );
        }
        if !(1..=86_400).contains(&self.design.time_s) {
            let want = "write seconds from 1 to 86400";
            return wrong("design.time_s", self.design.time_s.to_string(), want);
        }
        self.node
            .check()
            .or_else(|(key, value, want)| wrong(key, value, want))
    }
}

/// Letters, digits, hyphens and dots, as in a URL.
fn is_host_name(text: &str) -> bool {
    let label =
        |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.len() <= 253 && text.split('.').all(label)
}

/// `tcp:HOST:PORT` or `moonraker:HOST:PORT`.
fn names_host(text: &str) -> bool {
    let at = (text.strip_prefix("tcp:")).or_else(|| text.strip_prefix("moonraker:"));
    let Some((host, port)) = at.and_then(|at| at.rsplit_once(':')) else {
        return false;
    };
    let odd = |c: char| c.is_whitespace() || c == '/';
    !host.is_empty() && !host.contains(odd) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// `prefix` with something after it.
fn names_path(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty())
}

/// The first key of `table` that no section has, dotted, and the known key spelled most like it.
fn unknown_key(table: &toml::Table) -> Option<(String, String)> {
    let known: Vec<String> = known_keys();
    for (key, value) in table {
        let inner: Vec<String> = match value {
            toml::Value::Table(section) if !section.is_empty() => {
                section.keys().map(|k| format!("{key}.{k}")).collect()
            }
            // An empty section is known by any of its keys.
            toml::Value::Table(_) if known.iter().any(|k| k.starts_with(&format!("{key}."))) => {
                continue;
            }
            _ => vec![key.clone()],
        };
        for dotted in inner {
            if !known.contains(&dotted) {
                let nearest = known
                    .iter()
                    .max_by(|a, b| alike(&dotted, a).total_cmp(&alike(&dotted, b)))
                    .filter(|known| alike(&dotted, known) >= ALIKE_LEAST)
                    .cloned()
                    .unwrap_or_default();
                return Some((dotted, nearest));
            }
        }
    }
    None
}

/// Less alike than this, a known key is no guess at what was meant. Of a dozen slips of the pen each reached 1.75 to the key
/// that was meant; words of another meaning (`wibble`, `printer.colour`, `cloud.user`) 1.43 at most to any.
const ALIKE_LEAST: f64 = 1.6;

fn meant(nearest: &str) -> String {
    match nearest {
        "" => "`calvaria serve --print-config` shows every key.".into(),
        nearest => {
            format!("did you mean `{nearest}`?")
                .trim_end_matches('?')
                .to_owned()
                + "?"
        }
    }
}

/// How much a dotted key looks like a known one, 0 to 2; the part after the dot weighs as much as the whole.
fn alike(key: &str, known: &str) -> f64 {
    let leaf = |s: &str| s.rsplit('.').next().unwrap_or_default().to_string();
    strsim::jaro_winkler(key, known) + strsim::jaro_winkler(&leaf(key), &leaf(known))
}

/// Every key there is, dotted, taken from the defaults, so that no list can fall behind the struct.
fn known_keys() -> Vec<String> {
    let Ok(table) = toml::Table::try_from(Config::default()) else {
        return Vec::new();
    };
    let mut keys = Vec::new();
    for (key, value) in &table {
        match value {
            toml::Value::Table(section) => {
                keys.extend(section.keys().map(|k| format!("{key}.{k}")))
            }
            _ => keys.push(key.clone()),
        }
    }
    keys
}

#[cfg(test)]
mod tests;
