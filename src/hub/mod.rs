//! Model folders out of a hub that speaks the Hugging Face hub's protocol: what is asked for, pulled, kept and checked.
//! Promises: a pulled folder is whole or not there; every file has the digest that the hub and the record say; the token
//! goes to the hub's own origin only; paths stay inside the folder. Opens no model, and prints nothing.

mod catalogue;
mod choice;
mod client;
mod digest;
mod fetch;
mod pull;
mod record;
mod reference;
mod refusal;
mod stamp;
mod store;
mod transport;

pub use catalogue::{Catalogue, Entry};
pub use choice::{EMBEDDING_GRAPHS, EMBEDDING_MARKS};
pub use client::{Event, Hub, Watch};
pub use pull::{Pulled, Wanted, pull};
pub use record::{Record, RecordError, Recorded, Standing};
pub use reference::{Reference, name_of};
pub use refusal::HubError;
pub use stamp::digests;
pub use store::{Lock, Store, files_below};
