//! The one integration binary: black-box tests over real sockets, one file a promise.

mod support;

mod upstream_faults;
