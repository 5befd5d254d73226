//! How many tokens a graph can be trusted with, which may be fewer than its model declares.
//! Promises: a limit is set only where graph or configuration show the need, and says why in words.

use super::Declared;
use super::operators::Operators;

/// The context, and why it is less than what the model declares.
pub(super) fn context(declared: &Declared, found: &Operators) -> (usize, Option<String>) {
    let window = declared.window.filter(|window| !knows(found, *window));
    let turn = declared.turn.or_else(|| found.boundary.and_then(|turn| usize::try_from(turn).ok()));
    let limits = [
        (window, "the model attends to a sliding window that this graph does not have"),
        (turn, "past it, the model changes its rotary factors, and what is cached fits only one set of them"),
    ];
    let least = limits
        .into_iter()
        .filter_map(|(limit, why)| limit.filter(|limit| *limit > 0).map(|limit| (limit, why)));
    match least.min_by_key(|(limit, _)| *limit) {
        Some((limit, why)) if limit < declared.context => {
            let text = format!("the context is {limit} tokens instead of {}: {why}", declared.context);
            (limit, Some(text))
        }
        _ => (declared.context, None),
    }
}

/// Whether the graph keeps the window itself: some attention operator has it, or, where attention is plain operators,
/// something is added to or compared with the number, as must be to draw the mask. One more or one less is the same window, compared
/// otherwise.
fn knows(found: &Operators, window: usize) -> bool {
    if found.windows.is_empty() {
        let Ok(window) = i64::try_from(window) else { return false };
        let sizes = [window - 1, window, window + 1];
        return sizes.iter().any(|size| found.numbers.contains(size) || found.numbers.contains(&-size));
    }
    found.windows.iter().any(|found| *found > 0)
}
