"""Train the starter model on a budget of tokens: a broad mixture, one of what the model is for first of all, and a long last one, in two rounds.

Rerunning the same command goes on from the last checkpoint.  The learning rate follows the share of a phase's budget that is
used up, so a run may be given another budget in the middle and still ends with a finished schedule.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import copying
import drills
import tokenizer as bpe
from dialogue import SEED, render, unmarked
from model import POINTERS, VOCABULARY, Starter
from pointing import CHOICE, DECISION

PROMPT_KEPT, PROMPT_WEIGHT = 0.1, 0.6  # share of prompt positions whose next token is learnt, and the weight of each
KIND_WEIGHTS = (PROMPT_WEIGHT, 1.0, 4.0, 3.0)  # by kind: where one of several answers is chosen counts most, then where a copy starts or ends
SENSE_WEIGHT, SENSE_SHARP, SENSE_EVERY, SENSE_LENGTH = 1.0, 10.0, 2, 96  # of the losses that teach spans their meaning; in the closing phase a step of spans alone, in rows of so many tokens, follows every second
POINTER_WEIGHTS = {"copies": 0.5, "choices": 0.5, "leads": 0.1, "bags": 0.05, "follows": 0.3}  # of the losses that teach attention where to look
RATE, SCALE_RATE, EMBEDDING_RATE, DECAY = 0.0013, 0.004, 0.0005, 0.05  # of matrices, of norms, of embeddings
EMBEDDING_EPSILON = 1e-4  # Adam moves every weight by the rate, however little its gradient says: without this, pieces that a step only drew wander
WARMUP, CLOSING_WARMUP = 0.05, 0.02  # share of the broad phase, and of each round of the closing one
POOL = 3000  # dialogues that are sorted by length together
SHORT, SHORT_SHARE = 72, 0.15  # copying is found soonest in short dialogues: longest at first, growing from this share of the broad phase on
EXERCISES = 80, 320  # steps before anything else: of copying alone, then of copying and choosing in turn
EXERCISE_SHARE, EXERCISE_EVERY = 0.4, 3  # until this share of the broad phase: both in turn
OTHERS = 4096  # pieces, drawn for each step, that stand for all that the step does not read
JOINED = 0.5  # weight of an exercise that joins every step of the closing phase, copying, choosing and drills in turn, half as long
SAVE_EVERY, CHECK_EVERY = 120, 600  # seconds


class Phase:
    """A mixture and its budget of tokens; what hangs on the `share` of it that is used up."""

    def __init__(self, name, budget):
        self.name, self.budget = name, budget
        self.mixture = "closing" if name == "again" else name

    def rate(self, share):
        """Of the full learning rate: rises and stays, then falls to nothing in the focused phase and in each round of the closing one."""
        closing = share / CLOSING_WARMUP + 0.01
        rise = {"broad": share / WARMUP + 0.01, "focused": 0.8, "closing": min(0.5, closing), "again": min(0.3, closing)}[self.name]
        return min(rise, 1.0) if self.name == "broad" else max(0.01, rise * (1 - share))

    def longest(self, share):
        """Tokens of the longest dialogue."""
        if self.name != "broad" or share >= 2 * SHORT_SHARE:
            return 10**9
        return SHORT * (1 + 9 * max(0.0, share / SHORT_SHARE - 1))

    def exercises(self, share, step):
        return self.name == "broad" and share < EXERCISE_SHARE and step % EXERCISE_EVERY == 0


class Batches:
    """Dialogues in a seeded order, packed into batches of similar length with about `size` tokens, padded right."""

    def __init__(self, work, name, size):
        data = np.load(work / f"{name}.npz")
        self.tokens, self.kinds, self.offsets, self.size = data["tokens"], data["kinds"], data["offsets"], size
        self.marks, self.pairs = data["marks"], {kind: data[kind] for kind in POINTERS}
        self.spans = torch.from_numpy(np.load(work / "spans.npy"))
        self.first_mark = np.searchsorted(self.marks[:, 0], self.offsets)
        self.first_pair = {kind: np.searchsorted(pairs[:, 0], self.offsets) for kind, pairs in self.pairs.items()}

    def groups(self, done, longest):
        """Groups of dialogues from the `done`-th pool on, no longer than `longest()`, each as (pools done before, indices)."""
        count = len(self.offsets) - 1
        while True:
            epoch, start = divmod(done * POOL, max(1, count - count % POOL))
            order = np.random.default_rng(SEED + epoch).permutation(count)[start: start + POOL]
            order = order[self.offsets[order + 1] - self.offsets[order] <= longest()]
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
        """Tokens, kinds (-1 beyond the end), marks as (row, position, sentence vector), and by kind the pointers' (row, position, source)."""
        width = self.width(max(self.offsets[index + 1] - self.offsets[index] for index in group))
        ids, kinds = torch.zeros(len(group), width, dtype=torch.long), torch.full((len(group), width), -1, dtype=torch.long)
        rows, positions, spans, sources = [], [], [], {kind: [np.zeros((3, 0), dtype=np.int64)] for kind in self.pairs}
        for row, index in enumerate(group):
            start, end = self.offsets[index], self.offsets[index + 1]
            ids[row, : end - start] = torch.from_numpy(self.tokens[start:end].astype(np.int64))
            kinds[row, : end - start] = torch.from_numpy(self.kinds[start:end].astype(np.int64))
            for position, number in self.marks[self.first_mark[index]: self.first_mark[index + 1]]:
                rows.append(row)
                positions.append(int(position - start))
                spans.append(int(number))
            for kind, first in self.first_pair.items():
                pairs = self.pairs[kind][first[index]: first[index + 1]].T - start
                sources[kind].append(np.concatenate([np.full((1, pairs.shape[1]), row), pairs]))
        marks = torch.tensor(rows, dtype=torch.long), torch.tensor(positions, dtype=torch.long), self.spans[spans].float()
        return ids, kinds, marks, {kind: torch.from_numpy(np.concatenate(found, 1)) for kind, found in sources.items()}


class Spans:
    """Rows of spans that have nothing to do with each other, to teach the first layers what they mean; half as dear as dialogues."""

    def __init__(self, work, tokenizer, seed):
        data = np.load(work / "sense.npz")
        self.tokens, self.offsets, self.rng = data["tokens"].astype(np.int64), data["offsets"], np.random.default_rng(seed)
        self.vectors = torch.from_numpy(np.load(work / "spans.npy"))
        self.between = [tokenizer.encode(text, add_special_tokens=False).ids for text in
                        (",", ",", "\n", "\n", "\n- ", " |", " /", "; ", ": ", '", "', "<|im_end|>\n<|im_start|>user\n")]

    def batch(self, size):
        """Tokens, and marks as of `Batches.tensors`."""
        ids = np.zeros((size // SENSE_LENGTH, SENSE_LENGTH), dtype=np.int64)
        marks = []
        for row in range(len(ids)):
            at = 0
            while at < SENSE_LENGTH - 4:
                number = int(self.rng.integers(len(self.offsets) - 1))
                piece, between = self.tokens[self.offsets[number]: self.offsets[number + 1]], self.between[self.rng.integers(len(self.between))]
                if at + len(piece) > SENSE_LENGTH:
                    if len(piece) < SENSE_LENGTH // 4:  # nearly full; a long one leaves room for shorter ones
                        break
                    continue
                ids[row, at: at + len(piece)] = piece
                at += len(piece)
                if len(piece):
                    marks.append((row, at - 1, number % len(self.vectors)))
                between = between[: SENSE_LENGTH - at]
                ids[row, at: at + len(between)] = between
                at += len(between)
        rows, positions, numbers = torch.tensor(marks).T
        return torch.from_numpy(ids), (rows, positions, self.vectors[numbers].float())


AT_ITSELF = ("leads", "bags")  # what a token itself looks at; the rest is looked at one token before it is told


def pointer_loss(pointed, sources, kind):
    """How little the pointers' attention lies on the sources, which stand sorted by (row, position); 0 if there are none."""
    if kind not in sources or not sources[kind].numel():
        return torch.zeros((), device=pointed[kind].device)
    (rows, positions, places), pointed = sources[kind], pointed[kind]
    mass = pointed[rows, :, positions - int(kind not in AT_ITSELF), places].float().mean(1)
    _, token = torch.unique_consecutive(rows * pointed.shape[-1] + positions, return_inverse=True)
    return -(torch.zeros(int(token[-1]) + 1, device=mass.device).index_add(0, token, mass) + 1e-5).log().mean()


def sense_loss(found, vectors):
    """Cosine distance, and that what is found be as near to the batch's other vectors as its own vector is."""
    found = F.normalize(found.float(), dim=1)
    alike = F.kl_div((SENSE_SHARP * found @ vectors.T).log_softmax(-1), (SENSE_SHARP * vectors @ vectors.T).softmax(-1), reduction="batchmean")
    return 1 - (found * vectors).sum(1).mean() + 0.5 * alike


class Pieces:
    """The pieces that a step reads, and a sample that stands for all others, of which a large vocabulary has many: their embeddings, gathered once.

    A gradient over the whole table for each use of it would be a fifth of a step's time.
    """

    def __init__(self, table, *ids, others=OTHERS):
        self.near = torch.unique(torch.cat([each.flatten() for each in ids]))
        drawn = torch.randint(VOCABULARY, (others,), device=table.device)
        drawn = drawn[torch.isin(drawn, self.near, invert=True)]
        self.shown = torch.cat([self.near, drawn])
        self.weight = table.detach()[self.shown].requires_grad_()
        many = torch.full((len(drawn),), (VOCABULARY - len(self.near)) / max(1, len(drawn))).log()
        self.many = torch.cat([torch.zeros(len(self.near)), many]).to(table.device)

    def rows(self, ids):
        """Where pieces that the step reads stand in `weight`."""
        return torch.searchsorted(self.near, ids)

    def cross_entropy(self, hidden, target):
        """Of each target, and the likeliest pieces."""
        logits = F.linear(hidden, self.weight.to(hidden.dtype)).float()
        return F.cross_entropy(logits + self.many, self.rows(target), reduction="none"), self.shown[logits.argmax(-1)]

    def hand_on(self, table):
        """Add the gradient to the table's own, which stays between the steps."""
        if table.grad is None:
            table.grad = torch.zeros_like(table)
        table.grad.index_add_(0, self.shown, self.weight.grad)

    def clear(self, table):
        table.grad[self.shown] = 0


def losses(model, pieces, ids, kinds, marks, sources, precision):
    """The loss to minimise, and its parts for the log."""
    hidden, middle, pointed = model(pieces.rows(ids), precision, pieces.weight)
    kinds, target = kinds[:, 1:], ids[:, 1:]
    keep = (kinds > 0) | ((kinds == 0) & (torch.rand(kinds.shape, device=kinds.device) < PROMPT_KEPT))
    each, _ = pieces.cross_entropy(hidden[:, :-1][keep], target[keep])
    kept = kinds[keep]
    weights = torch.tensor(KIND_WEIGHTS, device=ids.device)[kept.long()]
    rows, positions, vectors = marks
    sense = sense_loss(model.sense(middle[rows, positions]), vectors) if len(rows) else torch.zeros((), device=ids.device)
    pointers = [pointer_loss(pointed, sources, kind) for kind in POINTER_WEIGHTS]
    loss = (each * weights).sum() / weights.sum() + SENSE_WEIGHT * sense + sum(weight * part for weight, part in zip(POINTER_WEIGHTS.values(), pointers))
    parts = {"answer_loss": each[kept > 0], "choice_loss": each[kept == CHOICE], "decision_loss": each[kept == DECISION], "sense_loss": sense}
    return loss, {name: part.mean().item() for name, part in (parts | {f"{kind}_loss": part for kind, part in zip(POINTER_WEIGHTS, pointers)}).items()}


def copying_loss(model, pieces, ids, told, sources, precision):
    """The loss of what can be copied, and the share that is copied rightly."""
    hidden, _, pointed = model(pieces.rows(ids), precision, pieces.weight)
    at = told[:, 1:]
    target = ids[:, 1:][at]
    each, likeliest = pieces.cross_entropy(hidden[:, :-1][at], target)
    pointers = sum(weight * pointer_loss(pointed, sources, kind) for kind, weight in POINTER_WEIGHTS.items())
    return each.mean() + pointers, (likeliest == target).float().mean().item()


@torch.no_grad()
def quick_check(model, tokenizer, questions, precision, device):
    """By task: the share of held-out questions whose greedy answer is the expected one to the letter, and for commands the loss too.

    A greedy answer is the expected one just if every token of the expected one is the likeliest after those before it.
    """
    right, asked, lost = {}, {}, {}
    for question in questions:
        expected = question["answer"] if isinstance(question["answer"], str) else json.dumps(question["answer"], ensure_ascii=False)
        segments = render([(role, unmarked(content)[0]) for role, content in question["messages"]], True) + [(expected + "<|im_end|>", True)]
        parts = [tokenizer.encode(text, add_special_tokens=False).ids for text, _ in segments]
        ids, answer = sum(parts, []), parts[-1]
        hidden, *_ = model(torch.tensor([ids], device=device), precision)
        logits = model.logits(hidden[0, -len(answer) - 1: -1]).float()
        best = logits.argmax(-1).tolist()
        if question["task"].startswith("command"):
            loss = F.cross_entropy(logits, torch.tensor(answer, device=device)).item()
            lost.setdefault(question["task"] + "_loss", []).append(loss)
        asked[question["task"]] = asked.get(question["task"], 0) + 1
        right[question["task"]] = right.get(question["task"], 0) + (best == answer)
    return {task: round(right[task] / asked[task], 3) for task in asked} | {task: round(sum(each) / len(each), 3) for task, each in lost.items()}


class Run:
    """The model, how far it is, and the files that remember both."""

    def __init__(self, work, device):
        self.work, self.checkpoint, self.device = work, work / "checkpoint.pt", device
        self.model = Starter()
        with torch.no_grad():
            self.model.embedding.copy_(torch.load(work / "embeddings.pt", weights_only=True))
        copying.seed(self.model)
        self.progress = {"phase": "broad", "tokens": 0, "steps": 0, "pools": 0, "seconds": 0.0}
        self.model.to(device)
        matrices = [param for name, param in self.model.named_parameters() if param.ndim == 2 and name != "embedding"]
        others = [param for param in self.model.parameters() if param.ndim == 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "full": RATE, "weight_decay": DECAY}, {"params": others, "full": SCALE_RATE, "weight_decay": 0.0},
             {"params": [self.model.embedding], "full": EMBEDDING_RATE, "weight_decay": 0.0, "eps": EMBEDDING_EPSILON}], lr=RATE, betas=(0.9, 0.95), fused=True)
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

    def pieces(self, *ids, **how):
        return Pieces(self.model.embedding, *ids, **how)

    def step(self, loss, rate, pieces):
        for part in self.optimizer.param_groups:
            part["lr"] = part["full"] * rate
        loss.backward()
        pieces.hand_on(self.model.embedding)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        pieces.clear(self.model.embedding)
        for parameter in self.model.parameters():
            if parameter is not self.model.embedding:
                parameter.grad = None

    def exercise_batch(self, exercise, part=1):
        ids, told, sources = exercise.batch(exercise.ROWS // part)
        return ids.to(self.device), told.to(self.device), {kind: pairs.to(self.device) for kind, pairs in sources.items()}

    def exercise(self, exercise, precision, rate):
        batch = self.exercise_batch(exercise)
        pieces = self.pieces(batch[0])
        loss, right = copying_loss(self.model, pieces, *batch, precision)
        self.step(loss, rate, pieces)
        return right

    def sense_step(self, spans, batch_tokens, precision, rate):
        ids, (rows, positions, vectors) = spans.batch(batch_tokens)
        ids = ids.to(self.device)
        pieces = self.pieces(ids, others=0)
        found = self.model.meaning(pieces.rows(ids), precision, pieces.weight)[rows, positions]
        loss = sense_loss(found, vectors.to(self.device))
        self.step(SENSE_WEIGHT * loss, rate, pieces)
        return loss.item()

    def train(self, phase, batch_tokens, precision, check, exercises, spans):
        progress, seen, right, last = self.progress, [], [0.0] * len(exercises), time.monotonic()
        if progress["phase"] != phase.name:  # the second round goes on in the mixture behind where the first one stopped
            progress.update(phase=phase.name, tokens=0, pools=progress["pools"] + 1 if phase.name == "again" else 0)
        torch.manual_seed(SEED + progress["steps"])
        batches = Batches(self.work, phase.mixture, batch_tokens)
        if not progress["steps"]:
            alone, together = EXERCISES
            for number in range(alone + together):
                turn = number % 2 if number >= alone else 0
                right[turn] = self.exercise(exercises[turn], precision, min(1.0, number / 40))
                if number % 20 == 1:
                    self.log(exercises=[round(part, 3) for part in right])
        next_save, next_check = progress["seconds"] + SAVE_EVERY, progress["seconds"] + CHECK_EVERY
        for pools, group in batches.groups(progress["pools"], lambda: phase.longest(progress["tokens"] / phase.budget)):
            share = progress["tokens"] / phase.budget
            if share >= 1:
                break
            ids, kinds, (rows, positions, vectors), sources = batches.tensors(group)
            real = int((kinds >= 0).sum())
            ids, kinds = ids.to(self.device), kinds.to(self.device)
            marks = rows.to(self.device), positions.to(self.device), vectors.to(self.device)
            sources = {kind: pairs.to(self.device) for kind, pairs in sources.items()}
            joined = None
            if phase.mixture == "closing":
                turn = progress["steps"] % len(exercises)
                joined = self.exercise_batch(exercises[turn], 2)
            pieces = self.pieces(ids, *([joined[0]] if joined else []))
            loss, parts = losses(self.model, pieces, ids, kinds, marks, sources, precision)
            if joined:
                exercised, right[turn] = copying_loss(self.model, pieces, *joined, precision)
                loss = loss + JOINED * exercised
            self.step(loss, phase.rate(share), pieces)
            seen.append(parts)
            if phase.exercises(share, progress["steps"]):
                turn = progress["steps"] // EXERCISE_EVERY % 2
                right[turn] = self.exercise(exercises[turn], precision, phase.rate(share))
            if phase.mixture == "closing" and progress["steps"] % SENSE_EVERY == 0:
                seen[-1]["span_loss"] = self.sense_step(spans, batch_tokens, precision, phase.rate(share))
            now = time.monotonic()
            progress.update(tokens=progress["tokens"] + real, steps=progress["steps"] + 1, pools=pools, seconds=progress["seconds"] + now - last)
            last = now
            if progress["steps"] % 100 == 0:
                names = dict.fromkeys(name for parts in seen for name in parts)
                self.log(**{name: round(float(np.nanmean([parts[name] for parts in seen if name in parts])), 4) for name in names}, exercises=[round(part, 3) for part in right])
                seen = []
            if progress["seconds"] >= next_check:
                self.log(check=check(self.model))
                next_check = progress["seconds"] + CHECK_EVERY
            if progress["seconds"] >= next_save:
                self.save()
                next_save = progress["seconds"] + SAVE_EVERY
        self.save()
        shutil.copyfile(self.checkpoint, self.work / f"checkpoint-{phase.name}.pt")
        self.log(finished=phase.name, check=check(self.model))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder that prepare.py wrote to")
    parser.add_argument("--broad", type=float, default=4.625e6, help="tokens of the broad phase over all runs")
    parser.add_argument("--focused", type=float, default=8e6, help="tokens of the focused phase over all runs")
    parser.add_argument("--closing", type=float, default=27.8e6, help="tokens of the closing phase over all runs")
    parser.add_argument("--again", type=float, default=32.1e6, help="tokens of its second round over all runs")
    parser.add_argument("--batch", type=int, default=1536, help="tokens of a batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=shutil.which("g++") is not None, help="compile the blocks (needs g++)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    with open(args.work / "heldout.jsonl", encoding="utf-8") as handle:
        questions = [json.loads(line) for line in handle]
    questions = [question for number, question in enumerate(questions) if number % 11 == 0 or question["task"].startswith("command")]
    precision = torch.bfloat16
    vocabulary = tokenizer.get_vocab()
    run = Run(args.work, device)
    if args.compile:
        for block in run.model.blocks:
            block.forward = torch.compile(block.forward, dynamic=True)
    twins = bpe.twins(vocabulary)
    exercises = (copying.Exercises(vocabulary, twins, SEED),
                 copying.Choices(tokenizer, twins, torch.load(args.work / "embeddings.pt", weights_only=True), SEED + run.progress["steps"]),
                 drills.Drills(tokenizer, SEED + run.progress["steps"]))

    def check(model):
        return quick_check(model, tokenizer, questions, precision, device)

    spans = Spans(args.work, tokenizer, SEED + run.progress["steps"])
    phases = [Phase("broad", args.broad), Phase("focused", args.focused), Phase("closing", args.closing), Phase("again", args.again)]
    for phase in phases[[phase.name for phase in phases].index(run.progress["phase"]):]:
        if not phase.budget:
            continue
        run.train(phase, args.batch, precision, check, exercises, spans)


if __name__ == "__main__":
    main()
