#!/bin/sh
# Prepare the data, train, export and evaluate the starter model.
#   training/starter/run.sh DATA ENCODER [WORK] [TOKENS]
# DATA holds the task sets (*.jsonl), ENCODER is MiniLM-L6's folder, WORK keeps intermediate files, TOKENS is the training budget.
# PYTHON names an interpreter with training/requirements.txt installed. BEFORE, if set, names the exported starter model to compare with.
# Training goes on where it stopped when WORK already holds a checkpoint; a GPU is used where there is one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=$1
encoder=$2
work=${3:-.local/starter}
tokens=${4:-16e6}
python=${PYTHON:-python3}

[ -e "$work/spans.npy" ] || "$python" "$here/prepare.py" --data "$data" --work "$work" --encoder "$encoder"
"$python" "$here/train.py" --work "$work" --tokens "$tokens"
"$python" "$here/export.py" --work "$work" --out "$here/../../models/starter" --precision int4
"$python" "$here/export.py" --work "$work" --out "$work/float32" --precision fp32
"$python" "$here/evaluate.py" --data "$data" --work "$work" --model "$here/../../models/starter" --float32 "$work/float32" ${BEFORE:+--before "$BEFORE"}
"$python" "$here/card.py" --model "$here/../../models/starter"
