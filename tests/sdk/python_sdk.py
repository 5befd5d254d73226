"""Drives a running gateway with the official OpenAI Python SDK, unchanged.

Environment: BASE_URL (up to and including /v1), MODEL (`local` or `remote`, default `local`), CHECKS (comma-separated
names; default all). With MODEL=remote a scripted upstream answers, so only what the gateway itself owes is checked.
Prints `ok NAME` for each check and `N passed, 0 failed` at the end; stops at the first failure with exit code 1.
"""

import asyncio
import json
import os
import sys
import traceback
import typing

import openai
import pydantic
from openai import AsyncOpenAI, OpenAI

BASE_URL = os.environ["BASE_URL"]
MODEL = os.environ.get("MODEL", "local")
LOCAL = MODEL == "local"
OPTIONS = {"base_url": BASE_URL, "api_key": "unused", "max_retries": 0, "timeout": 60}
PROMPT = "Classify the message as greeting, question or complaint. Message: hello there, nice to meet you"

client = OpenAI(**OPTIONS)
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def user(text=PROMPT):
    return [{"role": "user", "content": text}]


def ask(messages=None, **fields):
    fields.setdefault("max_tokens", 24)
    fields.setdefault("temperature", 0)
    return client.chat.completions.create(model=MODEL, messages=messages or user(), **fields)


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def whole(answer, choices=1):
    expect(answer.object == "chat.completion", f"object is {answer.object!r}")
    expect(answer.id and answer.created > 0 and answer.model, f"id, created or model is missing: {answer}")
    expect(len(answer.choices) == choices, f"{len(answer.choices)} choices, expected {choices}")
    for index, choice in enumerate(sorted(answer.choices, key=lambda choice: choice.index)):
        expect(choice.index == index, f"choice {index} has index {choice.index}")
        expect(choice.message.role == "assistant", f"role is {choice.message.role!r}")
        expect(isinstance(choice.message.content, str), f"content is {choice.message.content!r}")
        expect(choice.finish_reason in ("stop", "length"), f"finish_reason is {choice.finish_reason!r}")
    usage = answer.usage
    expect(usage and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, f"usage is {usage}")
    expect(usage.prompt_tokens > 0, f"usage is {usage}")
    return answer.choices[0].message.content


def read(stream):
    """The text of each choice, the finish reasons, the usage and the chunks of one stream."""
    text, finish, usage, chunks = {}, {}, None, []
    for chunk in stream:
        expect(chunk.object == "chat.completion.chunk", f"object is {chunk.object!r}")
        chunks.append(chunk)
        usage = chunk.usage or usage
        for choice in chunk.choices:
            expect(choice.index not in finish, f"choice {choice.index} goes on after its finish_reason")
            text[choice.index] = text.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                finish[choice.index] = choice.finish_reason
    expect(chunks, "the stream is empty")
    expect(len({chunk.id for chunk in chunks}) == 1, "chunks of one answer have different ids")
    expect(finish.keys() == text.keys(), f"choices {sorted(text)}, but only {sorted(finish)} finished")
    return text, finish, usage, chunks


def refused(status, function):
    try:
        function()
    except status as error:
        body = error.body
        expect(isinstance(body, dict), f"error body is {body!r}")
        for key in ("message", "type", "param", "code"):
            expect(key in body, f"the error has no {key!r}: {body}")
        expect(body["message"] and body["type"], f"message or type is empty: {body}")
        expect(error.request_id, "the error response has no x-request-id")
        return error
    raise AssertionError(f"{status.__name__} was not raised")


@check
def whole_answer():
    whole(ask())


@check
def response_headers():
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=user(), max_tokens=8)
    expect(raw.headers.get("x-request-id"), "no x-request-id")
    expect(raw.headers.get("x-crossover-route") == MODEL, f"x-crossover-route is {raw.headers.get('x-crossover-route')!r}")
    expect(raw.headers.get("x-crossover-model"), "no x-crossover-model")
    expect(raw.headers.get("x-crossover-reason"), "no x-crossover-reason")
    expect(raw.headers["x-crossover-model"] == raw.parse().model, "header and body name different models")


@check
def streamed_answer():
    text, finish, _, _ = read(ask(stream=True))
    expect(list(text) == [0] and finish[0] in ("stop", "length"), f"{text} {finish}")
    if LOCAL:
        expect(text[0] == whole(ask()), "streamed and whole answer differ at temperature 0")


@check
def log_probabilities():
    if not LOCAL:
        return
    answer = ask(logprobs=True, top_logprobs=2, max_tokens=8)
    content = answer.choices[0].logprobs.content
    text = b"".join(bytes(token.bytes) for token in content).decode()
    expect(text == answer.choices[0].message.content, f"tokens spell {text!r}")
    for token in content:
        expect(token.logprob <= 0 and len(token.top_logprobs) == 2, f"{token}")
        expect(token.top_logprobs[0].logprob == token.logprob, f"not the likeliest at temperature 0: {token}")
    streamed = [
        token
        for chunk in ask(logprobs=True, top_logprobs=2, max_tokens=8, stream=True)
        for choice in chunk.choices
        if choice.logprobs
        for token in choice.logprobs.content
    ]
    expect(streamed == content, "streamed and whole log probabilities differ")
    expect(ask(max_tokens=2).choices[0].logprobs is None, "log probabilities came unasked")
    error = refused(openai.BadRequestError, lambda: ask(top_logprobs=2))
    expect(error.param == "top_logprobs", f"param is {error.param!r}")


@check
def json_object():
    if not LOCAL:
        return
    answer = ask(response_format={"type": "json_object"}, max_tokens=200, temperature=1, seed=1)
    if answer.choices[0].finish_reason == "stop":
        expect(isinstance(json.loads(answer.choices[0].message.content), dict), f"{answer}")


@check
def parsed_into_a_pydantic_model():
    if not LOCAL:
        return

    class Place(pydantic.BaseModel):
        kind: typing.Literal["home", "work"]
        floor: typing.Annotated[int, pydantic.Field(ge=0, le=99)]
        lift: typing.Optional[bool]

    class Message(pydantic.BaseModel):
        label: typing.Literal["greeting", "question", "complaint"]
        places: typing.Annotated[list[Place], pydantic.Field(max_length=2)]

    for seed in range(5):
        completion = client.chat.completions.parse(
            model=MODEL, messages=user(), response_format=Message, max_tokens=200, temperature=2, seed=seed
        )
        expect(isinstance(completion.choices[0].message.parsed, Message), f"{completion}")
    with client.chat.completions.stream(
        model=MODEL, messages=user(), response_format=Message, max_tokens=200, temperature=2, seed=4
    ) as stream:
        final = stream.get_final_completion()
    expect(final.choices[0].message.parsed == completion.choices[0].message.parsed, "streamed and whole differ")


@check
def schemas_that_cannot_be_used():
    if not LOCAL:
        return
    for schema in ({"type": "strin"}, {"$ref": "http://127.0.0.1:1/x"}):
        asked = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
        error = refused(openai.BadRequestError, lambda: ask(response_format=asked))
        expect(error.param == "response_format", f"param is {error.param!r}")


@check
def penalties_and_biases():
    if not LOCAL:
        return
    whole(ask(frequency_penalty=2, presence_penalty=-2, extra_body={"min_p": 0.1, "repetition_penalty": 1.2, "top_k": 5}))
    forced = ask(logit_bias={"65": 100}, logprobs=True, max_tokens=3)
    tokens = [token.token for token in forced.choices[0].logprobs.content]
    expect(len(tokens) == 3 and len(set(tokens)) == 1, f"one token was forced, {tokens} came")
    banned = ask(logit_bias={"65": -100}, logprobs=True, max_tokens=3)
    expect(tokens[0] not in [token.token for token in banned.choices[0].logprobs.content], f"{banned}")
    error = refused(openai.BadRequestError, lambda: ask(logit_bias={"99999999": 1}))
    expect(error.param == "logit_bias", f"param is {error.param!r}")


@check
def no_usage_unless_asked():
    _, _, usage, chunks = read(ask(stream=True))
    expect(usage is None, f"usage came unasked: {usage}")
    expect(all(chunk.choices for chunk in chunks), "a chunk without choices came unasked")


@check
def include_usage():
    _, _, usage, chunks = read(ask(stream=True, stream_options={"include_usage": True}))
    expect(usage is not None, "no usage chunk")
    expect(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, f"usage is {usage}")
    expect(chunks[-1].usage is not None and not chunks[-1].choices, "usage is not in a last chunk of its own")


@check
def roles():
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    whole(ask([{"role": "system", "content": "Be brief."}, *user()]))
    whole(ask([{"role": "developer", "content": "Be brief."}, *user()]))
    whole(ask([*user("hi"), {"role": "assistant", "content": "hello"}, *user()]))
    whole(ask([
        *user("How warm is it in Bern?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"},
    ]))


@check
def content_parts():
    parts = [{"type": "text", "text": PROMPT[:30]}, {"type": "text", "text": PROMPT[30:]}]
    whole(ask([{"role": "user", "content": parts}]))
    whole(ask([{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, *user()]))


@check
def token_limits():
    for name in ("max_tokens", "max_completion_tokens"):
        fields = {"max_tokens": openai.omit, name: 2}
        answer = ask(**fields)
        whole(answer)
        if LOCAL:
            expect(answer.usage.completion_tokens <= 2, f"{name}=2 gave {answer.usage.completion_tokens} tokens")


@check
def stop():
    full = whole(ask())
    whole(ask(stop="\u2603"))
    whole(ask(stop=["\u2603", "\n\n\n"]))
    if LOCAL and len(full) >= 3:
        end = full[1:3]
        cut = ask(stop=[end])
        expect(whole(cut) == full[: full.index(end)], f"stop={end!r} turned {full!r} into {whole(cut)!r}")
        expect(cut.choices[0].finish_reason == "stop", f"finish_reason is {cut.choices[0].finish_reason!r}")
        text, _, _, _ = read(ask(stop=[end], stream=True))
        expect(text[0] == full[: full.index(end)], f"the stream with stop={end!r} says {text[0]!r}")


@check
def sampling():
    fields = {"temperature": 1.0, "top_p": 0.9, "seed": 7}
    first, second = whole(ask(**fields)), whole(ask(**fields))
    expect(first == second, f"the same seed gave {first!r} and {second!r}")
    whole(ask(temperature=2, top_p=1, seed=-1))


@check
def several_choices():
    if LOCAL:
        whole(ask(n=2, temperature=1.0), choices=2)
        text, _, _, _ = read(ask(n=2, temperature=1.0, stream=True))
        expect(sorted(text) == [0, 1], f"choices {sorted(text)}, expected 0 and 1")
    else:
        ask(n=2)


@check
def unknown_fields():
    whole(ask(extra_body={"x_future": {"deep": [1, None, "\u00e9"]}}))
    whole(ask(user="somebody", metadata={"team": "a"}))


@check
def unicode_survives():
    text, _, _, _ = read(ask(user("Gr\u00fc\u00dfe, \u4f60\u597d, \U0001f44b\U0001f3fd! Classify: greeting or other?"), stream=True))
    expect("\ufffd" not in text[0], f"half a character in {text[0]!r}")


@check
def models():
    names = [model.id for model in client.models.list()]
    for name in ("auto", "local", "remote"):
        expect(name in names, f"{name!r} is not in {names}")
    found = client.models.retrieve(MODEL)
    expect(found.id == MODEL and found.object == "model" and found.owned_by, f"{found}")
    refused(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"))


@check
def unknown_model():
    error = refused(
        openai.NotFoundError,
        lambda: client.chat.completions.create(model="no-such-model", messages=user()),
    )
    expect(error.code == "model_not_found", f"code is {error.code!r}")


@check
def bad_requests():
    error = refused(openai.BadRequestError, lambda: client.chat.completions.create(model=MODEL, messages=[]))
    expect(error.param == "messages", f"param is {error.param!r}")
    for name, value in (("temperature", 9), ("top_p", -1), ("n", 0), ("max_tokens", -5)):
        error = refused(openai.BadRequestError, lambda name=name, value=value: ask(**{name: value}))
        expect(error.param == name, f"{name}={value}: param is {error.param!r}")
    error = refused(openai.BadRequestError, lambda: ask(extra_body={"temperature": "warm"}))
    expect(error.param == "temperature", f"param is {error.param!r}")
    refused(openai.BadRequestError, lambda: ask([{"role": "wizard", "content": "hi"}]))
    refused(openai.BadRequestError, lambda: ask(stream=True, extra_body={"messages": "hi"}))


@check
def leaving_a_stream_early():
    for _ in range(3):
        stream = ask(user("Write a long list of words."), max_tokens=200, stream=True)
        next(iter(stream))
        stream.close()
    whole(ask())


@check
def many_at_once():
    async def go():
        async with AsyncOpenAI(**OPTIONS) as many:

            async def one(index):
                stream = await many.chat.completions.create(
                    model=MODEL, messages=user(), max_tokens=8, temperature=0, stream=index % 2 == 0
                )
                if index % 2:
                    return whole(stream)
                return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

            return await asyncio.gather(*(one(index) for index in range(6)))

    texts = set(asyncio.run(go()))
    if LOCAL:
        expect(len(texts) == 1, f"six equal requests at temperature 0 gave {texts}")


def main():
    chosen = [name for name in os.environ.get("CHECKS", "").split(",") if name]
    known = {function.__name__ for function in CHECKS}
    if unknown := set(chosen) - known:
        sys.exit(f"unknown checks {sorted(unknown)}; there are {sorted(known)}")
    passed = 0
    for function in CHECKS:
        name = function.__name__
        if chosen and name not in chosen:
            continue
        try:
            function()
        except Exception as error:
            traceback.print_exc()
            print(f"FAILED {name}: {type(error).__name__}: {error}")
            print(f"{passed} passed, 1 failed")
            sys.exit(1)
        passed += 1
        print(f"ok {name}", flush=True)
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
