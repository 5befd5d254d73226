"""Where each copied token of an answer stands in what came before it.

Most answers here are copies: a label of the list, a value of the text, a name among the wanted fields.  Where a copy comes from
is known to the letter, so some heads' attention is taught it outright, as a reader that marks spans is taught:

copies    before each copied token, look at where it stands
choices   before each token of a chosen label, and before what comes after it, look at the label's last token, the first that can
          know what the label means
leads     at a label's last token, look at the label's first token (or at the code or letter that stands for it), which is
          what the choice needs to bring
bags      at a label's last token, look at its tokens from the second on, but for itself
follows   before each token of a chosen label but the first, look at where it stands, one layer later than `copies`: there `choices`
          have told which of several labels that begin alike is meant
"""

REST, CHOICE, DECISION = 1, 2, 3  # kinds of answer tokens; 0 is a prompt's. CHOICE: an answer's first, or where labels part that begin alike; DECISION: a copy starts here or has just ended


class Pointing:
    def __init__(self, tokenizer, twins, size):
        self.plain = [twins.get(number, number) for number in range(size)]  # a piece without its space
        self.wordlike = [any(letter.isalnum() for letter in tokenizer.decode([number])) for number in range(size)]

    def sources(self, ids, start):
        """Of the answer ids[start:], which ends with the end of the turn: [(position, source)] of its copied tokens, and its kinds.

        The longest stretch wins; where several are as long, all count.
        """
        plain, end = [self.plain[number] for number in ids], len(ids) - 1
        kinds, pairs, places, at = [REST] * (end + 1 - start), [], {}, start
        for place in range(start):
            if self.wordlike[plain[place]]:
                places.setdefault(plain[place], []).append(place)
        while at < end:
            longest, best = 0, []
            for place in places.get(plain[at], ()):
                length = 1
                while place + length < start and at + length < end and plain[place + length] == plain[at + length]:
                    length += 1
                if length >= longest:
                    longest, best = length, [place] if length > longest else [*best, place]
            for step in range(longest):
                pairs += [(at + step, place + step) for place in best]
            if longest:
                kinds[at - start] = kinds[at + longest - start] = DECISION
            at += longest or 1
        kinds[0] = CHOICE
        return pairs, kinds


def alike(plain, one, other):
    """Tokens with which two entries (first, last) of a list both begin; 0 if they are the same throughout."""
    one, other = plain[one[0]: one[1] + 1], plain[other[0]: other[1] + 1]
    shared = next((step for step, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))
    return 0 if one == other else shared


def chosen(copies, entries, plain):
    """Of copied tokens as (position, source), and of a list's entries {first token: last token}: the pairs `choices` and `follows`.

    Of several labels that begin with what is copied the one that ends with it is meant; third the positions where it parts from
    other labels that begin like it. `plain` are the tokens without their spaces.
    """
    choices, follows, forks, found = [], [], set(), {}
    pairs = set(copies)
    for position, source in copies:
        if source in entries:
            length = 1
            while source + length <= entries[source] and (position + length, source + length) in pairs:
                length += 1
            found.setdefault(position, []).append((source, entries[source], length))
    for position, labels in found.items():
        for source, last, length in [label for label in labels if label[0] + label[2] - 1 == label[1]] or labels:
            shared = {alike(plain, (source, last), other) for other in entries.items()}
            forks |= {position + step for step in shared if 0 < step <= length}
            choices += [(position + step, last) for step in range(length + 1)]
            follows += [(position + step, source + step) for step in range(1, length)]
    return sorted(choices), sorted(follows), forks
