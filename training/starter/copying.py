"""Copying from the prompt, which most answers here are: a start that can do it, and exercises that keep it.

A run this short would spend most of its tokens finding copying out, and the first steps on whole dialogues, which teach
little but how often each piece occurs, would wash a mere start away again.
"""

import numpy as np
import torch

from model import GROUPS, HEAD, HEADS, POINTERS, THETA, VOCABULARY, WIDTH
from tokenizer import SPECIALS


@torch.no_grad()
def seed(model):
    """Starting weights that already copy: what followed a token before is likely to follow it again.

    A short run would spend most of its tokens finding out how.  In the first layer one head passes each token on to its successor;
    in the second, heads look for places whose predecessor is the present token and bring what stands there.  The heads whose
    attention is taught (pointing.py) bring what stands where they look, too; `leads` put it where `choices` will find it.
    """
    level, scale, half, fast = 4.0, 0.05, HEAD // 2, HEAD // 4
    model.embedding[:, -1] = level * scale  # one dimension that is the same everywhere, for attention by position alone
    model.norm.weight.fill_(0.25)  # or every token would foretell itself
    keys, values = HEADS * HEAD, (HEADS + GROUPS) * HEAD  # first rows of the joined matrix

    # Rotary positions turn the constant dimension: the query of a place points at the place before.
    turn = THETA ** (-torch.arange(fast) * 2 / HEAD)
    strength = (8 * torch.tensor([8.0, 6, 4, 3, 2, 2, 2, 2])).sqrt() / level
    first = model.blocks[0]
    first.qkv.weight[:HEAD].zero_()
    first.qkv.weight[:fast, -1], first.qkv.weight[half: half + fast, -1] = strength * turn.cos(), -strength * turn.sin()
    first.qkv.weight[keys: keys + HEAD].zero_()
    first.qkv.weight[keys: keys + fast, -1] = strength
    read = torch.linalg.qr(torch.randn(WIDTH - 1, HEAD))[0].T
    write = torch.linalg.qr(torch.randn(WIDTH - 1, HEAD))[0]
    first.qkv.weight[values: values + HEAD].zero_()
    first.qkv.weight[values: values + HEAD, :-1] = read
    first.out.weight[:, :HEAD].zero_()
    first.out.weight[:-1, :HEAD] = write * 3 * scale

    # The dimensions that rotary positions hardly turn compare the present token with the one before each place.
    second, slow = model.blocks[1], torch.cat([torch.arange(fast, half), torch.arange(half + fast, HEAD)])
    copied = torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0]
    for group in range(4):
        match = 2.4 * torch.linalg.qr(torch.randn(HEAD, half))[0].T
        rows = slice(group * HEAD, (group + 1) * HEAD)
        second.qkv.weight[keys:values][rows].zero_()
        second.qkv.weight[keys + group * HEAD + slow, :-1] = match @ write.T
        second.qkv.weight[values:][rows] = copied[rows]
        for head in range(group * HEADS // GROUPS, (group + 1) * HEADS // GROUPS):
            second.qkv.weight[head * HEAD: (head + 1) * HEAD].zero_()
            second.qkv.weight[head * HEAD + slow, :-1] = match @ read
            second.out.weight[:, head * HEAD: (head + 1) * HEAD] = copied[rows].T * 0.3

    shelf = torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0]
    for kind, (read_from, write_to) in {"copies": (copied, copied), "leads": (copied, shelf), "choices": (shelf, copied), "follows": (copied, copied)}.items():
        layer, heads = POINTERS[kind]
        for head in range(*heads.indices(HEADS)):
            group = head * GROUPS // HEADS
            rows = slice(group * HEAD, (group + 1) * HEAD)
            model.blocks[layer].qkv.weight[values:][rows] = read_from[rows]
            model.blocks[layer].out.weight[:, head * HEAD: (head + 1) * HEAD] = write_to[rows].T * 0.3


class Exercises:
    """Rows of random pieces in which stretches come again after a quotation mark, mostly without the space that they had.

    In some rows numbers and codes stand between the pieces, whose characters occur many times: there, what follows can only be told by several characters before it.
    """

    ROWS, LENGTH, SPELT = 24, 64, 0.5

    def __init__(self, vocabulary, twins, seed):
        self.rng, self.quote = np.random.default_rng(seed), vocabulary['"']
        self.first = len(SPECIALS) + 256  # the pieces behind the single bytes
        self.space = [vocabulary["Ġ"]]
        self.characters = [np.array([vocabulary[each] for each in kind]) for kind in ("0123456789", "0123456789-:/.,", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", "abcdefghijklmnopqrstuvwxyz")]
        self.bare = np.arange(VOCABULARY)
        self.bare[list(twins)] = list(twins.values())

    def source(self):
        """What stands at the beginning of a row."""
        rng = self.rng
        pieces = rng.integers(self.first, VOCABULARY, rng.integers(8, 28))
        if rng.random() >= self.SPELT:
            return pieces
        parts = []
        for piece in pieces[:12]:
            few = rng.choice(self.characters[rng.integers(len(self.characters))], rng.integers(2, 9))
            parts += [[piece], self.space, rng.choice(few, rng.integers(1, 9))] if rng.random() < 0.4 else [[piece]]
        return np.concatenate(parts)[:40]

    def batch(self, rows):
        """Tokens, where the next one can be told: [rows, LENGTH] both, and by kind the pointers' (row, position, source)."""
        ids, told, copies = np.zeros((rows, self.LENGTH), dtype=np.int64), np.zeros((rows, self.LENGTH), dtype=bool), []
        for row in range(rows):
            source = self.source()
            tokens, mask = list(source), [False] * len(source)
            while len(tokens) < self.LENGTH:
                start = self.rng.integers(0, len(source) - 2)
                stretch = source[start: start + self.rng.integers(2, 9)]
                places = np.flatnonzero(source == stretch[0])
                tokens += [self.quote, self.bare[stretch[0]] if self.rng.random() < 0.7 else stretch[0]]
                mask += [False, False]
                for step in range(1, len(stretch)):
                    if len(places) == 1 and len(tokens) < self.LENGTH:
                        copies.append((row, len(tokens), start + step))
                    mask.append(len(places) == 1)
                    tokens.append(stretch[step])
                    places = places[places + step < len(source)]
                    places = places[source[places + step] == stretch[step]]
            ids[row], told[row] = tokens[: self.LENGTH], mask[: self.LENGTH]
        return torch.from_numpy(ids), torch.from_numpy(told), {"copies": torch.tensor(copies, dtype=torch.long).reshape(-1, 3).T}


class Choices:
    """Rows of a list of labels made of random words, then questions that hold a near word of one label; its name is the answer.

    Near is what MiniLM finds near.  A row decides several times as often as a dialogue of its length.
    """

    ROWS, LENGTH, NEAR = 14, 112, 8

    def __init__(self, tokenizer, twins, embedding, seed):
        self.rng, self.bare = np.random.default_rng(seed), np.arange(VOCABULARY)
        self.bare[list(twins)] = list(twins.values())
        words = [number for number, twin in twins.items() if len(name := tokenizer.id_to_token(twin)) > 3 and name.isalpha() and name[1:].islower()]
        meaning = embedding[words] - embedding[words].mean(0)
        meaning = meaning / meaning.norm(dim=1, keepdim=True)
        self.words, self.near = np.array(words), (meaning @ meaning.T).topk(self.NEAR, dim=1).indices.numpy()

        def pieces(text):
            return tokenizer.encode(text, add_special_tokens=False).ids

        self.hyphens = pieces("_"), pieces("-")
        self.parts = [pieces(text) for text in (",", "\n-", " or", "\n")]
        self.ask, self.reply = pieces("<|im_end|>\n<|im_start|>user\n"), pieces("<|im_end|>\n<|im_start|>assistant\n")
        self.start, self.end = pieces("<|im_start|>system\n"), pieces("<|im_end|>")

    def batch(self, rows):
        """Tokens, where the next one can be told: [rows, LENGTH] both, and by kind the pointers' (row, position, source)."""
        rng, copies, choices, leads, bags, follows = self.rng, [], [], [], [], []
        ids, told = np.zeros((rows, self.LENGTH), dtype=np.int64), np.zeros((rows, self.LENGTH), dtype=bool)
        for row in range(rows):
            labels = [rng.integers(0, len(self.words), rng.integers(1, 4)) for _ in range(rng.integers(2, 7))]
            for label in labels:  # some begin alike and go on differently
                if len(label) > 1 and rng.random() < 0.3:
                    label[0] = labels[rng.integers(len(labels))][0]
            part, bare = self.parts[rng.integers(len(self.parts))], rng.random() < 0.3
            between = [None, None, [], self.hyphens[0], self.hyphens[1]][rng.integers(5)]  # words of a label: with a space, in one, joined
            names = []
            for label in labels:
                name = self.words[label].copy()
                if bare or part == self.parts[3]:
                    name[0] = self.bare[name[0]]
                if between is not None:
                    name[1:] = self.bare[name[1:]]
                names.append([name[0], *(piece for word in name[1:] for piece in [*(between or []), word])])
            tokens, starts = list(self.start), []
            for name in names:
                starts.append(len(tokens))
                leads.append((row, len(tokens) + len(name) - 1, len(tokens)))
                bags += [(row, len(tokens) + len(name) - 1, len(tokens) + step) for step in range(1, len(name) - 1)]
                tokens += name + part
            mask = [False] * len(tokens)
            while len(tokens) < self.LENGTH:
                at = rng.integers(len(labels))
                alike = sum(label[0] == labels[at][0] for label in labels) > 1 and len(labels[at]) > 1
                word = self.near[labels[at][rng.integers(int(alike), len(labels[at]))]][rng.integers(self.NEAR)]
                text = list(self.words[rng.integers(0, len(self.words), rng.integers(0, 4))])
                text.insert(rng.integers(0, len(text) + 1), self.words[word])
                answer = [self.bare[names[at][0]], *names[at][1:], *self.end]
                asked = [*self.ask[len(self.end) * (tokens[-1:] == self.end):], *text, *self.reply]
                begin = len(tokens) + len(asked)
                copies += [(row, begin + i, starts[at] + i) for i in range(len(names[at])) if begin + i < self.LENGTH]
                choices += [(row, begin + i, starts[at] + len(names[at]) - 1) for i in range(len(names[at]) + 1) if begin + i < self.LENGTH]
                follows += [(row, begin + i, starts[at] + i) for i in range(1, len(names[at])) if begin + i < self.LENGTH]
                tokens += asked + answer
                mask += [False] * len(asked) + [True] * len(answer)
            ids[row], told[row] = tokens[: self.LENGTH], mask[: self.LENGTH]
        return torch.from_numpy(ids), torch.from_numpy(told), {
            kind: torch.tensor(pairs, dtype=torch.long).reshape(-1, 3).T for kind, pairs in (
                ("copies", copies), ("choices", choices), ("leads", leads), ("bags", bags), ("follows", follows))}
