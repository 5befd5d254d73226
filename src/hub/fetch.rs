//! One file: into a part beside its place, resumed where an earlier attempt ended, hashed as it comes, then renamed.
//! Promises: a file under its own name is whole and has the hub's digest; a part that turns out wrong is thrown away once
//! and fetched anew, one that is longer than the hub says is thrown away; whatever breaks, what has arrived stays for the
//! next run.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::CONTENT_RANGE;
use reqwest::Response;

use super::client::{Event, Hub};
use super::digest::{Digest, Digests, Hasher};
use super::transport::{ATTEMPTS, cause};
use super::{HubError, Reference};

/// Ending of files that are not whole.
pub(super) const PART: &str = ".crossover-part";
/// What an attempt must bring for the attempts to be counted anew.
const PROGRESS: u64 = 1 << 20;

/// One file to fetch.
pub(super) struct Errand<'a> {
    pub(super) wanted: &'a Reference,
    pub(super) commit: &'a str,
    /// Its path in the repository.
    pub(super) path: &'a str,
    pub(super) size: u64,
    pub(super) digest: &'a Digest,
    /// Its place on this machine.
    pub(super) to: &'a Path,
}

/// A file that is growing.
struct Part {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    size: u64,
    len: u64,
}

impl Errand<'_> {
    /// Fetches it, unless it is there; its SHA-256.
    pub(super) async fn run(&self, hub: &Hub) -> Result<String, HubError> {
        if let Some(digests) = self.present()? {
            return Ok(digests.sha256);
        }
        if let Some(parent) = self.to.parent() {
            std::fs::create_dir_all(parent).map_err(|error| HubError::disk(parent, &error))?;
        }
        let mut second = false;
        loop {
            let digests = self.grow(hub).await?;
            let Some((wanted, found)) = digests.against(self.digest) else {
                std::fs::rename(self.part(), self.to).map_err(|error| HubError::disk(self.to, &error))?;
                return Ok(digests.sha256);
            };
            std::fs::remove_file(self.part()).map_err(|error| HubError::disk(self.to, &error))?;
            hub.transport().tell(Event::Bytes(-i64::try_from(self.size).unwrap_or(i64::MAX)));
            if second {
                return Err(HubError::Corrupt { file: self.path.to_owned(), wanted, found });
            }
            second = true;
        }
    }

    /// Bytes that need not be fetched again.
    pub(super) fn here(&self) -> u64 {
        let len = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
        len(self.to).max(len(&self.part())).min(self.size)
    }

    fn part(&self) -> PathBuf {
        part_of(self.to)
    }

    /// The digests of the file under its own name, if it is right; otherwise it goes.
    fn present(&self) -> Result<Option<Digests>, HubError> {
        let Ok(mut file) = File::open(self.to) else { return Ok(None) };
        let mut hasher = Hasher::new(self.size);
        let read = hasher.read(&mut file).map_err(|error| HubError::disk(self.to, &error))?;
        let digests = hasher.finish();
        if read == self.size && digests.against(self.digest).is_none() {
            return Ok(Some(digests));
        }
        std::fs::remove_file(self.to).map_err(|error| HubError::disk(self.to, &error))?;
        Ok(None)
    }

    /// Lets the part grow until it is whole, whatever it holds then.
    async fn grow(&self, hub: &Hub) -> Result<Digests, HubError> {
        let mut part = Part::open(self.part(), self.size)?;
        let mut attempt = 1;
        while part.len < self.size {
            let before = part.len;
            let response = hub.open(self.wanted, self.commit, self.path, part.len).await?;
            let Err(why) = part.take(hub, response, self.path).await? else { continue };
            attempt = if part.len >= before + PROGRESS { 1 } else { attempt + 1 };
            if attempt > ATTEMPTS {
                return Err(HubError::Unreachable { place: self.path.to_owned(), why });
            }
            hub.transport().pause(attempt - 1, &why, None).await;
        }
        part.file.sync_all().map_err(|error| HubError::disk(&part.path, &error))?;
        Ok(part.hasher.finish())
    }
}

impl Part {
    /// What is there already, read again for its digest; nothing of it where it is longer than the file.
    fn open(path: PathBuf, size: u64) -> Result<Self, HubError> {
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|error| HubError::disk(&path, &error))?;
        let mut part = Self { path, file, hasher: Hasher::new(size), size, len: 0 };
        part.take_up().map_err(|error| HubError::disk(&part.path, &error))?;
        Ok(part)
    }

    fn take_up(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.size {
            return self.clear();
        }
        self.len = self.hasher.read(&mut self.file)?;
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        io::Seek::rewind(&mut self.file)?;
        (self.hasher, self.len) = (Hasher::new(self.size), 0);
        Ok(())
    }

    /// Starts over, as whoever watches is told.
    fn lose(&mut self, hub: &Hub) -> Result<(), HubError> {
        let lost = self.len;
        self.clear().map_err(|error| HubError::disk(&self.path, &error))?;
        hub.transport().tell(Event::Bytes(-i64::try_from(lost).unwrap_or(i64::MAX)));
        Ok(())
    }

    /// Takes a response's body. The inner error says why it is not whole; another attempt may go on from there.
    async fn take(
        &mut self,
        hub: &Hub,
        response: Response,
        name: &str,
    ) -> Result<Result<(), String>, HubError> {
        let starts = start(&response);
        if starts != Some(self.len) {
            self.lose(hub)?;
            if starts != Some(0) {
                return Ok(Err("the hub does not go on where the last attempt ended".to_owned()));
            }
        }
        let mut reads = response.bytes_stream();
        while let Some(read) = reads.next().await {
            let read = match read {
                Ok(read) => read,
                Err(error) => return Ok(Err(cause(error))),
            };
            let room = usize::try_from(self.size - self.len).unwrap_or(usize::MAX).min(read.len());
            self.file.write_all(&read[..room]).map_err(|error| HubError::disk(&self.path, &error))?;
            self.hasher.update(&read[..room]);
            self.len += room as u64;
            hub.transport().tell(Event::Bytes(i64::try_from(room).unwrap_or(i64::MAX)));
            // Cut off, it would pass for whole where the hub gives no digest.
            if room < read.len() {
                self.lose(hub)?;
                let why = "is longer than the hub says, and was not kept; try again later, or tell the \
                           repository's owner";
                return Err(HubError::Answer { place: name.to_owned(), why: why.to_owned() });
            }
        }
        if self.len < self.size {
            return Ok(Err("the connection ended before the file".to_owned()));
        }
        Ok(Ok(()))
    }
}

/// Where a file grows until it is whole.
pub(super) fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(PART);
    PathBuf::from(name)
}

/// The offset from which on a response brings the file; `None` where it cannot be told.
fn start(response: &Response) -> Option<u64> {
    match response.status() {
        StatusCode::OK => Some(0),
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
            range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
        }
        _ => None,
    }
}
