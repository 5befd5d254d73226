//! Test doubles, all on loopback and free ports: an upstream that does what the model's name says, a TCP proxy that
//! breaks connections, and raw sockets for what no HTTP library would send.

pub(crate) mod fault_proxy;
pub(crate) mod prometheus;
pub(crate) mod raw_peer;
pub(crate) mod remote_house;
pub(crate) mod scripted_upstream;
pub(crate) mod tools;
