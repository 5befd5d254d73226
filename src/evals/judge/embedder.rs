//! Embeddings from any server that speaks OpenAI's `/v1/embeddings`, compared by their cosine.
//! Refuses vectors that cannot be compared: missing, of different lengths, with no direction, not numbers.

use serde_json::{Value, json};

use crate::chat::{Micros, Usage};
use crate::evals::dataset::Sample;
use crate::evals::scorer::LONGEST_READ;
use crate::evals::subject::{Endpoint, Price, SubjectError, Transcript};

/// One embedding model of an endpoint.
pub struct Embedder {
    endpoint: Endpoint,
    model: String,
    price: Option<Price>,
}

/// How close an answer came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closest {
    /// The largest cosine, -1 to 1.
    pub(super) cosine: f64,
    /// Tokens that were embedded.
    pub(super) tokens: u64,
    /// What it cost; `None` without a price.
    pub(super) cost: Option<Micros>,
}

impl Embedder {
    /// Asks `endpoint` for embeddings of `model`; without a price their cost is unknown.
    pub fn new(endpoint: Endpoint, model: &str, price: Option<Price>) -> Self {
        Self { endpoint, model: model.to_owned(), price }
    }

    /// The cosine of the answer and the closest expected text, asked for together.
    pub(super) async fn closest(
        &self,
        sample: &Sample,
        answer: &Transcript,
    ) -> Result<Closest, SubjectError> {
        let mut texts = vec![cut(&answer.text)];
        match &sample.expected {
            Value::Array(expected) => texts.extend(expected.iter().filter_map(Value::as_str).map(cut)),
            expected => texts.extend(expected.as_str().map(cut)),
        }
        let body = json!({"model": self.model, "input": texts, "encoding_format": "float"});
        let reply = self.endpoint.exchange("embeddings", &body).await?;
        let vectors = vectors(&reply, texts.len())?;
        let (answer, expected) = vectors.split_first().ok_or_else(|| broken("no embeddings"))?;
        let mut best: Option<f64> = None;
        for expected in expected {
            let cosine = cosine(answer, expected)?;
            best = Some(best.map_or(cosine, |best| best.max(cosine)));
        }
        let tokens = reply["usage"]["prompt_tokens"].as_u64();
        let usage = Usage { prompt: tokens.unwrap_or_default(), ..Usage::default() };
        Ok(Closest {
            cosine: best.ok_or_else(|| broken("nothing to compare with"))?,
            tokens: usage.prompt,
            cost: tokens.and(self.price.as_ref()).and_then(|price| price.of(&usage)),
        })
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_READ)]
}

fn broken(problem: &str) -> SubjectError {
    SubjectError::Broken(problem.to_owned())
}

/// The vectors in the order of the texts; the reply may list them in another.
fn vectors(reply: &Value, count: usize) -> Result<Vec<Vec<f64>>, SubjectError> {
    let data = reply["data"].as_array().ok_or_else(|| broken("the reply holds no embeddings"))?;
    let mut vectors: Vec<Vec<f64>> = vec![vec![]; count];
    for (at, item) in data.iter().enumerate() {
        let index = item["index"].as_u64().map_or(at, |index| usize::try_from(index).unwrap_or(usize::MAX));
        let numbers = item["embedding"].as_array().map(Vec::as_slice).unwrap_or_default();
        let vector: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
        let slot = vectors.get_mut(index).ok_or_else(|| broken("more embeddings than texts"))?;
        *slot = vector.ok_or_else(|| broken("an embedding is no list of numbers"))?;
    }
    Ok(vectors)
}

fn cosine(one: &[f64], other: &[f64]) -> Result<f64, SubjectError> {
    if one.is_empty() || one.len() != other.len() {
        return Err(broken("embeddings are missing or differ in length"));
    }
    let dot: f64 = one.iter().zip(other).map(|(one, other)| one * other).sum();
    let norm = |vector: &[f64]| vector.iter().map(|it| it * it).sum::<f64>().sqrt();
    let cosine = dot / (norm(one) * norm(other));
    if cosine.is_finite() { Ok(cosine) } else { Err(broken("an embedding has no direction")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_agree_with_hand_computed_values() {
        assert!((cosine(&[1.0, 0.0], &[0.0, 2.0]).unwrap()).abs() < 1e-12);
        assert!((cosine(&[3.0, 4.0], &[6.0, 8.0]).unwrap() - 1.0).abs() < 1e-12);
        assert!((cosine(&[1.0, 2.0], &[-2.0, -4.0]).unwrap() + 1.0).abs() < 1e-12);
        assert!((cosine(&[1.0, 1.0], &[1.0, 0.0]).unwrap() - 0.5_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert!(cosine(&[], &[]).is_err());
        assert!(cosine(&[1.0], &[1.0, 2.0]).is_err());
        assert!(cosine(&[0.0, 0.0], &[1.0, 2.0]).is_err());
        assert!(cosine(&[1e300, 1e300], &[1e300, 1e300]).is_err(), "overflows, so it is unknown");
        assert!(vectors(&json!({"data": [{"index": 5, "embedding": [1]}]}), 2).is_err());
        assert!(vectors(&json!({"data": [{"embedding": ["1"]}]}), 1).is_err());
        assert!(vectors(&json!({}), 1).is_err());
    }

    #[test]
    fn vectors_are_put_in_the_order_of_the_texts() {
        let reply = json!({"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]});
        assert_eq!(vectors(&reply, 2).unwrap(), [[1.0], [2.0]]);
    }
}
