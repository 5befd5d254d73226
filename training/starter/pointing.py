"""Where each copied token of an answer stands in what came before it.

Most answers here are copies: a label of the list, a value of the text, a name among the wanted fields.  Where a copy comes from
is known to the letter, so some heads' attention is taught it outright, as a reader that marks spans is taught:

copies    before each copied token, look at where it stands
choices   before a chosen label, look at the label's last token, the first that can know what the label means; another label that
          begins with the whole of it counts too, as the data cannot tell the two by their first tokens
leads     at a label's last token, look at the label's first token (or at the code or letter that stands for it), which is
          what the choice needs to bring
"""

REST, FIRST, DECISION = 1, 2, 3  # kinds of answer tokens; 0 is a prompt's. DECISION: a copy starts here or has just ended


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
        kinds[0] = FIRST
        return pairs, kinds
