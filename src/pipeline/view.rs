//! The backends as routing sees them, at the moment of a decision.

use std::sync::Arc;

use super::names::Destination;
use crate::backends::{Backend, Readiness};
use crate::routing::{Presence, Seat, View};

/// Reads every backend's readiness and load. A backend that lacks the exact model asked for is not there.
pub fn view_of(backends: &[Arc<dyn Backend>], destination: &Destination) -> View {
    let fits = |backend: &&Arc<dyn Backend>| {
        destination.exact.as_ref().is_none_or(|(id, _)| *id == backend.profile().id)
    };
    let model = destination.exact.as_ref().map(|(_, model)| model.as_str());
    View { seats: backends.iter().filter(fits).map(|backend| seat(backend.as_ref(), model)).collect() }
}

fn seat(backend: &dyn Backend, model: Option<&str>) -> Seat {
    let model = model.unwrap_or(&backend.profile().model);
    let profile = backend.profile_of(model);
    let presence = match backend.readiness_of(model) {
        Readiness::Ready => Presence::Ready,
        Readiness::Busy { .. } => Presence::Busy,
        Readiness::Down { .. } => Presence::Down,
    };
    Seat {
        id: profile.id.clone(),
        boundary: profile.boundary(),
        presence,
        context_tokens: profile.context_tokens,
        can: profile.can,
        queued: backend.load().queued,
    }
}
