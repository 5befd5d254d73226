//! `crossover doctor`: what is on this machine, what is missing, and how to mend it, in words.
//! Promises: changes nothing, but remembers digests beside models' files as `serve` does (`hub/stamp.rs`); makes no paid
//! call, shows no secret; exit code 1 when `serve` would not start or answer.
//! `--live` only asks a running gateway whether it is alive.

mod calibration;
mod examine;
mod house;

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::Context;
use super::say::say;
use crate::config::Problem;

/// Longest wait for a gateway on this machine.
const LIVE_PATIENCE: Duration = Duration::from_secs(2);

/// Arguments of `crossover doctor`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only ask the running gateway's admin listener whether it is alive; exit code 0 when it is
    #[arg(long)]
    live: bool,
    /// Where it listens [default: server.admin-listen]
    #[arg(long, requires = "live")]
    admin_listen: Option<SocketAddr>,
}

/// What was found out about one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it should be.
    Good,
    /// Worth knowing; `serve` runs without it.
    Note,
    /// `serve` needs it.
    Bad,
}

impl State {
    fn mark(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Bad => "MISSING",
        }
    }
}

/// One line of the report.
struct Finding {
    state: State,
    subject: &'static str,
    text: String,
}

impl Finding {
    fn new(state: State, subject: &'static str, text: impl Into<String>) -> Self {
        Self { state, subject, text: text.into() }
    }

    fn good(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(State::Good, subject, text)
    }

    fn note(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(State::Note, subject, text)
    }

    fn bad(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(State::Bad, subject, text)
    }

    fn problems(subject: &'static str, problems: &[Problem]) -> Vec<Self> {
        problems.iter().map(|problem| Self::bad(subject, problem.to_string())).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{:<15}{}", self.state.mark(), self.subject, self.text)
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    if args.live {
        let address = match args.admin_listen {
            Some(address) => address,
            None => context.load()?.0.server.admin_listen,
        };
        is_live(address).with_context(|| format!("nobody is alive at http://{address}/health/live"))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("crossover {}\n\n", env!("CARGO_PKG_VERSION")))?;
    let mut findings = vec![];
    // Whoever stops reading still gets the exit code of a whole run.
    let mut tell = |finding: Finding| {
        findings.push(finding.state);
        say(&format!("{finding}\n"))
    };
    examine::machine().into_iter().try_for_each(&mut tell)?;
    tell(examine::runtime())?;
    match context.load() {
        Err(error) => {
            Finding::problems("configuration", &error.problems).into_iter().try_for_each(&mut tell)?;
        }
        Ok((config, paths)) => {
            let log = crate::telemetry::check(&config.log).err();
            Finding::problems("configuration", log.as_slice()).into_iter().try_for_each(&mut tell)?;
            examine::models(&config, &paths).into_iter().try_for_each(&mut tell)?;
            examine::ports(&config.server).into_iter().try_for_each(&mut tell)?;
            tell(examine::state_folder(&paths.state))?;
            tell(examine::ledger(&config.ledger, &paths.state))?;
            house::examine(config, &paths)?.into_iter().try_for_each(&mut tell)?;
        }
    }
    let count = |state| findings.iter().filter(|found| **found == state).count();
    let (notes, bad) = (count(State::Note), count(State::Bad));
    if bad > 0 {
        say(&format!(
            "\n{bad} thing(s) that `crossover serve` needs are missing or wrong; {notes} note(s).\n"
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    say(&format!("\nEverything that `crossover serve` needs is here; {notes} note(s).\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for `/health/live`, over a plain socket.
fn is_live(address: SocketAddr) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect_timeout(&address, LIVE_PATIENCE)?;
    socket.set_read_timeout(Some(LIVE_PATIENCE))?;
    socket.set_write_timeout(Some(LIVE_PATIENCE))?;
    socket.write_all(
        format!("GET /health/live HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut head = [0; 12];
    socket.read_exact(&mut head)?;
    let status = String::from_utf8_lossy(&head[9..]).into_owned();
    anyhow::ensure!(head.starts_with(b"HTTP/1.") && status == "200", "the answer is not 200");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _read = socket.read(&mut request).unwrap();
            socket.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_a_200_is_alive() {
        assert!(is_live(answering("HTTP/1.1 200 OK\r\n\r\nlive\n")).is_ok());
        assert!(is_live(answering("HTTP/1.1 503 Service Unavailable\r\n\r\n")).is_err());
        assert!(is_live(answering("hm")).is_err());
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(is_live(gone).is_err());
    }
}
