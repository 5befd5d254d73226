"""Ask exported models every held-out question and write results.json beside this file.

Runs folders exported by export.py through ONNX Runtime with greedy decoding and each folder's own chat template: the one that
ships, the same weights in float32, and a starter model of before.  Baselines answer the same questions: the majority
answer, and the nearest trained text by TF-IDF.
"""

import argparse
import json
import re
import string
import time
from collections import Counter, defaultdict
from pathlib import Path

import jinja2
import numpy as np
import onnxruntime
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer

from tasks.fields import Fields, typed
from tasks.labels import Labels
from tasks.text import plain


PHASES = ("broad", "focused", "closing", "again")  # of train.py


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
        self.template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string((folder / "chat_template.jinja").read_text())
        self.ends, self.layers, self.context = set(genai["eos_token_id"]), decoder["num_hidden_layers"], genai["context_length"]
        self.empty = np.zeros((1, decoder["num_key_value_heads"], 0, decoder["head_size"]), dtype=np.float32)
        self.outputs = [output.name for output in self.session.get_outputs()]

    def answer(self, messages, limit=80):
        text = self.template.render(messages=[{"role": role, "content": content} for role, content in messages], add_generation_prompt=True)
        tokens = self.tokenizer.encode(text, add_special_tokens=False).ids
        past = {f"past_key_values.{layer}.{part}": self.empty for layer in range(self.layers) for part in ("key", "value")}
        feed, length, out = tokens, len(tokens), []
        while len(out) < limit and length < self.context:
            inputs = {"input_ids": np.array([feed], dtype=np.int64), "attention_mask": np.ones((1, length), dtype=np.int64)}
            results = dict(zip(self.outputs, self.session.run(None, {**inputs, **past})))
            token = int(results["logits"][0, -1].argmax())
            if token in self.ends:
                break
            out.append(token)
            past = {name.replace("present", "past_key_values"): array for name, array in results.items() if name != "logits"}
            feed, length = [token], length + 1
        return self.tokenizer.decode(out, skip_special_tokens=False).strip()


def token_f1(expected, got):
    """SQuAD's: without case, punctuation and articles."""
    def words(text):
        text = "".join(letter for letter in str(text).lower() if letter not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    wanted, found = words(expected), words(got)
    shared = sum((Counter(wanted) & Counter(found)).values())
    return 2 * shared / (len(wanted) + len(found)) if shared else float(wanted == found)


class Score:
    """Exact answers and token F1 of texts; for JSON the pairs found, given and right."""

    def __init__(self):
        self.asked, self.right, self.overlap, self.given, self.wanted, self.pairs, self.valid = 0, 0, 0.0, 0, 0, 0, 0

    def add(self, expected, got):
        self.asked += 1
        if not isinstance(expected, dict):
            self.right += got == expected
            self.overlap += token_f1(expected, got)
            return
        if isinstance(got, str):
            try:
                got = json.loads(got)
            except ValueError:
                got = None
        self.valid += isinstance(got, dict)
        found = {(key, str(value)) for key, value in (got.items() if isinstance(got, dict) else ()) if value is not None}
        wanted = {(key, str(value)) for key, value in expected.items()}
        self.right += found == wanted
        self.given += len(found)
        self.wanted += len(wanted)
        self.pairs += len(found & wanted)

    def report(self):
        out = {"questions": self.asked, "exact": round(self.right / self.asked, 4)}
        if self.wanted:
            return out | {"f1": round(2 * self.pairs / max(1, self.given + self.wanted), 4), "valid_json": round(self.valid / self.asked, 4)}
        return out | {"token_f1": round(self.overlap / self.asked, 4)}


def groups_of(task):
    yield task
    if task in ("intent_clinc150", "intent_banking77", "intent_hwu64"):
        yield "intent"
    if task.startswith("slots_") and "unseen" not in task:
        yield "slots"


def report(questions, answer):
    scores = defaultdict(Score)
    for question in questions:
        got = answer(question)
        for group in groups_of(question["task"]):
            scores[group].add(question["answer"], got)
    return {group: scores[group].report() for group in sorted(scores)}


class Baselines:
    """What simple methods answer to the same questions."""

    def __init__(self, folder, questions):
        labels, fields = Labels(folder), Fields(folder)
        rows = [(text, str(key)) for source, table in labels.intents[0].items() for intent, texts in table.items()
                for key in (intent, (source, intent)) for text in texts]
        rows += [(text, label) for pool in labels.sets for label, own in pool.texts.items() for text in own]
        self.trained_key = np.array([key for _, key in rows])
        self.frequency = Counter(self.trained_key.tolist())
        self.vectors = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
        self.trained = self.vectors.fit_transform([text for text, _ in rows])
        self.name_vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit([text for text, _ in rows])
        self.values = defaultdict(Counter)
        for trained, _ in fields.rows.values():
            for slot in (slot for row in trained for slot in row["slots"]):
                self.values[slot["slot"]][slot["value"]] += 1
        self.answers = defaultdict(Counter)
        for question in questions:
            if isinstance(question["answer"], str):
                self.answers[question["task"]][question["answer"]] += 1

    def majority(self, question):
        """The label or value trained most often; for other tasks the commonest right answer of the task itself."""
        if "labels" in question:
            return max(zip(question["labels"], question["keys"]), key=lambda pair: self.frequency[pair[1]])[0]
        if "kinds" in question:
            return {key: typed(kind, self.values[kind].most_common(1)[0][0]) for key, kind in zip(question["answer"], question["kinds"])
                    if self.values[kind]}
        return self.answers[question["task"]].most_common(1)[0][0]

    def nearest(self, question):
        """The label of the nearest trained text, else the label whose name is nearest; for slots the longest known value in the text."""
        if "labels" in question:
            near = (self.trained @ self.vectors.transform([question["text"]]).T).toarray().ravel()
            best = [near[self.trained_key == key].max(initial=0) for key in question["keys"]]
            if question["task"] not in ("labels_unseen", "labels_later") and max(best) > 0:
                return question["labels"][int(np.argmax(best))]
            names = self.name_vectors.transform([plain(label) for label in question["labels"]])
            return question["labels"][int((names @ self.name_vectors.transform([question["text"].lower()]).T).toarray().argmax())]
        found = {}
        for key, kind in zip(question["answer"], question["kinds"]):
            inside = [value for value in self.values[kind] if value in question["text"]]
            if inside:
                found[key] = typed(kind, max(inside, key=len))
        return found

    def report(self, questions):
        return {"majority": report(questions, self.majority),
                "nearest": report([question for question in questions if "labels" in question or "kinds" in question], self.nearest)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the task sets (*.jsonl)")
    parser.add_argument("--work", type=Path, required=True, help="folder prepare.py and train.py wrote to")
    parser.add_argument("--model", type=Path, required=True, help="exported folder that ships")
    parser.add_argument("--float32", type=Path, help="the same weights exported in float32")
    parser.add_argument("--before", type=Path, help="an exported starter model of before")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    parser.add_argument("--every", type=int, default=1, help="ask only every n-th question")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print wrong answers")
    args = parser.parse_args()

    with open(args.work / "heldout.jsonl", encoding="utf-8") as handle:
        questions = [json.loads(line) for line in handle][:: args.every]
    results = {"decoding": "greedy", "questions": len(questions)}
    with open(args.work / "train.log", encoding="utf-8") as handle:
        log = [json.loads(line) for line in handle]
    seen = {phase: max((line["tokens"] for line in log if line.get("phase", "broad") == phase), default=0) for phase in PHASES}
    results["training"] = {"minutes": round(log[-1]["seconds"] / 60, 1), "steps": log[-1]["steps"], **seen}
    checks = {(line["phase"], line["tokens"]): line["check"] for line in log if "check" in line}  # one that was gone on with says some twice
    before = {phase: sum(seen[earlier] for earlier in PHASES[:number]) for number, phase in enumerate(PHASES)}
    results["commands_curve"] = [{"phase": phase, "tokens": tokens + before[phase],
                                  **{name: value for name, value in check.items() if name.startswith("command")}}
                                 for (phase, tokens), check in sorted(checks.items(), key=lambda item: (PHASES.index(item[0][0]), item[0][1]))]
    for name, folder in (("shipped", args.model), ("float32", args.float32), ("before", args.before)):
        if folder is None:
            continue
        model, started = Exported(folder, args.threads), time.monotonic()

        def ask(question):
            got = model.answer(question["messages"])
            if args.show and name == "shipped" and got != question["answer"]:
                print(question["task"], "|", question["messages"][-1][1][-300:], "|", question["answer"], "|", got)
            return got

        results[name] = report(questions, ask)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    results["baselines"] = Baselines(args.data, questions).report(questions)
    args.out.write_text(json.dumps(results, indent=1) + "\n")
    for group, scores in results["shipped"].items():
        key = "f1" if "f1" in scores else "exact"
        print(f"{group:24} {key:6} {scores[key]:.3f} float32 {results.get('float32', {}).get(group, {}).get(key, '-')}")


if __name__ == "__main__":
    main()
