#!/usr/bin/env bash
# Measures the whole system and prints one table; every part leaves target/bench/NAME.json. How and why stands in
# docs/BENCHMARKS.md. Arguments name parts: start relay decision decode batch table (default: all); `engine`, which comes
# alone and hands its own arguments on, races full-size models that benches/big_models.py has made.
# Promises: the gateway measured is the release build that `make run` starts; nothing leaves the machine but the
# fetching of nginx and onnxruntime-genai into .local/, and where either cannot be had its comparison is left out and
# said so.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_rust
scripts/setup.sh
unset OPENAI_API_KEY OPENAI_BASE_URL CROSSOVER_CONFIG CROSSOVER_STATE
for name in $(compgen -v CROSSOVER__); do unset "$name"; done
target="${CARGO_TARGET_DIR:-target}"
log="$LOCAL/bench.log"
mkdir -p target/bench
: >"$log"

# Debian's package, unpacked and never installed.
fetch_nginx() {
    command -v nginx >/dev/null && return
    [ -x "$LOCAL/nginx/usr/sbin/nginx" ] && return
    say "fetching nginx"
    mkdir -p "$LOCAL/nginx"
    (
        cd "$LOCAL/nginx"
        apt-get -o APT::Sandbox::User= download nginx >>"$log" 2>&1 && dpkg -x nginx_*.deb . >>"$log" 2>&1
        rm -f nginx_*.deb
    )
    "$LOCAL/nginx/usr/sbin/nginx" -v >>"$log" 2>&1 || {
        rm -rf "$LOCAL/nginx"
        say "not to be had: nginx (see .local/bench.log)"
    }
}

fetch_genai() {
    local stamp="$LOCAL/bench/.stamp" list=benches/requirements.txt
    [ -f "$stamp" ] && cmp -s "$stamp" "$list" && return
    say "fetching onnxruntime-genai"
    rm -rf "$LOCAL/bench"
    if python3 -m venv "$LOCAL/bench" >>"$log" 2>&1 &&
        "$LOCAL/bench/bin/python" -m pip install --quiet --only-binary=:all: --require-hashes -r "$list" >>"$log" 2>&1; then
        cp "$list" "$stamp"
    else
        rm -rf "$LOCAL/bench"
        say "not to be had: onnxruntime-genai (see .local/bench.log)"
    fi
}

fetch_nginx
fetch_genai
say "building"
cargo build --quiet --release --locked
# Building the benchmark builds the program again, with what tests ask of some crates; the shipped one is measured.
cp "$target/release/crossover" target/bench/crossover
export CROSSOVER_BENCH_PROGRAM="$ROOT/target/bench/crossover"
if [ "${1:-}" = engine ]; then
    shift
    [ -x "$LOCAL/bench/bin/python" ] || fail "onnxruntime-genai is not to be had" "See .local/bench.log."
    exec "$LOCAL/bench/bin/python" benches/engine.py --program "$CROSSOVER_BENCH_PROGRAM" "$@"
fi
cargo bench --quiet --locked --bench system -- "$@"
