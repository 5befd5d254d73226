"""Train the starter model on a budget of tokens.

Rerunning the same command goes on from the last checkpoint.  The learning rate follows the share of the budget that is used
up, so a run may be given another budget in the middle and still ends with a finished schedule.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import copying
import tokenizer as bpe
from dialogue import SEED, render, unmarked
from model import Starter

PROMPT_KEPT, PROMPT_WEIGHT = 0.1, 0.6  # share of prompt positions whose next token is learnt, and the weight of each
FIRST_WEIGHT = 4.0  # of an answer's first token, where a label is decided
SENSE_WEIGHT = 1.0  # of the cosine loss that teaches spans their meaning
RATE, SCALE_RATE, EMBEDDING_RATE, DECAY = 0.0013, 0.004, 0.0005, 0.05  # of matrices, of norms, of embeddings
WARMUP, FALL = 0.02, 0.4  # shares of the budget: the rate rises, stays, and falls from here on
POOL = 3000  # dialogues that are sorted by length together
SHORT, SHORT_SHARE = 72, 0.15  # copying is found soonest in short dialogues: longest at first, growing until this share of the budget
COPYING_STEPS = 120  # of exercises before anything else
EXERCISE_SHARE, EXERCISE_EVERY = 0.6, 3  # until this share of the budget, exercises between the dialogues: one of copying, three of choosing
SAVE_EVERY, CHECK_EVERY = 120, 600  # seconds


def longest(share):
    """Tokens of the longest dialogue that is trained when `share` of the budget is used up."""
    return SHORT * (1 + 9 * max(0.0, share / SHORT_SHARE - 1)) if share < 2 * SHORT_SHARE else 10**9


def learning_rate(share):
    if share < WARMUP:
        return share / WARMUP + 0.01
    return 1.0 if share < FALL else max(0.01, (1 - share) / (1 - FALL))


class Batches:
    """Dialogues in a seeded order, packed into batches of similar length with about `size` tokens, padded right."""

    def __init__(self, work, size):
        data = np.load(work / "data.npz")
        self.tokens, self.kinds, self.offsets, self.marks, self.size = data["tokens"], data["kinds"], data["offsets"], data["marks"], size
        self.spans = torch.from_numpy(np.load(work / "spans.npy").astype(np.float32))
        self.first_mark = np.searchsorted(self.marks[:, 0], self.offsets)

    def groups(self, done, share):
        """Groups of dialogues from the `done`-th pool on, each as (pools done before, indices); `share()` is that of the budget used up."""
        count = len(self.offsets) - 1
        while True:
            epoch, start = divmod(done * POOL, max(1, count - count % POOL))
            order = np.random.default_rng(SEED + epoch).permutation(count)[start: start + POOL]
            order = order[self.offsets[order + 1] - self.offsets[order] <= longest(share())]
            order = order[np.argsort(self.offsets[order + 1] - self.offsets[order], kind="stable")]
            groups, group, width = [], [], 0
            for index in order:
                width = self.width(max(width, self.offsets[index + 1] - self.offsets[index]))
                if group and width * (len(group) + 1) > self.size:
                    groups.append(group)
                    group, width = [], self.width(self.offsets[index + 1] - self.offsets[index])
                group.append(index)
            groups.append(group)
            for number in np.random.default_rng(SEED + done).permutation(len(groups)):
                yield done, groups[number]
            done += 1

    @staticmethod
    def width(length):
        return -(-int(length) // 16) * 16  # few shapes, so that few matrix kernels are made

    def tensors(self, group):
        """Tokens, kinds (-1 beyond the end), and marks as (row, position, sentence vector)."""
        width = self.width(max(self.offsets[index + 1] - self.offsets[index] for index in group))
        ids, kinds = torch.zeros(len(group), width, dtype=torch.long), torch.full((len(group), width), -1, dtype=torch.long)
        rows, positions, spans = [], [], []
        for row, index in enumerate(group):
            start, end = self.offsets[index], self.offsets[index + 1]
            ids[row, : end - start] = torch.from_numpy(self.tokens[start:end].astype(np.int64))
            kinds[row, : end - start] = torch.from_numpy(self.kinds[start:end].astype(np.int64))
            for position, number in self.marks[self.first_mark[index]: self.first_mark[index + 1]]:
                rows.append(row)
                positions.append(int(position - start))
                spans.append(int(number))
        return ids, kinds, (torch.tensor(rows, dtype=torch.long), torch.tensor(positions, dtype=torch.long), self.spans[spans])


def losses(model, ids, kinds, marks, precision, sense_weight):
    """The loss to minimise; then that of all answer tokens, of their first tokens, and of the spans' meaning."""
    hidden, middle = model(ids, precision)
    kinds, target = kinds[:, 1:], ids[:, 1:]
    keep = (kinds > 0) | ((kinds == 0) & (torch.rand(kinds.shape, device=kinds.device) < PROMPT_KEPT))
    each = F.cross_entropy(model.logits(hidden[:, :-1][keep]).float(), target[keep], reduction="none")
    kept = kinds[keep]
    weights = torch.where(kept == 2, FIRST_WEIGHT, torch.where(kept == 1, 1.0, PROMPT_WEIGHT))
    loss, sense = (each * weights).sum() / weights.sum(), torch.zeros((), device=ids.device)
    rows, positions, vectors = marks
    if len(rows):
        found = model.sense(middle[rows, positions]).float()
        sense = 1 - F.cosine_similarity(found, vectors).mean()
        loss = loss + sense_weight * sense
    return loss, each[kept > 0].mean().item(), each[kept == 2].mean().item(), sense.item()


def copying_loss(model, ids, told, precision):
    """Cross-entropy of what can be copied, and the share that is copied rightly."""
    hidden, _ = model(ids, precision)
    at = told[:, 1:]
    logits, target = model.logits(hidden[:, :-1][at]).float(), ids[:, 1:][at]
    return F.cross_entropy(logits, target), (logits.argmax(-1) == target).float().mean().item()


@torch.no_grad()
def quick_check(model, tokenizer, questions, precision, device):
    """The share of held-out questions whose greedy answer is the expected one to the letter, by task.

    A greedy answer is the expected one just if every token of the expected one is the likeliest after those before it.
    """
    right, asked = {}, {}
    for question in questions:
        expected = question["answer"] if isinstance(question["answer"], str) else json.dumps(question["answer"], ensure_ascii=False)
        segments = render([(role, unmarked(content)[0]) for role, content in question["messages"]], True) + [(expected + "<|im_end|>", True)]
        parts = [tokenizer.encode(text, add_special_tokens=False).ids for text, _ in segments]
        ids, answer = sum(parts, []), parts[-1]
        hidden, _ = model(torch.tensor([ids], device=device), precision)
        best = model.logits(hidden[0, -len(answer) - 1: -1]).argmax(-1).tolist()
        asked[question["task"]] = asked.get(question["task"], 0) + 1
        right[question["task"]] = right.get(question["task"], 0) + (best == answer)
    return {task: round(right[task] / asked[task], 3) for task in asked}


class Run:
    """The model, how far it is, and the files that remember both."""

    def __init__(self, work, device):
        self.work, self.checkpoint, self.device = work, work / "checkpoint.pt", device
        self.model = Starter()
        with torch.no_grad():
            self.model.embedding.copy_(torch.load(work / "embeddings.pt", weights_only=True))
        copying.seed(self.model)
        self.progress = {"tokens": 0, "steps": 0, "pools": 0, "seconds": 0.0}
        self.model.to(device)
        matrices = [param for name, param in self.model.named_parameters() if param.ndim == 2 and name != "embedding"]
        others = [param for param in self.model.parameters() if param.ndim == 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "full": RATE, "weight_decay": DECAY}, {"params": others, "full": SCALE_RATE, "weight_decay": 0.0},
             {"params": [self.model.embedding], "full": EMBEDDING_RATE, "weight_decay": 0.0}], lr=RATE, betas=(0.9, 0.95), fused=True)
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, weights_only=True, map_location=device)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.progress = saved["progress"]

    def save(self):
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "progress": self.progress}
        torch.save(state, self.checkpoint.with_suffix(".tmp"))
        self.checkpoint.with_suffix(".tmp").replace(self.checkpoint)

    def log(self, **values):
        line = json.dumps({**self.progress, "seconds": round(self.progress["seconds"]), **values})
        print(line, flush=True)
        with open(self.work / "train.log", "a", encoding="utf-8") as handle:
            handle.write(line + "\n")

    def step(self, loss, share):
        for part in self.optimizer.param_groups:
            part["lr"] = part["full"] * learning_rate(share)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def exercise(self, exercise, precision, share):
        loss, right = copying_loss(self.model, *(part.to(self.device) for part in exercise.batch()), precision)
        self.step(loss, share)
        return right

    def train(self, budget, batch_tokens, precision, check, exercises):
        progress, seen, right, last = self.progress, [], [0.0, 0.0], time.monotonic()
        torch.manual_seed(SEED + progress["steps"])
        batches = Batches(self.work, batch_tokens)
        if not progress["steps"]:
            for number in range(COPYING_STEPS):
                right[0] = self.exercise(exercises[0], precision, WARMUP * min(1.0, number / 40))
                if number % 20 == 0:
                    self.log(exercises=[round(part, 3) for part in right])
        next_save, next_check = progress["seconds"] + SAVE_EVERY, progress["seconds"] + CHECK_EVERY
        for pools, group in batches.groups(progress["pools"], lambda: progress["tokens"] / budget):
            share = progress["tokens"] / budget
            if share >= 1:
                break
            ids, kinds, (rows, positions, vectors) = batches.tensors(group)
            real = int((kinds >= 0).sum())
            ids, kinds = ids.to(self.device), kinds.to(self.device)
            marks = rows.to(self.device), positions.to(self.device), vectors.to(self.device)
            loss, *parts = losses(self.model, ids, kinds, marks, precision, SENSE_WEIGHT * (1 - 0.8 * share))
            self.step(loss, share)
            seen.append(parts)
            if share < EXERCISE_SHARE and progress["steps"] % EXERCISE_EVERY == 0:
                turn = progress["steps"] // EXERCISE_EVERY % 4
                right[min(turn, 1)] = self.exercise(exercises[min(turn, 1)], precision, share)
            now = time.monotonic()
            progress.update(tokens=progress["tokens"] + real, steps=progress["steps"] + 1, pools=pools, seconds=progress["seconds"] + now - last)
            last = now
            if progress["steps"] % 100 == 0:
                answer, first, sense = np.mean(seen, axis=0).round(4).tolist()
                self.log(answer_loss=answer, first_token_loss=first, sense_loss=sense, exercises=[round(part, 3) for part in right])
                seen = []
            if progress["seconds"] >= next_check:
                self.log(check=check(self.model))
                next_check = progress["seconds"] + CHECK_EVERY
            if progress["seconds"] >= next_save:
                self.save()
                next_save = progress["seconds"] + SAVE_EVERY
        self.save()
        self.log(finished=True, check=check(self.model))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder that prepare.py wrote to")
    parser.add_argument("--tokens", type=float, default=16e6, help="budget over all runs")
    parser.add_argument("--batch", type=int, default=1536, help="tokens of a batch")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    with open(args.work / "heldout.jsonl", encoding="utf-8") as handle:
        questions = [json.loads(line) for line in handle][::11]
    precision = torch.bfloat16
    vocabulary = tokenizer.get_vocab()
    run = Run(args.work, device)
    twins = bpe.twins(vocabulary)
    exercises = (copying.Exercises(vocabulary, twins, SEED),
                 copying.Choices(tokenizer, twins, torch.load(args.work / "embeddings.pt", weights_only=True), SEED + run.progress["steps"]))
    run.train(args.tokens, args.batch, precision, lambda model: quick_check(model, tokenizer, questions, precision, device), exercises)


if __name__ == "__main__":
    main()
