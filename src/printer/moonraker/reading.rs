//! Reading: Moonraker's answers become what the machine knows.
//!
//! In:    JSON, from whoever answers at that address.
//! Out:   [`Info`], [`Settings`], [`Look`], or why it is none.
//! Holds: anything may come in. What is missing or of another kind counts as not said; nothing panics, nothing is
//!        made up.
//!
//! Klipper's own words for these objects: `docs/Status_Reference.md` there.

use super::api::{Info, Klippy};
use crate::status::Heater;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest text of the printer's that is repeated.
const TEXT_MAX: usize = 240;
/// Most heaters that are followed.
const HEATERS_MAX: usize = 16;

/// What Klipper is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Commands that it knows; empty where it does not tell.
    pub commands: BTreeSet<String>,
    /// Its heaters, by the names of their objects.
    pub heaters: Vec<String>,
    /// What names its main board: serial port by its id, or number on the CAN bus; empty where it does not tell.
    pub board: String,
    /// After so many seconds without an order it switches everything off.
    pub idle_s: Option<f64>,
}

/// How everything stands at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Klipper's own clock, s.
    pub at_s: f64,
    /// In which state it is, and why.
    pub state: Klippy,
    /// Why.
    pub message: String,
    /// The print.
    pub print: Option<Print>,
    /// The file.
    pub file: Option<FilePlace>,
    /// Where the head is, in the file's coordinates, mm: X, Y, Z, E.
    pub at_mm: Option<[f64; 4]>,
    /// Factors of speed and of filament, 1 as the file says.
    pub factors: Option<[f64; 2]>,
    /// Height over where the file has it, mm.
    pub offset_mm: Option<f64>,
    /// Axes that are homed.
    pub homed: String,
    /// Heaters: name, and how warm.
    pub heaters: Vec<(String, Heater)>,
    /// The head moves. Where Klipper does not say: no.
    pub moves: bool,
    /// Part fan, 0 to 1.
    pub fan: Option<f64>,
}

/// What Klipper says of its print.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// Name of the file.
    pub name: String,
    /// In which state.
    pub state: PrintState,
    /// Why it failed.
    pub message: String,
    /// Since it was started, pauses included, s.
    pub total_s: f64,
    /// Filament so far, mm.
    pub filament_mm: f64,
}

/// Where Klipper is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// Bytes that were carried out.
    pub position: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// States of a print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintState {
    /// Nothing was started.
    Standby,
    /// It runs.
    Printing,
    /// It is held.
    Paused,
    /// Its file was carried out to the end.
    Complete,
    /// It was given up.
    Cancelled,
    /// A line of it failed.
    Error,
}

impl PrintState {
    /// Lines are carried out, or will be.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Printing | Self::Paused)
    }
}

impl Info {
    /// From the result of `/printer/info`.
    pub fn read(result: &Value) -> Option<Self> {
        Some(Self {
            state: klippy(&result["state"])?,
            message: text(&result["state_message"]),
            hostname: text(&result["hostname"]),
            config_file: text(&result["config_file"]),
            version: text(&result["software_version"]),
        })
    }
}

impl Settings {
    /// From the result of a query of `gcode`, `heaters` and `configfile`.
    pub fn read(result: &Value) -> Option<Self> {
        let status = result["status"].as_object()?;
        let none = Value::Null;
        let of = |name: &str| status.get(name).unwrap_or(&none);
        let commands = of("gcode")["commands"].as_object();
        let heaters = of("heaters")["available_heaters"].as_array();
        let config = &of("configfile")["settings"];
        let board = ["canbus_uuid", "serial"]
            .iter()
            .map(|key| text(&config["mcu"][*key]))
            .find(|name| !name.is_empty());
        Some(Self {
            commands: commands
                .into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect(),
            heaters: (heaters.into_iter().flatten())
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .take(HEATERS_MAX)
                .collect(),
            board: board.unwrap_or_default(),
            idle_s: number(&config["idle_timeout"]["timeout"]),
        })
    }
}

impl Look {
    /// From the result of a query; `heaters`: the names that were asked for.
    pub fn read(result: &Value, heaters: &[String]) -> Option<Self> {
        let status = result["status"].as_object()?;
        let none = Value::Null;
        let of = |name: &str| status.get(name).unwrap_or(&none);
        let webhooks = of("webhooks");
        let motion = of("gcode_move");
        Some(Self {
            at_s: number(&result["eventtime"])?,
            state: klippy(&webhooks["state"])?,
            message: text(&webhooks["state_message"]),
            print: print(of("print_stats")),
            file: file(of("virtual_sdcard")),
            at_mm: numbers(&motion["gcode_position"]),
            factors: number(&motion["speed_factor"])
                .zip(number(&motion["extrude_factor"]))
                .map(|(speed, flow)| [speed, flow]),
            offset_mm: numbers::<4>(&motion["homing_origin"]).map(|at| at[2]),
            homed: text(&of("toolhead")["homed_axes"]),
            heaters: heaters
                .iter()
                .filter_map(|name| Some((name.clone(), heater(of(name))?)))
                .collect(),
            moves: number(&of("motion_report")["live_velocity"]).is_some_and(|v| v.abs() > 0.0),
            fan: number(&of("fan")["speed"]),
        })
    }

    /// A heater by its name.
    pub fn heater(&self, name: &str) -> Option<Heater> {
        let found = self.heaters.iter().find(|(other, _)| other == name);
        found.map(|(_, heater)| *heater)
    }

    /// What runs there now, whoever started it.
    pub fn active(&self) -> Option<&Print> {
        self.print.as_ref().filter(|print| print.state.is_active())
    }

    /// Some heater is wanted warm.
    pub fn is_hot(&self) -> bool {
        self.heaters.iter().any(|(_, heater)| heater.target_c > 0.0)
    }
}

fn print(object: &Value) -> Option<Print> {
    let state = match object["state"].as_str()? {
        "standby" => PrintState::Standby,
        "printing" => PrintState::Printing,
        "paused" => PrintState::Paused,
        "complete" => PrintState::Complete,
        "cancelled" => PrintState::Cancelled,
        "error" => PrintState::Error,
        _ => return None,
    };
    Some(Print {
        // Whole: it is compared.
        name: object["filename"].as_str()?.to_owned(),
        state,
        message: text(&object["message"]),
        total_s: number(&object["total_duration"])?,
        filament_mm: number(&object["filament_used"])?,
    })
}

fn file(object: &Value) -> Option<FilePlace> {
    Some(FilePlace {
        position: object["file_position"].as_u64()?,
        size: object["file_size"].as_u64()?,
    })
}

fn heater(object: &Value) -> Option<Heater> {
    Some(Heater {
        now_c: number(&object["temperature"])?,
        target_c: number(&object["target"])?,
    })
}

fn klippy(state: &Value) -> Option<Klippy> {
    Some(match state.as_str()? {
        "ready" => Klippy::Ready,
        "startup" => Klippy::Startup,
        "error" => Klippy::Error,
        "shutdown" => Klippy::Shutdown,
        _ => return None,
    })
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|v| v.is_finite())
}

/// The first so many numbers: Klipper may know further axes.
fn numbers<const N: usize>(value: &Value) -> Option<[f64; N]> {
    let all = value.as_array()?;
    let mut found = [0.0; N];
    for (axis, place) in found.iter_mut().enumerate() {
        *place = number(all.get(axis)?)?;
    }
    Some(found)
}

/// The printer's words on one line, bounded. What to do about a stop stands on further lines there, and is said here in
/// words of our own.
fn text(value: &Value) -> String {
    let all = value.as_str().unwrap_or_default();
    let lines = all.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Once the underlying issue"))
        .collect();
    let plain = said.join(" ");
    plain
        .chars()
        .filter(|c| !c.is_control())
        .take(TEXT_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn looked() -> Value {
        json!({"eventtime": 578243.5, "status": {
            "webhooks": {"state": "ready", "state_message": "Printer is ready"},
            "print_stats": {"filename": "a.gcode", "state": "printing", "message": "",
                "total_duration": 12.5, "print_duration": 10.0, "filament_used": 3.25},
            "virtual_sdcard": {"file_position": 700, "file_size": 1000, "is_active": true, "progress": 0.7},
            "gcode_move": {"gcode_position": [1.0, 2.0, 0.3, 4.0], "homing_origin": [0.0, 0.0, -0.05, 0.0],
                "speed_factor": 1.1, "extrude_factor": 0.95},
            "toolhead": {"homed_axes": "xyz"},
            "extruder": {"temperature": 214.8, "target": 215.0},
            "heater_bed": {"temperature": 60.0, "target": 60.0},
            "motion_report": {"live_velocity": 40.0},
            "fan": {"speed": 0.5, "rpm": null},
        }})
    }

    #[test]
    fn a_look_is_read_as_klipper_says_it() {
        let look = Look::read(&looked(), &["extruder".into(), "heater_bed".into()]).unwrap();
        let print = look.active().unwrap();
        assert_eq!((print.name.as_str(), print.total_s), ("a.gcode", 12.5));
        assert_eq!(look.file.unwrap().position, 700);
        assert_eq!(look.at_mm, Some([1.0, 2.0, 0.3, 4.0]));
        assert_eq!(look.factors, Some([1.1, 0.95]));
        assert_eq!(look.offset_mm, Some(-0.05));
        assert!(look.moves && look.is_hot() && look.homed == "xyz");
        assert_eq!(look.heater("heater_bed").unwrap().target_c, 60.0);
    }

    #[test]
    fn what_to_do_about_a_stop_is_said_in_our_words() {
        let message = "MCU 'mcu' shutdown: Timer too close\nThis often indicates the host computer is overloaded.\nOnce the underlying issue is corrected, use the\n\"FIRMWARE_RESTART\" command\nPrinter is shutdown\n";
        let said = text(&json!(message));
        assert_eq!(
            said,
            "MCU 'mcu' shutdown: Timer too close This often indicates the host computer is overloaded."
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|v| json!(v)),
            any::<f64>().prop_map(|v| json!(v)),
            "[ -~\\n\u{0}-\u{2f}é]{0,12}".prop_map(Value::String),
            prop_oneof![Just("ready"), Just("printing"), Just("shutdown")].prop_map(|v| json!(v)),
        ];
        let keys = prop_oneof![
            Just("status"),
            Just("eventtime"),
            Just("webhooks"),
            Just("state"),
            Just("print_stats"),
            Just("filename"),
            Just("virtual_sdcard"),
            Just("file_position"),
            Just("file_size"),
            Just("gcode_move"),
            Just("gcode_position"),
            Just("homing_origin"),
            Just("extruder"),
            Just("target"),
            Just("temperature"),
            Just("configfile"),
            Just("settings"),
            Just("mcu"),
            Just("gcode"),
            Just("commands"),
            Just("heaters"),
            Just("available_heaters"),
        ]
        .prop_map(str::to_owned);
        leaf.prop_recursive(5, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::hash_map(keys.clone(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// A real answer with one value of it put in another's place.
    fn damaged(value: &mut Value, way: &mut impl Iterator<Item = usize>, put: Value) {
        let Some(step) = way.next() else {
            *value = put;
            return;
        };
        match value {
            Value::Object(map) if !map.is_empty() => {
                let key = map.keys().nth(step % map.len()).cloned().unwrap();
                damaged(map.get_mut(&key).unwrap(), way, put);
            }
            Value::Array(all) if !all.is_empty() => {
                let len = all.len();
                damaged(&mut all[step % len], way, put);
            }
            other => *other = put,
        }
    }

    proptest! {
        #[test]
        fn anything_may_come_in(value in any_json()) {
            let heaters = ["extruder".to_owned(), "status".to_owned()];
            let _ = (Look::read(&value, &heaters), Info::read(&value), Settings::read(&value));
        }

        #[test]
        fn a_damaged_answer_is_read_or_is_none(
            way in prop::collection::vec(0_usize..16, 0..4),
            put in any_json(),
        ) {
            let mut value = looked();
            damaged(&mut value, &mut way.into_iter(), put);
            if let Some(look) = Look::read(&value, &["extruder".to_owned()]) {
                prop_assert!(look.at_s.is_finite());
                let at = look.at_mm.unwrap_or_default();
                prop_assert!(at.iter().all(|v| v.is_finite()));
            }
        }
    }
}
