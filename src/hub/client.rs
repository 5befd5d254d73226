//! What the hub knows: the files of a revision with sizes and digests, and the files themselves, from an offset on.
//! Promises: a revision is pinned to the commit that the hub names, and nothing is taken from another one; a refusal says
//! what mends it. Keeps nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{CONTENT_LENGTH, ETAG};
use http::{Method, StatusCode};
use reqwest::{Response, Url};
use serde::Deserialize;

use super::choice::EMBEDDING_TASKS;
use super::digest::Digest;
use super::reference::{is_commit, licence_name};
use super::transport::{Arrived, Transport, cause, is_loopback, place};
use super::{HubError, Reference};
use crate::config::Secret;

/// Where models come from unless `HF_ENDPOINT` says otherwise.
const DEFAULT: &str = "https://huggingface.co";
/// Longest answer that is no file.
const MOST_JSON: usize = 32 << 20;

/// What happens during a pull, for whoever shows it.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The files are known: bytes of all, and bytes that are here already.
    Planned {
        /// Bytes of all files.
        total: u64,
        /// Bytes of earlier attempts.
        here: u64,
        /// How many files.
        files: usize,
    },
    /// A file begins.
    File {
        /// Its path below the model's folder.
        path: &'a str,
    },
    /// So many more bytes are here; negative where some were thrown away.
    Bytes(i64),
    /// The next attempt comes after a pause.
    Waiting {
        /// Why.
        why: &'a str,
        /// How long.
        pause: Duration,
    },
}

/// Sees what happens.
pub type Watch = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// A model hub.
pub struct Hub {
    transport: Transport,
    offline: bool,
}

/// One file of a repository, as the hub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) path: String,
    pub(super) size: Option<u64>,
    pub(super) digest: Digest,
}

/// A revision, pinned.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) commit: String,
    pub(super) files: Vec<Remote>,
    pub(super) licence: Option<String>,
    /// Whether the hub calls it an embedding model.
    pub(super) embeds: bool,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default)]
    tags: Vec<String>,
    pipeline_tag: Option<String>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Hub {
    /// The hub that `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` describe.
    ///
    /// # Errors
    /// When one of them is unusable, or there are no certificates.
    pub fn from_environment(watch: Watch) -> Result<Self, HubError> {
        let text = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| DEFAULT.to_owned());
        let offline = text("HF_HUB_OFFLINE").is_some_and(|text| {
            ["1", "on", "yes", "true"].contains(&text.trim().to_ascii_lowercase().as_str())
        });
        Self::new(&endpoint, Secret::from_env("HF_TOKEN").as_ref(), offline, watch)
    }

    fn new(endpoint: &str, token: Option<&Secret>, offline: bool, watch: Watch) -> Result<Self, HubError> {
        let bad = |why: &str| HubError::Setting { variable: "HF_ENDPOINT", why: why.to_owned() };
        let endpoint = Url::parse(endpoint.trim().trim_end_matches('/'))
            .map_err(|_| bad("is not a URL, such as https://hub.example"))?;
        if !matches!(endpoint.scheme(), "http" | "https") || !endpoint.has_host() {
            return Err(bad("must be an http or https URL"));
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() || endpoint.query().is_some() {
            return Err(bad("must hold neither user, password nor query: the token belongs in HF_TOKEN"));
        }
        if token.is_some() && endpoint.scheme() == "http" && !is_loopback(&endpoint) {
            return Err(bad(
                "is plain HTTP, over which HF_TOKEN would travel readable: use https, or unset HF_TOKEN",
            ));
        }
        Ok(Self { transport: Transport::new(endpoint, token, watch)?, offline })
    }

    /// Whether nothing may be fetched.
    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        self.transport.endpoint().origin().ascii_serialization()
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Lists the files of a revision, and pins it to its commit.
    pub(super) async fn snapshot(&self, wanted: &Reference) -> Result<Snapshot, HubError> {
        let (organisation, name) = wanted.parts();
        let mut url =
            self.url(["api", "models", organisation, name, "revision", &wanted.revision].into_iter());
        url.set_query(Some("blobs=true"));
        let arrived = self.ask(&Method::GET, &url, 0, (wanted, wanted.repository.as_str())).await?;
        let body = read_whole(arrived.response, &url).await?;
        let odd = |why: &str| HubError::Answer { place: place(&url), why: why.to_owned() };
        let info: Info = serde_json::from_slice(&body).map_err(|error| {
            odd(&format!("is no list of a model's files ({error}); does HF_ENDPOINT name a model hub?"))
        })?;
        let pinned = is_commit(&wanted.revision).then_some(wanted.revision.as_str());
        if !is_commit(&info.sha) || pinned.is_some_and(|pinned| !pinned.eq_ignore_ascii_case(&info.sha)) {
            return Err(odd("names another commit than the one asked for, or none"));
        }
        let licence = info.tags.iter().find_map(|tag| tag.strip_prefix("license:").and_then(licence_name));
        let embeds = info.pipeline_tag.is_some_and(|task| EMBEDDING_TASKS.contains(&task.as_str()));
        let files = info.siblings.into_iter().map(Remote::from).collect();
        Ok(Snapshot { commit: info.sha.to_ascii_lowercase(), files, licence, embeds })
    }

    /// Fills in the size and digest that the list did not tell.
    pub(super) async fn look_up(
        &self,
        wanted: &Reference,
        commit: &str,
        file: &mut Remote,
    ) -> Result<(), HubError> {
        let url = self.resolve(wanted, commit, &file.path);
        let arrived = self.ask(&Method::HEAD, &url, 0, (wanted, file.path.as_str())).await?;
        // Of an answer that only sends us on, length and tag are its own, not the file's.
        let own = |name: &str| arrived.header(name).filter(|_| arrived.response.status().is_success());
        let size = arrived.header("x-linked-size").or_else(|| own(CONTENT_LENGTH.as_str()));
        file.size = size.and_then(|size| size.parse().ok());
        let tag = arrived.header("x-linked-etag").or_else(|| own(ETAG.as_str()));
        if file.digest == Digest::Unknown {
            file.digest = Digest::of_tag(tag.unwrap_or_default());
        }
        match file.size {
            Some(_) => Ok(()),
            None => Err(HubError::Answer { place: place(&url), why: "does not say its size".to_owned() }),
        }
    }

    /// Opens a file at an offset.
    pub(super) async fn open(
        &self,
        wanted: &Reference,
        commit: &str,
        path: &str,
        from: u64,
    ) -> Result<Response, HubError> {
        let url = self.resolve(wanted, commit, path);
        let arrived = self.ask(&Method::GET, &url, from, (wanted, path)).await?;
        let served = arrived.header("x-repo-commit").filter(|served| !served.eq_ignore_ascii_case(commit));
        match served {
            Some(_) => {
                let why = format!("comes from another commit than {commit}");
                Err(HubError::Answer { place: place(&url), why })
            }
            None => Ok(arrived.response),
        }
    }

    fn resolve(&self, wanted: &Reference, commit: &str, path: &str) -> Url {
        let (organisation, name) = wanted.parts();
        self.url([organisation, name, "resolve", commit].into_iter().chain(path.split('/')))
    }

    fn url<'a>(&self, parts: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.transport.endpoint().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// A request's answer, if it is one. `what` of `wanted` is named where it does not exist.
    async fn ask(
        &self,
        method: &Method,
        url: &Url,
        from: u64,
        (wanted, what): (&Reference, &str),
    ) -> Result<Arrived, HubError> {
        let arrived = self.transport.request(method, url, from).await?;
        let status = arrived.response.status();
        // A `HEAD` ends where it is sent away from the hub.
        let sent_on = *method == Method::HEAD && status.is_redirection();
        match status.is_success() || sent_on || status == StatusCode::RANGE_NOT_SATISFIABLE {
            true => Ok(arrived),
            false => Err(self.refusal(&arrived, wanted, what)),
        }
    }

    /// What a final refusal means.
    fn refusal(&self, arrived: &Arrived, wanted: &Reference, what: &str) -> HubError {
        let code = arrived.header("x-error-code").unwrap_or_default();
        let (status, at) = (arrived.response.status(), arrived.response.url());
        let answered = || HubError::Answer { place: place(at), why: format!("answered {status}") };
        // A content server knows neither names nor the token: its refusals are about themselves.
        if at.origin() != self.transport.endpoint().origin() {
            return answered();
        }
        let (hub, repository) = (self.origin(), wanted.repository.clone());
        match (status.as_u16(), code) {
            (401 | 403, "GatedRepo") => {
                let (organisation, name) = wanted.parts();
                HubError::Gated { page: place(&self.url([organisation, name].into_iter())), repository }
            }
            (401 | 404, "RepoNotFound") | (404, "") => HubError::NotFound { what: what.to_owned(), hub },
            (404, "RevisionNotFound") => {
                HubError::NotFound { what: format!("this revision of {repository}"), hub }
            }
            (404, _) => HubError::NotFound { what: what.to_owned(), hub },
            (401 | 403, _) if self.transport.has_token() => HubError::Token { hub },
            (401 | 403, _) => HubError::NotFound { what: what.to_owned(), hub },
            _ => answered(),
        }
    }
}

impl From<Sibling> for Remote {
    fn from(file: Sibling) -> Self {
        let (sha256, size) = file.lfs.map_or((None, None), |lfs| (lfs.sha256, lfs.size));
        let digest = match (sha256, file.blob) {
            (Some(sha256), _) => Digest::of_tag(&sha256),
            (None, Some(blob)) => Digest::of_tag(&blob),
            (None, None) => Digest::Unknown,
        };
        Self { path: file.rfilename, size: size.or(file.size), digest }
    }
}

async fn read_whole(response: Response, url: &Url) -> Result<Vec<u8>, HubError> {
    let mut reads = response.bytes_stream();
    let mut all = vec![];
    while let Some(read) = reads.next().await {
        let read = read.map_err(|error| HubError::Unreachable { place: place(url), why: cause(error) })?;
        all.extend_from_slice(&read);
        if all.len() > MOST_JSON {
            let why = format!("answers more than {MOST_JSON} bytes");
            return Err(HubError::Answer { place: place(url), why });
        }
    }
    Ok(all)
}
