//! The `crossover` command. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    crossover::cli::main()
}
