#!/usr/bin/env bash
# Fetches the one ONNX Runtime library that this version of Crossover is built for.
# Promises: takes it, with its licence and notices, out of one fixed PyPI wheel, checks wheel and library by SHA-256, puts
# it at .local/onnxruntime/ in one atomic step, and does nothing when the right library is there already.
# Does not: touch anything outside .local/, need root, or install a Python package.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=1.31.1
wheel="onnxruntime-$version-cp312-cp312-manylinux_2_28_x86_64.whl"
wheel_sha256=1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536
library="libonnxruntime.so.$version"
library_sha256=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
target="$LOCAL/onnxruntime/$library"

if has_hash "$library_sha256" "$target"; then
    exit 0
fi

case "$(uname -s)-$(uname -m)" in
Linux-x86_64) ;;
*)
    if [ -n "${ORT_DYLIB_PATH:-}" ]; then
        say "no pinned ONNX Runtime for $(uname -sm); using ORT_DYLIB_PATH=$ORT_DYLIB_PATH as it is"
        exit 0
    fi
    fail "there is no pinned ONNX Runtime for $(uname -sm), only for Linux x86_64." \
        "Get ONNX Runtime $version for this system and set ORT_DYLIB_PATH to the library's full path."
    ;;
esac

need python3 python3
python=python3
if ! "$python" -m pip --version >/dev/null 2>&1; then
    # Debian ships pip apart from Python; a virtual environment brings its own.
    venv "$LOCAL/py" /dev/null ||
        fail "python3 has neither pip nor venv, and one of them must fetch the ONNX Runtime wheel." \
            "On a Debian-family system: apt-get install python3-pip python3-venv"
    python="$LOCAL/py/bin/python"
fi

mkdir -p "$LOCAL/onnxruntime"
work="$(mktemp -d "$LOCAL/onnxruntime/.fetch.XXXXXX")"
trap 'rm -rf "$work"' EXIT

say "fetching ONNX Runtime $version (24 MB, once)"
"$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$work" \
    --python-version 3.12 --implementation cp --abi cp312 --platform manylinux_2_28_x86_64 \
    "onnxruntime==$version" ||
    fail "pip could not download $wheel." \
        "Check the network and pip's index settings (pip config list), then run: make setup" \
        "Or put the wheel's onnxruntime/capi/$library at $target yourself."

has_hash "$wheel_sha256" "$work/$wheel" ||
    fail "$wheel is missing or does not have the pinned SHA-256 $wheel_sha256; nothing was installed." \
        "A mirror may serve another file: $(cd "$work" && sha256sum -- * | tr '\n' ' ')"

notices=(LICENSE ThirdPartyNotices.txt)
"$python" - "$work/$wheel" "$work" "onnxruntime/capi/$library" "${notices[@]/#/onnxruntime/}" <<'PY'
import pathlib, shutil, sys, zipfile

wheel, folder, *members = sys.argv[1:]
for member in map(pathlib.PurePosixPath, members):
    with zipfile.ZipFile(wheel).open(str(member)) as source, open(pathlib.Path(folder, member.name), "wb") as sink:
        shutil.copyfileobj(source, sink)
PY

has_hash "$library_sha256" "$work/$library" ||
    fail "$library out of $wheel does not have the pinned SHA-256 $library_sha256; nothing was installed."
chmod 0755 "$work/$library"
(cd "$work" && mv -f "${notices[@]}" "$LOCAL/onnxruntime/")
mv -f "$work/$library" "$target"
say "ONNX Runtime $version is at .local/onnxruntime/$library"
