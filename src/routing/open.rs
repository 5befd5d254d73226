//! Builds the router that the settings describe: policies with their own tests passed, classifier and calibration.
//! Reports every problem of every file at once; binds nothing and asks nobody.

use std::sync::Arc;

use super::calibration::Standing;
use super::classifier::{Classifier, OnnxClassifier};
use super::policy::Policy;
use super::router::Router;
use crate::config::{Config, Paths, Problem};
use crate::metrics::Metrics;

/// Loads all policies, runs their tests, and loads the classifier.
///
/// # Errors
/// Every problem of every policy, a policy in charge that does not exist, and a classifier or calibration that cannot be
/// used. A calibration that no longer fits is no problem here: it does not steer.
pub fn open(config: &Config, paths: &Paths, metrics: Arc<Metrics>) -> Result<Router, Vec<Problem>> {
    let mut problems = vec![];
    let policies = Policy::load_folder(&paths.policies).unwrap_or_else(|found| {
        problems.extend(found);
        vec![]
    });
    problems.extend(policies.iter().flat_map(Policy::run_tests));
    if problems.is_empty() && !policies.iter().any(|policy| policy.name() == config.policy) {
        let known: Vec<&str> = policies.iter().map(Policy::name).collect();
        let message = format!("there is no policy `{}`; known: {}", config.policy, known.join(", "));
        problems.push(Problem::key("policy", message));
    }
    let standing = look_up(config, paths).unwrap_or_else(|problem| {
        problems.push(problem);
        Standing::Missing
    });
    let classifier = load_classifier(config, paths, &standing).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Router::new(policies, classifier, config.classifier.deadline(), metrics).with_standing(standing))
}

/// Without a classifier there is no score to hold a threshold against.
fn look_up(config: &Config, paths: &Paths) -> Result<Standing, Problem> {
    if !config.classifier.enabled {
        return Ok(Standing::Missing);
    }
    Standing::look(config, paths).map_err(|error| Problem::key("classifier.calibration", error.to_string()))
}

/// With the head that a valid calibration carries.
fn load_classifier(
    config: &Config,
    paths: &Paths,
    standing: &Standing,
) -> Result<Option<Box<dyn Classifier>>, Problem> {
    if !config.classifier.enabled {
        return Ok(None);
    }
    let loaded = OnnxClassifier::load(&paths.model(&config.classifier.model));
    // The error names the file, or the library, itself.
    let classifier = loaded.map_err(|error| Problem::key("classifier.model", error.to_string()))?;
    let head = match standing {
        Standing::Valid(calibration) => calibration.head.clone(),
        Standing::Missing | Standing::Mismatch(..) | Standing::NoPromise(_) => None,
    };
    match classifier.with_head(head) {
        Ok(classifier) => Ok(Some(Box::new(classifier))),
        Err(error) => Err(Problem::key("classifier.calibration", error.to_string())),
    }
}

#[cfg(test)]
mod tests;
