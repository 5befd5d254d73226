//! Two answers to the same question, compared without knowing the right one. Agreement is the words they share, and says
//! nothing of which is better: two wrong answers may agree, and two right ones differ. Preference is a judge's.

use serde_json::{Value, json};

use super::dataset::Sample;
use super::judge::Judges;
use super::scorer::token_f1::f1;
use super::scorer::{Pairwise, ScorerSpec};
use super::subject::Transcript;

/// What a tie is worth where a judge compares.
pub const TIE: f64 = 0.5;

/// F1 of the words of both answers, in `[0, 1]`, after SQuAD's normalisation (see the scorer `token_f1`). Symmetric.
pub fn agreement(one: &str, other: &str) -> f64 {
    f1(one, other)
}

/// Which answer to `messages` a judge prefers, asked twice with places swapped: 1 the local one, 0 the remote one, [`TIE`]
/// neither. `None` where nothing could be judged: no judge, no readable verdict, or verdicts that follow the place.
pub async fn preference(judges: &Judges, messages: Vec<Value>, local: &str, remote: &str) -> Option<f64> {
    let sample = Sample {
        id: "shadow".to_owned(),
        messages,
        expected: json!(remote),
        scorer: ScorerSpec::Pairwise(Pairwise { rubric: None, tie: TIE }),
        task: "shadow".to_owned(),
        tags: vec![],
        difficulty: None,
        tools: vec![],
    };
    judges.grade(&sample, &Transcript::of(local)).await.0.value()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::evals::subject::{Subject, SubjectError};

    /// Prefers the answer that stands at one place, or the one that holds a word.
    enum Opinion {
        First,
        Holding(&'static str),
        Tie,
    }

    impl Subject for Opinion {
        fn name(&self) -> &str {
            "judge"
        }

        fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
            let text = |at: usize| sample.messages[at]["content"].as_str().unwrap();
            let word = &text(0).split_once(". WORD is ").unwrap().1[..32];
            let first = text(1).split_once("<answer-B ").unwrap().0.split_once("<answer-A ").unwrap().1;
            let winner = match self {
                Self::First => "A",
                Self::Tie => "tie",
                Self::Holding(wanted) if first.contains(wanted) => "A",
                Self::Holding(_) => "B",
            };
            let verdict = json!({ "word": word, "winner": winner }).to_string();
            Box::pin(async move { Ok(Transcript::of(verdict)) })
        }
    }

    #[tokio::test]
    async fn preference_is_1_for_local_and_0_for_remote_and_not_by_place() {
        let ask = async |opinion| {
            let judges = Judges { judge: Some(Arc::new(opinion)), embedder: None };
            let messages = vec![json!({ "role": "user", "content": "Which?" })];
            preference(&judges, messages, "ours", "theirs").await
        };
        assert_eq!(ask(Opinion::Holding("ours")).await, Some(1.0));
        assert_eq!(ask(Opinion::Holding("theirs")).await, Some(0.0));
        assert_eq!(ask(Opinion::Tie).await, Some(TIE));
        assert_eq!(ask(Opinion::First).await, None, "it follows the place");
        assert_eq!(preference(&Judges::default(), vec![], "ours", "theirs").await, None, "nobody to ask");
        assert_eq!(preference(&Judges::default(), vec![], "same", "same").await, Some(TIE));
    }

    #[test]
    fn agreement_is_symmetric_and_between_0_and_1() {
        assert_eq!(agreement("Billing.", "billing"), 1.0);
        assert_eq!(agreement("billing", "shipping"), 0.0);
        let (one, other) = ("the parcel is late", "my parcel is very late today");
        assert_eq!(agreement(one, other), agreement(other, one));
        assert!((agreement(one, other) - 2.0 * 3.0 / 9.0).abs() < 1e-12);
    }
}
