//! Sampling and structured output through the whole engine: what a request's fields do to real answers.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::backends::local::constraint::tests::{is_valid, schemas};
use crate::chat::TokenLogprob;

const QUESTION: &str = "Name three colours.";

/// Asks for this model by name, so that token ids are its own.
fn call(sampling: Sampling, response_format: ResponseFormat) -> Call {
    let mut request = request(vec![Message::text(Role::User, QUESTION)]);
    request.sampling = Sampling { n: sampling.n.max(1), ..sampling };
    request.response_format = response_format;
    Call::new(Arc::new(request), "starter", FIRST_CONTENT)
}

fn strict(schema: Value) -> ResponseFormat {
    ResponseFormat::JsonSchema { schema: Arc::new(schema), strict: true }
}

#[tokio::test]
async fn e9_a_schema_waits_for_its_turn_to_be_compiled_while_others_are_answered() {
    let local = open(&config());
    let mut places = vec![];
    while let Some(place) = local.desk.grammars.place().now_or_never() {
        places.push(place.expect("nobody closes it"));
    }
    let schema = |word: &str| call(at_most(2), strict(json!({ "const": word })));
    let [mut leaves, mut stays] = ["leaves", "stays"].map(|word| local.answer(schema(word)));
    for waits in [&mut leaves, &mut stays] {
        let early = tokio::time::timeout(Duration::from_millis(50), waits.next()).await;
        assert!(early.is_err(), "its schema is not compiled yet");
    }
    assert_eq!(answer(&local, "Hi", at_most(1)).await.roles, 1);
    drop(leaves);
    drop(places);
    assert_eq!(fold(stays).await.unwrap().roles, 1);
    assert!(local.desk.grammars.place().now_or_never().is_some(), "every place is given back");
}

/// The text and what is told of its tokens, of the only answer.
async fn told(sampling: Sampling) -> (String, Vec<TokenLogprob>) {
    let mut chunks = shared().answer(call(sampling, ResponseFormat::Text));
    let (mut text, mut tokens) = (String::new(), vec![]);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        for event in &chunk.events {
            if let Event::Delta { delta: Delta::Text(piece), .. } = event {
                text.push_str(piece);
            }
        }
        tokens.extend(chunk.logprobs);
    }
    (text, tokens)
}

fn text_of(tokens: &[TokenLogprob]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.bytes.clone()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The id of the token with this text.
fn id_of(local: &Local, text: &str) -> u32 {
    let vocabulary = &local.desk.vocabulary;
    (0..vocabulary.len() as u32).find(|id| vocabulary.bytes(*id) == text.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_fit_their_schemas_however_hot_and_crowded() {
    let local = open(&LocalConfig { max_streams: 16, queue: 1000, ..config() });
    let all = schemas();
    let answers = all
        .iter()
        .zip(0..)
        .map(|(schema, seed)| fold(local.answer(call(hot(seed, 120), strict(schema.clone())))));
    let mut whole = 0;
    for (schema, answer) in all.iter().zip(join_all(answers).await) {
        let answer = answer.unwrap();
        if answer.ends == [Some(FinishReason::Stop)] {
            assert!(is_valid(schema, &answer.texts[0]), "{:?} for {schema}", answer.texts);
            whole += 1;
        }
    }
    assert!(whole >= 30, "only {whole} of {} answers ended", all.len());
}

#[tokio::test]
async fn a_seeded_answer_under_a_schema_is_the_same_alone_and_in_company() {
    let ask = |seed| fold(shared().answer(call(hot(seed, 60), strict(schemas()[2].clone()))));
    let alone = ask(3).await.unwrap();
    let company = join_all((0..6).map(ask)).await;
    assert_eq!(company[3].as_ref().unwrap(), &alone);
    assert!(company.iter().any(|other| other.as_ref().unwrap().texts != alone.texts));
    assert_eq!(alone.ends, [Some(FinishReason::Stop)], "the grammar ends it: this model has no end token");
}

#[tokio::test]
async fn json_without_a_schema_is_an_object_and_a_limit_cuts_it() {
    let cut = fold(shared().answer(call(hot(1, 3), ResponseFormat::JsonObject))).await.unwrap();
    assert_eq!(cut.ends, [Some(FinishReason::Length)]);
    assert!(cut.texts[0].starts_with('{'), "{cut:?}");
    let several = Sampling { n: 3, ..hot(1, 60) };
    let three =
        fold(shared().answer(call(several, strict(json!({ "enum": ["a", "b", "c"] }))))).await.unwrap();
    assert!(three.texts.iter().all(|text| ["\"a\"", "\"b\"", "\"c\""].contains(&text.as_str())), "{three:?}");
}

#[tokio::test]
async fn schemas_that_cannot_be_used_are_the_callers_fault() {
    for (schema, retry) in [
        (json!({ "type": "strin" }), Retry::Never),
        (json!({ "$ref": "http://127.0.0.1:1/x" }), Retry::Never),
        (json!({ "type": "array", "uniqueItems": true }), Retry::Elsewhere),
    ] {
        let error = refused(shared(), call(Sampling::default(), strict(schema))).await;
        assert_eq!((error.kind, error.fault, error.retry), (Kind::Unsupported, Fault::Caller, retry));
        assert_eq!(error.param.as_deref(), Some("response_format"));
    }
    assert_eq!(answer(shared(), "still alive", at_most(2)).await.usage.unwrap().completion, 2);
}

#[tokio::test]
async fn log_probabilities_are_of_the_text_that_is_shown() {
    let greedy = Sampling { temperature: Some(0.0), logprobs: Some(3), ..at_most(16) };
    let (text, tokens) = told(greedy.clone()).await;
    assert_eq!(text_of(&tokens), text);
    assert!(tokens.len() > 3);
    // This model has no end token and may go on with a special one, which makes no text.
    for token in tokens.iter().filter(|token| !token.bytes.is_empty()) {
        assert!(token.logprob <= 0.0 && token.top.len() == 3);
        assert_eq!(token.top[0], (token.bytes.clone(), token.logprob), "greedy takes the likeliest");
        assert!(token.top.is_sorted_by(|a, b| a.1 >= b.1));
    }
    // Temperature and biases bend what is chosen, not what is told: the first token's alternatives stay the same.
    let bias = (id_of(shared(), "the"), 100.0);
    let bent = Sampling { temperature: Some(2.0), logit_bias: vec![bias], seed: Some(1), ..greedy.clone() };
    let (_, others) = told(bent).await;
    assert_eq!(others[0].top, tokens[0].top);
    assert_eq!(
        (&others[0].bytes[..], others[0].top.iter().any(|(name, _)| name == b"the")),
        (&b"the"[..], false)
    );
    // A stop sequence takes its tokens with it.
    let middle: String = text.chars().skip(text.chars().count() / 2).take(3).collect();
    let (shown, tokens) = told(Sampling { stop: vec![middle.clone()], ..greedy.clone() }).await;
    assert!(!shown.contains(&middle) && text_of(&tokens).starts_with(&shown), "{tokens:?}");
    assert!(text_of(&tokens[..tokens.len().saturating_sub(1)]).len() < shown.len().max(1));
    let (_, none) = told(Sampling { logprobs: None, ..greedy }).await;
    assert_eq!(none, []);
}

#[tokio::test]
async fn biases_force_and_ban_and_need_tokens_of_this_model() {
    let (to, ban) = (id_of(shared(), "a"), Sampling { temperature: Some(0.0), ..at_most(4) });
    let forced = Sampling { logit_bias: vec![(to, 100.0)], temperature: Some(1.0), ..at_most(5) };
    assert_eq!(told(forced.clone()).await.0, "aaaaa");
    let (free, tokens) = told(Sampling { logprobs: Some(0), ..ban.clone() }).await;
    let first = id_of(shared(), std::str::from_utf8(&tokens[0].bytes).unwrap());
    assert_ne!(told(Sampling { logit_bias: vec![(first, -100.0)], ..ban }).await.0, free);
    let past = Sampling { logit_bias: vec![(shared().desk.vocabulary.len() as u32, 1.0)], ..at_most(1) };
    let error = refused(shared(), call(past, ResponseFormat::Text)).await;
    assert_eq!((error.kind, error.param.as_deref()), (Kind::Unsupported, Some("logit_bias")));
    // Whoever asks for any model means the ids of another one.
    let anybody = Call { named: false, ..call(forced, ResponseFormat::Text) };
    let error = refused(shared(), anybody).await;
    assert_eq!((error.retry, error.param.as_deref()), (Retry::Elsewhere, Some("logit_bias")));
}

#[tokio::test]
async fn several_answers_of_a_greedy_model_are_drawn_unless_a_temperature_is_given() {
    let several = Sampling { n: 4, seed: Some(1), ..at_most(60) };
    let drawn = answer(shared(), QUESTION, several.clone()).await.texts;
    assert!(drawn.iter().any(|text| *text != drawn[0]), "{drawn:?}");
    let greedy =
        answer(shared(), QUESTION, Sampling { temperature: Some(0.0), ..several.clone() }).await.texts;
    let one = answer(shared(), QUESTION, Sampling { n: 1, ..several }).await.texts;
    assert_eq!((greedy.len(), one.len()), (4, 1));
    assert!(greedy.iter().all(|text| *text == one[0]), "{greedy:?} {one:?}");
}

#[tokio::test]
async fn what_the_folder_declares_holds_where_the_caller_asks_for_nothing() {
    let declared = r#"{"do_sample": true, "repetition_penalty": 1.1, "min_p": 0.05, "max_new_tokens": 4}"#;
    let (_models, folder) = damaged("generation_config.json", Some(declared.as_bytes()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let local = Local::open(&folder, &config(), metrics).unwrap_or_else(|error| panic!("{error}"));
    let penalty_and_share = |sampling: &Sampling| {
        let choice = local.desk.choice(sampling);
        (choice.repetition_penalty, choice.min_p)
    };
    assert_eq!(penalty_and_share(&Sampling::default()), (1.1, 0.05));
    let own = Sampling { repetition_penalty: Some(1.0), min_p: Some(0.0), ..Sampling::default() };
    assert_eq!(penalty_and_share(&own), (1.0, 0.0));
}

#[tokio::test]
async fn a_prompt_that_opens_the_thoughts_is_answered_with_thoughts_unless_a_grammar_forbids_them() {
    let words = "{% for message in messages %}{{ message['content'] }}{% endfor %}";
    let template = format!("{words}{{# up to </think> #}}{{{{ '<think>\\n' }}}}");
    let (_models, folder) = damaged("chat_template.jinja", Some(template.as_bytes()));
    // Without an end token there is something to be read.
    let file = folder.join("genai_config.json");
    let mut genai: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    genai["model"]["eos_token_id"] = json!([]);
    std::fs::write(&file, genai.to_string()).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let local = Local::open(&folder, &config(), metrics).unwrap_or_else(|error| panic!("{error}"));
    for (format, thinks) in [(ResponseFormat::Text, true), (ResponseFormat::JsonObject, false)] {
        let (mut thoughts, mut text, mut usage) = (String::new(), String::new(), Usage::default());
        let mut chunks = local.answer(call(hot(1, 8), format));
        while let Some(chunk) = chunks.next().await {
            for event in chunk.unwrap().events {
                match event {
                    Event::Delta { delta: Delta::Reasoning(piece), .. } => thoughts.push_str(&piece),
                    Event::Delta { delta: Delta::Text(piece), .. } => text.push_str(&piece),
                    Event::Usage(told) => usage = told,
                    _ => {}
                }
            }
        }
        assert_eq!((text.is_empty(), thoughts.is_empty()), (thinks, !thinks), "{text:?} {thoughts:?}");
        assert_eq!(usage.reasoning > 0, thinks);
    }
}

#[tokio::test]
async fn penalties_reach_the_engine() {
    // Of three tokens above all others each comes once: the penalty leaves a hundredth of what is above zero.
    let above = [("q", 100.0), ("x", 80.0), ("z", 60.0)].map(|(name, bias)| (id_of(shared(), name), bias));
    let free = Sampling { temperature: Some(0.0), logit_bias: above.to_vec(), ..at_most(3) };
    assert_eq!(told(free.clone()).await.0, "qqq");
    assert_eq!(told(Sampling { repetition_penalty: Some(100.0), ..free.clone() }).await.0, "qxz");
    // So does one that takes all of the distance away at the first time, or 2 of its 20 at each time.
    assert_eq!(told(Sampling { presence_penalty: 100.0, ..free.clone() }).await.0, "qxz");
    let long = Sampling { max_tokens: Some(40), ..free };
    assert_eq!(told(long.clone()).await.0, "q".repeat(40));
    let turns = told(Sampling { frequency_penalty: 2.0, ..long.clone() }).await.0;
    assert!(turns.starts_with("qq") && turns.contains('x'), "{turns}");
    // A penalty that does not count the times leaves the distance too large.
    assert_eq!(told(Sampling { presence_penalty: 2.0, ..long }).await.0, "q".repeat(40));
}
