"""Turn the public task sets and the project's own wordings into tokenised training examples.

Writes to the work folder: tokenizer.json, broad.npz and focused.npz (tokens, answer mask, offsets) and
heldout.jsonl (the questions evaluate.py asks).  Every draw comes from one seed.  Held out are a tenth of the texts of every set,
whole intents and slot types whose names are never trained, and a few instruction wordings.
"""

import argparse
import hashlib
import json
import random
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import aliases
import wordings as W

SEED = 20261121
VOCABULARY = 4096
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
DEFAULT_SYSTEM = "Answer briefly."
SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
MAX_TOKENS = 1000
HELD_OUT_SLOTS = {"cuisine", "album", "currency_name", "radio_name", "facility", "meal_type"}


# ---------------------------------------------------------------------------------------------- splitting


def bucket(text, salt=""):
    return int(hashlib.sha256((salt + text.lower().strip()).encode()).hexdigest()[:8], 16)


def held_out_text(text):
    return bucket(text) % 10 == 0


def plain(name):
    """A label's own name as plain words: `card_arrival` and `AddToPlaylist` become `card arrival`, `add to playlist`."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[_\s]+", " ", name).replace("?", "").strip().lower()


def held_out_intent(name):
    return bucket(plain(name), "intent") % 9 == 0


# ---------------------------------------------------------------------------------------------- text helpers


def read(folder, name):
    with open(folder / f"{name}.jsonl", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


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


STYLES = ["plain"] * 10 + ["snake"] * 5 + ["first"] * 2 + ["title"] * 3 + ["upper", "kebab", "camel"]


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


def list_names(rng, names, last="and", focused=False):
    layout = rng.choice(["comma"] * 10 + ["word"] * 4 + ["dash"] * 2 + ["line"] * 2 if focused else
                        ["comma"] * 8 + ["word"] * 4 + ["dash"] * 3 + ["number", "json", "json", "slash", "bar", "quote", "line"])
    if layout == "word" and len(names) > 1:
        return ", ".join(names[:-1]) + f" {last} " + names[-1]
    if layout == "dash":
        return "\n- " + "\n- ".join(names) + "\n"
    if layout == "number":
        return "\n" + "\n".join(f"{i}. {name}" for i, name in enumerate(names, 1)) + "\n"
    if layout == "json":
        return json.dumps(names, ensure_ascii=False)
    if layout == "slash":
        return " / ".join(names)
    if layout == "bar":
        return " | ".join(names)
    if layout == "quote":
        return ", ".join(f'"{name}"' for name in names)
    if layout == "line":
        return "\n" + "\n".join(names) + "\n"
    return ", ".join(names)


def trained(wordings):
    return wordings[: -W.HELD_OUT_WORDINGS]


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


# ---------------------------------------------------------------------------------------------- label choice


class Pool:
    """Labels that can be put in one prompt: for each its possible names and a source of texts."""

    def __init__(self, names, texts, own_name=0.5):
        self.names, self.texts, self.own_name = names, texts, own_name
        self.keys = [key for key in names]

    def draw(self, rng, count, aliases_too=True):
        """Pick `count` labels with distinct names; returns keys and their plain names."""
        keys, names = [], []
        for key in rng.sample(self.keys, min(len(self.keys), count * 3)):
            own = not aliases_too or len(self.names[key]) == 1 or rng.random() < self.own_name
            name = self.names[key][0] if own else rng.choice(self.names[key][1:])
            taken = any(set(self.names[key]) & set(self.names[other]) for other in keys)
            if name in names or taken:
                continue
            keys.append(key)
            names.append(name)
            if len(keys) == count:
                break
        return keys, names

    def text(self, rng, key):
        source = self.texts[key]
        return source(rng) if callable(source) else recase(rng, rng.choice(source))


def support_text(templates):
    def draw(rng):
        text = fill(rng, rng.choice(templates))
        if rng.random() < 0.6 and text[-1] not in "?!.":
            text += "."
        if rng.random() < 0.15:
            text = text.lower()
        if rng.random() < 0.2:
            text = rng.choice(W.GREETINGS) + text
        if rng.random() < 0.2:
            text = text.rstrip(".") + ("" if text[-1] in "?!" else ".") + fill(rng, rng.choice(W.CLOSINGS))
        return text
    return draw


def sentiment_text(mood):
    def draw(rng):
        parts = W.SENTIMENT_PARTS
        clause = fill(rng, rng.choice(parts["subject"]) + " " + rng.choice(parts[mood]))
        whole = fill(rng, rng.choice(parts[mood + "_whole"]))
        text = rng.choice([clause + rng.choice([".", "!"] if mood != "neutral" else ["."]), whole, f"{clause}. {whole}"])
        return text.lower().rstrip(".") if rng.random() < 0.15 else text
    return draw


def small_pool(tables, names=None):
    return Pool({key: (names or {}).get(key, [key]) for key in tables},
                {key: support_text(texts) for key, texts in tables.items()}, own_name=0.6)


def choice_pools(intent_texts, keep):
    """Pools by name, over the intents `keep` accepts."""
    pools, mixed_names, mixed_texts = {}, {}, {}
    for source, table in (("clinc150", aliases.CLINC), ("banking77", aliases.BANKING), ("hwu64", aliases.HWU), ("snips", aliases.SNIPS)):
        texts = {intent: rows for intent, rows in intent_texts[source].items() if intent in table and keep(intent) and rows}
        names = {intent: [plain(intent)] + table[intent] for intent in texts}
        pools[source] = Pool(names, texts)
        mixed_names.update({(source, intent): names[intent] for intent in texts})
        mixed_texts.update({(source, intent): rows for intent, rows in texts.items()})
    pools["mixed"] = Pool(mixed_names, mixed_texts)
    domains = {name: [text for intent in intents for text in intent_texts["clinc150"].get(intent, ()) if keep(intent)]
               for name, intents in aliases.CLINC_DOMAINS.items()}
    pools["clinc_domains"] = Pool({name: aliases.DOMAIN_NAMES[name] for name in domains}, domains)
    scenarios = defaultdict(list)
    for intent, rows in intent_texts["hwu64"].items():
        if keep(intent):
            scenarios[intent.split("_")[0]] += rows
    pools["hwu_scenarios"] = Pool({name: aliases.DOMAIN_NAMES[name] for name in scenarios}, dict(scenarios))
    return pools


def own_pools(keep):
    """Pools made of this project's own sentences."""
    support = {name: [text for text in texts if keep(text)] for name, texts in W.SUPPORT.items()}
    return {
        "support": Pool(W.SUPPORT_NAMES, {name: support_text(texts) for name, texts in support.items()}, own_name=0.6),
        "sentiment": Pool(W.SENTIMENT_NAMES, {mood: sentiment_text(mood) for mood in W.SENTIMENT_NAMES}, own_name=0.7),
        "urgency": small_pool(W.URGENCY, W.URGENCY_NAMES),
        "spam": small_pool(W.SPAM, W.SPAM_NAMES),
        "language": small_pool(W.LANGUAGE),
        "topic": small_pool(W.TOPICS),
        "question": small_pool(W.QUESTION),
    }


CHOICE_WEIGHTS = {"clinc150": 22, "banking77": 12, "hwu64": 12, "snips": 4, "mixed": 18, "clinc_domains": 5, "hwu_scenarios": 4,
                  "support": 16, "sentiment": 4, "urgency": 1, "spam": 1, "language": 1, "topic": 2, "question": 1}

FOCUSED_CHOICE_WEIGHTS = {**CHOICE_WEIGHTS, "clinc150": 26, "banking77": 9, "snips": 8, "mixed": 14, "clinc_domains": 4, "support": 20,
                          "sentiment": 8, "spam": 2, "topic": 3}


def choice_dialogue(rng, pools, out_of_scope, turns, focused=False):
    """One label set and `turns` texts to label.  Returns messages."""
    weights = FOCUSED_CHOICE_WEIGHTS if focused else CHOICE_WEIGHTS
    pool_name = rng.choices(list(weights), weights.values())[0]
    pool = pools[pool_name]
    count = rng.choice([2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11, 12])
    keys, names = pool.draw(rng, min(len(pool.keys), count))
    style = rng.choice(["plain", "snake"] if focused else STYLES)
    shown = [style_name(style, name) for name in names]
    answers = list(shown)
    kind = rng.choice(W.KINDS)

    variant = rng.random()
    if variant < 0.04:
        codes = rng.sample([invented(rng) for _ in range(60)], len(keys))
        shown = [f"{code}: {name}" for code, name in zip(codes, names)]
        answers = codes
    elif variant < 0.07:
        shown = [f"{chr(65 + i)}) {name}" for i, name in enumerate(shown)]
        answers = [chr(65 + i) for i in range(len(keys))]
    labels = "\n" + "\n".join(shown) + "\n" if variant < 0.07 else list_names(rng, shown, "or", focused)

    none = None
    none_clause = ""
    if pool_name in ("clinc150", "banking77", "hwu64", "mixed") and rng.random() < 0.12:
        none = rng.choice(W.NONE_NAMES)
        none_clause = " " + rng.choice(W.NONE_ASK).format(none=none)
    as_json = rng.random() < 0.04
    if as_json:
        none_clause += rng.choice([' Answer as JSON: {"label": "..."}', ' Return JSON with the key "label".', " Output a JSON object with the key label."])
    elif 0.04 <= variant < 0.07:
        none_clause += rng.choice([" Answer with the letter.", " Reply with the letter only."])

    def one(turn_pool, turn_keys):
        if none and rng.random() < 0.4:
            if rng.random() < 0.5:
                text, answer = recase(rng, rng.choice(out_of_scope)), none
            else:
                outside = [key for key in turn_pool.keys if key not in turn_keys
                           and not any(set(turn_pool.names[key]) & set(turn_pool.names[other]) for other in turn_keys)]
                text, answer = turn_pool.text(rng, rng.choice(outside)), none
        else:
            index = rng.randrange(len(turn_keys))
            text, answer = turn_pool.text(rng, turn_keys[index]), answers[index]
        return text, json.dumps({"label": answer}, ensure_ascii=False) if as_json else answer

    capital = kind[0].upper() + kind[1:]
    wordings = W.SENTIMENT_ASK if pool_name == "sentiment" and rng.random() < 0.6 else W.CHOOSE
    if turns > 1 or rng.random() < 0.22:
        system = rng.choice(trained(W.CHOOSE_SYSTEM)).format(labels=labels, kind=kind) + none_clause
        messages = [("system" if rng.random() < 0.9 else "user", system)]
        first = True
        for _ in range(turns):
            text, answer = one(pool, keys)
            shown_text = text if rng.random() < 0.75 else f"{capital}: {quoted(rng, text)}"
            if first and messages[0][0] == "user":
                messages = [("user", system + "\n\n" + shown_text)]
            else:
                messages.append(("user", shown_text))
            messages.append(("assistant", answer))
            first = False
        return messages
    text, answer = one(pool, keys)
    user = rng.choice(trained(wordings)).format(labels=labels, kind=kind, Kind=capital, text=quoted(rng, text)) + none_clause
    if none and rng.random() < 0.3:
        user = user.replace(none_clause, "") + "\n" + none_clause.strip()
    return [("user", user), ("assistant", answer)]


def choice_question(rng, pool, texts, wording, count=10):
    """A held-out ten-way question with the labels' own names; (messages, keys, labels, index of the right one, text)."""
    keys, names = pool.draw(rng, count, aliases_too=False)
    style = rng.choice(["plain", "snake", "title"])
    shown = [style_name(style, name) for name in names]
    candidates = [i for i, key in enumerate(keys) if texts.get(key)]
    index = rng.choice(candidates)
    text = rng.choice(texts[keys[index]])
    user = wording.format(labels=", ".join(shown), kind="message", Kind="Message", text=text)
    return [("user", user)], keys, shown, index, text


# ---------------------------------------------------------------------------------------------- extraction


def show_fields(rng, names):
    layout = rng.choice(["comma"] * 4 + ["word"] * 5 + ["json", "quote", "dash", "schema"])
    if layout == "word":
        return (", ".join(names[:-1]) + " and " if len(names) > 1 else "") + ("the " if rng.random() < 0.2 else "") + names[-1]
    if layout == "json":
        return json.dumps(names, ensure_ascii=False)
    if layout == "quote":
        return ", ".join(f'"{name}"' for name in names)
    if layout == "dash":
        return "\n- " + "\n- ".join(names) + "\n"
    if layout == "schema":
        return "{" + ", ".join(f'"{name}": ...' for name in names) + "}"
    return ", ".join(names)


def typed(kind, text):
    return int(text) if kind in W.NUMERIC_FIELDS and re.fullmatch(r"[1-9]\d{0,3}", text) else text


def extraction(rng, sources, turns, focused=False):
    """`turns` texts from one source, asked for the same fields.  sources: [(draw, kinds, names)], see main."""
    draw, all_kinds, names_of = sources
    rows = [draw(rng) for _ in range(turns)]
    present = list(dict.fromkeys(kind for _, values in rows for kind in values))
    rng.shuffle(present)
    if turns == 1:
        wanted = present[: max(1, rng.choice([len(present), len(present), 1, 2, 3]))]
    else:
        wanted = present[: rng.randint(1, 5)]
    others = [kind for kind in all_kinds if kind not in wanted]
    if rng.random() < 0.35 or not wanted:
        wanted += rng.sample(others, min(len(others), rng.choice([1, 1, 2])))
    rng.shuffle(wanted)
    style = rng.choice(["plain", "plain"] + ["snake"] * 7 if focused else
                       ["plain", "plain", "snake", "snake", "snake", "camel", "first", "title", "upper"])
    keys = {}
    described = rng.random() < 0.05
    for kind in wanted:
        options = names_of[kind]
        name = options[0] if rng.random() < 0.4 else rng.choice(options)
        name = style_name(style, name)
        if name in keys.values():
            continue
        keys[kind] = name
    if described:
        codes = {kind: invented(rng) for kind in keys}
        fields = show_fields(rng, [f"{codes[kind]} ({name})" for kind, name in keys.items()])
        keys = codes
    else:
        fields = show_fields(rng, list(keys.values()))

    omit = rng.random() < 0.3
    absent = ""
    if omit or rng.random() < 0.35:
        absent = " " + rng.choice(trained(W.ABSENT_OMIT) if omit else trained(W.ABSENT_NULL))
    indent = rng.random() < 0.03

    def answer(values):
        found = {}
        for kind, key in keys.items():
            if kind in values:
                found[key] = typed(kind, values[kind])
            elif not omit:
                found[key] = None
        return json.dumps(found, ensure_ascii=False, indent=2 if indent else None)

    if indent:
        absent += " Indent the JSON."
    if turns > 1 or rng.random() < 0.15:
        messages = [("system", rng.choice(trained(W.EXTRACT_SYSTEM)).format(fields=fields, absent=absent))]
        for text, values in rows:
            messages += [("user", text), ("assistant", answer(values))]
        return messages
    text, values = rows[0]
    user = rng.choice(trained(W.EXTRACT)).format(fields=fields, absent=absent, text=quoted(rng, text))
    return [("user", user), ("assistant", answer(values))]


def frame_source(frames):
    kinds = list(W.FIELDS)

    def draw(rng):
        values = {}

        def put(match):
            values[match.group(1)] = value(rng, match.group(1))
            return values[match.group(1)]

        text = re.sub(r"\{(\w+)\}", put, rng.choice(frames))
        if rng.random() < 0.25:
            extra = rng.choice(frames)
            if not set(re.findall(r"\{(\w+)\}", extra)) & set(values):
                text += " " + re.sub(r"\{(\w+)\}", put, extra)
        if rng.random() < 0.12:
            text = rng.choice(["Hi, ", "Hello! ", "FYI: ", "Note: "]) + text
        if rng.random() < 0.12:
            text += rng.choice([" Thanks!", " Thank you.", " Please confirm.", " See you soon.", " Let me know."])
        return text, values

    return draw, kinds, W.FIELDS


def slot_names(kind):
    return [plain(kind.replace("-", " "))] + aliases.SLOTS.get(kind, [])


def slot_source(rows):
    """Rows of a slot set as a source; a slot that stands twice in a text keeps its first value."""
    kinds = sorted({slot["slot"] for row in rows for slot in row["slots"]} - HELD_OUT_SLOTS)
    filled = [row for row in rows if row["slots"]]

    def draw(rng):
        row = rng.choice(filled if rng.random() < 0.95 else rows)
        text = recase(rng, row["text"])
        values = {}
        for slot in row["slots"]:
            if slot["slot"] not in HELD_OUT_SLOTS:
                values.setdefault(slot["slot"], text[slot["start"]: slot["start"] + len(slot["value"])])
        return text, values

    return draw, kinds, {kind: slot_names(kind) for kind in kinds}


def wnut_rows(rows):
    out = []
    for row in rows:
        text, slots, open_slot = "", [], None
        for token, tag in zip(row["tokens"], row["tags"]):
            text += " " if text else ""
            start = len(text)
            text += token
            if tag.startswith("B-"):
                open_slot = {"slot": tag[2:], "start": start, "value": token}
                slots.append(open_slot)
            elif tag.startswith("I-") and open_slot:
                open_slot["value"] = text[open_slot["start"]:]
            else:
                open_slot = None
        out.append({"text": text, "slots": slots})
    return out


# ---------------------------------------------------------------------------------------------- other tasks


def sum_question(rng, wordings):
    sign = rng.choices("+-*/", [40, 30, 22, 8])[0]
    if sign == "+":
        top = rng.choice([10, 20, 100, 100, 100, 1000])
        a, b = rng.randint(0, top), rng.randint(0, top)
        result = a + b
    elif sign == "-":
        top = rng.choice([10, 20, 100, 100, 100, 1000])
        a, b = sorted((rng.randint(0, top), rng.randint(0, top)), reverse=True)
        result = a - b
    elif sign == "*":
        a, b = rng.randint(0, 12), rng.randint(0, 12)
        if rng.random() < 0.2:
            a = rng.choice([20, 25, 30, 50, 100, 15])
        result = a * b
    else:
        b, result = rng.randint(1, 12), rng.randint(0, 12)
        a = b * result
    return sign, a, b, str(result), rng.choice(wordings[sign]).format(a=a, b=b)


def held_out_sum(sign, a, b):
    return max(a, b) > 12 and bucket(f"{a}{sign}{b}", "sum") % 20 == 0


def sums(rng, turns):
    tables = {sign: trained(wordings) for sign, wordings in W.ARITHMETIC.items()}
    messages = []
    while len(messages) < 2 * turns:
        sign, a, b, answer, question = sum_question(rng, tables)
        if not held_out_sum(sign, a, b):
            messages += [("user", question), ("assistant", answer)]
    return messages


def fact(rng):
    draw = rng.random()
    if draw < 0.35:
        country, city = rng.choice(list(W.CAPITALS.items()))
        question = rng.choice(["What is the capital of {}?", "What's the capital of {}?", "Capital of {}?", "Name the capital of {}.",
                               "Which city is the capital of {}?", "What is the capital city of {}?", "the capital of {}"]).format(country)
        answer = city
        if rng.random() < 0.12:
            question, answer = rng.choice(["{} is the capital of which country?", "Which country has the capital {}?"]).format(city), country
    elif draw < 0.55:
        word, answer = rng.choice(list(W.OPPOSITES.items()))
        question = rng.choice(["What is the opposite of {}?", "Opposite of {}?", "Give the opposite of the word {}.", "What is the opposite of \"{}\"?",
                               "Name the antonym of {}."]).format(word)
    elif draw < 0.63:
        index, names = rng.choice([(rng.randrange(7), W.WEEKDAYS), (rng.randrange(12), W.MONTHS)])
        thing = "day" if names is W.WEEKDAYS else "month"
        step, word = rng.choice([(1, "after"), (-1, "before"), (1, "after")])
        question = rng.choice(["Which {t} comes {w} {n}?", "What {t} comes {w} {n}?", "What is the {t} {w} {n}?"]).format(t=thing, w=word, n=names[index])
        answer = names[(index + step) % len(names)]
    elif draw < 0.7:
        a, b = rng.sample(range(1, rng.choice([20, 100, 1000])), 2)
        word = rng.choice(["larger", "bigger", "smaller"])
        question, answer = f"Which is {word}, {a} or {b}?", str(min(a, b) if word == "smaller" else max(a, b))
    else:
        question, answer = rng.choice(W.FACTS)
    draw = rng.random()
    if draw < 0.15:
        question += rng.choice([" Answer in one word.", " Answer with one word.", " Answer briefly.", " Just the answer.", " Short answer."])
    elif draw < 0.25:
        question = question.lower()
    return [("user", question), ("assistant", answer)]


def small_talk(rng):
    asks, answers = rng.choice(W.SMALL_TALK)
    ask = rng.choice(asks)
    if rng.random() < 0.5:
        ask = ask[0].upper() + ask[1:]
    return [("user", ask + (rng.choice(["", "!", "."]) if ask[-1].isalpha() else "")), ("assistant", rng.choice(answers))]


def refusal(rng):
    topic, other = rng.sample(W.BIG_TOPICS, 2)
    if rng.random() < 0.15:
        topic = invented(rng)
    text = rng.choice(W.OUT_OF_REACH).format(topic=topic, topic2=other)
    if rng.random() < 0.3:
        text = rng.choice(["Please ", "Can you ", "I want you to ", "Could you "]) + text[0].lower() + text[1:]
    return [("user", text), ("assistant", W.REFUSAL)]


def copying(rng, texts):
    if rng.random() < 0.5:
        text = recase(rng, rng.choice(texts))
        return [("user", rng.choice(["Repeat: {}", "Repeat this exactly: {}", "Copy the text: {}", "Say: {}"]).format(text)), ("assistant", text)]
    words = [rng.choice([invented(rng), rng.choice(W.PRODUCTS), rng.choice(W.FIRST_NAMES)]) for _ in range(rng.randint(3, 9))]
    index = rng.randrange(len(words) - 1)
    ask, answer = rng.choice([("What is the first word in this list?", words[0]), ("What is the last word in this list?", words[-1]),
                              (f"Which word comes after {words[index]}?", words[index + 1]), ("What is the second word?", words[1])])
    return [("user", f"{ask} {', '.join(words)}"), ("assistant", answer)]


def command_rows(folder):
    out = []
    for row in read(folder, "tldr_commands"):
        if row["page"] in W.COMMON_COMMANDS and row["platform"] in ("common", "linux"):
            task = re.sub(r"\[(\w)\]", r"\1", row["task"]).strip().rstrip(".:")
            command = re.sub(r"\{\{\[([^|\]]*)\|([^\]]*)\]\}\}", r"\2", row["command"])
            command = re.sub(r"\{\{(.*?)\}\}", r"\1", command)
            if len(command) < 90:
                out.append((task[0].lower() + task[1:], command))
    return out


# ---------------------------------------------------------------------------------------------- assembling


def with_system(rng, messages):
    """Sometimes add a general system message; without one the chat template adds the default."""
    if messages[0][0] != "system":
        draw = rng.random()
        if draw < 0.18:
            return [("system", rng.choice(W.GENERIC_SYSTEM))] + messages
    return messages


def render(messages, generation_prompt=False):
    """The same text as chat_template.jinja, in segments: (text, is_answer)."""
    if messages[0][0] != "system":
        messages = [("system", DEFAULT_SYSTEM)] + list(messages)
    segments, text = [], ""
    for role, content in messages:
        text += f"<|im_start|>{role}\n"
        if role == "assistant":
            segments += [(text, False), (content + "<|im_end|>", True)]
            text = "\n"
        else:
            text += content + "<|im_end|>\n"
    if generation_prompt:
        segments.append((text + "<|im_start|>assistant\n", False))
    return segments


def train_tokenizer(dialogues):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((f"{role}\n{content}" for dialogue in dialogues for role, content in dialogue), trainer)
    return tokenizer


def save_tokenizer(tokenizer, path):
    """Save with splitting rules that ONNX Runtime GenAI's tokenizer reads too.

    They split as SPLIT does, but for two line breaks before a digit.
    """
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tokenizer.save(str(path))


def load(folder):
    """Texts by set and intent, and slot rows, each split into (trained, held out)."""
    intents = ({}, {})
    slots = ({}, {})
    scope = ([], [])
    for name in ("clinc150", "banking77", "hwu64", "snips"):
        split = (defaultdict(list), defaultdict(list))
        for row in read(folder, name):
            side = held_out_text(row["text"])
            (scope[side] if row["intent"] == "oos" else split[side][row["intent"]]).append(row["text"])
        intents[0][name], intents[1][name] = split
    for name in ("snips", "hwu64", "restaurants8k", "wnut17"):
        rows = read(folder, name)
        rows = wnut_rows(rows) if name == "wnut17" else rows
        rows = [row for row in rows if not held_out_intent(row.get("intent", "")) or "intent" not in row]
        for side in (0, 1):
            slots[side][name] = [row for row in rows if held_out_text(row["text"]) == side]
    return intents, slots, scope


TASK_WEIGHTS = {"choice": 29, "choice_turns": 21, "frames": 12, "frames_turns": 4, "slots": 12, "slots_turns": 4, "sums": 4, "sums_turns": 2.5,
                "facts": 4, "small_talk": 1.5, "refusal": 1, "command": 1, "copying": 1.5, "long": 0.3}
FOCUSED_WEIGHTS = {"choice": 60, "frames": 6, "slots": 24, "sums": 4, "facts": 3, "small_talk": 1.5, "refusal": 1.5}
SLOT_WEIGHTS = {"snips": 5, "hwu64": 4, "restaurants8k": 3, "wnut17": 0.8}
FOCUSED_SLOT_WEIGHTS = {"snips": 5, "hwu64": 3, "restaurants8k": 4, "wnut17": 0.3}


class Trainer:
    """Draws training dialogues.

    The broad mixture renames labels and fields and has every task in many layouts; the focused one keeps their own
    names and the common layouts, and leaves out what so small a model does not get from it.
    """

    def __init__(self, folder, focused=False):
        self.focused = focused
        intents, slots, (self.out_of_scope, _) = load(folder)
        self.pools = choice_pools(intents[0], lambda intent: not held_out_intent(intent))
        self.pools.update(own_pools(lambda text: not held_out_text(text)))
        self.frames = frame_source(W.FRAMES[: -W.HELD_OUT_FRAMES])
        self.slots = {name: slot_source(rows) for name, rows in slots[0].items()}
        if focused:
            for pool in self.pools.values():
                pool.own_name = 1.0
            self.slots = {name: (draw, kinds, {kind: options[:1] for kind, options in names.items()})
                          for name, (draw, kinds, names) in self.slots.items()}
        self.commands = [row for row in command_rows(folder) if not held_out_text(row[0])]
        self.texts = [text for intent in self.pools["mixed"].texts.values() for text in intent]

    def dialogue(self, rng):
        weights = FOCUSED_WEIGHTS if self.focused else TASK_WEIGHTS
        task = rng.choices(list(weights), weights.values())[0]
        return with_system(rng, self.draw(rng, task))

    def draw(self, rng, task):
        if task == "choice":
            return choice_dialogue(rng, self.pools, self.out_of_scope, 1, self.focused)
        if task == "choice_turns":
            return choice_dialogue(rng, self.pools, self.out_of_scope, rng.randint(3, 6), self.focused)
        if task.startswith("frames"):
            return extraction(rng, self.frames, rng.randint(2, 4) if task.endswith("turns") else 1, self.focused)
        if task.startswith("slots"):
            weights = FOCUSED_SLOT_WEIGHTS if self.focused else SLOT_WEIGHTS
            name = rng.choices(list(weights), weights.values())[0]
            return extraction(rng, self.slots[name], rng.randint(2, 5) if task.endswith("turns") else 1, self.focused)
        if task.startswith("sums"):
            return sums(rng, rng.randint(3, 8) if task.endswith("turns") else 1)
        if task == "facts":
            return fact(rng)
        if task == "small_talk":
            return small_talk(rng)
        if task == "refusal":
            return refusal(rng)
        if task == "copying":
            return copying(rng, self.texts)
        if task == "command":
            text, command = rng.choice(self.commands)
            return [("user", rng.choice(trained(W.COMMAND)).format(task=text)), ("assistant", command)]
        messages = []
        for _ in range(rng.randint(6, 12)):
            part = self.draw(rng, rng.choice(["choice", "frames", "slots", "sums", "facts"]))
            if part[0][0] == "system":
                part = [("user", part[0][1] + "\n\n" + part[1][1])] + part[2:]
            messages += part
        return messages


def held_out_questions(folder, rng):
    """What evaluate.py asks.  Slot and label questions keep what the baselines need."""
    intents, slots, _ = load(folder)
    everything = choice_pools(intents[0], lambda intent: True)
    texts = {(source, intent): rows for source in intents[1] for intent, rows in intents[1][source].items()}
    all_texts = {(source, intent): rows + intents[0][source][intent] for source in intents[0] for intent, rows in intents[1][source].items()}
    unseen_wordings = W.CHOOSE[-W.HELD_OUT_WORDINGS:]

    def questions(task, pool, source_texts, count, wordings):
        for _ in range(count):
            messages, keys, labels, index, text = choice_question(rng, pool, source_texts, rng.choice(wordings))
            yield {"task": task, "messages": messages, "keys": keys, "labels": labels, "answer": labels[index], "text": text}

    def restrict(pool, keep):
        return Pool({key: names for key, names in pool.names.items() if keep(key)}, {})

    seen = lambda key: not held_out_intent(key[1])
    unseen = lambda key: held_out_intent(key[1])
    pool = everything["mixed"]
    for source in ("clinc150", "banking77", "hwu64"):
        one = restrict(pool, lambda key: key[0] == source and seen(key))
        yield from questions(f"intent_seen_{source}", one, texts, 400, trained(W.CHOOSE))
    yield from questions("intent_seen_new_wording", restrict(pool, seen), texts, 300, unseen_wordings)
    yield from questions("intent_unseen_labels", restrict(pool, unseen), all_texts, 600, trained(W.CHOOSE))

    support = own_pools(held_out_text)["support"]
    support.keys = [key for key in support.keys if any(held_out_text(text) for text in W.SUPPORT[key])]
    for _ in range(200):
        keys, names = support.draw(rng, 5, aliases_too=False)
        index = rng.randrange(len(keys))
        text = support.text(rng, keys[index])
        user = rng.choice(W.CHOOSE).format(labels=", ".join(names), kind="message", Kind="Message", text=text)
        yield {"task": "support_new_sentences", "messages": [("user", user)], "keys": keys, "labels": names, "answer": names[index], "text": text}

    for name, rows in slots[1].items():
        rows = [row for row in rows if any(slot["slot"] not in HELD_OUT_SLOTS for slot in row["slots"])]
        for row in rng.sample(rows, min(len(rows), 150)):
            values = {}
            for slot in row["slots"]:
                if slot["slot"] not in HELD_OUT_SLOTS:
                    values.setdefault(slot["slot"], slot["value"])
            fields = {kind: style_name("snake", slot_names(kind)[0]) for kind in values}
            answer = {fields[kind]: typed(kind, text) for kind, text in values.items()}
            user = rng.choice(W.EXTRACT).format(fields=", ".join(fields.values()), absent="", text=row["text"])
            yield {"task": f"slots_{name}", "messages": [("user", user)], "answer": answer, "text": row["text"], "kinds": list(fields)}
    for name in ("snips", "hwu64"):
        rows = [(row, slot) for side in (0, 1) for row in slots[side][name] for slot in row["slots"] if slot["slot"] in HELD_OUT_SLOTS]
        for row, slot in rng.sample(rows, min(len(rows), 75)):
            field = style_name("snake", slot_names(slot["slot"])[0])
            user = rng.choice(W.EXTRACT).format(fields=field, absent="", text=row["text"])
            yield {"task": "slots_unseen_types", "messages": [("user", user)], "answer": {field: slot["value"]}, "text": row["text"], "kinds": [slot["slot"]]}
    draw, _, _ = frame_source(W.FRAMES[-W.HELD_OUT_FRAMES:])
    for _ in range(150):
        text, values = draw(rng)
        user = rng.choice(W.EXTRACT).format(fields=", ".join(values), absent="", text=text)
        answer = {kind: typed(kind, found) for kind, found in values.items()}
        yield {"task": "extract_new_frames", "messages": [("user", user)], "answer": answer, "text": text, "kinds": list(values)}

    asked = 0
    while asked < 400:
        sign, a, b, answer, question = sum_question(rng, W.ARITHMETIC)
        if held_out_sum(sign, a, b):
            asked += 1
            yield {"task": "sums", "messages": [("user", question)], "answer": answer, "sign": sign, "digits": len(str(max(a, b)))}
    commands = [row for row in command_rows(folder) if held_out_text(row[0])]
    for text, command in rng.sample(commands, min(len(commands), 100)):
        yield {"task": "commands", "messages": [("user", rng.choice(trained(W.COMMAND)).format(task=text))], "answer": command, "text": text}


def write_examples(path, source, rng, tokenizer, count):
    tokens, answers, offsets = [], [], [0]
    for start in range(0, count, 5000):
        rendered = [render(source.dialogue(rng)) for _ in range(min(5000, count - start))]
        flat = iter(tokenizer.encode_batch([text for segments in rendered for text, _ in segments], add_special_tokens=False))
        for segments in rendered:
            ids, mask = [], []
            for _, is_answer in segments:
                part = next(flat).ids
                ids += part
                mask += [is_answer] * len(part)
            if len(ids) <= MAX_TOKENS:
                tokens.append(np.array(ids, dtype=np.uint16))
                answers.append(np.array(mask, dtype=bool))
                offsets.append(offsets[-1] + len(ids))
    np.savez(path, tokens=np.concatenate(tokens), answers=np.concatenate(answers), offsets=np.array(offsets))
    print(f"{path.name}: {len(tokens)} examples, {offsets[-1]} tokens, {int(sum(part.sum() for part in answers))} of them answers")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the task sets (*.jsonl)")
    parser.add_argument("--work", type=Path, required=True, help="folder to write to")
    parser.add_argument("--examples", type=int, default=130_000, help="of each mixture")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)

    broad = Trainer(args.data)
    rng = random.Random(SEED)
    tokenizer = train_tokenizer([broad.dialogue(rng) for _ in range(30_000)])
    with open(args.work / "heldout.jsonl", "w", encoding="utf-8") as handle:
        for question in held_out_questions(args.data, random.Random(SEED + 1)):
            handle.write(json.dumps(question, ensure_ascii=False) + "\n")
    save_tokenizer(tokenizer, args.work / "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    for name, source, seed in (("broad", broad, SEED + 2), ("focused", Trainer(args.data, focused=True), SEED + 3)):
        write_examples(args.work / f"{name}.npz", source, random.Random(seed), tokenizer, args.examples)


if __name__ == "__main__":
    main()
