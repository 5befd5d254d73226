#!/usr/bin/env python3
"""Checks evals/golden/*, evals/signals and evals/robustness: form of every row, labels, ids, sizes, that sets made by a
program are what it makes, and that no text of more than 40 characters stands in training/, word for word or nearly. Shorter ones, such as greetings, are not
compared.

Promises: names file, line and trouble for each problem, exits 1 when there is one, needs nothing but Python.
Does not: score anything; that is `crossover eval run`.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python before 3.11: pip carries the same parser
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
ROW_KEYS = {"id", "messages", "expected", "scorer", "task", "tags"}
OPTIONAL = {"difficulty"}
SUITE_KEYS = {"name", "version", "about", "scorer", "licence"}
# A set that a program makes is for calibration, which needs many rows; one written by hand is for reports.
SIZES = {"by hand": (50, 100), "by a program": (1_000, 5_000)}
# The one set whose size is fixed: the thirty requests that every starter model is tried on.
FIXED = {"everyday": (30, 30)}
# Runs of so many words are compared with training/; a text that shares half of them is nearly the same.
RUN = 6
PLAIN = {"language.jsonl": {"id", "text", "language", "kind"}, "fresh.jsonl": {"id", "text", "fresh", "part"},
         "task.jsonl": {"id", "text", "task"}, "pairs.jsonl": {"id", "kind", "original", "changed"}}
SCORER_KEYS = {
    "exact": {"case_sensitive"}, "contains": {"case_sensitive", "all"}, "token_f1": set(), "json_fields": set(),
    "numeric": {"tolerance"}, "choice": {"labels"},
}
EXPECTED = {"numeric": (int, float), "json_fields": dict}
ROLES = {"system", "developer", "user", "assistant"}


def runs(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at:at + RUN]) for at in range(len(words) - RUN + 1)}


class Training:
    """Everything that stands in training/."""

    def __init__(self):
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted((ROOT / "training").rglob("*"))
                 if path.suffix in (".py", ".jsonl", ".json", ".txt", ".md") and path.is_file()]
        self.text = "\n".join(texts)
        self.runs = set().union(*map(runs, texts))

    def holds(self, text):
        own = runs(text)
        if len(own) >= 6 and 2 * len(own & self.runs) >= len(own):
            return True
        return len(text) > 40 and json.dumps(text, ensure_ascii=False)[1:-1] in self.text


def row_problems(row):
    if set(row) - OPTIONAL != ROW_KEYS:
        return [f"keys are {sorted(row)}, not {sorted(ROW_KEYS)}"]
    found = []
    messages = row["messages"]
    if not messages or any(set(m) != {"role", "content"} or m["role"] not in ROLES or not m["content"] for m in messages):
        found.append("a message needs a known role and some content")
    elif messages[-1]["role"] != "user":
        found.append("the last message must be the user's")
    scorer = {"kind": row["scorer"]} if isinstance(row["scorer"], str) else dict(row["scorer"])
    kind = scorer.pop("kind", None)
    if kind not in SCORER_KEYS:
        return [*found, f"unknown scorer {kind!r}"]
    if not set(scorer) <= SCORER_KEYS[kind]:
        found.append(f"scorer {kind} does not know {sorted(set(scorer) - SCORER_KEYS[kind])}")
    expected = row["expected"]
    if isinstance(expected, list) and kind in ("exact", "contains", "token_f1"):
        if not expected or len(set(expected)) != len(expected) or not all(isinstance(it, str) and it for it in expected):
            found.append(f"accepted texts must be different and not empty: {expected!r}")
    elif isinstance(expected, bool) or not isinstance(expected, EXPECTED.get(kind, str)) or expected in ("", {}):
        found.append(f"scorer {kind} cannot use expected {expected!r}")
    if kind == "choice":
        labels = scorer.get("labels", [])
        if len(labels) < 2 or len(set(labels)) != len(labels):
            found.append("labels must be at least two, and different")
        if expected not in labels:
            found.append(f"expected {expected!r} is not among the labels {labels}")
        shown = "\n".join(message["content"] for message in messages)
        if missing := [label for label in labels if label not in shown]:
            found.append(f"labels {missing} do not stand in the prompt")
    levels = [tag for tag in row["tags"] if tag in ("difficulty-easy", "difficulty-medium", "difficulty-hard")]
    if len(levels) + (row.get("difficulty") in ("easy", "medium", "hard")) != 1:
        found.append("needs exactly one difficulty: a key, or a tag")
    if len(set(row["tags"])) != len(row["tags"]):
        found.append("a tag stands twice")
    return found


def check(folder, seen, training):
    """Problems of one suite, as (place, what), and its rows."""
    toml = folder / "suite.toml"
    suite = tomllib.loads(toml.read_text(encoding="utf-8"))
    if set(suite) != SUITE_KEYS:
        yield toml, f"keys are {sorted(suite)}, not {sorted(SUITE_KEYS)}"
    if suite.get("name") != folder.name:
        yield toml, f"name is {suite.get('name')!r}, the folder {folder.name!r}"
    readme = folder / "README.md"
    if not readme.exists() or str(suite.get("version")) not in readme.read_text(encoding="utf-8"):
        yield readme, f"must exist and name version {suite.get('version')}"
    count = Counter()
    for number, line in enumerate((folder / "suite.jsonl").read_text(encoding="utf-8").splitlines(), 1):
        place = f"{folder / 'suite.jsonl'}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            yield place, str(error)
            continue
        for problem in row_problems(row):
            yield place, problem
        question = json.dumps(row.get("messages"))
        for what, key in (("id", row.get("id")), ("question", question)):
            if key in seen:
                yield place, f"the same {what} stands at {seen[key]}"
            seen[key] = place
        last = row["messages"][-1]["content"] if row.get("messages") else ""
        if training.holds(last):
            yield place, "this text stands in training/: a golden set must not be trained on"
        count["rows"] += 1
    maker = folder / "make.py"
    least, most = FIXED.get(folder.name, SIZES["by a program" if maker.exists() else "by hand"])
    if not least <= count["rows"] <= most:
        yield folder, f"{count['rows']} rows; a golden set like this has {least} to {most}"
    if maker.exists():
        ran = subprocess.run([sys.executable, "-B", str(maker), "--check"], capture_output=True, text=True, check=False)
        if ran.returncode:
            yield maker, f"--check failed:\n{ran.stderr.strip()}"
    print(f"   {folder.name} {suite.get('version')}: {count['rows']} rows")


def check_plain(file, training):
    """Problems of a file of texts, as (place, what)."""
    seen, rows = {}, 0
    for rows, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        place = f"{file}:{rows}"
        row = json.loads(line)
        if set(row) != PLAIN[file.name]:
            yield place, f"keys are {sorted(row)}, not {sorted(PLAIN[file.name])}"
            continue
        texts = [row[key] for key in ("text", "original", "changed") if key in row]
        for key in (row["id"], json.dumps(texts)):
            if key in seen:
                yield place, f"stands at {seen[key]} already"
            seen[key] = place
        if any(map(training.holds, texts)):
            yield place, "this text stands in training/: what tests a model must not train it"
    if rows < 200:
        yield file, f"{rows} rows; at least 200"
    print(f"   {file.parent.name}/{file.name}: {rows} rows")


def main():
    training = Training()
    seen, bad = {}, 0
    suites = sorted(path.parent for path in (ROOT / "evals" / "golden").glob("*/suite.toml"))
    for folder in suites:
        for place, problem in check(folder, seen, training):
            print(f"{place}: {problem}", file=sys.stderr)
            bad += 1
    for file in sorted([*(ROOT / "evals" / "signals").glob("*.jsonl"), *(ROOT / "evals" / "robustness").glob("*.jsonl")]):
        for place, problem in check_plain(file, training):
            print(f"{place}: {problem}", file=sys.stderr)
            bad += 1
    if len(suites) < 3:
        print(f"evals/golden: {len(suites)} suites, expected at least 3", file=sys.stderr)
        bad += 1
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
