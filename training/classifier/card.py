"""Writes the tables of the card, ../../models/classifier/README.md, from results.json.

    python card.py [--check]

A table stands between `<!-- NAME -->` and `<!-- end -->`; everything else in the card is written by hand.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
CARD = HERE.parents[1] / "models" / "classifier" / "README.md"
SOURCES = ("mmlu_pro", "llmrouter", "zeroeval_crux", "zeroeval_mathl5")
NAMES = {
    "classifier": "**this classifier**", "tfidf_word_ridge": "word TF-IDF (1-2) + ridge", "tfidf_char_ridge": "character TF-IDF (2-5) + ridge",
    "length_shorter_is_easier": "length alone (shorter is easier)", "length": "length alone (shorter is easier)", "random": "random",
    "category_mean_oracle": "mean of the row's own category (an oracle)", "classifier_by_gain": "**this classifier, ranked by `gain`**",
    "tfidf_word_ridge_on_gain": "word TF-IDF + ridge, taught the gain", "tfidf_char_ridge_on_gain": "character TF-IDF + ridge, taught the gain",
    "gated_ridges": "its ridges alone, one a source, gated", "one_ridge": "one ridge over n-grams and features", "bumps": "its Gaussian bumps alone",
    "minilm_linear": "MiniLM-L6 frozen + features, linear", "minilm_kernel": "MiniLM-L6 frozen + features, Gaussian kernel",
}


def table(head: list, rows: list) -> str:
    show = lambda v: "" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(show(v) for v in line) + " |" for line in lines)


def by_source(figures: dict, names, mean: bool = False) -> str:
    rows_of = lambda s: f"{s} ({figures[s]['rows']})" if "rows" in figures[s] else s
    sources = [*SOURCES, *(["mean_of_sources"] if mean else [])]
    return table(["", *(rows_of(s) for s in sources)], [[NAMES[n], *(figures[s].get(n) for s in sources)] for n in names])


def frontier(results: dict) -> str:
    ours, encoder = results["graph_latency_one_thread"]["128_tokens"]["p50_ms"], results.get("encoder_latency", {})
    slow = f"{encoder['p50_ms']:.1f}" if encoder else "not measured"
    cost = {"length": "0", "classifier": f"{ours:.2f}", "minilm_linear": slow, "minilm_kernel": slow}
    family, chance = results["out_of_fold"]["family"]["auc"], results["out_of_fold"]["random"]["auc"]
    rows = [[NAMES[n], cost.get(n, f"< {max(ours, 0.1):.1f}"), *(family[s][n] for s in SOURCES), family["mean_of_sources"][n], chance["mean_of_sources"][n]]
            for n in ("length", "tfidf_word_ridge", "tfidf_char_ridge", "one_ridge", "gated_ridges", "bumps", "classifier", "minilm_linear", "minilm_kernel")]
    return table(["left-out families", "p50 ms", *SOURCES, "mean", "mean, random folds"], rows)


def tables(results: dict) -> dict:
    held, fold = results["held_back"], results["out_of_fold"]
    auc, gap = held["auc_most_small_right"], held["apgr_small_mean_to_large_mean"]
    rivals = ["classifier", "tfidf_word_ridge", "tfidf_char_ridge", "length_shorter_is_easier", "random"]
    out = {"held-back-auc": by_source(auc, [*rivals, "category_mean_oracle"], True)}
    out["held-back-auc"] += "\n| 95 % interval of the classifier | " + " | ".join(
        "{:.2f}-{:.2f}".format(*held["auc_95_interval_classifier"][s]) for s in SOURCES) + " | |"
    out["held-back-apgr"] = by_source(gap, [*rivals, "classifier_by_gain", "tfidf_word_ridge_on_gain", "tfidf_char_ridge_on_gain"])
    out["calibration"] = table(["held-back rows", "all", *SOURCES], [
        [name, *(held["calibration"][s][key] for s in ("all", *SOURCES))] for name, key in (
            ("ECE against the mean small-model score", "ece_mean_small_score"), ("Brier against the same", "brier_mean_small_score"),
            ("ECE against \"most small models right\"", "ece_most_small_right"), ("Brier against the same", "brier_most_small_right"))])
    folds = ["classifier", "tfidf_word_ridge", "tfidf_char_ridge", "length", "random"]
    out["fold-auc"] = by_source(fold["random"]["auc"], folds, True)
    out["fold-apgr"] = by_source(fold["random"]["apgr"], [*folds, "classifier_by_gain"])
    raw = fold["random"]["calibration_of_the_raw_score"]
    out["fold-calibration"] = table(["out of fold, without Platt", *SOURCES], [
        [name, *(raw[s][key] for s in SOURCES)] for name, key in (
            ("ECE against the mean small-model score", "ece_mean_small_score"), ("ECE against \"most small models right\"", "ece_most_small_right"))])
    pairs = fold["random"]["apgr_pairs"]
    out["pairs"] = table(["pair", "rows", *(NAMES[n] for n in folds)], [[name, p["rows"], *(p[n] for n in folds)] for name, p in pairs.items()])
    out["frontier"] = frontier(results)
    out["flips"] = table(["change", "share of decisions that flip"], [[n, v] for n, v in results["flips"].items()])
    out["robustness"] = table(["suite in evals/robustness", "pairs", "flips at 0.5", "mean change of the score"],
                              [[n, r["pairs"], r["flips_at_half"], r["mean_change"]] for n, r in results.get("robustness_suite", {}).items()])
    told = lambda r: "{:.3f} on {} prompts: ".format(r["macro_accuracy"], r["prompts"]) + ", ".join(
        f"{k} {v:.2f}" for k, v in r.items() if k not in ("macro_accuracy", "prompts"))
    out["task"] = told(results["task_golden"]) if "task_golden" in results else "not measured"
    out["lengths"] = table(["reference answers not trained on", "rows", "median of expected / real", "within a factor of two"],
                           [[n, r["rows"], r["median_ratio"], r["within_factor_two"]] for n, r in results["expected_tokens"].items()])
    seen = results["never_trained_on_llmrouter_mmlu"]
    out["unseen"] = "{rows} rows: AUC {auc:.3f} (length {length:.3f}), APGR {apgr:.3f}, mean `local_ok` {mean_local_ok:.2f} where the small models scored {mean_small_score:.2f}".format(**seen)
    out["latency"] = table(["graph alone, one thread", "bytes of text", "n-grams", "p50 ms", "p99 ms"],
                           [[n, r["bytes"], r["ngrams"], r["p50_ms"], r["p99_ms"]] for n, r in results["graph_latency_one_thread"].items()])
    return out


def main() -> int:
    card = CARD.read_text(encoding="utf-8")
    made = tables(json.loads((HERE / "results.json").read_text(encoding="utf-8")))
    used = set(re.findall(r"<!-- ([a-z-]+) -->", card)) - {"end"}
    if used != set(made):
        print(f"the card and card.py differ in {sorted(used ^ set(made))}", file=sys.stderr)
        return 1
    for name, text in made.items():
        card = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{text}\n{m[2]}", card, count=1, flags=re.S)
    if "--check" in sys.argv[1:]:
        return int(card != CARD.read_text(encoding="utf-8"))
    CARD.write_text(card, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
