//! What calibration needs of the house: the classifier, asked as routing asks it, and what a calibration is bound to.

use std::path::{Component, Path, PathBuf};

use crate::chat::Control;
use crate::config::{Config, Paths};
use crate::dialects::openai_chat::parse_request;
use crate::evals::calibrate::{Reader, Reading, scorer_hash};
use crate::evals::{Question, Sample, Suite, Wording};
use crate::routing::{Bound, GoldenSet, LoadError, OnnxClassifier, Present, Router, Signals};

/// Reads golden rows with the installed classifier: the same text of the same request as in live traffic.
pub struct GoldenReader {
    classifier: OnnxClassifier,
}

impl GoldenReader {
    /// Opens the classifier that the settings name, without any fitted head.
    ///
    /// # Errors
    /// A classifier that cannot be used; the error names the file and what mends it.
    pub fn open(config: &Config, paths: &Paths) -> Result<Self, LoadError> {
        OnnxClassifier::load(&paths.model(&config.classifier.model)).map(|classifier| Self { classifier })
    }
}

impl Reader for GoldenReader {
    fn read(&mut self, sample: &Sample) -> Result<Reading, String> {
        let question = Question {
            messages: &sample.messages,
            model: "auto",
            control: Control::Auto,
            max_tokens: 1,
            tools: &sample.tools,
            wording: Wording::default(),
        };
        let request = parse_request(question.body().into()).map_err(|error| error.to_string())?;
        let signals = Signals::read(&request);
        let reading = self.classifier.inspect(&signals.text).map_err(|error| error.to_string())?;
        Ok(Reading { local_ok: reading.verdict.local_ok, inputs: reading.inputs })
    }
}

/// Everything that a calibration on `suite`, which lies in `folder`, is true of in this house.
///
/// # Errors
/// Which model cannot be read.
pub fn bound(
    config: &Config,
    paths: &Paths,
    (suite, folder): (&Suite, &Path),
    remote_model: &str,
) -> Result<Bound, String> {
    let present = Present::look(config, paths);
    let local_model = present.local_hash().map(str::to_owned);
    let Present { classifier, tokenizer, .. } = present;
    let unread = |what: &str, name: &str| format!("{what}: {} cannot be read", paths.model(name).display());
    let classifier_unread = || unread("classifier.model", &config.classifier.model);
    Ok(Bound {
        classifier: classifier.ok_or_else(classifier_unread)?,
        tokenizer: tokenizer.ok_or_else(classifier_unread)?,
        local_model: local_model.ok_or_else(|| unread("local.model", &config.local.model))?,
        remote_model: remote_model.to_owned(),
        scorer: scorer_hash(suite),
        golden: GoldenSet {
            name: suite.name.clone(),
            version: suite.version.clone(),
            hash: suite.hash.clone(),
            path: lasting(folder),
        },
    })
}

/// The folder's path, such that it means no other folder where somebody works elsewhere: whole, unless it is all names
/// (`evals/golden/mixed`), which holds in every checkout.
fn lasting(folder: &Path) -> PathBuf {
    let named = folder.components().all(|part| matches!(part, Component::Normal(_)));
    if named || folder.is_absolute() {
        return folder.to_owned();
    }
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// The same router, its calibration also held to its golden set, which routing cannot see.
pub fn held_to_golden(router: Router) -> Router {
    let Some(present) = router.standing().calibration().map(|it| golden(&it.bound.golden.path)) else {
        return router;
    };
    let standing = router.standing().clone().compared(&present);
    router.with_standing(standing)
}

/// The golden set at a calibration's path and how it is graded, now. Nothing is compared where no set lies there.
fn golden(path: &Path) -> Present {
    if !path.join("suite.toml").is_file() {
        return Present::default();
    }
    match Suite::read(path) {
        Ok(suite) => Present {
            golden: Some(suite.hash.clone()),
            scorer: Some(scorer_hash(&suite)),
            ..Present::default()
        },
        // It is there and is no golden set any more: that differs from any hash.
        Err(_) => Present { golden: Some("unreadable".to_owned()), ..Present::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_all_names_is_kept_and_any_other_made_whole() {
        assert_eq!(lasting(Path::new("evals/golden/mixed")), Path::new("evals/golden/mixed"));
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        for typed in [".", "./src/..", "src/.."] {
            assert_eq!(lasting(Path::new(typed)), here, "{typed}");
        }
    }

    #[test]
    fn a_folder_without_a_golden_set_is_not_compared_and_a_broken_set_differs() {
        assert_eq!(golden(Path::new(".")), Present::default());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("suite.toml"), "no golden set").unwrap();
        assert_eq!(golden(folder.path()).golden.as_deref(), Some("unreadable"));
    }
}
