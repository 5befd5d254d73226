//! What following a decision would cost, before anything is called. An estimate, and each says what it assumes.

use serde::Serialize;

use super::Prices;
use crate::chat::{BackendId, Micros, Usage};
use crate::config::LocalConfig;
use crate::routing::{Explanation, LOCAL};

/// Tokens of an answer whose length nobody limits or predicts.
const ANSWER_TOKENS: u32 = 256;
/// Speed that local answers are assumed to be generated at, in tokens per second.
const LOCAL_TOKENS_PER_SECOND: f64 = 100.0;

/// What one target would cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Who would answer.
    pub target: BackendId,
    /// With which model.
    pub model: String,
    /// The cost, in micro-dollars; `None` when the model has no known price.
    pub cost_micros: Option<Micros>,
    /// What the estimate assumes.
    pub assumes: String,
}

/// Tokens of an answer: as many as are foretold, and no more than are allowed.
fn expected(predicted: Option<u32>, most: Option<u32>) -> u32 {
    match (predicted, most) {
        (Some(predicted), Some(most)) => predicted.min(most),
        (predicted, most) => predicted.or(most).unwrap_or(ANSWER_TOKENS),
    }
}

/// One estimate for each target of a decision, in its order; `model_of` names the model that a target answers with.
pub fn estimate<'m>(
    prices: &Prices,
    local: &LocalConfig,
    model_of: impl Fn(&BackendId) -> &'m str,
    explanation: &Explanation,
) -> Vec<Estimate> {
    let predicted = explanation.verdict.as_ref().and_then(|verdict| verdict.expected_output_tokens);
    let answer = expected(predicted, explanation.signals.max_tokens);
    let prompt = explanation.signals.prompt_tokens;
    let one = |target: &BackendId| {
        let model = model_of(target);
        if target.as_str() == LOCAL {
            let seconds = f64::from(answer) / LOCAL_TOKENS_PER_SECOND;
            let micros = (local.hourly_usd() / 3600.0 * seconds * 1e6).ceil().max(1.0);
            return Estimate {
                target: target.clone(),
                model: model.to_owned(),
                cost_micros: Some(Micros(micros as i64)),
                assumes: format!("{answer} answer tokens at {LOCAL_TOKENS_PER_SECOND} tokens/s"),
            };
        }
        let usage = Usage { prompt: u64::from(prompt), completion: u64::from(answer), ..Usage::default() };
        Estimate {
            target: target.clone(),
            model: model.to_owned(),
            cost_micros: prices.cost(model, &usage),
            assumes: format!("{prompt} prompt tokens (upper estimate) and {answer} answer tokens"),
        }
    };
    explanation.targets.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_estimated_no_longer_than_it_may_be() {
        assert_eq!(expected(Some(200), Some(5)), 5);
        assert_eq!(expected(Some(20), Some(500)), 20);
        assert_eq!(expected(None, Some(500)), 500);
        assert_eq!(expected(Some(20), None), 20);
        assert_eq!(expected(None, None), ANSWER_TOKENS);
    }
}
