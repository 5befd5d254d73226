//! Pulls where something is not as usual: half of one is here already, a name is taken, somebody else than the hub refuses,
//! a proxy stands in the way, the repository is not what its files say.

use super::models::{LEN, NOBODY, assert_done, assert_refused, assert_whole, part, place, pull, setup};
use crate::support::model_hub::{Fault, Held, ModelHub, REPOSITORY, Served};
use crate::support::process::Setup;

/// Bytes of the weights that [`half`] leaves.
const HALF: usize = 120_000;

/// A pull that ends within the weights.
async fn half(hub: &ModelHub, setup: &Setup) {
    hub.change(|served| served.faults.extend([Fault::Cut(HALF), Fault::Status(403, None)]));
    assert_refused(&pull(setup).await, &["403"]);
    assert_eq!(std::fs::metadata(part(setup)).unwrap().len(), HALF as u64);
}

#[tokio::test]
async fn a_model_has_the_files_of_its_record_and_no_others() {
    let hub = ModelHub::start(Served::tiny(LEN).with(&[Fault::Whole, Fault::Status(403, None)])).await;
    let setup = setup(&hub);
    let both = setup.run(&["models", "pull", REPOSITORY, "--file", "onnx/*.onnx"]).await;
    assert_refused(&both, &["403"]);
    assert!(part(&setup).with_file_name("model.onnx").exists(), "one of two graphs is whole");
    assert_done(&pull(&setup).await);
    assert_whole(&setup);
    let graphs = std::fs::read_dir(place(&setup).join("onnx")).unwrap();
    let graphs: Vec<_> = graphs.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(graphs, ["model_q4.onnx"]);

    std::fs::write(place(&setup).join("onnx/model.onnx"), "own").unwrap();
    let ended = setup.run(&["models", "verify", "tiny"]).await;
    assert_done(&ended);
    let unlisted: Vec<_> = ended.stdout.lines().filter(|line| line.contains("not listed")).collect();
    assert!(matches!(unlisted[..], [line] if line.contains("onnx/model.onnx")), "{}", ended.stdout);
}

#[tokio::test]
async fn a_new_commit_goes_on_with_what_has_arrived_of_the_old_one() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    half(&hub, &setup).await;
    hub.change(|served| {
        served.commit = "f".repeat(40);
        served.files[2] = Held::small("config.json", "{\"model_type\":\"qwen2\"}");
    });
    assert_done(&pull(&setup).await);
    assert_eq!(hub.ranges()[2..], [format!("bytes={HALF}-")]);
    assert_whole(&setup);
    let config = std::fs::read_to_string(place(&setup).join("config.json")).unwrap();
    assert!(config.contains("qwen2"), "{config}");
}

#[tokio::test]
async fn what_a_new_commit_changed_is_fetched_once_and_from_its_beginning() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    half(&hub, &setup).await;
    let begun = hub.ranges().len();
    let weights: Vec<u8> = (0..LEN).map(|at| (at % 241) as u8).collect();
    hub.change(|served| {
        served.commit = "f".repeat(40);
        served.files[4] = Held::large("onnx/model_q4.onnx", weights.clone());
    });
    assert_done(&pull(&setup).await);
    let asked = &hub.ranges()[begun..];
    assert!(!asked.is_empty() && asked.iter().all(String::is_empty), "{asked:?}");
    assert!(std::fs::read(place(&setup).join("onnx/model_q4.onnx")).unwrap() == weights);
}

#[tokio::test]
async fn a_name_stands_for_one_repository() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    half(&hub, &setup).await;
    let refused = || async {
        let asked = hub.asked().len();
        let ended = setup.run(&["models", "pull", "other/tiny"]).await;
        assert_refused(&ended, &["other/tiny", REPOSITORY, "--name", "models rm tiny"]);
        assert_eq!(hub.asked().len(), asked, "nothing was asked for");
    };
    refused().await;
    assert_done(&pull(&setup).await);
    assert_eq!(hub.ranges()[2..], [format!("bytes={HALF}-")], "what had arrived was kept");
    refused().await;
    assert_whole(&setup);
}

#[tokio::test]
async fn an_unfinished_pull_is_listed_and_its_bytes_are_counted() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub);
    half(&hub, &setup).await;
    let list = setup.run(&["models", "list"]).await;
    assert_done(&list);
    let line = list.stdout.lines().find(|line| line.starts_with("tiny ")).unwrap();
    assert!(line.contains("partly pulled") && line.contains("120."), "{line}");
    let ended = setup.run(&["models", "rm", "tiny", "--yes"]).await;
    assert_done(&ended);
    assert!(ended.stdout.contains("kB are free"), "{}", ended.stdout);
    assert!(!part(&setup).exists());
}

#[tokio::test]
async fn a_refusal_of_the_content_server_is_told_as_its_own() {
    for token in [None, Some("hf_canary")] {
        let faults = [Fault::Status(403, None), Fault::Status(503, Some(400))];
        let hub = ModelHub::start(Served::tiny(LEN).with(&faults)).await;
        let setup = token.into_iter().fold(setup(&hub), |setup, token| setup.env("HF_TOKEN", token));
        for words in [[hub.content().as_str(), "403"], [hub.content().as_str(), "400 s"]] {
            let ended = pull(&setup).await;
            assert_refused(&ended, &words);
            for wrong in ["token", "does not exist", &hub.endpoint()] {
                assert!(!ended.stderr.contains(wrong), "`{wrong}` stands in\n{}", ended.stderr);
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_longer_than_the_hub_says_is_not_kept_cut_off() {
    for untagged in [true, false] {
        let hub = ModelHub::start(Served { bare: true, untagged, ..Served::tiny(LEN) }).await;
        hub.change(|served| served.files[4].told = Some(LEN as u64 - 1));
        let setup = setup(&hub);
        assert_refused(&pull(&setup).await, &["onnx/model_q4.onnx", "longer than the hub says"]);
        assert!(!place(&setup).exists());
        assert_eq!(std::fs::metadata(part(&setup)).unwrap().len(), 0);
        hub.change(|served| served.files[4].told = None);
        assert_done(&pull(&setup).await);
        assert_eq!(hub.ranges(), ["", ""], "from its beginning, once a pull");
        assert_whole(&setup);
    }
}

#[tokio::test]
async fn a_gated_repository_is_named_where_the_hub_lies_below_a_path() {
    let hub = ModelHub::start(Served::tiny(LEN).refusing(403, "GatedRepo")).await;
    let endpoint = format!("{}/mirror/hf", hub.endpoint());
    let setup = Setup::remote_only(NOBODY, "").env("HF_ENDPOINT", &endpoint);
    let (gated, page) = (format!("{REPOSITORY} is gated"), format!("{endpoint}/{REPOSITORY}"));
    assert_refused(&pull(&setup).await, &[&gated, &page]);
}

#[tokio::test]
async fn a_hub_on_this_machine_is_asked_past_any_proxy() {
    let hub = ModelHub::start(Served::tiny(LEN)).await;
    let setup = setup(&hub).env("HF_TOKEN", "hf_canary").env("HTTP_PROXY", "http://127.0.0.1:1");
    assert_done(&pull(&setup).await);
    assert_whole(&setup);
}

#[tokio::test]
async fn of_what_the_hub_calls_an_embedding_model_the_precise_graph_is_taken() {
    let task = Some("feature-extraction");
    let hub = ModelHub::start(Served { task, ..Served::tiny(LEN) }).await;
    let setup = setup(&hub);
    let advice = "[embeddings]\n  enabled = true\n  model = \"tiny\"";
    for how in ["is here:", "is here already:"] {
        let ended = pull(&setup).await;
        assert_done(&ended);
        assert!(ended.stdout.contains(how) && ended.stdout.contains(advice), "{}", ended.stdout);
    }
    let here = |file: &str| place(&setup).join(file).exists();
    assert!(here("onnx/model.onnx") && !here("onnx/model_q4.onnx") && !here("modules.json"));
}

#[tokio::test]
async fn f11_what_a_repository_calls_itself_cannot_steer_a_terminal() {
    let licence = "mit\u{1b}[31m";
    let hub = ModelHub::start(Served { licence, ..Served::tiny(LEN) }).await;
    let setup = setup(&hub);
    let ended = pull(&setup).await;
    assert_done(&ended);
    assert!(ended.stdout.contains("licence mit") && !ended.stdout.contains('\u{1b}'), "{:?}", ended.stdout);
    hub.change(|served| served.files.push(Held::small("../a\u{1b}[2J", "evil")));
    let ended = pull(&setup).await;
    assert_refused(&ended, &["outside"]);
    assert!(!ended.stderr.contains('\u{1b}'), "{:?}", ended.stderr);
}
