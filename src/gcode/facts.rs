//! Facts: what the slicer knows of the part and the material, written into its file under the seal.
//!
//! A file tells what is done, not what was meant. The facts come from the mesh, the strokes and the material's profile,
//! so that the validator can hold every command against them: where each layer lies, how large the part is there, how
//! much filament it takes, how wide lines are, how hot this material may be, how long all of it takes.
//!
//! ```text
//! ; facts hotend_c=190..230 bed_c=50..65 line_mm=0.3..0.75 time_s=415.2 solid=1
//! ; layer z_mm=0.2 section_mm2=133.25 filament_mm=5.23456
//! ```

use std::fmt;

/// Begin of the line with what holds for the whole file.
const WHOLE: &str = "; facts ";
/// Begin of the line of one layer.
const LAYER: &str = "; layer z_mm=";
/// Most layers that are read: 1 m in steps of 0.02 mm.
const LAYERS_MAX: usize = 50_000;

/// What the slicer knows beside the commands.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What the material bears in the nozzle, C.
    pub hotend_c: [f64; 2],
    /// What it wants of the bed, C.
    pub bed_c: [f64; 2],
    /// Narrowest and widest line, mm.
    pub line_mm: [f64; 2],
    /// Planned time, s.
    pub time_s: f64,
    /// The part is filled without gaps.
    pub solid: bool,
    /// From the bed up.
    pub layers: Vec<LayerFact>,
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerFact {
    /// Height of the nozzle over the bed, mm.
    pub z_mm: f64,
    /// Section of the mesh at the layer's middle, mm2.
    pub section_mm2: f64,
    /// Filament of part, support and brim, mm.
    pub filament_mm: f64,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hotend_c,
            bed_c,
            line_mm,
            time_s,
            solid,
            layers,
        } = self;
        writeln!(
            f,
            "{WHOLE}hotend_c={}..{} bed_c={}..{} line_mm={}..{} time_s={time_s:.1} solid={}",
            hotend_c[0],
            hotend_c[1],
            bed_c[0],
            bed_c[1],
            line_mm[0],
            line_mm[1],
            u8::from(*solid)
        )?;
        for layer in layers {
            writeln!(
                f,
                "{LAYER}{:.3} section_mm2={:.3} filament_mm={:.5}",
                layer.z_mm, layer.section_mm2, layer.filament_mm
            )?;
        }
        Ok(())
    }
}

impl Facts {
    /// Takes a line of a file's head into `facts`. `None`: it is a line of facts that says nothing sensible.
    pub(super) fn take(facts: &mut Option<Self>, line: &str) -> Option<()> {
        let line = line.trim_end();
        if line.starts_with(WHOLE) {
            let found = Self::whole(line)?;
            return facts.replace(found).is_none().then_some(());
        }
        if line.starts_with(LAYER) {
            let layers = &mut facts.as_mut()?.layers;
            let layer = LayerFact {
                z_mm: number(line, "z_mm")?,
                section_mm2: number(line, "section_mm2")?,
                filament_mm: number(line, "filament_mm")?,
            };
            let higher = layers
                .last()
                .is_none_or(|l: &LayerFact| l.z_mm < layer.z_mm);
            let fits = higher && layer.z_mm > 0.0 && layers.len() < LAYERS_MAX;
            layers.push(layer);
            return fits.then_some(());
        }
        Some(())
    }

    fn whole(line: &str) -> Option<Self> {
        Some(Self {
            hotend_c: range(line, "hotend_c")?,
            bed_c: range(line, "bed_c")?,
            line_mm: range(line, "line_mm")?,
            time_s: number(line, "time_s")?,
            solid: number(line, "solid")? > 0.5,
            layers: Vec::new(),
        })
    }
}

fn word<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = line.split(' ').filter_map(|word| word.split_once('='));
    words.find(|(k, _)| *k == key).map(|(_, value)| value)
}

fn number(line: &str, key: &str) -> Option<f64> {
    let value: f64 = word(line, key)?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

fn range(line: &str, key: &str) -> Option<[f64; 2]> {
    let (low, high) = word(line, key)?.split_once("..")?;
    let [low, high] = [low.parse::<f64>().ok()?, high.parse::<f64>().ok()?];
    (0.0 <= low && low <= high && high.is_finite()).then_some([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Option<Facts>> {
        let mut facts = None;
        for line in text.lines() {
            Facts::take(&mut facts, line)?;
        }
        Some(facts)
    }

    fn some() -> Facts {
        Facts {
            hotend_c: [190.0, 230.5],
            bed_c: [0.0, 65.0],
            line_mm: [0.27, 0.765],
            time_s: 415.2,
            solid: true,
            layers: [1, 2, 3]
                .map(|n| LayerFact {
                    z_mm: 0.2 * f64::from(n),
                    section_mm2: 133.25,
                    filament_mm: 5.23456,
                })
                .to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = format!("; generated\n{}G28\n", some());
        let read = read(&text.replace('\n', "\r\n")).unwrap().unwrap();
        assert_eq!(read.to_string(), some().to_string());
        assert_eq!((read.hotend_c, read.solid), (some().hotend_c, true));
    }

    #[test]
    fn facts_that_make_no_sense_are_told() {
        let text = some().to_string();
        for (from, to) in [
            ("190..230.5", "230.5..190"),
            ("time_s=415.2", "time_s=NaN"),
            ("time_s=", "times="),
            ("z_mm=0.400", "z_mm=0.200"),
            ("z_mm=0.200", "z_mm=0"),
            ("section_mm2=133.250 ", ""),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(read(&text.replacen(from, to, 1)), None, "{to}");
        }
        assert_eq!(read(&format!("{text}{text}")), None);
        assert_eq!(read("; layer z_mm=0.2 section_mm2=1 filament_mm=1"), None);
        assert_eq!(read("; facts\n; layers = 15\n"), Some(None));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "(; facts |; layer z_mm=|hotend_c=|[0-9.=nae ]){0,12}") {
            let _ = read(&line);
        }
    }
}
