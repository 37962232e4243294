//! Rows: the six families, read from their sources.
//!
//! Marlin: 2.0.9 and 2.1.2 (paths below `Marlin/src`). Prusa: Prusa-Firmware 3.9.3 to 3.14 (`Firmware`). Buddy:
//! Prusa-Firmware-Buddy 6.3 with `Configuration_MK4_adv.h` (`lib/Marlin/Marlin/src` and `src`). Klipper: of August 2026
//! (`klippy`). RepRapFirmware: 3.4.6 and 3.5.3 (`src`). Repetier: 1.0.4 (`src/ArduinoAVR/Repetier`).

use super::facts::{
    AfterStop, AtConnect, Emergency, EmergencyParser, ErrorClass as E, Facts, Heating, Numbering,
    OkForm, OkTime, Overlong, Position, RelativeE, Repeated, Resend, TemperatureAnswer, Times,
    Uuid, WaitRule,
};
use super::procedures;

/// The four errors that a Resend follows, as Marlin and its descendants word them (`core/language.h`).
const LINE_ERRORS: [(&str, E); 4] = [
    ("checksum", E::Transport),
    ("line number", E::Transport),
    ("last line", E::Transport),
    ("rx buf", E::Transport),
];

/// Marlin's words for what a streamed print does not need (`sd/cardreader.cpp`, `module/settings.cpp`).
const CARD_ERRORS: [(&str, E); 9] = [
    ("sd init fail", E::Harmless),
    ("no sd card", E::Harmless),
    ("volume.init failed", E::Harmless),
    ("openroot failed", E::Harmless),
    ("workdir open failed", E::Harmless),
    ("open failed, file", E::Harmless),
    ("cannot open subdir", E::Harmless),
    ("eeprom", E::Harmless),
    ("error writing to file", E::Harmless),
];

/// Heaters and sensors (`module/temperature.cpp`; `temperature.cpp` of Prusa-Firmware).
const HEATER_ERRORS: [(&str, E); 7] = [
    ("thermal runaway", E::Thermal),
    ("heating failed", E::Thermal),
    ("maxtemp", E::Thermal),
    ("mintemp", E::Thermal),
    ("thermal malfunction", E::Thermal),
    ("preheat", E::Thermal),
    ("thermal model", E::Thermal),
];

const fn joined<const A: usize, const B: usize, const C: usize, const D: usize, const N: usize>(
    parts: (
        [(&'static str, E); A],
        [(&'static str, E); B],
        [(&'static str, E); C],
        [(&'static str, E); D],
    ),
) -> [(&'static str, E); N] {
    let mut all = [("", E::Fault); N];
    let mut at = 0;
    while at < N {
        all[at] = if at < A {
            parts.0[at]
        } else if at < A + B {
            parts.1[at - A]
        } else if at < A + B + C {
            parts.2[at - A - B]
        } else {
            parts.3[at - A - B - C]
        };
        at += 1;
    }
    all
}

static MARLIN_ERRORS: [(&str, E); 28] = joined((
    LINE_ERRORS,
    HEATER_ERRORS,
    CARD_ERRORS,
    [
        // `MarlinCore.cpp`, kill(): all heaters off, dead until a reset.
        ("halted", E::Halted),
        ("kill", E::Halted),
        // `MarlinCore.cpp`, stop(): heaters off, moves refused, yet every line gets its ok.
        ("printer stopped", E::Halted),
        ("stop called", E::Halted),
        ("homing failed", E::Halted),
        ("probing failed", E::Halted),
        // `gcode/bedlevel/M420.cpp`: it goes on obeying, with the bed unlevelled.
        ("failed to enable bed leveling", E::Fault),
        ("cold extrusion", E::Fault),
    ],
));

/// Marlin 2.0 and 2.1.
pub(super) static MARLIN: Facts = Facts {
    name: "marlin",
    title: "Marlin",
    source: "MarlinFirmware/Marlin 2.0.9 to 2.1.2",
    // gcode/host/M115.cpp: "FIRMWARE_NAME:Marlin " DETAILED_BUILD_VERSION.
    firmware_names: &["Marlin"],
    name_behind_ok: false,
    // inc/Version.h: DEFAULT_MACHINE_UUID is the same in every build that sets none.
    uuid: Uuid::MaybeShared,
    has_capabilities: true,
    // gcode/queue.cpp, get_serial_commands(). 2.1 swallows the last two numbers, 2.0 refuses them.
    numbering: Numbering {
        order_checked: true,
        checksum_checked: true,
        checksum_needed: true,
        repeated: Repeated::SwallowedOrRefused,
        number_bits: 0,
        bare_star_refused: false,
        bare_checksum_checked: false,
        last_counts: false,
        texts: &[],
    },
    resend: Resend::AfterError,
    ok_time: OkTime::AfterHandler,
    ok_form: OkForm::PlainOrAdvanced,
    ok_for_empty_line: false,
    // gcode/temp/M105.cpp prints its own ok.
    temperatures: TemperatureAnswer::OkT,
    // BUFSIZE 4: with a full queue nothing is read.
    window_max: 3,
    one_place: false,
    line_max_bytes: 96,
    overlong: Overlong::Cut,
    ascii_only: false,
    // gcode/gcode.cpp, host_keepalive(): each 2 s; not while M109 or M190 print their own lines, unless BUSY_WHILE_HEATING.
    has_busy: true,
    busy_while_heating: false,
    unknown_here: &[],
    procedures: procedures::MARLIN,
    unknown_text: "unknown command",
    heating_lines: &[" T:25.00 /120.00 B:25.00 /0.00 @:127 B@:0 W:?"],
    times: Times {
        home_silent_s: 180.0,
        home_s: 300.0,
        probe_silent_s: 180.0,
        heat_silent_s: 10.0,
        heat_s: 1800.0,
        other_silent_s: 5.0,
        busy_every_s: 2.0,
        half_line_s: 0.0,
        idle_heat_off_s: 0.0,
    },
    // gcode/gcode.h: set_relative_mode() clears the two bits of M82 and M83.
    relative_e: RelativeE::LastWord,
    // gcode/temp/M104_M109.cpp, M140_M190.cpp: M104 and M140 read S alone; M104 R0 turns nothing off.
    heating: Heating {
        set_hotend: &['S'],
        set_bed: &['S'],
        wait: &['S', 'R'],
        missing_is_zero: false,
        wait_rule: WaitRule::SHeatsRBoth,
    },
    emergency: Emergency {
        // feature/e_parser.h.
        parser: EmergencyParser::ByCapability,
        at_reading: true,
        numbered_at_reading: false,
        needs_parser: false,
        confirms: &["m112 shutdown", "printer halted", "kill() called"],
        after: AfterStop::Dead,
    },
    // feature/host_actions.cpp; poweroff is sent after every kill and is never obeyed.
    actions: &[
        "pause",
        "paused",
        "resume",
        "resumed",
        "cancel",
        "poweroff",
        "start",
        "out_of_filament",
        "notification",
        "prompt_begin",
        "prompt_choice",
        "prompt_button",
        "prompt_show",
        "prompt_end",
    ],
    has_prompts: true,
    has_m108: true,
    has_m155: true,
    // Only with LCD_SET_PROGRESS_MANUALLY; elsewhere it is an unknown command.
    has_m73: false,
    has_m85: true,
    errors: &MARLIN_ERRORS,
    other_error: E::Fault,
    error_words: &["error:", "!!"],
    has_m400: true,
    position: Position {
        example: "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0",
        decimals: [2, 2, 2, 2],
        ends_at: "count",
        is_planned: true,
        relative_e_counts: true,
        e_step_mm: 0.0,
    },
    at_connect: AtConnect::MayReset,
    // MarlinCore.cpp, setup(), and HAL reset reasons.
    boot_lines: &[
        "start",
        "powerup",
        "external reset",
        "brown out reset",
        "watchdog reset",
        "software reset",
    ],
};

static PRUSA_ERRORS: [(&str, E); 27] = joined((
    LINE_ERRORS,
    HEATER_ERRORS,
    CARD_ERRORS,
    [
        // Marlin_main.cpp, kill().
        ("halted", E::Halted),
        ("kill", E::Halted),
        ("emergency stop", E::Halted),
        // Marlin_main.cpp, ThermalStop(): heaters off; lines are then dropped without an answer.
        ("printer stopped", E::Halted),
        // planner.cpp: the move is made without E.
        ("cold extrusion", E::Fault),
        ("too long extrusion", E::Fault),
        ("full rx buffer", E::Transport),
    ],
));

/// Prusa-Firmware, 8 bit.
pub(super) static PRUSA: Facts = Facts {
    name: "prusa",
    title: "Prusa-Firmware (MK2.5, MK3)",
    source: "prusa3d/Prusa-Firmware 3.9.3 to 3.14",
    // Marlin_main.cpp, M115: "FIRMWARE_NAME:Prusa-Firmware 3.14.0+8095_5d3bcc1 based on Marlin".
    firmware_names: &["Prusa-Firmware "],
    // Configuration.h: MACHINE_UUID is commented out.
    uuid: Uuid::Seldom,
    // cmdqueue.cpp, get_command().
    numbering: Numbering {
        order_checked: true,
        checksum_checked: true,
        checksum_needed: true,
        repeated: Repeated::Refused,
        number_bits: 0,
        bare_star_refused: true,
        bare_checksum_checked: false,
        last_counts: false,
        texts: &[],
    },
    // FlushSerialRequestResend(): "Resend: n" and "ok" in one call.
    resend: Resend::WithOk,
    ok_form: OkForm::Plain,
    // get_command(): a full line buffer ends the line.
    overlong: Overlong::Split,
    // Busy while heating only from 3.12 on (M109 and M190 set NOT_BUSY before).
    has_busy: true,
    busy_while_heating: false,
    // wait_for_heater() and serialecho_temperatures(): no target in the line.
    heating_lines: &["T:25.3 E:0 W:?", "T:25.3 E:0 B:24.9"],
    times: Times {
        // serialTimeoutTimer in get_command().
        half_line_s: 2.0,
        // DEFAULT_SAFETYTIMER_TIME_MINS 30.
        idle_heat_off_s: 1800.0,
        ..MARLIN_TIMES
    },
    // Marlin_main.cpp, G90 and G91: "E axis is left intact".
    relative_e: RelativeE::OwnSwitch,
    // M104 and M140 read S alone. M109 treats S and R alike and waits for cold, too.
    heating: Heating {
        set_hotend: &['S'],
        set_bed: &['S'],
        wait: &['S', 'R'],
        missing_is_zero: false,
        wait_rule: WaitRule::HotendAlwaysBoth,
    },
    emergency: Emergency {
        parser: EmergencyParser::No,
        // get_command(): strcmp(cmd_start, "M112") after the number was taken off.
        at_reading: true,
        numbered_at_reading: true,
        needs_parser: false,
        confirms: &["printer halted", "kill() called", "emergency stop"],
        // kill(): loops for ever up to 3.12, softReset() from 3.13 on.
        after: AfterStop::DeadOrRestarts,
    },
    // messages.cpp, MSG_HOST_ACTION_*.
    actions: &[
        "pause",
        "paused",
        "resume",
        "resumed",
        "cancel",
        "ready",
        "not_ready",
        "start",
        "uvlo_recovery_ready",
        "uvlo_auto_recovery_ready",
        "shutdown",
        "dump_available",
    ],
    has_prompts: false,
    errors: &PRUSA_ERRORS,
    position: Position {
        example: "X:0.00 Y:0.00 Z:0.15 E:0.00 Count X: 0.00 Y:0.00 Z:0.15 E:0.00",
        decimals: [2, 2, 2, 2],
        ends_at: "count",
        is_planned: true,
        relative_e_counts: true,
        e_step_mm: 0.0,
    },
    at_connect: AtConnect::Resets,
    // setup(): the reset reasons are commented out; only "start" and the echo of the version's date come.
    boot_lines: &["start", "last updated:"],
    // process_commands(): no M108.
    has_m108: false,
    // Marlin_main.cpp, M73: percent and minutes of the normal mode.
    has_m73: true,
    procedures: procedures::PRUSA,
    ..MARLIN
};

const MARLIN_TIMES: Times = Times {
    home_silent_s: 180.0,
    home_s: 300.0,
    probe_silent_s: 180.0,
    heat_silent_s: 10.0,
    heat_s: 1800.0,
    other_silent_s: 5.0,
    busy_every_s: 2.0,
    half_line_s: 0.0,
    idle_heat_off_s: 0.0,
};

/// Prusa-Firmware-Buddy.
pub(super) static BUDDY: Facts = Facts {
    name: "buddy",
    title: "Prusa-Firmware-Buddy (MINI, MK4, XL, CORE One)",
    source: "prusa3d/Prusa-Firmware-Buddy 6.3",
    // marlin_stubs/host/M115.cpp.
    firmware_names: &["Prusa-Firmware-Buddy"],
    uuid: Uuid::MaybeShared,
    // gcode/queue.cpp is that of Marlin 2.0: repeated numbers are refused.
    numbering: Numbering {
        order_checked: true,
        checksum_checked: true,
        checksum_needed: true,
        repeated: Repeated::Refused,
        number_bits: 0,
        bare_star_refused: false,
        bare_checksum_checked: false,
        last_counts: false,
        texts: &[],
    },
    resend: Resend::AfterError,
    ok_form: OkForm::Plain,
    // Configuration_MK4_adv.h: BUFSIZE 8.
    window_max: 7,
    // Configuration_MK4.h: BUSY_WHILE_HEATING.
    busy_while_heating: true,
    // gcode/gcode.h: GcodeCompatibilityMode::MK3 leaves E alone, else as Marlin.
    relative_e: RelativeE::ByMode,
    emergency: Emergency {
        parser: EmergencyParser::ByCapability,
        // gcode/queue.cpp: strcmp(command, "M112").
        at_reading: true,
        numbered_at_reading: false,
        needs_parser: false,
        // Marlin.cpp, kill(): the message to the host is commented out. It falls silent; the display says why.
        confirms: &[],
        after: AfterStop::Dead,
    },
    // common/serial_printing.cpp, feature/host_actions.cpp.
    actions: &[
        "pause",
        "resume",
        "cancel",
        "out_of_filament",
        "prompt_begin",
        "prompt_choice",
        "prompt_button",
        "prompt_show",
        "prompt_end",
    ],
    // USB CDC of the board itself: nothing is wired to its reset.
    at_connect: AtConnect::Stays,
    boot_lines: &["start"],
    // gcode/lcd/M73_PE.cpp, with M73_PRUSA (Configuration_MK4_adv.h): P in percent, R in minutes; nothing is said.
    has_m73: true,
    procedures: procedures::BUDDY,
    ..MARLIN
};

/// Klipper through its pseudo-terminal.
pub(super) static KLIPPER: Facts = Facts {
    name: "klipper",
    title: "Klipper",
    source: "Klipper3d/klipper, August 2026",
    // gcode.py, cmd_M115: ack("FIRMWARE_NAME:Klipper FIRMWARE_VERSION:..").
    firmware_names: &["Klipper"],
    name_behind_ok: true,
    uuid: Uuid::No,
    has_capabilities: false,
    // gcode.py, _process_commands(): a leading N is skipped, * is a parameter like any other, M110 does nothing.
    numbering: Numbering {
        order_checked: false,
        checksum_checked: false,
        checksum_needed: false,
        repeated: Repeated::Executed,
        number_bits: 0,
        bare_star_refused: false,
        bare_checksum_checked: false,
        last_counts: false,
        texts: &[],
    },
    resend: Resend::CarriedOut,
    ok_time: OkTime::AfterHandler,
    ok_form: OkForm::Plain,
    // Every line of input is acknowledged, also an empty one.
    ok_for_empty_line: true,
    // extras/heaters.py, _get_temp(): sorted names, so B before T0; "T:0" before it is ready.
    temperatures: TemperatureAnswer::OkT0,
    // gcode.py, _process_data(): M112 is looked for while fewer than 20 commands are pending.
    window_max: 15,
    one_place: false,
    line_max_bytes: 4096,
    overlong: Overlong::NoLimit,
    // _process_data(): a byte that is not UTF-8 throws the whole block away that was read.
    ascii_only: true,
    has_busy: false,
    busy_while_heating: false,
    unknown_here: &[
        ('M', 155),
        ('M', 413),
        ('M', 27),
        ('M', 85),
        ('M', 108),
        ('M', 113),
        ('M', 201),
        ('M', 203),
        ('M', 205),
        ('M', 73),
        ('M', 300),
        ('M', 600),
        ('M', 876),
        ('M', 900),
        ('M', 999),
    ],
    procedures: procedures::KLIPPER,
    unknown_text: "// unknown command",
    heating_lines: &["B:25.0 /0.0 T0:28.2 /60.0"],
    times: Times {
        home_silent_s: 180.0,
        home_s: 300.0,
        probe_silent_s: 1200.0,
        heat_silent_s: 10.0,
        heat_s: 1800.0,
        other_silent_s: 5.0,
        busy_every_s: 0.0,
        half_line_s: 0.0,
        // extras/idle_timeout.py: 600 s.
        idle_heat_off_s: 600.0,
    },
    // extras/gcode_move.py, cmd_G1: E is relative under M83, and under G91.
    relative_e: RelativeE::Either,
    // kinematics/extruder.py, extras/heater_bed.py: S alone, 0 where it is missing. M109 R200 switches off and does not wait.
    heating: Heating {
        set_hotend: &['S'],
        set_bed: &['S'],
        wait: &['S'],
        missing_is_zero: true,
        wait_rule: WaitRule::Settled,
    },
    emergency: Emergency {
        parser: EmergencyParser::WhilePending(20),
        at_reading: true,
        numbered_at_reading: true,
        needs_parser: false,
        confirms: &["shutdown due to m112", "klipper state: shutdown"],
        after: AfterStop::AnswersErrors,
    },
    // extras/respond.py and macros: whatever the configuration sends.
    actions: &["pause", "paused", "resume", "resumed", "cancel"],
    has_prompts: false,
    has_m108: false,
    has_m155: false,
    has_m73: false,
    has_m85: false,
    errors: &[
        ("not heating at expected rate", E::Thermal),
        ("adc out of range", E::Thermal),
        ("shutdown", E::Halted),
        ("halted", E::Halted),
        ("not ready", E::Halted),
        ("lost communication", E::Halted),
        ("internal error", E::Halted),
        ("mcu ", E::Halted),
        ("firmware_restart", E::Halted),
        ("unknown command", E::Harmless),
        ("move out of range", E::Fault),
        ("must home", E::Fault),
        ("below minimum temp", E::Fault),
        ("unable to parse", E::Fault),
    ],
    other_error: E::Fault,
    error_words: &["!!"],
    // toolhead.py, cmd_M400.
    has_m400: true,
    position: Position {
        example: "X:0.000 Y:0.000 Z:0.000 E:0.000",
        decimals: [3, 3, 3, 3],
        ends_at: "\n",
        is_planned: true,
        relative_e_counts: true,
        e_step_mm: 0.0,
    },
    at_connect: AtConnect::Stays,
    boot_lines: &["// klipper state: ready", "// klipper state: disconnect"],
};

/// RepRapFirmware 3 through USB.
pub(super) static REPRAPFIRMWARE: Facts = Facts {
    name: "reprapfirmware",
    title: "RepRapFirmware (Duet)",
    source: "Duet3D/RepRapFirmware 3.4.6 and 3.5.3",
    // GCodes2.cpp, M115: "FIRMWARE_NAME: RepRapFirmware for Duet 2 WiFi/Ethernet FIRMWARE_VERSION: 3.5.3".
    firmware_names: &["RepRapFirmware"],
    name_behind_ok: false,
    uuid: Uuid::No,
    has_capabilities: false,
    // GCodeBuffer/StringParser.cpp, LineFinished(): the number is noted and never compared; M110 is a TODO.
    numbering: Numbering {
        order_checked: false,
        checksum_checked: true,
        checksum_needed: false,
        repeated: Repeated::Executed,
        number_bits: 0,
        bare_star_refused: false,
        bare_checksum_checked: false,
        last_counts: false,
        texts: &[],
    },
    // LineFinished(): Init(), and no word. (2.05 turned the line into M998, answered "rs n".)
    resend: Resend::DroppedInSilence,
    ok_time: OkTime::AfterHandler,
    ok_form: OkForm::Plain,
    ok_for_empty_line: false,
    // GCodes.cpp, HandleReplyPreserveResult(): "ok " and the report in one line.
    temperatures: TemperatureAnswer::OkT,
    // Numbers are not compared: only a line that is alone on its way shows by its ok that it was not lost or overtaken.
    window_max: 1,
    one_place: false,
    // Configuration.h: MaxGCodeLength 256.
    line_max_bytes: 256,
    overlong: Overlong::Refused,
    ascii_only: false,
    has_busy: false,
    busy_while_heating: false,
    unknown_here: &[
        ('M', 85),
        ('M', 113),
        ('M', 155),
        ('M', 205),
        ('M', 410),
        ('M', 876),
        ('M', 900),
    ],
    procedures: procedures::REPRAPFIRMWARE,
    unknown_text: "is not supported",
    // CheckReportDue(): each 2 s while a command waits, once M105 was asked.
    heating_lines: &["T:25.3 /200.0 B:24.9 /60.0"],
    times: Times {
        home_silent_s: 180.0,
        home_s: 300.0,
        probe_silent_s: 1200.0,
        heat_silent_s: 10.0,
        heat_s: 1800.0,
        other_silent_s: 5.0,
        busy_every_s: 0.0,
        half_line_s: 0.0,
        idle_heat_off_s: 0.0,
    },
    // GCodes2.cpp: G90 and G91 set axesRelative, M82 and M83 drivesRelative.
    relative_e: RelativeE::OwnSwitch,
    // GCodes2.cpp, M104 and M109: R, else S. M140: S is the active target, R only the standby one.
    heating: Heating {
        set_hotend: &['R', 'S'],
        set_bed: &['S'],
        wait: &['R', 'S'],
        missing_is_zero: false,
        wait_rule: WaitRule::SHeatsRBoth,
    },
    emergency: Emergency {
        // GCodeInput.cpp: M112 at the start of a line, among the bytes as they come; that way it says nothing.
        parser: EmergencyParser::AtLineStart,
        at_reading: true,
        numbered_at_reading: false,
        needs_parser: false,
        confirms: &["emergency stop", "machine is halted"],
        after: AfterStop::AnswersErrors,
    },
    actions: &["pause", "paused", "resume", "resumed", "cancel"],
    has_prompts: false,
    has_m108: true,
    has_m155: false,
    has_m73: false,
    has_m85: false,
    errors: &[
        ("heater", E::Thermal),
        ("temperature", E::Thermal),
        ("emergency stop", E::Halted),
        ("halted", E::Halted),
        ("insufficient axes homed", E::Fault),
        ("outside machine limits", E::Fault),
        ("card", E::Harmless),
        ("file", E::Harmless),
    ],
    other_error: E::Fault,
    error_words: &["error:"],
    has_m400: true,
    position: Position {
        example: "X:0.000 Y:0.000 Z:0.000 E:0.000 E0:0.0 Count 0 0 0 Machine 0.000 0.000 0.000 Bed comp 0.000",
        decimals: [3, 3, 3, 3],
        ends_at: "count",
        is_planned: true,
        relative_e_counts: true,
        e_step_mm: 0.0,
    },
    // Native USB: the board does not notice who opens the port.
    at_connect: AtConnect::Stays,
    boot_lines: &["reprapfirmware for"],
};

/// Repetier-Firmware 1.0.
pub(super) static REPETIER: Facts = Facts {
    name: "repetier",
    title: "Repetier-Firmware",
    source: "repetier/Repetier-Firmware 1.0.4",
    // Communication.cpp: "FIRMWARE_NAME:Repetier_" REPETIER_VERSION " COMPILED:" __DATE__.
    firmware_names: &["Repetier"],
    name_behind_ok: false,
    uuid: Uuid::No,
    has_capabilities: true,
    // gcode.cpp, parseAscii() and checkAndPushCommand(). FEATURE_CHECKSUM_FORCED is 0: a numbered line without a
    // checksum is taken. Up to 40 numbers back are skipped with "skip n" and ok. Sixteen bits are compared. Each letter
    // counts wherever it stands, of several of a kind the last (since 0.92); a checksum is looked at with or without N.
    numbering: Numbering {
        order_checked: true,
        checksum_checked: true,
        checksum_needed: false,
        repeated: Repeated::Skipped,
        number_bits: 16,
        bare_star_refused: false,
        bare_checksum_checked: true,
        last_counts: true,
        texts: &[20, 23, 28, 29, 30, 32, 36, 117, 118, 531],
    },
    // requestResend(): an empty line, "Resend:n", "ok"; after it up to 14 wrong numbers are skipped without another.
    resend: Resend::WithOk,
    // checkAndPushCommand(): the ok is printed when the line enters the buffer, with the number that was read last.
    ok_time: OkTime::OnReceipt,
    // Configuration.h: ACK_WITH_LINENUMBER 1.
    ok_form: OkForm::Number,
    ok_for_empty_line: false,
    // Commands.cpp, M105: printTemperatures() when the command's turn comes.
    temperatures: TemperatureAnswer::LaterLine,
    // GCODE_BUFFER_SIZE 1: it reads on when the command before was carried out.
    window_max: 1,
    // readFromSerial() returns at once while it is taken.
    one_place: true,
    // gcode.h: MAX_CMD_SIZE 96; a full buffer asks again.
    line_max_bytes: 96,
    overlong: Overlong::Refused,
    // A first byte with its highest bit set begins a binary command.
    ascii_only: true,
    // keepAlive(): "busy:processing", "busy:heating", each 2 s.
    has_busy: true,
    busy_while_heating: true,
    unknown_here: &[('M', 113), ('M', 410), ('M', 413), ('M', 876)],
    procedures: procedures::REPETIER,
    unknown_text: "unknown command",
    heating_lines: &["T:25.34 /200 B:24.91 /60 B@:255 @:255"],
    times: Times {
        home_silent_s: 60.0,
        home_s: 300.0,
        probe_silent_s: 60.0,
        heat_silent_s: 10.0,
        heat_s: 1800.0,
        other_silent_s: 5.0,
        busy_every_s: 2.0,
        // readFromSerial(): a line that is not continued for 200 ms is asked for again.
        half_line_s: 0.2,
        idle_heat_off_s: 0.0,
    },
    // Printer.cpp, setDestinationStepsFromGCode().
    relative_e: RelativeE::Either,
    // Commands.cpp: S (or H, the preset); M104 S0 waits for the moves before it.
    heating: Heating {
        set_hotend: &['S'],
        set_bed: &['S'],
        wait: &['S'],
        missing_is_zero: false,
        wait_rule: WaitRule::Both,
    },
    emergency: Emergency {
        parser: EmergencyParser::ByCapability,
        // checkAndPushCommand(): before the number is looked at.
        at_reading: true,
        numbered_at_reading: true,
        // readFromSerial(): nothing is read while its one place is taken; prefetchAll() looks into what has arrived.
        needs_parser: true,
        // KILL_METHOD 1 resets the board: "start" is all that is heard; 0 says nothing.
        confirms: &["start"],
        after: AfterStop::DeadOrRestarts,
    },
    // Communication.cpp: "RequestPause:", "RequestStop:" are no host actions.
    actions: &["pause", "paused", "resume", "resumed", "cancel"],
    has_prompts: false,
    has_m108: true,
    has_m155: true,
    has_m73: false,
    // Commands.cpp: M85 switches heaters and motors off and lives on; M84 S sets the motors' time alone.
    has_m85: true,
    errors: &[
        // gcode.cpp: "Wrong checksum", "Format error", "expected line 4 got 5", "Checksum required when ..". No other text has
        // one of these words, and one of two is whole where a byte is damaged.
        ("wrong", E::Transport),
        ("checksum", E::Transport),
        ("format", E::Transport),
        ("expected", E::Transport),
        (" got ", E::Transport),
        ("decoupled", E::Thermal),
        ("heater", E::Thermal),
        ("max temperature", E::Thermal),
        ("sensor", E::Thermal),
        ("fatal:", E::Halted),
        ("printer stopped", E::Halted),
        ("fail mode", E::Halted),
        ("sd init fail", E::Harmless),
        ("no eeprom", E::Harmless),
        ("eeprom", E::Harmless),
    ],
    other_error: E::Fault,
    error_words: &["error:", "fatal:"],
    has_m400: true,
    position: Position {
        example: "X:0.00 Y:0.00 Z:0.000 E:0.0000",
        decimals: [2, 2, 3, 4],
        ends_at: "\n",
        is_planned: true,
        // Printer.cpp, setDestinationStepsFromGCode(): a relative E begins at -E and ends at 0.
        relative_e_counts: false,
        // The same place cuts E to whole steps, of which an extruder has 80 and more a mm.
        e_step_mm: 0.0125,
    },
    at_connect: AtConnect::MayReset,
    boot_lines: &["start", "info:powerup", "info:external reset"],
};
