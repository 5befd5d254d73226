//! The growing cache over a real graph: a tiny Llama as Hugging Face's exporter writes it.

use super::*;
use crate::backends::local::families::{Form, read};
use crate::backends::local::kv::Kv;
use crate::backends::local::layout;
use crate::onnx::{self, SessionSpec};

fn llama() -> (Session, Layout) {
    let (_home, folder) = read("llama-3.2", Form::HfF32);
    let session = onnx::open(&folder.graph, &SessionSpec { intra_threads: 1, spin: false }).unwrap();
    let layout = layout::read(&folder, &session).unwrap();
    assert!(layout.growing && layout.position_ids && !layout.pruned && !layout.mixes);
    (session, layout)
}

const IDS: [u32; 12] = [0, 31, 200, 17, 99, 5, 250, 64, 8, 77, 130, 42];

fn close(a: &[f32], b: &[f32]) {
    let worst = a.iter().zip(b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(a.len() == b.len() && worst < 1e-4, "off by {worst}");
}

#[test]
fn pieces_and_single_steps_agree_with_one_run() {
    let ((mut session, layout), options) = (llama(), RunOptions::new().unwrap());
    let mut cache = Growing::new(&layout, 3);
    cache.prefill((&mut session, &options), &layout, 2, &IDS).unwrap();
    cache.prefill((&mut session, &options), &layout, 1, &IDS[..7]).unwrap();
    cache.prefill((&mut session, &options), &layout, 1, &IDS[7..]).unwrap();
    for id in IDS {
        cache.prefill((&mut session, &options), &layout, 0, &[id]).unwrap();
    }
    assert_eq!((cache.len(0), cache.len(1), cache.len(2)), (12, 12, 12));
    assert_eq!(cache.logits(0).len(), layout.vocabulary);
    close(cache.logits(1), cache.logits(2));
    close(cache.logits(0), cache.logits(2));
}

#[test]
fn what_is_read_written_copied_and_cut_goes_on_as_if_nothing_had_been() {
    let ((mut session, layout), options) = (llama(), RunOptions::new().unwrap());
    let mut cache = Growing::new(&layout, 3);
    cache.prefill((&mut session, &options), &layout, 0, &IDS[..10]).unwrap();
    let one = layout.layers * 2 * layout.kv_heads * layout.head_size;
    let read = |cache: &Growing, row, range: Range<usize>| {
        let mut numbers = vec![0.0; one * range.len()];
        cache.read(row, &range, &mut numbers);
        numbers
    };
    let (first, second) = (read(&cache, 0, 0..4), read(&cache, 0, 4..10));
    cache.append(1, 4, &[&first]);
    cache.append(1, 6, &[&second]);
    let halves = [read(&cache, 0, 0..5), read(&cache, 0, 5..10)];
    cache.append(2, 5, &halves.each_ref().map(Vec::as_slice));
    assert_eq!(read(&cache, 2, 0..10), read(&cache, 0, 0..10));
    cache.append(2, 5, &[]);
    assert_eq!(cache.len(2), 10);
    assert_eq!((read(&cache, 1, 0..10), cache.logits(1).len()), (read(&cache, 0, 0..10), 0));
    // Two wrong tokens, taken back.
    cache.prefill((&mut session, &options), &layout, 1, &[3, 4]).unwrap();
    cache.truncate(1, 10);
    cache.copy_row(0, 2, 9);
    assert_eq!(read(&cache, 2, 0..9), read(&cache, 0, 0..9));
    cache.copy_row(0, 2, 10);
    assert_eq!(cache.logits(2), cache.logits(0));
    for row in 0..3 {
        cache.prefill((&mut session, &options), &layout, row, &[55]).unwrap();
    }
    assert_eq!(cache.logits(1), cache.logits(0));
    assert_eq!(cache.logits(2), cache.logits(0));
    cache.truncate(2, 0);
    assert_eq!((cache.len(2), cache.logits(2).len()), (0, 0));
}

#[test]
fn a_row_past_the_context_is_an_error_and_the_row_stays_as_it_was() {
    let ((mut session, mut layout), options) = (llama(), RunOptions::new().unwrap());
    layout.context = IDS.len();
    let mut cache = Growing::new(&layout, 2);
    cache.prefill((&mut session, &options), &layout, 0, &IDS[..3]).unwrap();
    cache.prefill((&mut session, &options), &layout, 1, &IDS).unwrap();
    let before = cache.logits(1).to_vec();
    assert!(cache.prefill((&mut session, &options), &layout, 0, &[5; 10]).is_err());
    assert!(cache.prefill((&mut session, &options), &layout, 0, &[]).is_err());
    assert_eq!((cache.len(0), cache.len(1), cache.logits(1)), (3, 12, before.as_slice()));
}

#[test]
fn rows_of_one_step_know_nothing_of_each_other_and_stay_as_they_were_where_one_fails() {
    let ((mut session, mut layout), options) = (llama(), RunOptions::new().unwrap());
    layout.context = 10;
    let mut cache = Kv::new(&layout, 2).unwrap();
    cache.prefill((&mut session, &options), &layout, 0, &IDS[..5]).unwrap();
    cache.prefill((&mut session, &options), &layout, 1, &IDS[..9]).unwrap();
    cache.decode((&mut session, &options), &layout, &[7, 9], true).unwrap();
    for (row, (len, id)) in [(5, 7), (9, 9)].into_iter().enumerate() {
        let mut alone = Growing::new(&layout, 1);
        alone.prefill((&mut session, &options), &layout, 0, &IDS[..len]).unwrap();
        alone.prefill((&mut session, &options), &layout, 0, &[id]).unwrap();
        assert_eq!(alone.logits(0), cache.logits(&layout, row));
    }
    assert!(
        cache.decode((&mut session, &options), &layout, &[1, 1], true).is_err(),
        "the second row is full"
    );
    assert_eq!((cache.len(0), cache.len(1)), (6, 10));
}
