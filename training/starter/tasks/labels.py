"""Choosing one of the labels given in the prompt: intents, topics, moods, and label sets of any kind.

Labels stand under their own name, another name, or a made-up code, in several spellings and layouts.  Kept from training: a
tenth of the public sets' texts, every tenth of this project's own label sets (of the first ones their labels' names, too), and the last wordings of every list in wordings.py.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

import aliases
import wordings as W
from dialogue import entry, span
from tasks.text import bucket, fill, held_out_text, invented, plain, quoted, read, recase, style_name, trained

HERE = Path(__file__).parent.parent
FIRST, LATER = ("labelsets_a.txt", "labelsets_b.txt"), ("labelsets_c.txt", "labelsets_d.txt", "labelsets_e.txt", "labelsets_f.txt", "labelsets_g.txt", "labelsets_h.txt")
PUBLIC = {"clinc150": aliases.CLINC, "banking77": aliases.BANKING, "hwu64": aliases.HWU, "snips": aliases.SNIPS}
WEIGHTS = {"clinc150": 26, "banking77": 12, "hwu64": 11, "snips": 5, "mixed": 10, "clinc_domains": 3, "hwu_scenarios": 2, "sets": 24,
           "support": 6, "sentiment": 5, "urgency": 1, "spam": 1, "language": 1, "topic": 3, "question": 1}
CLOSING_WEIGHTS = WEIGHTS | {"banking77": 17, "hwu64": 16, "sets": 75}
STYLES = ["plain"] * 10 + ["snake"] * 7 + ["first"] * 3 + ["title"] * 6 + ["upper", "kebab", "camel"]
LAYOUTS = ["comma"] * 10 + ["word"] * 4 + ["dash"] * 3 + ["line"] * 2 + ["number", "json", "slash", "bar", "quote"]


class Pool:
    """Labels that can stand in one prompt: for each its names, the first its own, and its texts or a maker of texts."""

    strays = ()  # texts known to fit none, with their groups

    def __init__(self, names, texts, own_name=0.7, noun=None, title=None):
        self.names, self.texts, self.own_name, self.noun, self.keys, self.title = names, texts, own_name, noun, list(names), title

    def group(self, key):
        """What a label and its texts have in common (dialogue.span)."""
        return "/".join(key) if isinstance(key, tuple) else f"{self.title}/{key}"

    def draw(self, rng, count, aliases_too=True):
        """`count` labels with distinct names: their keys and plain names."""
        keys, names = [], []
        for key in rng.sample(self.keys, min(len(self.keys), count * 3)):
            own = not aliases_too or len(self.names[key]) == 1 or rng.random() < self.own_name
            name = self.names[key][0] if own else rng.choice(self.names[key][1:])
            if name in names or any(set(self.names[key]) & set(self.names[other]) for other in keys):
                continue
            keys.append(key)
            names.append(name)
            if len(keys) == count:
                break
        return keys, names

    def text(self, rng, key):
        """One of a label's texts, and its group."""
        source = self.texts[key]
        return source(rng) if callable(source) else recase(rng, rng.choice(source)), self.group(key)


def label_sets(files, banned=frozenset()):
    """Label sets of this project's own files: [(noun, {label: names}, {label: texts})], without the names that are `banned`."""
    sets = []
    for name in files:
        label = None
        for line in (HERE / "written" / name).read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if line.startswith("#"):
                noun = line.rpartition(";")[2].strip() if ";" in line else "message"
                sets.append((noun, {}, {}))
            elif line.startswith(":"):
                if label:
                    sets[-1][2][label].append(line[1:].strip())
            elif line:
                names = [part.strip() for part in line.split("|") if part.strip() and part.strip().lower() not in banned]
                label = names[0] if names else None
                if label:
                    sets[-1][1][label], sets[-1][2][label] = names, []
    return sets


def set_pools(title, sets):
    """Pools of label sets as (trained, held out); every tenth is held out."""
    pools = [(number, Pool(names, texts, 0.6, noun, f"{title} {number}")) for number, (noun, names, texts) in enumerate(sets) if len(names) > 1]
    return [pool for number, pool in pools if number % 10], [pool for number, pool in pools if number % 10 == 0]


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


def load(folder):
    """The public sets' texts by set and intent, and those without an intent, each as (trained, held out)."""
    intents, outside = ({}, {}), ([], [])
    for name in PUBLIC:
        split = (defaultdict(list), defaultdict(list))
        for row in read(folder, name):
            side = held_out_text(row["text"])
            (outside[side] if row["intent"] == "oos" else split[side][row["intent"]]).append(row["text"])
        intents[0][name], intents[1][name] = split
    return intents, outside


def public_pools(intents):
    pools, mixed_names, mixed_texts = {}, {}, {}
    for source, table in PUBLIC.items():
        texts = {intent: rows for intent, rows in intents[source].items() if intent in table and rows}
        names = {intent: [plain(intent)] + table[intent] for intent in texts}
        pools[source] = Pool(names, texts)
        mixed_names.update({(source, intent): names[intent] for intent in texts})
        mixed_texts.update({(source, intent): rows for intent, rows in texts.items()})
    pools["mixed"] = Pool(mixed_names, mixed_texts, own_name=0.5)
    domains = {name: [text for intent in members for text in intents["clinc150"].get(intent, ())]
               for name, members in aliases.CLINC_DOMAINS.items()}
    pools["clinc_domains"] = Pool({name: aliases.DOMAIN_NAMES[name] for name in domains}, domains)
    scenarios = defaultdict(list)
    for intent, rows in intents["hwu64"].items():
        scenarios[intent.split("_")[0]] += rows
    pools["hwu_scenarios"] = Pool({name: aliases.DOMAIN_NAMES[name] for name in scenarios}, dict(scenarios))
    return pools


def own_pools(keep):
    """Pools of this project's own sentences."""
    support = {name: [text for text in texts if keep(text)] for name, texts in W.SUPPORT.items()}
    return {
        "support": Pool(W.SUPPORT_NAMES, {name: support_text(texts) for name, texts in support.items()}, own_name=0.6),
        "sentiment": Pool(W.SENTIMENT_NAMES, {mood: sentiment_text(mood) for mood in W.SENTIMENT_NAMES}, own_name=0.7),
        "urgency": small_pool(W.URGENCY, W.URGENCY_NAMES), "spam": small_pool(W.SPAM, W.SPAM_NAMES),
        "language": small_pool(W.LANGUAGE), "topic": small_pool(W.TOPICS), "question": small_pool(W.QUESTION),
    }


def laid_out(rng, names, groups):
    """A list of labels as people type it; a label without a group belongs to no text."""
    layout = rng.choice(LAYOUTS)
    bare, names = names, [entry(span(name, group)) for name, group in zip(names, groups)]
    if layout == "word" and len(names) > 1:
        return ", ".join(names[:-1]) + f" {rng.choice(['or', 'or', 'and'])} " + names[-1]
    return {
        "dash": lambda: "\n- " + "\n- ".join(names) + "\n",
        "number": lambda: "\n" + "\n".join(f"{i}. {name}" for i, name in enumerate(names, 1)) + "\n",
        "json": lambda: json.dumps(bare, ensure_ascii=False),
        "slash": lambda: " / ".join(names),
        "bar": lambda: " | ".join(names),
        "quote": lambda: ", ".join(f'"{name}"' for name in names),
        "line": lambda: "\n" + "\n".join(names) + "\n",
    }.get(layout, lambda: ", ".join(names))()


class Labels:
    """Draws dialogues; `turns` texts for one list of labels share the cost of reading the list."""

    def __init__(self, folder, weights=WEIGHTS):
        self.weights = weights
        intents, (self.outside, self.outside_held_out) = load(folder)
        self.intents = intents
        self.pools = public_pools(intents[0]) | own_pools(lambda text: not held_out_text(text))
        for title, pool in self.pools.items():
            pool.title = title
        first, self.sets_held_out = set_pools("set", label_sets(FIRST))
        banned = {name.lower() for pool in self.sets_held_out for names in pool.names.values() for name in names}
        later, self.later_held_out = set_pools("later set", label_sets(LATER, banned))
        self.sets = first + later

    def pool(self, rng):
        name = rng.choices(list(self.weights), self.weights.values())[0]
        return name, rng.choice(self.sets) if name == "sets" else self.pools[name]

    def stray(self, rng, name, pool, keys):
        """A text that none of `keys` fits, with its group."""
        if pool.strays:
            text, group = rng.choice(pool.strays)
            return recase(rng, text), group
        draw = rng.random()
        other, rest = pool, [key for key in pool.keys if key not in keys and not any(set(pool.names[key]) & set(pool.names[other]) for other in keys)]
        if draw < 0.7 and name in ("banking77", "snips"):
            other = self.pools["snips" if name == "banking77" else "banking77"]
            rest = other.keys
        if draw < 0.45 or not rest:
            return recase(rng, rng.choice(self.outside)), ""
        key = rng.choice(rest)
        return other.text(rng, key)

    def dialogue(self, rng, turns, named=None):
        """`named` is a pool with its name; else one is drawn."""
        name, pool = named or self.pool(rng)
        most = rng.choice([2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 8, 9, 10, 10, 10, 10, 11, 12])
        keys, names = pool.draw(rng, min(len(pool.keys) - (rng.random() < 0.25 and len(pool.keys) > 3), most))
        style = rng.choice(STYLES)
        shown = [style_name(style, label) for label in names]
        kind = pool.noun if pool.noun and rng.random() < 0.7 else rng.choice(W.KINDS if rng.random() < 0.7 else W.KINDS_TOO)

        none, none_clause = None, ""
        if name in (*PUBLIC, "mixed", "clinc_domains", "sets", "support", "near") and rng.random() < 0.3:
            none = rng.choice(W.NONE_NAMES)
            if rng.random() < 0.4:
                none = style_name(style, none.lower())
            none_clause = " " + rng.choice(trained(W.NONE_ASK) if rng.random() < 0.5 else W.NONE_TOO).format(none=none)
        answers, groups, variant = list(shown), [pool.group(key) for key in keys], rng.random()
        if none and rng.random() < 0.4:
            shown, groups, none_clause = shown + [none], groups + [""], rng.choice(["", none_clause])
        if variant < 0.05:
            codes = [invented(rng) for _ in shown]
            if len(set(codes)) == len(codes):
                described = shown if rng.random() < 0.5 else names + shown[len(names):]
                shown, answers = [entry(f"{code}: {span(label, group)}") for code, label, group in zip(codes, described, groups)], codes
                none = codes[-1] if none and len(described) > len(names) else none
            labels = "\n" + "\n".join(shown) + "\n"
        elif variant < 0.08:
            answers = [chr(65 + i) for i in range(len(shown))]
            labels = "\n" + "\n".join(entry(f"{letter}) {span(label, group)}") for letter, label, group in zip(answers, shown, groups)) + "\n"
            none = answers[-1] if none and len(shown) > len(names) else none
            none_clause += rng.choice([" Answer with the letter.", " Reply with the letter only."])
        else:
            labels = laid_out(rng, shown, groups)
        as_json = variant > 0.97
        if as_json:
            none_clause += rng.choice([' Answer as JSON: {"label": "..."}', ' Return JSON with the key "label".', " Output a JSON object with the key label."])

        def one():
            if none and rng.random() < 0.36:
                (text, group), answer = self.stray(rng, name, pool, keys), none
            else:
                index = rng.randrange(len(keys))
                (text, group), answer = pool.text(rng, keys[index]), answers[index]
            return span(text, group), json.dumps({"label": answer}, ensure_ascii=False) if as_json else answer

        capital = kind[0].upper() + kind[1:]
        if turns > 1 or rng.random() < 0.15:
            system = rng.choice(trained(W.CHOOSE_SYSTEM) if rng.random() < 0.4 else W.CHOOSE_SYSTEM_TOO).format(labels=labels, kind=kind, Kind=capital) + none_clause
            messages = [("system", system)]
            for turn in range(turns):
                text, answer = one()
                shown_text = text if rng.random() < 0.75 else f"{capital}: {quoted(rng, text)}"
                messages += [("user", shown_text), ("assistant", answer)]
            if rng.random() < 0.12:
                messages = [("user", system + "\n\n" + messages[1][1])] + messages[2:]
            return messages
        text, answer = one()
        wordings = trained(W.SENTIMENT_ASK if name == "sentiment" and rng.random() < 0.6 else W.CHOOSE)
        user = rng.choice(wordings if rng.random() < 0.4 else W.CHOOSE_TOO).format(labels=labels, kind=kind, Kind=capital, text=quoted(rng, text))
        if none and rng.random() < 0.3:
            return [("user", user + "\n" + none_clause.strip()), ("assistant", answer)]
        return [("user", user + none_clause), ("assistant", answer)]

    def question(self, rng, pool, texts, wording, count=10, none=None, outside=None):
        """A question under the labels' own names that training never asks; `outside` is a text that no label fits."""
        keys, names = pool.draw(rng, count, aliases_too=False)
        style = rng.choice(["plain", "snake", "title"])
        shown = [style_name(style, name) for name in names]
        index = rng.choice([i for i, key in enumerate(keys) if texts.get(key)])
        text, answer = outside or rng.choice(texts[keys[index]]), none if outside else shown[index]
        kind = pool.noun or "message"
        user = wording.format(labels=", ".join(shown), kind=kind, Kind=kind[0].upper() + kind[1:], text=text)
        user += f" If none of them fits, answer {none}." if none else ""
        return {"messages": [("user", user)], "keys": [str(key) for key in keys], "labels": shown + [none] * bool(none), "answer": answer, "text": text,
                "scorer": "exact"}

    def held_out(self, rng):
        """The questions by which the model is judged."""
        everything = public_pools({name: {intent: rows + self.intents[1][name].get(intent, []) for intent, rows in table.items()}
                                   for name, table in self.intents[0].items()})
        seen = trained(W.CHOOSE)
        for name in ("clinc150", "banking77", "hwu64", "snips"):
            texts = self.intents[1][name]
            count = min(10, len(everything[name].keys))
            for _ in range(300 if name != "snips" else 150):
                yield {"task": f"intent_{name}", **self.question(rng, everything[name], texts, rng.choice(seen), count)}
        texts = self.intents[1]["clinc150"]
        for _ in range(300):
            yield {"task": "intent_new_wording", **self.question(rng, everything["clinc150"], texts, rng.choice(W.CHOOSE[-W.HELD_OUT_WORDINGS:]))}
        for _ in range(150):
            yield {"task": "intent_in_scope", **self.question(rng, everything["clinc150"], texts, rng.choice(seen), none="out of scope")}
        for number in range(150):
            rest = self.outside_held_out if number % 3 == 0 else [text for key, rows in self.intents[1]["banking77"].items() for text in rows]
            pool = everything["clinc150"] if number % 3 == 0 else everything["hwu64"]
            yield {"task": "out_of_scope", **self.question(rng, pool, pool.texts, rng.choice(seen), none="out of scope", outside=rng.choice(rest))}
        for pool in self.sets_held_out:
            for key in pool.keys:
                for text in pool.texts[key]:
                    yield {"task": "labels_unseen", **self.question(rng, pool, {key: [text]}, rng.choice(seen), len(pool.keys))}

    def later_questions(self, rng, count):
        """Questions under the held-out ones of the later label sets, whose labels' names may stand in other sets."""
        for _ in range(count):
            pool = rng.choice(self.later_held_out)
            yield {"task": "labels_later", **self.question(rng, pool, pool.texts, rng.choice(trained(W.CHOOSE)), len(pool.keys))}
