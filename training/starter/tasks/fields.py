"""Fields out of a sentence as JSON: names, dates, places and slots of any kind, under names that vary."""

import json
import re
from collections import Counter

import aliases
import wordings as W
from dialogue import span, value_span
from tasks.text import held_out_text, invented, plain, quoted, read, recase, style_name, trained, value, written

HELD_OUT = {"cuisine", "album", "currency_name", "radio_name", "facility", "meal_type"}  # slots that are never trained
WEIGHTS = {"frames": 8, "snips": 8, "hwu64": 5, "restaurants8k": 5, "wnut17": 1, "written": 8}
CLOSING_WEIGHTS = WEIGHTS | {"hwu64": 9, "wnut17": 2, "written": 12}


NUMBER_ASK = ["{name} is a number.", "{name} as a number.", "Give {name} as a JSON number.", "{name} must be a number, not a string."]


def shown_fields(rng, names):
    layout = rng.choice(["comma"] * 5 + ["word"] * 5 + ["json", "quote", "dash", "schema"])
    bare, names = names, [span(name) for name in names]
    if layout == "word":
        return (", ".join(names[:-1]) + " and " if len(names) > 1 else "") + ("the " if rng.random() < 0.2 else "") + names[-1]
    return {"json": lambda: json.dumps(bare, ensure_ascii=False), "quote": lambda: ", ".join(f'"{name}"' for name in names),
            "dash": lambda: "\n- " + "\n- ".join(names) + "\n", "schema": lambda: "{" + ", ".join(f'"{name}": ...' for name in names) + "}",
            }.get(layout, lambda: ", ".join(names))()


def typed(kind, text):
    return int(text) if kind in W.NUMERIC_FIELDS and re.fullmatch(r"[1-9]\d{0,3}", text) else text


def frames(templates):
    """This project's own sentences with made-up values."""
    def draw(rng):
        values = {}

        def put(match):
            values[match.group(1)] = value(rng, match.group(1))
            return values[match.group(1)]

        text = re.sub(r"\{(\w+)\}", put, rng.choice(templates))
        if rng.random() < 0.25:
            extra = rng.choice(templates)
            if not set(re.findall(r"\{(\w+)\}", extra)) & set(values):
                text += " " + re.sub(r"\{(\w+)\}", put, extra)
        if rng.random() < 0.12:
            text = rng.choice(["Hi, ", "Hello! ", "FYI: ", "Note: "]) + text
        if rng.random() < 0.12:
            text += rng.choice([" Thanks!", " Thank you.", " Please confirm.", " See you soon.", " Let me know."])
        return text, values

    return draw, list(W.FIELDS), W.FIELDS


def names_of(kind):
    return [plain(kind.replace("-", " "))] + aliases.SLOTS.get(kind, [])


def slots(rows):
    """Rows of a slot set; a slot that stands twice in a text keeps its first value."""
    kinds = sorted({slot["slot"] for row in rows for slot in row["slots"]} - HELD_OUT)
    filled = [row for row in rows if row["slots"]]

    def draw(rng):
        row = rng.choice(filled if rng.random() < 0.97 else rows)
        text, values = recase(rng, row["text"]), {}
        for slot in row["slots"]:
            if slot["slot"] not in HELD_OUT:
                values.setdefault(slot["slot"], text[slot["start"]: slot["start"] + len(slot["value"])])
        return text, values

    return draw, kinds, {kind: names_of(kind) for kind in kinds}


def own_rows(rows):
    """This project's own texts, each with its own fields; fields that a text lacks are those that one text alone has."""
    count = Counter(name for row in rows for name in row["fields"])

    def draw(rng):
        row, values = rng.choice(rows), {}
        for name, found in row["fields"].items():
            others = [other for other in row.get("also", {}).get(name, ()) if other not in row["fields"] and other not in values]
            values[rng.choice(others) if others and rng.random() < 0.4 else name] = found
        return row["text"], values

    return draw, [name for name, times in count.items() if times == 1], NamedByThemselves()


class NamedByThemselves(dict):
    def __missing__(self, kind):
        return [kind]


def wnut_rows(rows):
    out = []
    for row in rows:
        text, found, current = "", [], None
        for token, tag in zip(row["tokens"], row["tags"]):
            text += " " if text else ""
            start = len(text)
            text += token
            if tag.startswith("B-"):
                current = {"slot": tag[2:], "start": start, "value": token}
                found.append(current)
            elif tag.startswith("I-") and current:
                current["value"] = text[current["start"]:]
            else:
                current = None
        out.append({"text": text, "slots": found})
    return out


def marked(text, values):
    """The text with its values marked, so that each one's first token is taught what kind it is."""
    at = 0
    for start, kind, found in sorted((text.find(found), kind, found) for kind, found in values.items() if text.count(found) == 1):
        start = text.find(found, at)
        if start >= 0:
            told = value_span(found, names_of(kind)[0])
            text, at = text[:start] + told + text[start + len(found):], start + len(told)
    return text


class Fields:
    def __init__(self, folder, weights=WEIGHTS):
        self.weights = weights
        rows = {name: read(folder, name) for name in ("snips", "hwu64", "restaurants8k", "wnut17")}
        rows["wnut17"] = wnut_rows(rows["wnut17"])
        self.rows = {name: tuple([row for row in table if held_out_text(row["text"]) == side] for side in (False, True)) for name, table in rows.items()}
        own, self.own_held_out = written("fields", "text")
        self.sources = {name: slots(split[0]) for name, split in self.rows.items()} | {"frames": frames(W.FRAMES[: -W.HELD_OUT_FRAMES])}
        self.sources["written"] = own_rows(own)

    def dialogue(self, rng, turns):
        """`turns` texts of one source, asked for the same fields."""
        source = rng.choices(list(self.weights), self.weights.values())[0]
        draw, all_kinds, names = self.sources[source]
        turns = 1 if source == "written" else turns
        rows = [draw(rng)]
        for _ in range(turns - 1):
            row = draw(rng)
            for _ in range(6):  # mostly texts that have something in common with the first
                if set(row[1]) & set(rows[0][1]):
                    break
                row = draw(rng)
            rows.append(row)
        present = list(dict.fromkeys(kind for _, values in rows for kind in values))
        rng.shuffle(present)
        wanted = present[: max(1, rng.choice([len(present), len(present), 1, 2, 3]))] if turns == 1 else present[: rng.randint(1, 5)]
        others = [kind for kind in all_kinds if kind not in wanted]
        if rng.random() < 0.3 or not wanted:
            wanted += rng.sample(others, min(len(others), rng.choice([1, 1, 2])))
        rng.shuffle(wanted)
        style, keys = rng.choice(["plain"] * 3 + ["snake"] * 5 + ["camel", "first", "title", "upper"]), {}
        for kind in wanted:
            name = style_name(style, names[kind][0] if rng.random() < 0.65 else rng.choice(names[kind]))
            if name not in keys.values():
                keys[kind] = name
        if rng.random() < 0.04:
            codes = {kind: invented(rng) for kind in keys}
            fields, keys = shown_fields(rng, [f"{codes[kind]} ({name})" for kind, name in keys.items()]), codes
        else:
            fields = shown_fields(rng, list(keys.values()))
        omit = rng.random() < 0.3
        told, told_too = (trained(W.ABSENT_OMIT), W.ABSENT_OMIT_TOO) if omit else (trained(W.ABSENT_NULL), W.ABSENT_NULL_TOO)
        absent = " " + rng.choice(told if rng.random() < 0.5 else told_too) if omit or rng.random() < 0.35 else ""
        numbers = [kind for kind in keys if source == "written" and re.fullmatch(r"[1-9]\d{0,5}", rows[0][1].get(kind, ""))]
        numbers = numbers if rng.random() < 0.5 else []
        for kind in numbers:
            absent += " " + rng.choice(NUMBER_ASK).format(name=keys[kind])

        def answer(values):
            found = {key: int(values[kind]) if kind in numbers else typed(kind, values[kind]) if kind in values else None
                     for kind, key in keys.items() if kind in values or not omit}
            return json.dumps(found, ensure_ascii=False)

        if turns > 1 or rng.random() < 0.15:
            messages = [("system", rng.choice(trained(W.EXTRACT_SYSTEM) if rng.random() < 0.4 else W.EXTRACT_SYSTEM_TOO).format(fields=fields, absent=absent))]
            for text, values in rows:
                messages += [("user", marked(text, values)), ("assistant", answer(values))]
            return messages
        text, values = rows[0]
        return [("user", rng.choice(trained(W.EXTRACT) if rng.random() < 0.4 else W.EXTRACT_TOO).format(fields=fields, absent=absent, text=quoted(rng, marked(text, values)))), ("assistant", answer(values))]

    def held_out(self, rng):
        def asked(task, text, values):
            names = {kind: style_name("snake", names_of(kind)[0]) for kind in values}
            user = rng.choice(trained(W.EXTRACT)).format(fields=", ".join(names.values()), absent="", text=text)
            return {"task": task, "messages": [("user", user)], "answer": {names[kind]: typed(kind, found) for kind, found in values.items()},
                    "text": text, "kinds": list(values), "scorer": "json"}

        for name, (trained_rows, rest) in self.rows.items():
            rows = [row for row in rest if any(slot["slot"] not in HELD_OUT for slot in row["slots"])]
            for row in rng.sample(rows, min(len(rows), 150)):
                values = {}
                for slot in row["slots"]:
                    if slot["slot"] not in HELD_OUT:
                        values.setdefault(slot["slot"], slot["value"])
                yield asked(f"slots_{name}", row["text"], values)
        for name in ("snips", "hwu64"):
            found = [(row, slot) for side in self.rows[name] for row in side for slot in row["slots"] if slot["slot"] in HELD_OUT]
            for row, slot in rng.sample(found, min(len(found), 75)):
                yield asked("slots_unseen_types", row["text"], {slot["slot"]: slot["value"]})
        draw, _, _ = frames(W.FRAMES[-W.HELD_OUT_FRAMES:])
        for _ in range(150):
            yield asked("extract_new_frames", *draw(rng))

    def own_questions(self, rng, count):
        """Questions on the held-out ones of this project's own texts, for all their fields."""
        for row in rng.sample(self.own_held_out, min(count, len(self.own_held_out))):
            user = rng.choice(trained(W.EXTRACT)).format(fields=", ".join(row["fields"]), absent="", text=row["text"])
            answer = {name: typed(name, found) for name, found in row["fields"].items()}
            yield {"task": "fields_written", "messages": [("user", user)], "answer": answer, "text": row["text"], "kinds": list(answer), "scorer": "json"}
