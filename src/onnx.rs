//! ONNX Runtime: finds the library, loads it once per process, opens sessions; the list of shipped model files.
//! Promises: never panics for want of the library; every error names the file and the command that mends it.
//! Does not know what a model is for, and runs nothing itself.

mod manifest;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;

pub use manifest::{Listed, Manifest, ManifestError, sha256};

/// The library version that this program is built for.
pub const VERSION: &str = "1.31.1";
/// File name of the pinned library.
const LIBRARY: &str = "libonnxruntime.so.1.31.1";
/// Names another library; a full path.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// Longest that a pool thread spins: longer than the gaps between the operators of a step, far shorter than a sleep that
/// would be worth it.
pub const SPIN_MICROSECONDS: u32 = 20;
/// Constants larger than this are left as they are: a reshaped copy of a token table costs memory and saves nothing.
const FOLDED_BYTES: u32 = 1 << 20;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Why there is no runtime or no session.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OnnxError {
    /// No library file anywhere.
    #[error(
        "ONNX Runtime {VERSION} was not found; looked at {looked}. Run `make setup`, or set {VARIABLE} to the full path of {LIBRARY}"
    )]
    Missing {
        /// Every place that was looked at.
        looked: String,
    },
    /// A library file that cannot be used: no library, too old, or broken.
    #[error(
        "{}: cannot be used as ONNX Runtime {VERSION}: {why}. Run `make setup`, or set {VARIABLE} to the full path of {LIBRARY}",
        library.display()
    )]
    Unusable {
        /// The file.
        library: PathBuf,
        /// What the loader said.
        why: String,
    },
    /// A model that ONNX Runtime refuses.
    #[error("{}: ONNX Runtime cannot open this model: {why}", model.display())]
    Model {
        /// The model file.
        model: PathBuf,
        /// What ONNX Runtime said.
        why: String,
    },
}

impl OnnxError {
    /// A short name of a closed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "runtime_missing",
            Self::Unusable { .. } => "runtime_unusable",
            Self::Model { .. } => "model_unusable",
        }
    }
}

/// The loaded library; one per process.
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

impl Runtime {
    /// The file that was loaded.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// What the library says of its own build.
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }
}

/// How a session computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSpec {
    /// Threads of the session's own pool, the calling one included; at least 1.
    pub intra_threads: usize,
    /// Whether pool threads look for work for a moment ([`SPIN_MICROSECONDS`] at most) before they sleep: operators
    /// follow each other faster and more CPU time is used. No thread spins after a run has ended.
    pub spin: bool,
}

/// The runtime, loaded at the first call. A failure is not kept: the next call looks again.
///
/// # Errors
/// `Missing` and `Unusable`, each with the command that mends it.
pub fn runtime() -> Result<&'static Runtime, OnnxError> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let library = find(&candidates(
        std::env::var_os(VARIABLE),
        std::env::current_dir().ok().as_deref(),
        std::env::current_exe().ok().as_deref(),
    ))?;
    let loaded = load(library)?;
    Ok(RUNTIME.get_or_init(|| loaded))
}

/// Opens a model file. Weights beside the file (external data) are found by ONNX Runtime itself.
///
/// # Errors
/// As [`runtime`], and `Model` when the file is missing, corrupt or uses unknown operators.
pub fn open(model: &Path, spec: &SessionSpec) -> Result<Session, OnnxError> {
    let runtime = runtime()?;
    session(&runtime.environment, model, spec)
        .map_err(|error| OnnxError::Model { model: model.to_path_buf(), why: error.message().to_owned() })
}

fn session(environment: &Environment, model: &Path, spec: &SessionSpec) -> ort::Result<Session> {
    let spin = SPIN_MICROSECONDS.to_string();
    let folded = FOLDED_BYTES.to_string();
    let entries = [
        ("session.intra_op.spin_duration_us", spin.as_str()),
        ("session.force_spinning_stop", "1"),
        ("optimization.constant_folding_max_output_size_in_bytes", folded.as_str()),
    ];
    // Prepacking stays on, its default: without it int4 kernels fall to a hundredth of their speed.
    let builder = Session::builder(environment)?
        .with_intra_threads(spec.intra_threads.max(1))
        .and_then(|builder| builder.with_inter_threads(1))
        .and_then(|builder| builder.with_intra_op_spinning(spec.spin))
        // Every constant that stays unfolded would be a warning.
        .and_then(|builder| builder.with_log_level(LogLevel::Error));
    entries
        .into_iter()
        .fold(builder, |builder, (key, value)| {
            builder.and_then(|builder| builder.with_config_entry(key, value))
        })
        .map_err(|error| forget(&error))?
        .commit_from_file(model)
}

/// Drops the half-built builder that the crate's builder errors carry.
fn forget<T>(error: &ort::Error<T>) -> ort::Error {
    ort::Error::new(error.message())
}

fn load(library: PathBuf) -> Result<Runtime, OnnxError> {
    let unusable = |why: String| OnnxError::Unusable { library: library.clone(), why };
    let environment = ort::init_from(&library)
        .map_err(|error| unusable(error.to_string()))?
        .with_name("crossover")
        .with_telemetry(false)
        .build()
        .map_err(|error| unusable(error.message().to_owned()))?;
    Ok(Runtime { environment, library })
}

/// Every place to look at, best first. A set variable is the only one: a wish is not silently replaced.
fn candidates(variable: Option<OsString>, folder: Option<&Path>, binary: Option<&Path>) -> Vec<PathBuf> {
    if let Some(wish) = variable.filter(|value| !value.is_empty()) {
        return vec![PathBuf::from(wish)];
    }
    let above = binary.and_then(Path::parent).into_iter().flat_map(|beside| beside.ancestors().take(5));
    let own = folder.into_iter().chain(above).map(|up| up.join(".local/onnxruntime").join(LIBRARY));
    let beside = binary.and_then(Path::parent).map(|beside| beside.join(LIBRARY));
    let system = ["/usr/lib/crossover", "/usr/share/crossover"].map(|root| Path::new(root).join(LIBRARY));
    let mut all: Vec<PathBuf> = own.chain(beside).chain(system).collect();
    let mut seen = std::collections::HashSet::new();
    all.retain(|path| seen.insert(path.clone()));
    all
}

fn find(candidates: &[PathBuf]) -> Result<PathBuf, OnnxError> {
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        OnnxError::Missing { looked: looked.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_variable_is_the_only_candidate() {
        let found = candidates(Some("/opt/ort.so".into()), Some(Path::new("/work")), None);
        assert_eq!(found, [PathBuf::from("/opt/ort.so")]);
    }

    #[test]
    fn looks_in_the_working_folder_then_above_the_binary_then_in_the_system() {
        let found = candidates(
            Some(OsString::new()),
            Some(Path::new("/here")),
            Some(Path::new("/repo/target/release/crossover")),
        );
        let folders: Vec<_> = found.iter().map(|path| path.parent().unwrap().to_str().unwrap()).collect();
        assert_eq!(
            folders,
            [
                "/here/.local/onnxruntime",
                "/repo/target/release/.local/onnxruntime",
                "/repo/target/.local/onnxruntime",
                "/repo/.local/onnxruntime",
                "/.local/onnxruntime",
                "/repo/target/release",
                "/usr/lib/crossover",
                "/usr/share/crossover",
            ]
        );
    }

    #[test]
    fn d20_a_missing_library_names_the_command_that_mends_it() {
        let error = find(&[PathBuf::from("/nowhere/libonnxruntime.so")]).unwrap_err();
        assert_eq!(error.label(), "runtime_missing");
        let text = error.to_string();
        assert!(text.contains("/nowhere/libonnxruntime.so") && text.contains("make setup"), "{text}");
    }

    /// In a process of its own: this one may have loaded the real library already.
    #[test]
    fn d20_a_file_that_is_no_library_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libonnxruntime.so");
        std::fs::write(&file, b"not a library").unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "onnx::tests::the_runtime_is_loaded_once", "--nocapture"])
            .env(VARIABLE, &file)
            .output()
            .unwrap();
        let text = format!("{output:?}");
        assert!(!output.status.success(), "{text}");
        assert!(text.contains(file.to_str().unwrap()) && text.contains("make setup"), "{text}");
    }

    #[test]
    fn d20_a_corrupt_model_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.onnx");
        std::fs::write(&file, b"garbage").unwrap();
        let error = open(&file, &SessionSpec { intra_threads: 1, spin: false }).unwrap_err();
        assert_eq!(error.label(), "model_unusable", "{error}");
        assert!(error.to_string().contains("model.onnx"), "{error}");
    }

    #[test]
    fn the_runtime_is_loaded_once() {
        let first = runtime().unwrap_or_else(|error| panic!("{error}"));
        let second = runtime().unwrap();
        assert!(std::ptr::eq(first, second));
        assert!(first.build_info().contains("ORT Build Info"));
    }
}
