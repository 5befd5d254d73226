"""The starter's byte-level BPE, in which a word is cut the same way with and without a space before it.

Merges are learnt on words without their space; after all of them come merges that join the space to a word's first piece.
So `card` and ` card` differ in one piece that stands for the same text, and an answer copied from the prompt starts with
the piece whose twin stands there.  Digits stand alone.
"""

import json
from collections import Counter

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END_OF_TEXT, TURN_START, TURN_END = 0, 1, 2
WORD_COUNT, WORD_RANK = 300_000, 101  # the word of rank r counts as often as WORD_COUNT / (r + WORD_RANK)
SPACE = "\u0120"  # how byte-level BPE writes a space


def splitter(spaces_alone=False):
    """GPT-2's splitting with single digits, which ONNX Runtime GenAI's tokenizer reads too."""
    first = [pre_tokenizers.Split(Regex(r"\s"), behavior="isolated")] if spaces_alone else []
    return pre_tokenizers.Sequence([*first, pre_tokenizers.Digits(individual_digits=True),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])


def train(texts, words, pieces, vocabulary):
    """A tokenizer of `vocabulary` entries, about `pieces` of them without a space.

    `words` stand commonest first and count as words of the language do, so that most of them become one piece.
    """
    texts = [*texts, *(" " + word for rank, word in enumerate(words) for _ in range(WORD_COUNT // (rank + WORD_RANK)))]
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = splitter(spaces_alone=True)
    bare.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=pieces, special_tokens=SPECIALS, show_progress=False,
                                                        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), min_frequency=3))
    words = Counter(word for text in texts for word, _ in splitter().pre_tokenize_str(text) if word.startswith(SPACE) and len(word) > 1)
    first = Counter()
    for word, count in words.items():
        cut = bare.model.tokenize(word[1:])
        first[cut[0].value] += count
    state = json.loads(bare.to_str())
    merges = [tuple(merge) for merge in state["model"]["merges"]]
    table = dict(state["model"]["vocab"])
    for piece, _ in first.most_common(vocabulary - len(table)):
        table[SPACE + piece] = len(table)
        merges.append((SPACE, piece))
    whole = Tokenizer(models.BPE(vocab=table, merges=merges))
    whole.add_special_tokens(SPECIALS)
    whole.pre_tokenizer, whole.decoder = splitter(), decoders.ByteLevel()
    return whole


def twins(vocabulary):
    """{number of a piece with a space: number of the same piece without}."""
    return {number: vocabulary[token[1:]] for token, number in vocabulary.items() if token.startswith(SPACE) and token[1:] in vocabulary}
