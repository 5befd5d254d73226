"""General helpers of the task generators: splitting, casing, invented names, values, and train/held-out wrapping."""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path

import wordings as W

lines = W.lines


def bucket(text, salt=""):
    return int(hashlib.sha256((salt + text.lower().strip()).encode()).hexdigest()[:8], 16)


def held_out_text(text):
    return bucket(text) % 10 == 0


def read(folder, name):
    with open(folder / f"{name}.jsonl", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


@lru_cache(None)
def written(name, key):
    """Rows of written/NAME.jsonl as (trained, held out), told apart by what stands under `key`."""
    sides = ([], [])
    for line in (Path(__file__).parent.parent / "written" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        sides[held_out_text(row[key])].append(row)
    return sides


def recase(rng, text):
    """Vary capitals and the final mark; the length of what was there stays, so slot positions stay true."""
    text = text.rstrip()
    draw = rng.random()
    if draw < 0.45 and text:
        text = text[0].upper() + text[1:]
        text = re.sub(r"\bi\b", "I", text)
        if text[-1].isalnum():
            asks = re.match(r"(?i)(what|who|where|when|why|how|which|is|are|can|could|do|does|did|will|would|should|may)\b", text)
            text += "?" if asks else rng.choice([".", ".", "!", ""])
    elif draw < 0.5:
        text = text.rstrip("?.!")
    elif draw < 0.52:
        text = text.upper()
    return text


def quoted(rng, text):
    draw = rng.random()
    if draw < 0.25 and '"' not in text:
        return f'"{text}"'
    if draw < 0.3 and "'" not in text:
        return f"'{text}'"
    return text


SYLLABLES = "ba be bi bo bu ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo za zu dra fli gro ster ton mer vil per sha cho qui jen wex pol".split()


def invented(rng):
    """A word that does not exist, so that it can only be copied."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))) + rng.choice(["", "", "n", "x", "r", "s", "t"])


def person(rng):
    first = rng.choice(W.FIRST_NAMES) if rng.random() < 0.7 else invented(rng).capitalize()
    if rng.random() < 0.35:
        return first
    return first + " " + (rng.choice(W.LAST_NAMES) if rng.random() < 0.7 else invented(rng).capitalize())


def value(rng, kind):
    """A value for a {placeholder} of the wordings."""
    if kind == "name":
        return person(rng)
    if kind == "email":
        user = rng.choice([invented(rng), rng.choice(W.FIRST_NAMES).lower(),
                           rng.choice(W.FIRST_NAMES).lower() + "." + rng.choice(W.LAST_NAMES).lower()])
        user += str(rng.randint(1, 99)) if rng.random() < 0.25 else ""
        host = rng.choice(["example", "mail", "gmail", "shop", "web", "post", invented(rng)])
        return f"{user}@{host}.{rng.choice(['com', 'com', 'org', 'net', 'de', 'co.uk', 'io'])}"
    if kind == "phone":
        return rng.choice(["{:03d}-{:04d}", "+{:02d} {:03d} {:04d}", "({:03d}) {:03d}-{:04d}", "{:03d} {:03d} {:04d}", "{:04d}{:04d}", "{:03d}-{:03d}-{:04d}"]).format(
            *[rng.randint(10, 999) for _ in range(4)])
    if kind == "order":
        number = str(rng.randint(100, 999999))
        return rng.choice([number, number, "#" + number, "A" + number, "ORD-" + number,
                           rng.choice("ABCDEFGHKXZ") + rng.choice("ABCDEFGHKXZ") + "-" + number])
    if kind == "amount":
        whole = rng.choice([rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 9999)])
        return rng.choice([f"${whole}", f"${whole}.{rng.randint(0, 99):02d}", f"{whole} euros", f"{whole} dollars", f"€{whole}",
                           f"£{whole}", f"{whole} USD", f"{whole}.{rng.randint(0, 99):02d} EUR", f"${whole}"])
    if kind in ("quantity", "n"):
        return str(rng.randint(2, 12))
    if kind == "people":
        return str(rng.randint(2, 20))
    if kind == "age":
        return str(rng.randint(5, 95))
    if kind == "date":
        month, day = rng.choice(W.MONTHS), rng.randint(1, 28)
        return rng.choice([f"{month} {day}", f"{day} {month}", f"{month} {day}, {rng.randint(2019, 2030)}", rng.choice(W.WEEKDAYS),
                           f"next {rng.choice(W.WEEKDAYS)}", f"{rng.randint(2019, 2030)}-{rng.randint(1, 12):02d}-{day:02d}",
                           f"{month} {day}th", f"{rng.randint(1, 12)}/{day}/{rng.randint(2019, 2030)}", rng.choice(W.WEEKDAYS)])
    if kind == "time":
        hour = rng.randint(1, 12)
        return rng.choice([f"{hour} pm", f"{hour}am", f"{hour}:{rng.choice(['00', '15', '30', '45'])}", f"{hour}:30 pm",
                           f"{rng.randint(8, 22)}:{rng.choice(['00', '30'])}", "noon", f"{hour} o'clock", f"{hour}pm", f"{hour} PM"])
    if kind in ("city", "from_city", "to_city"):
        return rng.choice(W.CITIES) if rng.random() < 0.75 else invented(rng).capitalize()
    if kind == "company":
        first = rng.choice(W.COMPANY_WORDS) if rng.random() < 0.6 else invented(rng).capitalize()
        return first + rng.choice(W.COMPANY_ENDS)
    if kind == "street":
        name = rng.choice([rng.choice(W.LAST_NAMES), invented(rng).capitalize(), rng.choice(["Main", "Oak", "High", "Park", "Lake", "Hill"])])
        return f"{rng.randint(1, 250)} {name} {rng.choice(['Street', 'Street', 'Road', 'Avenue', 'Lane'])}"
    if kind == "product" and rng.random() < 0.15:
        return rng.choice([invented(rng).capitalize(), invented(rng)]) + " " + rng.choice(W.PRODUCTS)
    choices = {"product": W.PRODUCTS, "country": W.COUNTRIES, "job": W.JOBS, "color": W.COLORS, "size": W.SIZES, "event": W.EVENTS,
               "dish": W.DISHES, "month": W.MONTHS, "weekday": W.WEEKDAYS}
    return rng.choice(choices[kind])


def fill(rng, template):
    return re.sub(r"\{(\w+)\}", lambda match: value(rng, match.group(1)), template)


def rows(text, *parts):
    """Table lines: columns apart by ` || `, alternatives inside a column by ` / `."""
    return [[[part.strip() for part in column.split(" / ") if part.strip()] for column in line.split("||")] for line in lines(text)]


def pick(rng, items, held=False):
    """One wording: the last of a list (the last two of ten or more) is kept for the held-out draws; one or two have none."""
    if len(items) < 3:
        return rng.choice(items)
    kept = 2 if len(items) >= 10 else 1
    return rng.choice(items[-kept:] if held else items[:-kept])


def chance(rng, p):
    return rng.random() < p


def first_upper(text):
    return text[:1].upper() + text[1:]


def single(user, answer, system=None):
    return ([("system", system)] if system else []) + [("user", user), ("assistant", answer)]


def asked(dialogue):
    return [text for role, text in dialogue if role == "user"]


def split(tasks):
    """`tasks` maps a name to (make, scorer, by_text); make(rng, data, held) gives a dialogue.  Returns TASKS and HELD_OUT.

    With by_text a tenth of all user texts is never trained, and half of the held-out draws use trained wordings on those.
    Else only the kept wordings tell the two sides apart.
    """

    def train(make, by_text):
        def draw(rng, data=None):
            while True:
                dialogue = make(rng, data, False)
                if not by_text or not any(map(held_out_text, asked(dialogue))):
                    return dialogue
        return draw

    def keep(name, make, scorer, by_text):
        def draw(rng, data=None):
            wording = not by_text or chance(rng, 0.5)
            while True:
                dialogue = make(rng, data, wording)
                if not by_text or held_out_text(asked(dialogue)[-1]):
                    return {"task": name, "messages": dialogue[:-1], "answer": dialogue[-1][1], "scorer": scorer}
        return draw

    return ({name: train(make, by_text) for name, (make, _, by_text) in tasks.items()},
            {name: keep(name, *entry) for name, entry in tasks.items()})


def plain(name):
    """A label's own name as plain words: `card_arrival` and `AddToPlaylist` become `card arrival`, `add to playlist`."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[_\s]+", " ", name).replace("?", "").strip().lower()


def style_name(style, name):
    words = name.split()
    return {
        "plain": lambda: name,
        "snake": lambda: re.sub(r"[^\w]+", "_", name),
        "first": lambda: name[0].upper() + name[1:],
        "title": lambda: " ".join(word[0].upper() + word[1:] for word in words),
        "upper": lambda: re.sub(r"[^\w]+", "_", name).upper(),
        "kebab": lambda: re.sub(r"[^\w]+", "-", name),
        "camel": lambda: words[0] + "".join(word[0].upper() + word[1:] for word in words[1:]),
    }[style]()


def trained(wordings):
    return wordings[: -W.HELD_OUT_WORDINGS]


def fragments(texts, count, rng):
    """A few words that stand together in one of `texts`, as a label may be worded: no little word at either end."""
    found = {}
    for _ in range(5 * count):
        words, length = rng.choice(texts).split(), rng.choice([1, 2, 2, 2, 3, 3, 4, 5, 7])
        start = rng.randrange(max(1, len(words) - length + 1))
        part = words[start: start + length]
        if part and all(len(word) > 3 and word.isalpha() for word in (part[0], part[-1])):
            found[" ".join(part)] = None
    return list(found)[:count]
