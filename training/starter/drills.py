"""Drills: sums, dates, times, numbers in words, spelling, case and forms of words, many to a row.

A dialogue asks one of these in thirty tokens or more, and each is a fact to be learnt.
"""

import random

import numpy as np
import torch

import wordings as W
from tasks.numbers import SIGN_WORDS, drawn_sum, kept_sum, ordinal, shown, spoken, work
from tasks.rewriting import COMPARED, KNOWN, MISSPELLED, PAST, PLURALS, broken


def plain_sum(rng):
    sign, a, b = drawn_sum(rng, False)
    between = f" {SIGN_WORDS[sign][0]} " if rng.random() < 0.3 else rng.choice([f" {shown(rng, sign)} ", shown(rng, sign)])
    return f"{a}{between}{b}", work(sign, a, b)


def chain(rng):
    """Two steps, neither of them a sum that is kept."""
    while True:
        a, b, c, n = rng.randint(2, 60), rng.randint(2, 30), rng.randint(1, 20), rng.randint(2, 9)
        first, second, text = rng.choice([
            (("+", a, b), ("-", a + b, c), f"{a} + {b} - {c}"), (("-", a, b), ("-", a - b, c), f"{a} - {b} - {c}"), (("+", a, b), ("+", a + b, c), f"{a} + {b} + {c}"),
            (("*", c, n), ("+", c * n, b), f"{c} * {n} + {b}"), (("*", c, n), ("-", c * n, b), f"{c} * {n} - {b}"), (("*", c, n), ("-", a, c * n), f"{a} - {c} * {n}")])
        result = work(*second)
        if result >= 0 and work(*first) >= 0 and not kept_sum(*first) and not kept_sum(*second):
            return text, result


def minutes(rng):
    hours, rest = rng.randint(1, 5), rng.choice([0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, rng.randint(1, 59)])
    hour = "hours" if hours > 1 else "hour"
    text = rng.choice([f"{hours} h {rest} min", f"{hours} {hour} and {rest} minutes", f"{hours}h{rest:02d}", f"{hours} {hour} {rest} minutes"]) if rest else f"{hours} {hour}"
    return rng.choice([f"{text} in minutes", f"{text} to min"]), hours * 60 + rest


def date(rng):
    year, month, day = rng.randint(1950, 2035), rng.randint(1, 12), rng.randint(1, 31 if rng.random() < 0.1 else 28)
    day = min(day, 28) if month == 2 else min(day, 30)
    name = W.MONTHS[month - 1]
    name = name[:3] if rng.random() < 0.25 else name
    day_name = rng.choice([str(day), ordinal(day)])
    text = rng.choice([f"{name} {day_name}, {year}", f"{day_name} {name} {year}", f"the {ordinal(day)} of {name} {year}", f"{day_name} of {name}, {year}", f"{name} {day} {year}"])
    form, answer = rng.choice([("YYYY-MM-DD", f"{year}-{month:02d}-{day:02d}")] * 3 + [("DD/MM/YYYY", f"{day:02d}/{month:02d}/{year}"), ("month", month), ("day", day), ("year", year)])
    return rng.choice([f"{text} as {form}", f"{form}: {text}"]), answer


def clock(rng):
    hour, minute = rng.randint(0, 23), rng.choice([0, 15, 30, 45, rng.randint(0, 59)])
    twelve = f"{(hour + 11) % 12 + 1}:{minute:02d}{rng.choice([' ', ''])}{'am' if hour < 12 else 'pm'}"
    now, later = hour * 60 + minute, rng.choice([5, 10, 15, 20, 25, 30, 40, 45, 50, 60, 90, 120])
    if rng.random() < 0.4:
        return f"{twelve} in 24 h", f"{hour:02d}:{minute:02d}"
    sign = 1 if now + later < 1440 and (now < later or rng.random() < 0.6) else -1
    then = now + sign * later
    return f"{hour:02d}:{minute:02d} {'+' if sign > 0 else '-'} {later} min", f"{then // 60:02d}:{then % 60:02d}"


def words(rng):
    n = rng.choice([rng.randint(1, 20), rng.randint(21, 99), rng.randint(21, 99), rng.randint(100, 999), rng.randint(1000, 9999)])
    return rng.choice([(spoken(n), n), (f"{spoken(n)} in digits", n), (f"{n} in words", spoken(n))])


def part(rng):
    whole = rng.randint(1, 20) * 20
    percent = rng.choice([5, 10, 15, 20, 25, 50, 75])
    return rng.choice([(f"{percent}% of {whole}", whole * percent // 100), (f"{percent} percent of {whole}", whole * percent // 100), (f"half of {whole // 10}", whole // 20), (f"twice {whole // 5}", whole // 5 * 2)])


def form(rng):
    one, many = rng.choice(list(PLURALS.items()))
    now, past = rng.choice(list(PAST.items()))
    base, more, most = rng.choice(COMPARED)
    return rng.choice([(f"plural of {one}", many), (f"singular of {many}", one), (f"past of {now}", past), (f"{base} - more", more), (f"{base} - most", most)])


def spelling(rng):
    while True:
        right = rng.choice(TO_SPELL)
        wrong = MISSPELLED[right] if right in MISSPELLED and (rng.random() < 0.7 or len(right) < 5) else broken(rng, right)
        if wrong == right or wrong not in KNOWN:
            return rng.choice([f"{wrong} - spelling", f"spell: {wrong}"]), right


def case(rng, words):
    text = " ".join(rng.choice(words) for _ in range(rng.randint(1, 4)))
    title = " ".join(word[0].upper() + word[1:] for word in text.split())
    given = rng.choice([text, text.upper(), text.upper(), title])
    return rng.choice([(f"{given} in lower case", text), (f"{given} in capitals", text.upper()), (f"{given} as a title", title), (f"{given} as a sentence", text[0].upper() + text[1:])])


TO_SPELL = sorted(word for word in KNOWN if len(word) > 4 or word in MISSPELLED) + sorted(MISSPELLED)
NUMBERS = (plain_sum,) * 5 + (chain,) * 3 + (minutes, date, date, clock, words, part)
WORDS = (form, spelling, spelling)


class Drills:
    """Rows of questions and results, half of them as dialogues; three in ten of these are about words."""

    ROWS, LENGTH = 24, 64

    def __init__(self, tokenizer, seed):
        self.rng, self.tokenizer = random.Random(seed), tokenizer
        self.words = sorted({name[1:] for name in tokenizer.get_vocab() if name[0] == "Ġ" and len(name) > 4 and name[1:].isascii() and name[1:].isalpha() and name[1:].islower()})

    def pieces(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def drawn(self):
        if self.rng.random() < 0.7:
            return self.rng.choice(NUMBERS)(self.rng)
        return case(self.rng, self.words) if self.rng.random() < 0.4 else self.rng.choice(WORDS)(self.rng)

    def batch(self, rows):
        """Tokens, where the next one can be told: [rows, LENGTH] both; nothing to point at."""
        ids, told = np.zeros((rows, self.LENGTH), dtype=np.int64), np.zeros((rows, self.LENGTH), dtype=bool)
        for row in range(rows):
            tokens, mask, dialogue = [], [], self.rng.random() < 0.5
            while len(tokens) < self.LENGTH:
                question, answer = self.drawn()
                asked, said = (f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n", f"{answer}<|im_end|>") if dialogue else (f"{question} =", f" {answer}\n")
                asked, said = self.pieces("\n" * (dialogue and bool(tokens)) + asked), self.pieces(said)
                tokens += asked + said
                mask += [False] * len(asked) + [True] * len(said)
            ids[row], told[row] = tokens[: self.LENGTH], mask[: self.LENGTH]
        return torch.from_numpy(ids), torch.from_numpy(told), {}
