#!/usr/bin/env python3
"""Writes suite.jsonl from the texts and rules beside it. The same rows, byte by byte, on every machine.

    python3 make.py            write suite.jsonl
    python3 make.py --check    exit 1 when suite.jsonl differs, or a rule below is broken

Promises: needs nothing but Python 3.10; a fixed seed; of rows that are nearly alike only the
first stays; answers are computed wherever they can be.
Nothing here comes from the generators in training/, and nothing here may be used to train, tune or choose a model.
"""

import json
import random
import re
import sys
from collections import Counter
from pathlib import Path

import hard
import knowledge
import narrow
import puzzles

HERE = Path(__file__).resolve().parent
SEED = 20_240_615
# Two prompts that share more of their runs of four words than this are nearly alike.
ALIKE = 0.8
SYSTEMS = ["Think before you answer, but show only what was asked for.", "You are a patient tutor. Short answers.",
           "You work for a puzzle magazine and check its solutions.", "Answer in English. No pleasantries."]


def generator(name):
    """A stream of its own for every family, so that a change in one leaves the others as they are."""
    return random.Random(f"{SEED} {name}")


def rows():
    for family in narrow.FAMILIES:
        yield from ((family.__name__, row) for row in family(generator(family.__name__)))
    for module in (hard, puzzles, knowledge):
        for family, count in module.FAMILIES:
            rng = generator(family.__name__)
            for task, prompt, expected, scorer, difficulty in family(rng, count):
                messages = [{"role": "user", "content": prompt}]
                if rng.random() < 0.12:
                    messages.insert(0, {"role": "system", "content": rng.choice(SYSTEMS)})
                yield family.__name__, {"messages": messages, "expected": expected, "scorer": scorer, "task": task,
                                        "tags": ["hard"], "difficulty": difficulty}


def shingles(row):
    words = re.findall(r"\w+|[^\w\s]", " ".join(message["content"] for message in row["messages"]).lower())
    return {tuple(words[at:at + 4]) for at in range(max(1, len(words) - 3))}


def thinned(made):
    """The rows without those that are nearly like an earlier one; only rows of one family are compared, others share
    no wording."""
    seen = {}
    for family, row in made:
        own = shingles(row)
        others = seen.setdefault(family, [])
        if not any(len(own & other) > ALIKE * len(own | other) for other in others):
            others.append(own)
            yield family, row


def build():
    made = list(thinned((family, {"id": "", **row}) for family, row in rows()))
    generator("order").shuffle(made)
    for number, (_, row) in enumerate(made, 1):
        row["id"] = f"mix-{number:04}"
    problems = []
    halves = Counter(row["tags"][0] for _, row in made)
    if len(made) < 1_200 or min(halves.values()) < 0.45 * len(made):
        problems.append(f"{dict(halves)}: at least 1,200 rows, about half of each kind")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for _, row in made)
    return text, problems, made


def main():
    text, problems, made = build()
    file = HERE / "suite.jsonl"
    if "--check" in sys.argv[1:]:
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            problems.append(f"{file} differs from what make.py writes: run `python3 {Path(__file__).name}`, and raise the version in suite.toml")
    elif not problems:
        part = file.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    for problem in problems:
        print(f"evals/golden/mixed: {problem}", file=sys.stderr)
    if "--count" in sys.argv[1:]:
        for key in ("task", "difficulty"):
            print(dict(Counter(row[key] for _, row in made).most_common()))
        print(dict(Counter(row["tags"][0] for _, row in made)), dict(Counter(family for family, _ in made)))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
