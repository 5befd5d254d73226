//! Crossover answers easy language-model requests with a small model in this process and sends hard ones to
//! a frontier API. The modules stand in the order in which a request meets them; each imports only from below.

pub mod cli;

pub mod app;

pub mod api;

pub mod evals;
pub mod pipeline;

pub mod ledger;

pub mod backends;
pub mod routing;

pub mod dialects;

pub mod hub;
pub mod onnx;
pub mod telemetry;

pub mod config;
pub mod metrics;

pub mod chat;
