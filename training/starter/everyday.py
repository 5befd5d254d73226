"""Ask the shipped files the thirty everyday requests through the program, and write everyday.json for the card.

The answers are the local model's, whatever the policy; `tier` is where the policy `balanced` sends the request.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SUITE = ROOT / "evals" / "golden" / "everyday"


def own_settings(folder):
    """The environment of a program that has the shipped defaults and keeps its state in `folder`: none of the caller's settings and keys."""
    config = Path(folder) / "crossover.toml"
    config.write_text("schema-version = 1\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSOVER__", "OPENAI_"))}
    return {**kept, "CROSSOVER_CONFIG": str(config), "CROSSOVER_STATE": str(folder)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "crossover")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        subprocess.run([args.program, "eval", "run", SUITE, "--policy", "balanced", "--out", report, "--save-answers"],
                       check=True, cwd=ROOT, env=own_settings(scratch), stdout=subprocess.DEVNULL)
        found = json.loads(report.read_text())
        answers = [json.loads(line) for line in (Path(scratch) / "report.answers.jsonl").read_text().splitlines()]
    told = {row["id"]: row["text"] for row in answers if row["subject"] == "always-local"}
    scores = {row["id"]: row["score"] for row in found["rows"] if row["subject"] == "always-local"}
    tiers = {row["id"]: row["served_by"] for row in found["rows"] if row["subject"] == "balanced"}
    # The requests themselves stay in evals/: no text of a golden set may stand in training/.
    rows = [{"id": id, "answer": told[id], "score": scores[id], "tier": tiers[id]} for id in told]
    (HERE / "everyday.json").write_text(json.dumps({"rows": rows}, indent=1, ensure_ascii=False) + "\n")
    for row in rows:
        print("right" if row["score"] >= 1 else "WRONG", row["tier"], row["id"], repr(row["answer"][:80]))


if __name__ == "__main__":
    main()
