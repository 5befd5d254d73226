//! Where log lines go: standard error, as text or as one JSON object a line, filtered by `log.level`.
//! Promises that a log that nobody reads, or that cannot be written, never stops or slows the gateway: lines wait in a
//! bounded queue for a thread of their own, and what has no room or cannot be written is dropped and counted.
//! Of a panic only the place is logged: what it says may quote a prompt. Exports nothing over the network.

mod lines;
#[cfg(test)]
pub(crate) mod page;

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogConfig, LogFormat, Problem};
use lines::Lines;

/// How long the end waits for lines that are not written yet.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What this process has yet to write.
static LINES: Lines = Lines::new();

/// How lines look, once a thread writes them.
static WRITTEN_AS: OnceLock<LogFormat> = OnceLock::new();

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter makes no sense.
    #[error("{0}")]
    Filter(Problem),
    /// Logging has begun before.
    #[error("logging is already set up: {0}")]
    Again(#[from] SetGlobalDefaultError),
    /// The system gives no thread.
    #[error("the thread that writes the log cannot be started: {0}")]
    Thread(io::Error),
}

/// Starts logging for the whole process, of panics too. Called once, before anything logs.
///
/// # Errors
/// When `log.level` is not a filter, logging has begun before, or there is no thread to be had.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let ansi = io::stderr().is_terminal();
    let subscriber = subscriber(config, ansi, || &LINES)?;
    tracing::subscriber::set_global_default(subscriber)?;
    let thread = std::thread::Builder::new().name("log".to_owned());
    thread.spawn(|| LINES.write_to(io::stderr())).map_err(TelemetryError::Thread)?;
    // Nobody else sets it: a second beginning was refused above.
    let _ = WRITTEN_AS.set(config.format);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic.location().map(tracing::field::display);
    loudly(|| tracing::error!(thread = thread.name(), at = place, "a thread panicked"));
}

/// Logs whatever `log.level` is, once logging has begun.
fn loudly(tell: impl FnOnce()) {
    let all = |format| LogConfig { level: "error".to_owned(), format };
    let format = WRITTEN_AS.get().copied();
    match format.and_then(|format| subscriber(&all(format), false, || &LINES).ok()) {
        Some(subscriber) => tracing::subscriber::with_default(subscriber, tell),
        None => tell(),
    }
}

/// Says to whoever started the program why it fails, behind what was logged and, where that is JSON, as one such line,
/// whatever `log.level` is. A reader that sleeps is not waited for.
pub fn say_error(message: &str) {
    let line = format!("error: {message}\n");
    match WRITTEN_AS.get() {
        Some(LogFormat::Json) => {
            loudly(|| tracing::error!("{message}"));
        }
        Some(LogFormat::Text) => LINES.push(line.as_bytes()),
        None => {
            // Nobody is left to be told that it cannot be said.
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

/// Waits until everything that was logged is written, a second at most: whoever reads it may sleep. For the end of the
/// process.
pub fn finish() {
    LINES.drain(LAST_WORDS);
}

/// Does what [`finish`] does when it is dropped, after a panic too.
#[derive(Debug)]
pub struct FinishOnDrop;

impl Drop for FinishOnDrop {
    fn drop(&mut self) {
        finish();
    }
}

/// Whether `log.level` is a filter, for checking a configuration without logging.
///
/// # Errors
/// The problem, with its key.
pub fn check(config: &LogConfig) -> Result<(), Problem> {
    filter(&config.level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, Problem> {
    let blame = |why: &str| {
        let how =
            "must be error, warn, info, debug, trace, or a filter such as `info,crossover::routing=debug`";
        Problem::key("log.level", format!("is `{level}`, {how}: {why}"))
    };
    if level.trim().is_empty() {
        return Err(blame("it is empty"));
    }
    // A bare word that is no level would be read as a target's name, and silence everything else.
    if level.chars().all(char::is_alphanumeric) && level.parse::<tracing::metadata::LevelFilter>().is_err() {
        return Err(blame("no such level"));
    }
    EnvFilter::builder().parse(level).map_err(|error| blame(&error.to_string()))
}

fn subscriber<W>(
    config: &LogConfig,
    ansi: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(&config.level).map_err(TelemetryError::Filter)?;
    // `log_internal_errors` would write to standard error by itself: it would wait, and panic where that is closed.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .log_internal_errors(false)
        .with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use super::page::Page;
    use super::*;

    fn config(level: &str, format: LogFormat) -> LogConfig {
        LogConfig { level: level.to_owned(), format }
    }

    fn logged(config: &LogConfig, work: impl FnOnce()) -> String {
        let page = Page::default();
        let pages = page.clone();
        let subscriber = subscriber(config, false, move || pages.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        page.text()
    }

    #[test]
    fn json_is_one_object_a_line_and_the_filter_holds() {
        let text = logged(&config("warn", LogFormat::Json), || {
            tracing::info!("too low");
            tracing::warn!(status = 503, "line\nbreak");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&line["status"], &line["message"]), (&503.into(), &"line\nbreak".into()));
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn text_is_one_line_an_event() {
        let text = logged(&config("info", LogFormat::Text), || tracing::info!(status = 200, "answered"));
        assert!(text.contains("status=200") && text.contains("answered"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_without_its_words() {
        let (own, before) = (std::thread::current().id(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == own { log_panic(panic) } else { before(panic) }
        }));
        let text = logged(&config("error", LogFormat::Json), || {
            let caught: std::thread::Result<()> = std::panic::catch_unwind(|| panic!("words of a prompt"));
            assert!(caught.is_err());
        });
        drop(std::panic::take_hook());
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert!(line["thread"].is_string() && !text.contains("prompt"), "{text}");
        assert!(line["at"].as_str().unwrap().contains("telemetry.rs:"), "{text}");
    }

    #[test]
    fn a_bad_filter_is_named_by_its_key() {
        for level in ["inof", "", "crossover=loud", "a=b=c"] {
            let error = check(&config(level, LogFormat::Text)).unwrap_err();
            assert_eq!(error.key.as_deref(), Some("log.level"), "{level}");
        }
        for level in ["info", "OFF", "warn,crossover::routing=debug"] {
            assert_eq!(check(&config(level, LogFormat::Text)), Ok(()), "{level}");
        }
    }

    #[test]
    fn d17_an_event_is_one_line_of_the_queue() {
        static QUEUE: Lines = Lines::new();
        for (format, end) in [(LogFormat::Text, "said\n"), (LogFormat::Json, "}\n")] {
            let subscriber = subscriber(&config("info", format), false, || &QUEUE).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!("said");
                tracing::info!("said");
            });
            for _ in 0..2 {
                let mut line: Vec<u8> = vec![];
                QUEUE.write_next(&mut line);
                let line = String::from_utf8(line).unwrap();
                assert!(line.ends_with(end) && line.lines().count() == 1, "{line}");
            }
        }
        assert!(QUEUE.drain(Duration::ZERO));
    }
}
