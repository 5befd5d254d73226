"""What fine-tuning the sentence encoder would give: the upper two layers of MiniLM-L6 with a linear head, half of the
task families left out at a time, beside rivals on the same two halves. Not part of `run.sh`: it chose nothing, and the
encoder's int8 form is far outside the latency budget (`encoder_latency.py`). Fixed seed; a half that is done is kept.

    python finetune.py --data DATA --sense MINILM --cache CACHE --out FINETUNED.npz
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer
from transformers import AutoModel

import data
import features
import sense
from crossval import gaussian_ridge, word_ridge
from figures import auc

TOKENS, FROZEN, BATCH, RATE = 64, 4, 32, 5e-5
# Halves of about the same size, each with families of every source that has more than one.
HALVES = {"code": 0, "science choice": 0, "short facts": 0, "writing": 0,
          "math": 1, "word problems": 1, "other choice": 1, "logic and gpqa": 1}
SOURCES = ("mmlu_pro", "llmrouter", "zeroeval_crux", "zeroeval_mathl5")


def read(encoder: Path, texts: list[str]) -> list[list[int]]:
    """Token ids; of long texts the first and last half of the budget."""
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids = [tokenizer.encode(features.cut(text)).ids for text in texts]
    return [x if len(x) <= TOKENS else x[:TOKENS // 2] + x[-TOKENS // 2:] for x in ids]


def padded(ids):
    longest = max(map(len, ids))
    x = torch.tensor([i + [0] * (longest - len(i)) for i in ids])
    return x, torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i in ids])


def groups_of(ids, order):
    """Batches of like length."""
    order = sorted(order, key=lambda i: len(ids[i]))
    return [order[at:at + BATCH] for at in range(0, len(order), BATCH)]


class Upper(torch.nn.Module):
    """The layers above the frozen ones, mean pooling, and a head beside the twelve features."""

    def __init__(self, encoder: Path, mean, std):
        super().__init__()
        model = AutoModel.from_pretrained(encoder, attn_implementation="eager")
        self.layers = model.encoder.layer[FROZEN:]
        self.head = torch.nn.Linear(384 + len(mean), 1)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, hidden, mask, feats):
        far = (1.0 - mask[:, None, None, :].float()) * -1e4
        for layer in self.layers:
            out = layer(hidden, far)
            hidden = out[0] if isinstance(out, tuple) else out
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        pooled = torch.nn.functional.normalize(pooled, dim=1) * 8
        return self.head(torch.cat([pooled, (feats - self.mean) / self.std], 1)).squeeze(1)


@torch.inference_mode()
def lower(encoder: Path, ids) -> list[torch.Tensor]:
    """Each text's hidden states below the trained layers, in half precision."""
    model = AutoModel.from_pretrained(encoder, attn_implementation="eager").eval()
    model.encoder.layer = model.encoder.layer[:FROZEN]
    out: list = [None] * len(ids)
    for group in groups_of(ids, range(len(ids))):
        x, mask = padded([ids[i] for i in group])
        hidden = model(input_ids=x, attention_mask=mask).last_hidden_state.half()
        for row, i in zip(hidden, group):
            out[i] = row[:len(ids[i])].clone()
    return out


def batch(states, feats, group):
    longest = max(len(states[i]) for i in group)
    hidden = torch.zeros(len(group), longest, 384)
    mask = torch.zeros(len(group), longest, dtype=torch.long)
    for at, i in enumerate(group):
        hidden[at, :len(states[i])] = states[i].float()
        mask[at, :len(states[i])] = 1
    return hidden, mask, feats[group]


def fit(encoder, states, ids, feats, soft, inside, epochs: int):
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    std = feats[inside].std(0).clamp_min(1e-3)
    model = Upper(encoder, feats[inside].mean(0).numpy(), std.numpy()).train()
    slow, quick = list(model.layers.parameters()), list(model.head.parameters())
    optimizer = torch.optim.AdamW([{"params": slow, "lr": RATE}, {"params": quick, "lr": 1e-3}], weight_decay=0.01)
    groups = groups_of(ids, inside)
    steps = epochs * len(groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [RATE, 1e-3], total_steps=steps + 1, pct_start=0.1)
    for _ in range(epochs):
        for at in rng.permutation(len(groups)):
            logit = model(*batch(states, feats, groups[at]))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, soft[groups[at]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sense", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=1)
    args = parser.parse_args()
    rows, _, _ = data.load(args.data / "routing")
    ids = read(args.sense, [r.prompt for r in rows])
    feats = torch.tensor([features.features(r.prompt) for r in rows], dtype=torch.float32)
    soft = torch.tensor([r.soft for r in rows], dtype=torch.float32)
    began = time.time()
    states = lower(args.sense, ids)
    print(f"frozen layers: {time.time() - began:.0f} s", flush=True)
    half = np.array([HALVES[r.family] for r in rows])
    done = dict(np.load(args.out)) if args.out.exists() else {}
    vectors = np.column_stack([sense.Sense(args.sense, args.cache).vectors([r.prompt for r in rows]), 0.08 * feats.numpy()])
    chars = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=100_000, analyzer="char_wb", ngram_range=(2, 5))
    matrix = chars.fit_transform([r.prompt for r in rows])
    systems = {name: np.zeros(len(rows)) for name in ("tfidf_char_ridge", "minilm_kernel", "minilm_fine_tuned")}
    for left in (0, 1):
        inside, outside = np.flatnonzero(half != left), np.flatnonzero(half == left)
        systems["tfidf_char_ridge"][outside] = word_ridge(matrix, soft.numpy(), inside, outside)
        systems["minilm_kernel"][outside] = gaussian_ridge(vectors, soft.numpy(), inside, outside)
        if str(left) not in done:
            model = fit(args.sense, states, ids, feats, soft, inside, args.epochs)
            scores = np.zeros(len(rows))
            with torch.inference_mode():
                for group in groups_of(ids, outside):
                    scores[group] = model(*batch(states, feats, group)).numpy()
            done[str(left)] = scores
            np.savez(args.out, **done)
            print(f"half {left}: {time.time() - began:.0f} s", flush=True)
        systems["minilm_fine_tuned"][outside] = done[str(left)][outside]
    for name, scores in systems.items():
        # Scores of two models: their order counts inside a half only.
        found = {f"{source} {left}": auc([rows[i] for i in at], scores[at]) for source in SOURCES for left in (0, 1)
                 for at in [[i for i, r in enumerate(rows) if r.source == source and half[i] == left]] if len(at) > 50}
        print(name, found)


if __name__ == "__main__":
    main()
