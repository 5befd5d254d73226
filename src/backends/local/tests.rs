//! The local model as its callers meet it, with the shipped starter model.
//! Says nothing of how good the answers are: it holds whatever the weights are.

mod company;
mod folders;
mod sampling;
mod speculation;
mod tools;

use std::path::PathBuf;
use std::sync::OnceLock;

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::backends::{Fault, Kind, Retry};
use crate::chat::{
    Chunk, Controls, Delta, Dialect, Event, FinishReason, Message, Original, ResponseFormat, Role, Tools,
    Usage,
};

/// The starter model's folder.
pub(super) fn starter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/starter")
}

/// A request of these messages, in a body that is as long as they are.
pub(super) fn request(messages: Vec<Message>) -> ChatRequest {
    let body = messages.iter().flat_map(Message::texts).collect::<String>().into();
    ChatRequest {
        model: "local".to_owned(),
        messages,
        sampling: Sampling { n: 1, ..Sampling::default() },
        tools: Tools::default(),
        template_settings: serde_json::Map::new(),
        response_format: ResponseFormat::Text,
        cache_salt: None,
        needs: Needs::default(),
        stream: true,
        include_usage: true,
        original: Original { dialect: Dialect::OpenAiChat, body, model: 0..0, stream_options: None },
        controls: Controls::default(),
    }
}

/// What to choose by where nothing is asked.
pub(super) fn greedy() -> Choice {
    Choice {
        temperature: 0.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        logit_bias: vec![],
        logprobs: None,
        watched: 0,
        seed: None,
    }
}

pub(super) fn ask(text: &str, sampling: Sampling) -> Call {
    let mut request = request(vec![Message::text(Role::User, text)]);
    request.sampling = Sampling { n: sampling.n.max(1), ..sampling };
    Call::new(Arc::new(request), "starter", FIRST_CONTENT)
}

pub(super) fn at_most(max_tokens: u32) -> Sampling {
    Sampling { max_tokens: Some(max_tokens), ..Sampling::default() }
}

pub(super) fn config() -> LocalConfig {
    LocalConfig { threads: 1, ..LocalConfig::default() }
}

/// The starter model as it ships.
fn open(config: &LocalConfig) -> Local {
    let metrics = Arc::new(Metrics::new().unwrap());
    Local::open(&starter(), config, metrics).unwrap_or_else(|error| panic!("{error}"))
}

/// The starter model without an end token, so that only limits and stop sequences end an answer.
fn endless(config: &LocalConfig, longest: Duration, metrics: &Arc<Metrics>) -> Local {
    let file = starter().join("genai_config.json");
    let mut genai: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    genai["model"]["eos_token_id"] = serde_json::json!([]);
    let (_models, folder) = damaged("genai_config.json", Some(genai.to_string().as_bytes()));
    Local::open_with(&folder, config, longest, Arc::clone(metrics)).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn endless_alone(config: &LocalConfig) -> (Local, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    (endless(config, Duration::from_secs(120), &metrics), metrics)
}

/// One endless engine for all tests that leave it as they found it.
pub(super) fn shared() -> &'static Local {
    static LOCAL: OnceLock<Local> = OnceLock::new();
    LOCAL.get_or_init(|| endless_alone(&LocalConfig { max_streams: 16, queue: 1000, ..config() }).0)
}

/// So hot that every token is likely: the text does not depend on what the model has learnt.
pub(super) fn hot(seed: i64, max_tokens: u32) -> Sampling {
    Sampling { temperature: Some(5.0), seed: Some(seed), ..at_most(max_tokens) }
}

/// A whole answer, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Folded {
    pub(super) texts: Vec<String>,
    pub(super) ends: Vec<Option<FinishReason>>,
    pub(super) usage: Option<Usage>,
    roles: usize,
}

pub(super) async fn fold(mut chunks: ChunkStream) -> Result<Folded, BackendError> {
    let mut folded = Folded::default();
    while let Some(chunk) = chunks.next().await {
        for event in chunk?.events {
            folded.take(event);
        }
    }
    Ok(folded)
}

impl Folded {
    fn room(&mut self, index: u32) -> usize {
        let index = index as usize;
        if self.texts.len() <= index {
            self.texts.resize(index + 1, String::new());
            self.ends.resize(index + 1, None);
        }
        index
    }

    fn take(&mut self, event: Event) {
        assert!(self.usage.is_none(), "nothing comes after the usage");
        match event {
            Event::Role { index } => {
                let at = self.room(index);
                assert!(self.texts[at].is_empty(), "the role comes before the text");
                self.roles += 1;
            }
            Event::Delta { index, delta: Delta::Text(text) } => {
                let at = self.room(index);
                assert!(self.ends[at].is_none(), "no text after the end");
                assert!(!text.is_empty());
                self.texts[at].push_str(&text);
            }
            Event::Finish { index, reason } => {
                let at = self.room(index);
                assert!(self.ends[at].replace(reason).is_none(), "one end each");
            }
            Event::Usage(usage) => self.usage = Some(usage),
            other => panic!("unexpected {other:?}"),
        }
    }
}

pub(super) async fn answer(local: &Local, text: &str, sampling: Sampling) -> Folded {
    fold(local.answer(ask(text, sampling))).await.unwrap()
}

async fn refused(local: &Local, call: Call) -> BackendError {
    let mut chunks = local.answer(call);
    chunks.next().await.expect("an item").expect_err("a refusal")
}

#[tokio::test]
async fn a_greedy_answer_is_whole_and_the_same_twice() {
    let local = open(&config());
    let first = answer(&local, "What is the capital of France?", at_most(24)).await;
    let second = answer(&local, "What is the capital of France?", at_most(24)).await;
    assert_eq!(first, second);
    assert_eq!((first.roles, first.ends.len()), (1, 1));
    let usage = first.usage.unwrap();
    assert!(usage.prompt > 10 && (1..=24).contains(&usage.completion) && !usage.estimated, "{usage:?}");
}

#[tokio::test]
async fn an_end_token_ends_with_stop_and_is_counted() {
    let (_models, folder) = damaged("generation_config.json", Some(b"{\"max_new_tokens\": 4}"));
    let file = folder.join("genai_config.json");
    let mut genai: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let vocabulary = genai["model"]["vocab_size"].as_u64().unwrap();
    let mut open = |end_tokens: Vec<u64>| {
        genai["model"]["eos_token_id"] = end_tokens.into();
        std::fs::write(&file, genai.to_string()).unwrap();
        Local::open(&folder, &config(), Arc::new(Metrics::new().unwrap())).unwrap()
    };
    let free = answer(&open(vec![]), "Hi", Sampling::default()).await;
    assert_eq!(free.usage.unwrap().completion, 4, "the model's own default limits the answer");
    // Every token is an end token, so that the first one is, whatever it is.
    let folded = answer(&open((0..vocabulary).collect()), "Hi", at_most(9)).await;
    assert_eq!((folded.texts, folded.ends), (vec![String::new()], vec![Some(FinishReason::Stop)]));
    assert_eq!((folded.roles, folded.usage.unwrap().completion), (1, 1));
}

#[tokio::test]
async fn max_tokens_is_exact_and_ends_with_length() {
    for most in [1, 2, 5] {
        let folded = answer(shared(), "Tell me a story.", at_most(most)).await;
        assert_eq!(folded.ends, [Some(FinishReason::Length)]);
        assert_eq!(folded.usage.unwrap().completion, u64::from(most));
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_text_and_another_seed_another() {
    let first = answer(shared(), "Tell me a story.", hot(1, 24)).await;
    assert_eq!(first, answer(shared(), "Tell me a story.", hot(1, 24)).await);
    assert_ne!(first.texts, answer(shared(), "Tell me a story.", hot(2, 24)).await.texts);
    let greedy = answer(shared(), "Tell me a story.", at_most(24)).await;
    assert_ne!(first.texts, greedy.texts, "the default of this model is greedy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_side_by_side_equal_answers_alone() {
    let questions: Vec<(String, Sampling)> = (0..8)
        .map(|n| (format!("Question {n}: {} what now?", "word ".repeat(n * 9)), n))
        .map(|(text, n)| (text, if n % 2 == 0 { at_most(32) } else { hot(n as i64, 32) }))
        .collect();
    let mut alone = vec![];
    for (question, sampling) in &questions {
        alone.push(answer(shared(), question, sampling.clone()).await);
    }
    let together = questions.iter().map(|(question, sampling)| answer(shared(), question, sampling.clone()));
    assert_eq!(futures_util::future::join_all(together).await, alone);
}

#[tokio::test]
async fn a_long_prompt_in_chunks_and_a_growing_cache_change_nothing() {
    // 300 words pass the chunk and the smallest buffer; the answer then passes the next size.
    let text = "seven ".repeat(300);
    let first = answer(shared(), &text, at_most(150)).await;
    assert!(first.usage.unwrap().prompt > 256);
    assert_eq!(first, answer(shared(), &text, at_most(150)).await);
}

#[tokio::test]
async fn several_answers_share_the_prompt_and_count_it_once() {
    let one = answer(shared(), "Tell me a story.", hot(5, 6)).await;
    let sampling = Sampling { n: 3, ..hot(5, 6) };
    let three = answer(shared(), "Tell me a story.", sampling.clone()).await;
    assert_eq!((three.roles, three.ends.len()), (3, 3));
    assert!(three.ends.iter().all(|end| *end == Some(FinishReason::Length)));
    assert_eq!(three.texts[0], one.texts[0], "the first answer of a seed is the only answer of that seed");
    assert!(three.texts[0] != three.texts[1] && three.texts[1] != three.texts[2]);
    let usage = three.usage.unwrap();
    assert_eq!((usage.prompt, usage.completion), (one.usage.unwrap().prompt, 18));
    assert_eq!(three, answer(shared(), "Tell me a story.", sampling).await);
}

#[tokio::test]
async fn more_answers_than_slots_come_one_after_another() {
    let (local, _) = endless_alone(&LocalConfig { max_streams: 2, ..config() });
    let seven = answer(&local, "Tell me a story.", Sampling { n: 7, ..hot(5, 40) }).await;
    assert_eq!((seven.roles, seven.usage.unwrap().completion), (7, 280));
}

#[tokio::test]
async fn a_stop_sequence_ends_the_text_before_it() {
    let whole = answer(shared(), "Tell me a story.", hot(8, 40)).await.texts.concat();
    let letters: Vec<char> = whole.chars().collect();
    // From the middle of the text and longer than a token, so that it lies across borders.
    let stop: String = letters[9..29].iter().collect();
    let before = whole.find(&stop).unwrap();
    for n in [1, 2] {
        let sampling = Sampling { stop: vec!["\u{1}never".to_owned(), stop.clone()], n, ..hot(8, 40) };
        let folded = answer(shared(), "Tell me a story.", sampling).await;
        assert_eq!(folded.texts[0], whole[..before]);
        assert_eq!(folded.ends[0], Some(FinishReason::Stop));
        assert!(n == 2 || folded.usage.unwrap().completion < 40);
    }
}

#[tokio::test]
async fn c20_no_chunk_holds_a_replacement_character() {
    for seed in 0..4 {
        let text = answer(shared(), "é🦀漢字 →", hot(seed, 60)).await.texts.concat();
        assert!(!text.is_empty() && !text.contains('\u{FFFD}'), "{text:?}");
    }
}

#[tokio::test]
async fn c21_the_clock_ends_an_answer_with_length() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let local = endless(&config(), Duration::from_millis(1), &metrics);
    // The queue's limit is as short: an answer that waited too long is refused, and asked for again.
    for _ in 0..50 {
        match fold(local.answer(ask("Tell me a long story.", hot(3, 900)))).await {
            Ok(folded) => {
                assert_eq!(folded.ends, [Some(FinishReason::Length)]);
                assert!(folded.usage.unwrap().completion < 900);
                return;
            }
            Err(error) => assert_eq!(error.kind, Kind::Busy),
        }
    }
    panic!("never admitted");
}

#[tokio::test]
async fn c21_a_loop_ends_at_the_context() {
    let folded = answer(shared(), "Tell me a story.", at_most(u32::MAX)).await;
    assert_eq!(folded.ends, [Some(FinishReason::Length)]);
    assert_eq!(folded.usage.unwrap().total(), u64::from(shared().profile().context_tokens));
}

#[tokio::test]
async fn dropping_the_stream_stops_the_work() {
    let (local, metrics) = endless_alone(&config());
    let mut chunks = local.answer(ask("Tell me a long story.", hot(1, 900)));
    chunks.next().await.unwrap().unwrap();
    assert_eq!((local.load().active, metrics.local_active.get()), (1, 1));
    drop(chunks);
    eventually(|| local.load().active == 0 && metrics.local_active.get() == 0).await;
}

/// Waits for another thread's doing, ten seconds at most.
pub(super) async fn eventually(done: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never happened");
}

#[tokio::test]
async fn nothing_happens_before_the_first_poll() {
    let local = open(&config());
    let chunks = local.answer(ask("Hi", at_most(900)));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((local.load().active, local.load().queued), (0, 0));
    drop(chunks);
}

#[tokio::test]
async fn d9_a_full_queue_refuses_and_says_so() {
    let (local, metrics) = endless_alone(&LocalConfig { max_streams: 1, queue: 1, ..config() });
    // The first answer runs and stands still, since nobody reads on; the second waits.
    let mut first = local.answer(ask("Tell me a long story.", hot(1, 900)));
    first.next().await.unwrap().unwrap();
    let mut second = local.answer(ask("Tell me a long story.", hot(1, 900)));
    assert!(second.next().now_or_never().is_none());
    assert_eq!((local.load().active, local.load().queued), (1, 1));
    assert!(matches!(local.readiness(), Readiness::Busy { .. }));
    let error = refused(&local, ask("Me too.", at_most(1))).await;
    assert_eq!((error.kind, error.fault, error.retry), (Kind::Busy, Fault::Us, Retry::Elsewhere));
    assert_eq!(metrics.local_queue_depth.get(), 1);
    drop(first);
    assert!(second.next().await.unwrap().is_ok());
    assert_eq!(local.readiness(), Readiness::Ready);
}

#[tokio::test]
async fn d9_a_burst_of_long_prompts_is_refused_before_it_is_encoded() {
    let (local, _) = endless_alone(&LocalConfig { max_streams: 1, queue: 1, ..config() });
    let long = Arc::new(request(vec![Message::text(Role::User, "Hi"); 40]));
    let call = || Call::new(Arc::clone(&long), "starter", FIRST_CONTENT);
    let mut answers: Vec<ChunkStream> = (0..20).map(|_| local.answer(call())).collect();
    let at_once = answers.iter_mut().filter_map(|chunks| chunks.next().now_or_never());
    let refused: Vec<Kind> = at_once.map(|chunk| chunk.unwrap().unwrap_err().kind).collect();
    assert_eq!(refused, [Kind::Busy; 18], "there is room for one that runs and one that waits");
    assert!(answers[0].next().await.unwrap().is_ok());
}

#[tokio::test]
async fn a_caller_who_left_the_queue_takes_no_place() {
    let (local, _) = endless_alone(&LocalConfig { max_streams: 1, queue: 1, ..config() });
    let mut first = local.answer(ask("Tell me a long story.", hot(1, 900)));
    first.next().await.unwrap().unwrap();
    let mut second = local.answer(ask("Tell me a long story.", hot(1, 900)));
    assert!(second.next().now_or_never().is_none());
    assert!(matches!(local.readiness(), Readiness::Busy { .. }));
    drop(second);
    assert_eq!(local.readiness(), Readiness::Ready, "although the first still runs");
    drop(first);
    eventually(|| local.load().active == 0 && local.load().queued == 0).await;
    assert_eq!(answer(&local, "Hi", at_most(1)).await.roles, 1);
}

#[tokio::test]
async fn a_slow_reader_does_not_hold_up_the_others() {
    let (local, _) = endless_alone(&config());
    let mut slow = local.answer(ask("Tell me a long story.", hot(1, 900)));
    slow.next().await.unwrap().unwrap();
    for _ in 0..3 {
        answer(&local, "Tell me a story.", at_most(60)).await;
    }
    assert_eq!(local.load().active, 1, "the slow one is still there");
    let rest = fold(slow).await.unwrap();
    assert_eq!(rest.usage.unwrap().completion, 900, "and nothing of it was lost");
}

#[tokio::test]
async fn e7_a_prompt_past_the_context_is_the_callers_fault_and_may_go_elsewhere() {
    for text in ["7 ".repeat(2000), "a".repeat(1 << 20)] {
        let error = refused(shared(), ask(&text, at_most(1))).await;
        assert_eq!(
            (error.kind, error.fault, error.retry),
            (Kind::ContextLengthExceeded, Fault::Caller, Retry::Elsewhere)
        );
        assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
        assert_eq!(error.param.as_deref(), Some("messages"));
        let expected =
            format!("This model's maximum context length is {} tokens.", shared().profile().context_tokens);
        assert!(error.message.starts_with(&expected), "{}", error.message);
    }
}

#[tokio::test]
async fn needs_it_does_not_meet_are_refused() {
    let mut needy = request(vec![Message::text(Role::User, "Hi")]);
    needy.needs.tools = true;
    let error = refused(shared(), Call::new(Arc::new(needy), "starter", FIRST_CONTENT)).await;
    assert_eq!((error.kind, error.param.as_deref()), (Kind::Unsupported, Some("tools")));
}

/// A ticket that the prompt side would never make: it holds a token that the model does not know.
fn broken_ticket(local: &Local) -> Reply {
    let (steps, receiver) = mpsc::channel(AHEAD + 1);
    let enough: Arc<[AtomicBool]> = [AtomicBool::new(false)].into();
    let vocabulary = Arc::clone(&local.desk.vocabulary);
    let reply = Reply::new(local.desk.id.clone(), vocabulary, receiver, Arc::clone(&enough), &[]);
    let ticket = Ticket {
        job: Job {
            prompt: vec![5, u32::MAX, 5].into(),
            choice: local.desk.choice(&Sampling::default()),
            max_tokens: 4,
            answers: 1,
            grammar: None,
            owner: None,
            scope: None,
        },
        ends: queue::reserve_ends(&steps, 1).unwrap(),
        steps,
        enough,
        waits_until: Instant::now() + Duration::from_secs(60),
        group: None,
    };
    local.desk.queue.push(ticket).unwrap();
    reply
}

#[tokio::test]
async fn d21_a_failing_graph_ends_one_request_and_the_engine_lives_on() {
    let local = open(&config());
    let error = fold(Box::pin(broken_ticket(&local))).await.unwrap_err();
    assert_eq!((error.kind, error.fault, error.retry), (Kind::Internal, Fault::Us, Retry::Elsewhere));
    assert_eq!(local.readiness(), Readiness::Ready);
    assert_eq!(answer(&local, "Hi", at_most(3)).await.roles, 1);
}

#[tokio::test]
async fn a_dropped_engine_ends_answers_with_an_error() {
    let (local, _) = endless_alone(&config());
    let mut chunks = local.answer(ask("Tell me a long story.", hot(1, 900)));
    chunks.next().await.unwrap().unwrap();
    drop(local);
    let rest: Vec<Result<Chunk, BackendError>> = chunks.collect().await;
    assert_eq!(rest.last().unwrap().as_ref().unwrap_err().kind, Kind::Down);
}

#[tokio::test]
async fn the_profile_says_what_it_is() {
    let profile = shared().profile();
    assert!(profile.within_boundary && profile.boundary().is_some());
    assert_eq!((profile.id.as_str(), profile.model.as_str()), ("local", "starter"));
    let can = Needs { logprobs: true, structured: true, other_sampling: true, ..Needs::default() };
    assert_eq!((profile.can, profile.max_retries), (can, 0));
}

/// A copy of the starter model with one file changed.
fn damaged(file: &str, content: Option<&[u8]>) -> (tempfile::TempDir, PathBuf) {
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().join("starter");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(starter()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    match content {
        Some(content) => std::fs::write(folder.join(file), content).unwrap(),
        None => std::fs::remove_file(folder.join(file)).unwrap(),
    }
    (models, folder)
}
