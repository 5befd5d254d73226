"""Train the request classifier and write `model.onnx` and `config.json`.

    python train.py --data DATA --sense MINILM --cache CACHE --out ../../models/classifier

DATA holds `routing/` and `tasks/`, MINILM the sentence encoder's folder, CACHE an empty or earlier folder for its
vectors (README.md). The calibration split fits the two Platt numbers; the held-back split is not read here.
"""

import argparse
import json
import random
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge

import augment
import data
import features
import linear
import prompts
import sense
import tasks
from model import Columns, Graph

SOURCES = ("mmlu_pro", "llmrouter", "zeroeval_crux", "zeroeval_mathl5")
GROUPS = SOURCES + ("own",)
KIND_OF_CATEGORY = {  # the task of a routing category, where the category tells it
    "mbpp": "code", "human_eval": "code", "crux": "code", "gsm8k": "maths", "math": "maths", "math-l5": "maths",
    "commongen": "creative", "agentverse-logicgrid": "reasoning",
    "classification": "classification", "judgement": "classification", "extraction": "extraction", "rewriting": "rewriting",
    "greeting": "conversation",
}
UNTOLD = {"short writing", "hard"}  # own categories of several tasks


@dataclass(frozen=True)
class Settings:
    own_count: int = 1000
    task_count: int = 300
    answered_count: int = 150
    answered_weight: float = 3.0
    own_weight: float = 0.15
    least_weight: float = 1.0
    strength: float = 1.0
    variants: float = 0.2
    variant_step: int = 2
    variant_weight: float = 0.5
    dimensions: int = 48
    landmarks: int = 1024
    gamma: float = 2.0
    sense_spread: float = 1.5
    feature_spread: float = 0.12
    bump_strength: float = 0.5
    gate_heat: float = 8.0
    own_lead: float = 0.15
    own_expert_weight: float = 0.3
    kind_spread: float = 0.5
    kind_strength: float = 3.0
    real_kind_weight: float = 0.2
    folds: int = 3


class Rows:
    """Every training text with all it has to teach; what a row does not know is NaN (or -1 for the task)."""

    def __init__(self, real: list[data.Row], folder: Path, settings: Settings, own: bool = True, seed: int = 7):
        made = [] if not own else [
            (r["prompt"], "own", r["soft"], r["gain"], settings.own_weight, KIND_OF_CATEGORY.get(r["category"], None), np.nan, None)
            for r in prompts.generate(folder, settings.own_count, seed)] + [
            (r["prompt"], "own", r["soft"], 0.0 if r["soft"] > 0.5 else 0.3, settings.own_weight, r["task"], np.log(r["tokens"]), None)
            for r in tasks.generate(folder, settings.task_count, seed + 4)] + [
            (r["prompt"], "answered", np.nan, np.nan, 1.0, r["task"], np.log(r["tokens"]), None)
            for r in tasks.answered(folder, settings.answered_count)]
        kind = lambda r: KIND_OF_CATEGORY.get(r.category, "maths" if r.category == "math" else "question_answering")
        given = [(r.prompt, r.source, r.soft, r.gain, 1.0, kind(r), np.nan, i) for i, r in enumerate(real)]
        rng = random.Random(seed)
        known = given + [row for row in made if row[1] == "own"]
        varied = [(augment.vary(row[0], rng), *row[1:4], row[4] * settings.variant_weight, row[5], np.nan, at)
                  for at, row in enumerate(known) if rng.random() < settings.variants][::settings.variant_step]
        # A variant stays in the fold of its original.
        self.parent = np.array([*range(len(given) + len(made)), *(row[-1] for row in varied)])
        everything = given + made + varied
        self.texts, groups, soft, gain, weight, kinds, tokens, _ = (list(column) for column in zip(*everything))
        self.group = np.array(groups)
        self.soft, self.gain, self.tokens = (np.array(column, np.float32) for column in (soft, gain, tokens))
        self.weight = np.array(weight, np.float32)
        self.kind = np.array([tasks.TASKS.index(k) if k else -1 for k in kinds])
        self.real = len(given)
        # The task is taught by our own prompts, the open sets and every fourth real row, never by variants.
        place = np.arange(len(everything))
        original = np.arange(len(everything)) == self.parent
        self.sorted = (self.kind >= 0) & original & ((place >= self.real) | (place % 4 == 0)) & own
        self.kind_weight = np.where(place < self.real, settings.real_kind_weight, 1.0).astype(np.float32)
        self.raw = np.array([features.features(text) for text in self.texts], np.float32)

    def __len__(self):
        return len(self.texts)


PLAN = {}
for _name, _width in (("ok", 1), ("gain", 1), ("gates", len(GROUPS)), ("experts", len(GROUPS)), ("tasks", len(tasks.TASKS)),
                      ("sense", Settings.dimensions)):
    _start = max((end for _, end in PLAN.values()), default=0)
    PLAN[_name] = (_start, _start + _width)
WIDTH = max(end for _, end in PLAN.values())


class First:
    """The first level: ridges over n-grams and features, one for each column of the graph's table."""

    def __init__(self, rows: Rows, vectors: np.ndarray, settings: Settings):
        self.rows, self.settings = rows, settings
        self.counts = linear.count_matrix(rows.texts)
        self.idf = linear.inverse_document_frequency(self.counts)
        self.scaler = linear.Scaler(rows.raw)
        self.x, self.f = linear.weigh(self.counts, self.idf), self.scaler(rows.raw)
        self.k = linear.similarities(self.x, self.f)
        self.vectors = vectors
        judged = np.isfinite(rows.soft)
        gates = np.stack([rows.group == g for g in GROUPS], 1).astype(np.float32)
        kinds = np.eye(len(tasks.TASKS), dtype=np.float32)[np.maximum(rows.kind, 0)]
        self.jobs = [  # rows, targets, weights, columns
            # One factorisation for all of these; a weak label counts more here than where quality is weighed, so that
            # everyday prompts are told from benchmarks firmly.
            (judged, np.column_stack([rows.soft, rows.gain, gates, vectors]), np.maximum(rows.weight, settings.least_weight),
             [PLAN["ok"][0], PLAN["gain"][0], *range(*PLAN["gates"]), *range(*PLAN["sense"])]),
        ]
        if rows.sorted.any():
            self.jobs.append((rows.sorted, kinds, rows.kind_weight, [*range(*PLAN["tasks"])]))
        for place, group in enumerate(GROUPS):
            weight = rows.weight if group != "own" else np.full(len(rows), settings.own_expert_weight, np.float32)
            self.jobs.append((judged & (rows.group == group), rows.soft[:, None], weight, [PLAN["experts"][0] + place]))

    def duals(self, inside: np.ndarray) -> np.ndarray:
        """Dual weights of every column (and each column's mean) with only the rows `inside` taking part."""
        out, means = np.zeros((len(self.rows), WIDTH), np.float32), np.zeros(WIDTH, np.float32)
        for mask, targets, weight, columns in self.jobs:
            at = np.flatnonzero(mask & inside)
            if len(at) < 20:
                continue
            mean = np.average(targets[at], axis=0, weights=weight[at])
            out[np.ix_(at, columns)] = linear.solve(self.k, at, targets - mean, weight, self.settings.strength)
            means[columns] = mean
        return out, means

    def columns(self, inside: np.ndarray, asked: np.ndarray) -> np.ndarray:
        duals, means = self.duals(inside)
        used = np.flatnonzero(inside)
        return self.k[np.ix_(asked, used)] @ duals[used] + means

    def out_of_fold(self, fold: np.ndarray, inside: np.ndarray) -> np.ndarray:
        out = np.zeros((len(self.rows), WIDTH), np.float32)
        for f in sorted(set(fold[inside])):
            asked = np.flatnonzero(inside & (fold == f))
            out[asked] = self.columns(inside & (fold != f), asked)
        return out

    def table(self, inside: np.ndarray) -> Columns:
        duals, means = self.duals(inside)
        weights = np.asarray(self.x.T @ duals)
        bias = means + linear.CONSTANT * duals.sum(0)
        return Columns(self.idf, weights, self.scaler, linear.FEATURE_SPREAD**2 * (self.f.T @ duals), bias)


class Second:
    """The second level: everything after the table, fitted on out-of-fold columns."""

    def __init__(self, first: First, columns: np.ndarray, fold: np.ndarray, inside: np.ndarray, settings: Settings, seed: int):
        rows, self.settings = first.rows, settings
        part = lambda name: columns[:, slice(*PLAN[name])]
        own = rows.group == "own"
        self.sense_scale = 1 / np.maximum(part("sense")[inside].std(0), 1e-6)
        self.sense_spread = settings.sense_spread / self.sense_scale
        judged = inside & np.isfinite(rows.soft)
        at = np.flatnonzero(judged)
        place = self.place(columns, first.f)
        rng = np.random.default_rng(seed)
        share = np.where(own[at], 0.3, 1.0) * np.where(np.char.startswith(rows.group[at].astype(str), "zeroeval"), 2.0, 1.0)
        picked = rng.choice(at, min(settings.landmarks, len(at)), replace=False, p=share / share.sum())
        targets = np.column_stack([rows.soft, rows.gain])
        near = np.zeros((len(rows), 2))
        for f in sorted(set(fold[at])):
            fitted, asked = at[fold[at] != f], at[fold[at] == f]
            near[asked] = self.radial(place[picked]).fit(place[fitted], targets[fitted], rows.weight[fitted])(place[asked])
        self.near = self.radial(place[picked]).fit(place[at], targets[at], rows.weight[at])
        gates, gated = self.gates(columns)
        self.sorter = None
        if rows.sorted.any():
            self.kinds(first, columns, inside)
        heard = self.heard(columns, first.f, near[:, 0])
        self.stack, self.stack_bias = soft_logistic(heard[at], rows.soft[at], rows.weight[at])
        heard = np.column_stack([part("gain")[:, 0], near[:, 1], gates])
        self.gain_stack = Ridge(alpha=1.0, fit_intercept=False).fit(heard[at], rows.gain[at], rows.weight[at]).coef_

    def radial(self, landmarks):
        return linear.Radial(landmarks, self.settings.gamma, self.settings.bump_strength)

    def place(self, columns, scaled):
        part = lambda name: columns[:, slice(*PLAN[name])]
        return np.column_stack([part("sense") * self.settings.sense_spread, scaled * self.settings.feature_spread, part("ok"),
                                part("experts")]).astype(np.float32)

    def gates(self, columns):
        heat = np.exp(self.settings.gate_heat * (columns[:, slice(*PLAN["gates"])] + self.lead()))
        gates = heat / heat.sum(1, keepdims=True)
        return gates, (gates * columns[:, slice(*PLAN["experts"])]).sum(1)

    def lead(self) -> np.ndarray:
        """Benchmarks have forms that are hard to miss; what looks like none of them firmly is an everyday prompt."""
        return np.array([self.settings.own_lead if group == "own" else 0.0 for group in GROUPS])

    def heard(self, columns, scaled, near):
        """What `local_ok` is weighed from; for everyday prompts that is their own ridge and the task."""
        gates, gated = self.gates(columns)
        benchmark = 1 - gates[:, -1]
        parts = [gated, near * benchmark, columns[:, PLAN["ok"][0]] * benchmark, gates]
        if self.sorter is not None:
            parts.append(gates[:, -1:] * self.sorter.predict_proba(self.kind_inputs(columns, scaled)))
        return np.column_stack(parts)

    def kind_inputs(self, columns, scaled):
        return np.column_stack([columns[:, slice(*PLAN["tasks"])], columns[:, slice(*PLAN["sense"])] * self.sense_scale,
                                scaled * self.settings.kind_spread])

    def kinds(self, first, columns, inside):
        rows, settings = first.rows, self.settings
        inputs = self.kind_inputs(columns, first.f)
        at = np.flatnonzero(inside & rows.sorted)
        sorter = LogisticRegression(C=settings.kind_strength, max_iter=300).fit(inputs[at], rows.kind[at], sample_weight=rows.kind_weight[at])
        assert list(sorter.classes_) == list(range(len(tasks.TASKS)))
        self.sorter, self.kind_weights, self.kind_bias = sorter, sorter.coef_.T, sorter.intercept_
        at = np.flatnonzero(inside & np.isfinite(rows.tokens))
        wide = np.column_stack([inputs, sorter.predict_proba(inputs)])
        # A reference answer's length is a fact, a prompt of ours has only an opinion.
        length = Ridge(alpha=10.0).fit(wide[at], rows.tokens[at], np.where(rows.group[at] == "answered", settings.answered_weight, 1.0))
        self.length_weights, self.length_bias = length.coef_[:, None], length.intercept_

    def score(self, columns, scaled) -> tuple[np.ndarray, np.ndarray]:
        """Raw logit of `local_ok`, and `gain`, as the graph computes them."""
        gates, _ = self.gates(columns)
        near = self.near(self.place(columns, scaled))
        heard = self.heard(columns, scaled, near[:, 0])
        gain = np.column_stack([columns[:, PLAN["gain"][0]], near[:, 1], gates]) @ self.gain_stack
        return heard @ self.stack + self.stack_bias, gain

    def parts(self) -> dict:
        near = self.near
        return {"gate_heat": self.settings.gate_heat, "lead": self.lead(), "sense_scale": self.sense_scale, "sense_spread": self.sense_spread,
                "feature_spread": self.settings.feature_spread, "landmarks": near.landmarks,
                "landmark_squares": (near.landmarks**2).sum(1), "gamma": near.gamma, "readout": near.readout,
                "readout_mean": near.mean, "stack": self.stack[:, None], "stack_bias": self.stack_bias,
                "gain_stack": self.gain_stack[:, None], "kind_spread": self.settings.kind_spread,
                "kind_weights": self.kind_weights, "kind_bias": self.kind_bias, "length_weights": self.length_weights,
                "length_bias": self.length_bias, "platt": [1.0, 0.0]}


def soft_logistic(inputs, target, weight, ridge: float = 1e-3) -> tuple[np.ndarray, float]:
    """Logistic regression on soft labels; a hair of ridge makes it unique."""
    inputs, weight = np.asarray(inputs, np.float64), weight / weight.sum()

    def loss(v):
        z = inputs @ v[:-1] + v[-1]
        value = (weight * (np.logaddexp(0, z) - target * z)).sum() + ridge * (v[:-1] ** 2).sum()
        slope = weight * (1 / (1 + np.exp(-z)) - target)
        return value, np.append(inputs.T @ slope + 2 * ridge * v[:-1], slope.sum())

    v = minimize(loss, np.zeros(inputs.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return v[:-1], float(v[-1])


def folds_of(rows: Rows, folds: int, seed: int) -> np.ndarray:
    """A random fold for each original; variants follow theirs."""
    return np.random.default_rng(seed).integers(0, folds, len(rows))[rows.parent]


def build(real: list[data.Row], args, settings: Settings, own: bool = True) -> Graph:
    """The graph fitted on `real` (and our own prompts), not yet calibrated."""
    rows = Rows(real, args.data / "tasks", settings, own)
    vectors = sense.Sense(args.sense, args.cache).reduced(rows.texts, settings.dimensions)
    print(f"{len(rows)} rows, {rows.real} of them real", flush=True)
    first, fold, inside = First(rows, vectors, settings), folds_of(rows, settings.folds, args.seed), np.ones(len(rows), bool)
    second = Second(first, first.out_of_fold(fold, inside), fold, inside, settings, args.seed)
    return Graph(first.table(inside), PLAN, second.parts()).eval()


def feed(texts: list[str]):
    """One text's three inputs after the other, as batches of one."""
    for text in texts:
        ids, weights = features.ngrams(text)
        yield torch.tensor([ids]), torch.tensor([weights]), torch.tensor([features.features(text)])


@torch.no_grad()
def ask(graph: Graph, texts: list[str]) -> np.ndarray:
    return np.array([graph(*inputs)[0].item() for inputs in feed(texts)])


def platt(probabilities, rows) -> list[float]:
    """Scale and shift of the logit that fit the soft labels of the calibration split."""
    p = np.clip(probabilities, 1e-6, 1 - 1e-6)
    soft = np.array([r.soft for r in rows])
    scale, shift = soft_logistic(np.log(p / (1 - p))[:, None], soft, np.ones(len(rows)), 0.0)
    return [float(scale[0]), shift]


OUTPUTS = ["local_ok", "gain", "task", "expected_output_tokens", "embedding"]


def export(graph: Graph, out: Path) -> None:
    example = (torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]]), torch.tensor([[0.5] * 4, [0.7, 0.7, 0, 0]]), torch.zeros(2, len(features.FEATURE_NAMES)))
    axes = {"ngram_ids": {0: "batch", 1: "ngrams"}, "ngram_weights": {0: "batch", 1: "ngrams"}, "features": {0: "batch"}}
    torch.onnx.export(graph, example, str(out / "model.onnx"), dynamo=False, opset_version=17,
                      input_names=["ngram_ids", "ngram_weights", "features"], output_names=OUTPUTS,
                      dynamic_axes={**axes, **{name: {0: "batch"} for name in OUTPUTS}})


def config_of(settings: Settings, seed: int, calibration: dict) -> dict:
    return {
        "schema": 1, "max_tokens": features.MAX_TOKENS,
        "window": {"head": features.HEAD_TOKENS, "tail": features.TAIL_TOKENS},
        "text_window": {"cut_above_bytes": features.CUT_ABOVE_BYTES, "head_bytes": features.KEEP_BYTES,
                        "tail_bytes": features.KEEP_BYTES},
        "pad_id": features.PAD,
        "ngrams": {"min_bytes": features.NGRAM_MIN, "max_bytes": features.NGRAM_MAX, "buckets": features.NGRAM_BUCKETS,
                   "hash": "fnv1a-32, upper half folded onto the lower"},
        "features": list(features.FEATURE_NAMES), "feature_definitions": dict(features.FEATURES),
        "code_marks": list(features.CODE_MARKS), "heads": OUTPUTS, "tasks": list(tasks.TASKS),
        "calibration": calibration, "settings": asdict(settings), "seed": seed,
    }


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with routing/ and tasks/")
    parser.add_argument("--sense", type=Path, required=True, help="folder of the sentence encoder MiniLM-L6")
    parser.add_argument("--cache", type=Path, required=True, help="folder where its vectors are kept between runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main() -> None:
    parser = arguments()
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "models" / "classifier")
    parser.add_argument("--no-own", action="store_true", help="leave our own prompts out of the labels, to measure what they do")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = replace(Settings(), own_weight=1e-4, least_weight=1e-4) if args.no_own else Settings()
    rows, _, _ = data.load(args.data / "routing")
    graph = build([r for r in rows if r.split == "train"], args, settings)
    calibration = [r for r in rows if r.split == "calibration"]
    scale, shift = platt(ask(graph, [r.prompt for r in calibration]), calibration)
    graph.platt[:] = torch.tensor([scale, shift])
    args.out.mkdir(parents=True, exist_ok=True)
    export(graph, args.out)
    told = {"method": "platt", "folded_into_graph": True, "scale": round(scale, 6), "shift": round(shift, 6),
            "rows": len(calibration), "target": "mean score of the small models (<= 9.5 B)"}
    text = json.dumps(config_of(settings, args.seed, told), indent=2) + "\n"
    (args.out / "config.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
