"""Drives `/v1/embeddings` of a running gateway with the official OpenAI Python SDK, unchanged.

Environment: BASE_URL (up to and including /v1), REFERENCE (reference.json of tests/fixtures/embedder). The SDK asks for
base64 unless told otherwise. Prints `N passed, 0 failed` at the end; stops at the first failure.
"""

import json
import os
from pathlib import Path

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="unused", max_retries=0, timeout=60)
ROWS = json.loads(Path(os.environ["REFERENCE"]).read_text(encoding="utf-8"))[:-1]
TEXTS = [row["text"] for row in ROWS]


def close(vector, expected):
    assert len(vector) == len(expected), (len(vector), len(expected))
    apart = max(abs(one - other) for one, other in zip(vector, expected))
    assert apart < 1e-5, apart


def embed(**fields):
    return client.embeddings.create(model="embedder", **fields)


def by_default():
    answer = embed(input=TEXTS)
    assert [row.index for row in answer.data] == list(range(len(TEXTS)))
    for row, expected in zip(answer.data, ROWS):
        close(row.embedding, expected["mean"]["unit"])
    assert answer.usage.prompt_tokens == sum(len(row["ids"]) for row in ROWS)
    assert answer.model == "embedder" and answer.object == "list"


def as_numbers():
    close(embed(input=TEXTS[0], encoding_format="float").data[0].embedding, ROWS[0]["mean"]["unit"])


def fewer_dimensions():
    close(embed(input=TEXTS[1], dimensions=8).data[0].embedding, ROWS[1]["mean"]["eight"])


def token_ids():
    for row, expected in zip(embed(input=[row["ids"] for row in ROWS]).data, ROWS):
        close(row.embedding, expected["mean"]["unit"])


def mistakes():
    try:
        embed(input=TEXTS[0], dimensions=1000)
    except openai.BadRequestError as error:
        assert error.param == "dimensions" and error.request_id, error
    else:
        raise AssertionError("more dimensions than there are")
    try:
        client.embeddings.create(model="no-such", input="a")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error
    else:
        raise AssertionError("a model that is not there")


CHECKS = [by_default, as_numbers, fewer_dimensions, token_ids, mistakes]
for check in CHECKS:
    check()
    print(f"ok {check.__name__}", flush=True)
print(f"{len(CHECKS)} passed, 0 failed")
