//! Plain facts read off a request in microseconds.

/// Plain facts of one request.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// The text that the classifier reads.
    pub text: String,
}
