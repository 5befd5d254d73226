//! Drafts: what an answer may say next, copied from where its newest tokens stood before. Promises: a draft is a guess
//! that may cost time and never changes an answer; one whose drafts are mostly wrong gets fewer and fewer.

/// How many of the newest tokens are looked up; where they stood nowhere, one less.
const NEWEST: usize = 3;
/// Wrong drafts that right ones make up for, at most.
const CREDIT: usize = 3;
/// Tokens without a draft after wrong ones; twice as many each time.
const PAUSE: usize = 8;

/// How one answer's drafts have done.
pub(super) struct Drafts {
    credit: usize,
    /// Tokens to go without one.
    rest: usize,
    /// How many the next rest will be.
    pause: usize,
}

impl Drafts {
    pub(super) fn new() -> Self {
        Self { credit: 0, rest: 0, pause: PAUSE }
    }

    /// Whether the next token may be drafted; to be asked once for each.
    pub(super) fn are_due(&mut self) -> bool {
        let due = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        due
    }

    /// Takes note of a draft of which so many tokens were right. A run of several tokens costs about two steps, so one
    /// right token is the price of the try.
    pub(super) fn learn(&mut self, accepted: usize) {
        if accepted > 1 {
            self.pause = PAUSE;
        }
        match (self.credit + accepted).checked_sub(1) {
            Some(credit) => self.credit = credit.min(CREDIT),
            None => {
                self.rest = self.pause;
                self.pause = self.pause.saturating_mul(2);
            }
        }
    }
}

/// Appends the `wanted` tokens that followed the newest ones where these stood last, before their end. False, and nothing
/// appended, where they stood nowhere.
pub(super) fn look_up(prompt: &[u32], answer: &[u32], wanted: usize, into: &mut Vec<u32>) -> bool {
    let len = prompt.len() + answer.len();
    let token = |at: usize| at.checked_sub(prompt.len()).map_or_else(|| prompt[at], |at| answer[at]);
    let same = |end: usize, back: usize| end >= back && token(end - back) == token(len - back);
    let mut found = None;
    for end in (NEWEST - 1..len).rev().filter(|end| same(*end, 1) && same(*end, 2)) {
        if same(end, NEWEST) {
            found = Some(end);
            break;
        }
        found = found.or(Some(end));
    }
    let Some(from) = found else { return false };
    let start = into.len();
    for at in from..from + wanted {
        // What was copied up to the end goes on as it began.
        into.push(if at < len { token(at) } else { into[start + at - len] });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafted(prompt: &[u32], answer: &[u32], wanted: usize) -> Vec<u32> {
        let mut ids = vec![99];
        assert_eq!(look_up(prompt, answer, wanted, &mut ids), ids.len() > 1);
        ids.split_off(1)
    }

    #[test]
    fn what_followed_the_newest_tokens_is_the_draft() {
        assert_eq!(drafted(&[1, 2, 3, 4, 5, 6], &[7, 2, 3], 3), [4, 5, 6]);
        assert_eq!(drafted(&[1, 2, 3, 4, 9, 2, 3, 5, 6, 6], &[2, 3], 2), [5, 6], "the last place of two");
        assert_eq!(
            drafted(&[1, 2, 3, 4, 9, 2, 3, 5, 6, 1], &[2, 3], 2),
            [4, 9],
            "but three are better than two"
        );
        assert_eq!(drafted(&[8, 1, 2], &[5, 6, 8, 1], 3), [2, 5, 6], "from the prompt into the answer");
        assert_eq!(drafted(&[5, 1, 2, 9], &[1, 2], 2), [9, 1], "the newest pair lies in the answer alone");
    }

    #[test]
    fn a_draft_past_the_end_repeats_itself() {
        assert_eq!(drafted(&[7], &[1, 2, 1, 2], 5), [1, 2, 1, 2, 1]);
        assert_eq!(drafted(&[7, 7], &[7], 3), [7, 7, 7]);
    }

    #[test]
    fn what_stood_nowhere_has_no_draft() {
        assert_eq!(drafted(&[1, 2, 3], &[3, 1], 3), [0; 0]);
        assert_eq!(drafted(&[1], &[1], 3), [0; 0]);
        assert_eq!(drafted(&[], &[], 3), [0; 0]);
    }

    /// Tries among so many tokens, when `right` tokens of each draft are right.
    fn tries(drafts: &mut Drafts, tokens: usize, right: usize) -> usize {
        let due = (0..tokens).filter(|_| {
            let due = drafts.are_due();
            if due {
                drafts.learn(right);
            }
            due
        });
        due.count()
    }

    #[test]
    fn wrong_drafts_become_rare_and_right_ones_bring_them_back() {
        let mut drafts = Drafts::new();
        assert_eq!(tries(&mut drafts, 100, 3), 100);
        assert_eq!(tries(&mut drafts, 1000, 0), 3 + 7, "the credit, then after 8, 16, 32, ... tokens");
        while !drafts.are_due() {}
        drafts.learn(2);
        assert_eq!(tries(&mut drafts, 100, 1), 100, "what pays for itself goes on");
        assert_eq!(tries(&mut drafts, 30, 0), 1 + 1 + 2, "and the rests are short again");
    }
}
