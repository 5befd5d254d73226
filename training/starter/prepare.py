"""Turn the public task sets and this project's own wordings into tokenised training dialogues.

Writes to the work folder: tokenizer.json, heldout.jsonl (the questions that evaluate.py asks), embeddings.pt (how the token
embeddings start), spans.npy (sentence vectors of the spans that the middle of the model is taught), and broad.npz and focused.npz: tokens,
`kinds` (0 prompt, 1 answer, 2 first token of an answer), offsets, and `marks`, the spans' last tokens as (position, span).
Every draw comes from one seed.
"""

import argparse
import json
import multiprocessing
import random
import re
from pathlib import Path

import numpy as np

import tokenizer as bpe
import wordings as W
from dialogue import CLOSE, OPEN, SEED, render, unmarked
from tasks import chat, commands, fields, labels, numbers, passages, rewriting

PIECES, VOCABULARY = 4600, 8192
MAX_TOKENS = 600
CHUNK = 2000  # dialogues of one seed
SPANS = 60_000  # the first so many are taught
MARK = re.compile(f"[{OPEN}{CLOSE}]")

# Share of the dialogues. One with turns asks several things under one instruction.
SHARES = {
    "labels": 20, "labels_turns": 22, "fields": 12, "fields_turns": 9,
    "passage_qa": 4.5, "passage_told": 2.5, "passage_main": 2, "choice_category": 1.5, "choice_passage": 1, "passage_public": 1,
    "dates": 1.2, "times": 0.8, "number_words": 0.8, "units": 1, "percent": 0.5, "arithmetic": 1.5, "word_problem": 1.5, "compare": 0.5,
    "sort_items": 0.7, "sequence": 0.3,
    "spelling": 1.5, "marks": 0.8, "change_case": 0.8, "replace_word": 0.5, "json_list": 0.4, "list_edit": 0.5, "extraction": 0.7,
    "shorten": 0.4, "word_form": 0.4,
    "small_talk": 1, "fact": 1, "translation": 0.8, "completion": 1, "decline": 2, "near_miss": 0.5,
    "command_own": 2, "command_tldr": 2,
}
# The same where a run is short: what the model is for first of all, labels mostly under their own names.
FOCUSED = {**{task: share / 6 for task, share in SHARES.items()}, "labels": 34, "labels_turns": 30, "fields": 14, "fields_turns": 7, "decline": 1.5,
           "passage_qa": 2}
MODULES = (passages, numbers, rewriting, chat, commands)


class Source:
    """Draws training dialogues and held-out questions."""

    def __init__(self, folder, focused=False):
        self.labels, self.fields = labels.Labels(folder), fields.Fields(folder)
        self.shares = FOCUSED if focused else SHARES
        if focused:
            for pool in self.labels.pools.values():
                pool.own_name = 0.9
        self.tasks, self.questions = {}, []
        for module in MODULES:
            data = module.load(folder) if hasattr(module, "load") else None
            self.tasks.update({name: (draw, data) for name, draw in module.TASKS.items()})
            self.questions += [(draw, data) for draw in module.HELD_OUT.values()]

    def dialogue(self, rng):
        name = rng.choices(list(self.shares), self.shares.values())[0]
        if name in self.tasks:
            draw, data = self.tasks[name]
            messages = draw(rng, data)
        else:
            kind, _, turns = name.partition("_")
            messages = getattr(self, kind).dialogue(rng, rng.randint(3, 5) if turns else 1)
        if messages[0][0] != "system" and rng.random() < 0.15:
            messages = [("system", rng.choice(W.GENERIC_SYSTEM))] + messages
        return messages

    def held_out(self, rng, each=60):
        yield from self.labels.held_out(rng)
        yield from self.fields.held_out(rng)
        for draw, data in self.questions:
            for _ in range(each):
                yield draw(rng, data)


def meaning(text):
    """A span as the sentence encoder reads it."""
    return re.sub(r"[_\s-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).strip(" .!?\"'").lower()


def tokenised(job):
    """One chunk: token arrays, kinds, and marks as (example, position, text)."""
    folder, focused, path, seed = job
    from tokenizers import Tokenizer

    tokenizer, source, rng = Tokenizer.from_file(str(path)), shared_source(folder, focused), random.Random(seed)
    examples = []
    for _ in range(CHUNK):
        ids, kinds, marks = [], [], []
        for text, is_answer in render(source.dialogue(rng)):
            text, spans = unmarked(text)
            encoded = tokenizer.encode(text, add_special_tokens=False)
            for end, span in spans:
                at = next((i for i, (_, stop) in enumerate(encoded.offsets) if stop >= end), None)
                if at is not None and span.strip():
                    marks.append((len(ids) + at, meaning(span)))
            kinds += [2 * is_answer] + [int(is_answer)] * (len(encoded.ids) - 1)
            ids += encoded.ids
        if len(ids) <= MAX_TOKENS:
            examples.append((np.array(ids, dtype=np.uint16), np.array(kinds, dtype=np.uint8), marks))
    return examples


SOURCES = {}


def shared_source(folder, focused):
    if (folder, focused) not in SOURCES:
        SOURCES[folder, focused] = Source(folder, focused)
    return SOURCES[folder, focused]


def write(args, name, seed, chunks, known):
    """Dialogues of one mixture as NAME.npz; their spans join `known`, numbered in the order of their first place."""
    with multiprocessing.Pool(args.processes) as pool:
        jobs = [(args.data, name == "focused", args.work / "tokenizer.json", seed + number) for number in range(chunks)]
        examples = [example for chunk in pool.imap(tokenised, jobs) for example in chunk]
    marks, offsets = [], np.cumsum([0] + [len(ids) for ids, _, _ in examples])
    for start, (_, _, spans) in zip(offsets, examples):
        for at, text in spans:
            if len(known) < SPANS or text in known:
                marks.append((start + at, known.setdefault(text, len(known))))
    kinds = np.concatenate([kinds for _, kinds, _ in examples])
    np.savez_compressed(args.work / f"{name}.npz", tokens=np.concatenate([ids for ids, _, _ in examples]), kinds=kinds, offsets=offsets,
                        marks=np.array(marks, dtype=np.int64).reshape(-1, 2))
    print(f"{name}: {len(examples)} dialogues, {offsets[-1]} tokens, {int((kinds > 0).sum())} of them answers; {len(known)} spans", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the task sets (*.jsonl)")
    parser.add_argument("--work", type=Path, required=True, help="folder to write to")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of MiniLM-L6 (see README.md)")
    parser.add_argument("--chunks", type=int, default=100, help=f"of {CHUNK} dialogues")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    source, rng = shared_source(args.data, False), random.Random(SEED)

    path = args.work / "tokenizer.json"
    if not path.exists():
        texts = [MARK.sub("", f"{role}\n{content}") for _ in range(30_000) for role, content in source.dialogue(rng)]
        bpe.train(texts, PIECES, VOCABULARY).save(str(path))
    with open(args.work / "heldout.jsonl", "w", encoding="utf-8") as handle:
        for question in source.held_out(random.Random(SEED + 1)):
            handle.write(MARK.sub("", json.dumps(question, ensure_ascii=False).replace("\\u0002", "").replace("\\u0003", "")) + "\n")

    known = {}
    write(args, "broad", SEED + 1000, args.chunks, known)
    write(args, "focused", SEED + 2000, args.chunks // 2, known)

    import torch
    from tokenizers import Tokenizer

    import warm

    vocabulary = Tokenizer.from_file(str(path)).get_vocab()
    torch.save(warm.embeddings(args.encoder, vocabulary, bpe.twins(vocabulary), SEED), args.work / "embeddings.pt")
    np.save(args.work / "spans.npy", warm.vectors(args.encoder, list(known)).astype(np.float16))


if __name__ == "__main__":
    main()
