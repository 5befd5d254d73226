//! The one integration binary: black-box tests over real sockets, one file a promise.

// Marked as tests, so that helpers may take the short ways that tests may.
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod support;
#[cfg(test)]
mod upstream_faults;
#[cfg(test)]
mod upstream_streams;
