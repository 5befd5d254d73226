//! The `crossover` command. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let _log = crossover::telemetry::FinishOnDrop;
    crossover::cli::main()
}
