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

impl Meaning {
    /// Whether no alias may hide it.
    fn is_reserved(&self) -> bool {
        matches!(self, Self::Auto | Self::Policy(_) | Self::Backend(_))
    }
}

/// What the backends' models are called. A name that two backends have would send requests where nobody meant them to go.
fn models<'p>(
    of: impl Iterator<Item = (&'p BackendId, &'p [String])>,
) -> (BTreeMap<String, Meaning>, Vec<Problem>) {
    let (mut meanings, mut problems) = (BTreeMap::new(), vec![]);
    for (id, models) in of {
        for model in models {
            match meanings.insert(model.clone(), Meaning::Model(id.clone(), model.clone())) {
                Some(Meaning::Model(other, _)) if other != *id => {
                    let why = format!(
                        "`{model}` is a model of `{other}` and of `{id}`: give the local folder another name"
                    );
                    problems.push(Problem::key("local.model", why));
                }
                _ => {}
            }
        }
    }
    (meanings, problems)
}

fn hides(alias: &str) -> Problem {
    let why = format!("`{alias}` has a meaning of its own: choose another alias");
    Problem::key(&format!("aliases.{alias}"), why)
}

/// No name of ours, or none for what is asked. Never holds the caller's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModel {
    /// Nothing has the name.
    #[error(
        "The model does not exist here. GET /v1/models lists the names that do; [aliases] in the configuration \
         gives others a meaning."
    )]
    Nobody,
    /// A chat is asked of the embedding model.
    #[error("This is an embedding model: POST /v1/embeddings.")]
    Embeds,
    /// Vectors are asked of a name that chats, and what the embedding model is called.
    #[error("This name answers chat; the embedding model is called `{0}`.")]
    Chats(String),
    /// Vectors are asked, and there is no embedding model.
    #[error("No embedding model is loaded here ([embeddings] in the configuration).")]
    NoEmbedder,
}

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
        // An exact model of the local backend's is a control too.
        let named = matches!(self.control, Control::OnlyLocal | Control::PreferLocal);
        let patience = profile.patience(request.stream);
        Call { named, ..Call::new(request, self.model_of(profile), patience) }
    }

    /// The model that a backend shall use: the exact one asked for, else its default.
    pub(super) fn model_of<'a>(&'a self, profile: &'a Profile) -> &'a str {
        match &self.exact {
            Some((backend, model)) if *backend == profile.id => model,
            _ => &profile.model,
        }
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
        let profiles = backends.iter().map(|backend| backend.profile());
        let (mut meanings, mut problems) =
            models(profiles.map(|profile| (&profile.id, profile.models.as_slice())));
        meanings.insert(AUTO.to_owned(), Meaning::Auto);
        meanings.extend(policies.map(|name| (name.to_owned(), Meaning::Policy(name.to_owned()))));
        for id in ["local", "remote"].map(BackendId::new) {
            meanings.insert(id.to_string(), Meaning::Backend(id));
        }
        let mut named = BTreeMap::new();
        for (alias, target) in aliases {
            let key = format!("aliases.{alias}");
            match (meanings.get(target), meanings.get(alias)) {
                (None, _) => problems
                    .push(Problem::key(&key, format!("`{target}` is no model, policy or backend here"))),
                (Some(_), Some(other)) if other.is_reserved() => problems.push(hides(alias)),
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
    /// When the name has another meaning already, or an alias hides a name.
    pub fn with_embedder(mut self, name: &str, aliases: &BTreeMap<String, String>) -> Result<Self, Problem> {
        if self.contains(name) {
            let why = format!("`{name}` has another meaning already: give the folder another name");
            return Err(Problem::key("embeddings.model", why));
        }
        let own: Vec<&String> =
            aliases.iter().filter(|(_, target)| *target == name).map(|(alias, _)| alias).collect();
        let is_reserved = |alias: &&&String| self.meanings.get(**alias).is_some_and(Meaning::is_reserved);
        if let Some(alias) = own.iter().find(is_reserved) {
            return Err(hides(alias));
        }
        let all = own.into_iter().cloned().chain([name.to_owned()]);
        self.meanings.extend(all.map(|name| (name, Meaning::Embedder)));
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
    /// When nothing has that name, or the embedding model has it.
    pub fn resolve(&self, model: &str, header: Control) -> Result<Destination, UnknownModel> {
        let meaning = self.meanings.get(model).ok_or(UnknownModel::Nobody)?;
        let policy = match meaning {
            Meaning::Policy(name) => name.clone(),
            Meaning::Auto | Meaning::Backend(_) | Meaning::Model(..) => self.default_policy.clone(),
            Meaning::Embedder => return Err(UnknownModel::Embeds),
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
            assert_eq!(names.resolve(alien, Control::Auto).unwrap_err(), UnknownModel::Nobody);
        }
    }

    #[test]
    fn aliases_that_point_nowhere_or_hide_a_name_are_problems() {
        let problems = names(&[("a", "nowhere"), ("local", "auto")]).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].key.as_deref(), Some("aliases.a"));
    }

    #[test]
    fn the_embedding_models_aliases_hide_no_name_either() {
        for (alias, fits) in
            [("text-embedding-3-small", true), ("auto", false), ("offline", false), ("local", false)]
        {
            let aliases = BTreeMap::from([(alias.to_owned(), "minilm".to_owned())]);
            let named = names(&[]).unwrap().with_embedder("minilm", &aliases);
            assert_eq!(named.as_ref().is_ok_and(|names| names.is_embedder(alias)), fits, "{alias}");
            assert_eq!(
                named.err().and_then(|problem| problem.key),
                (!fits).then(|| format!("aliases.{alias}"))
            );
        }
    }

    #[test]
    fn a_model_of_two_backends_is_a_problem() {
        let (local, remote) = (BackendId::new("local"), BackendId::new("remote"));
        let (own, same) = (["a".to_owned()], ["b".to_owned(), "a".to_owned()]);
        let problems = models([(&local, &own[..]), (&remote, &same[..])].into_iter()).1;
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().contains("`a`"), "{}", problems[0]);
        assert!(models([(&local, &own[..]), (&remote, &same[..1])].into_iter()).1.is_empty());
    }
}
