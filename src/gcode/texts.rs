//! Texts: the start, layer and end code of a profile, filled in and judged by themselves.
//!
//! In:    a [`Printer`] and a [`Material`].
//! Out:   the lines as they stand in a file, or a [`TextError`] that names the profile, the text and the line in it.
//! Holds: a placeholder that is not known never reaches a printer. What the validator refuses is told by its place in the
//!        profile, not by a line of a file that nobody has.

use super::{Checker, Material, Printer};
use std::fmt::Write as _;

/// A text of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before everything.
    Start,
    /// Before each layer.
    Layer,
    /// After everything.
    End,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Start, Self::Layer, Self::End];

    /// The key in a profile.
    pub fn key(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Layer => "layer",
            Self::End => "end",
        }
    }
}

/// Why a profile's text can not be used with a material.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TextError {
    /// A placeholder that nothing fills.
    #[error(
        "the printer profile '{profile}', {key}, line {line} (`{text}`): nothing fills {{{name}}}. Known: {known}."
    )]
    Placeholder {
        /// Name of the printer profile.
        profile: String,
        /// `start`, `layer` or `end`.
        key: &'static str,
        /// Line of that text, from 1.
        line: usize,
        /// The line.
        text: String,
        /// What stands in the braces.
        name: String,
        /// What may.
        known: String,
    },
    /// The validator refuses a line.
    #[error("the printer profile '{profile}', {key}, line {line} (`{text}`): {reason}. {next}")]
    Refused {
        /// Name of the printer profile.
        profile: String,
        /// `start`, `layer` or `end`.
        key: &'static str,
        /// Line of that text, from 1.
        line: usize,
        /// The line, filled in.
        text: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        next: String,
    },
    /// No single line is wrong: something is missing, as a heater that is not switched off.
    #[error("the printer profile '{profile}': {reason}. Correct its start and end code.")]
    Missing {
        /// Name of the printer profile.
        profile: String,
        /// What is wrong.
        reason: String,
    },
    /// The machine can not do what the material needs.
    #[error(
        "{material} needs {needed} C of the {heater}, {printer} goes to {most}. Choose another material or printer."
    )]
    Unfit {
        /// Title of the material.
        material: String,
        /// Title of the printer.
        printer: String,
        /// Hotend, bed or chamber.
        heater: &'static str,
        /// Highest temperature that the material asks for, C.
        needed: f64,
        /// Highest that the printer reaches, C.
        most: f64,
    },
}

/// A layer, where the text of a layer is filled in: its number from 1, and the nozzle's height, mm.
pub type AtLayer = (usize, f64);

/// The placeholders of a text with their values.
fn values(material: &Material, layer: Option<AtLayer>) -> Vec<(&'static str, String)> {
    let mut values = vec![
        ("hotend_c", material.hotend_c.to_string()),
        ("hotend_first_c", material.hotend_first_c.to_string()),
        ("bed_c", material.bed_c.to_string()),
        ("bed_first_c", material.bed_first_c.to_string()),
        ("chamber_c", material.chamber_c.to_string()),
    ];
    if let Some((number, z_mm)) = layer {
        values.push(("layer", number.to_string()));
        values.push(("z_mm", format!("{z_mm:.3}")));
    }
    values
}

impl Printer {
    fn text(&self, place: Place) -> &[String] {
        match place {
            Place::Start => &self.start,
            Place::Layer => &self.layer,
            Place::End => &self.end,
        }
    }

    /// A text of the profile, filled in, one line each.
    ///
    /// # Errors
    /// [`TextError::Placeholder`].
    pub fn filled(
        &self,
        place: Place,
        material: &Material,
        layer: Option<AtLayer>,
    ) -> Result<Vec<String>, TextError> {
        let values = values(material, layer);
        let one = |(index, line): (usize, &String)| {
            let filled = values.iter().fold(line.clone(), |line, (name, value)| {
                line.replace(&format!("{{{name}}}"), value)
            });
            // Braces in a comment are the author's.
            let code = filled.split(';').next().unwrap_or_default();
            let Some((_, rest)) = code.split_once('{') else {
                return Ok(filled);
            };
            Err(TextError::Placeholder {
                profile: self.name.clone(),
                key: place.key(),
                line: index + 1,
                text: line.clone(),
                name: rest.split('}').next().unwrap_or_default().to_owned(),
                known: values
                    .iter()
                    .map(|(name, _)| format!("{{{name}}}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            })
        };
        self.text(place).iter().enumerate().map(one).collect()
    }

    /// Can this machine print that material, and does the validator take the profile's own texts with it? They are tried
    /// on a small file: two strokes, a change of layers, two strokes.
    ///
    /// # Errors
    /// [`TextError`] of the first fault.
    pub fn takes(&self, material: &Material) -> Result<(), TextError> {
        self.reaches(material)?;
        let mut text = opening(self);
        let mut origins: Vec<Option<(Place, usize, String)>> = vec![None; text.lines().count()];
        let add = |text: &mut String, origins: &mut Vec<_>, place: Place, layer| {
            for (index, line) in self.filled(place, material, layer)?.into_iter().enumerate() {
                let _ = writeln!(text, "{line}");
                origins.push(Some((place, index + 1, line)));
            }
            Ok::<(), TextError>(())
        };
        let own = |text: &mut String, origins: &mut Vec<_>, lines: String| {
            origins.extend(lines.lines().map(|_| None));
            text.push_str(&lines);
        };
        let tops = [self.first_layer_mm, self.first_layer_mm + self.layer_mm];
        add(&mut text, &mut origins, Place::Start, None)?;
        own(&mut text, &mut origins, "G90\nM82\nG92 E0\nM107\n".into());
        for (index, top) in tops.into_iter().enumerate() {
            add(
                &mut text,
                &mut origins,
                Place::Layer,
                Some((index + 1, top)),
            )?;
            own(&mut text, &mut origins, self.strokes(top, index));
        }
        let lift = (tops[1] + 5.0).min(self.height_mm);
        own(&mut text, &mut origins, format!("G1 Z{lift:.3} F300\n"));
        add(&mut text, &mut origins, Place::End, None)?;
        let Err(violations) = Checker::new(self).of(text.as_bytes()) else {
            return Ok(());
        };
        let placed = violations.iter().find_map(|violation| {
            let origin = origins.get(violation.line.checked_sub(1)?)?.clone()?;
            Some((violation, origin))
        });
        let profile = self.name.clone();
        // What is missing at the end is told at the last line, whatever stands there.
        Err(match placed {
            Some((violation, (place, line, text))) if violation.limit != "heaters_off" => {
                TextError::Refused {
                    profile,
                    key: place.key(),
                    line,
                    text,
                    reason: violation.text.clone(),
                    next: violation.next.clone(),
                }
            }
            _ => TextError::Missing {
                profile,
                reason: violations
                    .first()
                    .map(|v| v.text.clone())
                    .unwrap_or_default(),
            },
        })
    }

    fn reaches(&self, material: &Material) -> Result<(), TextError> {
        let limits = &self.limits;
        let rows = [
            (
                "hotend",
                material.hotend_c.max(material.hotend_first_c),
                limits.hotend_max_c,
            ),
            (
                "bed",
                material.bed_c.max(material.bed_first_c),
                limits.bed_max_c,
            ),
            ("chamber", material.chamber_c, limits.chamber_max_c),
        ];
        match rows.into_iter().find(|(_, needed, most)| needed > most) {
            None => Ok(()),
            Some((heater, needed, most)) => Err(TextError::Unfit {
                material: material.title.clone(),
                printer: self.title.clone(),
                heater,
                needed,
                most,
            }),
        }
    }

    /// Two strokes in the middle of the bed, a third of a nozzle's flow.
    fn strokes(&self, top_mm: f64, layer: usize) -> String {
        let [x, y] = self.bed_mm.map(|side| side / 2.0);
        let section_mm2 = self.nozzle_mm * 0.5 * self.layer_mm;
        let per_mm = section_mm2 / (std::f64::consts::FRAC_PI_4 * self.filament_mm.powi(2));
        let e = |mm: f64| mm * per_mm;
        let from = 16.0 * layer as f64;
        format!(
            "G1 Z{top_mm:.3} F300\nG0 X{x:.3} Y{y:.3} F3000\nG1 X{:.3} E{:.5} F600\nG1 Y{:.3} E{:.5}\n",
            x + 8.0,
            e(from + 8.0),
            y + 8.0,
            e(from + 16.0),
        )
    }
}

/// The lines before a profile's start code: units, modes and accelerations that the times were planned with.
pub fn opening(printer: &Printer) -> String {
    let limits = &printer.limits;
    format!(
        "G21\nG90\nM82\nM220 S100\nM221 S100\nM204 P{} T{} R{}\n",
        limits.print_accel_mm_s2, limits.travel_accel_mm_s2, limits.retract_accel_mm_s2
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl Fn(&mut Printer)) -> Result<(), TextError> {
        let mut printer = Printer::load("virtual").unwrap();
        change(&mut printer);
        printer.takes(&Material::load("pla").unwrap())
    }

    #[test]
    fn every_profile_takes_a_material_that_it_is_hot_enough_for() {
        for name in Printer::names() {
            let printer = Printer::load(&name).unwrap();
            let mut taken = 0;
            for material in Material::names() {
                match printer.takes(&Material::load(&material).unwrap()) {
                    Ok(()) => taken += 1,
                    Err(TextError::Unfit { .. }) => {}
                    Err(other) => panic!("{name} with {material}: {other}"),
                }
            }
            assert!(taken > 0, "{name} takes nothing");
        }
    }

    #[test]
    fn a_fault_is_told_by_its_place_in_the_profile() {
        let error = with(|p| p.start.insert(3, "G2 X1 Y1 I5 J5".into())).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("'virtual', start, line 4 (`G2 X1 Y1 I5 J5`)"),
            "{said}"
        );
        let said = with(|p| p.layer = vec!["M117 {layer}".into(), "M104 S400".into()])
            .unwrap_err()
            .to_string();
        assert!(said.contains("layer, line 2"), "{said}");
        let said = with(|p| p.end = vec!["M107".into(), "M84".into()])
            .unwrap_err()
            .to_string();
        assert!(said.contains("hotend"), "{said}");
    }

    #[test]
    fn a_placeholder_that_nothing_fills_is_refused_by_name() {
        let error = with(|p| p.start.push("M104 S{hotnd_c}".into())).unwrap_err();
        assert!(
            matches!(&error, TextError::Placeholder { name, key: "start", .. } if name == "hotnd_c")
        );
        // A layer's number is not known before the first layer.
        assert!(with(|p| p.start.push("M117 {layer}".into())).is_err());
        assert_eq!(
            with(|p| p.layer = vec!["M117 {layer} at {z_mm}".into()]),
            Ok(())
        );
        assert_eq!(with(|p| p.start.push("M107 ; {mine}".into())), Ok(()));
    }

    #[test]
    fn what_the_firmware_does_by_itself_is_taken_before_the_part_alone() {
        let at = |line: &str, index: usize| with(|p| p.start.insert(index, line.into()));
        assert_eq!(at("G29", 3), Ok(()));
        assert_eq!(at("M420 S1", 3), Ok(()));
        let before_homing = at("G29", 0).unwrap_err().to_string();
        assert!(
            before_homing.contains("before all axes are homed"),
            "{before_homing}"
        );
        let over_the_part = with(|p| p.layer = vec!["G29".into()])
            .unwrap_err()
            .to_string();
        assert!(
            over_the_part.contains("where plastic lies"),
            "{over_the_part}"
        );
        let moved_on = with(|p| {
            p.start
                .splice(3..3, ["G29", "G91", "G1 X-5 F600", "G90"].map(String::from));
        });
        let said = moved_on.unwrap_err().to_string();
        assert!(said.contains("start, line 6"), "{said}");
    }

    #[test]
    fn a_machine_that_is_not_hot_enough_is_told_so() {
        let mut material = Material::load("pla").unwrap();
        material.chamber_c = 90.0;
        let error = Printer::load("virtual")
            .unwrap()
            .takes(&material)
            .unwrap_err();
        assert!(matches!(
            error,
            TextError::Unfit {
                heater: "chamber",
                ..
            }
        ));
        material.chamber_c = 0.0;
        material.hotend_c = 400.0;
        let said = Printer::load("virtual")
            .unwrap()
            .takes(&material)
            .unwrap_err()
            .to_string();
        assert!(said.contains("needs 400 C of the hotend"), "{said}");
    }
}
