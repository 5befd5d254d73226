"""Choosing the label that is nearest in meaning, among labels that were never meant to stand together.

Labels are names of all trained sets' labels, single words, pairs of words and pieces of the texts, which are those of all trained sets and sentences of
no set.  A text is asked about where one of the shown labels is clearly nearer to it than the others, by MiniLM-L6's vectors, those of a set's own texts
and labels moved towards each other (prepare.py, `taught_vectors`).  Half of the lists are of one matter, as people's lists are: their labels are all near some text.
So little can be learnt by heart.
"""

import json
import re
from collections import Counter

import numpy as np

from tasks.fields import HELD_OUT, names_of
from tasks.labels import Pool
from tasks.text import fragments, recase

TEXTS_EACH, WORDS, RARER, PAIRS, FRAGMENTS = 30, 3000, 5000, 6000, 30_000  # texts of a label; the commonest single words, others, pairs of words, and pieces of texts, at most
TRIED, LABELS, WORD_SHARE = 1000, 12, 0.6  # texts and labels of a draw, and how many of these are no set's names
TOPICAL, SIMILAR_NAMES, SIMILAR_TEXTS = 0.5, 400, 4000  # share of lists of one matter; names and texts that are nearest to it
NEAREST, MARGIN, FAR = 0.3, 0.12, 0.08  # least likeness of the nearest label, how much less the next one's is, and the most of a text that none fits


def held_out_names(labels):
    """Labels and fields that are never trained."""
    return [name for pool in labels.sets_held_out for known in pool.names.values() for name in known] + [name for slot in HELD_OUT for name in names_of(slot)]


def held_out_words(labels):
    """Their words."""
    return set(re.findall(r"\w+", " ".join(held_out_names(labels)).lower()))


def table(labels, vocabulary, sentences, rng):
    """Names and texts as [(text, group)], names first, and how many are names; `sentences` are of no set."""
    pools = [pool for title, pool in labels.pools.items() if title != "mixed"] + labels.sets
    names = {(name, pool.group(key)): None for pool in pools for key in pool.keys for name in pool.names[key]}
    texts = {}
    for pool in pools:
        for key in pool.keys:
            source = pool.texts[key]
            drawn = [source(rng) for _ in range(TEXTS_EACH)] if callable(source) else rng.sample(source, min(len(source), TEXTS_EACH))
            texts.update({(text, pool.group(key)): None for text in drawn})
    held_out = held_out_words(labels)
    words = Counter(word for text, _ in texts for word in dict.fromkeys(re.findall(r"\b[a-z]{4,}\b", text)) if word not in held_out)
    common = sorted(words, key=lambda word: (-words[word], word))[:WORDS]
    rest = sorted({word for word in vocabulary if len(word) > 3} - held_out - set(common))
    pairs = Counter(pair for text, _ in texts for pair in re.findall(r"(?=\b([a-z]{4,} [a-z]{4,})\b)", text) if not held_out & set(pair.split()))
    pairs = sorted(pair for pair, count in pairs.items() if count < 20)  # commoner ones are ways to ask
    read = [*sentences, *(text.lower().strip(" .!?") for text, _ in texts)]
    parts = [part for part in fragments(read, 2 * FRAGMENTS, rng) if re.fullmatch(r"[a-z' ]+", part) and len(part.split()) < 5 and not held_out & set(part.split())]
    for drawn in (common, rng.sample(rest, min(RARER, len(rest))), rng.sample(pairs, min(PAIRS, len(pairs))), parts[:FRAGMENTS]):
        names.update({(word, ""): None for word in drawn})
    texts.update({(sentence, ""): None for sentence in sentences})
    return [*names, *texts], len(names)


def save(work, rows, names, vectors):
    (work / "near.json").write_text(json.dumps({"names": names, "rows": rows}))
    np.save(work / "near.npy", vectors.astype(np.float16))


class NearPool(Pool):
    """A few labels, each with texts to which it is the nearest of them; labels and texts keep the groups that they came with."""

    def __init__(self, groups, texts, strays):
        super().__init__({name: [name] for name in texts}, texts)
        self.groups, self.strays = groups, strays

    def group(self, key):
        return self.groups[key]

    def text(self, rng, key):
        text, group = rng.choice(self.texts[key])
        return recase(rng, text), group


class Near:
    def __init__(self, labels, work):
        saved = json.loads((work / "near.json").read_text())
        names = saved["names"]
        self.labels, self.names, self.texts = labels, saved["rows"][:names], saved["rows"][names:]
        vectors = np.load(work / "near.npy").astype(np.float32)
        self.name_vectors, self.text_vectors = vectors[:names], vectors[names:]
        self.words = sum(not group for _, group in self.names)

    def pool(self, rng):
        known = len(self.names) - self.words
        while True:
            if rng.random() < TOPICAL:
                matter = self.text_vectors[rng.randrange(len(self.texts))]
                near_names = np.argpartition(self.name_vectors @ matter, -SIMILAR_NAMES)[-SIMILAR_NAMES:].tolist()
                drawn = rng.sample(near_names, 2 * LABELS)
                near_texts = np.argpartition(self.text_vectors @ matter, -SIMILAR_TEXTS)[-SIMILAR_TEXTS:].tolist()
                tried = rng.sample(near_texts, TRIED)
            else:
                drawn = [rng.randrange(known, len(self.names)) if rng.random() < WORD_SHARE else rng.randrange(known) for _ in range(2 * LABELS)]
                tried = [rng.randrange(len(self.texts)) for _ in range(TRIED)]
            shown = {}
            for number in drawn:
                if len(shown) < LABELS:
                    shown.setdefault(self.names[number][0], number)
            tried += [rng.randrange(len(self.texts)) for _ in range(TRIED // 10)]  # a list of one matter too needs some that none fits
            likeness = self.text_vectors[tried] @ self.name_vectors[list(shown.values())].T
            best, ordered = likeness.argmax(1), np.sort(likeness, 1)
            texts = {}
            for row in np.flatnonzero((ordered[:, -1] > NEAREST) & (ordered[:, -1] - ordered[:, -2] > MARGIN)):
                name = self.names[list(shown.values())[best[row]]][0]
                texts.setdefault(name, []).append(self.texts[tried[row]])
            strays = [self.texts[tried[row]] for row in np.flatnonzero(ordered[:, -1] < FAR)]
            if len(texts) > 2 and strays:
                return NearPool({name: self.names[shown[name]][1] for name in texts}, texts, strays)

    def dialogue(self, rng, turns):
        return self.labels.dialogue(rng, turns, ("near", self.pool(rng)))
