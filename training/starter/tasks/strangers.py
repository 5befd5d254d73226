"""Words that nobody could foretell, in place of those that an answer copies from its prompt.

A model that has seen every name of its training texts many times learns to recall names, and forgets how to copy others: after 60
million tokens of dialogues without such words the starter copied 3 % of random pieces, 93 % before them.
"""

import json
import re
from collections import Counter

from dialogue import AS, CLOSE
from tasks.text import invented

TASKS = {"fields", "fields_turns", "passage_qa", "passage_told", "passage_main", "passage_written", "spelling", "marks", "replace_word", "json_list",
         "list_edit", "extraction", "shorten"}  # whose right answers stay right
SHARE, CAPITAL_SHARE, LOWER_SHARE = 0.8, 0.7, 0.15  # of their dialogues, and of the words in those
COMMON = 300  # so many of the commonest words stay
WORD = re.compile(r"[^\W\d_]{3,}")
ACCENTS = dict(zip("aeiouncs", "äéíöüñçš"))


class Strangers:
    """Draws strange words, made of pieces of the words in `texts`, and puts them into dialogues."""

    def __init__(self, texts):
        count = Counter(word.lower() for text in texts for word in WORD.findall(text) if word.isascii())
        self.common = {word for word, _ in count.most_common(COMMON)}
        self.words = sorted(count)

    def word(self, rng):
        """A lower-case word: invented, spliced of two, or one that exists and stands where it never did; with capitals inside now and then."""
        draw = rng.random()
        if draw < 0.2:
            word = invented(rng)
        elif draw < 0.6:
            head, tail = rng.choice(self.words), rng.choice(self.words)
            word = head[: rng.randint(2, max(2, len(head) - 1))] + tail[rng.randint(1, max(1, len(tail) - 2)):]
        else:
            word = rng.choice(self.words)
        if rng.random() < 0.04:
            at = rng.randrange(len(word))
            word = word[:at] + ACCENTS.get(word[at], word[at]) + word[at + 1:]
        return word[:14]

    def like(self, rng, word):
        """One in the case of `word`."""
        new = self.word(rng)
        if word.isupper():
            return new.upper()
        if not word[0].isupper():
            return new
        new = new.capitalize()
        if rng.random() < 0.06:
            new = rng.choice(["Mc", "Mac", "De", "O'", "St. ", "La"]) + new
        elif rng.random() < 0.06:
            new += rng.choice(["-", " ", ""]) + self.word(rng).capitalize()
        return new

    def put(self, rng, messages):
        """The dialogue with some of the words that its answers copy changed throughout; names of fields stay."""
        answers = [content for role, content in messages if role == "assistant"]
        prompt = " ".join(content for role, content in messages if role != "assistant")
        parsed = [json.loads(answer) if answer.startswith("{") else answer for answer in answers]
        kept = self.common | {word.lower() for found in parsed if isinstance(found, dict) for key in found for word in WORD.findall(key)}
        copied = dict.fromkeys(word for found in parsed for text in (found.values() if isinstance(found, dict) else [found]) if isinstance(text, str)
                               for word in WORD.findall(text))
        new = {word: self.like(rng, word) for word in copied if word.lower() not in kept and re.search(rf"\b{word}\b", prompt)
               and rng.random() < (CAPITAL_SHARE if word[0].isupper() else LOWER_SHARE)}
        if not new:
            return messages
        either = re.compile(rf"{AS}[^{CLOSE}]*{CLOSE}|\b(?:{'|'.join(new)})\b")
        return [(role, either.sub(lambda match: new.get(match[0], match[0]), content)) for role, content in messages]
