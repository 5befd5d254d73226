//! Drafts: what an answer may say next, copied from where its newest tokens stood before. Promises: a draft is a guess
//! that may cost time and never changes an answer; one whose drafts are mostly wrong gets fewer and fewer.

/// How many of the newest tokens are looked up. What follows two is seldom right often enough to pay.
const NEWEST: usize = 3;
/// What good drafts have won makes up for bad ones as far as this, in steps.
const CREDIT: f32 = 3.0;
/// Tokens without a draft after wrong ones; twice as many each time.
const PAUSE: usize = 16;

/// How one answer's drafts have done.
pub(super) struct Drafts {
    /// Steps that they have saved, less those that they have cost.
    credit: f32,
    /// Tokens to go without one.
    rest: usize,
    /// How many the next rest will be.
    pause: usize,
}

impl Drafts {
    pub(super) fn new() -> Self {
        Self { credit: 0.0, rest: 0, pause: PAUSE }
    }

    /// Whether the next token may be drafted; to be asked once for each.
    pub(super) fn are_due(&mut self) -> bool {
        let due = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        due
    }

    /// Takes note of a run that brought so many tokens, for the price of so many steps.
    pub(super) fn learn(&mut self, tokens: usize, price: f32) {
        let won = tokens as f32 - price;
        self.credit = (self.credit + won).min(CREDIT);
        if won > 0.0 {
            self.pause = PAUSE;
        }
        if self.credit < 0.0 {
            self.credit = 0.0;
            self.rest = self.pause;
            self.pause = self.pause.saturating_mul(2);
        }
    }
}

/// Appends the `wanted` tokens that followed the newest ones where these stood last before. False, and nothing appended,
/// where they stood nowhere.
pub(super) fn look_up(prompt: &[u32], answer: &[u32], wanted: usize, into: &mut Vec<u32>) -> bool {
    let len = prompt.len() + answer.len();
    let token = |at: usize| at.checked_sub(prompt.len()).map_or_else(|| prompt[at], |at| answer[at]);
    let stood = |end: &usize| (1..=NEWEST).all(|back| token(end - back) == token(len - back));
    let Some(from) = (NEWEST..len).rev().find(stood) else {
        return false;
    };
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
        assert_eq!(drafted(&[1, 2, 3, 4, 5, 6], &[7, 1, 2, 3], 3), [4, 5, 6]);
        assert_eq!(drafted(&[1, 2, 3, 4, 1, 2, 3, 5, 6], &[1, 2, 3], 2), [5, 6], "the last place");
        assert_eq!(drafted(&[8, 1, 2, 3], &[5, 6, 1, 2, 3], 3), [5, 6, 1], "from the prompt into the answer");
        assert_eq!(drafted(&[5, 1, 2, 3, 9, 1], &[2, 3], 2), [9, 1], "the newest lie in both");
    }

    #[test]
    fn a_draft_past_the_end_repeats_itself() {
        assert_eq!(drafted(&[7], &[1, 2, 1, 2, 1], 5), [2, 1, 2, 1, 2]);
        assert_eq!(drafted(&[7, 7], &[7, 7], 3), [7, 7, 7]);
    }

    #[test]
    fn what_stood_nowhere_has_no_draft() {
        assert_eq!(drafted(&[1, 2, 3, 4], &[9, 2, 3], 3), [0; 0], "two are not enough");
        assert_eq!(drafted(&[1, 1], &[1], 3), [0; 0]);
        assert_eq!(drafted(&[], &[], 3), [0; 0]);
    }

    /// Tries among so many tokens, when each run brings `brought` of them for the price of two.
    fn tries(drafts: &mut Drafts, tokens: usize, brought: usize) -> usize {
        let due = (0..tokens).filter(|_| {
            let due = drafts.are_due();
            if due {
                drafts.learn(brought, 2.0);
            }
            due
        });
        due.count()
    }

    #[test]
    fn drafts_that_do_not_pay_become_rare_and_good_ones_bring_them_back() {
        let mut drafts = Drafts::new();
        assert_eq!(tries(&mut drafts, 100, 4), 100);
        assert_eq!(tries(&mut drafts, 1000, 1), 3 + 6, "the credit, then after 16, 32, 64, ... tokens");
        while !drafts.are_due() {}
        drafts.learn(3, 2.0);
        assert_eq!(tries(&mut drafts, 100, 2), 100, "what pays for itself goes on");
        assert_eq!(tries(&mut drafts, 30, 1), 1 + 1 + 1, "and the rests are short again");
    }
}
