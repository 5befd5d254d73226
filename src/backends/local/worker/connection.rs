//! One worker process and the socket to it: started, fed, listened to, ended.
//! Promises: it sees no secret of the gateway's environment; it is reaped, whatever happens; one that is silent or whose
//! step takes too long is told apart from one that works; none is opened over other files than the gateway has read.
//! Restarts nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::super::health::Mishap;
use super::super::watchdog;
use super::frames::{Facts, Order, Report, put, take};
use super::model_files::ModelFiles;
use crate::config::{LogConfig, LogFormat};

/// What a worker may know of the gateway's environment.
const ENVIRONMENT: [&str; 9] = [
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "ORT_DYLIB_PATH",
    "MALLOC_MMAP_THRESHOLD_",
    "RUST_BACKTRACE",
    "NO_COLOR",
];
/// Longest that a worker may take to load its model, whatever signs of life it gives.
const LONGEST_LOAD: Duration = Duration::from_secs(600);
/// How long a worker may take to end by itself once its gateway has let go of it, and how long one that is killed.
pub(super) const GOODBYE: Duration = Duration::from_secs(4);
/// How long the end of a worker may come after that of its socket.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How to start a worker.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    /// What the folder held when the gateway read it.
    pub(super) files: ModelFiles,
    pub(super) settings: String,
    pub(super) longest: Duration,
    pub(super) deadline: Duration,
    pub(super) log: LogConfig,
}

impl Spec {
    /// An error where the folder holds other files now: tokenizer and template are the gateway's, and of another model.
    fn check_files(&self) -> Result<(), Failure> {
        let Some(file) = self.files.changed() else { return Ok(()) };
        Err(Failure::Refused(format!(
            "its files have changed since they were read (`{file}`): restart the gateway or put them back"
        )))
    }
}

/// Why a worker does not work, or no more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("it cannot be started: {0}")]
    Start(String),
    #[error("it does not load the model: {0}")]
    Refused(String),
    #[error("it ended: {0}")]
    Died(String),
    #[error("it broke off: {0}")]
    Broken(String),
    #[error("one step has taken more than {} s", .0.as_secs_f64())]
    Hung(Duration),
    #[error("its last steps have all failed")]
    Failing,
    #[error("the gateway is closing")]
    Closing,
}

impl Failure {
    /// How it is counted; a gateway that closes is no fault.
    pub(super) fn mishap(&self) -> Option<Mishap> {
        match self {
            Self::Hung(_) => Some(Mishap::Hung),
            Self::Failing => Some(Mishap::Failing),
            Self::Start(_) | Self::Refused(_) => Some(Mishap::Refused),
            Self::Died(_) | Self::Broken(_) => Some(Mishap::Died),
            Self::Closing => None,
        }
    }
}

/// A worker process.
pub(super) struct Connection {
    child: Child,
    pub(super) from: OwnedReadHalf,
    pub(super) to: OwnedWriteHalf,
    pub(super) incoming: BytesMut,
    pub(super) outgoing: BytesMut,
    deadline: Duration,
    pub(super) heard: Instant,
}

impl Connection {
    /// Starts a worker and waits until its model is loaded, for as long as it gives signs of life and `closes` says no.
    pub(super) async fn open(spec: &Spec, closes: impl Fn() -> bool) -> Result<(Self, Facts), Failure> {
        spec.check_files()?;
        let mut connection = Self::start(spec)
            .map_err(|error| Failure::Start(format!("{}: {error}", spec.program.display())))?;
        let loaded = connection.load(spec, closes).await;
        // They may have changed while they were read.
        match loaded.and_then(|facts| spec.check_files().map(|()| facts)) {
            Ok(facts) => Ok((connection, facts)),
            Err(failure) => {
                let failure = connection.explain(failure).await;
                connection.kill().await;
                Err(failure)
            }
        }
    }

    fn start(spec: &Spec) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&spec.program);
        command.arg("worker").arg("--model").arg(&spec.folder);
        command.arg("--log-level").arg(&spec.log.level).arg("--log-format").arg(match spec.log.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        });
        command.env_clear();
        command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // A group of its own: an interrupt from the terminal is for the gateway, which lets answers end first.
        command.process_group(0).kill_on_drop(true);
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).spawn()?;
        // The command holds the other end; without this the gateway would never see it close.
        drop(command);
        let (from, to) = UnixStream::from_std(ours)?.into_split();
        let (incoming, outgoing) = (BytesMut::with_capacity(64 * 1024), BytesMut::new());
        Ok(Self { child, from, to, incoming, outgoing, deadline: spec.deadline, heard: Instant::now() })
    }

    async fn load(&mut self, spec: &Spec, closes: impl Fn() -> bool) -> Result<Facts, Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::Broken(error.to_string());
        let (folder, settings) = (spec.folder.clone(), spec.settings.clone());
        let order = Order::Load { folder, settings, longest: spec.longest };
        put(&order, &mut self.outgoing).map_err(|error| broken(&error))?;
        self.to.write_all_buf(&mut self.outgoing).await.map_err(|error| broken(&error))?;
        let began = Instant::now();
        loop {
            match self.take()? {
                Some(Report::Ready(facts)) => return Ok(facts),
                Some(Report::Refused { why }) => return Err(Failure::Refused(why)),
                Some(_) => {}
                None => match timeout(self.patience(), read(&mut self.from, &mut self.incoming)).await {
                    Ok(read) => self.heard = read?,
                    Err(_) => return Err(Failure::Hung(self.deadline)),
                },
            }
            if closes() {
                return Err(Failure::Closing);
            }
            if began.elapsed() > LONGEST_LOAD {
                let why = format!("it is not loaded after {} s", LONGEST_LOAD.as_secs());
                return Err(Failure::Refused(why));
            }
        }
    }

    /// The next report that was read; an error where a step has passed its deadline, or all fail.
    pub(super) fn take(&mut self) -> Result<Option<Report>, Failure> {
        match take(&mut self.incoming) {
            Ok(Some(Report::Beat { running: Some(running), .. })) if running >= self.deadline => {
                Err(Failure::Hung(self.deadline))
            }
            Ok(Some(Report::Beat { failing: true, .. })) => Err(Failure::Failing),
            Ok(report) => Ok(report),
            Err(error) => Err(Failure::Broken(error.to_string())),
        }
    }

    /// An error where nothing was heard for too long.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.heard.elapsed() > self.patience() { Err(Failure::Hung(self.deadline)) } else { Ok(()) }
    }

    /// A worker that works says so several times within the deadline.
    fn patience(&self) -> Duration {
        self.deadline + watchdog::period(self.deadline)
    }

    /// The failure, or what a worker whose socket is closed has died of.
    pub(super) async fn explain(&mut self, failure: Failure) -> Failure {
        match failure {
            Failure::Broken(why) => match timeout(LAST_WORDS, self.child.wait()).await {
                Ok(Ok(status)) => Failure::Died(words(status)),
                _ => Failure::Broken(why),
            },
            other => other,
        }
    }

    /// Ends the process now, if it has not ended, and reaps it.
    pub(super) async fn kill(mut self) {
        end(&mut self.child).await;
    }

    /// Lets the process end by itself, and ends it where it does not.
    pub(super) async fn dismiss(mut self) {
        drop((self.from, self.to));
        if timeout(GOODBYE, self.child.wait()).await.is_err() {
            end(&mut self.child).await;
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

/// Reads what has come, and when it did; may be dropped while it waits.
pub(super) async fn read(from: &mut OwnedReadHalf, incoming: &mut BytesMut) -> Result<Instant, Failure> {
    match from.read_buf(incoming).await {
        Ok(1..) => Ok(Instant::now()),
        Ok(0) => Err(Failure::Broken("the socket is closed".to_owned())),
        Err(error) => Err(Failure::Broken(error.to_string())),
    }
}

/// Ends a process and reaps it. One that the kernel keeps, in a driver for instance, is left to it after a while.
async fn end(child: &mut Child) {
    if child.id().is_none() {
        return;
    }
    let why = match timeout(GOODBYE, child.kill()).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it was killed and is still there after {} s", GOODBYE.as_secs()),
    };
    tracing::error!("the local engine's worker process could not be ended: {why}");
}

/// An exit status without the number of a signal that nobody knows by heart.
fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        Some(6) => "aborted".to_owned(),
        Some(9) => "killed; if nobody did, the system had no memory left".to_owned(),
        Some(7 | 11) => format!("it crashed in native code ({status})"),
        _ => status.to_string(),
    }
}

/// The program that workers run: this one, even where its file has been replaced meanwhile.
pub(super) fn own_program() -> PathBuf {
    let linux = Path::new("/proc/self/exe");
    if linux.exists() { linux.to_path_buf() } else { std::env::current_exe().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::super::frames::Told;
    use super::*;

    #[tokio::test]
    async fn d21_a_worker_whose_steps_fail_or_hang_is_told_apart_from_one_that_works() {
        let spec = Spec {
            program: "true".into(),
            folder: PathBuf::new(),
            files: ModelFiles::of(Path::new("")),
            settings: String::new(),
            longest: Duration::ZERO,
            deadline: Duration::from_secs(60),
            log: LogConfig::default(),
        };
        let mut connection = Connection::start(&spec).unwrap();
        for (running, failing) in [(None, false), (Some(59), false), (None, true), (Some(61), false)] {
            let running = running.map(Duration::from_secs);
            put(&Report::Beat { running, failing, told: Told::default() }, &mut connection.incoming).unwrap();
        }
        for _ in 0..2 {
            assert!(matches!(connection.take(), Ok(Some(Report::Beat { failing: false, .. }))));
        }
        for (expected, mishap) in
            [(Failure::Failing, Mishap::Failing), (Failure::Hung(spec.deadline), Mishap::Hung)]
        {
            let failure = connection.take().unwrap_err();
            assert_eq!((&failure, failure.mishap()), (&expected, Some(mishap)));
        }
        connection.kill().await;
    }
}
