"""Drives tool calls of a running gateway with the official OpenAI Python SDK, unchanged.

Environment: BASE_URL (up to and including /v1), MODEL (`local`, a model whose chat template offers tools). Prints
`ok NAME` for each check and `N passed, 0 failed` at the end; stops at the first failure with exit code 1.
"""

import json
import os
import sys
import traceback
from typing import Literal

import openai
from openai import OpenAI
from pydantic import BaseModel

MODEL = os.environ["MODEL"]
client = OpenAI(base_url=os.environ["BASE_URL"], api_key="unused", max_retries=0, timeout=60)
CHECKS = []


class Mood(BaseModel):
    mood: Literal["glad", "sad"]
    loud: bool


def function(name, properties, **more):
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": schema, **more}}


LEVEL = function("set_level", {"level": {"type": "integer", "minimum": 1, "maximum": 9}}, description="Sets it")
NOW = function("now", {})
ASK = [{"role": "user", "content": "Set the level to 7."}]


def check(run):
    CHECKS.append(run)
    return run


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def ask(messages=ASK, **fields):
    fields = {"max_tokens": 300, "temperature": 1.5, "seed": 3, "tools": [LEVEL, NOW], **fields}
    return client.chat.completions.create(model=MODEL, messages=messages, **fields)


def refused(param, **fields):
    try:
        ask(**fields)
    except openai.BadRequestError as error:
        expect(error.param == param, f"param is {error.param!r}, not {param!r}: {error}")
        return
    raise AssertionError(f"{param} was not refused")


def valid(call):
    arguments = json.loads(call.function.arguments)
    if call.function.name == "set_level":
        expect(list(arguments) == ["level"] and 1 <= arguments["level"] <= 9, f"{call}")
    else:
        expect(call.function.name == "now" and arguments == {}, f"{call}")


def called(answer, calls=None):
    choice = answer.choices[0]
    expect(choice.finish_reason == "tool_calls", f"{choice}")
    expect(choice.message.content is None, f"content is {choice.message.content!r}")
    expect(calls is None or len(choice.message.tool_calls) == calls, f"{choice}")
    for call in choice.message.tool_calls:
        expect(call.id and call.type == "function", f"{call}")
        valid(call)
    return choice.message.tool_calls


@check
def required():
    called(ask(tool_choice="required", parallel_tool_calls=False), 1)
    called(ask(tool_choice="required"))


@check
def named():
    for seed in range(3):
        choice = {"type": "function", "function": {"name": "set_level"}}
        call = called(ask(tool_choice=choice, seed=seed), 1)[0]
        expect(call.function.name == "set_level", f"{call}")


@check
def older_form():
    fields = {"model": MODEL, "messages": ASK, "functions": [LEVEL["function"]], "max_tokens": 300}
    fields["function_call"] = {"name": "set_level"}
    choice = client.chat.completions.create(**fields).choices[0]
    expect(choice.finish_reason == "function_call" and not choice.message.tool_calls, f"{choice}")
    call = choice.message.function_call
    expect(call.name == "set_level" and 1 <= json.loads(call.arguments)["level"] <= 9, f"{call}")
    pieces = [chunk.choices[0] for chunk in client.chat.completions.create(**fields, stream=True)]
    calls = [piece.delta.function_call for piece in pieces if piece.delta.function_call]
    expect(calls[0].name == "set_level" and pieces[-1].finish_reason == "function_call", f"{pieces}")
    expect(1 <= json.loads("".join(call.arguments or "" for call in calls))["level"] <= 9, f"{calls}")


@check
def allowed():
    inner = {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]}
    calls = called(ask(tool_choice={"type": "allowed_tools", "allowed_tools": inner}))
    expect(all(call.function.name == "now" for call in calls), f"{calls}")


@check
def none_and_auto():
    message = ask(tool_choice="none", max_tokens=8).choices[0].message
    expect(not message.tool_calls and isinstance(message.content, str), f"{message}")
    for seed in range(3):
        choice = ask(tool_choice="auto", max_tokens=40, seed=seed).choices[0]
        for call in choice.message.tool_calls or []:
            valid(call)


@check
def streamed():
    calls, finish = {}, None
    for chunk in ask(tool_choice="required", stream=True):
        choice = chunk.choices[0]
        finish = choice.finish_reason or finish
        expect(not choice.delta.content, f"content: {choice.delta}")
        for piece in choice.delta.tool_calls or []:
            if piece.index not in calls:
                expect(piece.id and piece.type == "function" and piece.function.arguments == "", f"{piece}")
                calls[piece.index] = piece
            else:
                expect(piece.id is None and piece.function.name is None, f"{piece}")
                calls[piece.index].function.arguments += piece.function.arguments
    expect(finish == "tool_calls", f"finish_reason is {finish!r}")
    expect(sorted(calls) == list(range(len(calls))) and calls, f"indices {sorted(calls)}")
    for call in calls.values():
        valid(call)
    whole = called(ask(tool_choice="required"))
    same = [(call.function.name, call.function.arguments) for call in calls.values()]
    expect(same == [(call.function.name, call.function.arguments) for call in whole], f"{same} {whole}")


@check
def stream_helper():
    tool = openai.pydantic_function_tool(Mood, name="mood")
    fields = {"model": MODEL, "messages": ASK, "tools": [tool], "tool_choice": "required", "max_tokens": 300}
    with client.chat.completions.stream(**fields, parallel_tool_calls=False) as stream:
        kinds = {event.type for event in stream}
        expect("tool_calls.function.arguments.done" in kinds, f"{kinds}")
        message = stream.get_final_completion().choices[0].message
    expect(isinstance(message.tool_calls[0].function.parsed_arguments, Mood), f"{message}")


@check
def parsed():
    tool = openai.pydantic_function_tool(Mood, name="mood")
    answer = client.chat.completions.parse(
        model=MODEL, messages=ASK, tools=[tool], tool_choice="required", parallel_tool_calls=False, max_tokens=300
    )
    mood = answer.choices[0].message.tool_calls[0].function.parsed_arguments
    expect(isinstance(mood, Mood), f"{answer}")


@check
def round_trip():
    answer = ask(tool_choice="required", parallel_tool_calls=False)
    message = answer.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "done"}
    again = ask([*ASK, message, result], tool_choice="none", max_tokens=8).choices[0]
    expect(isinstance(again.message.content, str), f"{again}")


@check
def several_choices():
    answer = ask(tool_choice="required", parallel_tool_calls=False, n=2)
    for choice in answer.choices:
        expect(choice.finish_reason == "tool_calls" and len(choice.message.tool_calls) == 1, f"{choice}")


@check
def bad_tools():
    refused("tools[0].function.name", tools=[function("no spaces", {})])
    refused("tool_choice.function.name", tool_choice={"type": "function", "function": {"name": "other"}})
    refused("tool_choice", tool_choice="sometimes")
    refused("tools[0].function.parameters", tools=[{"type": "function", "function": {"name": "f", "parameters": []}}])
    outwards = function("f", {"a": {"$ref": "https://schemas.invalid/schema.json"}}, strict=True)
    refused("tools", tools=[outwards], tool_choice="required")


def main():
    for passed, run in enumerate(CHECKS):
        try:
            run()
        except Exception as error:
            traceback.print_exc()
            print(f"FAILED {run.__name__}: {type(error).__name__}: {error}")
            print(f"{passed} passed, 1 failed")
            sys.exit(1)
        print(f"ok {run.__name__}", flush=True)
    print(f"{len(CHECKS)} passed, 0 failed")


if __name__ == "__main__":
    main()
