"""What fine-tuning the sentence encoder would give: the upper layers of MiniLM-L6 with a linear head, one task family left
out at a time. Not part of `run.sh`: it only adds a row to the table that chose what ships, and its int8 form is far
outside the latency budget (`encoder_latency.py`). Fixed seed; done folds are kept and not fitted again.

    python finetune.py --data DATA --sense MINILM --out FINETUNED.npz
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

import data
import features
from figures import auc

TOKENS, FROZEN, BATCH, RATE = 128, 4, 32, 5e-5
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
    done = dict(np.load(args.out)) if args.out.exists() else {}
    for family in sorted({r.family for r in rows}):
        if family in done:
            continue
        inside = [i for i, r in enumerate(rows) if r.family != family]
        outside = [i for i, r in enumerate(rows) if r.family == family]
        model = fit(args.sense, states, ids, feats, soft, inside, args.epochs)
        scores = np.full(len(rows), np.nan)
        with torch.inference_mode():
            for group in groups_of(ids, outside):
                scores[group] = model(*batch(states, feats, group)).numpy()
        done[family] = scores
        np.savez(args.out, **done)
        print(f"{family}: {time.time() - began:.0f} s", flush=True)
    scores = np.nanmean(np.stack([done[family] for family in done]), axis=0)
    found = {}
    for source in SOURCES:
        at = [i for i, r in enumerate(rows) if r.source == source]
        found[source] = auc([rows[i] for i in at], scores[at])
    print({**found, "mean": round(float(np.mean(list(found.values()))), 4)})


if __name__ == "__main__":
    main()
