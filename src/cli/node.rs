//! `calvaria node`: the process that takes scans by DICOM.

use super::{Failure, Outcome};
use crate::node::{Caller, Limits, Setup, TlsFiles, mutual, run as run_node};
use crate::station::config::Node;
use crate::station::{Config, FREE_MIB_MIN};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// Takes head CTs that scanners and archives send by DICOM (C-STORE), and puts them into the drop folder.
/// Started by systemd beside the station; `[node]` of the configuration says where it listens and who may send.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calvaria node --config /etc/calvaria/calvaria.toml")]
pub(super) struct Args {
    /// Configuration of the station; without it /etc/calvaria/calvaria.toml where that is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listens at nothing: exit code 0 where a node is configured, 1 where not, 255 where the configuration can not be read.
    #[arg(long)]
    is_wanted: bool,
}

pub(super) fn run(args: Args) -> Outcome {
    let found = Config::find(args.config.as_deref());
    // To systemd any other code of an `ExecCondition` says that the unit is not wanted.
    let code = if args.is_wanted { 255 } else { 2 };
    let (config, _) = found.map_err(|error| Failure {
        code,
        text: error.to_string(),
    })?;
    if args.is_wanted {
        let none = || Failure::failed("no node is configured");
        return config.node.is_wanted().then_some(()).ok_or_else(none);
    }
    let setup = setup(&config)?;
    run_node(setup, until_told).map_err(Failure::failed)
}

fn setup(config: &Config) -> Result<Setup, Failure> {
    let node = &config.node;
    if !node.is_wanted() {
        return Err(Failure::usage(
            "no node is configured. Write [node] listen = \"0.0.0.0:11112\" and callers = [{ aet = \"PACS\", address = \"10.1.2.3\" }] into the configuration.",
        ));
    }
    let listen = node.listen.parse().map_err(Failure::usage)?;
    let callers: Result<Vec<Caller>, Failure> = (node.callers.iter())
        .map(|caller| {
            let network = caller.address.parse().map_err(|error| {
                let address = &caller.address;
                Failure::usage(format!("node.callers: address = {address}: {error}."))
            })?;
            let aet = caller.aet.clone();
            Ok(Caller { aet, network })
        })
        .collect();
    Ok(Setup {
        listen,
        aet: node.aet.clone(),
        callers: callers?,
        drop: config.drop_folder(),
        free_mib: FREE_MIB_MIN,
        tls: tls(node)?,
        limits: Limits::default(),
    })
}

fn tls(node: &Node) -> Result<Option<std::sync::Arc<rustls::ServerConfig>>, Failure> {
    let given = |path: &PathBuf| !path.as_os_str().is_empty();
    if !given(&node.certificate) {
        return Ok(None);
    }
    let authority: Option<&Path> = given(&node.authority).then_some(&node.authority);
    let files = TlsFiles {
        certificate: &node.certificate,
        key: &node.key,
        authority,
    };
    mutual(files).map(Some).map_err(Failure::usage)
}

/// Returns at SIGTERM and SIGINT.
fn until_told() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
