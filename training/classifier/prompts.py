"""Our own prompts for the traffic that public routing data lacks, with WEAK labels.

Nobody ran a model on these. The label is our judgement of the kind of request (a small model can sort a text
into eight named groups; it cannot prove a theorem), so they enter training with a small weight and are measured
apart from the real data. Texts to work on come from openly licensed sets; everything around them is ours.
`PROBES` are hand-written, share no template with the generator and are never trained on: a sanity check, no more.
"""

import json
import random
from pathlib import Path

GREETINGS = ["hi", "hello", "hey there", "good morning", "thanks", "thank you so much", "ok", "great, thanks", "bye",
             "how are you", "who are you", "what can you do", "good evening", "that helps, thank you", "yes please",
             "no, that is all", "see you tomorrow", "nice to meet you", "sorry, one moment", "hello, can you help me"]
NAMES = ["Ana", "Mr. Keller", "the team", "Priya", "our landlord", "Tom", "Dr. Osei", "the school office"]
CLASSIFY = [
    "Classify the message into one of these labels: {labels}.\n\nMessage: {text}\nLabel:",
    "You label support messages. Allowed labels: {labels}. Answer with the label only.\n{text}",
    "Which of the following intents fits best?\n{bullets}\n\nText: \"{text}\"",
    "{text}\n\nChoose exactly one category ({labels}) for the text above.",
    "Return JSON {{\"label\": ...}} with one of {labels} for this input: {text}",
    "Task: intent detection\nIntents:\n{bullets}\nInput: {text}\nOutput:",
]
SENTIMENT = ["Is the sentiment of this text positive, negative or neutral? {text}",
             "Sentiment (positive/negative/neutral) of: \"{text}\"",
             "Is the following a question or a statement? {text}",
             "Does this message sound urgent? Answer yes or no.\n{text}",
             "Detect the language of this text: {text}"]
EXTRACT = [
    "Extract {fields} from the text and return JSON.\n\nText: {text}",
    "Return a JSON object with the keys {fields}. Use null when a value is missing.\n{text}",
    "From the sentence below pull out {fields}.\nSentence: {text}\nJSON:",
    "{text}\n\nList {fields} mentioned above, one per line.",
]
REWRITE = [
    "Rewrite this more politely: {text}", "Fix the grammar and spelling: {text}", "Make this shorter: {text}",
    "Turn this into a formal sentence: {text}", "Rewrite in the past tense: {text}", "Capitalise this properly: {text}",
    "Paraphrase the following sentence.\n{text}", "Make a title of at most six words for: {text}",
    "Rewrite as a friendly chat message: {text}",
]
WRITE = ["Write a short note to {name} saying that I will be {n} minutes late.", "Write a two-line birthday wish for {name}.",
         "Draft a brief email to {name} asking to move our meeting to {day}.", "Give me {n} synonyms for the word '{word}'.",
         "Write a one-sentence reminder for {name} about {day}.", "What does the word '{word}' mean?",
         "Use the word '{word}' in a sentence.", "Say thank you to {name} for the help on {day}.",
         "Convert {n} kilometres to miles.", "What day comes after {day}?", "List {n} ideas for a team lunch on {day}."]
WORDS = ["calm", "eager", "brisk", "fragile", "curious", "reliable", "gloomy", "vivid", "modest", "sturdy", "frequent"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "next week"]

HARD = [
    "Prove that {theorem}. Give every step rigorously.",
    "Give a complete proof that {theorem}, and discuss where each hypothesis is needed.",
    "Find all {objects} such that {condition}. Justify your answer fully.",
    "Design and implement a {system} in {language}. It must {need}, {need2}, and come with tests and a discussion of "
    "the trade-offs.",
    "Write a production-ready {system} in {language} that can {need}. Include error handling, benchmarks and docs.",
    "Our {system} written in {language} deadlocks about once a day under load and must {need}. Here is what we know so "
    "far; find the root cause, propose a redesign and write the migration plan.",
    "Analyse under {law} whether {dispute}. Cite the relevant provisions, weigh both sides and state the risk.",
    "Draft a detailed legal memo under {law} on whether {dispute}, including counter-arguments and remedies.",
    "Derive {result} from first principles and show every step, then discuss when the approximation breaks down.",
    "Review the following experimental design on {topic}: identify confounders, compute the needed sample size and "
    "propose a better design.",
    "Compare in depth the leading explanations of {topic}, with evidence for and against each, and argue which is best "
    "supported.",
    "Write a {pages}-page research proposal on {topic} with literature review, methods, risks and budget.",
]
FILL = {
    "theorem": ["there are infinitely many primes congruent to 3 modulo 4", "every bounded monotone sequence converges",
                "a continuous image of a compact space is compact", "the halting problem is undecidable",
                "every finite integral domain is a field", "the chromatic number of a planar graph is at most five",
                "L^p spaces are complete", "a group of order p squared is abelian",
                "the spectrum of a self-adjoint operator is real"],
    "objects": ["functions f from the reals to the reals", "triples of positive integers (a, b, c)", "primes p",
                "polynomials with integer coefficients", "finite groups"],
    "condition": ["f(x + f(y)) = f(x) + y holds for all x and y", "a^2 + b^3 = c^4", "2^p + p^2 is prime",
                  "P(n) divides n! for every positive n", "every proper subgroup is cyclic"],
    "system": ["distributed rate limiter", "lock-free hash map", "write-ahead log with crash recovery", "B-tree storage engine",
               "Raft consensus module", "garbage collector", "regular expression engine", "query optimiser",
               "video transcoding scheduler"],
    "language": ["Rust", "Go", "C++", "Java", "Python", "TypeScript"],
    "need": ["survive partial network failure", "handle a million requests per second", "scale to 500 nodes",
             "never lose an acknowledged write", "keep tail latency under five milliseconds"],
    "need2": ["recover after a crash without operator help", "expose metrics for every operation",
              "support live schema migration", "be formally specified"],
    "law": ["German civil law", "the GDPR", "US federal copyright law", "English contract law", "EU competition law"],
    "dispute": ["a supplier may terminate after repeated late payment despite a no-waiver clause",
                "training a model on scraped forum posts infringes the authors' rights",
                "a parent company is liable for its subsidiary's cartel",
                "an employee may keep a side business that serves the same customers"],
    "result": ["the Navier-Stokes equations", "the Black-Scholes formula", "the partition function of an ideal Bose gas",
               "the Cramer-Rao bound", "the dispersion relation of a diatomic chain"],
    "topic": ["the replication crisis in psychology", "dark matter", "the causes of the Bronze Age collapse",
              "antibiotic resistance transfer", "minimum wages and employment", "sleep and memory consolidation"],
    "pages": ["ten", "five", "twenty"],
}

# (prompt, easy?), never trained on
PROBES = [
    ("hiya!", 1), ("cheers, that solved it", 1), ("Could you tell me a joke?", 1), ("Translate 'good night' into Spanish.", 1),
    ("Is this mail spam or not spam? 'You won a free cruise, click now'", 1), ("what's the opposite of 'early'?", 1),
    ("Pull the order number out of: 'my order 88123 never came'", 1), ("Make this sound nicer: send me the file now", 1),
    ("Tag this review as good or bad: 'the soup was cold and the waiter rude'", 1), ("what's 7 plus 5", 1),
    ("Sort these alphabetically: pear, apple, fig", 1), ("Write a tweet announcing that our shop opens on Friday.", 1),
    ("Get name and phone as JSON: 'Call Lena at 0171 555 123'", 1), ("correct this: she dont like apples", 1),
    ("Which department should get this ticket: billing, shipping or technical? 'I was charged twice'", 1),
    ("Name three fruits.", 1), ("good afternoon, anyone there?", 1), ("Summarise in one line: The meeting moved to 3 pm.", 1),
    ("Answer yes or no: is the customer angry? 'Where is my parcel? I am done with you.'", 1), ("spell 'necessary'", 1),
    ("Show that the sum of the reciprocals of the primes diverges, and give two independent arguments.", 0),
    ("Implement a concurrent skip list with hazard pointers and prove its linearizability.", 0),
    ("A contract is silent on force majeure; argue both sides under French law after the 2016 reform.", 0),
    ("Compute the homotopy groups of the complement of the trefoil knot.", 0),
    ("Build a compiler backend for a stack machine that targets RISC-V, with register allocation and tests.", 0),
    ("Work out the one-loop beta function of QED in dimensional regularisation.", 0),
    ("Let G be a finite simple group of order 168. Determine its character table with proof.", 0),
    ("Refactor this 20-service monorepo to event sourcing and write the rollout plan with failure modes.", 0),
    ("Evaluate the integral of ln(sin x)/x^2 from 0 to infinity or show that it diverges.", 0),
    ("Given these clinical trial arms, estimate the hazard ratio under informative censoring and defend your model.", 0),
    ("How many ways are there to tile a 12 by 12 board with dominoes so that no fault line exists?", 0),
    ("Explain, with equations, why the Higgs mechanism gives mass to W and Z but not to the photon.", 0),
    ("Write a SQL engine's cost-based join reordering with bushy plans and benchmark it against dynamic programming.", 0),
    ("Determine the equilibrium pH of 0.02 M H3PO4 mixed with 0.03 M Na2HPO4 at ionic strength 0.1, with activities.", 0),
    ("Is P/poly equal to NP/poly under derandomisation assumptions? Lay out what is known, with proofs.", 0),
]


def _texts(data: Path) -> dict:
    rows = {name: [json.loads(line) for line in (data / f"{name}.jsonl").open(encoding="utf-8")]
            for name in ("clinc150", "banking77", "hwu64", "snips", "restaurants8k")}
    out = {"intent": [], "slots": [], "plain": []}
    for name in ("clinc150", "banking77", "hwu64", "snips"):
        out["intent"] += [(name, r["text"].strip(), r["intent"]) for r in rows[name] if r["intent"] != "oos"]
    for name in ("hwu64", "snips", "restaurants8k"):
        out["slots"] += [(r["text"].strip(), [s["slot"] for s in r["slots"]]) for r in rows[name] if r["slots"]]
    out["plain"] = [text for _, text, _ in out["intent"]]
    return out


def generate(tasks: Path, count: int, seed: int) -> list[dict]:
    """`count` prompts, about 60 % easy, with `kind` and the weak label `soft`."""
    rng = random.Random(seed)
    texts = _texts(tasks)
    intents = {}
    for name, _, intent in texts["intent"]:
        intents.setdefault(name, set()).add(intent)
    intents = {name: sorted(values) for name, values in intents.items()}

    def classify():
        name, text, intent = rng.choice(texts["intent"])
        labels = rng.sample([i for i in intents[name] if i != intent], min(rng.randint(1, 9), len(intents[name]) - 1))
        labels = [label.replace("_", rng.choice("_ ")) for label in labels + [intent]]
        rng.shuffle(labels)
        return rng.choice(CLASSIFY).format(labels=", ".join(labels), bullets="\n".join("- " + x for x in labels), text=text)

    def extract():
        text, fields = rng.choice(texts["slots"])
        return rng.choice(EXTRACT).format(fields=", ".join(sorted(set(fields))), text=text)

    def plain(templates):
        return lambda: rng.choice(templates).format(text=rng.choice(texts["plain"]))

    def write():
        return rng.choice(WRITE).format(name=rng.choice(NAMES), n=rng.randint(2, 20), word=rng.choice(WORDS), day=rng.choice(DAYS))

    def greet():
        return rng.choice(["", "", "Oh, "]) + rng.choice(GREETINGS) + rng.choice(["", "!", ".", " :)"])

    def hard():
        return rng.choice(HARD).format(**{key: rng.choice(values) for key, values in FILL.items()})

    kinds = [("classification", classify, 0.85, 0.18), ("judgement", plain(SENTIMENT), 0.85, 0.06),
             ("extraction", extract, 0.80, 0.14), ("rewriting", plain(REWRITE), 0.85, 0.12),
             ("short writing", write, 0.85, 0.08), ("greeting", greet, 0.95, 0.04), ("hard", hard, 0.10, 0.38)]
    out = {}
    while len(out) < count:
        kind, make, soft, _ = rng.choices(kinds, [k[3] for k in kinds])[0]
        out.setdefault(make(), (kind, soft))
    return [{"id": f"own-{i}", "source": "own", "category": kind, "prompt": text, "soft": soft, "gain": 0.0 if soft > 0.5 else 0.5}
            for i, (text, (kind, soft)) in enumerate(out.items())]
