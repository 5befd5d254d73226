"""Rows, labels and splits. Everything that decides what may be learnt from stands here.

Labels. Each prompt of the routing data was answered by several models, so `soft` is the mean score of the small
ones (tier `small`, up to 9.5 B parameters) and `gain` the mean of the large ones minus `soft`. The sources were
answered by different models: figures compare within a source only.

Format failures. A model that knows the answer but not the answer format scores near 0. In every source and
category, a model is left out when its mean is below 0.3 of the median model of its tier while that median is at
least 0.15. `results.json` lists what this removed.

Left out entirely. Rows of the category `mmlu`: MMLU is kept for testing.

Splits, by SHA-256 of the row id modulo 100: 0-9 held back (reporting only), 10-19 calibration, the rest training.
"""

import hashlib
import json
import statistics
from dataclasses import dataclass
from pathlib import Path

KEPT_FOR_TESTING = {"mmlu"}
TOO_LOW, MEDIAN_AT_LEAST = 0.3, 0.15
FAMILIES = {  # task families for leave-one-family-out
    "science choice": {"biology", "chemistry", "physics", "engineering", "computer science"},
    "other choice": {"business", "economics", "psychology", "math@mmlu_pro"},
    "math": {"math", "math-l5"},
    "word problems": {"gsm8k"},
    "code": {"mbpp", "human_eval", "crux"},
    "short facts": {"trivia_qa", "arc_challenge", "openbook_qa"},
    "logic and gpqa": {"agentverse-logicgrid", "gpqa"},
    "writing": {"commongen"},
}


@dataclass
class Row:
    id: str
    source: str
    category: str
    prompt: str
    soft: float
    gain: float

    @property
    def right(self) -> bool:
        """Most small models right."""
        return self.soft > 0.5

    @property
    def split(self) -> str:
        bucket = int(hashlib.sha256(self.id.encode()).hexdigest(), 16) % 100
        return "held" if bucket < 10 else "calibration" if bucket < 20 else "train"

    @property
    def family(self) -> str:
        names = (f"{self.category}@{self.source}", self.category)
        return next((f for name in names for f, members in FAMILIES.items() if name in members), "other")


def load(routing: Path) -> tuple[list[Row], list[Row], list[dict]]:
    """Usable rows, rows of families kept for testing, and the model-category pairs left out as format failures."""
    lines = (routing / "models.tsv").read_text(encoding="utf-8").splitlines()[1:]
    tier = {fields[0]: fields[3] for fields in (line.split("\t") for line in lines)}
    raw = [json.loads(line) for line in (routing / "train.jsonl").open(encoding="utf-8")]
    scores: dict = {}
    for r in raw:
        for model, score in r["models"].items():
            scores.setdefault((r["source"], r["category"], tier[model]), {}).setdefault(model, []).append(score)
    dropped, reports = set(), []
    for (source, category, size), models in sorted(scores.items()):
        means = {model: statistics.mean(values) for model, values in models.items()}
        median = statistics.median(means.values())
        for model, mean in sorted(means.items()):
            if median >= MEDIAN_AT_LEAST and mean < TOO_LOW * median:
                dropped.add((source, category, model))
                reports.append({"source": source, "category": category, "tier": size, "model": model,
                                "mean": round(mean, 3), "median": round(median, 3)})
    rows, kept = [], []
    for r in raw:
        groups = {"small": [], "large": []}
        for model, score in r["models"].items():
            if (r["source"], r["category"], model) not in dropped:
                groups[tier[model]].append(score)
        soft, large = statistics.mean(groups["small"]), statistics.mean(groups["large"])
        row = Row(r["id"], r["source"], r["category"], r["prompt"], soft, large - soft)
        (kept if r["category"] in KEPT_FOR_TESTING else rows).append(row)
    return rows, kept, reports
