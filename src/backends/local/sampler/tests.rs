//! Sampling held against tables worked out by hand, independent formulas, and chi-square bounds.

use std::sync::Arc;

use super::super::detokenize::Vocabulary;
use super::*;

pub(super) const FREE: Choice = Choice {
    temperature: 1.0,
    top_p: 1.0,
    top_k: 0,
    min_p: 0.0,
    repetition_penalty: 1.0,
    frequency_penalty: 0.0,
    presence_penalty: 0.0,
    logit_bias: vec![],
    logprobs: None,
    watched: 0,
    seed: Some(7),
};

fn greedy() -> Choice {
    Choice { temperature: 0.0, ..FREE }
}

fn job(choice: Choice, prompt: &[u32]) -> Job {
    Job { prompt: prompt.into(), choice, max_tokens: 1, answers: 1, grammar: None, owner: None, scope: None }
}

fn sampler(choice: Choice, index: u32) -> Sampler {
    let nothing = Grammars::new(Arc::new(Vocabulary::from_words(&[])), &[]);
    Sampler::new(&job(choice, &[]), index, &nothing)
}

fn after_prompt(choice: Choice, prompt: &[u32]) -> Sampler {
    let nothing = Grammars::new(Arc::new(Vocabulary::from_words(&[])), &[]);
    Sampler::new(&job(choice, prompt), 0, &nothing)
}

/// Draws that do not count as part of the answer, so that all come from one distribution.
fn draw(choice: Choice, logits: &[f32], times: usize) -> Vec<u32> {
    let mut sampler = sampler(choice, 0);
    (0..times).map(|_| sampler.next(logits).unwrap()).collect()
}

/// A softmax of its own, in `f64`.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let weights: Vec<f64> = logits.iter().map(|logit| f64::from(*logit).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// Holds draws against shares: Pearson's statistic must lie below the 99.99 % point of chi-square.
fn follows(drawn: &[u32], shares: &[f64]) {
    use statrs::distribution::{ChiSquared, ContinuousCDF};
    let mut counts = vec![0.0; shares.len()];
    drawn.iter().for_each(|id| counts[*id as usize] += 1.0);
    let kept = shares.iter().filter(|share| **share > 0.0).count();
    let mut statistic = 0.0;
    for (count, share) in counts.iter().zip(shares) {
        let expected = share * drawn.len() as f64;
        assert!(*share > 0.0 || *count == 0.0, "{counts:?} against {shares:?}");
        if expected > 0.0 {
            statistic += (count - expected).powi(2) / expected;
        }
    }
    let bound = ChiSquared::new((kept - 1) as f64).unwrap().inverse_cdf(0.9999);
    assert!(statistic < bound, "{statistic} >= {bound}: {counts:?} against {shares:?}");
}

#[test]
fn confidence_is_the_log_probability_and_the_entropy() {
    // Probabilities 3/4 and 1/4.
    let logits = [0.0, 3.0_f32.ln(), f32::NEG_INFINITY];
    let sure = tell::confidence(&logits, 1).unwrap();
    assert!((sure.logprob - 0.75_f32.ln()).abs() < 1e-6, "{sure:?}");
    assert!((sure.entropy - 0.562_335).abs() < 1e-5, "{sure:?}");
    assert_eq!(tell::confidence(&logits, 2), None, "a token that cannot be chosen");
    assert_eq!(tell::confidence(&[f32::NAN], 0), None);
}

#[test]
fn greedy_takes_the_first_of_the_greatest() {
    assert_eq!(draw(greedy(), &[0.0, 3.0, -1.0, 3.0], 3), [1, 1, 1]);
}

#[test]
fn the_greatest_is_found_wherever_it_stands() {
    for length in [1, 15, 16, 17, 100] {
        for at in 0..length {
            let mut logits = vec![-1.0_f32; length];
            logits[at] = 2.5;
            logits[length - 1] = 2.5;
            if at > 0 {
                logits[0] = f32::NAN;
            }
            assert_eq!(greatest(&logits), Some((u32::try_from(at).unwrap(), 2.5)));
        }
    }
}

#[test]
fn the_same_seed_draws_the_same_tokens_and_another_index_or_seed_others() {
    let logits = [0.0_f32; 64];
    assert_eq!(draw(FREE, &logits, 50), draw(FREE, &logits, 50));
    assert_ne!(draw(Choice { seed: Some(8), ..FREE }, &logits, 50), draw(FREE, &logits, 50));
    let mut other = sampler(FREE, 1);
    let second: Vec<u32> = (0..50).map(|_| other.next(&logits).unwrap()).collect();
    assert_ne!(draw(FREE, &logits, 50), second);
}

#[test]
fn draws_follow_the_probabilities_at_each_temperature() {
    let logits = [0.3_f32, -1.0, 2.0, 1.5, -0.2];
    for temperature in [0.4, 1.0, 2.0] {
        let scaled: Vec<f32> = logits.iter().map(|logit| logit / temperature).collect();
        follows(&draw(Choice { temperature, ..FREE }, &logits, 8000), &softmax(&scaled));
    }
}

/// What is left of `softmax(logits)` when only `kept` may be drawn.
fn cut(logits: &[f32], kept: &[usize]) -> Vec<f64> {
    let shares = softmax(logits);
    let total: f64 = kept.iter().map(|at| shares[*at]).sum();
    (0..logits.len()).map(|at| if kept.contains(&at) { shares[at] / total } else { 0.0 }).collect()
}

#[test]
fn cuts_leave_the_right_tokens_in_their_proportions() {
    // Shares are 0.032, 0.644, 0.237, 0.087.
    let logits = [1.0, 4.0, 3.0, 2.0];
    follows(&draw(Choice { top_k: 2, ..FREE }, &logits, 4000), &cut(&logits, &[1, 2]));
    follows(&draw(Choice { top_p: 0.8, ..FREE }, &logits, 4000), &cut(&logits, &[1, 2]));
    follows(&draw(Choice { top_p: 0.9, ..FREE }, &logits, 4000), &cut(&logits, &[1, 2, 3]));
    // 0.087 is 0.135 of 0.644.
    follows(&draw(Choice { min_p: 0.13, ..FREE }, &logits, 4000), &cut(&logits, &[1, 2, 3]));
    follows(&draw(Choice { min_p: 0.14, ..FREE }, &logits, 4000), &cut(&logits, &[1, 2]));
    // Temperature comes before the cuts: at 2 the share of token 3 is 0.37 of the greatest.
    let warm = Choice { min_p: 0.3, temperature: 2.0, ..FREE };
    follows(&draw(warm, &logits, 4000), &cut(&logits.map(|logit| logit / 2.0), &[1, 2, 3]));
    // Top-p counts within what top-k left: 0.665 and 0.245 of three make 0.9.
    let both = Choice { top_k: 3, top_p: 0.9, ..FREE };
    follows(&draw(both, &logits, 4000), &cut(&logits, &[1, 2]));
    for one in [Choice { top_p: 0.01, ..FREE }, Choice { min_p: 1.0, ..FREE }, Choice { top_p: 0.0, ..FREE }]
    {
        assert!(draw(one, &logits, 50).iter().all(|id| *id == 1));
    }
}

#[test]
fn logits_without_a_number_are_an_error() {
    assert_eq!(sampler(FREE, 0).next(&[f32::NAN, f32::NEG_INFINITY]), Err(Stuck::NotFinite));
}

/// The bent logits after the answer so far.
fn bent(choice: &Choice, prompt: &[u32], answer: &[u32], logits: &[f32]) -> Vec<f32> {
    let mut adjuster = Adjuster::new(choice, prompt);
    answer.iter().for_each(|id| adjuster.count(*id));
    adjuster.adjust(choice, logits, None).to_vec()
}

#[test]
fn penalties_are_those_of_a_table_worked_out_by_hand() {
    let logits = [2.0, -2.0, 4.0, 0.0, 1.0];
    // Token 1 stands in the prompt; the answer holds token 0 three times and token 2 once.
    let (prompt, answer) = (&[1, 1], &[0, 2, 0, 0]);
    let frequency = Choice { frequency_penalty: 0.5, ..FREE };
    assert_eq!(bent(&frequency, prompt, answer, &logits), [0.5, -2.0, 3.5, 0.0, 1.0]);
    let presence = Choice { presence_penalty: -1.0, ..FREE };
    assert_eq!(bent(&presence, prompt, answer, &logits), [3.0, -2.0, 5.0, 0.0, 1.0]);
    let repetition = Choice { repetition_penalty: 2.0, ..FREE };
    assert_eq!(bent(&repetition, prompt, answer, &logits), [1.0, -4.0, 2.0, 0.0, 1.0]);
    let all = Choice { presence_penalty: 0.25, frequency_penalty: 0.5, ..repetition };
    assert_eq!(bent(&all, prompt, answer, &logits), [-0.75, -4.0, 1.25, 0.0, 1.0]);
    // The bias comes first, so that the repetition penalty sees its sign.
    let biased = Choice { logit_bias: vec![(0, -4.0), (9, 3.0)], ..all };
    assert_eq!(bent(&biased, prompt, answer, &logits), [-5.75, -4.0, 1.25, 0.0, 1.0]);
}

#[test]
fn penalties_count_the_tokens_that_were_picked() {
    let choice = Choice { frequency_penalty: 1.0, ..greedy() };
    let mut sampler = sampler(choice, 0);
    let logits = [2.5, 2.0, 0.0];
    let picked: Vec<u32> = (0..5).map(|_| sampler.pick(&logits).unwrap().id).collect();
    // 2.5 2.0 | 1.5 2.0 | 1.5 1.0 | 0.5 1.0 | 0.5 0.0
    assert_eq!(picked, [0, 1, 0, 1, 0]);
    let mut repeats = after_prompt(Choice { repetition_penalty: 2.0, ..greedy() }, &[0]);
    assert_eq!(repeats.pick(&logits).unwrap().id, 1, "a token of the prompt is penalised");
}

#[test]
fn biases_ban_and_force() {
    let logits = [9.0, 1.0, 0.0, f32::NEG_INFINITY];
    let banned = Choice { logit_bias: vec![(0, -100.0)], ..FREE };
    follows(&draw(banned, &logits, 2000), &cut(&logits, &[1, 2]));
    let forced = Choice { logit_bias: vec![(2, 100.0)], temperature: 2.0, ..FREE };
    assert!(draw(forced, &logits, 500).iter().all(|id| *id == 2));
    let dead = Choice { logit_bias: vec![(3, 100.0)], ..FREE };
    assert!(!draw(dead, &logits, 500).contains(&3), "what has no probability cannot be forced");
    let all = Choice { logit_bias: (0..4).map(|id| (id, -100.0)).collect(), ..FREE };
    assert_eq!(sampler(all, 0).next(&logits), Err(Stuck::NotFinite));
}

#[test]
fn log_probabilities_are_the_log_softmax_of_the_models_own_logits() {
    let logits: Vec<f32> = (0..200).map(|at| ((at * 37 % 101) as f32).mul_add(0.13, -4.0)).collect();
    let expected: Vec<f64> = softmax(&logits).into_iter().map(f64::ln).collect();
    // Nothing that bends the choice bends what is told.
    let choice = Choice {
        temperature: 1.7,
        top_k: 50,
        presence_penalty: 1.0,
        logit_bias: vec![(3, 5.0)],
        logprobs: Some(20),
        ..FREE
    };
    let mut sampler = sampler(choice, 0);
    for _ in 0..50 {
        let token = sampler.pick(&logits).unwrap();
        let told = token.logprobs.unwrap();
        assert!((f64::from(told.chosen) - expected[token.id as usize]).abs() < 1e-5);
        let mut order: Vec<u32> = (0..200).collect();
        order.sort_by(|a, b| {
            expected[*b as usize]
                .total_cmp(&expected[*a as usize])
                .then(logits[*b as usize].total_cmp(&logits[*a as usize]))
                .then(a.cmp(b))
        });
        assert_eq!(told.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), order[..20]);
        for (id, logprob) in told.top {
            assert!((f64::from(logprob) - expected[id as usize]).abs() < 1e-5);
        }
    }
}

#[test]
fn as_many_alternatives_are_told_as_were_asked_for() {
    let logits = [0.0, f32::NAN, 1.0, f32::NEG_INFINITY];
    let told = |top| tell::logprobs(&logits, 0, top).unwrap().top;
    assert_eq!(told(0), []);
    assert_eq!(told(1).len(), 1);
    let all: Vec<u32> = told(20).into_iter().map(|(id, _)| id).collect();
    assert_eq!(all, [2, 0, 3], "likeliest first, and nothing that is no number");
    assert_eq!(tell::logprobs(&[f32::NAN], 0, 1), None);
    assert!(sampler(FREE, 0).pick(&logits).unwrap().logprobs.is_none(), "only where asked for");
}
