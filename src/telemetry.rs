//! Where log lines go: standard error, as text or as one JSON object a line, filtered by `log.level`.
//! Promises that a log that cannot be written never stops or slows the gateway: the line is dropped and counted.
//! Exports nothing over the network.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogConfig, LogFormat, Problem};

/// Lines that could not be written since the process began.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter makes no sense.
    #[error("{0}")]
    Filter(Problem),
    /// Logging has begun before.
    #[error("logging is already set up: {0}")]
    Again(#[from] SetGlobalDefaultError),
}

/// Starts logging for the whole process. Called once, before anything logs.
///
/// # Errors
/// When `log.level` is not a filter, or logging has begun before.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let ansi = io::stderr().is_terminal();
    let subscriber = subscriber(config, ansi, || Lossy(io::stderr()))?;
    Ok(tracing::subscriber::set_global_default(subscriber)?)
}

/// Lines that could not be written since the process began.
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
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
    // `log_internal_errors` would report a failed write with `eprintln!`, which panics when standard error is closed.
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

/// A writer that drops and counts what it cannot write.
struct Lossy<W>(W);

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.write_all(line).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn config(level: &str, format: LogFormat) -> LogConfig {
        LogConfig { level: level.to_owned(), format }
    }

    fn logged(config: &LogConfig, work: impl FnOnce()) -> String {
        let page = Page::default();
        let pages = page.clone();
        let subscriber = subscriber(config, false, move || Lossy(pages.clone())).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
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
    fn d17_a_log_that_cannot_be_written_is_dropped_and_counted() {
        let before = lost_lines();
        let subscriber = subscriber(&config("info", LogFormat::Text), false, || Lossy(Full)).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info!("into the void"));
        assert!(lost_lines() > before);
    }
}
