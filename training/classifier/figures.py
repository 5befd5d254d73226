"""The figures that the card states: ranking, calibration, and the gap that routing recovers."""

import numpy as np
from sklearn.metrics import roc_auc_score

BINS = 20


def auc(rows, scores) -> float | None:
    """Area under the ROC curve for "most small models right"; None where all rows are alike."""
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


def calibration(predicted, rows) -> dict:
    soft, right = np.array([r.soft for r in rows]), np.array([float(r.right) for r in rows])
    return {"ece_mean_small_score": ece(predicted, soft), "brier_mean_small_score": round(float(np.mean((predicted - soft) ** 2)), 4),
            "ece_most_small_right": ece(predicted, right), "brier_most_small_right": round(float(np.mean((predicted - right) ** 2)), 4)}


def inside_categories(rows, scores, least: int = 20) -> float:
    """Mean AUC inside single categories, weighted by rows: what is left when the task type is known."""
    groups: dict = {}
    for i, r in enumerate(rows):
        groups.setdefault((r.source, r.category), []).append(i)
    kept = [(len(at), auc([rows[i] for i in at], scores[at])) for at in map(np.array, groups.values()) if len(at) >= least]
    kept = [(n, a) for n, a in kept if a is not None]
    return round(float(np.average([a for _, a in kept], weights=[n for n, _ in kept])), 4)


def apgr(scores, small, large) -> float | None:
    """Average performance gap recovered: rows leave for the large tier by score, lowest first; the recovered share of the
    gap, averaged over the share that left (trapezoids). None where the large tier is not better.

    >>> apgr(np.array([0.1, 0.9]), np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    0.75
    """
    gap = (large - small).mean()
    if gap <= 0:
        return None
    order = np.argsort(scores, kind="stable")
    recovered = np.concatenate([[0.0], np.cumsum((large - small)[order])]) / (len(scores) * gap)
    return round(float((recovered[1:] + recovered[:-1]).mean() / 2), 4)
