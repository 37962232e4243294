//! Preflight: is everything that the configuration names really there? Said at the start, by key, and not by the first
//! scan or print that needs it.
//!
//! In:    the configuration.
//! Out:   findings for the station's attention. `Refuse`: no design can be right, so scans wait.

use crate::gcode::{Dialect, Material, Printer};
use crate::network::{self, Device};
use crate::station::Config;
use crate::status::{Finding, Severity};

/// What to do about any of them.
const NEXT: &str = "Mend it and restart the station.";

/// What is wrong with the configuration; empty when nothing is. `designs`: the designs are our own program's, so a
/// model is needed.
pub(super) fn look(config: &Config, designs: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut wrong = |severity, name: &str, key: &str, value: &str, why: String| {
        let why = why.trim_end_matches('.');
        let text = format!("Configuration, {key} = {value:?}: {why}. {NEXT}");
        found.push(Finding::new(severity, name, text));
    };
    let value = &config.printer.profile;
    match Printer::load(value) {
        Err(error) => {
            let (key, why) = ("printer.profile", error.to_string());
            wrong(Severity::Refuse, "no_profile", key, value, why);
        }
        Ok(printer) if config.printer.place().starts_with("moonraker:") => {
            if printer.dialect != Dialect::Klipper {
                let (key, value) = ("printer.transport", &config.printer.transport);
                let why = format!(
                    "Moonraker drives Klipper, and the profile {} is for {}. Name the profile of this printer in printer.profile",
                    printer.name, printer.dialect
                );
                wrong(Severity::Warn, "wrong_transport", key, value, why);
            }
        }
        Ok(_) => {}
    }
    if let Err(error) = Material::load(&config.material.name) {
        let value = &config.material.name;
        let key = "material.default";
        wrong(
            Severity::Refuse,
            "no_material",
            key,
            value,
            error.to_string(),
        );
    }
    if let Err(error) = config.design.device.parse::<Device>() {
        let value = &config.design.device;
        let key = "design.device";
        wrong(Severity::Refuse, "no_device", key, value, error.to_string());
    }
    if designs && let Err(error) = network::find(None) {
        let text = format!("Nothing can be designed: {error} {NEXT}");
        found.push(Finding::warn("no_model", text));
    }
    found
}

/// The panel is not there, or its folder can not be made; everything else goes on.
pub(super) fn no_display(config: &Config, error: &std::io::Error) -> Finding {
    let output = &config.display.output;
    let text = format!("Configuration, display.output = {output:?}: {error}. {NEXT}");
    Finding::warn("no_display", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named_by_its_key() {
        assert!(look(&Config::default(), false).is_empty());
        let mut config = Config::default();
        config.printer.profile = "nope".into();
        config.material.name = "nope".into();
        config.design.device = "cuda:banana".into();
        let found = look(&config, false);
        for (finding, key) in
            found
                .iter()
                .zip(["printer.profile", "material.default", "design.device"])
        {
            assert_eq!(finding.severity, Severity::Refuse);
            assert!(finding.text.contains(key), "{}", finding.text);
        }
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn moonraker_wants_a_profile_for_klipper() {
        let mut config = Config::default();
        config.printer.transport = "moonraker:voron:7125".into();
        for (profile, count) in [("prusa-mk3s", 1), ("voron", 0)] {
            config.printer.profile = profile.into();
            let found = look(&config, false);
            assert_eq!(found.len(), count, "{found:?}");
            let named = |f: &Finding| f.text.contains("printer.transport");
            assert!(found.iter().all(named), "{found:?}");
        }
    }
}
