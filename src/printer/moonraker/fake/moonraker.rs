//! Moonraker: requests as they come over HTTP become orders to Klipper and files on its card.

use super::klipper::{COMMANDS, Klipper, State};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What goes wrong when a file is stored, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// What arrived was damaged on the way: its checksum tells.
    Damaged,
    /// The disk is full, and half of it is there.
    Truncated,
    /// A helper of the server's own rewrites it after the checksum was compared.
    Rewritten,
    /// An error of the server.
    Failed,
}

/// An answer, or that it comes later.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Status and body.
    Now(u16, Vec<u8>),
    /// When a script is over: ask with this ticket.
    Later(u64),
}

/// The server in front of a Klipper.
#[derive(Clone, Debug, Default)]
pub struct Moonraker {
    /// The printer.
    pub klipper: Klipper,
    /// The key that is wanted; empty: none.
    pub key: String,
    /// Name of its computer.
    pub hostname: String,
    /// Klipper's process is gone.
    pub klipper_gone: bool,
    /// Faults of the next uploads.
    pub store_faults: Vec<StoreFault>,
    /// Klipper does not tell which commands it knows.
    pub hides_commands: bool,
    /// The emergency stops that came.
    pub stops: usize,
}

fn result(value: &Value) -> Reply {
    Reply::Now(200, json!({ "result": value }).to_string().into_bytes())
}

fn error(status: u16, message: &str) -> Reply {
    let body = json!({"error": {"code": status, "message": message, "traceback": ""}});
    Reply::Now(status, body.to_string().into_bytes())
}

impl Moonraker {
    /// One request; `key`: what came as `X-Api-Key`.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        key: &str,
        content_type: &str,
        body: &[u8],
    ) -> Reply {
        if !self.key.is_empty() && key != self.key {
            return error(401, "Unauthorized");
        }
        let path = target.split('?').next().unwrap_or_default();
        if path == "/server/files/upload" && method == "POST" {
            return self.upload(content_type, body);
        }
        if let Some(name) = path.strip_prefix("/server/files/gcodes/") {
            return self.file(method, &unescaped(name));
        }
        if self.klipper_gone {
            return error(503, "Klippy Host not connected");
        }
        let arguments: Value = serde_json::from_slice(body).unwrap_or_default();
        match (method, path) {
            ("GET", "/printer/info") => result(&self.info()),
            ("POST", "/printer/objects/query") => result(&self.query(&arguments["objects"])),
            ("POST", "/printer/emergency_stop") => {
                self.stops += 1;
                self.klipper.shut_down("Shutdown due to webhooks request");
                result(&json!("ok"))
            }
            ("POST", "/printer/firmware_restart") => self.script("FIRMWARE_RESTART"),
            ("POST", "/printer/print/pause") => self.script("PAUSE"),
            ("POST", "/printer/print/resume") => self.script("RESUME"),
            ("POST", "/printer/print/cancel") => self.script("CANCEL_PRINT"),
            ("POST", "/printer/print/start") => match arguments["filename"].as_str() {
                Some(name) => self.script(&format!("SDCARD_PRINT_FILE FILENAME=\"{name}\"")),
                None => error(400, "No data for argument: filename"),
            },
            ("POST", "/printer/gcode/script") => match arguments["script"].as_str() {
                Some(script) => self.script(script),
                None => error(400, "No data for argument: script"),
            },
            _ => error(404, "Not Found"),
        }
    }

    /// The answer to a script that was carried out meanwhile.
    pub fn answer(&mut self, ticket: u64) -> Option<(u16, Vec<u8>)> {
        let reply = match self.klipper.answer(ticket)? {
            Ok(()) => result(&json!("ok")),
            Err(text) => error(400, &text),
        };
        match reply {
            Reply::Now(status, body) => Some((status, body)),
            Reply::Later(_) => None,
        }
    }

    fn script(&mut self, script: &str) -> Reply {
        let ticket = self.klipper.script(script);
        match self.answer(ticket) {
            Some((status, body)) => Reply::Now(status, body),
            None => Reply::Later(ticket),
        }
    }

    fn state(&self) -> &'static str {
        match self.klipper.state {
            State::Ready => "ready",
            State::Startup => "startup",
            State::Shutdown => "shutdown",
        }
    }

    fn info(&self) -> Value {
        json!({
            "state": self.state(),
            "state_message": self.klipper.message,
            "hostname": self.hostname,
            "klipper_path": "/home/pi/klipper",
            "process_id": 275_124,
            "log_file": "/home/pi/printer_data/logs/klippy.log",
            "config_file": "/home/pi/printer_data/config/printer.cfg",
            "software_version": "v0.13.0-1-g0000000",
            "cpu_info": "4 core",
        })
    }

    fn query(&mut self, objects: &Value) -> Value {
        let mut status = Map::new();
        for (name, wanted) in objects.as_object().into_iter().flatten() {
            let whole = self.object(name);
            let found = match (wanted.as_array(), whole) {
                // Objects and fields that are not there are left out in silence.
                (_, None) => json!({}),
                (None, Some(all)) => all,
                (Some(fields), Some(all)) => {
                    let keys = fields.iter().filter_map(Value::as_str);
                    let some = keys.filter_map(|key| Some((key.to_owned(), all.get(key)?.clone())));
                    Value::Object(some.collect())
                }
            };
            status.insert(name.clone(), found);
        }
        json!({ "eventtime": self.klipper.now_s, "status": status })
    }

    fn object(&mut self, name: &str) -> Option<Value> {
        if self.klipper.state == State::Startup && !["webhooks", "configfile"].contains(&name) {
            return None;
        }
        self.klipper.look_at_stats();
        let klipper = &self.klipper;
        let heater = |at: usize| {
            let [now, target] = klipper.heaters[at];
            json!({"temperature": (now * 100.0).round() / 100.0, "target": target, "power": 0.0})
        };
        let motion = &klipper.motion;
        Some(match name {
            "webhooks" => json!({"state": self.state(), "state_message": klipper.message}),
            "print_stats" => json!({
                "filename": klipper.stats.name,
                "total_duration": klipper.stats.total_s,
                "print_duration": klipper.stats.total_s,
                "filament_used": klipper.stats.filament_mm,
                "state": klipper.stats.state,
                "message": klipper.stats.message,
                "info": {"total_layer": null, "current_layer": null},
            }),
            "virtual_sdcard" => json!({
                "file_path": null,
                "progress": klipper.position as f64 / klipper.size.max(1) as f64,
                "is_active": klipper.stats.state == "printing",
                "file_position": klipper.position,
                "file_size": klipper.size,
            }),
            "pause_resume" => json!({ "is_paused": klipper.is_paused }),
            "gcode_move" => json!({
                "speed_factor": motion.speed_factor * 60.0,
                "extrude_factor": motion.extrude_factor,
                "gcode_position": motion.gcode_position(),
                "position": motion.last,
                "homing_origin": motion.homing,
            }),
            "toolhead" => json!({"homed_axes": klipper.homed_axes(), "position": motion.last}),
            "motion_report" => json!({"live_velocity": if klipper.moves() { 40.0 } else { 0.0 }}),
            "fan" => json!({"speed": klipper.fan, "rpm": null}),
            "extruder" => heater(0),
            "heater_bed" => heater(1),
            "heaters" => json!({"available_heaters": ["extruder", "heater_bed"]}),
            "gcode" if self.hides_commands => json!({}),
            "gcode" => {
                let all = COMMANDS.iter().map(|name| ((*name).to_owned(), json!({})));
                json!({ "commands": all.collect::<Map<_, _>>() })
            }
            "configfile" => json!({"settings": {
                "mcu": {"serial": "/dev/serial/by-id/usb-Klipper_stm32f446xx_2A00-if00"},
                "idle_timeout": {"timeout": 600.0},
            }}),
            _ => return None,
        })
    }

    fn is_in_use(&self, name: &str) -> bool {
        self.klipper.prints() == Some(name)
    }

    fn file(&mut self, method: &str, name: &str) -> Reply {
        match method {
            "GET" => match self.klipper.files.get(name) {
                Some(bytes) => Reply::Now(200, bytes.clone()),
                None => error(404, "File not found"),
            },
            "DELETE" if self.is_in_use(name) => error(403, "File currently in use"),
            "DELETE" => match self.klipper.files.remove(name) {
                Some(_) => result(&json!({"action": "delete_file"})),
                None => error(400, "Invalid file path"),
            },
            _ => error(405, "Method Not Allowed"),
        }
    }

    fn upload(&mut self, content_type: &str, body: &[u8]) -> Reply {
        let boundary = content_type.split("boundary=").nth(1);
        let Some(form) = boundary.and_then(|boundary| Form::read(boundary, body)) else {
            return error(500, "File Upload Parsing Failed");
        };
        let fault = (!self.store_faults.is_empty()).then(|| self.store_faults.remove(0));
        let mut bytes = form.file;
        if fault == Some(StoreFault::Damaged)
            && let Some(byte) = bytes.get_mut(0)
        {
            *byte ^= 1;
        }
        let found = Sha256::digest(&bytes)
            .iter()
            .fold(String::new(), |mut text, byte| {
                // Writing to a string does not fail.
                let _ = write!(text, "{byte:02x}");
                text
            });
        if !form.checksum.is_empty() && form.checksum.to_ascii_lowercase() != found {
            let text = format!(
                "File checksum mismatch: expected {}, calculated {found}",
                form.checksum
            );
            return error(422, &text);
        }
        if form.name.trim().is_empty() {
            return error(400, "Multipart filename omitted");
        }
        if self.is_in_use(&form.name) {
            return error(403, "File is loaded, upload not permitted");
        }
        match fault {
            Some(StoreFault::Failed) => return error(500, "Unable to save file"),
            Some(StoreFault::Truncated) => bytes.truncate(bytes.len() / 2),
            Some(StoreFault::Rewritten) => bytes.extend_from_slice(b"; processed\n"),
            Some(StoreFault::Damaged) | None => {}
        }
        let answer = json!({
            "item": {"path": form.name, "root": "gcodes", "size": bytes.len()},
            "print_started": false, "print_queued": false, "action": "create_file",
        });
        self.klipper.files.insert(form.name, bytes);
        Reply::Now(201, answer.to_string().into_bytes())
    }
}

/// The parts of an upload.
#[derive(Debug, Default)]
struct Form {
    name: String,
    checksum: String,
    file: Vec<u8>,
}

impl Form {
    fn read(boundary: &str, body: &[u8]) -> Option<Self> {
        let mark = format!("--{boundary}").into_bytes();
        let mut form = Self::default();
        let mut at = find(body, &mark)? + mark.len();
        loop {
            let rest = body.get(at..)?;
            if rest.starts_with(b"--") {
                return Some(form);
            }
            let head_end = find(rest, b"\r\n\r\n")?;
            let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
            let content = &rest[head_end + 4..];
            let end = find(content, &[b"\r\n", mark.as_slice()].concat())?;
            let value = &content[..end];
            let field = |name: &str| {
                let from = head.split(&format!("{name}=\"")).nth(1)?;
                from.split('"').next().map(str::to_owned)
            };
            match field(" name").as_deref() {
                Some("file") => {
                    form.name = field("filename").unwrap_or_default();
                    form.file = value.to_vec();
                }
                Some("checksum") => form.checksum = String::from_utf8_lossy(value).into_owned(),
                _ => {}
            }
            at += head_end + 4 + end + 2 + mark.len();
        }
    }
}

fn find(body: &[u8], what: &[u8]) -> Option<usize> {
    body.windows(what.len()).position(|window| window == what)
}

fn unescaped(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'%')
            .then(|| std::str::from_utf8(tail.get(..2)?).ok())
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
