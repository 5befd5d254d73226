// Drives a running gateway with the official OpenAI Node SDK, unchanged.
//
// Environment: BASE_URL (up to and including /v1), MODEL (`local` or `remote`, default `local`), CHECKS
// (comma-separated names; default all), CROSSOVER_TEST_NODE_MODULES (where `openai` is installed).
// Prints `ok NAME` for each check and `N passed, 0 failed` at the end; stops at the first failure with exit code 1.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.CROSSOVER_TEST_NODE_MODULES ?? path.resolve("node_modules");
const entry = createRequire(path.join(path.dirname(path.resolve(modules)), "here.js")).resolve("openai");
const { default: OpenAI } = await import(pathToFileURL(entry));

const MODEL = process.env.MODEL ?? "local";
const LOCAL = MODEL === "local";
const PROMPT = "Classify the message as greeting, question or complaint. Message: hello there, nice to meet you";
const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "unused", maxRetries: 0, timeout: 60_000 });

const user = (content = PROMPT) => [{ role: "user", content }];
const ask = (fields = {}) =>
  client.chat.completions.create({ model: MODEL, messages: user(), max_tokens: 24, temperature: 0, ...fields });

function whole(answer, choices = 1) {
  assert.equal(answer.object, "chat.completion");
  assert.ok(answer.id && answer.created > 0 && answer.model, "id, created or model is missing");
  assert.equal(answer.choices.length, choices);
  for (const choice of answer.choices) {
    assert.equal(choice.message.role, "assistant");
    assert.equal(typeof choice.message.content, "string");
    assert.ok(["stop", "length"].includes(choice.finish_reason), `finish_reason is ${choice.finish_reason}`);
  }
  assert.deepEqual(answer.choices.map((choice) => choice.index).sort(), [...Array(choices).keys()]);
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
  assert.ok(prompt_tokens > 0, "no prompt tokens");
  return answer.choices[0].message.content;
}

async function read(promise) {
  const seen = { text: {}, finish: {}, usage: null, chunks: [] };
  for await (const chunk of await promise) {
    assert.equal(chunk.object, "chat.completion.chunk");
    seen.chunks.push(chunk);
    seen.usage = chunk.usage ?? seen.usage;
    for (const choice of chunk.choices) {
      assert.ok(!(choice.index in seen.finish), `choice ${choice.index} goes on after its finish_reason`);
      seen.text[choice.index] = (seen.text[choice.index] ?? "") + (choice.delta.content ?? "");
      if (choice.finish_reason) seen.finish[choice.index] = choice.finish_reason;
    }
  }
  assert.ok(seen.chunks.length > 0, "the stream is empty");
  assert.deepEqual(Object.keys(seen.finish), Object.keys(seen.text), "not every choice finished");
  return seen;
}

async function refused(kind, promise) {
  const error = await promise.then(
    () => assert.fail(`${kind.name} was not raised`),
    (error) => error,
  );
  assert.ok(error instanceof kind, `expected ${kind.name}, got ${error}`);
  for (const key of ["message", "type", "param", "code"]) {
    assert.ok(key in error.error, `the error has no ${key}: ${JSON.stringify(error.error)}`);
  }
  assert.ok(error.requestID, "the error response has no x-request-id");
  return error;
}

const checks = {
  async whole_answer() {
    whole(await ask());
  },

  async response_headers() {
    const { data, response } = await ask().withResponse();
    assert.ok(response.headers.get("x-request-id"));
    assert.equal(response.headers.get("x-crossover-route"), MODEL);
    assert.equal(response.headers.get("x-crossover-model"), data.model);
    assert.ok(response.headers.get("x-crossover-reason"));
  },

  async streamed_answer() {
    const { text, finish } = await read(ask({ stream: true }));
    assert.deepEqual(Object.keys(finish), ["0"]);
    if (LOCAL) assert.equal(text[0], whole(await ask()), "streamed and whole answer differ at temperature 0");
  },

  async no_usage_unless_asked() {
    const { usage, chunks } = await read(ask({ stream: true }));
    assert.equal(usage, null);
    assert.ok(chunks.every((chunk) => chunk.choices.length > 0), "a chunk without choices came unasked");
  },

  async include_usage() {
    const { usage, chunks } = await read(ask({ stream: true, stream_options: { include_usage: true } }));
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.ok(chunks.at(-1).usage, "usage is not in the last chunk");
  },

  async roles() {
    const call = { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Bern"}' } };
    whole(await ask({ messages: [{ role: "system", content: "Be brief." }, ...user()] }));
    whole(await ask({ messages: [{ role: "developer", content: "Be brief." }, ...user()] }));
    whole(await ask({ messages: [...user("hi"), { role: "assistant", content: "hello" }, ...user()] }));
    whole(
      await ask({
        messages: [
          ...user("How warm is it in Bern?"),
          { role: "assistant", content: null, tool_calls: [call] },
          { role: "tool", tool_call_id: "call_1", content: "21 degrees" },
        ],
      }),
    );
  },

  async content_parts() {
    whole(await ask({ messages: user([{ type: "text", text: PROMPT.slice(0, 30) }, { type: "text", text: PROMPT.slice(30) }]) }));
  },

  async token_limits() {
    for (const fields of [{ max_tokens: 2 }, { max_tokens: undefined, max_completion_tokens: 2 }]) {
      const answer = await ask(fields);
      whole(answer);
      if (LOCAL) assert.ok(answer.usage.completion_tokens <= 2, `${answer.usage.completion_tokens} tokens, not 2`);
    }
  },

  async stop() {
    const full = whole(await ask());
    whole(await ask({ stop: ["\u2603", "\n\n\n"] }));
    if (LOCAL && full.length >= 3) {
      const end = full.slice(1, 3);
      assert.equal(whole(await ask({ stop: end })), full.slice(0, full.indexOf(end)));
      assert.equal((await read(ask({ stop: end, stream: true }))).text[0], full.slice(0, full.indexOf(end)));
    }
  },

  async sampling() {
    const fields = { temperature: 1, top_p: 0.9, seed: 7 };
    assert.equal(whole(await ask(fields)), whole(await ask(fields)), "the same seed gave two texts");
  },

  async several_choices() {
    const answer = await ask({ n: 2, temperature: 1 });
    if (!LOCAL) return;
    whole(answer, 2);
    assert.deepEqual(Object.keys((await read(ask({ n: 2, temperature: 1, stream: true }))).text).sort(), ["0", "1"]);
  },

  async unknown_fields() {
    whole(await ask({ x_future: { deep: [1, null, "\u00e9"] } }));
  },

  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    for (const name of ["auto", "local", "remote"]) assert.ok(names.includes(name), `${name} is not in ${names}`);
    assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
    await refused(OpenAI.NotFoundError, client.models.retrieve("no-such-model"));
  },

  async unknown_model() {
    const error = await refused(OpenAI.NotFoundError, ask({ model: "no-such-model" }));
    assert.equal(error.code, "model_not_found");
  },

  async bad_requests() {
    assert.equal((await refused(OpenAI.BadRequestError, ask({ messages: [] }))).param, "messages");
    assert.equal((await refused(OpenAI.BadRequestError, ask({ temperature: 9 }))).param, "temperature");
    assert.equal((await refused(OpenAI.BadRequestError, ask({ n: 0, stream: true }))).param, "n");
  },

  async leaving_a_stream_early() {
    const stream = await ask({ messages: user("Write a long list of words."), max_tokens: 200, stream: true });
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      break;
    }
    whole(await ask());
  },

  async stream_helper() {
    const runner = client.chat.completions.stream({ model: MODEL, messages: user(), max_tokens: 24, temperature: 0 });
    whole({ ...(await runner.finalChatCompletion()), usage: { prompt_tokens: 1, completion_tokens: 0, total_tokens: 1 } });
  },
};

const chosen = (process.env.CHECKS ?? "").split(",").filter(Boolean);
for (const name of chosen) assert.ok(name in checks, `unknown check ${name}; there are ${Object.keys(checks)}`);
let passed = 0;
for (const [name, check] of Object.entries(checks)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  try {
    await check();
  } catch (error) {
    console.error(error);
    console.log(`FAILED ${name}: ${error.message}\n${passed} passed, 1 failed`);
    process.exit(1);
  }
  passed += 1;
  console.log(`ok ${name}`);
}
console.log(`${passed} passed, 0 failed`);
