//! The soak: the gateway as users run it, its real local model, and clients that come, go, dawdle and ask too much, for
//! half an hour (`CROSSOVER_SOAK_MINUTES`). `CROSSOVER_SOAK_ISOLATION=process` soaks the worker process.
//! Fails when an answer is lost or differs from the same question's before, when memory, descriptors or threads grow, or
//! when anything is left over at the end. Measures no speed.

mod client;
mod scenario;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::figures::Report;
use super::house::{self, House, value_of};
use client::Client;
use scenario::{Kind, Questions};
use watch::Watch;

/// Clients at the same time: more than the engine has slots, so that some always wait.
const CLIENTS: u64 = 12;
/// Longest that one visit may take: waiting and generating at their limits, which are two minutes each.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the gateway may take to become quiet when nobody asks any more, and when threads for blocking work, which
/// wait ten seconds for more of it, have ended.
const QUIET: Duration = Duration::from_secs(40);
const SETTLED: Duration = Duration::from_secs(12);

/// What happened so far.
#[derive(Default)]
struct Books {
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
    answered: u64,
}

/// How one visit of a client ended.
enum Visit {
    /// With so many whole answers or expected refusals.
    Answered(u64),
    /// The client left first.
    Left,
}

type Shared = Arc<Mutex<Books>>;

fn lock(books: &Shared) -> std::sync::MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn run() -> anyhow::Result<()> {
    ensure!(house::has_local_model(), "models/starter is not there");
    let minutes = match std::env::var("CROSSOVER_SOAK_MINUTES") {
        Ok(text) => text.parse().context("CROSSOVER_SOAK_MINUTES is no number")?,
        Err(_) => 30.0,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(soak(Duration::from_secs_f64(minutes * 60.0)))
}

async fn soak(time: Duration) -> anyhow::Result<()> {
    let isolation = std::env::var("CROSSOVER_SOAK_ISOLATION").unwrap_or_else(|_| "thread".to_owned());
    // Nobody listens there: nothing of the soak may go out.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let settings = format!("[local]\nisolation = {isolation:?}\n[log]\nlevel = \"error\"\n");
    let house = House::start_with(nowhere, None, &settings).await?;
    house.ready().await?;
    let questions = Arc::new(Questions::learn(&Client::new(house.api)?).await?);
    let books = Shared::default();
    let before = quiet(&house).await?;
    let watch = Watch::start(house.pid);
    let until = Instant::now() + time;
    let clients = (0..CLIENTS).map(|number| {
        let (questions, books) = (Arc::clone(&questions), Arc::clone(&books));
        tokio::spawn(visit(house.api, number, until, (questions, books)))
    });
    let clients: Vec<_> = clients.collect();
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(60).min(until.saturating_duration_since(Instant::now())))
            .await;
        let told = lock(&books).answered;
        println!("{} s left, {told} answers, {}", (until - until.min(Instant::now())).as_secs(), watch.now());
    }
    for client in clients {
        client.await??;
    }
    let memory = watch.finish().await;
    let after = quiet(&house).await?;
    let answered = lock(&books).answered;
    house.written(answered).await.context("answers are missing in the ledger")?;
    let mut report = Report::new("soak");
    let mut books = std::mem::take(&mut *lock(&books));
    books.violations.extend(memory.violations());
    books.violations.extend(after.violations(&before));
    for (name, count) in &books.counts {
        report.add(format!("visits: {name}"), *count as f64, "");
    }
    report.add("answers and expected refusals", answered as f64, "");
    memory.add_to(&mut report);
    after.add_to(&mut report, &before);
    report
        .note(format!("{:.1} minutes, {CLIENTS} clients, isolation {isolation}", time.as_secs_f64() / 60.0));
    report.add("violations", books.violations.len() as f64, "");
    report.write()?;
    report.show();
    house.stop().await?;
    for violation in books.violations.iter().take(20) {
        println!("VIOLATION: {violation}");
    }
    ensure!(books.violations.is_empty(), "{} violations", books.violations.len());
    Ok(())
}

/// One client: visit after visit until the time is over. It stops at its own first errors, not at the gateway's.
async fn visit(
    address: SocketAddr,
    number: u64,
    until: Instant,
    (questions, books): (Arc<Questions>, Shared),
) -> anyhow::Result<()> {
    let mut dice = scenario::dice(number);
    while Instant::now() < until {
        // A client of its own each time, so that connections come and go too.
        let client = Client::new(address)?;
        let kind = Kind::draw(&mut dice, &questions);
        let playing = scenario::play(kind, &client, &questions, &mut dice);
        let visited = tokio::time::timeout(PATIENCE, playing).await;
        let visited = visited.unwrap_or_else(|_| Err(anyhow::anyhow!("no end after {PATIENCE:?}")));
        let mut books = lock(&books);
        *books.counts.entry(kind.name()).or_default() += 1;
        match visited {
            Ok(Visit::Answered(answers)) => books.answered += answers,
            Ok(Visit::Left) => {}
            Err(error) => books.violations.push(format!("{}: {error:#}", kind.name())),
        }
    }
    Ok(())
}

/// What a gateway holds when nobody asks.
struct Idle {
    descriptors: usize,
    threads: usize,
    faults: f64,
    lost_rows: f64,
}

/// Waits until nothing is under way and threads that only wait for more work have ended.
async fn quiet(house: &House) -> anyhow::Result<Idle> {
    let began = Instant::now();
    loop {
        let metrics = house.metrics().await?;
        let busy = ["crossover_requests_in_flight", "crossover_local_active", "crossover_local_queue_depth"];
        let busy: f64 = busy.iter().map(|name| value_of(&metrics, name).unwrap_or(1.0)).sum();
        let now = watch::Holdings::of(house.pid);
        if busy == 0.0 && began.elapsed() >= SETTLED {
            let faults = ["hung", "died", "refused"]
                .map(|kind| format!("crossover_local_faults_total{{kind=\"{kind}\"}}"));
            return Ok(Idle {
                descriptors: now.descriptors,
                threads: now.threads,
                faults: faults.iter().map(|name| value_of(&metrics, name).unwrap_or(1.0)).sum(),
                lost_rows: value_of(&metrics, "crossover_ledger_rows_total{state=\"dropped\"}")?,
            });
        }
        ensure!(began.elapsed() < QUIET, "the gateway is not quiet: {busy} under way, {now:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

impl Idle {
    fn violations(&self, before: &Self) -> Vec<String> {
        let mut found = vec![];
        if self.descriptors > before.descriptors + 2 {
            found.push(format!("{} descriptors, {} before", self.descriptors, before.descriptors));
        }
        if self.threads > before.threads + 2 {
            found.push(format!("{} threads, {} before", self.threads, before.threads));
        }
        if self.faults > 0.0 {
            found.push(format!("the engine failed {} times", self.faults));
        }
        if self.lost_rows > 0.0 {
            found.push(format!("{} ledger rows were dropped", self.lost_rows));
        }
        found
    }

    fn add_to(&self, report: &mut Report, before: &Self) {
        report.add("descriptors, idle, before", before.descriptors as f64, "");
        report.add("descriptors, idle, after", self.descriptors as f64, "");
        report.add("threads, idle, before", before.threads as f64, "");
        report.add("threads, idle, after", self.threads as f64, "");
    }
}
