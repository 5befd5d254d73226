"""The closed-form half of the classifier: kernel ridge over hashed n-grams and features, in its dual form.

With fewer rows than buckets every ridge is solved through one matrix of similarities between rows, and one
factorisation answers any number of targets. A linear ridge's weights over the buckets are then `X^T a`, which is what
the graph keeps. Everything is exact and has no seed.
"""

import numpy as np
import scipy.linalg
import scipy.sparse

import features

FEATURE_SPREAD, CONSTANT = 0.1, 3.0  # how much the features, and an intercept, count beside the n-grams
LEAST_DOCUMENTS = 2


def count_matrix(texts: list[str]) -> scipy.sparse.csr_matrix:
    """One row a text: 1 + ln(count) of each bucket, with norm 1; what the gateway feeds."""
    start, buckets, values = [0], [], []
    for text in texts:
        ids, weights = features.ngrams(text)
        buckets += ids
        values += weights
        start.append(len(buckets))
    shape = (len(texts), features.NGRAM_BUCKETS)
    return scipy.sparse.csr_matrix((np.array(values, np.float32), np.array(buckets), np.array(start)), shape=shape)


def inverse_document_frequency(counts) -> np.ndarray:
    """Smoothed as usual; buckets of a single text weigh nothing."""
    documents = np.asarray((counts > 0).sum(0)).ravel()
    idf = np.log((1 + counts.shape[0]) / (1 + documents)) + 1
    return np.where(documents >= LEAST_DOCUMENTS, idf, 0).astype(np.float32)


def weigh(counts, idf) -> scipy.sparse.csr_matrix:
    rows = counts @ scipy.sparse.diags(idf)
    norm = np.sqrt(np.asarray(rows.multiply(rows).sum(1)).ravel())
    return (scipy.sparse.diags(1 / np.maximum(norm, 1e-6)) @ rows).tocsr().astype(np.float32)


class Scaler:
    """Features to mean 0 and deviation 1 over the rows it was made from, cut at four deviations."""

    def __init__(self, raw: np.ndarray):
        self.mean, self.std = raw.mean(0), raw.std(0) + 1e-3

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        return np.clip((raw - self.mean) / self.std, -4, 4).astype(np.float32)


def similarities(x, f) -> np.ndarray:
    return (x @ x.T).toarray().astype(np.float32) + FEATURE_SPREAD**2 * (f @ f.T) + CONSTANT


def solve(k: np.ndarray, rows: np.ndarray, targets: np.ndarray, weight: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Dual weights of a ridge on the given rows; a row of weight w counts as w rows."""
    matrix = k[np.ix_(rows, rows)].copy()
    matrix[np.diag_indices(len(rows))] += strength / weight[rows]
    factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    return scipy.linalg.cho_solve(factor, targets[rows].astype(np.float32), check_finite=False)


class Radial:
    """Ridge on Gaussian bumps around landmarks (the Nystroem form of kernel ridge): small enough for the graph."""

    def __init__(self, landmarks: np.ndarray, gamma: float, strength: float):
        self.landmarks, self.gamma, self.strength, self.readout = landmarks.astype(np.float32), gamma, strength, None

    def bumps(self, z: np.ndarray) -> np.ndarray:
        squares = (z**2).sum(1)[:, None] + (self.landmarks**2).sum(1)[None] - 2 * z @ self.landmarks.T
        return np.exp(-self.gamma * np.maximum(squares, 0)).astype(np.float32)

    def fit(self, z, targets, weight):
        bumps = self.bumps(z)
        self.mean = np.average(targets, axis=0, weights=weight)
        left = (bumps * weight[:, None]).T @ bumps + self.strength * self.bumps(self.landmarks)
        left[np.diag_indices(len(left))] += 1e-3
        self.readout = np.linalg.solve(left.astype(np.float64), ((bumps * weight[:, None]).T @ (targets - self.mean)).astype(np.float64))
        return self

    def __call__(self, z) -> np.ndarray:
        return self.bumps(z) @ self.readout + self.mean
