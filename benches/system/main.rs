//! The whole-system benchmark: `cargo bench --bench system -- [relay] [decision] [decode] [batch] [start] [table]`; `soak`, `speculation`.
//! Each part writes `target/bench/NAME.json`; `table` prints what is there. CPU time per unit of work and ratios
//! taken in one run are what counts: machines are shared and wall times drift. Loopback only, bounded in count and time.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output is its purpose")]

mod batch;
mod decision;
mod decode;
mod figures;
mod house;
mod load;
mod machine;
mod process;
mod prompts;
mod proxy;
mod relay;
mod soak;
mod speculation;
mod start;
mod upstream;

use std::process::ExitCode;

use anyhow::bail;

/// Every part, in the order in which all of them run.
const PARTS: [&str; 6] = ["start", "relay", "decision", "decode", "batch", "table"];

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let mut names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    if names.is_empty() {
        names = PARTS.map(str::to_owned).to_vec();
    }
    let mut failed = false;
    for name in &names {
        if let Err(error) = run(name) {
            eprintln!("{name}: {error:#}");
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(name: &str) -> anyhow::Result<()> {
    match name {
        "relay" => relay::run(),
        "decision" => decision::run(),
        "decision-on-one-core" => decision::on_one_core(),
        "decode" => decode::run(),
        "batch" => batch::run(),
        "start" => start::run(),
        "soak" => soak::run(),
        "speculation" => speculation::run(),
        "table" => figures::print_all(),
        _ => bail!("there is no such part; known: {}", PARTS.join(", ")),
    }
}
