//! Which row of the cache stands where: a decode step runs over the rows at the front, so those that take part are
//! moved there. Promises: after the moves, the front holds every row that runs and no row that must not.
//! Moves nothing itself.

/// What a row is to the coming decode step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody's.
    Free,
    /// Takes part.
    Runs,
    /// Pauses for a moment: where it stands among those that run, it is dragged along without effect.
    Stays,
    /// Must not be among those that run.
    Aside,
}

/// Makes a front of the rows that run: how many rows it has, and moves (from, to) in order, each to a free row. Where
/// no row is free besides, rows cannot be exchanged: there must be one.
pub(super) fn front(places: &mut [Place], moves: &mut Vec<(usize, usize)>) -> usize {
    moves.clear();
    let count = front_of(places);
    let mut move_row = |places: &mut [Place], from: usize, to: usize| {
        places.swap(from, to);
        moves.push((from, to));
    };
    // Free rows first: whoever moves into one leaves a free row behind the front.
    for wanted in [Place::Free, Place::Aside] {
        for hole in 0..count {
            if places[hole] != wanted {
                continue;
            }
            let Some(outsider) = (count..places.len()).find(|row| places[*row] == Place::Runs) else {
                continue;
            };
            if wanted == Place::Aside {
                let Some(free) = (count..places.len()).find(|row| places[*row] == Place::Free) else {
                    continue;
                };
                move_row(places, hole, free);
            }
            move_row(places, outsider, hole);
        }
    }
    count
}

/// As many rows as run, and those that stay among them.
fn front_of(places: &[Place]) -> usize {
    let runs = places.iter().filter(|place| **place == Place::Runs).count();
    let mut count = runs;
    loop {
        let stays = places.iter().take(count).filter(|place| **place == Place::Stays).count();
        if runs + stays == count || runs == 0 {
            return if runs == 0 { 0 } else { count };
        }
        count = runs + stays;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrange(before: &str) -> (usize, Vec<(usize, usize)>, String) {
        let mut places: Vec<Place> = before
            .chars()
            .map(|sign| match sign {
                'r' => Place::Runs,
                's' => Place::Stays,
                'a' => Place::Aside,
                _ => Place::Free,
            })
            .collect();
        let mut moves = vec![];
        let count = front(&mut places, &mut moves);
        let sign = |place: &Place| match place {
            Place::Runs => 'r',
            Place::Stays => 's',
            Place::Aside => 'a',
            Place::Free => '.',
        };
        (count, moves, places.iter().map(sign).collect())
    }

    #[test]
    fn a_front_that_stands_already_moves_nothing() {
        for (before, count) in [("rrr.", 3), ("rsr.", 3), ("rra.", 2), ("....", 0), ("s.s.", 0), ("rrs.", 2)]
        {
            assert_eq!(arrange(before), (count, vec![], before.to_owned()), "{before}");
        }
    }

    #[test]
    fn holes_are_filled_from_behind_and_others_make_way() {
        assert_eq!(arrange("r.r."), (2, vec![(2, 1)], "rr..".to_owned()));
        assert_eq!(arrange("arr."), (2, vec![(0, 3), (2, 0)], "rr.a".to_owned()));
        assert_eq!(arrange("a.rr"), (2, vec![(2, 1), (0, 2), (3, 0)], "rra.".to_owned()));
    }

    #[test]
    fn every_arrangement_of_five_rows_with_one_free_works_out() {
        let signs = ['r', 's', 'a', '.'];
        for code in 0..4_usize.pow(4) {
            let mut before: String = (0..4_u32).map(|at| signs[code / 4_usize.pow(at) % 4]).collect();
            before.push('.');
            let (count, moves, after) = arrange(&before);
            assert!(after[..count].chars().all(|sign| sign == 'r' || sign == 's'), "{before} {after}");
            assert!(!after[count..].contains('r'), "{before} {after}");
            let mut rows: Vec<char> = before.chars().collect();
            for (from, to) in moves {
                assert!(rows[to] == '.' && rows[from] != '.', "{before}: {from} to {to}");
                rows.swap(from, to);
            }
            assert_eq!(rows.into_iter().collect::<String>(), after);
        }
    }
}
