//! How soon a started gateway is ready and answers, and what memory it takes idle.

use std::net::SocketAddr;
use std::time::Duration;

use super::figures::{Report, Target, median};
use super::house::{self, House};
use super::{load, process, prompts};

const ROUNDS: usize = 7;
/// How long a gateway is left alone before its memory is read.
const REST: Duration = Duration::from_secs(2);

pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let mut report = Report::new("start");
    // Nobody listens there: nothing in this part may go out.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let model = if house::has_local_model() { Some("local") } else { None };
    let (mut ready, mut answered, mut idle, mut after) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let house = House::start(nowhere, None).await?;
        ready.push(house.ready().await?.as_secs_f64() * 1e3);
        if let Some(model) = model {
            let body = prompts::body(model, "Say yes.", false);
            load::fetch(house.api, &load::request(&body, false)).await?;
            answered.push(house.started.elapsed().as_secs_f64() * 1e3);
            after.push(process::memory(house.pid)?.0);
        }
        house.stop().await?;
        let house = House::start(nowhere, None).await?;
        house.ready().await?;
        tokio::time::sleep(REST).await;
        idle.push(process::memory(house.pid)?.0);
        house.stop().await?;
    }
    report.hold("from exec to ready", median(&ready), "ms", Target::AtMost(1000.0));
    report.hold("memory, idle", median(&idle), "MB", Target::AtMost(150.0));
    match model {
        Some(_) => {
            report.add(
                "from exec to the end of a first local answer (64 tokens at most)",
                median(&answered),
                "ms",
            );
            report.add("memory after that answer", median(&after), "MB");
        }
        None => report.note("models/starter is not there: started without a local model"),
    }
    report
        .note("MB are 10^6 bytes of VmRSS, shared library pages included; ready is GET /health/ready = 200");
    report.detail(serde_json::json!({ "ready_ms": ready, "answered_ms": answered, "idle_mb": idle }));
    report.write()
}
