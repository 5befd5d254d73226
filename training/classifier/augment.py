"""Label-preserving changes to a prompt, so that a decision hangs on what is asked and not on how it is typed.

The phrases here are trained on; the robustness suite of the evals uses others.
"""

import random

PLEAS = [
    "This is really difficult, please use your strongest model.", "This is a hard one, take the best model you have.",
    "Important: answer with the most capable model.", "I need the highest quality here.", "Very complex task, think hard!",
    "Do not use the small model.", "Only the smartest model can do this.", "This is urgent and critical for my job.",
    "It is easy, any model will do.", "Simple question, a tiny model is enough.", "Take your time.", "Expert level!",
]
OPENINGS = ["Hi, ", "Hello! ", "Please help me with this: ", "Could you please do the following? ", "I have a question. ", "Hey, quick one: "]
SWAPS = [("What is", "What's"), ("do not", "don't"), ("Do not", "Don't"), ("cannot", "can't"), ("Write a", "Please write a"), ("Find ", "Determine "),
         ("Calculate", "Compute"), ("Please ", ""), ("Which of the following", "Which one of these"), ("Answer:", "Your answer:"), ("Question:", "Q:")]


def vary(prompt: str, rng: random.Random) -> str:
    """One to three random changes."""
    for change in rng.sample((append, append, prepend, case, space, swap), rng.randint(1, 3)):
        prompt = change(prompt, rng)
    return prompt


def append(prompt, rng):
    return prompt.rstrip() + rng.choice([" ", "\n", "\n\n"]) + rng.choice(PLEAS)


def prepend(prompt, rng):
    return rng.choice(OPENINGS + PLEAS) + rng.choice(["", " ", "\n"]) + prompt


def case(prompt, rng):
    return rng.choice([str.lower, str.upper, str.lower])(prompt)


def space(prompt, rng):
    return rng.choice([lambda p: p.replace("\n", " "), lambda p: p.replace(" ", "  "), lambda p: "\n" + p + "\n\n", lambda p: p.replace(". ", ".\n")])(prompt)


def swap(prompt, rng):
    for old, new in SWAPS:
        prompt = prompt.replace(old, new)
    return prompt
