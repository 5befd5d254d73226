"""Train the request classifier and write `model.onnx`, `tokenizer.json` and `config.json`.

    python train.py --data DATA --out ../../models/classifier             the shipped model
    python train.py --data DATA --select [--trials FILE]                  compare settings by cross-validation

DATA holds `routing/` and `tasks/` (see README.md). Choices are made on the training split alone: five random folds
and leave-one-family-out. The calibration split fits the two Platt numbers. The held-back split is not read here.
"""

import argparse
import json
import random
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.nn import functional as F

import data
import features
import prompts
from model import Average, Net

SOURCES = ("mmlu_pro", "llmrouter", "zeroeval_crux", "zeroeval_mathl5")


@dataclass(frozen=True)
class Settings:
    vocab: int = 4096
    width: int = 96
    pair_width: int = 32
    hidden: int = 96
    dropout: float = 0.3
    token_dropout: float = 0.2
    epochs: int = 12
    rate: float = 2e-3
    decay: float = 0.02
    smoothing: float = 0.02
    gain_weight: float = 0.5
    hard_weight: float = 0.3
    own_count: int = 1500
    own_weight: float = 0.15
    members: int = 4
    teacher: float = 0.4


def train_tokenizer(texts: list[str], vocab: int) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=64))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=vocab, min_frequency=3, special_tokens=["[PAD]", "[UNK]"],
                                        limit_alphabet=400, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def prepare(rows, tokenizer):
    return ([features.encode(tokenizer, r.prompt) for r in rows],
            np.array([features.features(r.prompt) for r in rows], dtype=np.float32))


def batches(ids, size, rng):
    """Batches of similar length, in random order."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]) * rng.uniform(0.8, 1.2))
    groups = [order[i:i + size] for i in range(0, len(order), size)]
    rng.shuffle(groups)
    return groups


def pad(ids):
    longest = max(len(x) for x in ids)
    return torch.tensor([x + [0] * (longest - len(x)) for x in ids])


def fit(rows, ids, feats, settings: Settings, vocab: int, seed: int) -> Average:
    """Members that differ in their seed only, and whose logits are averaged; targets lean towards the teacher."""
    target = torch.tensor([(1 - settings.hard_weight) * r.soft + settings.hard_weight * r.right for r in rows])
    target = target * (1 - 2 * settings.smoothing) + settings.smoothing
    if settings.teacher:
        target = (1 - settings.teacher) * target + settings.teacher * teacher(rows, seed)
    return Average([fit_one(rows, ids, feats, target, settings, vocab, seed + 100 * m)
                    for m in range(settings.members)]).eval()


def teacher(rows, seed: int) -> torch.Tensor:
    """What a ridge on character n-grams says of each row when fitted on the other four fifths of the same rows.

    It is a stronger reader of short texts than the network and too large to ship; our own prompts keep their label.
    """
    rng = random.Random(seed)
    real = [i for i, r in enumerate(rows) if r.source != "own"]
    fold = np.array([rng.randrange(5) for _ in real])
    soft = np.array([rows[i].soft for i in real])
    texts = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=100_000, analyzer="char_wb", ngram_range=(2, 5))
    matrix = texts.fit_transform([rows[i].prompt for i in real])
    out = torch.tensor([r.soft for r in rows])
    for f in range(5):
        inside, outside = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        said = Ridge(alpha=1.0, solver="sparse_cg").fit(matrix[inside], soft[inside]).predict(matrix[outside])
        out[[real[i] for i in outside]] = torch.tensor(said.clip(0.02, 0.98), dtype=torch.float32)
    return out


def fit_one(rows, ids, feats, target, settings: Settings, vocab: int, seed: int) -> Net:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    std = feats.std(0)
    net = Net(vocab, feats.mean(0), np.maximum(std, 1e-3), settings.width, pair_width=settings.pair_width,
              hidden=settings.hidden, dropout=settings.dropout)
    gain = torch.tensor([r.gain for r in rows])
    weight = torch.tensor([r.weight for r in rows])
    feats = torch.tensor(feats)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=settings.decay)
    steps = settings.epochs * ((len(rows) + 63) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps + 1, pct_start=0.1)
    net.train()
    for _ in range(settings.epochs):
        for group in batches(ids, 64, rng):
            x = pad([ids[i] for i in group])
            x = torch.where(torch.rand(x.shape) < settings.token_dropout, (x != 0).long(), x)
            logit, lift = net.heads(x, feats[group])
            loss = F.binary_cross_entropy_with_logits(logit, target[group], reduction="none")
            loss = loss + settings.gain_weight * (lift - gain[group]) ** 2
            loss = (loss * weight[group]).sum() / weight[group].sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def predict(net, ids, feats):
    """Raw logits and gains."""
    logits, gains = np.zeros(len(ids)), np.zeros(len(ids))
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for start in range(0, len(order), 128):
        group = order[start:start + 128]
        logit, gain = net.heads(pad([ids[i] for i in group]), torch.tensor(feats[group]))
        logits[group], gains[group] = logit.numpy(), gain.numpy()
    return logits, gains


def auc_by_source(rows, scores) -> dict:
    out = {}
    for source in SOURCES:
        at = [i for i, r in enumerate(rows) if r.source == source]
        y = [rows[i].right for i in at]
        if len(set(y)) == 2:
            out[source] = roc_auc_score(y, [scores[i] for i in at])
    return out


def own_rows(tasks: Path, settings: Settings) -> list[data.Row]:
    made = prompts.generate(tasks, settings.own_count, 7) if settings.own_weight else []
    return [data.Row(**r, weight=settings.own_weight) for r in made]


def select(rows, args) -> None:
    """Print cross-validated figures of each setting, on the training split alone."""
    base, tasks, seed = Settings(), args.data / "tasks", args.seed
    trials = {} if args.trials else {"base": base}
    for text in args.trials.read_text().splitlines() if args.trials else []:
        name, _, change = text.partition(" ")
        trials[name] = replace(base, **json.loads(change))
    for name, settings in trials.items():
        tokenizer = train_tokenizer([r.prompt for r in rows] + data.unlabelled(tasks), settings.vocab)
        ids, feats = prepare(rows, tokenizer)
        own = own_rows(tasks, settings)
        own_ids, own_feats = prepare(own, tokenizer) if own else ([], np.zeros((0, feats.shape[1]), np.float32))
        rng = random.Random(seed)
        folds = [rng.randrange(5) for _ in rows]
        for kind, keys in (("random", folds), ("family", [r.family for r in rows])):
            scores = np.zeros(len(rows))
            for key in sorted(set(keys)):
                inside = [i for i, k in enumerate(keys) if k != key]
                outside = [i for i, k in enumerate(keys) if k == key]
                net = fit([rows[i] for i in inside] + own, [ids[i] for i in inside] + own_ids,
                          np.concatenate([feats[inside], own_feats]), settings, tokenizer.get_vocab_size(), seed)
                scores[outside], _ = predict(net, [ids[i] for i in outside], feats[outside])
            print(name, kind, {k: round(v, 4) for k, v in auc_by_source(rows, scores).items()}, flush=True)


def platt(logits, rows) -> list[float]:
    """Scale and shift that make the sigmoid match the soft labels of the calibration split."""
    z, y = torch.tensor(logits, dtype=torch.float64), torch.tensor([r.soft for r in rows], dtype=torch.float64)
    ab = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([ab], max_iter=200)

    def closure():
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(ab[0] * z + ab[1], y)
        loss.backward()
        return loss

    optimizer.step(closure)
    return [float(v) for v in ab.detach()]


def export(net: Net, out: Path) -> None:
    net.freeze_small()
    out.mkdir(parents=True, exist_ok=True)
    example = (torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]]), torch.zeros(2, len(features.FEATURE_NAMES)))
    torch.onnx.export(net, example, str(out / "model.onnx"), dynamo=False, opset_version=17,
                      input_names=["input_ids", "features"], output_names=["local_ok", "gain"],
                      dynamic_axes={"input_ids": {0: "batch", 1: "tokens"}, "features": {0: "batch"},
                                    "local_ok": {0: "batch"}, "gain": {0: "batch"}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with routing/ and tasks/")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "models" / "classifier")
    parser.add_argument("--select", action="store_true", help="cross-validate on the training split, write nothing")
    parser.add_argument("--trials", type=Path, help="for --select: a file of lines 'name {changed settings as JSON}'")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-own", action="store_true", help="leave our own prompts out, to measure what they do")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows, _, _ = data.load(args.data / "routing")
    train = [r for r in rows if r.split == "train"]
    if args.select:
        select(train, args)
        return
    settings = replace(Settings(), own_weight=0.0) if args.no_own else Settings()
    tokenizer = train_tokenizer([r.prompt for r in train] + data.unlabelled(args.data / "tasks"), settings.vocab)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out / "tokenizer.json"))
    train += own_rows(args.data / "tasks", settings)
    ids, feats = prepare(train, tokenizer)
    net = fit(train, ids, feats, settings, tokenizer.get_vocab_size(), args.seed)
    calibration = [r for r in rows if r.split == "calibration"]
    ids, feats = prepare(calibration, tokenizer)
    logits, _ = predict(net, ids, feats)
    scale, shift = platt(logits, calibration)
    net.platt[:] = torch.tensor([scale, shift])
    export(net, args.out)
    config = {
        "schema": 1, "max_tokens": features.MAX_TOKENS,
        "window": {"head": features.HEAD_TOKENS, "tail": features.TAIL_TOKENS},
        "text_window": {"cut_above_bytes": features.CUT_ABOVE_BYTES, "head_bytes": features.KEEP_BYTES,
                        "tail_bytes": features.KEEP_BYTES},
        "pad_id": features.PAD, "features": list(features.FEATURE_NAMES),
        "feature_definitions": dict(features.FEATURES), "code_marks": list(features.CODE_MARKS),
        "heads": ["local_ok", "gain"],
        "calibration": {"method": "platt", "folded_into_graph": True, "scale": round(scale, 6), "shift": round(shift, 6),
                        "rows": len(calibration), "target": "mean score of the small models (<= 9.5 B)"},
        "settings": asdict(settings), "seed": args.seed,
    }
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
