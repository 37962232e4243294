//! HTTP: each request as it goes over the wire, each answer as it came, without a connection.
//!
//! In:    [`Request`]; status and body of an answer.
//! Out:   [`Call`]: method, path and body; [`Answer`] or [`Trouble`].
//! Holds: names of files are escaped; what a server says instead of JSON is no panic.

use super::api::{Answer, Info, Request, Trouble};
use super::reading::{Look, Settings};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Longest text of a refusal that is repeated.
const TEXT_MAX: usize = 240;
/// Parts of an upload are told apart by a line that no G-code has.
const BOUNDARY: &str = "calvaria-9c6f1d0b7e5a";

/// A request as text.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// Path with its query.
    pub target: String,
    /// Kind of the body; empty: there is none.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    fn get(target: String) -> Self {
        Self {
            method: "GET",
            target,
            content_type: String::new(),
            body: Vec::new(),
        }
    }

    fn post(target: &str, body: &Value) -> Self {
        Self {
            method: "POST",
            target: target.into(),
            content_type: "application/json".into(),
            body: body.to_string().into_bytes(),
        }
    }
}

/// The request as Moonraker wants it.
pub fn call(request: &Request) -> Call {
    match request {
        Request::Info => Call::get("/printer/info".into()),
        Request::Settings => {
            let objects = json!({
                "gcode": ["commands"],
                "heaters": ["available_heaters"],
                "configfile": ["settings"],
            });
            Call::post("/printer/objects/query", &json!({ "objects": objects }))
        }
        Request::Look(heaters) => {
            let mut objects = json!({
                "webhooks": null,
                "print_stats": null,
                "virtual_sdcard": ["file_position", "file_size"],
                "gcode_move": ["gcode_position", "homing_origin", "speed_factor", "extrude_factor"],
                "toolhead": ["homed_axes"],
                "motion_report": ["live_velocity"],
                "fan": ["speed"],
            });
            for name in heaters {
                objects[name] = json!(["temperature", "target"]);
            }
            Call::post("/printer/objects/query", &json!({ "objects": objects }))
        }
        Request::Upload {
            name,
            bytes,
            sha256,
        } => upload(name, bytes, sha256),
        Request::ReadBack(name) => Call::get(format!("/server/files/gcodes/{}", escaped(name))),
        Request::Start(name) => Call::post("/printer/print/start", &json!({ "filename": name })),
        Request::Pause => Call::post("/printer/print/pause", &json!({})),
        Request::Resume => Call::post("/printer/print/resume", &json!({})),
        Request::Cancel => Call::post("/printer/print/cancel", &json!({})),
        Request::Script(script) => {
            Call::post("/printer/gcode/script", &json!({ "script": script }))
        }
        Request::Stop => Call::post("/printer/emergency_stop", &json!({})),
        Request::Restart => Call::post("/printer/firmware_restart", &json!({})),
        Request::Delete(name) => Call {
            method: "DELETE",
            ..Call::get(format!("/server/files/gcodes/{}", escaped(name)))
        },
    }
}

fn upload(name: &str, bytes: &[u8], sha256: &str) -> Call {
    let mut body = Vec::with_capacity(bytes.len() + 512);
    for (field, value) in [("root", "gcodes"), ("checksum", sha256)] {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    Call {
        method: "POST",
        target: "/server/files/upload".into(),
        content_type: format!("multipart/form-data; boundary={BOUNDARY}"),
        body,
    }
}

fn escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// The answer to `request`. What was read back is hashed by whoever reads it, see [`stored`].
///
/// # Errors
/// [`Trouble`].
pub fn answer(request: &Request, status: u16, body: &[u8]) -> Result<Answer, Trouble> {
    if !(200..300).contains(&status) {
        return Err(refusal(status, body));
    }
    let read = || {
        let whole: Value =
            serde_json::from_slice(body).map_err(|e| Trouble::Unreadable(e.to_string()))?;
        Ok(whole["result"].clone())
    };
    let strange = || Trouble::Unreadable("something else was answered".into());
    match request {
        Request::Info => Info::read(&read()?).map(Answer::Info).ok_or_else(strange),
        Request::Settings => Settings::read(&read()?)
            .map(|found| Answer::Settings(Box::new(found)))
            .ok_or_else(strange),
        Request::Look(heaters) => Look::read(&read()?, heaters)
            .map(|found| Answer::Look(Box::new(found)))
            .ok_or_else(strange),
        Request::ReadBack(_) => Ok(stored(body)),
        Request::Upload { .. }
        | Request::Start(_)
        | Request::Pause
        | Request::Resume
        | Request::Cancel
        | Request::Script(_)
        | Request::Stop
        | Request::Restart
        | Request::Delete(_) => Ok(Answer::Done),
    }
}

/// What a file that was read back is.
pub fn stored(body: &[u8]) -> Answer {
    Answer::Stored {
        sha256: super::super::program::hash(body),
        size: body.len() as u64,
    }
}

/// What the server says, or that it says nothing.
pub fn refusal(status: u16, body: &[u8]) -> Trouble {
    let said = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let message = &said["error"]["message"];
    let words = message.as_str().unwrap_or("no reason given");
    let plain = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = plain.chars().filter(|c| !c.is_control()).take(TEXT_MAX);
    Trouble::Refused {
        status,
        text: text.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_escaped_and_a_refusal_keeps_its_words() {
        let call = call(&Request::ReadBack("a b/é.gcode".into()));
        assert_eq!(call.target, "/server/files/gcodes/a%20b%2F%C3%A9.gcode");
        let body = br#"{"error":{"code":400,"message":"SD busy\nreally","traceback":"x"}}"#;
        let refused = answer(&Request::Start("a".into()), 400, body).unwrap_err();
        assert_eq!(refused.to_string(), "SD busy really (400)");
        let gateway = answer(&Request::Info, 502, b"<html>").unwrap_err();
        assert!(gateway.is_open(), "{gateway}");
        assert!(
            answer(&Request::Info, 200, b"<html>")
                .unwrap_err()
                .is_open()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_a_trouble(
            status in 100_u16..600,
            body in prop::collection::vec(any::<u8>(), 0..200),
            which in 0_usize..4,
        ) {
            let requests = [
                Request::Info,
                Request::Settings,
                Request::Look(vec!["extruder".into()]),
                Request::Stop,
            ];
            let _ = answer(&requests[which], status, &body);
        }
    }
}
