//! The one integration binary: black-box tests over real sockets, one file a promise.

// Marked as tests, so that helpers may take the short ways that tests may.
#[cfg(test)]
mod calibration;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod early_gate;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fallback;
#[cfg(test)]
mod feedback;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod grading;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod local;
#[cfg(test)]
mod models;
#[cfg(test)]
mod names;
#[cfg(test)]
mod parse;
#[cfg(test)]
mod patience;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod pulls;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod shadow;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod startup;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod support;
#[cfg(test)]
mod upstream_faults;
#[cfg(test)]
mod upstream_streams;
