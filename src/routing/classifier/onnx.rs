//! The shipped classifier: a folder of `config.json`, `tokenizer.json` and `model.onnx`, run on one thread.
//! Owns its session and its buffers, so a call allocates little. The shipped calibration is folded into the graph; a
//! head that was fitted for the installed model comes on top. Heads that the graph does not have stay `None`, and text
//! is tokenised only for graphs that read tokens; the shipped one reads n-grams and features.

mod config;
mod outputs;

use std::path::{Path, PathBuf};

use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use tokenizers::Tokenizer;

use self::config::Config;
use self::outputs::Outputs;
use super::ngrams::Ngrams;
use super::{Classifier, ClassifierError, Head, Verdict, features, window};
use crate::onnx::{self, Manifest, ManifestError, OnnxError, SessionSpec};
use crate::routing::signals::Signals;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const MODEL: &str = "model.onnx";
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
    /// A fitted head that was made for another graph.
    #[error(
        "the calibration's head has {weights} weights and this classifier gives {inputs} inputs: it was fitted for another \
         classifier. Run `crossover calibrate` again"
    )]
    Head {
        /// Weights of the head.
        weights: usize,
        /// Inputs that the classifier gives.
        inputs: usize,
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
            Self::Head { .. } => "classifier_head",
            Self::Onnx(error) => error.label(),
            Self::Manifest(_) => "classifier_altered",
        }
    }

    /// The file at fault, where it is one of the folder's.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Head { .. } | Self::Onnx(_) | Self::Manifest(_) => None,
        }
    }
}

/// What one text gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The verdict, `calibrated` included where a head is set.
    pub verdict: Verdict,
    /// What [`Head`]s are fitted on: the embedding's numbers, the logit of `local_ok`, `gain` (0 where there is none).
    pub inputs: Vec<f32>,
}

/// For graphs that read tokens.
struct Tokens {
    tokenizer: Tokenizer,
    ids: Vec<i64>,
}

/// The ONNX classifier.
pub struct OnnxClassifier {
    session: Session,
    config: Config,
    /// Each is `None` for graphs that do not read it.
    tokens: Option<Tokens>,
    ngrams: Option<Ngrams>,
    outputs: Outputs,
    head: Option<Head>,
    /// How many numbers a head is fitted on.
    inputs: usize,
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
        let tokenizer = open_tokenizer(&at(TOKENIZER)).map_err(|why| blame(TOKENIZER, why))?;
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
        let outputs = Outputs::of(&session, config.tasks()).map_err(|why| blame(MODEL, why))?;
        let reads = |name: &str| session.inputs().iter().any(|input| input.name() == name);
        if reads("ngram_ids") && config.ngrams.is_none() {
            return Err(blame(CONFIG, "`ngrams` is missing, and the model reads them".to_owned()));
        }
        let tokens = reads("input_ids").then(|| Tokens { tokenizer, ids: vec![] });
        let ngrams = reads("ngram_ids").then(Ngrams::new);
        let mut classifier = Self { session, config, tokens, ngrams, outputs, head: None, inputs: 0 };
        let trial = classifier.inspect("Is this on?");
        let trial = trial.and_then(|reading| reading.verdict.checked().map(|_| reading.inputs.len()));
        classifier.inputs = trial.map_err(|error| blame(MODEL, error.to_string()))?;
        Ok(classifier)
    }

    /// The same classifier with a head that was fitted for the installed local model; `None` takes it off.
    ///
    /// # Errors
    /// `Head` when it was fitted on another number of inputs.
    pub fn with_head(self, head: Option<Head>) -> Result<Self, LoadError> {
        let weights = head.as_ref().map_or(self.inputs, |head| head.weights.len());
        if weights != self.inputs {
            return Err(LoadError::Head { weights, inputs: self.inputs });
        }
        Ok(Self { head, ..self })
    }

    /// Judges a text and tells what a head is fitted on.
    ///
    /// # Errors
    /// `Broken` when the tokenizer or the graph fails, or a fitted head gives no number.
    pub fn inspect(&mut self, text: &str) -> Result<Reading, ClassifierError> {
        let cut = window::cut(text);
        let features = features::compute(text, &cut, &self.config.code_marks);
        if let Some(tokens) = &mut self.tokens {
            let kept = (self.config.window.head, self.config.window.tail);
            tokens.read(&cut, kept, self.config.pad_id)?;
        }
        if let Some(ngrams) = &mut self.ngrams {
            ngrams.read(&cut);
        }
        let mut reading =
            self.run(&features).map_err(|error| ClassifierError::Broken(error.message().to_owned()))?;
        if let Some(head) = &self.head {
            let score = head.score(&reading.inputs);
            let why = || ClassifierError::Broken("the calibration's head gives no number".to_owned());
            reading.verdict.calibrated = Some(score.ok_or_else(why)?);
        }
        Ok(reading)
    }

    /// Runs the graph on the buffers and the features; the tensors borrow them.
    fn run(&mut self, features: &[f32]) -> ort::Result<Reading> {
        let features = TensorRef::from_array_view(([1, features.len()], features))?;
        let mut feed: Vec<(&str, SessionInputValue<'_>)> = vec![("features", features.into())];
        if let Some(Tokens { ids, .. }) = &self.tokens {
            feed.push(("input_ids", TensorRef::from_array_view(([1, ids.len()], ids.as_slice()))?.into()));
        }
        if let Some(Ngrams { ids, weights, .. }) = &self.ngrams {
            feed.push(("ngram_ids", TensorRef::from_array_view(([1, ids.len()], ids.as_slice()))?.into()));
            feed.push((
                "ngram_weights",
                TensorRef::from_array_view(([1, weights.len()], weights.as_slice()))?.into(),
            ));
        }
        self.outputs.read(&self.session.run(feed)?)
    }
}

impl Tokens {
    fn read(&mut self, cut: &str, kept: (usize, usize), pad: i64) -> Result<(), ClassifierError> {
        let encoding = self.tokenizer.encode_fast(cut, false);
        let encoding = encoding.map_err(|error| ClassifierError::Broken(error.to_string()))?;
        window::token_window(encoding.get_ids(), kept, pad, &mut self.ids);
        Ok(())
    }
}

/// The tokenizer is read even where the graph has no use for it: a broken folder shows at once.
fn open_tokenizer(file: &Path) -> Result<Tokenizer, String> {
    let mut tokenizer = Tokenizer::from_file(file).map_err(|error| error.to_string())?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
    Ok(tokenizer)
}

impl Classifier for OnnxClassifier {
    fn classify(&mut self, signals: &Signals) -> Result<Verdict, ClassifierError> {
        Ok(self.inspect(&signals.text)?.verdict)
    }
}

#[cfg(test)]
mod tests;
