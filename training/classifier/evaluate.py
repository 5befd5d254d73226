"""Measure the exported classifier on rows it never saw, and the recipe out of fold; write `results.json`.

    python evaluate.py --data DATA --folds FOLDS.npz [--compare FOLDER] [--scores OUT.jsonl [--kind random|family] [--head local_ok|gain]]

Everything about the shipped model runs through the exported graph in ONNX Runtime on one thread, as in the gateway.
FOLDS.npz is `crossval.py`'s. `--scores` writes out-of-fold scores and outcomes of every routing row for
`crossover eval scores`, and nothing else; that file is not for committing.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

import augment
import data
import features
import prompts
import tasks
from figures import apgr, auc, auc_interval, calibration, inside_categories

SOURCES = ("mmlu_pro", "llmrouter", "zeroeval_crux", "zeroeval_mathl5")
PAIRS = {
    "mmlu_pro": [("Phi-3-mini-4k-instruct", "gemini-1.5-pro-002"), ("Meta-Llama-3.1-8B-Instruct", "Meta-Llama-3.1-70B-Instruct")],
    "llmrouter": [("llama-3.1-8b-instruct", "llama-3.3-nemotron-super-49b-v1"), ("qwen2.5-7b-instruct", "llama-3.1-nemotron-51b-instruct")],
    "zeroeval_crux": [("Phi-3-mini-4k-instruct", "gpt-4o-2024-08-06"), ("Meta-Llama-3.1-8B-Instruct", "o1-mini-2024-09-12")],
    "zeroeval_mathl5": [("Phi-3-mini-4k-instruct", "gpt-4o-2024-08-06"), ("Meta-Llama-3.1-8B-Instruct", "o1-mini-2024-09-12")],
}
ROBUSTNESS = Path(__file__).parents[2] / "evals" / "robustness" / "pairs.jsonl"
GOLDEN_TASKS = Path(__file__).parents[2] / "evals" / "signals" / "task.jsonl"


class Classifier:
    """The shipped folder, run as the gateway runs it."""

    def __init__(self, folder: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])

    @staticmethod
    def inputs(text: str) -> dict:
        ids, weights = features.ngrams(text)
        return {"ngram_ids": np.array([ids], np.int64), "ngram_weights": np.array([weights], np.float32),
                "features": np.array([features.features(text)], np.float32)}

    def ask(self, text: str) -> dict:
        names = ["local_ok", "gain", "task", "expected_output_tokens"]
        local_ok, gain, task, tokens = self.session.run(names, self.inputs(text))
        return {"ok": float(local_ok[0]), "gain": float(gain[0]), "task": tasks.TASKS[int(task[0].argmax())], "tokens": float(tokens[0])}

    def scores(self, texts) -> np.ndarray:
        return np.array([self.ask(text)["ok"] for text in texts])

    def latency(self, text: str, runs: int = 2000) -> dict:
        given, taken = self.inputs(text), []
        for _ in range(runs):
            start = time.perf_counter()
            self.session.run(None, given)
            taken.append((time.perf_counter() - start) * 1e3)
        return {"bytes": len(text), "ngrams": given["ngram_ids"].shape[1], "p50_ms": round(float(np.percentile(taken, 50)), 4),
                "p99_ms": round(float(np.percentile(taken, 99)), 4)}


def ridge(train, test, target="soft", **vectorizer) -> np.ndarray:
    texts = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=100_000, **vectorizer)
    matrix = texts.fit_transform([r.prompt for r in train])
    return Ridge(alpha=1.0, solver="sparse_cg").fit(matrix, [getattr(r, target) for r in train]).predict(texts.transform([r.prompt for r in test]))


def task_mean(train, test) -> np.ndarray:
    """The mean of the row's own category, which a router is not told."""
    groups: dict = {}
    for r in train:
        groups.setdefault((r.source, r.category), []).append(r.soft)
    return np.array([np.mean(groups[r.source, r.category]) for r in test])


def held_back(classifier, train, held) -> dict:
    """The shipped graph beside its rivals, inside each source."""
    answers = [classifier.ask(r.prompt) for r in held]
    ok, gain = np.array([a["ok"] for a in answers]), np.array([a["gain"] for a in answers])
    systems = {
        "classifier": ok, "tfidf_word_ridge": ridge(train, held, ngram_range=(1, 2)),
        "tfidf_char_ridge": ridge(train, held, analyzer="char_wb", ngram_range=(2, 5)),
        "length_shorter_is_easier": -np.array([len(r.prompt) for r in held], dtype=float),
        "random": np.random.default_rng(0).random(len(held)), "category_mean_oracle": task_mean(train, held),
    }
    by_gain = {"tfidf_word_ridge_on_gain": -ridge(train, held, "gain", ngram_range=(1, 2)),
               "tfidf_char_ridge_on_gain": -ridge(train, held, "gain", analyzer="char_wb", ngram_range=(2, 5)),
               "classifier_by_gain": -gain}
    out: dict = {"auc_most_small_right": {}, "auc_95_interval_classifier": {}, "apgr_small_mean_to_large_mean": {}, "gain_correlation": {}}
    for source in SOURCES:
        at = np.array([i for i, r in enumerate(held) if r.source == source])
        part, small = [held[i] for i in at], np.array([held[i].soft for i in at])
        lift = np.array([held[i].gain for i in at])
        out["auc_most_small_right"][source] = {"rows": len(at), **{name: auc(part, s[at]) for name, s in systems.items()}}
        out["auc_95_interval_classifier"][source] = auc_interval(part, ok[at])
        out["apgr_small_mean_to_large_mean"][source] = {
            "rows": len(at), **{name: apgr(s[at], small, small + lift) for name, s in (systems | by_gain).items()}}
        out["gain_correlation"][source] = round(float(np.corrcoef(gain[at], lift)[0, 1]), 4)
    out["auc_most_small_right"]["mean_of_sources"] = {
        name: round(float(np.mean([out["auc_most_small_right"][s][name] for s in SOURCES])), 4) for name in systems}
    out["auc_inside_categories"] = {name: inside_categories(held, s) for name, s in systems.items() if name != "category_mean_oracle"}
    out["calibration"] = {"all": calibration(ok, held)}
    for source in SOURCES:
        at = [i for i, r in enumerate(held) if r.source == source]
        out["calibration"][source] = calibration(ok[at], [held[i] for i in at])
    return out


def unseen(classifier, kept) -> dict:
    scores, small = classifier.scores([r.prompt for r in kept]), np.array([r.soft for r in kept])
    return {"rows": len(kept), "auc": auc(kept, scores), "length": auc(kept, -np.array([len(r.prompt) for r in kept])),
            "mean_local_ok": round(float(scores.mean()), 3), "mean_small_score": round(float(small.mean()), 3),
            "apgr": apgr(scores, small, small + np.array([r.gain for r in kept]))}


def flips(classifier, held) -> dict:
    """Share of decisions that a change turns over, thresholds at the 30th, 50th and 70th percentile of the scores."""
    rng = random.Random(3)
    base = classifier.scores([r.prompt for r in held])
    out = {}
    for name in ("append", "prepend", "case", "space", "swap"):
        varied = classifier.scores([getattr(augment, name)(r.prompt, rng) for r in held])
        bars = [np.quantile(base, q) for q in (0.3, 0.5, 0.7)]
        out[name] = round(float(np.mean([np.mean((base >= bar) != (varied >= bar)) for bar in bars])), 4)
    return out


def robustness(classifier) -> dict:
    """The suite that ships in `evals/`: share of pairs whose decision flips at 0.5, and the mean change of the score."""
    groups: dict = {}
    for pair in map(json.loads, ROBUSTNESS.open(encoding="utf-8")):
        groups.setdefault(pair["kind"], []).append((pair["original"], pair["changed"]))
    out = {}
    for kind, pairs in groups.items():
        before, after = (classifier.scores([pair[side] for pair in pairs]) for side in (0, 1))
        out[kind] = {"pairs": len(pairs), "flips_at_half": round(float(np.mean((before >= 0.5) != (after >= 0.5))), 4),
                     "mean_change": round(float(np.abs(before - after).mean()), 4)}
    return out


def out_of_fold(folds, rows, raw) -> dict:
    """The recipe, its parts and its rivals on the folds of `crossval.py`."""
    names = ["classifier", "gated_ridges", "one_ridge", "bumps", "tfidf_word_ridge", "tfidf_char_ridge", "minilm_linear", "minilm_kernel"]
    of = {name: i for i, name in enumerate(folds["id"].tolist())}
    at_row = np.array([of[r.id] for r in rows])
    out: dict = {}
    for kind in ("random", "family"):
        if f"{kind}_classifier" not in folds:
            continue
        systems = {name: folds[f"{kind}_{name}"][at_row] for name in names}
        systems["length"] = -np.array([len(r.prompt) for r in rows], float)
        systems["random"] = np.random.default_rng(0).random(len(rows))
        out[kind] = {"auc": {}, "apgr": {}, "apgr_pairs": {}, "calibration_of_the_raw_score": {}}
        for source in SOURCES:
            at = np.array([i for i, r in enumerate(rows) if r.source == source])
            part, small = [rows[i] for i in at], np.array([rows[i].soft for i in at])
            large = small + np.array([rows[i].gain for i in at])
            out[kind]["auc"][source] = {"rows": len(at), **{name: auc(part, s[at]) for name, s in systems.items()}}
            out[kind]["apgr"][source] = {name: apgr(s[at], small, large) for name, s in systems.items()}
            out[kind]["apgr"][source]["classifier_by_gain"] = apgr(-folds[f"{kind}_gain"][at_row][at], small, large)
            out[kind]["calibration_of_the_raw_score"][source] = calibration(systems["classifier"][at], part)
            for local, remote in PAIRS[source]:
                both = np.array([i for i in at if local in raw[rows[i].id] and remote in raw[rows[i].id]])
                outcome = lambda model: np.array([raw[rows[i].id][model] for i in both])
                out[kind]["apgr_pairs"][f"{source}: {local} to {remote}"] = {
                    "rows": len(both), **{name: apgr(systems[name][both], outcome(local), outcome(remote))
                                          for name in ("classifier", "tfidf_word_ridge", "tfidf_char_ridge", "length", "random")}}
        out[kind]["auc"]["mean_of_sources"] = {
            name: round(float(np.mean([out[kind]["auc"][s][name] for s in SOURCES])), 4) for name in systems}
    return out


def task_accuracy(classifier, pairs) -> dict:
    right: dict = {}
    for text, kind in pairs:
        right.setdefault(kind, []).append(classifier.ask(text)["task"] == kind)
    each = {kind: round(float(np.mean(right[kind])), 3) for kind in tasks.TASKS if kind in right}
    return {"prompts": len(pairs), "macro_accuracy": round(float(np.mean(list(each.values()))), 4), **each}


def lengths(classifier, folder: Path, settings: dict) -> dict:
    """Expected tokens against reference answers that were not trained on."""
    trained = {r["prompt"] for r in tasks.answered(folder, settings["answered_count"])}
    out = {}
    for name, rows in tasks.answered_by_set(folder, 400).items():
        rows = [r for r in rows if r["prompt"] not in trained][:150]
        ratio = np.array([classifier.ask(r["prompt"])["tokens"] / r["tokens"] for r in rows])
        out[name] = {"rows": len(rows), "median_ratio": round(float(np.median(ratio)), 3),
                     "within_factor_two": round(float(np.mean((ratio > 0.5) & (ratio < 2))), 3)}
    return out


def write_scores(folds, rows, raw, kind: str, head: str, to: Path) -> None:
    """High stays local: `local_ok` as it is, `gain` (-1 to 1) turned round and moved to 0 to 1."""
    scores = folds[f"{kind}_classifier"] if head == "local_ok" else (1 - np.clip(folds[f"{kind}_gain"], -1, 1)) / 2
    of = {name: i for i, name in enumerate(folds["id"].tolist())}
    partial = to.with_suffix(".part")
    with partial.open("w", encoding="utf-8") as out:
        for r in rows:
            at = of[r.id]
            held = "kept for testing" if r.category in data.KEPT_FOR_TESTING else str(folds[f"{kind}_fold"][at])
            out.write(json.dumps({"id": r.id, "source": r.source, "task": r.category, "chars": len(r.prompt),
                                  "score": round(float(scores[at]), 6), "split": f"{kind}: {held}",
                                  "outcomes": raw[r.id]}) + "\n")
    partial.rename(to)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[2] / "models" / "classifier")
    parser.add_argument("--compare", type=Path, help="a second export, trained with --no-own")
    parser.add_argument("--encoder", type=Path, help="what encoder_latency.py printed")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    parser.add_argument("--scores", type=Path, help="write out-of-fold scores here and stop")
    parser.add_argument("--kind", choices=["random", "family"], default="random")
    parser.add_argument("--head", choices=["local_ok", "gain"], default="local_ok", help="which head ranks")
    args = parser.parse_args()
    rows, kept, dropped = data.load(args.data / "routing")
    raw = {r["id"]: r["models"] for r in map(json.loads, (args.data / "routing" / "train.jsonl").open(encoding="utf-8"))}
    folds = dict(np.load(args.folds))
    if args.scores:
        write_scores(folds, rows + kept, raw, args.kind, args.head, args.scores)
        return
    train, held = [r for r in rows if r.split == "train"], [r for r in rows if r.split == "held"]
    classifier = Classifier(args.model)
    config = json.loads((args.model / "config.json").read_text(encoding="utf-8"))
    results = {"rows": {"train": len(train), "calibration": sum(r.split == "calibration" for r in rows), "held_back": len(held)}}
    results["held_back"] = held_back(classifier, train, held)
    results["out_of_fold"] = out_of_fold(folds, rows, raw)
    results["never_trained_on_llmrouter_mmlu"] = unseen(classifier, kept)
    results["flips"] = flips(classifier, held)
    if ROBUSTNESS.exists():
        results["robustness_suite"] = robustness(classifier)
    results["task_validation_seen_while_writing_phrases"] = task_accuracy(classifier, tasks.VALIDATION)
    if GOLDEN_TASKS.exists():
        golden = [json.loads(line) for line in GOLDEN_TASKS.open(encoding="utf-8")]
        results["task_golden"] = task_accuracy(classifier, [(r["text"], r["task"]) for r in golden])
    results["expected_tokens"] = lengths(classifier, args.data / "tasks", config["settings"])
    results["own_probes_weak_labels"] = {"with_own_prompts": auc_of_probes(classifier)}
    if args.compare:
        other = Classifier(args.compare)
        results["own_probes_weak_labels"]["without_own_prompts"] = auc_of_probes(other)
        results["held_back_without_own_prompts"] = held_back(other, train, held)["auc_most_small_right"]
    long = "\n".join(r.prompt for r in held)
    results["graph_latency_one_thread"] = {name: classifier.latency(long[:size]) for name, size in (("128_tokens", 512), ("cut_text", 4096))}
    if args.encoder:
        results["encoder_latency"] = json.loads(args.encoder.read_text(encoding="utf-8").splitlines()[-1])
    results["model_bytes"] = (args.model / "model.onnx").stat().st_size
    results["left_out_as_format_failures"] = dropped
    args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def auc_of_probes(classifier) -> dict:
    from sklearn.metrics import roc_auc_score
    scores, easy = classifier.scores([text for text, _ in prompts.PROBES]), [easy for _, easy in prompts.PROBES]
    return {"auc": round(float(roc_auc_score(easy, scores)), 4), "mean_easy": round(float(np.mean([s for s, e in zip(scores, easy) if e])), 3),
            "mean_hard": round(float(np.mean([s for s, e in zip(scores, easy) if not e])), 3), "prompts": len(easy)}


if __name__ == "__main__":
    main()
