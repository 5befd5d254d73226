#!/usr/bin/env bash
# Writes the reference pages anew out of the code. A test compares them, so commit what this writes.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_rust
cargo build --quiet --locked
mkdir -p docs
for page in config metrics api; do
    "${CARGO_TARGET_DIR:-target}/debug/crossover" describe "$page" >"docs/${page^^}.md.new"
    mv "docs/${page^^}.md.new" "docs/${page^^}.md"
done
say "docs/CONFIG.md, docs/METRICS.md and docs/API.md are written"
