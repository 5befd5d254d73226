//! A gateway that cannot do what it is configured to do does not start: one message names the file or key, and what
//! mends it. `check` says the same, and lists everything at once. Whether anybody listens is no condition: neither a
//! closed standard output nor a log that nobody reads keeps it from starting, answering and ending.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines};
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::gateway::{chat, client};
use crate::support::process::Setup;
use crate::support::reply::Samples;
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::small_model::copies;

/// An upstream that nobody is to call.
const NOBODY: &str = "http://nobody.invalid/v1";
/// Serves on free ports.
const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
/// Longest wait for a process.
const PATIENCE: Duration = Duration::from_secs(60);

fn assert_names(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in\n{message}");
    }
}

/// A house over copies of the shipped models, one of them broken by `harm`.
async fn refused_for(harm: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let models = copies(folder.path(), &["starter", "classifier"]);
    harm(&models);
    let setup = Setup::new(NOBODY, &format!("models-dir = {models:?}\n"));
    let checked = setup.run(&["check"]).await;
    assert_eq!(checked.status.code(), Some(1));
    assert!(!setup.state().exists(), "`check` writes nothing");
    let message = setup.refuses().await;
    assert!(message.contains(checked.stderr.trim()), "`serve` says the same: {message}");
    message
}

#[tokio::test]
async fn d20_a_missing_model_file_is_named() {
    let message =
        refused_for(|models| std::fs::remove_file(models.join("starter/model.onnx")).unwrap()).await;
    assert_names(&message, &["starter/model.onnx", "local.model", "git checkout"]);
    let message =
        refused_for(|models| std::fs::remove_file(models.join("starter/tokenizer.json")).unwrap()).await;
    assert_names(&message, &["starter/tokenizer.json", "local.model", "git checkout"]);
    let message = refused_for(|models| std::fs::remove_dir_all(models.join("starter")).unwrap()).await;
    assert_names(&message, &["models/starter", "local.model", "git checkout"]);
}

#[tokio::test]
async fn d20_a_corrupt_model_file_is_named() {
    let garbage =
        |file: &'static str| move |models: &Path| std::fs::write(models.join(file), b"garbage").unwrap();
    let message = refused_for(garbage("starter/model.onnx")).await;
    assert_names(&message, &["starter/model.onnx", "local.model", "git checkout"]);
    let message = refused_for(garbage("starter/genai_config.json")).await;
    assert_names(&message, &["starter/genai_config.json", "local.model"]);
    let message = refused_for(garbage("classifier/model.onnx")).await;
    assert_names(&message, &["classifier/model.onnx", "classifier.model", "git checkout"]);
    let message = refused_for(garbage("classifier/tokenizer.json")).await;
    assert_names(&message, &["classifier/tokenizer.json", "classifier.model", "git checkout"]);
}

#[tokio::test]
async fn d20_a_model_file_with_another_hash_is_named() {
    for name in ["starter", "classifier"] {
        let message = refused_for(|models| {
            let listed = format!(
                "schema-version = 1\n[[model]]\nname = \"{name}\"\nkind = \"language\"\nsource = \"here\"\n\
                 licence = \"Apache-2.0\"\n[model.files]\n\"model.onnx\" = \"{}\"\n",
                "0".repeat(64)
            );
            std::fs::write(models.join("manifest.toml"), listed).unwrap();
        })
        .await;
        assert_names(&message, &[&format!("{name}/model.onnx"), "manifest.toml", "git checkout"]);
    }
}

#[tokio::test]
async fn d20_a_missing_or_unusable_onnx_runtime_is_named() {
    let setup = Setup::new(NOBODY, "").env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
    let message = setup.refuses().await;
    assert_names(&message, &["/nowhere/libonnxruntime.so", "ORT_DYLIB_PATH", "make setup"]);
    let text = setup.folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    let setup = Setup::new(NOBODY, "").env("ORT_DYLIB_PATH", text.to_str().unwrap());
    assert_names(&setup.refuses().await, &["text.so", "make setup"]);
}

#[tokio::test]
async fn d20_a_bad_policy_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    let file = policies.join("mine.toml");
    for (text, words) in [
        ("name = 3", &["mine.toml", "name"][..]),
        ("schema-version = 1\nname = \"mine\"\n[[rule]]\nto = [\"mars\"]\n", &["mine.toml", "mars"]),
        (
            "schema-version = 1\nname = \"mine\"\n[[rule]]\nto = [\"local\"]\n[[test]]\nname = \"wrong\"\ngiven = {}\nexpect = \"remote\"\n",
            &["mine.toml", "wrong"],
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let mut setup = Setup::remote_only(NOBODY, "");
        let shipped = format!("{:?}", Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"));
        *setup.toml() = setup.toml().replace(&shipped, &format!("{policies:?}"));
        assert_names(&setup.refuses().await, words);
    }
    let setup = Setup::remote_only(NOBODY, "");
    let message = {
        let mut setup = setup;
        *setup.toml() = setup.toml().replace("remote-first", "poetry");
        setup.refuses().await
    };
    assert_names(&message, &["policy", "poetry", "balanced"]);
}

#[tokio::test]
async fn d20_a_bad_configuration_is_named() {
    for (section, words) in [
        ("[server]\nlissten = 3\n", &["test.toml", "lissten"][..]),
        ("[server]\nheartbeat-seconds = 99\n", &["test.toml", "server.heartbeat-seconds"]),
        ("[server]\nlisten = \"0.0.0.0:4000\"\n", &["test.toml", "server.listen", "127.0.0.1"]),
        ("[aliases]\ngpt-4o = \"mars\"\n", &["aliases.gpt-4o", "mars"]),
        ("[log]\nlevel = \"loud\"\n", &["log.level", "loud"]),
        ("[", &["test.toml"]),
    ] {
        assert_names(&Setup::remote_only(NOBODY, section).refuses().await, words);
    }
    let mut setup = Setup::remote_only(NOBODY, "");
    setup.toml().push_str("api-key-env = \"sk-canary-key\"\n");
    let message = setup.refuses().await;
    assert_names(&message, &["remote.api-key-env"]);
    assert!(!message.contains("canary"), "a key in place of its name is not echoed");
    let mut setup = Setup::remote_only("ftp://x/v1", "");
    assert_names(&setup.refuses().await, &["remote.base-url", "ftp"]);
    *setup.toml() = setup.toml().replace("base-url = \"ftp://x/v1\"\n", "");
    let message = setup.env("OPENAI_BASE_URL", "ftp://x/v1").refuses().await;
    assert!(message.contains("OPENAI_BASE_URL: ") && !message.contains("remote.base-url"), "{message}");
}

#[tokio::test]
async fn d20_a_gateway_that_would_be_its_own_upstream_is_refused() {
    let setup = Setup::remote_only("http://localhost:1/v1", "[server]\nlisten = \"127.0.0.1:1\"\n");
    let checked = setup.run(&["check"]).await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert_names(&checked.stderr, &["remote.base-url", "server.listen = 127.0.0.1:1"]);
}

#[tokio::test]
async fn d20_a_taken_port_is_named_before_anything_is_loaded_or_written() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_at = taken.local_addr().unwrap().to_string();
    // Nothing can be loaded from here.
    let setup = Setup::new(NOBODY, "models-dir = \"/nowhere\"\n");
    let free = "127.0.0.1:0".to_owned();
    for (option, listen, admin) in [("listen", &taken_at, &free), ("admin-listen", &free, &taken_at)] {
        let ended = setup.run(&["serve", "--listen", listen, "--admin-listen", admin]).await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let mend = format!("choose another with --{option} or server.{option}");
        assert_names(&ended.stderr, &[&format!("error: server.{option}: {taken_at}"), &mend]);
    }
    assert!(!setup.state().exists(), "no ledger is made");
}

#[tokio::test]
async fn d20_a_ledger_that_cannot_be_opened_is_named_once() {
    let setup = Setup::remote_only(NOBODY, "");
    let file = setup.state().join("ledger.sqlite");
    std::fs::create_dir_all(&file).unwrap();
    assert_names(&setup.refuses().await, &[&format!("\n  {}: ledger.path: ", file.display())]);
}

#[tokio::test]
async fn where_the_log_is_json_errors_are_too() {
    let quiet = "models-dir = \"/nowhere\"\n[log]\nlevel = \"off\"\nformat = \"json\"\n";
    let setup = Setup::new(NOBODY, quiet);
    let ended = setup.run(SERVE).await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line["level"] == "ERROR" && line["timestamp"].is_string(), "{line}");
    assert_names(line["message"].as_str().unwrap(), &["local.model", "classifier.model", "problem(s):\n"]);
}

#[tokio::test]
async fn f22_a_file_that_cannot_be_read_is_never_quoted() {
    for (secret, words) in [
        ("api-key-env = sk-canary-key\n", &["test.toml", "line ", "column 15", "quoted"][..]),
        ("max-retries = \"sk-canary-key\"\n", &["test.toml", "remote.max-retries", "integer"]),
    ] {
        let mut setup = Setup::remote_only(NOBODY, "");
        setup.toml().push_str(secret);
        let message = setup.refuses().await;
        assert_names(&message, words);
        assert!(!message.contains("canary"), "{message}");
        let checked = setup.run(&["check"]).await;
        assert_eq!(checked.status.code(), Some(1));
        assert!(!checked.stderr.contains("canary"), "{checked:?}");
    }
}

#[tokio::test]
async fn d20_check_lists_every_problem_at_once_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let models = copies(folder.path(), &["starter", "classifier"]);
    std::fs::remove_file(models.join("starter/model.onnx")).unwrap();
    std::fs::remove_file(models.join("classifier/model.onnx")).unwrap();
    let setup = Setup::new(NOBODY, &format!("policy = \"poetry\"\nmodels-dir = {models:?}\n"));
    let ended = setup.run(&["check"]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert_names(&ended.stderr, &["starter/model.onnx", "classifier/model.onnx", "poetry", "3 problem(s)"]);
    assert!(!setup.state().exists());
}

#[tokio::test]
async fn the_environment_sets_lists_and_names_with_digits() {
    let setup = |alias: &str| {
        Setup::remote_only(NOBODY, "")
            .env("CROSSOVER__SERVER__ALLOWED_HOSTS", "gw.example,b.example")
            .env("CROSSOVER__ALIASES__GPT_4O", alias)
    };
    let ended = setup("auto").run(&["check"]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_names(&setup("mars").refuses().await, &["aliases.gpt-4o", "mars"]);
}

#[tokio::test]
async fn d20_without_a_local_model_the_remote_serves_alone() {
    let upstream = ScriptedUpstream::start().await;
    let setup =
        Setup::remote_only(&upstream.base_url(), "").env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
    let gateway = setup.serve().await;
    let reply = gateway.post(&[], &chat("auto", false)).await;
    assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "remote"));
    assert_eq!(gateway.post(&[], &chat("local", false)).await.code(503), "no_local");
    assert_eq!(gateway.admin("/health/ready").await.status, 200);
}

#[tokio::test]
async fn the_shipped_house_starts_without_a_key_and_says_what_it_has() {
    let mut setup = Setup::new(NOBODY, "");
    *setup.toml() = "schema-version = 1\n".to_owned();
    let gateway = setup.serve().await;
    let ready = gateway.admin("/health/ready").await;
    assert_eq!((ready.status, ready.json()["backends"]["local"].as_str()), (200, Some("ready")));
    // Hard by any rule and any calibration, so it would go out if anybody were there.
    let mut hard = chat("auto", false);
    hard["messages"][0]["content"] = "Prove that there are infinitely many primes.".into();
    let reply = gateway.post(&[], &hard).await;
    assert_eq!((reply.status, reply.header("x-crossover-reason")), (200, "no_remote"));
    gateway.signal("TERM");
    let ended = gateway.ended().await;
    assert_names(
        &ended.stdout,
        &["backend              local", "backend              remote", "OPENAI_API_KEY", "curl", "balanced"],
    );
}

/// The next address of its own that a process names.
async fn next_address(lines: &mut Lines<impl AsyncBufRead + Unpin>) -> String {
    loop {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it starts in time").unwrap();
        let line = line.expect("it goes on");
        if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
            return format!("127.0.0.1:{}", rest.split('/').next().unwrap());
        }
    }
}

/// Tells it to stop; whether it did, and well.
async fn stops(child: &mut Child) -> bool {
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    timeout(PATIENCE, child.wait()).await.expect("it ends in time").unwrap().success()
}

#[tokio::test]
async fn d17_a_standard_output_that_takes_nothing_keeps_nobody_from_being_served() {
    let setup = Setup::remote_only(NOBODY, "");
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = setup.command(SERVE).stdout(closed).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let public = next_address(&mut log).await;
    let models = client().get(format!("http://{public}/v1/models")).send().await.unwrap();
    assert_eq!(models.status(), 200);
    assert!(stops(&mut child).await);
}

#[tokio::test]
async fn d17_a_log_that_nobody_reads_holds_up_neither_answers_nor_the_end() {
    let setup = Setup::remote_only(NOBODY, "");
    // Its standard error is a pipe that stays open and is never read.
    let mut child = setup.command(SERVE).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let (public, admin) = (next_address(&mut said).await, next_address(&mut said).await);
    let client = client();
    let refused = || async {
        let request = client.post(format!("http://{public}/v1/chat/completions")).body("{");
        let reply = request.header("content-type", "application/json").send().await.unwrap();
        drop(reply.bytes().await.unwrap());
    };
    let lost = || async {
        let page = client.get(format!("http://{admin}/metrics")).send().await.unwrap();
        Samples::read(&page.text().await.unwrap()).sum("log_lines_lost_total", &[])
    };
    let flood = async {
        while lost().await == 0.0 {
            futures_util::future::join_all((0..32).map(|_| refused())).await;
        }
    };
    timeout(PATIENCE, flood).await.expect("it answers on, and counts the lines that it drops");
    assert!(stops(&mut child).await);
}
