//! Names of requests and backends.
//! A `BoundaryBackendId` is proof that its backend keeps data inside the user's boundary.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One request's id, sent back as `x-request-id` and kept in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A fresh, time-ordered id (`req_` and a UUID of version 7).
    pub fn fresh() -> Self {
        Self(format!("req_{}", uuid::Uuid::now_v7().simple()).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The configured name of a backend: `local`, `remote`. A closed set, so it may be a metric label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BackendId(Arc<str>);

impl BackendId {
    /// Names a backend.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A backend whose declaration says that data sent to it stays within the user's boundary.
/// Made only by [`BoundaryBackendId::declare`], which the backend's own declaration feeds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoundaryBackendId(BackendId);

impl BoundaryBackendId {
    /// The proof for `id`, or `None` when its backend was declared outside the boundary.
    pub fn declare(id: &BackendId, within_boundary: bool) -> Option<Self> {
        within_boundary.then(|| Self(id.clone()))
    }

    /// The plain name, for looking the backend up.
    pub fn id(&self) -> &BackendId {
        &self.0
    }
}
