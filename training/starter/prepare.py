"""Turn the public task sets and this project's own wordings into tokenised training dialogues.

Writes to the work folder: tokenizer.json, heldout.jsonl (the questions that evaluate.py asks), embeddings.pt (how the token
embeddings start), spans.npy (sentence vectors of the spans that the middle of the model is taught), and broad.npz and focused.npz: tokens,
`kinds` (of pointing.py), offsets, `marks`, the tokens that are taught a meaning as (position, span), and three kinds of
pairs for pointing.py: `copies`, `choices` and `leads`.
Every draw comes from one seed.
"""

import argparse
import json
import multiprocessing
import random
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

import tokenizer as bpe
import wordings as W
from dialogue import SEED, render, unmarked
from pointing import Pointing
from tasks import chat, commands, fields, labels, numbers, passages, rewriting

PIECES, VOCABULARY = 4600, 8192
MAX_TOKENS = 600
CHUNK = 2000  # dialogues of one seed
SPANS = 60_000  # the first so many are taught

# Share of the dialogues. One with turns asks several things under one instruction.
SHARES = {
    "labels": 18, "labels_turns": 22, "fields": 13, "fields_turns": 10,
    "passage_qa": 5, "passage_told": 3, "passage_main": 2, "choice_category": 1.5, "choice_passage": 1, "passage_public": 1,
    "dates": 1.2, "times": 0.8, "number_words": 0.8, "units": 1, "percent": 0.5, "arithmetic": 1.5, "word_problem": 1.5, "compare": 0.5,
    "sort_items": 0.7, "sequence": 0.3,
    "spelling": 1.5, "marks": 0.8, "change_case": 0.8, "replace_word": 0.5, "json_list": 0.4, "list_edit": 0.5, "extraction": 0.7,
    "shorten": 0.4, "word_form": 0.4,
    "small_talk": 1, "fact": 1, "translation": 0.8, "completion": 1, "decline": 2, "near_miss": 0.5,
    "command_own": 2, "command_tldr": 2,
}
# The same where a run is short: what the model is for first of all, labels mostly under their own names.
FOCUSED = {**{task: share / 6 for task, share in SHARES.items()}, "labels": 28, "labels_turns": 28, "fields": 15, "fields_turns": 9, "decline": 1.5,
           "passage_qa": 6, "passage_told": 3, "command_tldr": 2}
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
            messages = getattr(self, kind).dialogue(rng, rng.randint(3, 7) if turns else 1)
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
    """One chunk: of each dialogue tokens, kinds, marks as (position, text, group), and pairs by kind."""
    folder, focused, path, seed = job
    from tokenizers import Tokenizer

    tokenizer, source, rng = Tokenizer.from_file(str(path)), shared_source(folder, focused), random.Random(seed)
    pointing = Pointing(tokenizer, bpe.twins(tokenizer.get_vocab()), VOCABULARY)
    examples = []
    for _ in range(CHUNK):
        ids, kinds, marks, copies, entries = [], [], [], [], {}
        for text, is_answer in render(source.dialogue(rng)):
            text, taught = unmarked(text)
            encoded = tokenizer.encode(text, add_special_tokens=False)
            start = len(ids)

            def token(letter):
                return start + next((i for i, (_, stop) in enumerate(encoded.offsets) if stop >= letter), len(encoded.ids) - 1)

            for end, span, group, lead in taught:
                if span.strip():
                    marks.append((token(end), meaning(span), group))
                if lead is not None:
                    entries[token(lead + 1)] = token(end)
            ids += encoded.ids
            copied, answer_kinds = pointing.sources(ids, start) if is_answer else ([], [0] * len(encoded.ids))
            kinds += answer_kinds
            copies += copied
        if len(ids) <= MAX_TOKENS:
            choices = [(position, entries[source]) for position, source in copies if source in entries]
            pairs = {"copies": copies, "choices": choices, "leads": [(end, lead) for lead, end in sorted(entries.items(), key=lambda pair: pair[1])]}
            examples.append((np.array(ids, dtype=np.uint16), np.array(kinds, dtype=np.uint8), marks, pairs))
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
    marks, offsets = [], np.cumsum([0] + [len(ids) for ids, *_ in examples])
    for start, (_, _, spans, _) in zip(offsets, examples):
        for at, *span in spans:
            if len(known) < SPANS or tuple(span) in known:
                marks.append((start + at, known.setdefault(tuple(span), len(known))))
    kinds = np.concatenate([kinds for _, kinds, _, _ in examples])
    np.savez(args.work / f"{name}.npz", tokens=np.concatenate([ids for ids, *_ in examples]), kinds=kinds, offsets=offsets,
             marks=np.array(marks, dtype=np.int64).reshape(-1, 2),
             **{kind: np.concatenate([np.array(pairs[kind], dtype=np.int64).reshape(-1, 2) + start for start, (*_, pairs) in zip(offsets, examples)])
                for kind in ("copies", "choices", "leads")})
    print(f"{name}: {len(examples)} dialogues, {offsets[-1]} tokens, {int((kinds > 0).sum())} of them answers; {len(known)} spans", flush=True)


def taught_vectors(texts, groups):
    """What spans are taught, [spans, 384] of norm 1: each one's own vector and, as strong, the middle of its group's.

    So a text and the label that fits it are taught vectors that are near each other.
    """
    own = texts - texts.mean(0)
    own /= np.linalg.norm(own, axis=1, keepdims=True) + 1e-6
    members, out = defaultdict(list), own.copy()
    for number, group in enumerate(groups):
        members[group].append(number)
    for group, numbers in members.items():
        if group:
            middle = own[numbers].mean(0)
            out[numbers] += middle / (np.linalg.norm(middle) + 1e-6)
    return out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-6)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the task sets (*.jsonl)")
    parser.add_argument("--work", type=Path, required=True, help="folder to write to")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of MiniLM-L6 (see README.md)")
    parser.add_argument("--chunks", type=int, default=50, help=f"of {CHUNK} dialogues, for each mixture")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    source, rng = shared_source(args.data, False), random.Random(SEED)

    path = args.work / "tokenizer.json"
    if not path.exists():
        texts = [f"{role}\n{unmarked(content)[0]}" for _ in range(30_000) for role, content in source.dialogue(rng)]
        bpe.train(texts, PIECES, VOCABULARY).save(str(path))
    with open(args.work / "heldout.jsonl", "w", encoding="utf-8") as handle:
        for question in source.held_out(random.Random(SEED + 1)):
            handle.write(json.dumps(question, ensure_ascii=False) + "\n")

    known = {}
    write(args, "broad", SEED + 1000, args.chunks, known)
    write(args, "focused", SEED + 2000, args.chunks, known)

    import torch
    from tokenizers import Tokenizer

    import warm

    vocabulary = Tokenizer.from_file(str(path)).get_vocab()
    torch.save(warm.embeddings(args.encoder, vocabulary, bpe.twins(vocabulary), SEED), args.work / "embeddings.pt")
    vectors = taught_vectors(warm.vectors(args.encoder, [text for text, _ in known]), [group for _, group in known])
    np.save(args.work / "spans.npy", vectors.astype(np.float16))


if __name__ == "__main__":
    main()
