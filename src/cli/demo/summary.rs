//! What the demo says at its end.

use super::super::Failure;
use super::station::{Job, Station};
use crate::evaluate;
use crate::intake::{self, Limits};
use crate::status::Severity;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Times per stage, peak memory, DSC against the truth, findings, files.
pub(super) fn text(
    station: &Station,
    job: &Job,
    truth: Option<&Path>,
    proof: &Result<Option<usize>, String>,
    spent: Duration,
) -> String {
    let case = station.case(&job.code);
    let record: Value = std::fs::read(case.join("case.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut out = String::new();
    // Writing into a String does not fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!(
        "\n{}: {}{}",
        job.code,
        job.state,
        if job.reason.is_empty() {
            String::new()
        } else {
            format!(" ({})", job.reason)
        }
    ));
    if let Some(seconds) = record["seconds"].as_object() {
        let parts: Vec<String> = seconds
            .iter()
            .map(|(stage, s)| format!("{stage} {:.1} s", s.as_f64().unwrap_or(0.0)))
            .collect();
        line(format!("  stages    {}", parts.join(", ")));
    }
    line(format!(
        "  in all    {:.1} s, designer's peak memory {} MiB",
        spent.as_secs_f64(),
        record["peak_memory_mib"]
    ));
    if let Some(truth) = truth {
        match dice(truth, &case) {
            Ok((dice, apart)) => line(format!(
                "  truth     DSC {dice:.3}, centroids {apart:.1} mm apart"
            )),
            Err(error) => line(format!("  truth     not scored: {}", error.text)),
        }
    }
    match proof {
        Ok(Some(moves)) => line(format!(
            "  printer   {moves} executed moves equal the plan's, in order"
        )),
        Ok(None) => {}
        Err(text) => line(format!("  printer   {text}")),
    }
    for finding in &job.findings {
        let word = match finding.severity {
            Severity::Info => "note",
            Severity::Warn => "warning",
            Severity::Refuse => "refused",
        };
        line(format!("  {word:<9} {}", finding.line()));
    }
    if let Some(outputs) = record["outputs"].as_object() {
        line(format!(
            "  files     {}",
            outputs.keys().cloned().collect::<Vec<_>>().join(" ")
        ));
    }
    out
}

/// DSC of the missing bone against the truth, and how far their centroids lie apart, mm.
fn dice(truth: &Path, case: &Path) -> Result<(f64, f64), Failure> {
    let mask = |path: &Path| intake::read_mask(path, &Limits::default()).map_err(Failure::failed);
    let (missing, skull) = (
        mask(&case.join("missing.nii.gz"))?,
        mask(&case.join("skull.nii.gz"))?,
    );
    let scores = evaluate::score(&mask(truth)?, &missing, &skull).map_err(Failure::failed)?;
    Ok((scores.dsc, scores.centroid_mm.unwrap_or(f64::NAN)))
}
