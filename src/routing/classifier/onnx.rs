//! The shipped classifier: a folder of `config.json`, `tokenizer.json` and `model.onnx`, run on one thread.
//! Owns its session and its buffers, so a call allocates little. Calibration is folded into the graph. Heads that
//! the graph does not have stay `None`.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::value::TensorRef;
use serde::Deserialize;
use tokenizers::Tokenizer;

use super::{Classifier, ClassifierError, Verdict, features, window};
use crate::onnx::{self, Manifest, ManifestError, OnnxError, SessionSpec};
use crate::routing::signals::Signals;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const MODEL: &str = "model.onnx";
/// The only form of `config.json` that this version reads.
const SCHEMA: u32 = 1;
/// Mends a broken folder.
const MEND: &str =
    "Restore the shipped folder (`git checkout -- models/classifier`), or set classifier.enabled = false";

/// The classifier cannot be used; says which file and what mends it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is missing, unreadable or wrong.
    #[error("{}: {why}. {MEND}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No session: the library or the model.
    #[error("{0}")]
    Onnx(#[from] OnnxError),
    /// A shipped file is missing or altered.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl LoadError {
    /// A short name of a closed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::File { .. } => "classifier_file",
            Self::Onnx(error) => error.label(),
            Self::Manifest(_) => "classifier_altered",
        }
    }

    /// The file at fault, where it is one of the folder's.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Onnx(_) | Self::Manifest(_) => None,
        }
    }
}

/// The parts of `config.json` that we read; the rest tells how the model was made.
#[derive(Deserialize)]
struct Config {
    schema: u32,
    max_tokens: usize,
    window: TokenWindow,
    text_window: TextWindow,
    pad_id: i64,
    features: Vec<String>,
    code_marks: Vec<String>,
}

#[derive(Deserialize)]
struct TokenWindow {
    head: usize,
    tail: usize,
}

#[derive(Deserialize)]
struct TextWindow {
    cut_above_bytes: usize,
    head_bytes: usize,
    tail_bytes: usize,
}

impl Config {
    fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
        let config: Self = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if config.schema != SCHEMA {
            return Err(format!("`schema` is {}, this version reads {SCHEMA}", config.schema));
        }
        if config.features != features::NAMES {
            return Err("`features` lists other features than this version computes".to_owned());
        }
        let TextWindow { cut_above_bytes, head_bytes, tail_bytes } = config.text_window;
        if (cut_above_bytes, head_bytes, tail_bytes) != (window::CUT_ABOVE, window::KEEP, window::KEEP) {
            return Err("`text_window` differs from the one that this version cuts".to_owned());
        }
        let TokenWindow { head, tail } = config.window;
        if head == 0 || tail == 0 || head + tail != config.max_tokens || config.max_tokens > 4096 {
            return Err("`window` must add up to `max_tokens`, at most 4096".to_owned());
        }
        Ok(config)
    }
}

/// The ONNX classifier.
pub struct OnnxClassifier {
    session: Session,
    tokenizer: Tokenizer,
    config: Config,
    has_gain: bool,
    ids: Vec<i64>,
}

impl OnnxClassifier {
    /// Opens a folder and asks it once, so that a model that cannot answer is found now.
    ///
    /// # Errors
    /// Names the file and the command that mends it.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let at = |name: &str| folder.join(name);
        let blame = |name: &str, why: String| LoadError::File {
            file: at(name),
            why: why.trim_end_matches('.').to_owned(),
        };
        let config = Config::read(&at(CONFIG)).map_err(|why| blame(CONFIG, why))?;
        let mut tokenizer =
            Tokenizer::from_file(at(TOKENIZER)).map_err(|error| blame(TOKENIZER, error.to_string()))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| blame(TOKENIZER, error.to_string()))?;
        let model = at(MODEL);
        if !model.is_file() {
            return Err(blame(MODEL, "is missing".to_owned()));
        }
        Manifest::check(folder)?;
        let session = onnx::open(&model, &SessionSpec { intra_threads: 1, spin: false }).map_err(
            |error| match error {
                OnnxError::Model { why, .. } => blame(MODEL, format!("ONNX Runtime cannot open it: {why}")),
                other => LoadError::Onnx(other),
            },
        )?;
        let has = |head: &str| session.outputs().iter().any(|output| output.name() == head);
        if !has("local_ok") {
            return Err(blame(MODEL, "has no output `local_ok`".to_owned()));
        }
        let has_gain = has("gain");
        let mut classifier = Self { session, tokenizer, config, has_gain, ids: vec![] };
        let trial = classifier.judge("Is this on?").and_then(Verdict::checked);
        trial.map_err(|error| blame(MODEL, error.to_string()))?;
        Ok(classifier)
    }

    fn judge(&mut self, text: &str) -> Result<Verdict, ClassifierError> {
        let cut = window::cut(text);
        let features = features::compute(text, &cut, &self.config.code_marks);
        let encoding = self.tokenizer.encode_fast(cut.as_ref(), false);
        let encoding = encoding.map_err(|error| ClassifierError::Broken(error.to_string()))?;
        let kept = (self.config.window.head, self.config.window.tail);
        window::token_window(encoding.get_ids(), kept, self.config.pad_id, &mut self.ids);
        self.run(&features).map_err(|error: ort::Error| ClassifierError::Broken(error.message().to_owned()))
    }

    /// Runs the graph on `self.ids` and the features; the tensors borrow both.
    fn run(&mut self, features: &[f32]) -> ort::Result<Verdict> {
        let ids = TensorRef::from_array_view(([1, self.ids.len()], self.ids.as_slice()))?;
        let features = TensorRef::from_array_view(([1, features.len()], features))?;
        let outputs = self.session.run(ort::inputs!["input_ids" => ids, "features" => features])?;
        let head = |name: &str| -> ort::Result<f32> {
            let (_, values) = outputs[name].try_extract_tensor::<f32>()?;
            // No value is as good as NaN: the check of the verdict refuses both.
            Ok(values.first().copied().unwrap_or(f32::NAN))
        };
        let gain = if self.has_gain { Some(head("gain")?) } else { None };
        Ok(Verdict { local_ok: head("local_ok")?, gain, ..Verdict::default() })
    }
}

impl Classifier for OnnxClassifier {
    fn classify(&mut self, signals: &Signals) -> Result<Verdict, ClassifierError> {
        self.judge(&signals.text)
    }
}

#[cfg(test)]
mod tests;
