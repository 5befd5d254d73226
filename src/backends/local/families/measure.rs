//! Runs one family through the engine in every form and compares tokens with the references.

use std::sync::Arc;

use futures_util::future::join_all;
use tokenizers::Tokenizer;

use super::{FORMS, Family, Form, Prompt, assemble, fixtures, prompts, reference};
use crate::backends::local::Local;
use crate::backends::local::tests::{fold, request};
use crate::backends::{Backend, Call};
use crate::chat::{Message, Role, Sampling};
use crate::config::LocalConfig;
use crate::metrics::Metrics;

/// Fewest tokens of each answer.
pub(super) const TOKENS: usize = 64;

/// What came of one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All tokens are the reference's, every time.
    Equal,
    /// There is no such fixture.
    Absent,
    /// It is refused or differs; why.
    Fails(String),
}

/// Every form of one family.
pub(super) async fn measure(family: &Family) -> Vec<Outcome> {
    let mut outcomes = vec![];
    for form in FORMS {
        outcomes.push(match (form.is_there(family.folder), reference(family.folder, form)) {
            (true, Some(expected)) => match check(family, form, &expected).await {
                Ok(()) => Outcome::Equal,
                Err(why) => Outcome::Fails(why),
            },
            _ => Outcome::Absent,
        });
    }
    outcomes
}

pub(super) async fn check(family: &Family, form: Form, expected: &[Vec<u32>]) -> Result<(), String> {
    let home = assemble(family.folder, form);
    let config = LocalConfig { threads: 1, max_streams: 4, ..LocalConfig::default() };
    let metrics = Arc::new(Metrics::new().unwrap());
    let local =
        Local::open(&home.path().join(family.folder), &config, metrics).map_err(|error| error.to_string())?;
    let context = local.profile().context_tokens;
    if context != family.context(form) {
        return Err(format!("the context is {context}"));
    }
    let tokenizer = Tokenizer::from_file(fixtures().join("tokenizer/tokenizer.json")).unwrap();
    let asked: Vec<Question> = prompts()
        .into_iter()
        .zip(expected)
        .map(|(prompt, ids)| Question::new(prompt, ids, context, &tokenizer))
        .collect();
    for question in &asked {
        answer(&local, question, "alone", false).await?;
    }
    // More than there are slots, so that requests join while others are in the middle of their answers.
    let more = asked.iter().rev().chain(&asked[..2]);
    join_all(more.map(|question| answer(&local, question, "together", false)))
        .await
        .into_iter()
        .collect::<Result<Vec<_>, String>>()?;
    let longest = asked.last().ok_or("nothing to ask")?;
    let cached = answer(&local, longest, "first of its scope", true).await?;
    let again = answer(&local, longest, "with a cached prefix", true).await?;
    if cached != 0 || again == 0 {
        return Err(format!("{cached} and {again} tokens came from the cache"));
    }
    Ok(())
}

/// A prompt and the text that must follow.
struct Question {
    prompt: Prompt,
    tokens: usize,
    expected: String,
}

impl Question {
    /// As many of the reference's tokens as the context has room for.
    fn new(prompt: Prompt, ids: &[u32], context: u32, tokenizer: &Tokenizer) -> Self {
        let tokens = ids.len().min(context as usize - prompt.ids.len());
        assert!(tokens >= TOKENS, "the reference is too short");
        Self { prompt, tokens, expected: tokenizer.decode(&ids[..tokens], true).unwrap() }
    }
}

/// Asks and compares, under a key where prefixes may be shared; gives how many tokens came from the cache.
async fn answer(local: &Local, question: &Question, how: &str, scoped: bool) -> Result<u64, String> {
    let Question { prompt, tokens, expected } = question;
    let mut request = request(vec![Message::text(Role::User, &prompt.text)]);
    let most = u32::try_from(*tokens).ok();
    request.sampling = Sampling { n: 1, max_tokens: most, temperature: Some(0.0), ..Sampling::default() };
    request.controls.key = scoped.then(|| "tester".into());
    let call = Call::new(Arc::new(request), "local", local.profile().whole_timeout);
    let folded = fold(local.answer(call)).await.map_err(|error| format!("{how}: {}", error.message))?;
    let usage = folded.usage.ok_or("no usage")?;
    let length = prompt.ids.len();
    if usage.prompt != length as u64 {
        return Err(format!("a prompt of {length} tokens became {}", usage.prompt));
    }
    if folded.texts[0] != *expected || usage.completion != *tokens as u64 {
        let same = folded.texts[0].bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
        return Err(format!("{how}: differs after {same} bytes, with a prompt of {length} tokens"));
    }
    Ok(usage.cached_prompt)
}
