#!/usr/bin/env bash
# shellcheck disable=SC2329 # steps call their functions by name
# Everything CI runs, in the order that fails soonest: data and scripts, format, lints, tests, docs, licences,
# `crossover check` on what ships, one golden set through the gateway, all of them against their baselines.
# Promises: every step runs even when one before it failed; the last line counts tests; the exit code is 0 only
# when all steps passed. With CI=true a skipped test, or a tool that could not be had, is a failure too.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_rust
scripts/setup.sh
scripts/test-tools.sh
# shellcheck source=/dev/null
. "$LOCAL/test-env"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
# Nothing here may call a paid API or depend on the caller's own settings.
own_settings "$LOCAL/test-state"
: >"$CROSSOVER_TEST_SKIPPED"

crossover="${CARGO_TARGET_DIR:-target}/debug/crossover"
output="$LOCAL/test-output"
failed_steps=()

# step NAME COMMAND...: runs it, says how long it took, and remembers a failure.
step() {
    local name="$1" from=$SECONDS
    shift
    say "$name"
    if "$@"; then
        printf '   passed in %d s\n' $((SECONDS - from))
    else
        printf '   FAILED: %s\n' "$name" >&2
        failed_steps+=("$name")
    fi
}

# skip NAME REASON: the same line that test programs write.
skip() {
    printf 'SKIPPED: %s: %s\n' "$1" "$2" >>"$CROSSOVER_TEST_SKIPPED"
}

shell_scripts() {
    command -v shellcheck >/dev/null || { skip shellcheck "not to be had" && return; }
    shellcheck -x -P SCRIPTDIR scripts/*.sh .ci/run
}

prometheus_files() {
    [ -n "${CROSSOVER_TEST_PROMTOOL:-}" ] || { skip prometheus-files "promtool is not to be had" && return; }
    "$CROSSOVER_TEST_PROMTOOL" check config deploy/prometheus/prometheus.yml &&
        "$CROSSOVER_TEST_PROMTOOL" test rules deploy/prometheus/rules_test.yml
}

rust_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --no-fail-fast --status-level slow 2>&1 | tee "$output"
    else
        # All tests of a binary share one process here, and some measure its memory.
        cargo test --locked --no-fail-fast -- --test-threads=1 2>&1 | tee "$output"
    fi
}

rust_docs() {
    RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps --locked --document-private-items
}

licences() {
    command -v cargo-deny >/dev/null || { skip cargo-deny "not to be had" && return; }
    cargo deny --offline --locked --log-level error check bans licenses sources
}

# The tests built the binary already, unless they did not compile. A plain `cargo build` would compile half of the
# dependencies again, without the features that only tests ask for.
binary() {
    cargo test --quiet --locked --test it --no-run
}

shipped_files() {
    local file bad=0
    "$crossover" check || bad=1
    for file in deploy/examples/*.toml; do
        printf '   %s\n' "$file"
        "$crossover" check --config "$file" || bad=1
    done
    return "$bad"
}

one_eval() {
    "$crossover" eval run evals/golden/classification
}

# The recorded answers under today's policies, scorers and classifier: asks nobody. Named, so that a set without a
# baseline fails too.
eval_gate() {
    "$crossover" eval gate evals/golden/*/
}

step "golden sets" python3 scripts/check-golden.py
step "models manifest" python3 scripts/manifest.py --check
step "shell scripts" shell_scripts
step "Prometheus configuration and rules" prometheus_files
step "format" cargo fmt --check
step "lints" cargo clippy --quiet --locked --all-targets -- -D warnings
: >"$output"
step "tests" rust_tests
step "documentation" rust_docs
step "licences, sources, bans" licences
step "build" binary
step "shipped policies and example configurations" shipped_files
step "one golden set, in process" one_eval
step "golden sets against their baselines" eval_gate

# Both runners' closing lines, with or without colour.
read -r passed failed ignored < <(python3 - "$output" <<'PY'
import re, sys

text = re.sub(r"\x1b\[[0-9;]*m", "", open(sys.argv[1], errors="replace").read())
count = dict.fromkeys(("passed", "failed", "skipped"), 0)
closing = [line for line in text.splitlines() if re.match(r"\s*Summary \[|test result: ", line)]
for line in closing:
    for number, word in re.findall(r"(\d+) (passed|failed|timed out|exec failed|skipped|ignored)", line):
        key = {"passed": "passed", "skipped": "skipped", "ignored": "skipped"}.get(word, "failed")
        count[key] += int(number)
print(count["passed"], count["failed"], count["skipped"])
PY
)
skips="$(grep -c '^SKIPPED: ' "$CROSSOVER_TEST_SKIPPED" || true)"

printf '\n'
sort -u "$CROSSOVER_TEST_SKIPPED"
for step_name in "${failed_steps[@]}"; do printf 'failed step: %s\n' "$step_name"; done
verdict=0
[ "${#failed_steps[@]}" -eq 0 ] || verdict=1
if [ "$passed" -eq 0 ]; then
    printf 'no test passed: see the output above\n'
    verdict=1
fi
if [ "${CI:-}" = true ]; then
    for reason in "$LOCAL"/missing/*; do
        [ -f "$reason" ] || continue
        printf 'could not be had: %s: %s' "$(basename "$reason")" "$(cat "$reason")"
        verdict=1
    done
    if [ $((skips + ignored)) -gt 0 ]; then
        printf 'CI treats a skipped test as a failure\n'
        verdict=1
    fi
fi
# A test that skips itself is counted by the runner as passed.
printf 'tests: %d passed, %d failed, %d skipped\n' $((passed > skips ? passed - skips : 0)) "$failed" $((skips + ignored))
exit "$verdict"
