#!/bin/sh
# Prepare the data, train, export and evaluate the starter model, calibrate routing for it and write its card.
#   training/starter/run.sh DATA ENCODER [WORK] [BROAD] [FOCUSED] [CLOSING] [AGAIN]
# DATA holds the task sets (*.jsonl), ENCODER is MiniLM-L6's folder, WORK keeps intermediate files, BROAD,
# FOCUSED, CLOSING and AGAIN are the tokens of the phases.
# PYTHON names an interpreter with training/requirements.txt installed. BEFORE, if set, names the first starter model, exported, to compare with.
# Training goes on where it stopped when WORK already holds a checkpoint; a GPU is used where there is one (not tried).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=$(realpath "$1")
encoder=$(realpath "$2")
work=$(realpath -m "${3:-.local/starter}")
broad=${4:-4.625e6}
focused=${5:-8e6}
closing=${6:-27.8e6}
again=${7:-32.1e6}
python=${PYTHON:-python3}

[ -e "$work/sense.npz" ] || "$python" "$here/prepare.py" --data "$data" --work "$work" --encoder "$encoder"
"$python" "$here/train.py" --work "$work" --broad "$broad" --focused "$focused" --closing "$closing" --again "$again"
"$python" "$here/export.py" --work "$work" --out "$here/../../models/starter" --precision int8
"$python" "$here/export.py" --work "$work" --out "$work/float32" --precision fp32
"$python" "$here/evaluate.py" --data "$data" --work "$work" --model "$here/../../models/starter" --float32 "$work/float32" ${BEFORE:+--before "$BEFORE"}
cd "$here/../.."
python3 scripts/manifest.py
scripts/evals.sh || [ $? -eq 1 ]  # 1: worse somewhere than the model before; it says where
"$python" "$here/everyday.py"
"$python" "$here/speed.py"
"$python" "$here/card.py" --model "$here/../../models/starter"
