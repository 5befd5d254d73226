#!/usr/bin/env bash
# From a fresh clone to a running gateway: library, release build, `crossover serve`.
# Promises: the gateway replaces this shell, so signals reach it and its exit code is yours.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_rust
scripts/setup.sh
cargo build --release --locked
exec "${CARGO_TARGET_DIR:-target}/release/crossover" serve "$@"
