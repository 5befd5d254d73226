"""Small jobs on text and numbers in the words of people, written one by one (written/jobs.jsonl): a request and its one right answer.

The generators of numbers, rewriting, commands and chat make many more of the same kinds, in fewer wordings.
"""

from .text import single, written


def job(rng, data=None):
    row = rng.choice(written("jobs", "prompt")[0])
    return single(row["prompt"], row["answer"])


def questions():
    """All held-out rows."""
    for row in written("jobs", "prompt")[1]:
        yield {"task": "jobs_written", "messages": [("user", row["prompt"])], "answer": row["answer"], "scorer": "exact"}


TASKS, HELD_OUT = {"jobs_written": job}, {}
