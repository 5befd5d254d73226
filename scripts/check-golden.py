#!/usr/bin/env python3
"""Checks evals/golden/*: form of every row, labels, ids, sizes, and that no golden text stands in training/.

Promises: names file, line and trouble for each problem, exits 1 when there is one, needs nothing but Python.
Does not: score anything; that is `crossover eval run`.
"""

import json
import sys
from collections import Counter
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python before 3.11: pip carries the same parser
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
ROW_KEYS = {"id", "messages", "expected", "scorer", "task", "tags"}
SUITE_KEYS = {"name", "version", "about", "scorer", "licence"}
SCORER_KEYS = {
    "exact": set(), "contains": set(), "token_f1": set(), "json_fields": set(),
    "numeric": {"tolerance"}, "choice": {"labels"},
}
EXPECTED = {"numeric": (int, float), "json_fields": dict}
ROLES = {"system", "developer", "user", "assistant"}


def row_problems(row):
    if set(row) != ROW_KEYS:
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
    if isinstance(expected, bool) or not isinstance(expected, EXPECTED.get(kind, str)) or expected in ("", {}):
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
    if sum(tag in ("difficulty-easy", "difficulty-medium", "difficulty-hard") for tag in row["tags"]) != 1:
        found.append("needs exactly one difficulty tag")
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
        if len(last) > 40 and json.dumps(last, ensure_ascii=False)[1:-1] in training:
            yield place, "this text stands in training/: a golden set must not be trained on"
        count["rows"] += 1
    if not 50 <= count["rows"] <= 100:
        yield folder, f"{count['rows']} rows; a golden set has 50 to 100"
    print(f"   {folder.name} {suite.get('version')}: {count['rows']} rows")


def main():
    training = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in sorted((ROOT / "training").rglob("*"))
        if path.suffix in (".py", ".jsonl", ".json", ".txt", ".md") and path.is_file()
    )
    seen, bad = {}, 0
    suites = sorted(path.parent for path in (ROOT / "evals" / "golden").glob("*/suite.toml"))
    for folder in suites:
        for place, problem in check(folder, seen, training):
            print(f"{place}: {problem}", file=sys.stderr)
            bad += 1
    if len(suites) < 3:
        print(f"evals/golden: {len(suites)} suites, expected at least 3", file=sys.stderr)
        bad += 1
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
