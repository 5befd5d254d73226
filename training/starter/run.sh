#!/bin/sh
# Prepare the data, train, export and evaluate the starter model.
#   training/starter/run.sh DATA [WORK] [MINUTES]
# DATA holds the task sets (*.jsonl), WORK keeps intermediate files, MINUTES is the budget of training time.
# PYTHON names an interpreter with training/requirements.txt installed.
# Training goes on where it stopped when WORK already holds a checkpoint.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=$1
work=${2:-.local/starter}
minutes=${3:-90}
python=${PYTHON:-python3}
export OMP_WAIT_POLICY=passive

[ -e "$work/focused.npz" ] || "$python" "$here/prepare.py" --data "$data" --work "$work"
"$python" "$here/train.py" --work "$work" --minutes "$minutes"
"$python" "$here/export.py" --work "$work" --out "$here/../../models/starter" --precision int4
"$python" "$here/export.py" --work "$work" --out "$work/float32" --precision fp32
"$python" "$here/evaluate.py" --data "$data" --work "$work" --model "$here/../../models/starter" --float32 "$work/float32"
"$python" "$here/card.py" --model "$here/../../models/starter"
