#!/usr/bin/env bash
# shellcheck disable=SC2034 # LOCAL is for whoever sources this
# What the other scripts share: where things lie, how they speak, settings that are nobody's. Sourced, never run.
# Promises: ROOT is the working directory, everything fetched lands under LOCAL, nothing needs root.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
LOCAL="$ROOT/.local"
cd "$ROOT" || exit
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '== %s\n' "$*"; }

# fail WHAT MEND: one message that names the trouble and what mends it.
fail() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# need COMMAND PACKAGE: stops with the Debian package that mends it.
need() {
    command -v "$1" >/dev/null 2>&1 ||
        fail "'$1' is not on the PATH." "On a Debian-family system: apt-get install $2"
}

need_rust() {
    command -v cargo >/dev/null 2>&1 ||
        fail "'cargo' is not on the PATH." "Install Rust with rustup, https://rustup.rs; it then reads rust-toolchain.toml."
    need cc build-essential
}

# own_settings FOLDER: what is started from here on has the shipped defaults and this folder, emptied, for its state: nothing
# of the caller's settings, calibration and keys.
own_settings() {
    local name
    unset OPENAI_API_KEY OPENAI_BASE_URL
    for name in $(compgen -v CROSSOVER__); do unset "$name"; done
    rm -rf "$1"
    mkdir -p "$1"
    printf 'schema-version = 1\n' >"$1/crossover.toml"
    export CROSSOVER_CONFIG="$1/crossover.toml" CROSSOVER_STATE="$1"
}

# has_hash SHA256 FILE
has_hash() {
    [ -f "$2" ] && printf '%s  %s\n' "$1" "$2" | sha256sum --check --status
}

# venv FOLDER LOG: a virtual environment with pip; what a failed attempt leaves behind is no such one.
venv() {
    "$1/bin/python" -m pip --version >>"$2" 2>&1 && return
    rm -rf "$1"
    python3 -m venv "$1" >>"$2" 2>&1 || {
        rm -rf "$1"
        return 1
    }
}
