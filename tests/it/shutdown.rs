//! A told stop loses nothing, whenever it comes; a killed process loses a second at most.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use crate::support::gateway::{Gateway, chat, client};
use crate::support::process::Setup;
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;

/// Longest wait for a process.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn d13_a_stop_lets_live_streams_finish_and_writes_every_row() {
    let upstream = ScriptedUpstream::start().await;
    let setup = Setup::remote_only(&upstream.base_url(), "");
    let gateway = setup.serve().await;
    assert_eq!(gateway.admin("/health/ready").await.status, 200);
    let mut streams = vec![];
    for _ in 0..20 {
        streams.push(gateway.open(&[], &chat("shortstream", true)).await.unwrap());
    }
    assert_eq!(gateway.metrics().await.sum("requests_in_flight", &[]), 20.0);
    gateway.signal("TERM");
    // Readiness fails at once and nobody new gets in, while the streams go on: after them nobody would say so.
    let refused =
        async { while client().get(format!("http://{}/v1/models", gateway.address)).send().await.is_ok() {} };
    timeout(Duration::from_secs(20), refused).await.expect("new connections are refused");
    let ready = gateway.admin("/health/ready").await;
    assert_eq!((ready.status, ready.json()["draining"].as_bool()), (503, Some(true)));
    assert_eq!(gateway.admin("/health/live").await.status, 200);
    for stream in streams {
        assert!(Reply::read(stream).await.chunks().len() > 170, "the whole answer came");
    }
    let ended = gateway.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let rows = setup.rows();
    assert_eq!(rows.len(), 20);
    assert!(
        rows.iter()
            .all(|row| row["status"] == 200 && row["error"] == "none" && row["completion_tokens"] == 7)
    );
}

#[tokio::test]
async fn d13_answers_that_outlive_the_grace_are_cut_and_recorded() {
    let upstream = ScriptedUpstream::start().await;
    let setup = Setup::remote_only(&upstream.base_url(), "[server]\nshutdown-grace-seconds = 1\n");
    let gateway = setup.serve().await;
    let mut stream = gateway.open(&[], &chat("slowstream", true)).await.unwrap();
    stream.chunk().await.unwrap();
    gateway.signal("INT");
    let ended = gateway.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("grace was over"), "{}", ended.stderr);
    let rows = setup.rows();
    assert_eq!((rows.len(), &rows[0]["error"]), (1, &"client_closed".into()));
    assert!(rows[0]["cost_micros"].as_i64().unwrap() > 0);
}

#[tokio::test]
async fn d13_a_second_signal_cuts_answers_and_is_not_taken_for_the_end_of_the_grace() {
    let upstream = ScriptedUpstream::start().await;
    let setup = Setup::remote_only(&upstream.base_url(), "");
    let gateway = setup.serve().await;
    let mut stream = gateway.open(&[], &chat("slowstream", true)).await.unwrap();
    stream.chunk().await.unwrap();
    gateway.signal("INT");
    let heard = async { while gateway.admin("/health/ready").await.status == 200 {} };
    timeout(PATIENCE, heard).await.expect("the first one is heard");
    gateway.signal("INT");
    let ended = gateway.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("a second signal came"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("grace was over"), "{}", ended.stderr);
    let rows = setup.rows();
    assert_eq!((rows.len(), &rows[0]["error"]), (1, &"client_closed".into()));
}

#[tokio::test]
async fn d13_a_stop_while_it_loads_is_heard() {
    let setup = Setup::remote_only("http://nobody.invalid/v1", "");
    // A file whose reading takes for as long as this test likes.
    let prices = setup.folder.path().join("prices.toml");
    std::fs::remove_file(&prices).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&prices).status().unwrap().success());
    let child = setup
        .command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .spawn()
        .unwrap();
    let read = async {
        loop {
            match pipe::OpenOptions::new().open_sender(&prices) {
                Ok(writer) => break writer,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let writer = timeout(PATIENCE, read).await.expect("it reads the prices");
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    let ended = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
    drop(writer);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains("told to stop before everything was loaded"), "{said}");
    assert!(ended.stdout.is_empty(), "it never served");
}

#[tokio::test]
async fn d13_a_stopped_gateway_in_process_ends_by_itself() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let stream = gateway.open(&[], chat("shortstream", true).to_string()).await;
    gateway.stop();
    let (reply, clean) = tokio::join!(Reply::read(stream), gateway.stopped());
    reply.chunks();
    assert!(clean);
}

#[tokio::test]
async fn d13_connections_without_a_request_do_not_hold_up_the_stop() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    assert_eq!(gateway.ask("ok").await.status, 200, "and its connection is kept alive");
    let silent = TcpStream::connect(gateway.address).await.unwrap();
    let mut begun = TcpStream::connect(gateway.address).await.unwrap();
    begun.write_all(b"POST /v1/chat").await.unwrap();
    // Both are accepted by the time that a later one is answered.
    assert_eq!(Reply::read(client().get(gateway.url("/v1/models")).send().await.unwrap()).await.status, 200);
    gateway.stop();
    let clean = timeout(Duration::from_secs(5), gateway.stopped()).await;
    assert!(clean.expect("the stop is not held up"));
    drop((silent, begun));
}

#[tokio::test]
async fn d14_a_killed_process_loses_at_most_a_second_and_starts_again() {
    let upstream = ScriptedUpstream::start().await;
    let setup = Setup::remote_only(&upstream.base_url(), "");
    let gateway = setup.serve().await;
    for _ in 0..10 {
        assert_eq!(gateway.post(&[], &chat("ok", false)).await.status, 200);
    }
    // The promise is about time: what is older than a second is in the file.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    for _ in 0..5 {
        assert_eq!(gateway.post(&[], &chat("ok", false)).await.status, 200);
    }
    gateway.signal("KILL");
    assert!(!gateway.ended().await.status.success());
    let kept = setup.rows().len();
    assert!((10..=15).contains(&kept), "{kept}");
    let connection = rusqlite::Connection::open(setup.state().join("ledger.sqlite")).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    drop(connection);
    let gateway = setup.serve().await;
    assert_eq!(gateway.post(&[], &chat("ok", false)).await.status, 200);
    gateway.signal("TERM");
    assert!(gateway.ended().await.status.success());
    assert_eq!(setup.rows().len(), kept + 1);
}
