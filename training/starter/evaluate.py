"""Ask the exported model every held-out question and write results.json beside this file.

Runs a folder exported by export.py through ONNX Runtime with greedy decoding; given a second folder (the same
weights in float32) it reports both.  Baselines answer the same questions: the majority answer, word overlap with
the label's name, and the nearest trained text by TF-IDF.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer

import wordings as W
from common import CONTEXT
from prepare import command_rows, held_out_intent, held_out_text, load, plain, render, typed


class Exported:
    """An ONNX Runtime GenAI folder and greedy decoding with it."""

    def __init__(self, folder, threads):
        genai = json.loads((folder / "genai_config.json").read_text())["model"]
        decoder = genai["decoder"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(folder / decoder["filename"]), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.ends = set(genai["eos_token_id"])
        self.layers = decoder["num_hidden_layers"]
        self.empty = np.zeros((1, decoder["num_key_value_heads"], 0, decoder["head_size"]), dtype=np.float32)
        self.outputs = [output.name for output in self.session.get_outputs()]

    def answer(self, messages, limit=80):
        tokens = self.tokenizer.encode("".join(text for text, _ in render(messages, True)), add_special_tokens=False).ids
        past = {f"past_key_values.{layer}.{part}": self.empty for layer in range(self.layers) for part in ("key", "value")}
        feed, length, out = tokens, len(tokens), []
        while len(out) < limit and length < CONTEXT:
            inputs = {"input_ids": np.array([feed], dtype=np.int64), "attention_mask": np.ones((1, length), dtype=np.int64)}
            results = dict(zip(self.outputs, self.session.run(None, {**inputs, **past})))
            token = int(results["logits"][0, -1].argmax())
            if token in self.ends:
                break
            out.append(token)
            past = {name.replace("present", "past_key_values"): array for name, array in results.items() if name != "logits"}
            feed, length = [token], length + 1
        return self.tokenizer.decode(out, skip_special_tokens=False).strip()


class Score:
    """Exact answers for text tasks; pairs found, given and right for JSON tasks."""

    def __init__(self):
        self.asked, self.right, self.given, self.wanted, self.pairs, self.valid = 0, 0, 0, 0, 0, 0

    def add(self, expected, got):
        self.asked += 1
        if not isinstance(expected, dict):
            self.right += got == expected
            return
        if isinstance(got, str):
            try:
                got = json.loads(got)
            except ValueError:
                got = None
        if isinstance(got, dict):
            self.valid += 1
        found = {(key, str(value)) for key, value in (got.items() if isinstance(got, dict) else ()) if value is not None}
        wanted = {(key, str(value)) for key, value in expected.items()}
        self.right += found == wanted
        self.given += len(found)
        self.wanted += len(wanted)
        self.pairs += len(found & wanted)

    def report(self):
        out = {"questions": self.asked, "exact": round(self.right / self.asked, 4)}
        if self.wanted:
            out["f1"] = round(2 * self.pairs / max(1, self.given + self.wanted), 4)
            out["valid_json"] = round(self.valid / self.asked, 4)
        return out


def groups_of(question):
    yield question["task"]
    if question["task"].startswith("intent_seen_") and "wording" not in question["task"]:
        yield "intent_seen"
    if question["task"].startswith("slots_") and "unseen" not in question["task"]:
        yield "slots"
    if question["task"] == "sums":
        yield {"+": "sums_add", "-": "sums_subtract", "*": "sums_multiply", "/": "sums_divide"}[question["sign"]]
        yield f"sums_{question['digits']}_digits"


def report(questions, answer):
    scores = defaultdict(Score)
    for question in questions:
        got = answer(question)
        for group in groups_of(question):
            scores[group].add(question["answer"], got)
    return {group: scores[group].report() for group in sorted(scores)}


class Baselines:
    """What simple methods answer to the same questions."""

    def __init__(self, folder, questions):
        intents, slots, _ = load(folder)
        rows = [(text, (source, intent)) for source, table in intents[0].items() for intent, texts in table.items()
                if not held_out_intent(intent) for text in texts]
        rows += [(text, name) for name, texts in W.SUPPORT.items() for text in texts if not held_out_text(text)]
        self.keys = sorted({key for _, key in rows}, key=str)
        numbers = {key: number for number, key in enumerate(self.keys)}
        self.vectors = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
        self.trained = self.vectors.fit_transform([text for text, _ in rows])
        self.trained_key = np.array([numbers[key] for _, key in rows])
        self.numbers = numbers
        self.frequency = Counter(self.trained_key.tolist())
        self.name_vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit([text for text, _ in rows])
        self.values = defaultdict(Counter)
        for table in slots[0].values():
            for row in table:
                for slot in row["slots"]:
                    self.values[slot["slot"]][slot["value"]] += 1
        self.commands = [row for row in command_rows(folder) if not held_out_text(row[0])]
        self.command_vectors = TfidfVectorizer().fit([task for task, _ in self.commands])
        self.command_rows = self.command_vectors.transform([task for task, _ in self.commands])
        self.sum_answer = Counter(question["answer"] for question in questions if question["task"] == "sums").most_common(1)[0][0]
        self.command_answer = Counter(command for _, command in self.commands).most_common(1)[0][0]

    def options(self, question):
        return [self.numbers.get(tuple(key) if isinstance(key, list) else key) for key in question["keys"]]

    def majority(self, question):
        if "labels" in question:
            return max(zip(question["labels"], self.options(question)), key=lambda pair: self.frequency.get(pair[1], 0))[0]
        if question["task"] == "sums":
            return self.sum_answer
        if question["task"] == "commands":
            return self.command_answer
        return {key: typed(kind, self.values[kind].most_common(1)[0][0]) for key, kind in zip(question["answer"], question["kinds"])
                if self.values[kind]}

    def nearest(self, question):
        """Nearest trained text among the offered labels; for slots the longest known value that stands in the text."""
        if "labels" in question:
            options = self.options(question)
            if None in options:
                return self.name_overlap(question)
            near = (self.trained @ self.vectors.transform([question["text"]]).T).toarray().ravel()
            return question["labels"][int(np.argmax([near[self.trained_key == number].max() for number in options]))]
        if question["task"] == "sums":
            return self.sum_answer
        if question["task"] == "commands":
            near = self.command_rows @ self.command_vectors.transform([question["text"]]).T
            return self.commands[int(near.toarray().argmax())][1]
        found = {}
        for key, kind in zip(question["answer"], question["kinds"]):
            inside = [value for value in self.values[kind] if value in question["text"]]
            if inside:
                found[key] = typed(kind, max(inside, key=len))
        return found

    def name_overlap(self, question):
        names = self.name_vectors.transform([plain(label) for label in question["labels"]])
        return question["labels"][int((names @ self.name_vectors.transform([question["text"].lower()]).T).toarray().argmax())]

    def report(self, questions):
        choices = [question for question in questions if "labels" in question]
        return {
            "majority": report(questions, self.majority),
            "tfidf_nearest": report(questions, self.nearest),
            "name_overlap": report(choices, self.name_overlap),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the task sets (*.jsonl)")
    parser.add_argument("--work", type=Path, required=True, help="folder prepare.py and train.py wrote to")
    parser.add_argument("--model", type=Path, required=True, help="exported folder that ships")
    parser.add_argument("--float32", type=Path, help="the same weights exported in float32")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    parser.add_argument("--every", type=int, default=1, help="ask only every n-th question")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print wrong answers")
    args = parser.parse_args()

    with open(args.work / "heldout.jsonl", encoding="utf-8") as handle:
        questions = [json.loads(line) for line in handle][:: args.every]
    results = {"decoding": "greedy", "questions": len(questions)}
    with open(args.work / "train.log", encoding="utf-8") as handle:
        last = json.loads(handle.readlines()[-1])
    results["training"] = {"minutes": round(last["elapsed"] / 60, 1), "steps": last["steps"], "tokens": last["tokens"]}
    for name, folder in (("shipped", args.model), ("float32", args.float32)):
        if folder is None:
            continue
        model, started = Exported(folder, args.threads), time.monotonic()

        def ask(question):
            got = model.answer(question["messages"])
            if args.show and name == "shipped" and got != question["answer"]:
                print(question["task"], "|", question["messages"][-1][1], "|", question["answer"], "|", got)
            return got

        results[name] = report(questions, ask)
        print(f"{name}: {time.monotonic() - started:.0f} s")
    results["baselines"] = Baselines(args.data, questions).report(questions)
    args.out.write_text(json.dumps(results, indent=1) + "\n")
    for group, scores in results["shipped"].items():
        key = "f1" if "f1" in scores else "exact"
        others = {name: table[group][key] for name, table in results["baselines"].items() if group in table}
        print(f"{group:28} {key:6} {scores[key]:.3f} float32 {results.get('float32', {}).get(group, {}).get(key, '-')} {others}")


if __name__ == "__main__":
    main()
