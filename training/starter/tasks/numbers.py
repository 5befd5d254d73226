"""Numbers, dates, times, units, sums, short word problems, comparing, sorting and sequences; the answer is the bare result."""

import calendar

import wordings as W

from .text import bucket, chance, first_upper, invented, lines, pick, rows, single, split

ONLY = ["", "", "", "", " Answer with just the number.", " Just the number.", " Number only.", " Give only the result.", "\nAnswer:", " Reply with a number."]
ONLY_TEXT = ["", "", "", "", " Only the result.", "\nAnswer:", " No explanation.", " Give only the answer."]
SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def spoken(n):
    if n < 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10] + ("-" + SMALL[n % 10] if n % 10 else "")
    if n < 1000:
        return SMALL[n // 100] + " hundred" + (" and " + spoken(n % 100) if n % 100 else "")
    return spoken(n // 1000) + " thousand" + ((" and " if n % 1000 < 100 else " ") + spoken(n % 1000) if n % 1000 else "")


def ordinal(n):
    return f"{n}{'th' if 10 <= n % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def end(rng, text, answer, only=ONLY):
    text = text if text[-1] in ":=" else text + rng.choice(only)
    return single(first_upper(text), str(answer))


# --------------------------------------------------------------------------------------------------- dates

ISO = lines("""
Write {d} as an ISO date.
Convert {d} to the format YYYY-MM-DD.
{d} in ISO format
Format the date {d} as YYYY-MM-DD.
Turn {d} into YYYY-MM-DD.
What is {d} in the form YYYY-MM-DD?
ISO date for {d}?
Date: {d}\\nISO:
Rewrite this date as year-month-day with digits: {d}
Give the date {d} in ISO 8601.
Normalise the date: {d} (YYYY-MM-DD)
Change {d} to ISO format.
""")
ISO_YEAR = lines("""
The year is {y}. Write {d} as YYYY-MM-DD.
Convert {d} to YYYY-MM-DD. The year is {y}.
It is {y}. What is {d} as an ISO date?
Write {d} of the year {y} in ISO format.
Assume the year {y}. {d} as YYYY-MM-DD:
Format {d} as YYYY-MM-DD, year {y}.
Text: The deadline is {d}.\\nReturn the date as YYYY-MM-DD (year {y}).
Year: {y}. Message: see you on {d}. Give the date in ISO format.
""")
LONG = lines("""
Write {i} as a date in words like March 4, 2020.
Convert {i} to the form Month day, year.
Write the date {i} with the name of the month (Month day, year).
{i} in the format "Month D, YYYY"
Turn the ISO date {i} into Month day, year.
Spell the month: {i} (Month day, year)
""")
SLASH = lines("""
Write {d} as DD/MM/YYYY.
Convert {d} to DD/MM/YYYY.
{d} in the format DD/MM/YYYY
Format {d} as day/month/year with digits (DD/MM/YYYY).
Change the date {d} to DD/MM/YYYY.
Turn {d} into the form DD/MM/YYYY.
""")
MONTH_NUMBER = ["Which number is the month {m}?", "What number month is {m}?", "{m} is month number", "Give the number of the month {m}.", "The month {m} as a number?"]
AFTER = rows("""
What day is {n} days after {w}? / Which weekday comes {n} days after {w}? / Today is {w}. What day is it in {n} days? / If it is {w} now, what weekday is it in {n} days? / {w} plus {n} days is which weekday? / It is {w}. Which day will it be {n} days from now? || 1
What day is {n} days before {w}? / Today is {w}. What day was it {n} days ago? / Which weekday was {n} days before {w}? / {w} minus {n} days is which weekday? / If it is {w}, which day was it {n} days earlier? || -1
Today is {w}. What day is tomorrow? / If today is {w}, what is tomorrow? / Which day is the day after {w}? / It is {w} today, so tomorrow is / Tomorrow's weekday if today is {w}? || t
Today is {w}. What day was yesterday? / If today is {w}, what was yesterday? / Which day is the day before {w}? / It is {w} today, so yesterday was / Yesterday's weekday if today is {w}? || y
""")
BETWEEN = lines("""
How many days are there from {m} {a} to {m} {b}?
How many days lie between {m} {a} and {m} {b}?
Count the days from {a} {m} to {b} {m}.
{m} {a} to {m} {b}: how many days later is that?
An event starts on {m} {a} and ends on {m} {b}. How many days later is the end?
From {a} {m} until {b} {m} it is how many days?
""")
PLUS_DAYS = lines("""
What date is {n} days after {m} {a}?
Which date is {n} days after {m} {a}? Answer like {m} {a}.
It is {m} {a}. What is the date in {n} days?
Add {n} days to {m} {a}.
{m} {a} plus {n} days is which date?
""")


def dates(rng, data, held):
    year, month, day = rng.randint(1950, 2035), rng.randint(1, 12), rng.randint(1, 28)
    name, iso = W.MONTHS[month - 1], None
    iso = f"{year}-{month:02d}-{day:02d}"
    short = name[:3]
    full = rng.choice([f"{name} {day}, {year}", f"{day} {name} {year}", f"{name} {ordinal(day)}, {year}", f"{short} {day}, {year}", f"{day} {short} {year}",
                       f"the {ordinal(day)} of {name} {year}", f"{day}. {name} {year}", f"{year} {name} {day}", f"{ordinal(day)} {name} {year}"])
    part = rng.choice([f"{name} {day}", f"{day} {name}", f"{name} {ordinal(day)}", f"the {ordinal(day)} of {name}", f"{short} {day}", f"{day} {short}"])
    kind = rng.choice(["iso"] * 4 + ["year"] * 3 + ["long", "slash", "number", "after", "after", "after", "between", "plus", "from", "length"])
    if kind == "iso":
        return end(rng, pick(rng, ISO, held).replace("{d}", full), iso, ONLY_TEXT)
    if kind == "year":
        return end(rng, pick(rng, ISO_YEAR, held).replace("{d}", part).replace("{y}", str(year)), iso, ONLY_TEXT)
    if kind == "long":
        return end(rng, pick(rng, LONG, held).replace("{i}", iso), f"{name} {day}, {year}", ONLY_TEXT)
    if kind == "slash":
        return end(rng, pick(rng, SLASH, held).replace("{d}", rng.choice([full, iso])), f"{day:02d}/{month:02d}/{year}", ONLY_TEXT)
    if kind == "number":
        return end(rng, pick(rng, MONTH_NUMBER, held).replace("{m}", name), month)
    if kind == "length":
        asks = ["How many days does {m} have in {y}?", "Number of days in {m} {y}?", "How many days are in {m} {y}?", "In {y}, how long is {m} in days?"]
        return end(rng, pick(rng, asks, held).replace("{m}", name).replace("{y}", str(year)), calendar.monthrange(year, month)[1])
    if kind == "after":
        asks, (step,) = rng.choice(AFTER)
        n, at = rng.randint(2, 9), rng.randrange(7)
        shift = {"1": n, "-1": -n, "t": 1, "y": -1}[step]
        return end(rng, pick(rng, asks, held).replace("{n}", str(n)).replace("{w}", W.WEEKDAYS[at]), W.WEEKDAYS[(at + shift) % 7], ONLY_TEXT)
    if kind == "from":
        asks = ["Which year is in {i}?", "What is the year of {i}?", "Give the {u} of the date {i} as a number.", "The {u} in {i} is", "Take the {u} out of {i}.", "Only the {u} of {i}:"]
        unit, ask = rng.choice(["year", "month", "day"]), pick(rng, asks, held)
        unit = unit if "{u}" in ask else "year"
        return end(rng, ask.replace("{u}", unit).replace("{i}", iso), {"year": year, "month": month, "day": day}[unit])
    a, b = sorted(rng.sample(range(1, 29), 2))
    if kind == "between":
        return end(rng, pick(rng, BETWEEN, held).replace("{m}", name).replace("{a}", str(a)).replace("{b}", str(b)), b - a)
    return end(rng, pick(rng, PLUS_DAYS, held).replace("{m}", name).replace("{a}", str(a)).replace("{n}", str(b - a)), f"{name} {b}", ONLY_TEXT)


# --------------------------------------------------------------------------------------------------- times

TIME_ASK = rows("""
Write {a} in 24-hour time. / Convert {a} to the 24-hour clock. / {a} in 24-hour format / What is {a} on a 24-hour clock? / Change {a} to 24-hour notation. / Turn {a} into HH:MM (24 hours). / Format {a} as 24-hour time. || 24
Write {b} in 12-hour time with am or pm. / Convert {b} to the 12-hour clock. / {b} with am or pm? / What is {b} in 12-hour format? / Change {b} to am/pm time. / Turn {b} into 12-hour notation. / {b} on a 12-hour clock || 12
It is {b}. What time is it in {n} minutes? / What time is {n} minutes after {b}? / Add {n} minutes to {b}. / A film starts at {b} and lasts {n} minutes. When does it end? / {b} plus {n} minutes? / The bus leaves at {b} and drives for {n} minutes. When does it arrive? || plus
It is {b}. What time was it {h} hours ago? / {h} hours before {b} is / Take {h} hours off {b}. / What time is {h} hours before {b}? / What was the time {h} hours before {b}? || minus
It is {b}. What time is it in {h} hours? / What time is {h} hours after {b}? / Add {h} hours to {b}. / {b} plus {h} hours? / A train leaves at {b} and takes {h} hours. When does it arrive? || plush
How many minutes are there from {b} to {c}? / A class runs from {b} to {c}. How many minutes is that? / Minutes between {b} and {c}? / From {b} until {c}: how many minutes? / How long is it from {b} to {c} in minutes? || between
""")


def times(rng, data, held):
    asks, (kind,) = rng.choice(TIME_ASK)
    hour, minute = rng.randint(0, 23), rng.choice([0, 0, 15, 30, 45, rng.randint(1, 59), rng.choice(range(5, 60, 5))])
    twelve = f"{(hour + 11) % 12 + 1}:{minute:02d} {'am' if hour < 12 else 'pm'}"
    said = rng.choice([twelve, twelve.upper(), twelve.replace(" ", ""), twelve.replace(" am", " a.m.").replace(" pm", " p.m.")])
    if minute == 0 and chance(rng, 0.6):
        said = said.replace(":00", "")
    n, h = rng.choice([5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 90]), rng.randint(2, 6)
    if kind in ("minus", "plush"):
        hour = rng.randint(6, 17)
    if kind in ("plus", "between"):
        hour = min(hour, 21)
    now = hour * 60 + minute
    clock = lambda t: f"{t // 60:02d}:{t % 60:02d}"
    answer = {"24": clock(now), "12": twelve, "plus": clock(now + n), "minus": clock(now - h * 60), "plush": clock(now + h * 60), "between": n}[kind]
    text = pick(rng, asks, held)
    for mark, found in (("{a}", said), ("{b}", clock(now)), ("{c}", clock(now + n)), ("{n}", str(n)), ("{h}", str(h))):
        text = text.replace(mark, found)
    return end(rng, text, answer, ONLY_TEXT)


# ------------------------------------------------------------------------------------- words, units, percent

WORD_ASK = rows("""
Write {w} as digits. / Convert "{w}" to a number. / {w} in digits? / What number is {w}? / Write the number {w} in figures. / Turn the words into a number: {w} / {w} as a number / Number for "{w}"? / Digits for {w}: / Give {w} in numerals. || digits
Write {n} in words. / Spell out the number {n}. / {n} in words? / How do you write {n} in words? / Turn {n} into words. / What is {n} as a word? / Write out {n}. / Say the number {n} in letters. / Express {n} in words. / Words for {n}: || words
Write {n} as an ordinal. / What is the ordinal of {n}? / {n} as an ordinal number (like 4th)? / Add the right ending to {n} (st, nd, rd, th). / Ordinal form of {n}? || ordinal
Round {d} to the nearest whole number. / {d} rounded to a whole number? / Round {d}. / What is {d} rounded to the nearest integer? / Nearest whole number to {d}? || round
Round {n} to the nearest ten. / {n} rounded to the nearest 10? / What is {n} to the nearest ten? / Nearest ten to {n}? / Round to tens: {n} || ten
""")


def number_words(rng, data, held):
    asks, (kind,) = rng.choice(WORD_ASK[:2] * 4 + WORD_ASK[2:])
    n = rng.choice([rng.randint(1, 20), rng.randint(21, 99), rng.randint(21, 99), rng.randint(100, 999), rng.randint(1000, 9999)])
    if kind == "ten":
        n = rng.randint(1, 99) * 10 + rng.choice([1, 2, 3, 4, 6, 7, 8, 9])
    whole, tenth = rng.randint(1, 200), rng.choice([1, 2, 3, 4, 6, 7, 8, 9])
    answer = {"digits": n, "words": spoken(n), "ordinal": ordinal(n), "round": whole + (tenth > 5), "ten": (n + 5) // 10 * 10}[kind]
    text = pick(rng, asks, held).replace("{w}", spoken(n) if chance(rng, 0.85) else spoken(n).replace(" and ", " ")).replace("{n}", str(n)).replace("{d}", f"{whole}.{tenth}")
    return end(rng, text, answer, ONLY_TEXT if kind in ("words", "ordinal") else ONLY)


UNITS = [("kilometres", "metres", 1000), ("km", "m", 1000), ("metres", "centimetres", 100), ("m", "cm", 100), ("centimetres", "millimetres", 10), ("cm", "mm", 10),
         ("kilograms", "grams", 1000), ("kg", "g", 1000), ("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24), ("weeks", "days", 7),
         ("years", "months", 12), ("litres", "millilitres", 1000), ("l", "ml", 1000), ("dollars", "cents", 100), ("euros", "cents", 100), ("tonnes", "kilograms", 1000),
         ("dozen", "pieces", 12), ("feet", "inches", 12), ("pounds", "pence", 100)]
UNIT_ASK = lines("""
How many {v} are {n} {u}?
Convert {n} {u} to {v}.
{n} {u} in {v}
{n} {u} = ? {v}
What is {n} {u} in {v}?
Change {n} {u} into {v}.
How many {v} are there in {n} {u}?
{n} {u} to {v}
Express {n} {u} in {v}.
Write {n} {u} in {v}.
Tell me how many {v} make {n} {u}.
{n} {u} equals how many {v}?
""")


def units(rng, data, held):
    big, small, factor = rng.choice(UNITS)
    n = rng.choice([rng.randint(2, 12), rng.randint(2, 30)])
    if factor in (100, 1000) and chance(rng, 0.2):
        decimal = rng.choice([0.5, 1.5, 2.5, 3.5, 0.2, 1.2, 4.5])
        given, answer, pair = f"{decimal:g}", int(round(decimal * factor)), (big, small)
    elif chance(rng, 0.35):
        given, answer, pair = str(n * factor), n, (small, big)
    else:
        given, answer, pair = str(n), n * factor, (big, small)
    text = pick(rng, UNIT_ASK, held).replace("{n}", given).replace("{u}", pair[0]).replace("{v}", pair[1])
    return end(rng, text, answer)


PERCENT = lines("""
What is {p} percent of {n}?
What is {p}% of {n}?
{p}% of {n}
Calculate {p}% of {n}.
How much is {p} percent of {n}?
Find {p}% of {n}.
{p} percent of {n} =
Of {n} guests, {p}% are children. How many children are there?
A coat costs {n} dollars. You save {p}%. How many dollars do you save?
In a class of {n}, {p}% like tea. How many is that?
Take {p}% of {n}.
Out of {n} letters {p} percent were lost. How many were lost?
""")
HALF = rows("""
What is half of {n}? / Half of {n} / How much is half of {n}? / Give me one half of {n}. || 2
What is a quarter of {n}? / One quarter of {n}? / How much is a fourth of {n}? / Take a quarter of {n}. || 4
What is a third of {n}? / One third of {n}? / How much is a third of {n}? / Take one third of {n}. || 3
What is double {n}? / Twice {n} is / Double the number {n}. / What is two times {n}? || x
""")


def percent(rng, data, held):
    if chance(rng, 0.25):
        asks, (part,) = rng.choice(HALF)
        k = rng.randint(1, 99)
        n = k if part == "x" else k * int(part)
        return end(rng, pick(rng, asks, held).replace("{n}", str(n)), k * 2 if part == "x" else k)
    p = rng.choice([10, 10, 20, 25, 50, 50, 5, 75, 100, 30, 40])
    step = {10: 10, 20: 5, 25: 4, 50: 2, 5: 20, 75: 4, 100: 1, 30: 10, 40: 5}[p]
    n = step * rng.randint(1, 60 if step < 10 else 30)
    return end(rng, pick(rng, PERCENT, held).replace("{p}", str(p)).replace("{n}", str(n)), n * p // 100)


# ------------------------------------------------------------------------------------------------------ sums

SIGN_WORDS = {"+": ["plus", "and", "added to"], "-": ["minus", "less"], "*": ["times", "multiplied by"], "/": ["divided by", "over"]}
SUM_ASK = lines("""
What is {e}?
{e}
{e} =
Calculate {e}.
Compute {e}
How much is {e}?
Work out {e}.
Solve {e}
{e} = ?
Tell me the result of {e}.
Evaluate {e}.
Please calculate {e}
The result of {e} is
Find the value of {e}.
""")


def operands(rng, sign):
    if sign == "+":
        top = rng.choice([9, 20, 99, 99, 99, 999])
        return rng.randint(1, top), rng.randint(1, top)
    if sign == "-":
        top = rng.choice([10, 20, 99, 99, 99, 999])
        a, b = rng.randint(1, top), rng.randint(1, top)
        return max(a, b), min(a, b)
    if sign == "*":
        return rng.choice([(rng.randint(2, 12), rng.randint(2, 12)), (rng.randint(2, 12), rng.randint(2, 12)), (rng.randint(11, 99), rng.randint(2, 9))])
    b = rng.randint(2, 12)
    return b * rng.randint(1, 12), b


def work(sign, a, b):
    return {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]


def kept_sum(sign, a, b):
    return max(a, b) > 12 and bucket(f"{min(a, b)} {sign} {max(a, b)}" if sign in "+*" else f"{a} {sign} {b}") % 10 == 0


def drawn_sum(rng, held, signs="++--*/"):
    while True:
        sign = rng.choice(signs)
        a, b = operands(rng, sign)
        if kept_sum(sign, a, b) == held:
            return sign, a, b


def shown(rng, sign):
    return {"*": rng.choice(["*", "x", "*", "×"]), "/": rng.choice(["/", "/", "÷", ":"])}.get(sign, sign)


def arithmetic(rng, data, held):
    turns, system = 1, None
    messages = []
    if not held and chance(rng, 0.15):
        messages, turns = [("system", rng.choice(["You are a calculator. Answer with the number only.", "Calculate. Reply with just the result.", "Solve each sum.",
                                                  "Return the result of each calculation."]))], rng.randint(1, 5)
    for _ in range(turns):
        sign, a, b = drawn_sum(rng, held)
        draw = rng.random()
        if draw < 0.25:
            text = f"{a} {rng.choice(SIGN_WORDS[sign])} {b}"
        elif draw < 0.33:
            text = f"{spoken(a)} {SIGN_WORDS[sign][0]} {spoken(b)}"
        else:
            text = f"{a} {shown(rng, sign)} {b}" if chance(rng, 0.8) else f"{a}{shown(rng, sign)}{b}"
        answer = work(sign, a, b)
        if not held and chance(rng, 0.15) and sign in "+-":
            c = rng.randint(1, 20)
            if chance(rng, 0.5) or c > answer:
                text, answer = f"{a} {sign} {b} + {c}", answer + c
            else:
                text, answer = f"{a} {sign} {b} - {c}", answer - c
        user = text if messages else pick(rng, SUM_ASK, held).replace("{e}", text)
        if not messages and sign in "+-" and chance(rng, 0.08) and text.startswith(str(a)) and f"{a} {sign} {b}" == text:
            user = {"+": f"What is the sum of {a} and {b}?", "-": f"What is the difference between {a} and {b}?"}[sign]
        messages += [("user", first_upper(user) if turns == 1 else user), ("assistant", str(answer))]
    if turns == 1 and messages[0][0] == "user" and messages[0][1][-1] not in "=":
        messages[0] = ("user", messages[0][1] + rng.choice(ONLY))
    return messages


# --------------------------------------------------------------------------------------------- word problems

THINGS = [word.strip() for word in """apples, pears, books, pens, coins, stamps, marbles, cookies, stickers, postcards, shells, buttons, candles, balloons, eggs, cups, chairs, tickets,
plates, keys, tomatoes, potatoes, oranges, lemons, toys, cards, bottles, boxes, flowers, photos, stones, ribbons, pencils, notebooks, sandwiches, muffins, plums, nuts, beads, bricks,
spoons, batteries, light bulbs, scarves, hats, socks, peaches, melons, magazines, badges, puzzles, kites, tiles, screws""".replace("\n", " ").split(",")]
ANIMALS = "cows sheep goats hens ducks horses pigs rabbits geese turkeys donkeys ponies".split()
PEOPLE = "children guests students visitors tourists workers players dancers singers passengers neighbours teachers".split()
HOLDERS = "boxes bags shelves baskets rows crates drawers trays jars buckets carts tables packs cartons".split()
# {p}, {q}: people; {t} things; {o} animals; {g} group; {h} holders; {a} {b} {c} numbers. Last column: the sum.
PROBLEMS = rows("""
{p} has {a} {t} and gets {b} more. How many {t} does {p} have now? / {p} had {a} {t}. Then {q} gave {p} {b} more. How many {t} are there in all? / There were {a} {t} in the shop and {b} more arrived. How many {t} are there now? / {p} has {a} {t} and {q} has {b}. How many {t} do they have together? / {p} picks {a} {t} in the morning and {b} in the afternoon. How many {t} is that in total? / {p} owns {a} {t}, {q} owns {b} more than that. How many does {q} own? || a+b
{a} {g} are in the hall and {b} more come in. How many {g} are in the hall? / On Monday {a} {g} came, on Tuesday {b}. How many {g} came on both days? / A bus carries {a} {g}. At the stop {b} more get on. How many {g} are on the bus? / A farm has {a} {o} and buys {b} more. How many {o} does it have? / In one field there are {a} {o}, in the other {b}. How many {o} are there? || a+b
{p} spends {a} dollars on {t} and {b} dollars on food. How much does {p} spend? / {p} walks {a} minutes to the station and rides {b} minutes by train. How many minutes is the whole way? / {p} is {a} years old. How old will {p} be in {b} years? / The first part of the road is {a} km long and the second {b} km. How long is the road in km? / {p} reads {a} pages today and {b} pages tomorrow. How many pages is that? || a+b
{p} has {a} {t} and gives {b} to {q}. How many {t} does {p} have left? / {p} had {a} {t} but lost {b} of them. How many {t} remain? / There are {a} {t} on the table. {p} takes {b}. How many {t} stay on the table? / A shop has {a} {t} and sells {b}. How many {t} are left? / {p} needs {a} {t} and already has {b}. How many more {t} does {p} need? / {p} has {a} {t}, {q} has {b}. How many more does {p} have than {q}? || a-b
{a} {g} are at a party and {b} go home. How many {g} are still there? / Of {a} {g}, {b} are ill. How many are well? / A farmer has {a} {o} and sells {b}. How many {o} are left? / {a} {o} are in the yard and {b} run away. How many {o} stay? / A train has {a} seats and {b} are taken. How many seats are free? || a-b
{p} has {a} dollars and pays {b} dollars for {t}. How many dollars are left? / A book has {a} pages and {p} has read {b}. How many pages are left to read? / {p} is {a} years old and {q} is {b}. How many years older is {p}? / A rope is {a} metres long. {p} cuts off {b} metres. How many metres remain? / The trip is {a} km and {p} has done {b} km. How many km are left? || a-b
There are {m} {h} with {n} {t} each. How many {t} are there? / {p} fills {m} {h} with {n} {t} in each. How many {t} does {p} need? / Each of {m} {g} gets {n} {t}. How many {t} is that? / {m} {h} hold {n} {t} each. How many {t} in all? / {p} buys {m} packs of {n} {t}. How many {t} does {p} buy? / {m} {g} each bring {n} {t}. How many {t} do they bring? || m*n
One ticket costs {m} dollars. How much do {n} tickets cost? / {p} earns {m} dollars an hour and works {n} hours. How many dollars is that? / {p} runs {m} km a day for {n} days. How many km in all? / {p} reads {m} pages a day. How many pages in {n} days? / A box of {t} costs {m} euros. What do {n} boxes cost in euros? / A car drives {m} km every hour. How far does it go in {n} hours in km? || m*n
{p} shares {k} {t} equally among {n} {g}. How many {t} does each get? / {k} {t} are put into {n} {h}, the same number in each. How many {t} are in one? / {n} {g} split {k} {t} fairly. How many does each get? / {p} packs {k} {t} into {h} of {n}. How many {h} are needed? / {k} {g} form {n} equal teams. How many are in each team? || k/n
{n} tickets cost {k} dollars. How much is one ticket? / {p} earns {k} dollars in {n} days, the same each day. How many dollars a day? / {p} drives {k} km in {n} hours. How many km is that per hour? / {k} pages in {n} days: how many pages a day? / {n} boxes of {t} weigh {k} kg. How heavy is one box in kg? || k/n
{p} has {a} {t}, buys {b} more and gives away {c}. How many {t} does {p} have now? / There are {a} {g} on a bus. {b} get on and {c} get off. How many are on the bus? / A shop has {a} {t}. It gets {b} new ones and sells {c}. How many are left? / {p} saves {a} dollars in May and {b} in June, then spends {c}. How many dollars are left? / {a} {o} and {b} {z} are on a farm. {c} animals are sold. How many animals remain? || a+b-c
{p} has {a} {t}, {q} has {b} and {r} has {c}. How many {t} do they have together? / {p} sells {a} {t} on Monday, {b} on Tuesday and {c} on Wednesday. How many in all? / A zoo has {a} {o}, {b} {z} and {c} birds. How many animals is that? / {a} {t} lie on the floor, {b} on the bed and {c} on the shelf. How many {t} are there? || a+b+c
{p} has {a} {t}. {p} gives {c} to {q} and {d} to {r}. How many are left? / A farmer had {a} {o}. {c} were sold in May and {d} in June. How many {o} are left? / There are {a} {g} in a hall. {c} leave at noon and {d} leave at three. How many stay? / {p} takes {a} dollars to the market, pays {c} for {t} and {d} for bread. How many dollars remain? || a-c-d
{p} buys {m} {h} with {n} {t} each and has {c} {t} at home. How many {t} is that in all? / {m} {g} bring {n} {t} each and {p} brings {c}. How many {t} are there? / {p} works {n} hours for {m} dollars an hour and gets {c} dollars extra. How many dollars in all? / There are {m} rows of {n} chairs and {c} more chairs at the wall. How many chairs are there? || m*n+c
{p} has {m} {h} of {n} {t} and loses {c} {t}. How many {t} are left? / {p} buys {n} {t} for {m} dollars each and has a coupon of {c} dollars. How many dollars does {p} pay? / {m} {h} held {n} {t} each, but {c} {t} broke. How many are whole? || m*n-c
A rectangle is {m} cm long and {n} cm wide. What is its area in square cm? / A garden is {m} m by {n} m. What is its area in square metres? / A wall is {m} m long and {n} m high. How many square metres is it? || m*n
A square has sides of {n} cm. How long is its border in cm? / What is the perimeter of a square with side {n} cm? / A square table has sides of {n} dm. What is the perimeter in dm? || 4*n
""")
ASIDES = ["", "", "", "", "", "{r} likes music. ", "It is {w}. ", "{p} lives in {y}. ", "{r} is a friend of {p}. ", "The sun is shining. ", "{r} has a dog. "]


def word_problem(rng, data, held):
    asks, (form,) = rng.choice(PROBLEMS)
    while True:
        top = rng.choice([12, 20, 50, 99])
        a, b = rng.randint(2, top), rng.randint(2, top)
        c, d = rng.randint(1, 9), rng.randint(1, 9)
        m, n = rng.randint(2, 12), rng.randint(2, 10)
        if "-b" in form and a <= b or form == "a-c-d" and a <= c + d or form == "m*n-c" and m * n <= c or form == "a+b-c" and a + b <= c:
            continue
        break
    k = m * n
    answer = {"a+b": a + b, "a-b": a - b, "m*n": k, "k/n": m, "a+b-c": a + b - c, "a+b+c": a + b + c, "a-c-d": a - c - d, "m*n+c": k + c, "m*n-c": k - c, "4*n": 4 * n}[form]
    names = rng.sample(W.FIRST_NAMES, 3)
    if chance(rng, 0.25):
        names[0] = invented(rng).capitalize()
    first, second = rng.sample(ANIMALS, 2)
    text = rng.choice(ASIDES) + pick(rng, asks, held)
    written = chance(rng, 0.1)
    for mark, found in (("{p}", names[0]), ("{q}", names[1]), ("{r}", names[2]), ("{t}", rng.choice(THINGS)), ("{o}", first), ("{z}", second), ("{g}", rng.choice(PEOPLE)),
                        ("{h}", rng.choice(HOLDERS)), ("{w}", rng.choice(W.WEEKDAYS)), ("{y}", rng.choice(W.CITIES))):
        text = text.replace(mark, found)
    for mark, number in zip("abcdmnk", (a, b, c, d, m, n, k)):
        text = text.replace("{" + mark + "}", spoken(number) if written else str(number))
    return end(rng, text if not written else first_upper(text), answer)


# ------------------------------------------------------------------------------- comparing, sorting, sequences

BIGGER = rows("""
Which number is bigger, {a} or {b}? / Which is larger: {a} or {b}? / What is more, {a} or {b}? / Pick the greater number: {a}, {b} / Which one is higher, {a} or {b}? / {a} or {b}: which is greater? || max
Which number is smaller, {a} or {b}? / Which is less: {a} or {b}? / What is fewer, {a} or {b}? / Pick the smaller number: {a}, {b} / Which one is lower, {a} or {b}? / {a} or {b}: which is smaller? || min
Is {a} bigger than {b}? / Is {a} greater than {b}? / Is {a} more than {b}? Yes or no? / {a} > {b}? Answer yes or no. / Is it true that {a} is larger than {b}? || gt
Is {a} smaller than {b}? / Is {a} less than {b}? / Is {a} under {b}? Yes or no? / {a} < {b}? Answer yes or no. / Is it true that {a} is below {b}? || lt
What is the largest of these numbers: {l}? / Which is the highest number? {l} / Find the maximum: {l} / Largest number in {l}? / Give the biggest: {l} / Max of {l}? || maxl
What is the smallest of these numbers: {l}? / Which is the lowest number? {l} / Find the minimum: {l} / Smallest number in {l}? / Give the least: {l} / Min of {l}? || minl
Is {a} even or odd? / Even or odd: {a} / Is the number {a} odd or even? / {a} is (even/odd): / Say whether {a} is even or odd. || parity
How many numbers are in this list: {l}? / Count the numbers: {l} / How many items does the list have? {l} / Length of the list {l}? || count
What is the sum of {s}? / Add these numbers: {s} / Sum up {s}. / Total of {s}? / Find the sum: {s} || sum
""")


def compare(rng, data, held):
    asks, (kind,) = rng.choice(BIGGER)
    top = rng.choice([20, 100, 1000, 10000])
    a, b = rng.sample(range(1, top + 1), 2)
    numbers = rng.sample(range(1, top + 1), rng.randint(3, 6))
    few = [rng.randint(1, 30) for _ in range(3)]
    answer = {"max": max(a, b), "min": min(a, b), "gt": "Yes" if a > b else "No", "lt": "Yes" if a < b else "No", "maxl": max(numbers), "minl": min(numbers),
              "parity": "odd" if a % 2 else "even", "count": len(numbers), "sum": sum(few)}[kind]
    text = pick(rng, asks, held).replace("{a}", str(a)).replace("{b}", str(b)).replace("{l}", ", ".join(map(str, numbers))).replace("{s}", ", ".join(map(str, few)))
    return end(rng, text, answer, ONLY_TEXT)


SORT = rows("""
Sort these numbers from smallest to largest: {l} / Put in order, smallest first: {l} / Sort ascending: {l} / Order the numbers from low to high: {l} / {l}\\nSort the numbers upwards. / Arrange from least to greatest: {l} / Rank from small to big: {l} || up
Sort these numbers from largest to smallest: {l} / Put in order, biggest first: {l} / Sort descending: {l} / Order the numbers from high to low: {l} / {l}\\nSort the numbers downwards. / Arrange from greatest to least: {l} / Rank from big to small: {l} || down
Sort these words alphabetically: {w} / Put in alphabetical order: {w} / Order from A to Z: {w} / Alphabetize: {w} / {w}\\nSort by alphabet. / Arrange the words in ABC order: {w} / List in alphabetical order: {w} || words
Reverse this list: {x} / Write the list backwards: {x} / {x}\\nReverse the order. / Turn the order around: {x} / List these from last to first: {x} || reverse
What is the first item in this list? {x} / Give the first one: {x} / First item of: {x} / Which comes first in the list: {x}? || first
What is the last item in this list? {x} / Give the last one: {x} / Last item of: {x} / Which comes last in the list: {x}? || last
""")


def sort_items(rng, data, held):
    asks, (kind,) = rng.choice(SORT[:3] * 2 + SORT)
    top = rng.choice([20, 100, 100, 1000])
    numbers = rng.sample(range(1, top + 1), rng.choice([3, 3, 4, 4, 5]))
    source = THINGS + ANIMALS + W.FIRST_NAMES + W.CITIES
    source = rng.choice([THINGS, W.FIRST_NAMES, W.CITIES, W.COUNTRIES, ANIMALS + THINGS])
    names = rng.sample(source, rng.choice([3, 3, 4, 4, 5]))
    items = rng.choice([[str(n) for n in numbers], names])
    answer = {"up": sorted(numbers), "down": sorted(numbers, reverse=True), "words": sorted(names, key=str.lower), "reverse": items[::-1], "first": items[:1], "last": items[-1:]}[kind]
    text = pick(rng, asks, held).replace("{l}", ", ".join(map(str, numbers))).replace("{w}", ", ".join(names)).replace("{x}", ", ".join(items))
    return single(text, ", ".join(map(str, answer)))


NEXT = lines("""
What is the next number? {s}
What comes next: {s}, ...?
Continue the sequence: {s}, ?
{s}, ...
Next number in {s}?
Find the next number in the sequence {s}.
Complete the pattern: {s}, __
Which number follows? {s}
{s}, ? What is missing?
Give the next term: {s}
Sequence: {s}\\nNext:
Guess the next number: {s} ...
""")


def sequence(rng, data, held):
    kind = rng.choice(["up"] * 5 + ["down", "down", "double", "square", "grow", "letters"])
    count = rng.choice([3, 4, 4, 5])
    start, step = rng.randint(0, 40), rng.choice([1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 20, 100])
    numbers = {"up": [start + i * step for i in range(count + 1)], "down": [start + (count + 1 - i) * step for i in range(count + 1)],
               "double": [rng.randint(1, 7)], "square": [(i + start % 6 + 1) ** 2 for i in range(count + 1)],
               "grow": [start % 12 + i * (i + 1) // 2 for i in range(count + 2)], "letters": []}[kind]
    if kind == "double":
        factor = rng.choice([2, 2, 3, 10])
        numbers = [numbers[0] * factor ** i for i in range(count + 1)]
    if kind == "letters":
        step, at = rng.choice([1, 1, 2]), rng.randint(0, 12)
        letters = [chr(65 + at + i * step) for i in range(count + 1)]
        text = pick(rng, ["Which letter comes next? {s}", "What is the next letter: {s}, ...?", "Continue: {s}, ...", "Next letter after {s}?"], held)
        return single(text.replace("{s}", ", ".join(letters[:-1])), letters[-1])
    return end(rng, pick(rng, NEXT, held).replace("{s}", ", ".join(map(str, numbers[:-1]))), numbers[-1])


TASKS, HELD_OUT = split({
    "dates": (dates, "exact", True),
    "times": (times, "exact", True),
    "number_words": (number_words, "exact", True),
    "units": (units, "exact", True),
    "percent": (percent, "exact", True),
    "arithmetic": (arithmetic, "exact", False),
    "word_problem": (word_problem, "exact", True),
    "compare": (compare, "exact", True),
    "sort_items": (sort_items, "exact", True),
    "sequence": (sequence, "exact", True),
})
