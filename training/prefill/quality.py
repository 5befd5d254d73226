"""What the prefill form does to a model's answers: `python quality.py FOLDER SUITE.jsonl...` prints a Markdown table.

Three ways to read the prompt (float32 activations, the decoder as it is, the prefill form), one decoder for the answer.
`nll` is the mean negative log likelihood of the expected answer's tokens; `KL` and `same first` compare the first
token's distribution with float32's; `same answer` the whole greedy answer.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from jinja2 import Environment
from tokenizers import Tokenizer

LONGEST = 80


def session(model) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def exact(file: Path) -> bytes:
    """The same weights, activations in float32."""
    model = onnx.load(file)
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "MatMulNBits" and attribute.name == "accuracy_level":
                attribute.i = 1
    return model.SerializeToString()


class Decoder:
    def __init__(self, folder: Path):
        genai = json.loads((folder / "genai_config.json").read_text())["model"]
        shape = genai["decoder"]
        self.ends = set(np.atleast_1d(genai["eos_token_id"]).tolist())
        self.empty = {f"past_key_values.{layer}.{part}":
                      np.zeros((1, shape["num_key_value_heads"], 0, shape["head_size"]), np.float32)
                      for layer in range(shape["num_hidden_layers"]) for part in ("key", "value")}
        self.decoder = session(str(folder / "model.onnx"))
        self.readers = {"float32 activations": session(exact(folder / "model.onnx")), "decoder": self.decoder,
                        "prefill form": session(str(folder / "prefill.onnx"))}

    def run(self, which, ids, past, length):
        """Logits of the last token (None of a graph without) and the cache after it."""
        feed = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, length), np.int64), **past}
        out = dict(zip((o.name for o in which.get_outputs()), which.run(None, feed)))
        logits = out.pop("logits", None)
        return logits, {name.replace("present", "past_key_values"): value for name, value in out.items()}

    def read(self, reader: str, prompt):
        """All but the last prompt token through the reader, the last one through the decoder."""
        _, past = self.run(self.readers[reader], prompt[:-1], self.empty, len(prompt) - 1)
        logits, past = self.run(self.decoder, prompt[-1:], past, len(prompt))
        return logits[0, -1], past

    def greedy(self, logits, past, length):
        out = []
        while len(out) < LONGEST:
            token = int(logits.argmax())
            if token in self.ends:
                break
            out.append(token)
            length += 1
            logits, past = self.run(self.decoder, [token], past, length)
            logits = logits[0, -1]
        return out

    def surprise(self, logits, past, length, answer):
        total = 0.0
        for token in answer:
            total -= log_softmax(logits)[token]
            length += 1
            logits, past = self.run(self.decoder, [token], past, length)
            logits = logits[0, -1]
        return total


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("suites", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="use every n-th sample only")
    wanted = parser.parse_args()
    decoder = Decoder(wanted.folder)
    tokenizer = Tokenizer.from_file(str(wanted.folder / "tokenizer.json"))
    template = Environment().from_string((wanted.folder / "chat_template.jinja").read_text())
    sums, samples, tokens = defaultdict(lambda: defaultdict(float)), 0, 0
    for suite in wanted.suites:
        for line in suite.read_text().splitlines()[:: wanted.every]:
            row = json.loads(line)
            text = template.render(messages=row["messages"], add_generation_prompt=True)
            prompt = tokenizer.encode(text, add_special_tokens=False).ids
            expected = row["expected"]
            expected = expected if isinstance(expected, str) else json.dumps(expected)
            answer = tokenizer.encode(expected, add_special_tokens=False).ids
            if len(prompt) + max(len(answer), LONGEST) > 1000:
                continue
            samples, tokens, first = samples + 1, tokens + len(answer), None
            for reader in decoder.readers:
                logits, past = decoder.read(reader, prompt)
                words, chance = decoder.greedy(logits, past, len(prompt)), log_softmax(logits)
                first = first or (words, chance)
                sums[reader]["nll"] += decoder.surprise(logits, past, len(prompt), answer)
                sums[reader]["kl"] += float((np.exp(first[1]) * (first[1] - chance)).sum())
                sums[reader]["first"] += int(first[1].argmax() == chance.argmax())
                sums[reader]["same"] += int(first[0] == words)
    print(f"{samples} prompts, {tokens} expected tokens\n")
    print("| prompt read by | nll | KL | same first | same answer |\n|---|---|---|---|---|")
    for reader, sum_ in sums.items():
        print(f"| {reader} | {sum_['nll'] / tokens:.4f} | {sum_['kl'] / samples:.5f} | {sum_['first'] / samples:.1%} "
              f"| {sum_['same'] / samples:.1%} |")


if __name__ == "__main__":
    main()
