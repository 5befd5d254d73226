"""What the classifier sees of a request: the cut text, the hand-made features, the token window, hashed n-grams.

This file is the reference. The gateway computes the same numbers in Rust and is held to
`features_golden.jsonl` within 1e-5. "Character" means Unicode scalar value throughout, "ASCII whitespace"
means space, tab, line feed, form feed and carriage return (Rust's `char::is_ascii_whitespace`), and "ASCII
punctuation" means Rust's `char::is_ascii_punctuation`.

    python features.py --tokenizer ../../models/classifier/tokenizer.json    rewrites the golden file
    python -m doctest features.py                                            runs the examples below
"""

import argparse
import json
import math
import re
from functools import lru_cache
from pathlib import Path

CUT_ABOVE_BYTES = 4096
KEEP_BYTES = 2048
MAX_TOKENS = 512
HEAD_TOKENS = 256
TAIL_TOKENS = 256
PAD = 0
NGRAM_MIN, NGRAM_MAX = 2, 5
NGRAM_BUCKETS = 1 << 17
FNV_OFFSET, FNV_PRIME = 0x811C9DC5, 0x01000193

WHITESPACE = " \t\n\x0c\r"
PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
MATH = frozenset("+-*/=<>^\\$%|")
CODE_MARKS = ("```", "def ", "return ", "import ", "#include", "();", "public ", "const ", "</", "==", "SELECT ")
OPTION_LINE = re.compile(r"(?:\A|\n)[A-J][.)]")
WORD = re.compile(r"[^ \t\n\x0c\r]+")

# (name, exact meaning). The order is the order of the `features` input.
FEATURES = (
    ("ln_chars", "ln(1 + number of characters of the full text)"),
    ("ln_words", "ln(1 + number of words of the full text); a word is a longest run without ASCII whitespace"),
    ("ln_newlines", "ln(1 + number of U+000A in the full text)"),
    ("ends_with_question", "1 if the last character of the full text that is not ASCII whitespace is '?', else 0"),
    ("share_digits", "ASCII digits 0-9 / characters of the cut text (0 when it is empty)"),
    ("share_punctuation", "ASCII punctuation / characters of the cut text (0 when it is empty)"),
    ("share_uppercase", "ASCII letters A-Z / characters of the cut text (0 when it is empty)"),
    ("share_non_ascii", "characters above U+007F / characters of the cut text (0 when it is empty)"),
    ("share_math", "characters among + - * / = < > ^ \\ $ % | / characters of the cut text (0 when it is empty)"),
    ("has_code", "1 if the cut text contains, with case, any of config.json `code_marks`, else 0"),
    ("ln_option_lines", "ln(1 + number of lines of the cut text (split at U+000A) that begin with one letter A-J "
                        "followed by '.' or ')')"),
    ("mean_word_length", "characters of the cut text that are not ASCII whitespace / (10 * words of the cut text), "
                         "at most 2 (0 when there are no words)"),
)
FEATURE_NAMES = tuple(name for name, _ in FEATURES)


def cut(text: str) -> str:
    """The part of the text that is tokenised: all of it up to 4,096 bytes of UTF-8, else its first and last 2,048.

    The head ends at the last character boundary at or before byte 2,048, the tail starts at the first one at or
    after length - 2,048; the two are joined without a separator.

    >>> cut("short")
    'short'
    >>> len(cut("a" * 4096)), len(cut("a" * 4097)), len(cut("a" * 100_000))
    (4096, 4096, 4096)
    >>> long = "x" * 2047 + "é" + "y" * 3000
    >>> [len(cut(long)), cut(long)[2046:2049]]
    [4095, 'xyy']
    """
    raw = text.encode("utf-8")
    if len(raw) <= CUT_ABOVE_BYTES:
        return text
    head, tail = KEEP_BYTES, len(raw) - KEEP_BYTES
    while raw[head] & 0xC0 == 0x80:
        head -= 1
    while tail < len(raw) and raw[tail] & 0xC0 == 0x80:
        tail += 1
    return raw[:head].decode("utf-8") + raw[tail:].decode("utf-8")


def features(text: str) -> list[float]:
    """The twelve features of a full text, in the order of `FEATURES`.

    >>> values = dict(zip(FEATURE_NAMES, features("Is 2 + 2 = 4?\\nA. yes\\nB) no \\n")))
    >>> round(values["ln_chars"], 6) == round(math.log(29), 6), round(values["ln_words"], 6) == round(math.log(11), 6)
    (True, True)
    >>> round(values["ln_newlines"], 6) == round(math.log(4), 6), values["ends_with_question"], values["has_code"]
    (True, 0.0, 0.0)
    >>> round(values["share_math"] * 28), round(values["share_punctuation"] * 28), round(values["share_digits"] * 28)
    (2, 5, 3)
    >>> round(values["ln_option_lines"], 6) == round(math.log(3), 6), values["mean_word_length"]
    (True, 0.17)
    >>> features("") == [0.0] * 12
    True
    >>> features("why?  \\n")[3], features("```py")[9], features("é")[7]
    (1.0, 1.0, 1.0)
    """
    window = cut(text)
    chars = max(1, len(window))
    words = len(WORD.findall(window))
    solid = sum(1 for c in window if c not in WHITESPACE)
    stripped = text.rstrip(WHITESPACE)
    return [
        math.log1p(len(text)),
        math.log1p(len(WORD.findall(text))),
        math.log1p(text.count("\n")),
        1.0 if stripped.endswith("?") else 0.0,
        sum(1 for c in window if "0" <= c <= "9") / chars,
        sum(1 for c in window if c in PUNCTUATION) / chars,
        sum(1 for c in window if "A" <= c <= "Z") / chars,
        sum(1 for c in window if c > "\x7f") / chars,
        sum(1 for c in window if c in MATH) / chars,
        1.0 if any(mark in window for mark in CODE_MARKS) else 0.0,
        math.log1p(len(OPTION_LINE.findall(window))),
        min(2.0, solid / (10.0 * words)) if words else 0.0,
    ]


def token_window(ids: list[int]) -> list[int]:
    """At most 512 ids: all, or the first and last 256; an empty text becomes one [PAD].

    >>> token_window([]), token_window([7, 8])
    ([0], [7, 8])
    >>> window = token_window(list(range(1000)))
    >>> len(window), window[255:257]
    (512, [255, 744])
    """
    if len(ids) > MAX_TOKENS:
        ids = ids[:HEAD_TOKENS] + ids[-TAIL_TOKENS:]
    return ids or [PAD]


def encode(tokenizer, text: str) -> list[int]:
    """The ids that go into the graph."""
    return token_window(tokenizer.encode(cut(text), add_special_tokens=False).ids)


@lru_cache(maxsize=1_000_000)
def word_ngrams(word: bytes) -> tuple[int, ...]:
    """Buckets of the n-grams of one word: by start, then by length.

    The word is lower-cased (ASCII only) and gets a space on either side. An n-gram is 2 to 5 bytes of that. Its bucket
    is its 32-bit FNV-1a hash, the upper half folded onto the lower by exclusive or, modulo 2^17.

    >>> [len(word_ngrams(w)) for w in (b"a", b"ab", b"abcd")]
    [3, 6, 14]
    >>> word_ngrams(b"A") == word_ngrams(b"a"), word_ngrams(b"a")
    (True, (81151, 27768, 38592))
    """
    padded, out = b" " + word.lower() + b" ", []
    for start in range(len(padded) - 1):
        value = FNV_OFFSET
        for length, byte in enumerate(padded[start:start + NGRAM_MAX], 1):
            value = (value ^ byte) * FNV_PRIME & 0xFFFFFFFF
            if length >= NGRAM_MIN:
                out.append((value ^ value >> 16) % NGRAM_BUCKETS)
    return tuple(out)


def ngrams(text: str) -> tuple[list[int], list[float]]:
    """Distinct n-gram buckets of the cut text, in the order in which they first appear, and their weights.

    Words are longest runs of bytes without ASCII whitespace. The weight is 1 + ln(count), divided by the Euclidean
    norm of all weights. A text without words is bucket 0 with weight 0.

    >>> ngrams(" \\n"), ngrams("a a")[0] == list(word_ngrams(b"a"))
    (([0], [0.0]), True)
    >>> [round(w, 6) for w in ngrams("a a a")[1]] == [round(3 ** -0.5, 6)] * 3
    True
    """
    counts: dict[int, int] = {}
    for word in re.findall(rb"[^ \t\n\x0c\r]+", cut(text).encode("utf-8")):
        for bucket in word_ngrams(word):
            counts[bucket] = counts.get(bucket, 0) + 1
    if not counts:
        return [0], [0.0]
    weights = [1.0 + math.log(count) for count in counts.values()]
    norm = math.sqrt(sum(weight * weight for weight in weights))
    return list(counts), [weight / norm for weight in weights]


def golden_texts() -> list[str]:
    """Texts that try every rule above."""
    code = "from typing import List\n\n\ndef first(xs: List[int]) -> int:\n    \"\"\" First. \"\"\"\n    return xs[0]\n"
    return [
        "", " ", "\n", "?", "a", "hello", "Hello, world!", "Why?", "Why? \t\r\n", "no question. ",
        "What is the capital of France?", "What is 12 * (3 + 4) / 2 - 7^2?", "x = 3 < 4 > 2 | 5 % 3 \\ $1.00",
        "Solve $\\frac{x^2 - 1}{x + 1} = 3$ for $x$.", "A. one\nB. two\nC) three\nD] four\n E. five\nK. six",
        "Question\nA. 1\nB. 2\nC. 3\nD. 4\nE. 5\nF. 6\nG. 7\nH. 8\nI. 9\nJ. 10", "A)first line counts", "A.\nA.\nA.",
        code, "```rust\nfn main() { println!(\"hi\"); }\n```", "SELECT name FROM users WHERE id == 3;",
        "select lower is no code mark", "#include <stdio.h>\nint main() { run(); }", "<p>text</p>",
        "tabs\tand\x0bvertical\x0cform feed\rcarriage", "non\u00a0breaking\u2003space is not ASCII whitespace",
        "Grüße aus Köln: Straße, Äpfel, ÖL?", "日本語の文章です。これは質問ですか？", "Привет, как дела?", "مرحبا بالعالم",
        "emoji 😀👩‍👩‍👧‍👦 and flags 🇩🇪", "combining e\u0301 stays two characters", "ÀÉÎÕÜ uppercase is not ASCII",
        "CAPITALS ONLY 123 456", "supercalifragilisticexpialidocious" * 3, "." * 100, "0123456789" * 30,
        "word " * 819 + "x", "word " * 819 + "xx", "word " * 5000, "é" * 2048, "é" * 2049, "a" + "é" * 3000,
        "日" * 2000 + "?", "😀" * 1500, "head\n" * 600 + "the real question: " + "tail. " * 600 + "?",
        code * 60, "A. option\n" * 900, "Line one.\r\nLine two.\r\n\r\nA. windows line ends\r\nB. more\r\n",
    ]


def main() -> None:
    from tokenizers import Tokenizer

    parser = argparse.ArgumentParser(description="Rewrite features_golden.jsonl.")
    parser.add_argument("--tokenizer", type=Path, required=True)
    tokenizer = Tokenizer.from_file(str(parser.parse_args().tokenizer))
    target = Path(__file__).with_name("features_golden.jsonl")
    with target.open("w", encoding="utf-8") as out:
        for text in golden_texts():
            ids = encode(tokenizer, text)
            buckets, weights = ngrams(text)
            row = {"text": text, "features": features(text), "ids": ids[:20], "tokens": len(ids),
                   "ngram_ids": buckets[:20], "ngram_weights": [round(w, 8) for w in weights[:20]], "ngrams": len(buckets)}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
