"""Measure the exported classifier on rows it never saw and write `results.json`.

    python evaluate.py --data DATA [--model ../../models/classifier] [--compare FOLDER_TRAINED_WITHOUT_OWN_PROMPTS]

Everything runs through the exported graph in ONNX Runtime on one thread, as the gateway runs it. The rivals are
trained on the same training split; ridge strengths were chosen by cross-validation on it.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer

import data
import features
import prompts

SOURCES = ("mmlu_pro", "llmrouter", "zeroeval_crux", "zeroeval_mathl5")
BINS = 20


class Classifier:
    """The shipped folder, run as the gateway runs it."""

    def __init__(self, folder: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def ask(self, text: str) -> tuple[float, float]:
        feed = {"input_ids": np.array([features.encode(self.tokenizer, text)], dtype=np.int64),
                "features": np.array([features.features(text)], dtype=np.float32)}
        local_ok, gain = self.session.run(["local_ok", "gain"], feed)
        return float(local_ok[0]), float(gain[0])

    def latency(self, tokens: int, runs: int = 3000) -> dict:
        rng = np.random.default_rng(0)
        vocab = self.tokenizer.get_vocab_size()
        taken = []
        for _ in range(runs):
            feed = {"input_ids": rng.integers(2, vocab, (1, tokens)), "features": np.zeros((1, len(features.FEATURES)), np.float32)}
            start = time.perf_counter()
            self.session.run(None, feed)
            taken.append((time.perf_counter() - start) * 1e3)
        return {"p50_ms": round(float(np.percentile(taken, 50)), 4), "p99_ms": round(float(np.percentile(taken, 99)), 4)}


def ridge(train, test, **vectorizer) -> np.ndarray:
    texts = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=100_000, **vectorizer)
    matrix = texts.fit_transform([r.prompt for r in train])
    model = Ridge(alpha=1.0, solver="sparse_cg").fit(matrix, [r.soft for r in train])
    return model.predict(texts.transform([r.prompt for r in test]))


def task_mean(train, test) -> np.ndarray:
    """The mean of the row's own category, which a router is not told."""
    groups: dict = {}
    for r in train:
        groups.setdefault((r.source, r.category), []).append(r.soft)
    return np.array([np.mean(groups[r.source, r.category]) for r in test])


def auc(rows, scores) -> float | None:
    labels = [r.right for r in rows]
    return round(float(roc_auc_score(labels, scores)), 4) if len(set(labels)) == 2 else None


def auc_interval(rows, scores, draws: int = 1000) -> list[float]:
    rng, labels, out = np.random.default_rng(0), np.array([r.right for r in rows]), []
    for _ in range(draws):
        pick = rng.integers(0, len(rows), len(rows))
        if labels[pick].any() and not labels[pick].all():
            out.append(roc_auc_score(labels[pick], scores[pick]))
    return [round(float(v), 4) for v in np.percentile(out, [2.5, 97.5])]


def ece(predicted, actual) -> float:
    """Expected calibration error with twenty equal bins."""
    bins = np.minimum((predicted * BINS).astype(int), BINS - 1)
    return round(float(sum((bins == b).mean() * abs(predicted[bins == b].mean() - actual[bins == b].mean())
                           for b in set(bins))), 4)


def inside_categories(rows, scores, least: int = 20) -> float:
    """Mean AUC inside single categories, weighted by rows: what is left when the task type is known."""
    groups: dict = {}
    for i, r in enumerate(rows):
        groups.setdefault((r.source, r.category), []).append(i)
    kept = [(len(at), auc([rows[i] for i in at], scores[at])) for at in map(np.array, groups.values()) if len(at) >= least]
    kept = [(n, a) for n, a in kept if a is not None]
    return round(float(np.average([a for _, a in kept], weights=[n for n, _ in kept])), 4)


def calibration(predicted, rows) -> dict:
    soft = np.array([r.soft for r in rows])
    right = np.array([float(r.right) for r in rows])
    return {"ece_mean_small_score": ece(predicted, soft), "brier_mean_small_score": round(float(np.mean((predicted - soft) ** 2)), 4),
            "ece_most_small_right": ece(predicted, right), "brier_most_small_right": round(float(np.mean((predicted - right) ** 2)), 4)}


def probe(classifier) -> dict:
    scores = [classifier.ask(text)[0] for text, _ in prompts.PROBES]
    easy = [easy for _, easy in prompts.PROBES]
    return {"auc": round(float(roc_auc_score(easy, scores)), 4),
            "mean_easy": round(float(np.mean([s for s, e in zip(scores, easy) if e])), 3),
            "mean_hard": round(float(np.mean([s for s, e in zip(scores, easy) if not e])), 3), "prompts": len(easy)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[2] / "models" / "classifier")
    parser.add_argument("--compare", type=Path, help="a second export, trained with --no-own")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    args = parser.parse_args()

    rows, unseen, dropped = data.load(args.data / "routing")
    train, held = [r for r in rows if r.split == "train"], [r for r in rows if r.split == "held"]
    classifier = Classifier(args.model)
    answers = np.array([classifier.ask(r.prompt) for r in held])
    systems = {
        "classifier": answers[:, 0],
        "tfidf_word_ridge": ridge(train, held, ngram_range=(1, 2)),
        "tfidf_char_ridge": ridge(train, held, analyzer="char_wb", ngram_range=(2, 5)),
        "length_shorter_is_easier": -np.array([len(r.prompt) for r in held], dtype=float),
        "random": np.random.default_rng(0).random(len(held)),
        "category_mean_oracle": task_mean(train, held),
    }
    compare = Classifier(args.compare) if args.compare else None
    if compare:
        systems["classifier_without_own_prompts"] = np.array([compare.ask(r.prompt)[0] for r in held])

    results = {"rows": {"train": len(train), "calibration": sum(r.split == "calibration" for r in rows), "held_back": len(held)},
               "auc_most_small_right": {}, "auc_95_interval_classifier": {}}
    for source in SOURCES:
        at = np.array([i for i, r in enumerate(held) if r.source == source])
        part = [held[i] for i in at]
        results["auc_most_small_right"][source] = {"rows": len(at), **{name: auc(part, s[at]) for name, s in systems.items()}}
        results["auc_95_interval_classifier"][source] = auc_interval(part, systems["classifier"][at])
    results["auc_most_small_right"]["mean_of_sources"] = {
        name: round(float(np.mean([results["auc_most_small_right"][s][name] for s in SOURCES])), 4) for name in systems}
    results["auc_inside_categories"] = {name: inside_categories(held, s) for name, s in systems.items() if name != "category_mean_oracle"}
    results["calibration_held_back"] = {"all": calibration(answers[:, 0], held)}
    for source in SOURCES:
        at = [i for i, r in enumerate(held) if r.source == source]
        results["calibration_held_back"][source] = calibration(answers[at, 0], [held[i] for i in at])
    gain = np.array([r.gain for r in held])
    results["gain_held_back"] = {s: round(float(np.corrcoef(answers[at, 1], gain[at])[0, 1]), 4) for s in SOURCES
                                 for at in [[i for i, r in enumerate(held) if r.source == s]]}
    scores = np.array([classifier.ask(r.prompt)[0] for r in unseen])
    results["unseen_family_mmlu_llmrouter"] = {
        "rows": len(unseen), "auc": auc(unseen, scores), "length": auc(unseen, -np.array([len(r.prompt) for r in unseen])),
        "mean_local_ok": round(float(scores.mean()), 3), "mean_small_score": round(float(np.mean([r.soft for r in unseen])), 3),
        "note": "never trained on; a family of reading tasks kept for testing"}
    results["own_probes_weak_labels"] = {"with_own_prompts": probe(classifier)}
    if compare:
        results["own_probes_weak_labels"]["without_own_prompts"] = probe(compare)
    results["latency_one_thread"] = {str(n): classifier.latency(n) for n in (32, 128, 512)}
    results["model_bytes"] = (args.model / "model.onnx").stat().st_size
    results["left_out_as_format_failures"] = dropped
    args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in results.items() if k != "left_out_as_format_failures"}, indent=1))


if __name__ == "__main__":
    main()
