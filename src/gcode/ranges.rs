//! Ranges: what each number of a profile may be, in one table.
//!
//! Holds: every number of a [`Printer`] or [`Material`] is finite and stands here; a new field does not compile until
//!        it is named here. A limit that is not a number would switch the validator off.
//!
//! Ends: what desktop and high-temperature printers have (PEEK is the hottest: nozzle 420 C, bed 160 C), with room
//! above.

use super::profile::{Feeds, Limits, Link, Material, Printer, Tuning};

/// A number of a profile that is outside what makes sense.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outside {
    pub(super) key: String,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Key, value, least, most.
type Row = (&'static str, f64, f64, f64);

fn judge(rows: impl IntoIterator<Item = (String, f64, f64, f64)>) -> Result<(), Outside> {
    rows.into_iter()
        // A value that is not a number is in no range.
        .find(|(_, value, low, high)| !(low..=high).contains(&value))
        .map_or(Ok(()), |(key, value, low, high)| {
            Err(Outside {
                key,
                value,
                low,
                high,
            })
        })
}

fn axes(key: &str, feeds: &Feeds, low: f64, high: [f64; 4]) -> [(String, f64, f64, f64); 4] {
    let Feeds { x, y, z, e } = *feeds;
    let rows = [("x", x), ("y", y), ("z", z), ("e", e)];
    [0, 1, 2, 3].map(|n| (format!("{key}.{}", rows[n].0), rows[n].1, low, high[n]))
}

/// Judges every number of a printer.
pub(super) fn printer(printer: &Printer) -> Result<(), Outside> {
    let Printer {
        name: _,
        title: _,
        is_virtual: _,
        dialect,
        bed_mm,
        height_mm,
        nozzle_mm,
        filament_mm,
        layer_mm,
        first_layer_mm,
        limits,
        link,
        tuning: tuned,
        thumbnails,
        start: _,
        layer: _,
        end: _,
    } = printer;
    // A line higher than 0.8 of the nozzle does not stick to the one below.
    let layer_most = 0.8 * nozzle_mm.clamp(0.1, 1.2);
    let rows: [Row; 7] = [
        ("bed_mm", bed_mm[0], 20.0, 1000.0),
        ("bed_mm", bed_mm[1], 20.0, 1000.0),
        ("height_mm", *height_mm, 20.0, 1000.0),
        ("nozzle_mm", *nozzle_mm, 0.1, 1.2),
        ("filament_mm", *filament_mm, 1.5, 3.2),
        ("layer_mm", *layer_mm, 0.04, layer_most),
        ("first_layer_mm", *first_layer_mm, 0.04, layer_most),
    ];
    judge(rows.map(owned))?;
    // A picture is a part of every file; screens have fewer pixels.
    judge([owned(("thumbnails", thumbnails.len() as f64, 0.0, 8.0))])?;
    let sides = thumbnails.iter().flatten();
    judge(sides.map(|&side| owned(("thumbnails", f64::from(side), 8.0, 1024.0))))?;
    machine(limits)?;
    tuning(tuned)?;
    let facts = dialect.facts();
    let Link {
        baud,
        window,
        line_max_bytes,
        boot_s,
        hold_nozzle_min,
        hold_bed_min,
    } = link;
    let rows: [Row; 6] = [
        ("link.baud", f64::from(*baud), 9600.0, 4_000_000.0),
        // More would hide an M112 behind a full queue.
        ("link.window", *window as f64, 1.0, facts.window_max as f64),
        (
            "link.line_max_bytes",
            *line_max_bytes as f64,
            48.0,
            facts.line_max_bytes as f64,
        ),
        ("link.boot_s", *boot_s, 0.0, 60.0),
        ("link.hold_nozzle_min", *hold_nozzle_min, 0.1, 120.0),
        ("link.hold_bed_min", *hold_bed_min, 0.1, 720.0),
    ];
    judge(rows.map(owned))
}

/// 100 percent, which is the file itself, is always within.
fn tuning(tuning: &Tuning) -> Result<(), Outside> {
    let Tuning {
        speed_percent,
        flow_percent,
        fan_percent,
        z_mm,
    } = tuning;
    let rows: [Row; 7] = [
        ("tuning.speed_percent", speed_percent[0], 10.0, 100.0),
        ("tuning.speed_percent", speed_percent[1], 100.0, 200.0),
        ("tuning.flow_percent", flow_percent[0], 50.0, 100.0),
        ("tuning.flow_percent", flow_percent[1], 100.0, 150.0),
        ("tuning.fan_percent", fan_percent[0], 0.0, 100.0),
        ("tuning.fan_percent", fan_percent[1], 100.0, 300.0),
        // Further down the nozzle ploughs through what is printed.
        ("tuning.z_mm", *z_mm, 0.0, 1.0),
    ];
    judge(rows.map(owned))
}

fn machine(limits: &Limits) -> Result<(), Outside> {
    let Limits {
        feed_mm_s,
        accel_mm_s2,
        print_accel_mm_s2,
        travel_accel_mm_s2,
        retract_accel_mm_s2,
        jerk_mm_s,
        junction_deviation_mm,
        hotend_max_c,
        bed_max_c,
        chamber_max_c,
        extrude_min_c,
        flow_max_mm3_s,
    } = limits;
    judge(axes(
        "limits.feed_mm_s",
        feed_mm_s,
        1.0,
        [1000.0, 1000.0, 200.0, 300.0],
    ))?;
    judge(axes(
        "limits.accel_mm_s2",
        accel_mm_s2,
        10.0,
        [50_000.0, 50_000.0, 10_000.0, 50_000.0],
    ))?;
    judge(axes("limits.jerk_mm_s", jerk_mm_s, 0.01, [100.0; 4]))?;
    let rows: [Row; 9] = [
        (
            "limits.print_accel_mm_s2",
            *print_accel_mm_s2,
            10.0,
            50_000.0,
        ),
        (
            "limits.travel_accel_mm_s2",
            *travel_accel_mm_s2,
            10.0,
            50_000.0,
        ),
        (
            "limits.retract_accel_mm_s2",
            *retract_accel_mm_s2,
            10.0,
            50_000.0,
        ),
        // 0 selects classic jerk.
        (
            "limits.junction_deviation_mm",
            *junction_deviation_mm,
            0.0,
            0.5,
        ),
        ("limits.hotend_max_c", *hotend_max_c, 150.0, 500.0),
        // 0: the bed is not heated.
        ("limits.bed_max_c", *bed_max_c, 0.0, 200.0),
        ("limits.chamber_max_c", *chamber_max_c, 0.0, 250.0),
        // Cold extrusion must be below what the hotend may reach.
        (
            "limits.extrude_min_c",
            *extrude_min_c,
            100.0,
            hotend_max_c.clamp(150.0, 400.0),
        ),
        ("limits.flow_max_mm3_s", *flow_max_mm3_s, 0.1, 100.0),
    ];
    judge(rows.map(owned))
}

/// Judges every number of a material.
pub(super) fn material(material: &Material) -> Result<(), Outside> {
    let Material {
        name: _,
        title: _,
        density_g_cm3,
        modulus_gpa,
        hotend_c,
        hotend_first_c,
        bed_c,
        bed_first_c,
        chamber_c,
        drying: _,
        annealing: _,
        hotend_range_c,
        bed_range_c,
        flow_max_mm3_s,
        fan,
        layer_min_s,
        retract_mm,
        retract_mm_s,
        implantable: _,
    } = material;
    let rows: [Row; 12] = [
        ("density_g_cm3", *density_g_cm3, 0.5, 3.0),
        // From rubber to titanium.
        ("modulus_gpa", *modulus_gpa, 0.001, 200.0),
        ("hotend_c", *hotend_c, 150.0, 500.0),
        ("hotend_first_c", *hotend_first_c, 150.0, 500.0),
        ("bed_c", *bed_c, 0.0, 200.0),
        ("bed_first_c", *bed_first_c, 0.0, 200.0),
        ("chamber_c", *chamber_c, 0.0, 250.0),
        ("flow_max_mm3_s", *flow_max_mm3_s, 0.1, 100.0),
        ("fan", *fan, 0.0, 1.0),
        ("layer_min_s", *layer_min_s, 0.0, 300.0),
        // Further back the filament jams behind the melt zone.
        ("retract_mm", *retract_mm, 0.0, 12.0),
        ("retract_mm_s", *retract_mm_s, 1.0, 200.0),
    ];
    judge(rows.map(owned))?;
    // What a material bears must hold what the profile itself asks for.
    let bands = [
        (
            "hotend_range_c",
            hotend_range_c,
            [*hotend_c, *hotend_first_c],
            500.0,
        ),
        ("bed_range_c", bed_range_c, [*bed_c, *bed_first_c], 200.0),
    ];
    for (key, band, own, most) in bands {
        if let Some([low, high]) = band {
            let rows = [
                (key.into(), *low, 0.0, own[0].min(own[1])),
                (key.into(), *high, own[0].max(own[1]), most),
            ];
            judge(rows)?;
        }
    }
    Ok(())
}

fn owned((key, value, low, high): Row) -> (String, f64, f64, f64) {
    (key.into(), value, low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use toml::Value;

    /// Keys of the numbers in a table, as paths.
    fn numbers(value: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
        let deeper = |key: String| path.iter().cloned().chain([key]).collect::<Vec<_>>();
        match value {
            Value::Float(_) | Value::Integer(_) => found.push(path.to_vec()),
            Value::Table(table) => table
                .iter()
                .for_each(|(key, inner)| numbers(inner, &deeper(key.clone()), found)),
            Value::Array(array) => array
                .iter()
                .enumerate()
                .for_each(|(at, inner)| numbers(inner, &deeper(at.to_string()), found)),
            _ => {}
        }
    }

    fn put(value: &mut Value, path: &[String], new: &Value) {
        match (value, path) {
            (value, []) => *value = new.clone(),
            (Value::Table(table), [key, rest @ ..]) => put(&mut table[key], rest, new),
            (Value::Array(array), [key, rest @ ..]) => {
                put(&mut array[key.parse::<usize>().unwrap()], rest, new);
            }
            (other, path) => panic!("{path:?} in {other:?}"),
        }
    }

    /// Sets every number of a profile to what makes no sense; each must be refused by its key.
    fn walk<T: DeserializeOwned>(
        text: &str,
        count: usize,
        zero: &[&str],
        judge: fn(&T) -> Result<(), Outside>,
    ) {
        let good: Value = toml::from_str(text).unwrap();
        assert_eq!(judge(&good.clone().try_into().unwrap()), Ok(()));
        let mut keys = Vec::new();
        numbers(&good, &[], &mut keys);
        assert_eq!(keys.len(), count);
        for path in keys {
            let key = path.join(".");
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.75, 1e9, 0.0] {
                if bad == 0.0 && zero.contains(&key.as_str()) {
                    continue;
                }
                let mut changed = good.clone();
                // Whole numbers that are allowed to be whole only are refused by their type when given a fraction.
                let mut values = vec![Value::Float(bad)];
                if bad.fract() == 0.0 {
                    values.push(Value::Integer(bad as i64));
                }
                for value in values {
                    put(&mut changed, &path, &value);
                    let Ok(read) = changed.clone().try_into::<T>() else {
                        continue;
                    };
                    let Err(outside) = judge(&read) else {
                        panic!("{key} = {bad} is taken");
                    };
                    assert!(
                        key.starts_with(&outside.key),
                        "{key} = {bad} told as {}",
                        outside.key
                    );
                }
            }
        }
    }

    #[test]
    fn every_number_of_a_printer_has_a_range() {
        let text = include_str!("../../printer-profiles/virtual.toml");
        let zero = [
            "limits.junction_deviation_mm",
            "limits.bed_max_c",
            "link.boot_s",
            "tuning.fan_percent.0",
            "tuning.z_mm",
        ];
        walk(text, 38, &zero, printer);
        walk(
            include_str!("../../printer-profiles/prusa-mk3s.toml"),
            31,
            &zero,
            printer,
        );
    }

    #[test]
    fn every_number_of_a_material_has_a_range() {
        let text = include_str!("../../printer-profiles/materials/pla.toml");
        let zero = [
            "bed_c",
            "bed_first_c",
            "fan",
            "layer_min_s",
            "retract_mm",
            "hotend_range_c.0",
            "bed_range_c.0",
        ];
        walk(text, 15, &zero, material);
    }

    #[test]
    fn a_thumbnail_is_as_large_as_a_screen_at_most() {
        let mut one = Printer::load("virtual").unwrap();
        for (sizes, fine) in [
            (vec![[16, 16], [220, 124], [400, 300]], true),
            (vec![[16, 1025]], false),
            (vec![[0, 16]], false),
            (vec![[16, 16]; 9], false),
        ] {
            one.thumbnails = sizes;
            let found = printer(&one);
            assert!(found.is_ok() == fine, "{:?}", one.thumbnails);
            assert!(fine || found.unwrap_err().key == "thumbnails");
        }
    }

    #[test]
    fn a_layer_fits_the_nozzle_and_cold_is_below_hot() {
        let mut one = Printer::load("virtual").unwrap();
        one.first_layer_mm = 0.33;
        assert_eq!(printer(&one).unwrap_err().key, "first_layer_mm");
        one.first_layer_mm = 0.2;
        one.limits.extrude_min_c = 280.0;
        assert_eq!(printer(&one).unwrap_err().key, "limits.extrude_min_c");
    }
}
