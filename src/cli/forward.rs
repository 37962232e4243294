//! `calvaria forward`: a network over a raw volume, measured. For `benches/network.py`; hidden.

use super::line::device;
use super::{Failure, Outcome};
use crate::network::{Architecture, Bare, Compute, estimate};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Run a network once to warm up and once to measure it; prints one line of JSON.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Weights, safetensors.
    #[arg(required_unless_present = "estimate")]
    weights: Option<PathBuf>,
    /// Little-endian f32, `[D, H, W]`.
    #[arg(required_unless_present = "estimate")]
    input: Option<PathBuf>,
    /// Of this network.
    #[arg(long, default_value_t = Architecture::V3)]
    architecture: Architecture,
    /// Three extents: D H W.
    #[arg(long, num_args = 3, default_values_t = [240, 200, 240])]
    grid: Vec<usize>,
    /// Where the probabilities are written, as the input is read.
    #[arg(long)]
    output: Option<PathBuf>,
    /// cpu, auto or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Measured runs; medians are printed.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Run nothing: seconds on paper of a small GPU, from the bytes and operations of the launches.
    #[arg(long)]
    estimate: bool,
}

pub(super) fn run(args: Args) -> Outcome {
    let size = [args.grid[0], args.grid[1], args.grid[2]];
    let (Some(weights), Some(input), false) = (&args.weights, &args.input, args.estimate) else {
        return on_paper(args.architecture, size);
    };
    let compute = Compute::from_environment(args.architecture).map_err(Failure::usage)?;
    let device = device(&args.device)?;
    let network =
        Bare::load(weights, args.architecture, device, compute).map_err(Failure::failed)?;
    let x = read(input)?;
    let before = memory_mib("VmRSS:");
    network.forward(&x, size).map_err(Failure::failed)?;
    let (mut walls, mut kernels, cpu) = (Vec::new(), Vec::new(), cpu_s());
    let mut answer = Vec::new();
    for _ in 0..args.repeat {
        let wall = Instant::now();
        answer = network.forward(&x, size).map_err(Failure::failed)?;
        walls.push(wall.elapsed().as_secs_f64());
        kernels.extend(network.on_gpu().map(|(seconds, _)| seconds));
    }
    let cpu = (cpu_s() - cpu) / f64::from(args.repeat);
    if let Some(path) = &args.output {
        let bytes: Vec<u8> = answer.iter().flat_map(|p| p.to_le_bytes()).collect();
        std::fs::write(path, bytes).map_err(|e| Failure::failed(format!("{path:?}: {e}")))?;
    }
    let peak = memory_mib("VmHWM:") - before;
    let planned = network.memory(size).map(|bytes| bytes >> 20);
    let line = json!({
        "what": format!("calvaria {}", network.device()), "cpu_s": cpu, "wall_s": median(walls), "peak_mib": peak,
        "planned_mib": planned, "kernels_s": median(kernels), "gpu_mib": network.on_gpu().map(|(_, bytes)| bytes >> 20),
    });
    if let Some(notice) = network.notice() {
        eprintln!("{}", notice.text);
    }
    super::print(&line.to_string());
    Ok(())
}

fn on_paper(architecture: Architecture, size: [usize; 3]) -> Outcome {
    let e = estimate(architecture, size).map_err(Failure::failed)?;
    let line = json!({
        "device": e.device, "launches": e.launches, "useful_gflop": e.useful_gflop, "gflop": e.gflop,
        "gbyte": e.gbyte, "requested_gbyte": e.requested_gbyte, "arena_mib": e.arena_mib,
        "weights_mib": e.weights_mib, "seconds": e.seconds,
    });
    super::print(&line.to_string());
    Ok(())
}

/// `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
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
