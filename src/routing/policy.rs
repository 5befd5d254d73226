//! A policy.

/// One compiled policy.
pub struct Policy {
    name: String,
}

impl Policy {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
