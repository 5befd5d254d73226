//! Test doubles and whole gateways, all on loopback and free ports: an upstream that does what the model's name says, a
//! TCP proxy that breaks connections, raw sockets, a gateway in this process, and the real binary in another.

pub(crate) mod fault_proxy;
pub(crate) mod gateway;
pub(crate) mod model_hub;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod raw_peer;
pub(crate) mod remote_house;
pub(crate) mod reply;
pub(crate) mod scripted_upstream;
pub(crate) mod small_model;
pub(crate) mod tools;
