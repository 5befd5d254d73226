//! From a rule's targets to a plan: the caller's control, then what each backend can do, hold and take now.
//! Promises: a rule whose targets are all within the boundary is never widened, whatever control, readiness or verdict
//! say, save that `only-local` always asks `local`; the plan's type then holds boundary backends only. A control that
//! cannot be granted refuses, never is ignored.

use super::condition::Held;
use super::evaluate::{Dropped, Facts, Ruling};
use crate::chat::{BackendId, Control};
use crate::routing::decision::{NonEmpty, Plan, Reason};
use crate::routing::view::{LOCAL, Presence, REMOTE, Seat, View};

/// What a rule wants.
pub(super) struct Wish<'a> {
    pub(super) targets: &'a [BackendId],
    pub(super) reason: Reason,
    pub(super) rule: &'a str,
    pub(super) held: Option<Held>,
    /// Every target is within the boundary.
    pub(super) within_boundary: bool,
}

/// Makes the plan.
pub(super) fn make(wish: &Wish<'_>, permits: &[Control], facts: &Facts<'_>) -> Ruling {
    let ruling = |plan, reason, dropped| Ruling {
        plan,
        reason,
        rule: wish.rule.to_owned(),
        score: wish.held.map(|held| held.score),
        threshold: wish.held.map(|held| held.threshold),
        dropped,
    };
    let Some(targets) = order(wish, permits, facts) else {
        return ruling(Plan::Refuse, Reason::NotPermitted, vec![]);
    };
    let (mut kept, mut dropped) = sift(&targets, facts, false);
    if kept.is_empty() {
        // The prompt's estimate is an upper one: before refusing, try where it may fit.
        (kept, dropped) = sift(&targets, facts, true);
    }
    let within = wish.within_boundary || facts.control == Control::OnlyLocal;
    let Some(plan) = plan_of(&kept, within) else {
        return ruling(Plan::Refuse, refusal(&dropped), dropped);
    };
    let first_lost = dropped.iter().find(|lost| Some(&lost.target) == targets.first());
    let reason = match first_lost {
        Some(lost) => lost.reason,
        None if facts.control == Control::Auto => wish.reason,
        None => Reason::Requested,
    };
    ruling(plan, reason, dropped)
}

/// The targets in the order that the control asks for; `None` where the control is not permitted.
fn order(wish: &Wish<'_>, permits: &[Control], facts: &Facts<'_>) -> Option<Vec<BackendId>> {
    let control = facts.control;
    // Staying within the boundary needs nobody's permission.
    if control == Control::OnlyLocal {
        let allowed = |id: &BackendId| !wish.within_boundary || wish.targets.contains(id);
        let inside = facts.view.seats.iter().filter(|seat| seat.boundary.is_some() && allowed(&seat.id));
        let inside = inside.map(|seat| seat.id.clone());
        return Some(locals(&[BackendId::new(LOCAL)]).chain(inside).fold(vec![], push_new));
    }
    if control != Control::Auto && !permits.contains(&control) {
        return None;
    }
    let rule = wish.targets.iter().cloned();
    if wish.within_boundary {
        let remotes = remotes(wish.targets);
        return match control {
            Control::Auto | Control::OnlyLocal => Some(rule.collect()),
            Control::PreferLocal => Some(locals(wish.targets).chain(rule).fold(vec![], push_new)),
            Control::PreferRemote if remotes.is_empty() => None,
            Control::PreferRemote => Some(remotes.into_iter().chain(rule).fold(vec![], push_new)),
            Control::OnlyRemote => Some(remotes).filter(|remotes| !remotes.is_empty()),
        };
    }
    let local = std::iter::once(BackendId::new(LOCAL));
    let mut abroad = remotes(wish.targets);
    abroad = remotes_of_view(facts.view).fold(abroad, push_new);
    Some(match control {
        Control::Auto | Control::OnlyLocal => rule.collect(),
        Control::PreferLocal => local.chain(rule).fold(vec![], push_new),
        Control::PreferRemote => abroad.into_iter().chain(rule).chain(local).fold(vec![], push_new),
        Control::OnlyRemote => abroad,
    })
}

fn push_new(mut list: Vec<BackendId>, id: BackendId) -> Vec<BackendId> {
    if !list.contains(&id) {
        list.push(id);
    }
    list
}

fn locals(targets: &[BackendId]) -> impl Iterator<Item = BackendId> {
    targets.iter().filter(|target| target.as_str() == LOCAL).cloned()
}

fn remotes(targets: &[BackendId]) -> Vec<BackendId> {
    targets.iter().filter(|target| target.as_str() != LOCAL).cloned().collect()
}

/// Every backend that is not the local one; `remote` is always known.
fn remotes_of_view(view: &View) -> impl Iterator<Item = BackendId> {
    let seated = view.seats.iter().map(|seat| &seat.id).filter(|id| id.as_str() != LOCAL).cloned();
    seated.chain(std::iter::once(BackendId::new(REMOTE)))
}

/// Parts the targets into seats that can answer now and those that cannot, with the reason.
fn sift<'a>(targets: &[BackendId], facts: &Facts<'a>, leniently: bool) -> (Vec<&'a Seat>, Vec<Dropped>) {
    let (mut kept, mut dropped) = (vec![], vec![]);
    for target in targets {
        let seat = facts.view.seat(target);
        match (seat, fault(target, seat, facts, leniently)) {
            (Some(seat), None) => kept.push(seat),
            (_, fault) => {
                dropped.push(Dropped { target: target.clone(), reason: fault.unwrap_or(Reason::NoLocal) });
            }
        }
    }
    (kept, dropped)
}

/// Why a target cannot answer this request now.
fn fault(target: &BackendId, seat: Option<&Seat>, facts: &Facts<'_>, leniently: bool) -> Option<Reason> {
    let local = target.as_str() == LOCAL;
    let absent = if local { Reason::NoLocal } else { Reason::NoRemote };
    let Some(seat) = seat else { return Some(absent) };
    let signals = facts.signals;
    if !seat.can_do(&signals.needs) {
        return Some(Reason::Capability);
    }
    let holds = seat.holds(signals.prompt_tokens, signals.max_tokens)
        || leniently && seat.may_hold(signals.prompt_tokens);
    if !holds {
        return Some(Reason::Length);
    }
    match seat.presence {
        Presence::Ready => None,
        Presence::Busy if local => Some(Reason::LocalBusy),
        Presence::Busy | Presence::Down => Some(absent),
    }
}

fn plan_of(kept: &[&Seat], within: bool) -> Option<Plan> {
    if within {
        // Proofs only: a seat without one cannot get in.
        NonEmpty::new(kept.iter().filter_map(|seat| seat.boundary.clone())).map(Plan::WithinBoundary)
    } else {
        NonEmpty::new(kept.iter().map(|seat| seat.id.clone())).map(Plan::Anywhere)
    }
}

/// Why nobody is left: first a target that could do it but is not ready, since waiting or a key mends that.
fn refusal(dropped: &[Dropped]) -> Reason {
    let mendable =
        |lost: &&Dropped| matches!(lost.reason, Reason::NoRemote | Reason::NoLocal | Reason::LocalBusy);
    dropped.iter().find(mendable).or(dropped.first()).map_or(Reason::NoLocal, |lost| lost.reason)
}
