//! Graphs over rows of cache, the starter model's for the most part.

use super::*;
use crate::backends::local::families::{self, Form};

const ROWS: usize = 5;

fn starter() -> Graph {
    let folder = Folder::read(&crate::backends::local::tests::starter()).unwrap();
    let spec = SessionSpec { intra_threads: 1, spin: false };
    Graph::open(&folder, &spec, Room { rows: ROWS, bytes: 64 << 20, pairs: true }).unwrap()
}

/// A prompt of `length` tokens, another for each `seed`.
fn prompt(seed: u32, length: u32) -> Vec<u32> {
    (0..length).map(|n| 3 + (n * 37 + seed * 101) % 3000).collect()
}

/// The likeliest token, and all logits to compare by.
fn outcome(graph: &Graph, row: usize) -> (u32, Vec<f32>) {
    let logits = graph.logits(row).to_vec();
    let best = (0..).zip(&logits).max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    (best, logits)
}

/// Logits of the prompt and of `steps` greedy tokens after it, alone in row `row`.
fn alone(graph: &mut Graph, row: usize, ids: &[u32], steps: usize) -> Vec<Vec<f32>> {
    graph.clear(row);
    graph.prefill(row, ids).unwrap();
    let mut told = vec![];
    for _ in 0..=steps {
        let (best, logits) = outcome(graph, row);
        told.push(logits);
        if told.len() <= steps {
            graph.prefill(row, &[best]).unwrap();
        }
    }
    graph.clear(row);
    told
}

/// The logits after `ids` in row 0, fed in pieces of these sizes, the rest one by one.
fn logits(graph: &mut Graph, ids: &[u32], pieces: &[usize]) -> Vec<f32> {
    graph.clear(0);
    let mut at = 0;
    for size in pieces.iter().copied().chain(std::iter::repeat(1)) {
        if at == ids.len() {
            break;
        }
        graph.prefill(0, &ids[at..at + size]).unwrap();
        at += size;
    }
    graph.logits(0).to_vec()
}

/// To a hundred-thousandth in float32. Kernels for weights in 4 and 8 bits round activations to eight, so that sums in another
/// order show; how much a model makes of that is its own affair (the starter in 8 bits up to 0.04), so fixtures are asked.
#[test]
fn one_run_chunks_and_single_steps_agree() {
    for (form, most) in [(Form::GenAiF32, 1e-5), (Form::GenAiInt4, 0.03), (Form::GenAiInt8, 0.03)] {
        pieces_agree(form, most);
    }
}

fn pieces_agree(form: Form, most: f32) {
    let (_home, folder) = families::read("llama-3.2", form);
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let mut graph = Graph::open(&folder, &spec, Room { rows: ROWS, bytes: 64 << 20, pairs: true }).unwrap();
    let vocabulary = graph.layout.vocabulary as u32;
    let ids: Vec<u32> = prompt(0, 300).into_iter().map(|id| id % vocabulary).collect();
    let whole = logits(&mut graph, &ids, &[300]);
    let scale = whole.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
    assert!(scale > 0.0 && whole.len() == graph.layout.vocabulary);
    for pieces in [&[256, 44][..], &[100, 100], &[1], &[7, 250]] {
        let other = logits(&mut graph, &ids, pieces);
        let worst = whole.iter().zip(&other).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(worst <= scale * most, "{form:?} {pieces:?}: off by {worst} of {scale}");
    }
}

#[test]
fn a_batch_gives_the_very_logits_that_each_row_gives_alone() {
    let mut graph = starter();
    let prompts: Vec<Vec<u32>> =
        [3, 40, 250, 17].into_iter().zip(0..).map(|(n, seed)| prompt(seed, n)).collect();
    let expected: Vec<_> = prompts.iter().map(|ids| alone(&mut graph, 4, ids, 12)).collect();
    let mut told = vec![vec![]; 4];
    for step in 0..24 {
        // Rows join one after another; the third passes the narrowest mask on the way.
        let rows = (step / 3 + 1).min(4);
        for (row, told) in told.iter_mut().enumerate().take(rows).filter(|(_, told)| told.is_empty()) {
            graph.prefill(row, &prompts[row]).unwrap();
            told.push(outcome(&graph, row).1);
        }
        let ids: Vec<u32> = (0..rows).map(|row| outcome(&graph, row).0).collect();
        graph.decode(&ids, true).unwrap();
        told.iter_mut().enumerate().take(rows).for_each(|(row, told)| told.push(outcome(&graph, row).1));
    }
    for (told, expected) in told.iter().zip(&expected) {
        assert!(told[..13] == expected[..], "to the bit");
    }
}

#[test]
fn a_row_used_again_knows_nothing_of_its_first_sequence() {
    let mut graph = starter();
    let fresh = alone(&mut graph, 0, &[9, 8, 7, 6], 2);
    graph.prefill(0, &[5; 300]).unwrap();
    graph.decode(&[5], true).unwrap();
    assert!(alone(&mut graph, 0, &[9, 8, 7, 6], 2) == fresh);
}

#[test]
fn a_copied_row_and_one_read_and_written_go_on_as_the_first_would() {
    let mut graph = starter();
    let ids = prompt(3, 130);
    let expected = alone(&mut graph, 0, &ids, 3);
    graph.prefill(0, &ids).unwrap();
    graph.copy_row(0, 2, 130);
    assert!(graph.logits(2) == expected[0]);
    let mut numbers = vec![0.0; graph.layout.numbers_per_token() * 128];
    graph.kv().read(0, &(0..128), &mut numbers);
    graph.clear(0);
    graph.kv().write(1, 128, &numbers);
    graph.prefill(1, &ids[128..]).unwrap();
    let rest = {
        graph.clear(3);
        graph.prefill(3, &ids[..128]).unwrap();
        graph.prefill(3, &ids[128..]).unwrap();
        graph.logits(3).to_vec()
    };
    assert!(graph.logits(1) == rest, "a beginning that was kept is as good as one computed anew");
    let next = outcome(&graph, 2).0;
    graph.prefill(2, &[next]).unwrap();
    assert!(graph.logits(2) == expected[1]);
    assert_eq!((graph.len(0), graph.len(1), graph.len(2)), (0, 130, 131));
}

#[test]
fn a_row_that_is_dragged_along_and_cut_is_as_it_was() {
    let mut graph = starter();
    let expected = alone(&mut graph, 0, &prompt(1, 20), 3);
    graph.prefill(0, &prompt(1, 20)).unwrap();
    graph.prefill(1, &prompt(2, 9)).unwrap();
    let next = outcome(&graph, 0).0;
    graph.decode(&[0, 7], true).unwrap();
    graph.cut(0, 20);
    graph.decode(&[next, 7], true).unwrap();
    assert!(graph.logits(0) == expected[1]);
}

#[test]
fn a_sequence_past_the_context_is_an_error_and_leaves_the_row() {
    let mut graph = starter();
    let context = graph.layout.context;
    assert!(graph.prefill(0, &vec![5; context + 1]).is_err());
    assert_eq!(graph.len(0), 0);
    graph.prefill(0, &vec![5; context]).unwrap();
    assert!(graph.decode(&[5], true).is_err());
    assert_eq!(graph.len(0), context);
}

#[test]
fn a_small_budget_cuts_the_context_and_a_tiny_one_is_refused() {
    let folder = Folder::read(&crate::backends::local::tests::starter()).unwrap();
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let open = |bytes| Graph::open(&folder, &spec, Room { rows: 2, bytes, pairs: true });
    // 6 layers, keys and values, 6 heads of 32 numbers.
    let token = 6 * 2 * 6 * 32 * 4;
    assert_eq!(open(200 * token).unwrap().layout.context, 192, "whole blocks");
    let error = open(63 * token).err().unwrap().to_string();
    assert!(error.contains("local.kv-cache-mib"), "{error}");
}

#[test]
fn a_braked_run_is_an_error() {
    let mut graph = starter();
    graph.brake().terminate().unwrap();
    assert!(graph.prefill(0, &[1]).is_err());
}

#[test]
fn rows_that_are_empty_again_give_their_memory_back() {
    let mut graph = starter();
    let resident = crate::backends::local::shared::resident;
    for row in 0..4 {
        graph.prefill(row, &prompt(1, 128)).unwrap();
        graph.clear(row);
    }
    graph.kv().trim(0);
    let before = resident();
    let numbers = vec![1.0; graph.layout.numbers_per_token() * 896];
    // Nine tenths of so many rows: the system counts whole pages, and other things come and go.
    let most = |rows: usize| rows * numbers.len() * 4 / 10 * 9;
    let with_numbers = resident();
    for row in 0..4 {
        graph.kv().write(row, 896, &numbers);
    }
    let filled = resident();
    assert!(filled > with_numbers + most(4), "{with_numbers} {filled}");
    graph.kv().trim(0);
    assert!(resident() > filled - (4 << 20), "rows in use keep what they have");
    for row in 0..4 {
        graph.clear(row);
    }
    graph.kv().trim(896);
    let one = resident();
    assert!(one < filled - most(3) && one > before, "three of four went: {filled} {one}");
    graph.kv().trim(0);
    assert!(resident() < filled - most(4));
}

#[test]
fn a_row_that_is_filled_anew_keeps_no_more_memory_than_it_will_need() {
    let mut graph = starter();
    let resident = crate::backends::local::shared::resident;
    graph.kv().trim(0);
    let token = graph.layout.numbers_per_token();
    let numbers = vec![1.0; token * 896];
    // 896 tokens of 9 KiB each: 8 MiB.
    graph.kv().write(0, 896, &numbers);
    graph.kv().shrink(0, 64);
    graph.clear(0);
    graph.kv().shrink(0, 896);
    let one = resident();
    graph.kv().shrink(0, 64);
    assert!(resident() < one - (6 << 20), "it was there until now");
    graph.kv().write(0, 8, &numbers[..token * 8]);
    graph.kv().write(1, 896, &numbers);
    assert!(resident() < one + (2 << 20));
}

/// A tiny model in a folder of its own, with its prefill form or without.
fn tiny(form: bool) -> (tempfile::TempDir, Graph) {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prefill");
    for entry in std::fs::read_dir(fixture).unwrap().flatten() {
        if form || !entry.file_name().to_string_lossy().starts_with("prefill") {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    std::fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
    std::fs::write(folder.path().join("chat_template.jinja"), "").unwrap();
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let files = Folder::read(folder.path()).unwrap();
    let graph = Graph::open(&files, &spec, Room { rows: ROWS, bytes: 64 << 20, pairs: true }).unwrap();
    assert_eq!(graph.has_reader(), form);
    (folder, graph)
}

/// A prompt for the tiny model's vocabulary.
fn few(length: u32) -> Vec<u32> {
    (0..length).map(|n| 3 + n * 37 % 200).collect()
}

#[test]
fn the_prefill_form_gives_the_same_bits_however_a_prompt_is_cut() {
    let (_folder, mut graph) = tiny(true);
    let ids = few(150);
    graph.read(0, &ids, true).unwrap();
    let whole = graph.logits(0).to_vec();
    for pieces in [&[128, 22][..], &[64, 64, 22], &[149, 1], &[1, 149]] {
        let mut at = 0;
        for size in pieces {
            graph.read(1, &ids[at..at + size], at + size == ids.len()).unwrap();
            at += size;
        }
        assert!(graph.logits(1) == whole, "{pieces:?}");
        graph.clear(1);
    }
    // The decoder goes on from the form's cache, in a batch as alone.
    graph.read(1, &few(9), true).unwrap();
    graph.decode(&[5, 6], true).unwrap();
    let together = graph.logits(0).to_vec();
    graph.read(2, &ids, true).unwrap();
    graph.prefill(2, &[5]).unwrap();
    assert!(graph.logits(2) == together);
}

#[test]
fn the_prefill_form_says_nearly_what_the_decoder_says() {
    let ((_with, mut form), (_without, mut plain)) = (tiny(true), tiny(false));
    for length in [1, 2, 40, 200] {
        form.read(0, &few(length), true).unwrap();
        plain.read(0, &few(length), true).unwrap();
        let (near, exact) = (form.logits(0), plain.logits(0));
        let scale = exact.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
        let worst = near.iter().zip(exact).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(worst <= scale * 0.15, "{length}: off by {worst} of {scale}");
        assert_eq!(worst > 0.0, length > 1, "{length}: one token alone is the decoder's");
        form.clear(0);
        plain.clear(0);
    }
}

#[test]
fn a_broken_prefill_form_is_refused_by_name() {
    let (folder, graph) = tiny(true);
    drop(graph);
    std::fs::write(folder.path().join("prefill.onnx"), b"garbage").unwrap();
    let files = Folder::read(folder.path()).unwrap();
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let error =
        Graph::open(&files, &spec, Room { rows: 1, bytes: 64 << 20, pairs: true }).err().unwrap().to_string();
    assert!(error.contains("prefill.onnx"), "{error}");
}

/// A tiny model with its verify form, whose bytes `change` may change first.
fn verifying(change: impl FnOnce(&mut Vec<u8>)) -> Result<(tempfile::TempDir, Graph), LocalError> {
    let (home, folder) = families::verifying(32);
    let form = folder.verify.clone().unwrap();
    let mut bytes = std::fs::read(&form).unwrap();
    change(&mut bytes);
    std::fs::write(form, bytes).unwrap();
    let spec = SessionSpec { intra_threads: 1, spin: false };
    Graph::open(&folder, &spec, Room { rows: ROWS, bytes: 64 << 20, pairs: true }).map(|graph| (home, graph))
}

#[test]
fn the_verify_form_gives_the_very_logits_and_cache_of_single_steps() {
    let (_home, mut graph) = verifying(|_| ()).unwrap();
    assert_eq!((graph.verifies(), graph.len(0)), (4, 0));
    for length in (1..graph.layout.context as u32 - 4).step_by(13) {
        let ids: Vec<u32> = few(length + 5);
        let (ahead, behind) = ids.split_at(length as usize);
        let steps = alone(&mut graph, 0, ahead, 0);
        graph.prefill(0, ahead).unwrap();
        assert!(graph.logits(0) == steps[0]);
        let mut expected = vec![];
        for id in behind {
            graph.decode(&[*id], true).unwrap();
            expected.push(graph.logits(0).to_vec());
        }
        // Two wrong tokens, which are taken back.
        graph.cut(0, ahead.len());
        graph.verify(&[behind[0], behind[1], 7, 8]).unwrap();
        assert!(graph.verified(0) == expected[0] && graph.verified(1) == expected[1], "{length}");
        assert!(graph.verified(2) != expected[2]);
        graph.cut(0, ahead.len() + 2);
        graph.decode(&[behind[2]], true).unwrap();
        assert!(graph.logits(0) == expected[2]);
        graph.cut(0, ahead.len());
        graph.verify(&behind[..4]).unwrap();
        assert!((0..4).all(|at| graph.verified(at) == expected[at]), "{length}");
        graph.decode(&behind[4..], true).unwrap();
        assert!(graph.logits(0) == expected[4], "and the cache is the same");
    }
    graph.clear(0);
    graph.prefill(0, &few(graph.layout.context as u32 - 3)).unwrap();
    assert!(graph.verify(&few(4)).is_err(), "past the context");
    assert_eq!(graph.len(0), graph.layout.context - 3);
}

#[test]
fn a_verify_form_that_is_not_exact_is_not_used() {
    // The second token takes the place of the third. What feeds nodes stands before the numbers themselves.
    let (_home, mut graph) = verifying(|bytes| {
        let name = b"verify.behind.1";
        let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
        bytes[at + name.len() - 1] = b'2';
    })
    .unwrap();
    assert_eq!(graph.verifies(), 0);
    assert!(graph.verify(&few(4)).is_err());
    graph.prefill(0, &few(9)).unwrap();
}

#[test]
fn a_broken_verify_form_is_refused_by_name() {
    let error = verifying(|bytes| *bytes = b"garbage".to_vec()).err().unwrap().to_string();
    assert!(error.contains("verify.onnx"), "{error}");
}

/// A tiny model of which a row that runs alone has other numbers, on some processors; its rows paired where they may be.
fn wide(pairs: bool) -> (tempfile::TempDir, Graph) {
    let (home, mut folder) = families::verifying(128);
    folder.verify = folder.verify.filter(|_| pairs);
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let graph = Graph::open(&folder, &spec, Room { rows: ROWS, bytes: 64 << 20, pairs }).unwrap();
    (home, graph)
}

/// The logits of five steps of each of `count` rows together.
fn steps(graph: &mut Graph, count: u32, alike: bool) -> Vec<Vec<f32>> {
    let ids = few(5 + count);
    for row in 0..count {
        graph.clear(row as usize);
        graph.prefill(row as usize, &few(7 * row + 20)).unwrap();
    }
    let mut told = vec![];
    for step in 0..5 {
        graph.decode(&ids[step..step + count as usize], alike).unwrap();
        told.extend((0..count).map(|row| graph.logits(row as usize).to_vec()));
    }
    told
}

/// Whether row 0 has the same numbers alone as beside one, two and three others.
fn agrees(graph: &mut Graph) -> bool {
    let alone = steps(graph, 1, true);
    (2..ROWS).all(|count| steps(graph, count as u32, true).iter().step_by(count).eq(&alone))
}

#[test]
fn rows_are_paired_where_one_alone_has_other_numbers_and_only_there() {
    let ((_with, mut paired), (_without, mut plain)) = (wide(true), wide(false));
    assert!(agrees(&mut paired), "to the bit");
    assert!(!plain.kv.pairs());
    assert_eq!(paired.kv.pairs(), !agrees(&mut plain), "on this machine");
    assert!(!starter().kv.pairs(), "nothing is paid where it is not needed");
}

#[test]
fn rows_are_paired_for_answers_that_ask_for_it_and_for_drafts() {
    let ((_with, mut paired), (_without, mut plain)) = (wide(true), wide(false));
    let lone = steps(&mut plain, 1, true);
    for alike in [false, true, false] {
        let pairs = paired.kv.pairs() && (alike || paired.verifier.is_some());
        assert_eq!(steps(&mut paired, 1, alike) != lone, pairs, "what is drafted is held against pairs");
    }
    paired.verifier = None;
    let alike = steps(&mut paired, 1, true);
    assert_eq!(alike != lone, paired.kv.pairs());
    for _ in 0..2 {
        assert!(steps(&mut paired, 1, false) == lone, "an answer that asks for nothing pays nothing");
        assert!(steps(&mut paired, 1, true) == alike, "and spoils nothing");
    }
}

#[test]
fn rows_that_pairs_do_not_help_are_not_paired() {
    use crate::backends::local::families::{Form, read};
    let (_home, mut folder) = read("llama-3.2", Form::HfGqaInt8);
    // All rows of a run share the scale of their activations, and nobody has noticed.
    assert!(std::mem::take(&mut folder.attention.mixes));
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let mut graph = Graph::open(&folder, &spec, Room { rows: ROWS, bytes: 64 << 20, pairs: true }).unwrap();
    assert!(!agrees(&mut graph) && !graph.kv.pairs());
}

#[test]
fn the_spare_row_touches_none_that_is_there() {
    let (_home, mut graph) = wide(true);
    let context = graph.layout.context as u32;
    let expected = steps(&mut graph, 1, true);
    // Full to the last token, and one that is read at the moment.
    graph.prefill(1, &few(context)).unwrap();
    graph.prefill(2, &few(30)).unwrap();
    let all = |graph: &mut Graph| {
        [1, 2].map(|row| {
            let held = graph.len(row);
            let mut numbers = vec![0.0; graph.layout.numbers_per_token() * held];
            graph.kv().read(row, &(0..held), &mut numbers);
            (held, numbers, graph.logits(row).to_vec())
        })
    };
    let before = all(&mut graph);
    assert!(steps(&mut graph, 1, true) == expected);
    assert!(all(&mut graph) == before);
    graph.clear(0);
    graph.prefill(0, &few(context - 1)).unwrap();
    graph.decode(&[5], true).unwrap();
    assert_eq!(graph.len(0), context as usize, "to the last token of the context");
    assert!(graph.decode(&[5], true).is_err() && all(&mut graph) == before);
}

#[test]
fn a_form_that_verifies_pairs_is_exact_where_steps_are_paired() {
    assert_eq!(wide(true).1.verifies(), 4);
}

#[test]
#[cfg(target_os = "linux")]
fn what_was_read_of_the_weight_file_is_given_back() {
    use crate::backends::local::mappings::of_this_process;

    let mut graph = starter();
    let mapped = || -> (usize, usize) {
        let found = of_this_process().unwrap().into_iter();
        let tables = found.filter(|mapping| {
            mapping.range().len() >= 1 << 20
                && mapping
                    .unchanged_file()
                    .is_some_and(|file| file.ends_with("models/starter/model.onnx.data"))
        });
        tables.fold((0, 0), |sum, table| (sum.0 + table.range().len(), sum.1 + table.resident()))
    };
    // The table of tokens, of which a row is read now.
    graph.prefill(0, &[5]).unwrap();
    let (all, resident) = mapped();
    assert!(all > 1 << 20 && resident < all / 2, "{resident} of {all}");
    // Its rows come back from the file: the graph says what it says where nothing was given back.
    let folder = Folder::read(&crate::backends::local::tests::starter()).unwrap();
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let beside = Opening::begin();
    let mut whole = Graph::open(&folder, &spec, Room { rows: ROWS, bytes: 64 << 20, pairs: true }).unwrap();
    drop(beside);
    let ids = prompt(1, 300);
    assert!(alone(&mut graph, 0, &ids, 8) == alone(&mut whole, 0, &ids, 8));
}
