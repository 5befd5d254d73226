//! `crossover serve`: the gateway, until it is told to stop.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Context;
use crate::api::{self, Front, Listener};
use crate::app::{House, Store};
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

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (mut config, paths) = context.load()?;
    config.server.listen = args.listen.unwrap_or(config.server.listen);
    config.server.admin_listen = args.admin_listen.unwrap_or(config.server.admin_listen);
    config.server.require_loopback()?;
    telemetry::init(&config.log)?;
    let house = House::open(config, &paths, Store::File)?;
    if matches!(house.calibration, Standing::Mismatch(..)) {
        tracing::warn!(alert = "calibration_mismatch", "calibration {}", house.calibration.words());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let clean = runtime.block_on(serve(&house))?;
    // Drops answers that outlived the grace, so that their records close before the ledger does.
    runtime.shutdown_timeout(LAST_WORDS);
    house.ledger.shutdown();
    if !clean {
        tracing::warn!("the shutdown grace was over before every answer had ended");
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves both listeners until a signal; `true` when every live answer ended by itself.
async fn serve(house: &House) -> anyhow::Result<bool> {
    let server = &house.config.server;
    let write_timeout = Duration::from_secs(server.write_timeout_seconds);
    let grace = Duration::from_secs(server.shutdown_grace_seconds);
    let front = Front::new(Arc::clone(&house.pipeline), server);
    let public = Listener::bind(server.listen, api::public(Arc::clone(&front)), write_timeout)
        .await
        .with_context(|| format!("server.listen: {} cannot be bound", server.listen))?;
    let admin = Listener::bind(server.admin_listen, api::admin(Arc::clone(&front)), write_timeout)
        .await
        .with_context(|| format!("server.admin-listen: {} cannot be bound", server.admin_listen))?;
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
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let admin = tokio::spawn(api::serve(admin, told(admin_ended), Duration::from_secs(1)));
    let public = tokio::spawn(api::serve(public, told(stopped), grace));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    front.drain();
    drop(background);
    tracing::info!(
        "shutting down: live answers have {} s to end; a second signal ends them now",
        grace.as_secs()
    );
    stop.send_replace(true);
    let clean = tokio::select! {
        clean = public => clean?,
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
    };
    end_admin.send_replace(true);
    admin.await?;
    Ok(clean)
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
