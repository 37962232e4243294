//! `calvaria forward`: a network over a raw volume, measured. For `benches/network.py`; hidden.

use super::{Failure, Outcome};
use crate::network::{Architecture, Bare, Compute};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Run a network once to warm up and once to measure it; prints one line of JSON.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Weights, safetensors.
    weights: PathBuf,
    /// Little-endian f32, `[D, H, W]`.
    input: PathBuf,
    /// Of this network.
    #[arg(long, default_value_t = Architecture::V3)]
    architecture: Architecture,
    /// Three extents: D H W.
    #[arg(long, num_args = 3, default_values_t = [240, 200, 240])]
    grid: Vec<usize>,
    /// Where the probabilities are written, as the input is read.
    #[arg(long)]
    output: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Outcome {
    let compute = Compute::from_environment(args.architecture).map_err(Failure::usage)?;
    let network = Bare::load(&args.weights, args.architecture, compute).map_err(Failure::failed)?;
    let x = read(&args.input)?;
    let size = [args.grid[0], args.grid[1], args.grid[2]];
    let before = memory_mib("VmRSS:");
    network.forward(&x, size).map_err(Failure::failed)?;
    let (wall, cpu) = (Instant::now(), cpu_s());
    let answer = network.forward(&x, size).map_err(Failure::failed)?;
    let (cpu, wall) = (cpu_s() - cpu, wall.elapsed().as_secs_f64());
    if let Some(path) = &args.output {
        let bytes: Vec<u8> = answer.iter().flat_map(|p| p.to_le_bytes()).collect();
        std::fs::write(path, bytes).map_err(|e| Failure::failed(format!("{path:?}: {e}")))?;
    }
    let peak = memory_mib("VmHWM:") - before;
    let line = json!({
        "what": format!("calvaria {compute}"), "cpu_s": cpu, "wall_s": wall, "peak_mib": peak,
        "planned_mib": network.memory(size).map(|bytes| bytes >> 20),
    });
    super::print(&line.to_string());
    Ok(())
}

fn read(path: &Path) -> Result<Vec<f32>, Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::failed(format!("{path:?}: {e}")))?;
    let number = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    Ok(bytes.chunks_exact(4).map(number).collect())
}

/// A line of the process's status, in MiB; NaN where there is no such file.
fn memory_mib(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

/// CPU time of all threads so far, user and system. Linux counts it in hundredths of a second.
fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets and may hold blanks.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
