//! Who grades where a scorer needs a model: flags of `crossover eval run`, and the judges they name.
//! Without them such rows stay unscored, which the report says; nobody is asked by default, because it costs money.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Context as _;

use super::house::price_of;
use crate::cli::Context;
use crate::config::Secret;
use crate::evals::{AUTO, Embedder, Endpoint, Gateway, GatewaySubject, Http, Judges, Subject};

/// Flags that name a judge and an embedder.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct JudgeArgs {
    /// The model that grades rows with the scorers `rubric` and `pairwise`; this costs money where it is remote
    #[arg(long)]
    judge_model: Option<String>,
    /// The OpenAI-compatible server that has it, up to and including /v1 [default: this process]
    #[arg(long, requires = "judge_model")]
    judge_base_url: Option<String>,
    /// Name of the environment variable that holds the key for the judge's server
    #[arg(long, requires = "judge_base_url")]
    judge_api_key_env: Option<String>,
    /// Most tokens of a verdict; a model that thinks before it speaks needs more
    #[arg(long, default_value = "1024", requires = "judge_model")]
    judge_max_tokens: NonZeroU32,
    /// The OpenAI-compatible server whose embeddings the scorer `embedding_cosine` compares, up to and including /v1
    #[arg(long, requires = "embedder_model")]
    embedder_base_url: Option<String>,
    /// The embedding model to ask there
    #[arg(long, requires = "embedder_base_url")]
    embedder_model: Option<String>,
    /// Name of the environment variable that holds the key for the embedder's server
    #[arg(long, requires = "embedder_base_url")]
    embedder_api_key_env: Option<String>,
}

impl JudgeArgs {
    /// The judges that the flags name. `gateway` is the one in this process, if there is one: a judge without a
    /// server of its own is asked through it.
    ///
    /// # Errors
    /// A judge without anyone to ask, a bad URL, a missing key, an unreadable price list.
    pub(in crate::cli) fn judges(
        &self,
        gateway: Option<&Arc<dyn Gateway>>,
        context: &Context,
    ) -> anyhow::Result<Judges> {
        let mut judges = Judges::default();
        if let Some(model) = &self.judge_model {
            judges.judge = Some(self.judge(model, gateway, context)?);
        }
        if let (Some(url), Some(model)) = (&self.embedder_base_url, &self.embedder_model) {
            let endpoint = endpoint(url, self.embedder_api_key_env.as_deref(), "--embedder-base-url")?;
            judges.embedder = Some(Arc::new(Embedder::new(endpoint, model, price_of(model, context)?)));
        }
        Ok(judges)
    }

    fn judge(
        &self,
        model: &str,
        gateway: Option<&Arc<dyn Gateway>>,
        context: &Context,
    ) -> anyhow::Result<Arc<dyn Subject>> {
        let max_tokens = self.judge_max_tokens.get();
        if let Some(url) = &self.judge_base_url {
            let endpoint = endpoint(url, self.judge_api_key_env.as_deref(), "--judge-base-url")?;
            let judge = Http::new(endpoint, "judge", model, max_tokens).priced(price_of(model, context)?);
            return Ok(Arc::new(judge.of_both_tiers(model == AUTO)));
        }
        let gateway = gateway.context(
            "there is no gateway in this process to ask for --judge-model: name its server with --judge-base-url",
        )?;
        Ok(Arc::new(GatewaySubject::policy(gateway.clone(), model, max_tokens)))
    }
}

fn endpoint(url: &str, key_env: Option<&str>, flag: &str) -> anyhow::Result<Endpoint> {
    let key = match key_env {
        None => None,
        Some(name) => {
            Some(Secret::from_env(name).with_context(|| format!("the variable {name} holds no key"))?)
        }
    };
    Endpoint::new(url, key.as_ref()).with_context(|| format!("{flag} is not usable"))
}
