//! Texts to ask with. The longer ones are made of the golden sets' own questions, so that the tokenizer meets real words.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::machine;

/// One sentence that goes out under the policy in charge: no label to choose, nothing to extract, nothing personal.
pub(crate) fn short() -> String {
    "Explain in one sentence why the sky is blue at noon and red at dusk, and say it so that a child understands it."
        .to_owned()
}

/// So many bytes of plain English.
pub(crate) fn long(bytes: usize) -> String {
    let line = "The committee met again in spring and went through the harbour plans page by page, asked who would \
                keep the lamps lit in winter, and put the answer off until the tide tables were printed. ";
    let mut text = line.repeat(bytes / line.len() + 1);
    text.truncate(bytes);
    text + "\n\nExplain what the committee wants."
}

/// A request's body.
pub(crate) fn body(model: &str, text: &str, stream: bool) -> String {
    json!({
        "model": model,
        "messages": [
            { "role": "system", "content": "You are a helpful assistant." },
            { "role": "user", "content": text },
        ],
        "temperature": 0.2,
        "max_tokens": 64,
        "stream": stream,
    })
    .to_string()
}

/// Every question of the golden sets.
pub(crate) fn golden() -> anyhow::Result<Vec<String>> {
    let mut questions = vec![];
    for suite in ["classification", "extraction", "short_answers"] {
        let file = machine::path(&format!("evals/golden/{suite}/suite.jsonl"));
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let row: Value = serde_json::from_str(line)?;
            let question = row["messages"].as_array().and_then(|all| all.last()?["content"].as_str());
            questions.push(question.context("a row without question")?.to_owned());
        }
    }
    Ok(questions)
}
