//! What a request's `model` means here: a policy to decide by, a control, or an exact model of one backend.
//! Names match exactly or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backends::{Backend, Call, Profile};
use crate::chat::{BackendId, ChatRequest, Control};
use crate::config::Problem;

/// The name that asks the policy in charge.
const AUTO: &str = "auto";

/// Every name that callers may put in `model`.
#[derive(Debug)]
pub struct Names {
    default_policy: String,
    meanings: BTreeMap<String, Meaning>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Auto,
    Policy(String),
    Backend(BackendId),
    Model(BackendId, String),
    Embedder,
}

/// No name of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The model does not exist here. GET /v1/models lists the names that do.")]
pub struct UnknownModel;

/// Where a request wants to go, before any policy looked at it.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The policy that decides.
    pub policy: String,
    /// What the caller asks of it.
    pub control: Control,
    /// The only backend that has the exact model asked for, and that model.
    pub exact: Option<(BackendId, String)>,
}

impl Destination {
    /// The call to a backend, with the model that it shall use.
    pub(super) fn call(&self, request: Arc<ChatRequest>, profile: &Profile) -> Call {
        let model = match &self.exact {
            Some((backend, model)) if *backend == profile.id => model.clone(),
            _ => profile.model.clone(),
        };
        Call { request, model }
    }
}

impl Names {
    /// Gathers `auto`, the backends' names and models, the policies, and the aliases onto them.
    ///
    /// # Errors
    /// Aliases that point nowhere or hide a name.
    pub fn new<'a>(
        default_policy: &str,
        policies: impl Iterator<Item = &'a str>,
        backends: &[Arc<dyn Backend>],
        aliases: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut meanings = BTreeMap::from([(AUTO.to_owned(), Meaning::Auto)]);
        for profile in backends.iter().map(|backend| backend.profile()) {
            for model in &profile.models {
                meanings.insert(model.clone(), Meaning::Model(profile.id.clone(), model.clone()));
            }
        }
        meanings.extend(policies.map(|name| (name.to_owned(), Meaning::Policy(name.to_owned()))));
        for id in ["local", "remote"].map(BackendId::new) {
            meanings.insert(id.to_string(), Meaning::Backend(id));
        }
        let mut problems = vec![];
        let mut named = BTreeMap::new();
        for (alias, target) in aliases {
            let key = format!("aliases.{alias}");
            match (meanings.get(target), meanings.get(alias)) {
                (None, _) => problems
                    .push(Problem::key(&key, format!("`{target}` is no model, policy or backend here"))),
                (Some(_), Some(Meaning::Auto | Meaning::Policy(_) | Meaning::Backend(_))) => {
                    problems.push(Problem::key(
                        &key,
                        format!("`{alias}` has a meaning of its own: choose another alias"),
                    ));
                }
                (Some(meaning), _) => {
                    named.insert(alias.clone(), meaning.clone());
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        meanings.extend(named);
        Ok(Self { default_policy: default_policy.to_owned(), meanings })
    }

    /// Adds the embedding model's name, and the aliases for it.
    ///
    /// # Errors
    /// When the name has another meaning already.
    pub fn with_embedder(mut self, name: &str, aliases: &BTreeMap<String, String>) -> Result<Self, Problem> {
        if self.contains(name) {
            let why = format!("`{name}` has another meaning already: give the folder another name");
            return Err(Problem::key("embeddings.model", why));
        }
        let own = aliases.iter().filter(|(_, target)| *target == name).map(|(alias, _)| alias.clone());
        self.meanings.extend(own.chain([name.to_owned()]).map(|name| (name, Meaning::Embedder)));
        Ok(self)
    }

    /// Whether `model` is the embedding model's name, or an alias for it.
    pub fn is_embedder(&self, model: &str) -> bool {
        self.meanings.get(model) == Some(&Meaning::Embedder)
    }

    /// All names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.meanings.keys().map(String::as_str)
    }

    /// Whether callers may use `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.meanings.contains_key(name)
    }

    /// What `model` means together with the control header. The stricter of the two wins.
    ///
    /// # Errors
    /// When nothing has that name.
    pub fn resolve(&self, model: &str, header: Control) -> Result<Destination, UnknownModel> {
        let meaning = self.meanings.get(model).ok_or(UnknownModel)?;
        let policy = match meaning {
            Meaning::Policy(name) => name.clone(),
            Meaning::Auto | Meaning::Backend(_) | Meaning::Model(..) => self.default_policy.clone(),
            // It does not chat.
            Meaning::Embedder => return Err(UnknownModel),
        };
        let (id, exact) = match meaning {
            Meaning::Auto | Meaning::Policy(_) | Meaning::Embedder => (None, None),
            Meaning::Backend(id) => (Some(id), None),
            Meaning::Model(id, name) => (Some(id), Some((id.clone(), name.clone()))),
        };
        let control = match (id.map(BackendId::as_str), header) {
            (None, header) => header,
            (Some(_), Control::OnlyLocal) | (Some("local"), _) => Control::OnlyLocal,
            (Some(_), _) => Control::OnlyRemote,
        };
        Ok(Destination { policy, control, exact })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(aliases: &[(&str, &str)]) -> Result<Names, Vec<Problem>> {
        let aliases = aliases.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Names::new("balanced", ["balanced", "offline"].into_iter(), &[], &aliases)
    }

    #[test]
    fn a_name_is_a_policy_a_backend_or_an_alias() {
        let names = names(&[("gpt-4o", "auto"), ("gpt-3.5-turbo", "local")]).unwrap();
        let resolved = |model: &str, header| {
            let found = names.resolve(model, header).unwrap();
            (found.policy, found.control)
        };
        assert_eq!(resolved("auto", Control::Auto), ("balanced".into(), Control::Auto));
        assert_eq!(resolved("gpt-4o", Control::PreferLocal), ("balanced".into(), Control::PreferLocal));
        assert_eq!(resolved("offline", Control::Auto), ("offline".into(), Control::Auto));
        assert_eq!(resolved("gpt-3.5-turbo", Control::Auto), ("balanced".into(), Control::OnlyLocal));
        assert_eq!(resolved("remote", Control::OnlyLocal), ("balanced".into(), Control::OnlyLocal));
    }

    #[test]
    fn e20_names_match_exactly() {
        let names = names(&[]).unwrap();
        for alien in ["Auto", "auto ", "../auto", "auto\n", "аuto", "", &"a".repeat(10_000)] {
            assert_eq!(names.resolve(alien, Control::Auto).unwrap_err(), UnknownModel);
        }
    }

    #[test]
    fn aliases_that_point_nowhere_or_hide_a_name_are_problems() {
        let problems = names(&[("a", "nowhere"), ("local", "auto")]).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].key.as_deref(), Some("aliases.a"));
    }
}
