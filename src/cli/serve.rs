//! `crossover serve`: the gateway, until it is told to stop.
//! Promises: it hears signals from its start on, while models are loaded too, and also as process 1 of a container, which
//! the kernel spares every signal that it does not ask for; both ports are its own before anything is loaded or written.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::Context;
use crate::api::{self, Front, Listener};
use crate::app::{House, Store};
use crate::config::{Config, Paths, ServerConfig};
use crate::routing::Standing;
use crate::telemetry;

/// How long work that cannot be dropped (a long prompt being tokenised) may take at the very end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Arguments of `crossover serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address of the OpenAI API [default: server.listen]
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Address of metrics and health [default: server.admin-listen]
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
}

/// How the last answers ended.
#[derive(Clone, Copy)]
enum End {
    /// By themselves.
    Clean,
    /// The grace was over before.
    GraceOver,
    /// A second signal came before.
    ToldAgain,
}

impl End {
    /// What is to be said of answers that were cut off.
    fn words(self) -> Option<&'static str> {
        match self {
            Self::Clean => None,
            Self::GraceOver => Some("the shutdown grace was over before every answer had ended"),
            Self::ToldAgain => Some("a second signal came before every answer had ended"),
        }
    }
}

/// The signals that end the gateway. Those that come while nobody waits are kept.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (mut config, paths) = context.load()?;
    config.server.listen = args.listen.unwrap_or(config.server.listen);
    config.server.admin_listen = args.admin_listen.unwrap_or(config.server.admin_listen);
    config.server.require_loopback()?;
    telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut signals, ports) = runtime.block_on(begin(&config.server))?;
    let Some(house) = runtime.block_on(load(config, paths, &mut signals))? else {
        tracing::info!("told to stop before everything was loaded; nothing was served");
        runtime.shutdown_timeout(LAST_WORDS);
        return Ok(ExitCode::SUCCESS);
    };
    if matches!(house.calibration, Standing::Mismatch(..)) {
        tracing::warn!(alert = "calibration_mismatch", "calibration {}", house.calibration.words());
    }
    let end = runtime.block_on(serve(&house, ports, &mut signals))?;
    // Drops answers that outlived the grace, so that their records close before the ledger does.
    runtime.shutdown_timeout(LAST_WORDS);
    house.ledger.shutdown();
    if let Some(words) = end.words() {
        tracing::warn!("{words}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Listens for signals, and at both ports: public and admin. Whoever connects before all is loaded waits.
async fn begin(server: &ServerConfig) -> anyhow::Result<(Signals, [TcpListener; 2])> {
    let signals = Signals::listen()?;
    let public = bind(server.listen, "listen").await?;
    let admin = bind(server.admin_listen, "admin-listen").await?;
    Ok((signals, [public, admin]))
}

async fn bind(address: SocketAddr, name: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let mend = format!("choose another with --{name} or server.{name}");
        anyhow::anyhow!("server.{name}: {address} cannot be bound: {error}; {mend}")
    })
}

/// Opens the house; `None` when a signal came first: what is being loaded is not waited for.
async fn load(config: Config, paths: Paths, signals: &mut Signals) -> anyhow::Result<Option<House>> {
    let opening = tokio::task::spawn_blocking(move || House::open(config, &paths, Store::File));
    tokio::select! {
        opened = opening => {
            let opened = opened.map_err(|_| anyhow::anyhow!("the load broke off: the line before says where"))?;
            Ok(Some(opened?))
        }
        () = signals.next() => Ok(None),
    }
}

/// Serves both listeners until a signal, and lets live answers end.
async fn serve(
    house: &House,
    [public, admin]: [TcpListener; 2],
    signals: &mut Signals,
) -> anyhow::Result<End> {
    let server = &house.config.server;
    let write_timeout = Duration::from_secs(server.write_timeout_seconds);
    let grace = Duration::from_secs(server.shutdown_grace_seconds);
    let front = Front::new(Arc::clone(&house.pipeline), server);
    let public = Listener::new(public, api::public(Arc::clone(&front)), write_timeout);
    let admin = Listener::new(admin, api::admin(Arc::clone(&front)), write_timeout);
    let (public_at, admin_at) = (public.address()?, admin.address()?);
    if let Err(error) = announce(house, public_at, admin_at) {
        tracing::warn!(
            %error,
            "standard output takes nothing; served are http://{public_at}/v1 and http://{admin_at}/metrics"
        );
    }
    let background = house.start_background();

    let (stop, stopped) = watch::channel(false);
    let (end_admin, admin_ended) = watch::channel(false);
    let admin = tokio::spawn(api::serve(admin, told(admin_ended), Duration::from_secs(1)));
    let public = tokio::spawn(api::serve(public, told(stopped), grace));
    signals.next().await;
    front.drain();
    drop(background);
    tracing::info!(
        "shutting down: live answers have {} s to end; a second signal ends them now",
        grace.as_secs()
    );
    stop.send_replace(true);
    let end = tokio::select! {
        clean = public => if clean? { End::Clean } else { End::GraceOver },
        () = signals.next() => End::ToldAgain,
    };
    end_admin.send_replace(true);
    admin.await?;
    Ok(end)
}

async fn told(mut receiver: watch::Receiver<bool>) {
    // A sender that is gone means the same as a told one.
    let _gone = receiver.wait_for(|told| *told).await;
}

/// Says what is served where. A standard output that takes nothing is no reason not to serve.
fn announce(house: &House, public: SocketAddr, admin: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "crossover {} listens on http://{public}/v1", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  metrics and health   http://{admin}/metrics  http://{admin}/health/ready")?;
    writeln!(out, "  policy in charge     {}", house.config.policy)?;
    writeln!(out, "  calibration          {}", house.calibration.words())?;
    for line in house.backends() {
        writeln!(out, "  backend              {line}")?;
    }
    if let Some(file) = &house.ledger_file {
        writeln!(out, "  ledger               {}", file.display())?;
    }
    writeln!(
        out,
        "\nTry it:\n  curl -s http://{public}/v1/chat/completions -H 'content-type: application/json' -d '\
         {{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\
         \"Classify the message into one of: billing, shipping, returns. Message: my parcel never arrived. \
         Answer with the label only.\"}}]}}'\n"
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_cutting_answers_off_has_its_own_words() {
        assert_eq!(End::Clean.words(), None);
        assert!(End::GraceOver.words().unwrap().contains("grace was over"));
        let told_again = End::ToldAgain.words().unwrap();
        assert!(told_again.contains("second signal") && !told_again.contains("grace"), "{told_again}");
    }
}
