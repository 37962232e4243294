//! Proof: what the virtual printer executed is what the file says, move by move.

use super::station::Station;
use crate::gcode;
use crate::printer::virtual_printer::Record;
use std::io::{BufRead, BufReader};

/// Both sides are rounded to the last decimal that a file has (E, five decimals), so no value sits on a rounding edge.
const PER_MM: f64 = 1e5;

/// Number of moves that were executed, when they are those of the file, in order, each once.
///
/// The file is parsed by `gcode`, the executed blocks come from the virtual firmware's own parser and planner,
/// behind the wire.
pub(super) fn executed_equals_planned(station: &Station, code: &str) -> Result<usize, String> {
    let path = station.case(code).join("implant.gcode");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| format!("implant.gcode can not be read: {e}"))?;
    let planned = planned(&text)?;
    let executed = executed(station)?;
    for (at, (plan, done)) in planned.iter().zip(&executed).enumerate() {
        if plan != done {
            return Err(format!(
                "move {} was planned as {plan:?} and executed as {done:?} (x, y, z, e in 0.01 um)",
                at + 1
            ));
        }
    }
    if planned.len() != executed.len() {
        return Err(format!(
            "{} moves were planned and {} executed",
            planned.len(),
            executed.len()
        ));
    }
    Ok(planned.len())
}

/// X, Y, Z of the bed and filament since the start, after each move of the file.
fn planned(text: &str) -> Result<Vec<[i64; 4]>, String> {
    let moves =
        gcode::moves(text).map_err(|(line, e)| format!("line {line} of implant.gcode: {e}"))?;
    Ok(moves.iter().map(|m| rounded(m.to_mm())).collect())
}

fn rounded(mm: [f64; 4]) -> [i64; 4] {
    mm.map(|v| (v * PER_MM).round() as i64)
}

fn executed(station: &Station) -> Result<Vec<[i64; 4]>, String> {
    let file = std::fs::File::open(station.executed())
        .map_err(|e| format!("the printer's log can not be read: {e}"))?;
    let mut moves = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|e| format!("the printer's log can not be read: {e}"))?;
        match serde_json::from_str(&line) {
            Ok(Record::Block { to, .. }) => moves.push(rounded(to)),
            Ok(_) => {}
            Err(e) => return Err(format!("the printer's log is damaged: {e}")),
        }
    }
    Ok(moves)
}
