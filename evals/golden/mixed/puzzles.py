"""The hard half, second part: programs to trace, logic with one solution, letters, passages with distractors. Answers
are computed; programs are our own few lines and are run here only."""

import io
import json
from contextlib import redirect_stdout
from itertools import permutations, product

from hard import NUMBER, spoken
from words import DAYS, FIRST, LAST, PLACES, THINGS

PROGRAMS = [
    "total = 0\nfor i in range({a}, {b}, {c}):\n    if i % {d} == 1:\n        continue\n    total += i * i\nprint(total)",
    "stack = [{a}, {b}]\nwhile len(stack) < {n}:\n    x = stack.pop(0)\n    stack += [x + {c}, x * 2 % {d}]\nprint(stack)",
    "s = \"{word}\"\nout = \"\"\nfor i, ch in enumerate(s):\n    out = ch + out if i % {d2} else out + ch.upper()\nprint(out)",
    "def f(n):\n    return {a} if n < {d2} else f(n - 1) - f(n - {d2}) + n\n\nprint([f(k) for k in range({n})])",
    "seen = {{}}\nfor ch in \"{word}{word2}\":\n    seen[ch] = seen.get(ch, {c}) + 1\nprint(sorted(seen.items(), key=lambda p: (-p[1], p[0]))[:3])",
    "rows = [[(r * {c} + k * {d}) % {m} for k in range(4)] for r in range(4)]\nprint([rows[k][3 - k] for k in range(4)], sum(map(max, rows)))",
    "x, y = {b}, {a}\nsteps = 0\nwhile y:\n    x, y = y, x % y\n    steps += 1\nprint(x, steps)",
    "bits = {b} ^ {c} << 2\nprint(bin(bits).count(\"1\"), bits & {d} | {a}, ~bits)",
    "xs = list(range({a}, {b}))\ndel xs[::{d2}]\nxs[1:3] = [{c}] * 4\nprint(len(xs), xs[-2], sum(xs[:6]))",
    "def make(k):\n    calls = []\n    def add(v):\n        calls.append(v * k)\n        return sum(calls)\n    return add\n\np, q = make({c}), make({d})\np({a})\nq({b})\nprint(p({d2}), q(1))",
    "memo = [1] * {d2}\nfor i in range({d2}, {b}):\n    memo.append((memo[i - 1] + memo[i - {d2}]) % {m})\nprint(memo[-4:])",
    "words = \"{word} {word2} {word3}\".split()\nwords.sort(key=lambda w: (w[{d2}], len(w)))\nprint(\"-\".join(w[::-1][:3] for w in words))",
    "n, count = {big}, 0\nwhile n != 1 and count < 60:\n    n = n // 2 if n % 2 == 0 else 3 * n + 1\n    count += 1\nprint(n, count)",
    "grid = [\"{row1}\", \"{row2}\", \"{row3}\"]\nprint(sum(a == \"#\" and b == \".\" for line in grid for a, b in zip(line, line[1:])), [\"\".join(c).count(\"#\") for c in zip(*grid)][{d2}])",
]
LONG_WORDS = ["marmalade", "windmill", "parapet", "sandstone", "bannister", "cinnamon", "gondola", "barnacle", "turpentine",
              "lighthouse", "mandolin", "pepperoni", "squirrel", "rhubarb", "tapestry", "harmonica", "persimmon", "velocity"]


def values(rng):
    row = lambda: "".join(rng.choice("#.") for _ in range(6))
    one, two, three = rng.sample(LONG_WORDS, 3)
    return {"a": rng.randint(2, 6), "b": rng.randint(17, 33), "c": rng.randint(2, 5), "d": rng.randint(3, 7), "d2": rng.randint(2, 3),
            "m": rng.randint(7, 17), "n": rng.randint(7, 10), "big": rng.randint(11, 60), "word": one, "word2": two, "word3": three,
            "row1": row(), "row2": row(), "row3": row()}


def tracing(rng, n):
    asks = ["What does this Python program print? Only the output.\n\n```python\n{}\n```", "Trace it by hand and give the exact output, nothing around it:\n\n{}",
            "```\n{}\n```\nPython 3. Its output is:", "Someone left this script on my desk. Without running it: what appears on the screen?\n\n{}"]
    for number in range(n):
        program = PROGRAMS[number % len(PROGRAMS)].format(**values(rng))
        out = io.StringIO()
        with redirect_stdout(out):
            exec(program, {})  # noqa: S102 - our own lines above
        yield "code", asks[rng.randrange(len(asks))].format(program), out.getvalue().strip(), {"kind": "exact", "case_sensitive": True}, "hard"


def machine(rng, n):
    for _ in range(n):
        reg, lines = {"p": rng.randint(1, 9), "q": rng.randint(1, 9), "r": 0}, []
        start = dict(reg)
        for _ in range(rng.randint(6, 9)):
            x, y = rng.choice("pqr"), rng.choice("pqr")
            k = rng.randint(2, 5)
            word, effect = rng.choice([(f"{x} gains {k}", lambda r, x=x, k=k: r.__setitem__(x, r[x] + k)),
                                       (f"{x} is replaced by the sum of {x} and {y}", lambda r, x=x, y=y: r.__setitem__(x, r[x] + r[y])),
                                       (f"{x} and {y} trade places", lambda r, x=x, y=y: r.update({x: r[y], y: r[x]})),
                                       (f"{x} is multiplied by {k}", lambda r, x=x, k=k: r.__setitem__(x, r[x] * k)),
                                       (f"if {x} is even it is halved, else 1 is taken off", lambda r, x=x: r.__setitem__(x, r[x] // 2 if r[x] % 2 == 0 else r[x] - 1))])
            lines.append(word)
            effect(reg)
        told = "\n".join(f"{place}) {line}" for place, line in enumerate(lines, 1))
        yield "reasoning", spoken(rng, f"Three bowls hold pebbles: p has {start['p']}, q has {start['q']}, r has none.\n{told}\nHow many pebbles are in all bowls now?"), sum(reg.values()), NUMBER, "hard"


def order(rng, n):
    """A row of five with clues until one order is left."""
    for number in range(n):
        names = rng.sample(FIRST, 5)
        truth = names[:]
        rng.shuffle(truth)
        place = truth.index
        clues = []
        for a, b in permutations(names, 2):
            gap = place(a) - place(b)
            clues.append((f"{a} sits somewhere to the {'left' if gap < 0 else 'right'} of {b}", lambda o, a=a, b=b, left=gap < 0: (o.index(a) < o.index(b)) == left))
            if abs(gap) == 1:
                clues.append((f"{a} sits right beside {b}", lambda o, a=a, b=b: abs(o.index(a) - o.index(b)) == 1))
            else:
                clues.append((f"{a} and {b} are not neighbours", lambda o, a=a, b=b: abs(o.index(a) - o.index(b)) != 1))
        for a in names:
            if place(a) in (0, 4):
                clues.append((f"{a} has an outer seat", lambda o, a=a: o.index(a) in (0, 4)))
            if place(a) != 2:
                clues.append((f"{a} is not in the middle", lambda o, a=a: o.index(a) != 2))
        rng.shuffle(clues)
        left, used = list(permutations(names)), []
        for text, holds in clues:
            rest = [o for o in left if holds(o)]
            if len(rest) < len(left):
                left, used = rest, [*used, text]
            if len(left) == 1:
                break
        seat = rng.randrange(5)
        text = [f"On a bench with five seats: {'; '.join(used)}. Who has seat {seat + 1}, counted from the left?",
                f"Five people pose for a picture ({', '.join(names)}). {'. '.join(used)}. Who stands in place {seat + 1} from the left? (Read sits as stands.)"][number % 2]
        yield "reasoning", f"{text} One of: {', '.join(sorted(names))}.", truth[seat], {"kind": "choice", "labels": sorted(names)}, "hard"


def knights(rng, n):
    made = 0
    while made < n:
        names = rng.sample(FIRST, 3)
        said = []
        for who in range(3):
            other, third = [x for x in range(3) if x != who]
            said.append((who, *rng.choice([
                (f"{names[other]} is a liar", lambda w, other=other: not w[other]),
                (f"{names[other]} and {names[third]} are of the same kind", lambda w, other=other, third=third: w[other] == w[third]),
                ("exactly one of the three of us tells the truth", lambda w: sum(w) == 1),
                ("at least two of us are liars", lambda w: sum(w) <= 1),
                (f"if I am honest, so is {names[other]}", lambda w, who=who, other=other: not w[who] or w[other]),
                (f"{names[other]} is honest or {names[third]} is a liar", lambda w, other=other, third=third: w[other] or not w[third])])))
        worlds = [w for w in product([True, False], repeat=3) if all(w[who] == holds(w) for who, _, holds in said)]
        if len(worlds) != 1:
            continue
        made += 1
        honest = sorted(name for name, true in zip(names, worlds[0]) if true)
        told = " ".join(f"{names[who]}: \"{text[0].upper() + text[1:]}.\"" for who, text, _ in said)
        yield "reasoning", f"On this island everybody either always lies or is always honest. {told} Who is honest? Answer with the names in alphabetical order, separated by " \
            "a comma and a blank, or with nobody.", ", ".join(honest) or "nobody", "exact", "hard"


def households(rng, n):
    """Three people, three towns, three pets, by elimination."""
    for _ in range(n):
        who, town, pet = rng.sample(FIRST, 3), rng.sample(PLACES, 3), rng.sample(["tortoise", "parrot", "goat", "hedgehog", "pony", "newt"], 3)
        home, keeps = rng.sample(range(3), 3), rng.sample(range(3), 3)
        clues = []
        for p, t in product(range(3), range(3)):
            is_home, is_pet = home[p] == t, keeps[p] == t
            clues.append((f"{who[p]} {'lives' if is_home else 'does not live'} in {town[t]}", lambda h, k, p=p, t=t, v=is_home: (h[p] == t) == v, is_home))
            clues.append((f"{who[p]} {'keeps' if is_pet else 'does not keep'} the {pet[t]}", lambda h, k, p=p, t=t, v=is_pet: (k[p] == t) == v, is_pet))
            owner = keeps.index(p)
            clues.append((f"the {pet[p]} {'lives' if home[owner] == t else 'is not kept'} in {town[t]}", lambda h, k, p=p, t=t, v=home[owner] == t: (h[k.index(p)] == t) == v, False))
        rng.shuffle(clues)
        clues.sort(key=lambda clue: clue[2])
        left, used = list(product(permutations(range(3)), permutations(range(3)))), []
        for text, holds, _ in clues:
            rest = [world for world in left if holds(*world)]
            if len(rest) < len(left):
                left, used = rest, [*used, text]
            if len(left) == 1:
                break
        asked = rng.randrange(3)
        yield "reasoning", f"{who[0]}, {who[1]} and {who[2]} live in three different towns ({', '.join(town)}), and each keeps one animal ({', '.join(pet)}). We know this: {'; '.join(used)}. " \
            f"In which town does the {pet[asked]} live?", town[home[keeps.index(asked)]], {"kind": "choice", "labels": town}, "hard"


def walking(rng, n):
    turns = {"left": 1j, "right": -1j, "back": -1}
    for _ in range(n):
        at, facing, told = 0, 1j, []
        for _ in range(rng.randint(5, 8)):
            steps, turn = rng.randint(2, 15), rng.choice(list(turns))
            at += facing * steps
            facing *= turns[turn]
            told.append(f"{steps} paces, then turn {'round' if turn == 'back' else turn}")
        east, north = int(at.real), int(at.imag)
        yield "reasoning", f"Start at the well, facing north. {'; '.join(told)}. How far are you from the well? Answer as {{\"east\": ..., \"north\": ...}} in paces; " \
            "west and south count as negative.", {"east": east, "north": north}, "json_fields", "hard"


def spelling(rng, n):
    sentences = ["Seven quiet geese walked past the bakery", "A violet kite got stuck above our chimney", "Nobody expected thunder during the parade",
                 "My uncle mends accordions in the cellar", "The orchard smells of rain and warm apples", "Every lamp in the harbour went out",
                 "Pickled walnuts divide this family bitterly", "Our lift stopped between two silent floors"]
    vowels = set("aeiou")
    jobs = [
        ("Write the words of this sentence in reverse order, each word itself unchanged, all small letters", lambda s: " ".join(reversed(s.lower().split()))),
        ("Drop every vowel (a, e, i, o, u) and keep the blanks, all in small letters", lambda s: "".join(c for c in s.lower() if c not in vowels)),
        ("Take the second letter of each word, skip words of one letter, and write these letters in one piece, small", lambda s: "".join(w[1] for w in s.lower().split() if len(w) > 1)),
        ("Move each letter five places on in the alphabet (z is followed by a), blanks stay, small letters", lambda s: "".join(chr((ord(c) - 92) % 26 + 97) if c.isalpha() else c for c in s.lower())),
        ("Sort the words by their last letter, and words with the same last letter by length, short ones first, and leave the rest in the order of the sentence; all small", lambda s: " ".join(sorted(s.lower().split(), key=lambda w: (w[-1], len(w))))),
        ("Spell each word backwards but keep the words in place, small letters", lambda s: " ".join(w[::-1] for w in s.lower().split())),
        ("Name the most frequent letter and how often it stands there, as letter=count; of letters that tie take the earlier one of the alphabet",
         lambda s: "{1}={0}".format(*(lambda best: (-best[0], best[1]))(min((-s.lower().count(c), c) for c in s.lower() if c.isalpha())))),
        ("Replace each word by its number of letters, joined with hyphens", lambda s: "-".join(str(len(w)) for w in s.split())),
    ]
    for number in range(n):
        text, job = jobs[number % len(jobs)]
        sentence = sentences[(number // len(jobs) * 3 + number) % len(sentences)]
        answer = job(sentence).strip()
        form = ["{j}: \"{s}\". Only the result.", "Text: {s}\nJob: {j}.\nResult:"][number // len(jobs) % 2]
        yield "rewriting", form.format(j=text, s=sentence), answer, "exact", "hard"


def ledgers(rng, n):
    for number in range(n):
        goods, rows, stock = rng.sample(THINGS, 4), [], {}
        days = [f"{DAYS[k % 7]}, week {k // 7 + 1}" for k in range(rng.randint(11, 14))]
        for good in goods:
            stock[good] = rng.randint(40, 120)
        start = dict(stock)
        sold = dict.fromkeys(goods, 0)
        for day in days:
            good, amount = rng.choice(goods), rng.randint(3, 25)
            if rng.random() < 0.6 and stock[good] >= amount:
                stock[good] -= amount
                sold[good] += amount
                rows.append(f"{day}: {amount} {good} out, to {rng.choice(LAST)}")
            else:
                stock[good] += amount
                rows.append(f"{day}: {amount} {good} in, from {rng.choice(PLACES)}")
        one, two = rng.sample(goods, 2)
        text, answer = [(f"How many {one} are in the store at the end?", stock[one]), (f"How many {one} and {two} went out altogether?", sold[one] + sold[two]),
                        ("How many pieces of all four kinds are in the store at the end?", sum(stock.values()))][number % 3]
        told = "\n".join(rows)
        yield "reasoning", spoken(rng, f"Stock book of the quay store.\nOpening stock: {', '.join(f'{v} {k}' for k, v in start.items())}.\n{told}\n\n{text}"), answer, NUMBER, "hard"


def chains(rng, n):
    """A question over three hops, among paragraphs about others."""
    made = ["a foghorn", "a folding pulpit", "a tide clock", "a seed drill", "a ship's stove", "a letter scale", "a weaving frame", "a diving bell"]
    schools = ["the school at Corrie", "the Latin school in Aske", "Brother Odo's evening classes", "the navy's drawing school", "the abbey school", "a dame school in Fenwick"]
    for number in range(n):
        people = [f"{first} {last}" for first, last in zip(rng.sample(FIRST, 6), rng.sample(LAST, 6))]
        towns, works, taught = rng.sample(PLACES, 6), rng.sample(made, 6), rng.sample(schools, 6)
        born = rng.sample(range(1781, 1850), 6)
        teacher = {0: 3, 1: 4, 2: 5, 3: 1, 4: 2, 5: 0}
        paragraphs = [f"{people[k]} was born in {towns[k]} in {born[k]} and went to {taught[k]}. {rng.choice(['Later', 'After years at sea,', 'With borrowed money', 'At forty'])} "
                      f"{people[k].split()[0]} built {works[k]}, for which a medal was given. {rng.choice(['The master behind that skill was', 'Much of the craft came from', 'The trade had been learnt under'])} {people[teacher[k]]}, "
                      f"{rng.choice(['who never wrote a line about it', 'a hard but fair master', 'whose own work is mostly lost'])}." for k in range(6)]
        rng.shuffle(paragraphs)
        k = rng.randrange(6)
        t = teacher[k]
        text, answer, scorer = [
            (f"In which town was the master of the person born who built {works[k]}?", towns[t], "contains"),
            (f"What did the master of {people[k]}'s master build?", works[teacher[t]], "contains"),
            (f"How many years lie between the births of the builder of {works[k]} and of that builder's master?", abs(born[k] - born[t]), NUMBER),
            (f"Which school did the person attend who taught the native of {towns[k]}?", taught[t], "contains"),
        ][number % 4]
        yield "question_answering", "From a handbook of local inventors.\n\n" + "\n\n".join(paragraphs) + f"\n\n{text} Answer as briefly as you can.", answer, scorer, "hard"


def tables(rng, n):
    for number in range(n):
        head = ["house", "built", "rooms", "rent", "garden"]
        names = rng.sample(["Alder", "Bramble", "Cliff", "Dune", "Elm", "Fern", "Gorse", "Heath", "Ivy", "Juniper"], 8)
        years = rng.sample(range(1870, 2000), 8)
        rows = [[name, year, rng.randint(2, 9), rng.randint(31, 99) * 10, rng.choice(["yes", "no"])] for name, year in zip(names, years)]
        year, most = rng.randint(1900, 1960), rng.randint(400, 800)
        picked = [r for r in rows if r[1] >= year and r[4] == "yes"]
        cheap = [r for r in rows if r[3] <= most]
        text, answer, scorer = [
            (f"What do all houses built in {year} or later that have a garden cost together in rent?", sum(r[3] for r in picked), NUMBER),
            (f"Among the houses with a rent of at most {most}, how many rooms are there in total?", sum(r[2] for r in cheap), NUMBER),
            ("Which house has the lowest rent per room? Give its name.", min(rows, key=lambda r: (r[3] / r[2], r[0]))[0], "contains"),
            ("Give {\"oldest\": name, \"youngest\": name} for the houses without regard to anything else, as JSON.",
             {"oldest": min(rows, key=lambda r: r[1])[0], "youngest": max(rows, key=lambda r: r[1])[0]}, "json_fields"),
        ][number % 4]
        if number % 8 < 4:
            shown = "\n".join(" | ".join(map(str, r)) for r in [head, *rows])
        else:
            shown = json.dumps([dict(zip(head, r)) for r in rows])
        yield "extraction", f"{shown}\n\n{text}", answer, scorer, "hard"


def rules(rng, n):
    for _ in range(n):
        word = rng.choice(LONG_WORDS)
        told, text = [], word
        jobs = [("swap the first and the last letter", lambda s: s[-1] + s[1:-1] + s[0]), ("strike out the third letter", lambda s: s[:2] + s[3:]),
                ("write it backwards", lambda s: s[::-1]), ("double the second letter", lambda s: s[:2] + s[1] + s[2:]),
                ("move the first two letters to the end", lambda s: s[2:] + s[:2]), ("put an x after every a", lambda s: s.replace("a", "ax")),
                ("strike out every e", lambda s: s.replace("e", "")), ("cut it into two halves, the first one shorter if they differ, and swap them", lambda s: s[len(s) // 2:] + s[:len(s) // 2])]
        for text_rule, change in rng.sample(jobs, 4):
            told.append(text_rule)
            text = change(text)
        yield "rewriting", f"Take the word {word}. First {told[0]}, then {told[1]}, then {told[2]}, at last {told[3]}. What do you have? Just that.", text, "exact", "hard"


def brackets(rng, n):
    for _ in range(n):
        pairs, text, stack = {"(": ")", "[": "]", "{": "}", "<": ">"}, "", []
        for _ in range(rng.randint(14, 22)):
            if len(stack) > 1 and rng.random() < 0.42:
                text += stack.pop()
            else:
                sign = rng.choice("([{<")
                text, stack = text + sign, [*stack, pairs[sign]]
        yield "code", f"Which closing brackets must be added, in which order, to balance this?\n{text}\nReply with these brackets only, no blanks.", \
            "".join(reversed(stack)), "exact", "hard"


FAMILIES = [(tracing, 84), (machine, 12), (order, 15), (knights, 15), (households, 14), (walking, 12), (spelling, 40), (ledgers, 15), (chains, 15),
            (tables, 16), (rules, 12), (brackets, 10)]
