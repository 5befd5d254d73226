"""Train the starter model within a budget of wall-clock minutes, in two phases.

First the broad mixture with Muon for the matrices inside the layers, which soon copies names out of the prompt; then
the focused mixture with AdamW.  Rerunning the same command goes on from the last checkpoint.  The learning rate
follows the share of a phase's budget that is used up, so a slower machine sees fewer tokens but still ends with a
finished schedule.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

import initial
from common import TURN_END, model_config
from prepare import SEED, render

PROMPT_KEPT = 0.25  # share of prompt positions whose next token is learnt
PROMPT_WEIGHT = 0.4  # weight of each of those; with PROMPT_KEPT a prompt token counts 0.1, an answer token 1
WARMUP = 0.04  # share of a phase
BATCH_TOKENS = 3072
SAVE_EVERY, CHECK_EVERY = 100, 600  # seconds
PHASES = {
    # first_weight: weight of an answer's first token, where a label is decided and where JSON teaches nothing
    "broad": {"share": 0.35, "optimizer": "muon", "rate": 0.004, "adam_rate": 0.002, "decay_from": 0.5, "first_weight": 8.0},
    "focused": {"share": 0.65, "optimizer": "adamw", "rate": 0.0018, "adam_rate": 0.0018, "decay_from": 0.42, "first_weight": 4.0},
}


def learning_rate(share, decay_from):
    """Rise, stay, then fall in a straight line to nothing."""
    if share < WARMUP:
        return share / WARMUP
    return 1.0 if share < decay_from else max(0.02, (1 - share) / (1 - decay_from))


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made near orthogonal by five Newton-Schulz steps; equal shapes go together."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for param in group["params"]:
                state = self.state[param]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(param)
                state["momentum"].lerp_(param.grad, 1 - group["momentum"])
                update = param.grad.lerp(state["momentum"], group["momentum"])
                shapes.setdefault(tuple(param.shape), []).append((param, update))
            for (rows, columns), pairs in shapes.items():
                x = torch.stack([update for _, update in pairs])
                x = x.transpose(1, 2) if rows > columns else x
                x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
                for _ in range(5):
                    square = x @ x.transpose(1, 2)
                    x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
                x = x.transpose(1, 2) if rows > columns else x
                for (param, _), update in zip(pairs, x):
                    param.mul_(1 - group["lr"] * group["weight_decay"])
                    param.add_(update, alpha=-group["lr"] * 0.2 * max(rows, columns) ** 0.5)


class Batches:
    """Examples in a seeded order, packed into batches of similar length with about `size` tokens, padded right."""

    POOL = 1500

    def __init__(self, path, size):
        data = np.load(path)
        self.tokens, self.answers, self.offsets, self.size = data["tokens"], data["answers"], data["offsets"], size

    def __len__(self):
        return len(self.offsets) - 1

    def from_position(self, done):
        """Batches from the `done`-th pool of examples on, each as (pools done, ids, answer mask)."""
        while True:
            epoch, start = divmod(done * self.POOL, len(self) - len(self) % self.POOL)
            order = np.random.default_rng(SEED + epoch).permutation(len(self))[start: start + self.POOL]
            lengths = self.offsets[order + 1] - self.offsets[order]
            order = order[np.argsort(lengths, kind="stable")]
            groups, group, longest = [], [], 0
            for index in order:
                longest = max(longest, int(self.offsets[index + 1] - self.offsets[index]))
                if group and longest * (len(group) + 1) > self.size:
                    groups.append(group)
                    group = []
                    longest = int(self.offsets[index + 1] - self.offsets[index])
                group.append(index)
            groups.append(group)
            done += 1
            for number in np.random.default_rng(SEED + done).permutation(len(groups)):
                yield done, *self.tensors(groups[number])

    def tensors(self, group):
        spans = [(self.offsets[index], self.offsets[index + 1]) for index in group]
        width = max(end - start for start, end in spans)
        ids = torch.zeros(len(group), width, dtype=torch.long)
        kind = torch.full((len(group), width), -1, dtype=torch.long)
        for row, (start, end) in enumerate(spans):
            ids[row, : end - start] = torch.from_numpy(self.tokens[start:end].astype(np.int64))
            kind[row, : end - start] = torch.from_numpy(self.answers[start:end].astype(np.int64))
        return ids, kind


def loss_of(model, ids, kind, generator, first_weight):
    """Cross-entropy over all answer tokens and a sample of prompt tokens; then that of answers, and of their first tokens."""
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    target, first, kind = ids[:, 1:], (kind[:, 1:] == 1) & (kind[:, :-1] == 0), kind[:, 1:]
    keep = (kind == 1) | ((kind == 0) & (torch.rand(kind.shape, generator=generator) < PROMPT_KEPT))
    losses = F.cross_entropy(model.lm_head(hidden[keep]), target[keep], reduction="none")
    is_answer, is_first = kind[keep] == 1, first[keep]
    weights = torch.where(is_first, first_weight, torch.where(is_answer, 1.0, PROMPT_WEIGHT))
    return (losses * weights).sum() / weights.sum(), losses[is_answer].mean().item(), losses[is_first].mean().item()


@torch.no_grad()
def generate(model, prompt, limit):
    """Greedy answer tokens after the prompt's."""
    out, cache, ids = [], None, torch.tensor([prompt])
    while len(out) < limit:
        result = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        token, cache = int(result.logits[0, -1].argmax()), result.past_key_values
        if token in (0, TURN_END):
            break
        out.append(token)
        ids = torch.tensor([[token]])
    return out


def quick_check(model, tokenizer, questions):
    """Exact answers on a few held-out questions, by task."""
    model.eval()
    right, asked = {}, {}
    for question in questions:
        prompt = tokenizer.encode("".join(text for text, _ in render(question["messages"], True)), add_special_tokens=False).ids
        answer = tokenizer.decode(generate(model, prompt, 40), skip_special_tokens=False)
        expected = question["answer"] if isinstance(question["answer"], str) else json.dumps(question["answer"], ensure_ascii=False)
        task = question["task"]
        asked[task] = asked.get(task, 0) + 1
        right[task] = right.get(task, 0) + (answer == expected)
    model.train()
    return {task: round(right[task] / asked[task], 3) for task in asked}


def optimizers(model, phase):
    """The phase's optimizers, each with its full rate."""
    matrices = [param for name, param in model.named_parameters() if param.ndim == 2 and "layers" in name]
    others = [param for name, param in model.named_parameters() if not (param.ndim == 2 and "layers" in name)]
    adam = torch.optim.AdamW(others, lr=phase["adam_rate"], betas=(0.9, 0.95), weight_decay=0.0)
    if phase["optimizer"] == "muon":
        return [(Muon(matrices, lr=phase["rate"]), phase["rate"]), (adam, phase["adam_rate"])]
    inner = torch.optim.AdamW(matrices, lr=phase["rate"], betas=(0.9, 0.95), weight_decay=0.05)
    return [(inner, phase["rate"]), (adam, phase["adam_rate"])]


class Run:
    """The model, how far it is, and the files that remember both."""

    def __init__(self, work, vocabulary):
        self.work, self.checkpoint = work, work / "checkpoint.pt"
        self.model = LlamaForCausalLM(model_config())
        initial.start(self.model, vocabulary)
        self.progress = {"phase": "broad", "elapsed": 0.0, "pools": 0, "steps": 0, "tokens": 0}
        self.saved = torch.load(self.checkpoint, weights_only=True) if self.checkpoint.exists() else {}
        if self.saved:
            self.model.load_state_dict(self.saved["model"])
            self.progress = self.saved["progress"]

    def save(self, chosen):
        state = {"model": self.model.state_dict(), "progress": self.progress,
                 "optimizers": [optimizer.state_dict() for optimizer, _ in chosen]}
        torch.save(state, self.checkpoint.with_suffix(".tmp"))
        self.checkpoint.with_suffix(".tmp").replace(self.checkpoint)

    def log(self, **values):
        line = json.dumps({**self.progress, "elapsed": round(self.progress["elapsed"]), **values})
        print(line, flush=True)
        with open(self.work / "train.log", "a", encoding="utf-8") as handle:
            handle.write(line + "\n")

    def train(self, name, seconds, check):
        """One phase, for `seconds` over all runs; `check` says how good the model is."""
        phase, progress = PHASES[name], self.progress
        chosen = optimizers(self.model, phase)
        if progress["phase"] != name:
            progress.update(phase=name, elapsed=0.0, pools=0)
        elif self.saved:
            for (optimizer, _), state in zip(chosen, self.saved["optimizers"]):
                optimizer.load_state_dict(state)
        generator = torch.Generator().manual_seed(SEED + progress["steps"])
        batches = Batches(self.work / f"{name}.npz", BATCH_TOKENS).from_position(progress["pools"])
        self.model.train()
        losses, last = [], time.monotonic()
        next_save, next_check = progress["elapsed"] + SAVE_EVERY, progress["elapsed"] + CHECK_EVERY
        while progress["elapsed"] < seconds:
            pools, ids, kind = next(batches)
            for optimizer, rate in chosen:
                for group in optimizer.param_groups:
                    group["lr"] = rate * learning_rate(progress["elapsed"] / seconds, phase["decay_from"])
            loss, *parts = loss_of(self.model, ids, kind, generator, phase["first_weight"])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimizer, _ in chosen:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            losses.append(parts)
            now = time.monotonic()
            progress.update(elapsed=progress["elapsed"] + now - last, pools=pools - 1, steps=progress["steps"] + 1,
                            tokens=progress["tokens"] + int((kind >= 0).sum()))
            last = now
            if progress["steps"] % 20 == 0:
                answer, first = np.mean(losses, axis=0).round(4).tolist()
                self.log(answer_loss=answer, first_token_loss=first)
                losses = []
            if progress["elapsed"] >= next_check:
                self.log(check=check(self.model))
                next_check = progress["elapsed"] + CHECK_EVERY
            if progress["elapsed"] >= next_save:
                self.save(chosen)
                next_save = progress["elapsed"] + SAVE_EVERY
        self.save(chosen)
        self.log(finished=name, check=check(self.model))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder prepare.py wrote to")
    parser.add_argument("--minutes", type=float, default=60, help="budget of training time over all runs")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    with open(args.work / "heldout.jsonl", encoding="utf-8") as handle:
        questions = [json.loads(line) for line in handle][::61]
    run = Run(args.work, tokenizer.get_vocab())
    names = list(PHASES)
    for name in names[names.index(run.progress["phase"]):]:
        run.train(name, args.minutes * 60 * PHASES[name]["share"], lambda model: quick_check(model, tokenizer, questions))


if __name__ == "__main__":
    main()
