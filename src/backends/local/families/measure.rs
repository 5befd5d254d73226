//! Runs one family through the engine in every form and compares tokens with the references.

use std::sync::Arc;

use futures_util::future::join_all;
use tokenizers::Tokenizer;

use super::{CONTEXT, FORMS, Family, Form, Prompt, assemble, fixtures, prompts, reference};
use crate::backends::local::Local;
use crate::backends::local::tests::{fold, request};
use crate::backends::{Backend, Call};
use crate::chat::{Message, Role, Sampling};
use crate::config::LocalConfig;
use crate::metrics::Metrics;

/// Tokens of each answer.
pub(super) const TOKENS: u32 = 64;

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

async fn check(family: &Family, form: Form, expected: &[Vec<u32>]) -> Result<(), String> {
    let home = assemble(family.folder, form);
    let config = LocalConfig { threads: 1, max_streams: 4, ..LocalConfig::default() };
    let metrics = Arc::new(Metrics::new().unwrap());
    let local =
        Local::open(&home.path().join(family.folder), &config, metrics).map_err(|error| error.to_string())?;
    let context = local.profile().context_tokens;
    if context != family.capped.unwrap_or(CONTEXT) {
        return Err(format!("the context is {context}"));
    }
    let tokenizer = Tokenizer::from_file(fixtures().join("tokenizer/tokenizer.json")).unwrap();
    let asked: Vec<(Prompt, String)> = prompts()
        .into_iter()
        .zip(expected)
        .map(|(prompt, ids)| (prompt, tokenizer.decode(ids, true).unwrap()))
        .collect();
    for (prompt, expected) in &asked {
        answer(&local, prompt, expected, "alone", false).await?;
    }
    // Twice as many as there are slots, so that requests join while others are in the middle of their answers.
    let twice = asked.iter().chain(asked.iter().rev());
    let together = twice.map(|(prompt, expected)| answer(&local, prompt, expected, "together", false));
    join_all(together).await.into_iter().collect::<Result<(), String>>()?;
    for round in ["first of its scope", "with a cached prefix"] {
        for (prompt, expected) in &asked {
            answer(&local, prompt, expected, round, true).await?;
        }
    }
    Ok(())
}

/// Asks and compares; with `scoped`, under a key, so that prefixes may be shared.
async fn answer(
    local: &Local,
    prompt: &Prompt,
    expected: &str,
    how: &str,
    scoped: bool,
) -> Result<(), String> {
    let mut request = request(vec![Message::text(Role::User, &prompt.text)]);
    request.sampling =
        Sampling { n: 1, max_tokens: Some(TOKENS), temperature: Some(0.0), ..Sampling::default() };
    request.controls.key = scoped.then(|| "tester".into());
    let call = Call { request: Arc::new(request), model: "local".to_owned() };
    let folded = fold(local.answer(call)).await.map_err(|error| format!("{how}: {}", error.message))?;
    let usage = folded.usage.ok_or("no usage")?;
    let tokens = prompt.ids.len();
    if usage.prompt != tokens as u64 {
        return Err(format!("a prompt of {tokens} tokens became {}", usage.prompt));
    }
    if folded.texts[0] != expected || usage.completion != u64::from(TOKENS) {
        let same = folded.texts[0].bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
        return Err(format!("{how}: differs after {same} bytes, with a prompt of {tokens} tokens"));
    }
    Ok(())
}
