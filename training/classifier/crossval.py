"""Out-of-fold scores of every routing row: by five random folds, and by leaving out one task family at a time.

    python crossval.py --data DATA --sense MINILM --cache CACHE --out FOLDS.npz [--kinds random family]

The recipe is that of `train.py` without our own prompts and variants, and with three inner folds. The rivals and the
candidates that were not chosen are fitted on the same folds. Rows kept for testing are never trained on; they are
scored by the first random fold's models.
"""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.linalg
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

import data
import linear
import sense
from train import PLAN, First, Rows, Second, Settings, arguments, folds_of


def gaussian_ridge(vectors, target, inside, asked, gamma=2.0, strength=0.5):
    """Kernel ridge on sentence vectors: the best that the encoder gives without fine-tuning."""
    def kernel(a, b):
        return np.exp(-gamma * np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)).astype(np.float32)
    a = vectors[inside]
    k, mean = kernel(a, a), target[inside].mean()
    k[np.diag_indices(len(k))] += strength
    dual = scipy.linalg.cho_solve(scipy.linalg.cho_factor(k, overwrite_a=True, check_finite=False), target[inside] - mean)
    return kernel(vectors[asked], a) @ dual + mean


def word_ridge(matrix, target, inside, asked, strength=1.0):
    return Ridge(alpha=strength, solver="sparse_cg", tol=1e-3).fit(matrix[inside], target[inside]).predict(matrix[asked])


def main() -> None:
    parser = arguments()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", default=["random", "family"], choices=["random", "family"])
    args = parser.parse_args()
    usable, kept, _ = data.load(args.data / "routing")
    real = usable + kept
    settings = replace(Settings(), variants=0.0, folds=3)
    rows = Rows(real, args.data / "tasks", settings, own=False)
    encoder = sense.Sense(args.sense, args.cache)
    first = First(rows, encoder.reduced(rows.texts, settings.dimensions), settings)
    vectors = np.column_stack([encoder.vectors(rows.texts), 0.08 * first.f]).astype(np.float32)
    texts = {"tfidf_word_ridge": TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=100_000, ngram_range=(1, 2)),
             "tfidf_char_ridge": TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=100_000, analyzer="char_wb", ngram_range=(2, 5))}
    matrices = {name: vectorizer.fit_transform(rows.texts) for name, vectorizer in texts.items()}
    trainable = np.array([i < len(usable) for i in range(len(real))])
    keys = {"random": np.random.default_rng(args.seed).integers(0, 5, len(real)).astype(str), "family": np.array([r.family for r in real])}
    out, began = {"id": np.array([r.id for r in real])}, time.time()
    for kind in args.kinds:
        folds = sorted(set(keys[kind][trainable]))
        out[f"{kind}_fold"] = keys[kind]
        scores: dict = {}
        for fold in folds:
            inside = trainable & (keys[kind] != fold)
            asked = np.flatnonzero((trainable & (keys[kind] == fold)) | (~trainable & (fold == folds[0])))
            inner = folds_of(rows, settings.folds, args.seed)
            second = Second(first, first.out_of_fold(inner, inside), inner, inside, settings, args.seed)
            columns = first.columns(inside, asked)
            logit, gain = second.score(columns, first.f[asked])
            at = np.flatnonzero(inside)
            found = {"classifier": 1 / (1 + np.exp(-logit)), "gain": gain, "gated_ridges": second.gates(columns)[1],
                     "one_ridge": columns[:, PLAN["ok"][0]], "bumps": second.near(second.place(columns, first.f[asked]))[:, 0],
                     "minilm_linear": word_ridge(vectors, rows.soft, at, asked), "minilm_kernel": gaussian_ridge(vectors, rows.soft, at, asked)}
            found |= {name: word_ridge(matrix, rows.soft, at, asked) for name, matrix in matrices.items()}
            for name, values in found.items():
                scores.setdefault(name, np.full(len(real), np.nan))[asked] = values
            print(f"{kind} {fold}: {time.time() - began:.0f} s", flush=True)
        out |= {f"{kind}_{name}": values for name, values in scores.items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(args.out, **out)


if __name__ == "__main__":
    main()
