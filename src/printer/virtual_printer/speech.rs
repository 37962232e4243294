//! Speech: the words of each firmware, as its source spells them.

use super::dialect::Dialect as D;
use super::firmware::Firmware;

impl Firmware {
    pub(super) fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out
            .extend_from_slice(self.options.dialect.line_end().as_bytes());
    }

    /// What `M105` reports, and reports by themselves.
    pub(super) fn temperatures(&self) -> String {
        let (h, b) = (&self.hotend, &self.bed);
        let (now, target, bed, bed_target) = (h.now_c, h.target_c, b.now_c, b.target_c);
        let (duty, bed_duty) = (h.duty * 127.0, b.duty * 127.0);
        match self.options.dialect {
            D::Marlin21 | D::Marlin20 | D::Buddy => format!(
                "T:{now:.2} /{target:.2} B:{bed:.2} /{bed_target:.2} @:{duty:.0} B@:{bed_duty:.0}"
            ),
            D::Prusa311 | D::Prusa314 => format!(
                "T:{now:.1} /{target:.1} B:{bed:.1} /{bed_target:.1} T0:{now:.1} /{target:.1} @:{duty:.0} B@:{bed_duty:.0} P:0.0 A:28.4"
            ),
            D::Klipper => format!("B:{bed:.1} /{bed_target:.1} T0:{now:.1} /{target:.1}"),
            D::Duet => format!(
                "T:{now:.1} /{target:.1} T0:{now:.1} /{target:.1} B:{bed:.1} /{bed_target:.1}"
            ),
            D::Repetier => format!(
                "T:{now:.2} /{target:.0} B:{bed:.2} /{bed_target:.0} B@:{bed_duty:.0} @:{duty:.0}"
            ),
        }
    }

    /// A line while M109 or M190 waits; `left_s`: of the residency.
    pub(super) fn heating_line(&self, bed: bool, left_s: Option<f64>) -> String {
        let left = left_s.map_or("?".to_owned(), |s| format!("{s:.0}"));
        match self.options.dialect {
            D::Marlin21 | D::Marlin20 | D::Buddy => format!(" {} W:{left}", self.temperatures()),
            D::Prusa311 | D::Prusa314 if bed => {
                format!("T:{:.1} E:0 B:{:.1}", self.hotend.now_c, self.bed.now_c)
            }
            D::Prusa311 | D::Prusa314 => format!("T:{:.1} E:0 W:{left}", self.hotend.now_c),
            D::Klipper | D::Duet | D::Repetier => self.temperatures(),
        }
    }

    pub(super) fn position_line(&self) -> String {
        let mm = |axis: usize| (self.at[axis] - self.shift[axis]) as f64 * 1e-6;
        let bed = |axis: usize| self.at[axis] as f64 * 1e-6;
        let (x, y, z, e) = (mm(0), mm(1), mm(2), mm(3));
        match self.options.dialect {
            D::Marlin21 | D::Marlin20 | D::Buddy => format!(
                "X:{x:.2} Y:{y:.2} Z:{z:.2} E:{e:.2} Count X:{:.0} Y:{:.0} Z:{:.0}",
                bed(0) * 80.0,
                bed(1) * 80.0,
                bed(2) * 400.0
            ),
            D::Prusa311 | D::Prusa314 => format!(
                "X:{x:.2} Y:{y:.2} Z:{z:.2} E:{e:.2} Count X: {:.2} Y:{:.2} Z:{:.2} E:{e:.2}",
                bed(0),
                bed(1),
                bed(2)
            ),
            D::Klipper => format!("X:{x:.3} Y:{y:.3} Z:{z:.3} E:{e:.3}"),
            D::Duet => format!(
                "X:{x:.3} Y:{y:.3} Z:{z:.3} E:{e:.3} E0:{e:.1} Count {:.0} {:.0} {:.0} Machine {:.3} {:.3} {:.3} Bed comp 0.000",
                bed(0) * 80.0,
                bed(1) * 80.0,
                bed(2) * 400.0,
                bed(0),
                bed(1),
                bed(2)
            ),
            D::Repetier => format!("X:{x:.2} Y:{y:.2} Z:{z:.3} E:{e:.4}"),
        }
    }

    /// `M115`.
    pub(super) fn introduce(&mut self) {
        let parser = u8::from(self.options.emergency_parser);
        let name = match self.options.dialect {
            D::Marlin21 => {
                "FIRMWARE_NAME:Marlin 2.1.2.1 (calvaria virtual printer) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 MACHINE_TYPE:virtual EXTRUDER_COUNT:1"
            }
            D::Marlin20 => {
                "FIRMWARE_NAME:Marlin 2.0.9.7 (calvaria virtual printer) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 MACHINE_TYPE:virtual EXTRUDER_COUNT:1 UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff"
            }
            D::Prusa311 => {
                "FIRMWARE_NAME:Prusa-Firmware 3.11.0 based on Marlin FIRMWARE_URL:https://github.com/prusa3d/Prusa-Firmware PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa i3 MK3S EXTRUDER_COUNT:1 UUID:00000000-0000-0000-0000-000000000000"
            }
            D::Prusa314 => {
                "FIRMWARE_NAME:Prusa-Firmware 3.14.0+8095_5d3bcc1 based on Marlin FIRMWARE_URL:https://github.com/prusa3d/Prusa-Firmware PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa i3 MK3S EXTRUDER_COUNT:1 UUID:00000000-0000-0000-0000-000000000000"
            }
            D::Buddy => {
                "FIRMWARE_NAME:Prusa-Firmware-Buddy 6.3.0+10073 (Github) SOURCE_CODE_URL:https://github.com/prusa3d/Prusa-Firmware-Buddy PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa-MK4 EXTRUDER_COUNT:1 UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff"
            }
            D::Klipper => {
                self.ok_tail =
                    " FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.13.0-219-g84104bbb".into();
                return;
            }
            D::Duet => {
                "FIRMWARE_NAME: RepRapFirmware for Duet 2 WiFi/Ethernet FIRMWARE_VERSION: 3.5.3 ELECTRONICS: Duet WiFi 1.02 or later FIRMWARE_DATE: 2024-09-12 11:05:50"
            }
            D::Repetier => {
                "FIRMWARE_NAME:Repetier_1.0.4 COMPILED:Aug  3 2022 FIRMWARE_URL:https://github.com/repetier/Repetier-Firmware/ PROTOCOL_VERSION:1.0 MACHINE_TYPE:Mendel EXTRUDER_COUNT:1 REPETIER_PROTOCOL:3"
            }
        };
        self.say(name);
        let prompts = u8::from(self.options.dialect == D::Buddy);
        let steps = u8::from(self.options.babystepping);
        let caps: &[(&str, u8)] = match self.options.dialect {
            D::Duet | D::Klipper => &[],
            D::Prusa311 | D::Prusa314 => &[
                ("AUTOREPORT_TEMP", 1),
                ("AUTOREPORT_FANS", 1),
                ("AUTOREPORT_POSITION", 1),
                ("EXTENDED_M20", 1),
                ("PRUSA_MMU2", 1),
            ],
            D::Repetier => &[
                ("PROGRESS", 1),
                ("AUTOREPORT_TEMP", 1),
                ("EEPROM", 1),
                ("PAUSESTOP", 1),
                ("PREHEAT", 1),
                ("EMERGENCY_PARSER", parser),
            ],
            D::Marlin21 | D::Marlin20 | D::Buddy => &[
                ("SERIAL_XON_XOFF", 0),
                ("AUTOREPORT_TEMP", 1),
                ("EMERGENCY_PARSER", parser),
                ("BABYSTEPPING", steps),
                ("HOST_ACTION_COMMANDS", prompts),
                ("PROMPT_SUPPORT", prompts),
                ("THERMAL_PROTECTION", 1),
            ],
        };
        for (name, value) in caps {
            self.say(&format!("Cap:{name}:{value}"));
        }
    }

    /// What is said about a command that is not known.
    pub(super) fn unknown_line(&self, text: &str) -> String {
        let word = text.split(' ').next().unwrap_or_default();
        match self.options.dialect {
            D::Marlin21 | D::Marlin20 | D::Buddy => format!("echo:Unknown command: \"{text}\""),
            D::Prusa311 | D::Prusa314 => match text.chars().next() {
                Some(letter @ ('G' | 'M')) => format!("Unknown {letter} code: {text}"),
                _ => format!("echo:Unknown command: \"{text}\"(2)"),
            },
            D::Klipper => format!("// Unknown command:\"{word}\""),
            // GCodes2.cpp, ActOnCode(): what begins with no G, M or T is an error.
            D::Duet if !text.starts_with(['G', 'M', 'T']) => format!("Error: Bad command: {text}"),
            D::Duet => format!("Warning: {word}: Command is not supported"),
            D::Repetier => format!("Unknown command:{text}"),
        }
    }

    /// The first words after a reset, and those when it has started.
    pub(super) fn boot_lines(dialect: D, cause: &str) -> (Vec<String>, &'static [&'static str]) {
        match dialect {
            D::Marlin21 | D::Marlin20 => (
                vec!["start".into(), format!(" {cause}")],
                &[
                    "Marlin 2.1.2.1",
                    "echo: Last Updated: virtual printer | Author: calvaria",
                ],
            ),
            // The causes are commented out in setup().
            D::Prusa311 | D::Prusa314 => (
                vec!["start".into()],
                &[
                    "echo: 3.14.0-8095",
                    "echo: Last Updated: virtual printer | Author: (none, default config)",
                    "echo: Free Memory: 2253  PlannerBufferBytes: 1760",
                ],
            ),
            D::Buddy => (
                vec!["start".into()],
                &["echo: Last Updated: virtual printer"],
            ),
            // A restarted klippy says nothing but that it is ready.
            D::Klipper => (Vec::new(), &["// Klipper state: Ready"]),
            D::Duet => (
                Vec::new(),
                &["RepRapFirmware for Duet 2 WiFi/Ethernet is up and running."],
            ),
            D::Repetier => (
                vec!["start".into(), format!("Info:{cause}")],
                &[
                    "Free RAM:3421",
                    "SelectExtruder:0",
                    "FlowMultiply:100",
                    "FanSpeed:0",
                ],
            ),
        }
    }

    /// A move that needs heat which is not there.
    pub(super) fn cold_lines(&self) -> &'static [&'static str] {
        match self.options.dialect {
            D::Marlin21 | D::Marlin20 | D::Buddy | D::Prusa311 | D::Prusa314 => {
                &["echo: cold extrusion prevented"]
            }
            D::Klipper => &[
                "// Extrude below minimum temp",
                "// See the 'min_extrude_temp' config option for details",
                "!! Extrude below minimum temp",
            ],
            D::Duet => &[
                "Error: Tool 0 was not driven because its heater temperatures were not high enough or it has a heater fault",
            ],
            // Printer.cpp: E is set to 0 and nothing is said.
            D::Repetier => &[],
        }
    }
}
