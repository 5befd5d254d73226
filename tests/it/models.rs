//! Models out of a hub: pulled whole or not at all, pinned, checked, resumed; the token stays with the hub.

use std::path::PathBuf;
use std::time::Duration;

use crate::support::gateway::chat;
use crate::support::model_hub::{COMMIT, Fault, Held, ModelHub, REPOSITORY, Served, weights};
use crate::support::process::{Ended, Setup};
use crate::support::small_model::copies;

pub(super) const NOBODY: &str = "http://nobody.invalid/v1";
pub(super) const LEN: usize = 300_000;

pub(super) fn setup(hub: &ModelHub) -> Setup {
    Setup::remote_only(NOBODY, "").env("HF_ENDPOINT", &hub.endpoint())
}

pub(super) fn place(setup: &Setup) -> PathBuf {
    setup.state().join("models/tiny")
}

pub(super) fn part(setup: &Setup) -> PathBuf {
    setup.state().join("models/.tiny.part/onnx/model_q4.onnx.crossover-part")
}

pub(super) async fn pull(setup: &Setup) -> Ended {
    setup.run(&["models", "pull", REPOSITORY]).await
}

#[track_caller]
pub(super) fn assert_done(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[track_caller]
pub(super) fn assert_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let messages = ended.stderr.matches("error:").count() + ended.stderr.matches("problem(s):").count();
    assert!(messages >= 1, "no message: {}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is missing in\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("canary"), "no secret: {}", ended.stderr);
}

#[track_caller]
pub(super) fn assert_whole(setup: &Setup) {
    assert_eq!(std::fs::read(place(setup).join("onnx/model_q4.onnx")).unwrap(), weights(LEN));
    assert!(!setup.state().join("models/.tiny.part").exists(), "nothing is left over");
}

#[tokio::test]
async fn a_pull_is_pinned_recorded_and_not_repeated() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    let ended = pull(&setup).await;
    assert_done(&ended);
    assert!(
        ended.stdout.contains("model = \"tiny\"") && ended.stdout.contains("apache-2.0"),
        "{}",
        ended.stdout
    );
    assert_whole(&setup);
    let here = |file: &str| place(&setup).join(file).exists();
    assert!(here("config.json") && here("tokenizer.json"), "what belongs to any model comes along");
    assert!(!here("onnx/model.onnx") && !here("README.md"), "what nobody asked for does not");
    let record: toml::Table =
        std::fs::read_to_string(place(&setup).join("crossover-model.toml")).unwrap().parse().unwrap();
    assert_eq!((record["commit"].as_str(), record["revision"].as_str()), (Some(COMMIT), Some("main")));
    let resolved = format!("/{REPOSITORY}/resolve/{COMMIT}/");
    let asked = hub.asked();
    let files = asked.iter().filter(|asked| !asked.content && !asked.path.starts_with("/api/"));
    files.for_each(|asked| assert!(asked.path.starts_with(&resolved), "by commit: {}", asked.path));

    let ended = pull(&setup).await;
    assert_done(&ended);
    assert!(ended.stdout.contains("already"), "{}", ended.stdout);
    assert_eq!(hub.asked().len(), asked.len() + 1, "only the revision is asked for again");
    let list = setup.run(&["models", "list"]).await;
    assert_done(&list);
    let line = list.stdout.lines().find(|line| line.starts_with("tiny ")).unwrap();
    assert!(line.contains("pulled") && line.contains("verified") && line.contains("apache-2.0"), "{line}");
    assert!(list.stdout.contains("qwen2.5-0.5b") && list.stdout.contains("starter"), "{}", list.stdout);
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_nowhere_else() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub).env("HF_TOKEN", "hf_canary");
    assert_done(&pull(&setup).await);
    let (content, own): (Vec<_>, Vec<_>) = hub.asked().into_iter().partition(|asked| asked.content);
    assert!(!content.is_empty() && own.len() >= 3);
    for asked in &own {
        assert_eq!(asked.headers["authorization"], "Bearer hf_canary", "{}", asked.path);
    }
    for asked in &content {
        let leaked = asked.headers.iter().any(|(_, value)| value.to_str().unwrap_or("").contains("canary"));
        assert!(!leaked, "{asked:?}");
    }
    let plain =
        Setup::remote_only(NOBODY, "").env("HF_ENDPOINT", "http://hub.invalid").env("HF_TOKEN", "hf_canary");
    assert_refused(&pull(&plain).await, &["HF_ENDPOINT", "HTTP", "HF_TOKEN"]);
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_was() {
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Cut(100_000), Fault::Cut(50_000)])).await;
    let setup = setup(&hub);
    assert_done(&pull(&setup).await);
    assert_eq!(hub.ranges(), ["", "bytes=100000-", "bytes=150000-"]);
    assert_whole(&setup);
}

#[tokio::test]
async fn a_server_that_ignores_the_offset_starts_the_file_over() {
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Cut(100_000), Fault::Whole])).await;
    let setup = setup(&hub);
    assert_done(&pull(&setup).await);
    assert_eq!(hub.ranges().len(), 2);
    assert_whole(&setup);
}

#[tokio::test]
async fn ctrl_c_keeps_what_has_arrived_and_a_second_pull_waits_for_nobody() {
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Stall(120_000)])).await;
    let setup = setup(&hub);
    let mut child = setup.command(&["models", "pull", REPOSITORY]).spawn().unwrap();
    while std::fs::metadata(part(&setup)).map_or(0, |data| data.len()) < 120_000 {
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_refused(&pull(&setup).await, &["another process", "tiny"]);
    let removed = setup.run(&["models", "rm", "tiny", "--yes"]).await;
    assert_refused(&removed, &["another process", "tiny"]);
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(130));
    assert!(String::from_utf8(ended.stderr).unwrap().contains("run the same command again"));
    assert!(!place(&setup).exists(), "half a model is none");
    let ended = pull(&setup).await;
    assert_done(&ended);
    assert!(ended.stderr.contains("here already"), "{}", ended.stderr);
    assert_eq!(hub.ranges(), ["", "bytes=120000-"]);
    assert_whole(&setup);
}

#[tokio::test]
async fn what_arrives_corrupt_is_fetched_again_once_and_never_kept() {
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Corrupt])).await;
    let first = setup(&hub);
    assert_done(&pull(&first).await);
    assert_eq!(hub.ranges(), ["", ""]);
    assert_whole(&first);

    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Corrupt, Fault::Corrupt])).await;
    let second = setup(&hub);
    assert_refused(&pull(&second).await, &["onnx/model_q4.onnx", "digest"]);
    assert!(!place(&second).exists() && !part(&second).exists());
    assert_done(&pull(&second).await);
    assert_whole(&second);
}

#[tokio::test]
async fn a_part_that_was_spoilt_on_disk_is_found_out() {
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Status(403, None)])).await;
    let setup = setup(&hub);
    assert_eq!(pull(&setup).await.status.code(), Some(1));
    std::fs::write(part(&setup), vec![7; 1000]).unwrap();
    assert_done(&pull(&setup).await);
    assert_eq!(hub.ranges()[1..], ["bytes=1000-", ""], "resumed, found wrong, fetched whole");
    assert_whole(&setup);
}

#[tokio::test]
async fn a_refusal_says_what_mends_it() {
    let cases: [(u16, &str, &[&str]); 6] = [
        (401, "GatedRepo", &["gated", "licence", REPOSITORY, "HF_TOKEN"]),
        (403, "GatedRepo", &["gated", "licence", REPOSITORY, "HF_TOKEN"]),
        (401, "RepoNotFound", &[REPOSITORY, "does not exist", "HF_TOKEN"]),
        (404, "RepoNotFound", &[REPOSITORY, "does not exist"]),
        (404, "RevisionNotFound", &["revision", REPOSITORY]),
        (418, "", &["418", "/api/models/"]),
    ];
    for (status, code, words) in cases {
        let hub = ModelHub::start(Served::tiny(LEN).refusing(status, code)).await;
        let setup = setup(&hub);
        assert_refused(&pull(&setup).await, words);
        assert_eq!(hub.asked().len(), 1, "{status} {code}: not tried again");
    }
    let hub = ModelHub::start(Served::tiny(LEN).refusing(401, "")).await;
    let setup = setup(&hub).env("HF_TOKEN", "hf_canary");
    assert_refused(&pull(&setup).await, &["HF_TOKEN", "does not accept"]);
    let unknown = setup.run(&["models", "pull", "qwen9"]).await;
    assert_refused(&unknown, &["qwen9", "catalogue", "qwen2.5-0.5b", "organisation/repository"]);
    let ships = setup.run(&["models", "pull", REPOSITORY, "--name", "starter"]).await;
    assert_refused(&ships, &["starter", "--name"]);
}

#[tokio::test]
async fn a_hub_that_asks_to_wait_is_waited_for_within_reason() {
    let hub =
        ModelHub::start(Served::tiny(LEN).with(&[Fault::Status(429, Some(1)), Fault::Status(503, None)]))
            .await;
    let patient = setup(&hub);
    let ended = pull(&patient).await;
    assert_done(&ended);
    assert!(
        ended.stderr.contains("429") && ended.stderr.contains("trying again in 1.0 s"),
        "{}",
        ended.stderr
    );
    assert_whole(&patient);
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Status(429, Some(86_400))])).await;
    let ended = pull(&setup(&hub)).await;
    assert_refused(&ended, &["429", "86400 s", "run the same command again"]);
}

#[tokio::test]
async fn offline_nothing_is_asked_for() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let online = setup(&hub);
    let offline = ["models", "pull", REPOSITORY];
    let run = || async {
        let mut command = online.command(&offline);
        command.env("HF_HUB_OFFLINE", "1");
        let output = command.output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = run().await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("HF_HUB_OFFLINE") && stderr.contains("tiny"), "{stderr}");
    assert!(hub.asked().is_empty());
    assert_done(&pull(&online).await);
    let asked = hub.asked().len();
    assert_eq!(run().await.0, Some(0), "what is here whole needs no hub");
    std::fs::write(place(&online).join("config.json"), "{}").unwrap();
    assert_eq!(run().await.0, Some(1), "what is not whole is not said to be");
    assert_eq!(hub.asked().len(), asked);
}

#[tokio::test]
async fn the_room_is_measured_before_anything_is_fetched() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    hub.change(|served| served.files[4].told = Some(1 << 60));
    let setup = setup(&hub);
    assert_refused(&pull(&setup).await, &["bytes are needed", "are free", "--state"]);
    assert!(hub.asked().iter().all(|asked| asked.path.starts_with("/api/")));
}

#[tokio::test]
async fn a_disk_that_takes_no_more_keeps_what_it_has() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    // A limit on the size of files stands for a full disk: writes fail in the same place. Blocks are 512 or 1,024 bytes.
    let limited = setup.command(&["models", "pull", REPOSITORY]);
    let limited = limited.as_std();
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", "ulimit -f 200; trap '' XFSZ; exec \"$0\" \"$@\""]).arg(limited.get_program());
    shell.args(limited.get_args()).env_clear();
    shell.envs(limited.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("crossover-part") && stderr.contains("run the same command again"), "{stderr}");
    let kept = std::fs::metadata(part(&setup)).unwrap().len();
    assert!((100_000..LEN as u64).contains(&kept), "{kept}");
    assert_done(&pull(&setup).await);
    assert_eq!(hub.ranges()[1], format!("bytes={kept}-"));
    assert_whole(&setup);
}

#[tokio::test]
async fn f11_a_repository_cannot_write_outside_of_its_folder() {
    for evil in ["../evil", "/etc/evil", "a/../../evil", "onnx\\..\\evil"] {
        let hub = ModelHub::start(Served::tiny(LEN)).await;
        hub.change(|served| served.files.push(Held::small(evil, "evil")));
        let setup = setup(&hub);
        let ended = setup.run(&["models", "pull", REPOSITORY, "--file", "*"]).await;
        assert_refused(&ended, &["outside", "nothing was pulled"]);
        assert_eq!(hub.asked().len(), 1, "nothing was fetched");
    }
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    for name in ["../evil", ".hidden", "a/b"] {
        let ended = setup(&hub).run(&["models", "pull", REPOSITORY, "--name", name]).await;
        assert_refused(&ended, &[name]);
    }
    assert!(hub.asked().is_empty());
}

#[tokio::test]
async fn a_name_that_nobody_wants_blocks_nothing() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    hub.change(|served| served.files.push(Held::small("docs/Screenshot 10:20.png", "png")));
    let setup = setup(&hub);
    assert_done(&pull(&setup).await);
    assert_whole(&setup);
    let ended = setup.run(&["models", "pull", REPOSITORY, "--name", "all", "--file", "docs/*"]).await;
    assert_refused(&ended, &["docs/Screenshot 10:20.png", "`:`", "--file"]);
}

#[tokio::test]
async fn of_an_embedding_model_the_graph_that_is_opened_is_taken() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    hub.change(|served| served.files.push(Held::small("modules.json", "[]")));
    let setup = setup(&hub);
    let ended = pull(&setup).await;
    assert_done(&ended);
    let advice = "[embeddings]\n  enabled = true\n  model = \"tiny\"";
    assert!(ended.stdout.contains(advice), "{}", ended.stdout);
    let here = |file: &str| place(&setup).join(file).exists();
    assert!(here("onnx/model.onnx") && !here("onnx/model_q4.onnx"));
    let list = setup.run(&["models", "list", "--installed"]).await;
    let line = list.stdout.lines().find(|line| line.starts_with("tiny ")).unwrap();
    assert!(line.contains("embedding"), "{line}");
}

#[tokio::test]
async fn a_list_without_sizes_is_filled_in_by_asking_for_heads() {
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Corrupt])).await;
    hub.change(|served| served.bare = true);
    let setup = setup(&hub).env("HF_TOKEN", "hf_canary");
    assert_done(&pull(&setup).await);
    assert!(hub.asked().iter().any(|asked| asked.method == http::Method::HEAD && !asked.content));
    assert_eq!(hub.ranges(), ["", ""], "the linked digest finds the corruption");
    assert_whole(&setup);
}

#[tokio::test]
async fn a_new_commit_brings_only_what_has_changed() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    assert_done(&pull(&setup).await);
    hub.change(|served| {
        served.commit = "f".repeat(40);
        served.files[2] = Held::small("config.json", "{\"model_type\":\"qwen2\"}");
    });
    let asked = hub.asked().len();
    assert_done(&pull(&setup).await);
    assert!(hub.asked()[asked..].iter().all(|asked| !asked.content), "the weights are the same");
    let config = std::fs::read_to_string(place(&setup).join("config.json")).unwrap();
    assert!(config.contains("qwen2"), "{config}");
    assert_whole(&setup);
    assert_done(&setup.run(&["models", "verify", "tiny"]).await);
}

#[tokio::test]
async fn verify_and_rm_know_whose_a_model_is() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    assert_done(&pull(&setup).await);
    let ended = setup.run(&["models", "verify"]).await;
    assert_done(&ended);
    assert!(
        ended.stdout.contains("onnx/model_q4.onnx") && ended.stdout.contains("starter"),
        "{}",
        ended.stdout
    );
    let mut bytes = weights(LEN);
    bytes[7] ^= 1;
    std::fs::write(place(&setup).join("onnx/model_q4.onnx"), bytes).unwrap();
    for action in ["verify", "list"] {
        let ended = setup.run(&["models", action]).await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stdout.contains("ALTERED") && ended.stdout.contains("models pull"), "{}", ended.stdout);
    }
    assert_refused(&setup.run(&["models", "rm", "starter", "--yes"]).await, &["starter", "ships"]);
    assert_refused(&setup.run(&["models", "rm", "nothing", "--yes"]).await, &["nothing", "models list"]);
    assert_refused(&setup.run(&["models", "rm", "../tiny", "--yes"]).await, &["../tiny"]);
    assert_refused(&setup.run(&["models", "rm", "tiny"]).await, &["--yes"]);
    assert!(place(&setup).exists());
    assert_done(&setup.run(&["models", "rm", "tiny", "--yes"]).await);
    assert!(!place(&setup).exists());
}

/// The starter model as a repository: in a folder of its own, as GenAI exports lie.
fn starter() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let model = copies(folder.path(), &["starter"]).join("starter");
    let files = std::fs::read_dir(model).unwrap().map(Result::unwrap).map(|file| {
        let path = format!("cpu/int4/{}", file.file_name().to_string_lossy());
        let bytes = std::fs::read(file.path()).unwrap();
        Held { large: bytes.len() > 100_000, path, bytes, told: None }
    });
    Served { files: files.collect(), ..Served::tiny(0) }
}

#[tokio::test]
async fn a_pulled_model_answers_and_an_altered_one_is_refused() {
    let hub = ModelHub::start(starter()).await;
    let sections = "[local]\nmodel = \"tiny\"\n[classifier]\nenabled = false\n";
    let setup = Setup::new(NOBODY, sections).env("HF_ENDPOINT", &hub.endpoint());
    let missing = setup.run(&["check"]).await;
    assert_refused(&missing, &["local.model", "tiny"]);
    assert_done(&pull(&setup).await);
    let list = setup.run(&["models", "list", "--installed"]).await;
    let line = list.stdout.lines().find(|line| line.starts_with("tiny ")).unwrap();
    assert!(line.ends_with("local.model"), "{line}");
    let gateway = setup.serve().await;
    let reply = gateway.post(&[], &chat("tiny", false)).await;
    assert_eq!((reply.status, reply.header("x-crossover-model")), (200, "tiny"));
    drop(gateway);
    let file = place(&setup).join("genai_config.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text} ")).unwrap();
    assert_refused(
        &setup.run(&["check"]).await,
        &["genai_config.json", "local.model", "models verify", "models pull"],
    );
    assert_done(&pull(&setup).await);
    assert_done(&setup.run(&["check"]).await);
}

#[tokio::test]
async fn every_configured_model_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let models = copies(folder.path(), &["starter"]);
    std::fs::rename(models.join("starter"), models.join("second")).unwrap();
    let sections = format!(
        "[local]\nmodels = [{:?}]\nmemory-mib = 400\nprefix-cache-mib = 16\n[classifier]\nenabled = false\n[aliases]\n\
         gpt-4o-mini = \"second\"\n",
        models.join("second")
    );
    let gateway = Setup::new(NOBODY, &sections).serve().await;
    for (model, answers) in
        [("second", "second"), ("starter", "starter"), ("local", "starter"), ("gpt-4o-mini", "second")]
    {
        let reply = gateway.post(&[], &chat(model, false)).await;
        assert_eq!((reply.status, reply.header("x-crossover-model")), (200, answers), "{}", reply.string());
    }
    let metrics = gateway.admin("/metrics").await.string();
    for line in [
        "crossover_local_model_loads_total{model=\"second\",outcome=\"request\"} 1",
        "crossover_local_model_loads_total{model=\"starter\",outcome=\"start\"} 1",
        "crossover_local_model_load_seconds_count 2",
        "crossover_local_active 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}
