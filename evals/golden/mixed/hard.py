"""The hard half, first part: numbers, dates, counting. Answers are computed, by brute force where that is simple.
Each entry of FAMILIES is a function of a generator of random numbers and a count; it gives (task, prompt, expected,
scorer, difficulty)."""

import math
from datetime import date, timedelta
from fractions import Fraction
from itertools import combinations, product

from words import FIRST, PLACES, THINGS

NUMBER = {"kind": "numeric", "tolerance": 0}
CENT = {"kind": "numeric", "tolerance": 0.005}
WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
ENDINGS = ["End with the number.", "Give only the final number.", "Your last line must be the number alone.", "Number, please.",
           "Answer with a plain number, no thousands separators."]


def spoken(rng, text):
    return f"{text} {rng.choice(ENDINGS)}"


def till(rng, n):
    for _ in range(n):
        who, (one, two, three) = rng.choice(FIRST), rng.sample(THINGS, 3)
        a, b, c = rng.randint(3, 14), rng.randint(3, 14), rng.randint(2, 9)
        p, q, r = rng.randint(105, 890), rng.randint(105, 890), rng.randint(250, 1900)
        off, cash = rng.choice([5, 10, 15, 20, 25]), rng.choice([50, 100])
        total = Fraction(a * p + b * q, 100) * (100 - off) / 100 + Fraction(c * r, 100)
        cash *= math.ceil(total / cash)
        yield "maths", spoken(rng, f"{who} takes {a} {one} at {p / 100:.2f}, {b} {two} at {q / 100:.2f} and {c} {three} at {r / 100:.2f}. "
              f"The {three} are excluded from today's {off} % rebate, the rest is not. {who} pays with {cash}. How much change comes back, "
              "rounded to cents?"), round(float(cash - total) + 1e-9, 2), CENT, "hard"


def basins(rng, n):
    for _ in range(n):
        a, b, c = rng.sample([4, 5, 6, 8, 10, 12, 15, 20, 24, 30], 3)
        rate = Fraction(1, a) + Fraction(1, b) - Fraction(1, max(a, b, c) * 2)
        minutes = Fraction(60) / rate
        yield "maths", spoken(rng, f"Spring A alone fills the cistern in {a} hours, spring B in {b} hours, and a crack empties a full one in "
              f"{max(a, b, c) * 2} hours. Both springs run and the crack is open. After how many minutes, rounded to the nearest minute, is the "
              "empty cistern full?"), math.floor(minutes + Fraction(1, 2)), NUMBER, "hard"


def meeting(rng, n):
    for _ in range(n):
        x, y = rng.sample(PLACES, 2)
        v, w, ahead = rng.randint(40, 95), rng.randint(40, 95), rng.choice([15, 20, 30, 45])
        hours = rng.randint(2, 6)
        distance = Fraction(v * ahead, 60) + (v + w) * hours
        if distance.denominator != 1:
            distance, v = Fraction(60 * ahead, 60) + (60 + w) * hours, 60
        yield "maths", spoken(rng, f"{x} and {y} lie {int(distance)} km apart on one line. A goods train sets out from {x} at {v} km/h; "
              f"{ahead} minutes later a railcar leaves {y} towards it at {w} km/h. How many kilometres from {y} do they pass each other?"), \
            w * hours, NUMBER, "hard"


def ages(rng, n):
    for _ in range(n):
        a, b, c = rng.sample(FIRST, 3)
        young, gap, later = rng.randint(6, 18), rng.randint(3, 14), rng.randint(4, 20)
        total = young + (young + gap) + 2 * (young + gap)
        yield "maths", spoken(rng, f"{b} is {gap} years older than {a}, and {c} is twice as old as {b}. Together they are {total}. "
              f"How old will {c} be in {later} years?"), 2 * (young + gap) + later, NUMBER, "medium"


def interest(rng, n):
    for _ in range(n):
        capital, rate, years, fee = rng.randint(12, 90) * 100, rng.choice([2, 3, 4, 5, 6]), rng.randint(3, 6), rng.choice([15, 25, 40])
        value = Fraction(capital)
        for _ in range(years):
            value = value * (100 + rate) / 100 - fee
        yield "maths", spoken(rng, f"A deposit of {capital} earns {rate} % at the end of each year; right after that a fee of {fee} is taken off. "
              f"What is in the account after {years} years, to the cent? Do not round in between."), round(float(value), 2), CENT, "hard"


def products(rng, n):
    for number in range(n):
        a, b = rng.randint(2_003, 98_989), rng.randint(1_013, 9_989)
        text = ["{a} times {b}, worked out exactly?", "Work out the product of {a} and {b}.", "Multiply by hand: {a} x {b}."][number % 3]
        yield "maths", spoken(rng, text.format(a=a, b=b)), a * b, NUMBER, "hard"


def remainders(rng, n):
    for _ in range(n):
        base, power, modulus = rng.randint(3, 19), rng.randint(17, 93), rng.choice([7, 11, 13, 17, 19, 23, 29, 31])
        yield "maths", spoken(rng, f"Divide {base} to the power of {power} by {modulus}. What remains?"), pow(base, power, modulus), NUMBER, "hard"


def divisions(rng, n):
    for _ in range(n):
        box, lorry, crates = rng.randint(13, 48), rng.randint(17, 39), rng.randint(10_000, 99_000)
        boxes = -(-crates // box)
        yield "maths", spoken(rng, f"{crates} tiles are packed {box} to a box, and {lorry} boxes go on a cart. A box or cart may be partly full. "
              "How many carts are loaded?"), -(-boxes // lorry), NUMBER, "hard"


def letters(rng, n):
    words = ["BANDANA", "TERRACE", "MUMMIFY", "PEPPERS", "COCOONS", "ASSASSIN", "TATTOOS", "REFERRER", "ALPACAS", "KAYAKERS", "NONSENSE", "PARALLEL"]
    for word in words[:n]:
        ways = math.factorial(len(word))
        for letter in set(word):
            ways //= math.factorial(word.count(letter))
        yield "maths", spoken(rng, f"Tiles spell {word}. In how many different ways can all {len(word)} tiles be laid in a row, equal letters being "
              "alike?"), ways, NUMBER, "hard"


def committees(rng, n):
    for _ in range(n):
        men, women, size = rng.randint(5, 9), rng.randint(5, 9), rng.randint(4, 6)
        least = rng.randint(2, 3)
        ways = sum(math.comb(women, w) * math.comb(men, size - w) for w in range(least, size + 1)
                   ) - sum(math.comb(women - 1, w - 1) * math.comb(men - 1, size - w - 1) for w in range(max(least, 1), size))
        yield "maths", spoken(rng, f"From {women} altos and {men} tenors a choir's board of {size} is drawn. It needs at least {least} altos, and the alto "
              "Wanda refuses to serve together with the tenor Hugo. How many boards are possible?"), ways, NUMBER, "hard"


def paths(rng, n):
    for _ in range(n):
        w, h = rng.randint(4, 7), rng.randint(4, 7)
        block = (rng.randint(1, w - 1), rng.randint(1, h - 1))
        grid = {}
        for x, y in product(range(w + 1), range(h + 1)):
            grid[x, y] = 0 if (x, y) == block else 1 if (x, y) == (0, 0) else grid.get((x - 1, y), 0) + grid.get((x, y - 1), 0)
        yield "maths", spoken(rng, f"A town's streets form a grid. You walk from the corner (0, 0) to the corner ({w}, {h}), only east or north. "
              f"The crossing {block} is dug up and cannot be passed. How many shortest ways are left?"), grid[w, h], NUMBER, "hard"


def dice(rng, n):
    for _ in range(n):
        a, b, least = rng.choice([4, 6, 8]), rng.choice([8, 10, 12]), rng.randint(9, 13)
        good = sum(1 for x, y in product(range(1, a + 1), range(1, b + 1)) if x + y >= least and x != y)
        share = Fraction(good, a * b)
        yield "maths", f"A fair {a}-sided and a fair {b}-sided die are thrown. How likely is it that they show different numbers with a sum of at least " \
            f"{least}? Answer with a fraction in lowest terms such as 3/7.", f"{share.numerator}/{share.denominator}", "contains", "hard"


def ladder(rng, n):
    for _ in range(n):
        steps, allowed = rng.randint(8, 13), sorted(rng.sample([1, 2, 3, 4, 5], 3))
        broken = rng.randint(3, steps - 3)
        ways = [1] + [0] * steps
        for at in range(1, steps + 1):
            ways[at] = 0 if at == broken else sum(ways[at - s] for s in allowed if at >= s)
        if ways[steps] < 2:
            allowed, ways = [1, 2, 3], [1] + [0] * steps
            for at in range(1, steps + 1):
                ways[at] = 0 if at == broken else sum(ways[at - s] for s in allowed if at >= s)
        yield "maths", spoken(rng, f"A loft ladder has {steps} rungs and rung {broken} is missing. A squirrel climbs from the floor to rung {steps}, "
              f"in leaps of {allowed[0]}, {allowed[1]} or {allowed[2]} rungs, and never needs the missing one. In how many ways?"), ways[steps], NUMBER, "hard"


def digit_rules(rng, n):
    for number in range(n):
        low = rng.randint(100, 2_000)
        high = low + rng.randint(300, 1_500)
        total, k = rng.randint(7, 17), rng.choice([3, 4, 6, 7, 9])
        text, rule = [
            (f"a digit sum of {total}", lambda x: sum(map(int, str(x))) == total),
            (f"all digits different and divisible by {k}", lambda x: len(set(str(x))) == len(str(x)) and x % k == 0),
            ("no digit 7 and equal to their own mirror image", lambda x: "7" not in str(x) and str(x) == str(x)[::-1]),
            (f"divisible by {k} but neither by 5 nor by 8", lambda x: x % k == 0 and x % 5 and x % 8),
        ][number % 4]
        yield "maths", spoken(rng, f"Count the whole numbers from {low} to {high}, both included, that have the property: {text}."), \
            sum(1 for x in range(low, high + 1) if rule(x)), NUMBER, "hard"


def bases(rng, n):
    def write(x, base):
        digits = ""
        while x:
            digits, x = "0123456789abcdef"[x % base] + digits, x // base
        return digits

    for number in range(n):
        x, y, base = rng.randint(150, 900), rng.randint(150, 900), rng.choice([3, 5, 6, 7, 9, 11, 13])
        if number % 2:
            yield "maths", f"In base {base}, what is {write(x, base)} plus {write(y, base)}? Stay in base {base}, use small letters above nine, and answer " \
                "with the digits only.", write(x + y, base), "exact", "hard"
        else:
            yield "maths", spoken(rng, f"{write(x, base)} is written in base {base} and {write(y, 16)} in base 16. Give their decimal sum."), x + y, NUMBER, "hard"


def romans(rng, n):
    def write(x):
        signs = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]
        text = ""
        for value, sign in signs:
            text, x = text + sign * (x // value), x % value
        return text

    for _ in range(n):
        x, y = rng.randint(440, 1990), rng.randint(140, 890)
        yield "maths", f"A plaque reads {write(x)}, and the house was rebuilt {write(y)} years later. Which Roman numeral belongs on the second plaque? " \
            "Only the numeral.", write(x + y), {"kind": "exact", "case_sensitive": True}, "hard"


def systems(rng, n):
    for _ in range(n):
        x, y, z = (rng.randint(2, 19) for _ in range(3))
        (one, two, three), (a, b, c) = rng.sample(THINGS, 3), (rng.randint(2, 6) for _ in range(3))
        yield "maths", spoken(rng, f"{a} {one} and one of the {two} cost {a * x + y}. {b} {two} and one of the {three} cost {b * y + z}. "
              f"{c} {three} and one of the {one} cost {c * z + x}. All prices are whole numbers. What do one each of the three cost together?"), x + y + z, NUMBER, "hard"


def matrices(rng, n):
    for _ in range(n):
        m = [[rng.randint(-6, 9) for _ in range(3)] for _ in range(3)]
        (a, b, c), (d, e, f), (g, h, i) = m
        yield "maths", spoken(rng, f"Rows of a matrix: {m[0]}, {m[1]}, {m[2]}. Find its determinant."), \
            a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g), NUMBER, "hard"


def divisors(rng, n):
    for number in range(n):
        x = rng.choice([2, 3, 4, 6, 8, 9, 12]) * rng.randint(50, 400)
        y = rng.choice([6, 9, 10, 12, 14, 15]) * rng.randint(20, 90)
        text, answer = [(f"How many positive divisors has {x}?", sum(1 for d in range(1, x + 1) if x % d == 0)),
                        (f"What is the least common multiple of {x} and {y}?", math.lcm(x, y)),
                        (f"Add up the different prime factors of {x}.", sum(p for p in range(2, x + 1) if x % p == 0 and all(p % q for q in range(2, int(p ** 0.5) + 1)))),
                        ][number % 3]
        yield "maths", spoken(rng, text), answer, NUMBER, "hard"


def overlaps(rng, n):
    for _ in range(n):
        only = [rng.randint(3, 25) for _ in range(7)]
        a, b, c, ab, ac, bc, abc = only
        none = rng.randint(2, 15)
        yield "maths", spoken(rng, f"Of {sum(only) + none} guests, {a + ab + ac + abc} ate soup, {b + ab + bc + abc} ate fish and {c + ac + bc + abc} ate cake. "
              f"{ab + abc} had soup and fish, {ac + abc} soup and cake, {bc + abc} fish and cake, {abc} had all three. How many had exactly one of them?"), a + b + c, NUMBER, "hard"


def clocks(rng, n):
    for _ in range(n):
        hour, minute = rng.randint(1, 12), rng.choice([4, 8, 14, 18, 22, 26, 34, 38, 46, 52])
        angle = abs(30 * (hour % 12) + minute * 0.5 - 6 * minute)
        yield "maths", spoken(rng, f"The station clock shows {hour}:{minute:02}. What is the smaller angle between its hands, in degrees?"), \
            min(angle, 360 - angle), {"kind": "numeric", "tolerance": 0.001}, "medium"


def weekdays(rng, n):
    for number in range(n):
        start = date(rng.randint(1901, 2018), rng.randint(1, 12), rng.randint(1, 28))
        step = rng.randint(60, 900)
        day = start + timedelta(step)
        told = f"{start.day} {MONTHS[start.month - 1]} {start.year}"
        text, answer = [
            (f"{told} was a {WEEK[start.weekday()]}. Which weekday was it {step} days later?", day),
            (f"Which day of the week was {told} in the Gregorian calendar?", start),
            (f"A mast was set up on {told}. It is painted every {step} days, counting from then. On which weekday was it painted for the third time?", start + timedelta(3 * step)),
        ][number % 3]
        yield "reasoning", f"{text} Options: {', '.join(WEEK)}.", WEEK[answer.weekday()], {"kind": "choice", "labels": WEEK}, "hard"


def spans(rng, n):
    for number in range(n):
        start = date(rng.randint(1960, 2017), rng.randint(1, 12), rng.randint(1, 28))
        end = start + timedelta(rng.randint(200, 4_000))
        tell = lambda it: f"{it.day} {MONTHS[it.month - 1]} {it.year}"
        working = sum(1 for step in range((end - start).days + 1) if (start + timedelta(step)).weekday() < 5)
        text, answer = [
            (f"How many days passed from {tell(start)} to {tell(end)}, the first day not counted?", (end - start).days),
            (f"An exhibition was open from {tell(start)} to {tell(end)}, both days included, Monday to Friday only ({tell(start)} was a {WEEK[start.weekday()]}). "
             "On how many days was it open?", working),
        ][number % 2]
        yield "reasoning", spoken(rng, text), answer, NUMBER, "hard"


def nth_weekday(rng, n):
    for _ in range(n):
        year, month, weekday, nth = rng.randint(1990, 2019), rng.randint(1, 12), rng.randint(0, 6), rng.randint(2, 4)
        first = date(year, month, 1)
        day = 1 + (weekday - first.weekday()) % 7 + 7 * (nth - 1)
        yield "reasoning", f"The club meets on the {['', '', 'second', 'third', 'fourth'][nth]} {WEEK[weekday]} of each month. 1 {MONTHS[month - 1]} {year} was a " \
            f"{WEEK[first.weekday()]}. Give the date of that month's meeting as YYYY-MM-DD.", f"{year}-{month:02}-{day:02}", "contains", "medium"


def zones(rng, n):
    for _ in range(n):
        a, b = rng.sample(PLACES, 2)
        shift, hour, minute, flight = rng.choice([-9, -7, -5, 3, 5, 7, 8, 10]), rng.randint(0, 23), rng.choice([5, 10, 25, 40, 55]), rng.randint(190, 940)
        arrival = (hour * 60 + minute + flight + shift * 60) % 1440
        yield "reasoning", f"In a game, clocks in {b} are {abs(shift)} hours {'ahead of' if shift > 0 else 'behind'} those in {a}. An airship leaves {a} at " \
            f"{hour:02}:{minute:02} local time and flies for {flight // 60} h {flight % 60} min. What do the clocks in {b} show when it lands? HH:MM, 24 hours.", \
            f"{arrival // 60:02}:{arrival % 60:02}", "contains", "hard"


def coins(rng, n):
    for number in range(n):
        kinds = sorted(rng.sample([1, 3, 4, 7, 9, 11, 13, 17], 4))
        kinds[0] = 1
        target = rng.randint(30, 75)
        if number % 2:
            best = [0] + [99] * target
            for at in range(1, target + 1):
                best[at] = min(best[at - k] for k in kinds if k <= at) + 1
            yield "reasoning", spoken(rng, f"An island mints coins of {', '.join(map(str, kinds))}. What is the smallest number of coins that pay exactly {target}?"), best[target], NUMBER, "hard"
        else:
            ways = [1] + [0] * target
            for k in kinds:
                for at in range(k, target + 1):
                    ways[at] += ways[at - k]
            yield "maths", spoken(rng, f"Stamps come in values of {', '.join(map(str, kinds))}. Order does not count. In how many ways can one make up postage of {target}?"), ways[target], NUMBER, "hard"


def roads(rng, n):
    for _ in range(n):
        towns = rng.sample(PLACES, 6)
        edges = {pair: rng.randint(3, 28) for pair in rng.sample(list(combinations(range(6), 2)), 9)}
        for at in range(5):
            edges.setdefault((at, at + 1), rng.randint(15, 40))
        far = [0] + [10**6] * 5
        for _ in range(6):
            for (x, y), length in edges.items():
                far[y], far[x] = min(far[y], far[x] + length), min(far[x], far[y] + length)
        told = "; ".join(f"{towns[x]}-{towns[y]} {length}" for (x, y), length in sorted(edges.items(), key=lambda it: (it[1], it[0])))
        yield "reasoning", spoken(rng, f"Lengths of roads in km, open both ways: {told}. How long is the shortest route from {towns[0]} to {towns[5]}?"), far[5], NUMBER, "hard"


def subsets(rng, n):
    for _ in range(n):
        weights = rng.sample(range(4, 37), 7)
        picked = rng.sample(weights, 3)
        target = sum(picked)
        ways = sum(1 for size in range(1, 8) for group in combinations(weights, size) if sum(group) == target)
        yield "maths", spoken(rng, f"Seven stones weigh {', '.join(map(str, weights))} kilos. How many different groups of them weigh exactly {target} kilos together?"), ways, NUMBER, "hard"


def schedules(rng, n):
    for _ in range(n):
        names = rng.sample(FIRST, 5)
        length = [rng.randint(10, 60) for _ in names]
        needs = {2: [0], 3: [0, 1], 4: [2, 3]}
        done = []
        for at in range(5):
            done.append(length[at] + max((done[x] for x in needs.get(at, [])), default=0))
        told = ". ".join(f"{name} needs {minutes} minutes" + (" and cannot start before " + " and ".join(names[x] for x in needs[at]) + " have finished" if len(needs.get(at, [])) > 1
                         else f" and starts once {names[needs[at][0]]} has finished" if at in needs else "") for at, (name, minutes) in enumerate(zip(names, length)))
        yield "reasoning", spoken(rng, f"Five cooks work at the same time wherever they can. {told}. After how many minutes can the meal be served at the earliest?"), max(done), NUMBER, "medium"


def geometry(rng, n):
    triples = [(3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41)]
    for _ in range(n):
        (a, b, c), k, wide = rng.choice(triples), rng.randint(2, 7), rng.randint(3, 20)
        yield "maths", spoken(rng, f"A paddock is made of a rectangle {b * k} m by {wide * 5} m and, built on its {b * k} m side, a right triangle whose other short side is {a * k} m. "
              "What length of fence goes round the whole outline, the shared side left open?"), b * k + 2 * wide * 5 + a * k + c * k, NUMBER, "hard"


def mixtures(rng, n):
    for _ in range(n):
        low, high = rng.sample(range(5, 60, 5), 2)
        x, y, water = rng.randint(2, 12), rng.randint(2, 12), rng.randint(1, 6)
        share = Fraction(x * low + y * high, x + y + water)
        yield "maths", spoken(rng, f"{x} litres of a {low} % brine, {y} litres of a {high} % brine and {water} litres of fresh water go into one vat. "
              "What is the strength of the mix in percent, to two decimals?"), round(float(share), 2), CENT, "medium"


def sequences(rng, n):
    for number in range(n):
        a, b, p, q, at = rng.randint(1, 6), rng.randint(1, 6), rng.randint(1, 3), rng.randint(1, 3), rng.randint(8, 12)
        terms = [a, b]
        while len(terms) < at:
            terms.append(p * terms[-1] + q * terms[-2] - number % 3)
        yield "maths", spoken(rng, f"A row of numbers starts {a}, {b}. Each further one is {p} times the one before plus {q} times the one before that"
              f"{f', less {number % 3}' if number % 3 else ''}. What is number {at} in the row?"), terms[-1], NUMBER, "hard"


FAMILIES = [(till, 14), (basins, 12), (meeting, 12), (ages, 10), (interest, 12), (products, 15), (remainders, 12), (divisions, 10), (letters, 12),
            (committees, 10), (paths, 10), (dice, 10), (ladder, 10), (digit_rules, 15), (bases, 14), (romans, 8), (systems, 12), (matrices, 12),
            (divisors, 12), (overlaps, 10), (clocks, 9), (weekdays, 15), (spans, 14), (nth_weekday, 10), (zones, 12), (coins, 14), (roads, 12),
            (subsets, 10), (schedules, 12), (geometry, 10), (mixtures, 10), (sequences, 12)]
