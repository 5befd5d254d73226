"""The narrow half: what a small model can do when it reads carefully. Each function yields rows without an id."""

import random

from familiar import BOOKINGS, VALUES, domains
from labelled import sets
from passages import passages
from words import CAPITALISE, CHAT, EXTRACT, FIRST, GLOSSARY, LAST, MISSPELT, PLACES, SHELL, THINGS


def row(task, prompt, expected, scorer, difficulty="easy", system=None):
    messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": prompt}]
    return {"messages": messages, "expected": expected, "scorer": scorer, "task": task,
            "tags": ["narrow"], "difficulty": difficulty}


CHOOSE = [
    "Below is a {what}. Which drawer does it go into: {labels}?\n\n{text}",
    "{text}\n\n--\nThat was a {what}. Write the one word or phrase from this row that describes it: {labels}",
    "Someone hands you this {what}:\n> {text}\nStamp it with one of these stamps. {labels}\nStamp:",
    "({labels})\nOne of the above belongs to the next line, a {what}. Name it and stop.\n{text}",
    "Read: {text}\nThis is a {what} and it is about one thing only. Is it {labels}?",
    "Tray labels, one per line:\n{bullets}\n\nItem ({what}): {text}\nInto which tray?",
    "I keep a {what} under one of these headings: {labels}. Under which would you look for \"{text}\"?",
    "What would a careful clerk write on this {what}? Permitted: {labels}. Nothing else may be written.\n\n\"{text}\"",
    "Input\n  kind: {what}\n  words: {text}\nPermitted outputs\n{bullets}\nOutput",
    "Heading for \"{text}\" in a register with the headings\n{bullets}\n?",
    "A {what} came in: \"{text}\". My list says {labels}. Tick one.",
    "{text} <- {what}. Fits: {labels}. Only one does, which?",
    "One term, taken from {labels}, goes on the envelope of this {what}.\n\n{text}\n\nThe term is",
    "Complete with a term from [{labels}].\nThe {what} \"{text}\" is marked",
]
CHOOSE_SYSTEM = [
    "You are the sorting desk. Terms in use: {labels}. Every reply is one of these terms, nothing before it and nothing after.",
    "House rule: each {what} gets a tab. Tabs are {labels}. You reply with the tab.",
    "Reply to any {what} with its mark. The marks:\n{bullets}\nNo explanations.",
]


def labelling(rng):
    jobs = [(what, labels, label, text) for what, pairs, labels in sets() for label, text in pairs]
    rng.shuffle(jobs)
    forms = CHOOSE * 2 + CHOOSE_SYSTEM
    for number, (what, labels, label, text) in enumerate(jobs):
        shown = labels[:]
        rng.shuffle(shown)
        joint = rng.choice([", ", " / ", "; ", " | "]).join(shown)
        bullets = "\n".join(rng.choice(["- ", "* ", "  "]) + name for name in shown)
        form = forms[number % len(forms)]
        filled = form.format(what=what, labels=joint, bullets=bullets, text=text)
        scorer = {"kind": "choice", "labels": shown}
        if form in CHOOSE_SYSTEM:
            yield row("classification", text, label, scorer, "medium", filled)
        else:
            yield row("classification", filled, label, scorer)


PULL = [
    "Note: {text}\n\nI need {keys} from the note. Give a JSON object, values word for word.",
    "{text}\n=> JSON, keys in this order: {keys}",
    "Make a record of this. The record has {keys}. JSON, and copy rather than reword.\n\n{text}",
    "What are {keys} here? Write them down as one JSON object.\n---\n{text}\n---",
    "Text to JSON. Properties {keys}. Take the values from the text as they are.\n\"{text}\"",
    "{{\"keys wanted\": [{quoted}]}}\nSource line: {text}\nObject:",
]
PULL_SYSTEM = "Each line the user sends becomes one JSON object with {keys}. Values are copied from the line. No other text."


def extraction(rng):
    number = 0
    for frame, keys in EXTRACT:
        for _ in range(4):
            values = {key: rng.choice(choices) for key, choices in keys.items()}
            text = frame.format(**values)
            asked = list(keys)
            rng.shuffle(asked)
            if len(asked) > 2 and rng.random() < 0.4:
                asked.pop()
            expected = {key: values[key] for key in asked}
            names = {"keys": ", ".join(asked), "quoted": ", ".join(f'"{key}"' for key in asked)}
            if number % 8 == 7:
                yield row("extraction", text, expected, "json_fields", "medium", PULL_SYSTEM.format(**names))
            else:
                yield row("extraction", PULL[number % len(PULL)].format(text=text, **names), expected, "json_fields")
            number += 1


MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " \
       "seventeen eighteen nineteen".split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number):
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + ("-" + ONES[number % 10] if number % 10 else "")
    if number < 1000:
        rest = number % 100
        return ONES[number // 100] + " hundred" + (" and " + in_words(rest) if rest else "")
    rest = number % 1000
    return in_words(number // 1000) + " thousand" + ((" " if rest >= 100 else " and ") + in_words(rest) if rest else "")


def normalising(rng):
    ordinal = lambda day: f"{day}{'th' if 10 < day < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    events = ["The lease begins on", "Her passport runs out on", "They were married on", "The roof was finished on",
              "The seeds were sown on", "Our dog was born on", "The warranty ends on", "The bell was cast on",
              "The shop first opened on", "He handed in the thesis on", "The kiln was fired on", "The treaty was signed on",
              "The book is due on", "The bridge was inspected on", "We moved in on"]
    for event in events:
        year, month, day = rng.randint(1950, 2019), rng.randint(1, 12), rng.randint(1, 28)
        shown = rng.choice([f"{ordinal(day)} of {MONTHS[month - 1]} {year}", f"{MONTHS[month - 1]} {day}, {year}",
                            f"{day} {MONTHS[month - 1][:3]}. {year}"])
        yield row("rewriting", f"{event} {shown}.\nWrite that day as YYYY-MM-DD and nothing else.",
                  f"{year}-{month:02}-{day:02}", "exact")
    for number, what in enumerate(["the baker starts", "the museum shuts", "the tide turns", "the last tram goes",
                                   "the film begins", "night shift ends", "the goats are milked", "the post comes",
                                   "choir practice is over", "the shutters go down", "the alarm is set", "lunch is served"]):
        hour, minute = rng.randint(1, 11), rng.choice([0, 5, 15, 20, 30, 45, 50])
        half = "p.m." if number % 2 else "a.m."
        expected = f"{hour + (12 if number % 2 else 0):02}:{minute:02}"
        yield row("rewriting", f"At {hour}:{minute:02} {half} {what}. What is that on a 24-hour clock, as HH:MM?",
                  expected, {"kind": "contains"})
    for number, thing in enumerate(THINGS[:14]):
        amount = rng.choice([rng.randint(21, 99), rng.randint(101, 999), rng.randint(1_001, 9_999)])
        if number % 2:
            yield row("rewriting", f"\"{in_words(amount)} {thing}\" - write the number in digits.", amount,
                      {"kind": "numeric", "tolerance": 0})
        else:
            amount = amount % 1_000
            yield row("rewriting", f"Spell the number in \"{amount} {thing}\" out in words, without the noun.",
                      list(dict.fromkeys([in_words(amount), in_words(amount).replace("-", " "),
                                          in_words(amount).replace(" and ", " ")])), "exact")
    units = [("kilometres", "metres", 1000), ("hours", "minutes", 60), ("kilograms", "grams", 1000),
             ("dozen eggs", "eggs", 12), ("metres", "centimetres", 100), ("weeks", "days", 7), ("minutes", "seconds", 60),
             ("litres", "millilitres", 1000), ("euros", "cents", 100), ("feet", "inches", 12), ("days", "hours", 24),
             ("years", "months", 12), ("centimetres", "millimetres", 10), ("tonnes", "kilograms", 1000)]
    for number, (big, small, factor) in enumerate(units):
        amount = rng.randint(2, 12)
        form = ["A label says {a} {big}. What would it say in {small}?", "{a} {big}, please, but counted in {small}.",
                "How many {small} make up {a} {big}? Digits only."][number % 3]
        yield row("maths", form.format(a=amount, big=big, small=small), amount * factor, {"kind": "numeric", "tolerance": 0})


def correcting(rng):
    for number, (wrong, right) in enumerate(MISSPELT):
        form = ["There is one misspelt word in this line. Give the whole line back with it put right.\n{}",
                "{}\n^ repair the spelling, change nothing else, answer with the sentence alone",
                "My keyboard sticks. What did I mean to type? Only the sentence: {}"][number % 3]
        yield row("rewriting", form.format(wrong), right, {"kind": "exact", "case_sensitive": True})
    jobs = [("Give this in capitals throughout: {}", str.upper), ("Everything in small letters, please: {}", str.lower),
            ("Title case for every word of this label: {}", str.title),
            ("Underscores for the blanks, small letters for the rest: {}", lambda text: text.lower().replace(" ", "_")),
            ("Turn this into a file name: small letters, hyphens where the blanks are, no ending.\n{}",
             lambda text: text.lower().replace(" ", "-"))]
    for number, text in enumerate(CAPITALISE):
        form, change = jobs[number % len(jobs)]
        yield row("rewriting", form.format(text), change(text), {"kind": "exact", "case_sensitive": True})


def reading(rng):
    all_of_them = passages()
    for number, (text, main, pairs) in enumerate(all_of_them):
        (question, answer), (second, other) = rng.sample(pairs, 2)
        form = ["{q} Look it up here and answer in a few words.\n\n{t}", "{t}\n\nQuestion on the text: {q}",
                "You may use only this clipping.\n\"{t}\"\n\n{q}"][number % 3]
        yield row("question_answering", form.format(t=text, q=question), answer, "token_f1")
        neighbours = [all_of_them[(number + step) % len(all_of_them)][0] for step in (3, 7, 11)]
        neighbours.insert(rng.randint(0, 3), text)
        board = "\n\n".join(f"[{place}] {part}" for place, part in enumerate(neighbours, 1))
        yield row("question_answering", f"Clippings from the village paper:\n\n{board}\n\nA reader asks: {second}\n"
                  "Reply with the shortest piece of text that answers it.", other, "token_f1", "medium")
        far = all_of_them[(number + 5) % len(all_of_them)][2][0][0]
        if number % 3:
            yield row("summarising", f"{text}\n\nWhich one of these sentences is the news? Copy it, all of it.", main,
                      "token_f1", "medium")
        else:
            yield row("summarising", "Headline desk. Send back the single sentence that a reader must not miss, unchanged, "
                      f"and leave out \"{far}\" and the like.\n\nCopy for today's page four follows.\n\n{text}", main,
                      "token_f1", "medium")


def sums(rng):
    a = rng.randint
    name = lambda: rng.choice(FIRST)
    thing = lambda: rng.choice(THINGS)
    forms = [
        lambda x, y: (f"{name()} carries {x + y} {thing()} and puts {x} of them down. What is left in hand?", y),
        lambda x, y: (f"On the left shelf {x} {thing()}, on the right shelf {y}. And together?", x + y),
        lambda x, y: (f"{x} rows with {y} {thing()} each: what is the count?", x * y),
        lambda x, y: (f"{x * y} {thing()} are shared fairly among {x} children. Each child gets how many?", y),
        lambda x, y: (f"A ticket is {x} crowns. {name()} buys {y} of them and pays, in crowns,", x * y),
        lambda x, y: (f"{name()} is {x + y} and {name()} is {y} years younger. How old is the younger one?", x),
        lambda x, y: (f"add {x} to {y} and tell me the result, nothing more", x + y),
        lambda x, y: (f"From {x + y} take {y}:", x),
        lambda x, y: (f"double {x + y}", 2 * (x + y)),
        lambda x, y: (f"It is {y} degrees and gets {x} degrees warmer. The thermometer then shows?", x + y),
    ]
    for number in range(50):
        text, answer = forms[number % len(forms)](a(3, 12), a(3, 19))
        yield row("maths", text, answer, {"kind": "numeric", "tolerance": 0})


def shell(rng):
    for number, (wish, commands) in enumerate(SHELL):
        form = ["Linux shell, one line, no prose: {}", "What do I type in bash in order to {}? Reply with the command alone.",
                "I would like to {} on the command line. Just the command, no backticks."][number % 3]
        yield row("code", form.format(wish), commands, {"kind": "exact", "case_sensitive": True}, "medium")


def small_talk(rng):
    for prompt, words, system in CHAT:
        yield row("conversation", prompt, words, {"kind": "contains"}, "easy", system)
    for number, name in enumerate(FIRST[:8]):
        place, thing = PLACES[number], THINGS[number]
        prompt, answer = [
            (f"Hello, I'm {name}, and I sell {thing} in {place}. What was my name again?", name),
            (f"It's {name} here. Yesterday I got back from {place}. Where had I been?", place),
        ][number % 2]
        yield row("conversation", prompt, answer, {"kind": "contains"})


def glossary(rng):
    forms = ["{word}: what is that in {language}? One word.", "Give me the {language} word for \"{word}\".",
             "For a phrase book: {language} entry for {word} (noun, no article)."]
    for number, (word, language, answers) in enumerate(GLOSSARY):
        yield row("translation", forms[number % 3].format(word=word, language=language), answers, {"kind": "contains"})


PLAIN = [
    "Customer wrote: {text}\nPossible labels: {labels}. Which label?",
    "Label the next message with one of {labels}.\nMessage: {text}\nLabel:",
    "What is the intent? Choose from {labels}.\n{text}",
    "Intents: {labels}\nText: {text}\nReply with the intent only.",
    "{text}\nCategory (one of {labels}):",
    "Put this message into one category: {labels}. Message: {text}",
    "Here is what somebody said: {text}\nThe label is one of {labels}. Just the label, please.",
]


def common_labels(rng):
    number = 0
    for pairs in domains():
        labels = list(dict.fromkeys(label for label, _ in pairs))
        for label, text in pairs:
            shown = [label, *rng.sample([other for other in labels if other != label], rng.randint(2, 4))]
            rng.shuffle(shown)
            if number % 2:
                shown, label = [name.replace(" ", "_") for name in shown], label.replace(" ", "_")
            prompt = PLAIN[number % len(PLAIN)].format(text=text, labels=", ".join(shown))
            yield row("classification", prompt, label, {"kind": "choice", "labels": shown})
            number += 1


def bookings(rng):
    asks = ["Fields: {keys}\nBooking: {text}\nGive the fields as JSON.", "{text}\nAs JSON with {keys}:",
            "Take {keys} from the booking and answer with a JSON object.\nBooking: {text}"]
    for number in range(24):
        frame, keys = BOOKINGS[number % len(BOOKINGS)]
        values = {key: rng.choice(choices) for key, choices in VALUES.items()}
        expected = {key: values[key] for key in keys}
        yield row("extraction", asks[number // 2 % 3].format(keys=", ".join(keys), text=frame.format(**values)), expected, "json_fields")


FAMILIES = [common_labels, bookings, labelling, extraction, normalising, correcting, reading, sums, shell, small_talk, glossary]
