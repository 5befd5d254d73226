"""Turn the public task sets and this project's own wordings into tokenised training dialogues.

Writes to the work folder: tokenizer.json, heldout.jsonl (the questions that evaluate.py asks), embeddings.pt (how the token
embeddings start), near.json and near.npy (labels, words and texts for tasks/near.py, and their sentence vectors), and of each mixture NAME.npz: tokens,
`kinds` (of pointing.py), offsets, `marks`, the tokens that are taught a meaning as (position, span), and the pairs for pointing.py.
spans.npy holds the sentence vectors of those spans and of sentences, fragments and words of no task, and sense.npz all of them as tokens.
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
from model import POINTERS, VOCABULARY
from pointing import CHOICE, Pointing, chosen
from tasks import chat, commands, fields, jobs, labels, near, numbers, passages, rewriting, strangers
from tasks.text import fragments, held_out_text, read, recase, style_name

PIECES = 16_000
MAX_TOKENS = 600
CHUNK = 2000  # dialogues of one seed
SPANS, SENTENCES, FRAGMENTS = 120_000, 40_000, 120_000  # at most so many: of the dialogues, and of no task

# Share of the dialogues. One with turns asks several things under one instruction.
SHARES = {
    "labels": 18, "labels_turns": 22, "fields": 13, "fields_turns": 10,
    "passage_qa": 5, "passage_told": 3, "passage_main": 2, "passage_written": 2, "choice_category": 1.5, "choice_passage": 1, "passage_public": 1,
    "dates": 1.2, "times": 0.8, "number_words": 0.8, "units": 1, "percent": 0.5, "arithmetic": 1.5, "word_problem": 1.5, "compare": 0.5,
    "sort_items": 0.7, "sequence": 0.3,
    "spelling": 1.5, "marks": 0.8, "change_case": 0.8, "replace_word": 0.5, "json_list": 0.4, "list_edit": 0.5, "extraction": 0.7,
    "shorten": 0.4, "word_form": 0.4,
    "small_talk": 1, "fact": 1, "translation": 0.8, "completion": 1, "decline": 2, "near_miss": 0.5,
    "command_own": 2, "command_tldr": 2, "jobs_written": 1.5,
}
# The same where a run is short: what the model is for first of all, labels mostly under their own names.
FOCUSED = {**{task: share / 6 for task, share in SHARES.items()}, "labels": 28, "labels_turns": 28, "fields": 15, "fields_turns": 9, "decline": 1.5,
           "passage_qa": 6, "passage_told": 3, "command_tldr": 2}
# The last mixture: the same, with labels that are near a text only by their meaning, and more of what was learnt least and of small jobs in a few words.
CLOSING = {**{task: share / 6 for task, share in SHARES.items()}, "labels": 20, "labels_turns": 24, "near": 18, "near_turns": 22, "fields": 18, "fields_turns": 13,
           "decline": 1.5, "passage_qa": 9, "passage_told": 3.5, "passage_main": 4, "passage_written": 6, "passage_public": 0.6, "choice_category": 1, "choice_passage": 0.8,
           "dates": 4.8, "times": 1.5, "number_words": 1.5, "units": 0.8, "arithmetic": 1.6, "word_problem": 2.3, "compare": 0.8, "sort_items": 0.8,
           "spelling": 4.3, "marks": 2.1, "change_case": 2.8, "replace_word": 2.1, "json_list": 1.4, "list_edit": 1.4, "extraction": 2.8, "shorten": 0.8,
           "small_talk": 0.8, "completion": 1.5, "command_own": 3, "command_tldr": 0.6, "jobs_written": 6}
MIXTURES = {"broad": SHARES, "focused": FOCUSED, "closing": CLOSING}
LENGTHS = {"closing": 5}  # of a mixture, in those of the others
MODULES = (passages, numbers, rewriting, chat, commands, jobs)


class Source:
    """Draws training dialogues and held-out questions."""

    def __init__(self, folder, mixture="broad", work=None):
        self.labels = labels.Labels(folder, labels.CLOSING_WEIGHTS if mixture == "closing" else labels.WEIGHTS)
        self.fields = fields.Fields(folder, fields.CLOSING_WEIGHTS if mixture == "closing" else fields.WEIGHTS)
        self.shares = MIXTURES[mixture]
        if mixture == "closing":
            self.near = near.Near(self.labels, work)
        if mixture != "broad":
            for pool in self.labels.pools.values():
                pool.own_name = 0.9
        self.strangers = strangers.Strangers(row["text"] for rows, _ in self.fields.rows.values() for row in rows)
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
        if name in strangers.TASKS and rng.random() < strangers.SHARE:
            messages = self.strangers.put(rng, messages)
        if messages[0][0] != "system" and rng.random() < 0.15:
            messages = [("system", rng.choice(W.GENERIC_SYSTEM))] + messages
        return messages

    def held_out(self, rng, each=60):
        yield from self.labels.held_out(rng)
        yield from self.fields.held_out(rng)
        for draw, data in self.questions:
            for _ in range(each):
                yield draw(rng, data)
        yield from self.labels.later_questions(rng, 600)
        yield from self.fields.own_questions(rng, 150)
        yield from passages.held_own(rng, 150)
        yield from jobs.questions()


def meaning(text):
    """A span as the sentence encoder reads it."""
    return re.sub(r"[_\s-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).strip(" .!?\"'").lower()


def tokenised(job):
    """One chunk: of each dialogue tokens, kinds, marks as (position, text, group), and pairs by kind."""
    folder, mixture, work, seed = job
    from tokenizers import Tokenizer

    tokenizer, source, rng = Tokenizer.from_file(str(work / "tokenizer.json")), shared_source(folder, mixture, work), random.Random(seed)
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
            choices, follows, forks = chosen(copies, entries, [pointing.plain[number] for number in ids])
            for at in forks:
                kinds[at] = CHOICE
            by_end = sorted(entries.items(), key=lambda pair: pair[1])
            pairs = {"copies": copies, "choices": choices, "follows": follows, "leads": [(end, lead) for lead, end in by_end],
                     "bags": [(end, token) for lead, end in by_end for token in range(lead + 1, end)]}
            examples.append((np.array(ids, dtype=np.uint16), np.array(kinds, dtype=np.uint8), marks, pairs))
    return examples


SOURCES = {}


def shared_source(folder, mixture, work=None):
    if mixture not in SOURCES:
        SOURCES[mixture] = Source(folder, mixture, work)
    return SOURCES[mixture]


def write(args, name, seed, chunks, known):
    """Dialogues of one mixture as NAME.npz; their spans join `known`, numbered in the order of their first place."""
    with multiprocessing.Pool(args.processes) as pool:
        jobs = [(args.data, name, args.work, seed + number) for number in range(chunks)]
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
                for kind in POINTERS})
    print(f"{name}: {len(examples)} dialogues, {offsets[-1]} tokens, {int((kinds > 0).sum())} of them answers; {len(known)} spans", flush=True)


def sentences(folder, rng):
    """Sentences of the readable sets, for the meaning of more words than are asked about: of passages, and of commands' pages."""
    held_out = {meaning(task) for task, _ in commands.load(folder)[1]}
    pages = [row["task"] for row in read(folder, "tldr_commands") if not held_out_text(row["page"]) and meaning(row["task"]) not in held_out]
    parts = [part for prompt, _ in passages.load(folder)[0] for part in re.split(r"(?<=[.!?])\s+|\n", prompt)]
    found = [sorted({meaning(row) for row in rows if 8 < len(row) < 160}) for rows in (parts, pages)]
    return [rng.sample(rows, min(SENTENCES // 2, len(rows))) for rows in found]


def written(rng, text):
    """A span as it may stand in a prompt: a short one in some label's spelling, with or without a space before it."""
    if len(text.split()) <= 4 and rng.random() < 0.7:
        text = style_name(rng.choice(labels.STYLES), text) if re.search(r"\w", text) else text
    return " " * (rng.random() < 0.6) + recase(rng, text)


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
    source, rng = shared_source(args.data, "broad"), random.Random(SEED)

    import warm

    path = args.work / "tokenizer.json"
    if not path.exists():
        texts = [f"{role}\n{unmarked(content)[0]}" for _ in range(30_000) for role, content in source.dialogue(rng)]
        bpe.train(texts, warm.words(args.encoder), PIECES, VOCABULARY).save(str(path))
    with open(args.work / "heldout.jsonl", "w", encoding="utf-8") as handle:
        for question in source.held_out(random.Random(SEED + 1)):
            handle.write(json.dumps(question, ensure_ascii=False) + "\n")

    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    vocabulary = tokenizer.get_vocab()
    of_passages, of_pages = sentences(args.data, random.Random(SEED + 3))
    read_too = of_passages + of_pages
    rows, names = near.table(source.labels, warm.words(args.encoder), of_passages + of_pages[: len(of_passages) // 4], random.Random(SEED + 2))
    near.save(args.work, rows, names, taught_vectors(warm.vectors(args.encoder, [meaning(text) for text, _ in rows]), [group for _, group in rows]))

    known = {}
    for number, name in enumerate(MIXTURES, 1):
        write(args, name, SEED + 1000 * number, args.chunks * LENGTHS.get(name, 1), known)
    torch.save(warm.embeddings(args.encoder, vocabulary, bpe.twins(vocabulary), SEED), args.work / "embeddings.pt")
    grouped, held_out = {text for text, _ in known}, near.held_out_words(source.labels) | {meaning(name) for name in near.held_out_names(source.labels)}
    for text in read_too + fragments(read_too + sorted(grouped), FRAGMENTS, random.Random(SEED + 5)) + warm.words(args.encoder):
        if text not in grouped and text not in held_out:
            known.setdefault((text, ""), len(known))
    vectors = taught_vectors(warm.vectors(args.encoder, [text for text, _ in known]), [group for _, group in known])
    np.save(args.work / "spans.npy", vectors.astype(np.float16))
    rng = random.Random(SEED + 4)
    spelt = [tokenizer.encode(written(rng, text), add_special_tokens=False).ids for _ in range(2) for text, _ in known]
    np.savez(args.work / "sense.npz", tokens=np.concatenate([np.array(ids, dtype=np.uint16) for ids in spelt]), offsets=np.cumsum([0] + list(map(len, spelt))))


if __name__ == "__main__":
    main()
