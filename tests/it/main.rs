//! The one integration binary: black-box tests over real sockets, one file a promise.

// Marked as tests, so that helpers may take the short ways that tests may.
#[cfg(test)]
mod support;
#[cfg(test)]
mod upstream_faults;
#[cfg(test)]
mod upstream_streams;
