//! The input that asks for how many positions logits are wanted, put into graphs that have none.

use super::{Keep, Layout};
use crate::backends::local::LocalError;
use crate::backends::local::families::{Form, read, verifying};
use crate::backends::local::folder::Folder;
use crate::backends::local::graph::{Graph, Room};
use crate::onnx::SessionSpec;

fn open(folder: &Folder, pairs: bool) -> Result<Graph, LocalError> {
    let spec = SessionSpec { intra_threads: 1, spin: false };
    Graph::open(folder, &spec, Room { rows: 2, bytes: 64 << 20, pairs })
}

/// The layout, and the logits of a prompt and of a step of two rows.
fn told(folder: &Folder) -> (Layout, Vec<f32>) {
    let mut graph = open(folder, false).unwrap();
    graph.read(0, &[5, 6, 7], true).unwrap();
    graph.read(1, &[8, 9], true).unwrap();
    let mut told = graph.logits(0).to_vec();
    graph.decode(&[10, 11], false).unwrap();
    for row in 0..2 {
        told.extend_from_slice(graph.logits(row));
    }
    (graph.layout.clone(), told)
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = vec![];
    while number > 0x7F {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A protobuf field that is a number, or that is bytes.
fn number(field: u8, number: usize) -> Vec<u8> {
    [vec![field << 3], varint(number)].concat()
}

fn bytes(field: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [vec![(field << 3) | 2], varint(bytes.len()), bytes.to_vec()].concat()
}

/// The graph, of whose logits only those of as many last positions are left as a new input says. Protobuf takes what is
/// written behind a message for a part of it; field numbers are those of `onnx.proto`.
fn asking(mut graph: Vec<u8>, name: &str, rank: usize, vocabulary: usize) -> Vec<u8> {
    for at in 0..graph.len() - 6 {
        if graph[at..].starts_with(b"logits") {
            graph[at..at + 6].copy_from_slice(b"scores");
        }
    }
    let node = |kind: &str, inputs: &[&str], output: &str| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input)).collect();
        bytes(1, [inputs, bytes(2, output), bytes(4, kind)].concat())
    };
    let constant = |name: &str, value: i64| {
        bytes(5, [number(1, 1), number(2, 7), bytes(8, name), bytes(9, value.to_le_bytes())].concat())
    };
    let value = |field: u8, name: &str, kind: usize, shape: &[Vec<u8>]| {
        let tensor = [number(1, kind), bytes(2, shape.concat())].concat();
        bytes(field, [bytes(1, name), bytes(2, bytes(1, tensor))].concat())
    };
    let (any, last) = (bytes(1, ""), bytes(1, number(1, vocabulary)));
    let added = [
        node("Neg", &[name], "keep.back"),
        node("Reshape", &["keep.back", "keep.one"], "keep.from"),
        node("Slice", &["scores", "keep.from", "keep.end", "keep.one"], "logits"),
        constant("keep.one", 1),
        constant("keep.end", i64::MAX),
        value(11, name, 7, &vec![any.clone(); rank]),
        value(12, "logits", 1, &[any.clone(), any, last]),
    ];
    graph.extend(bytes(7, added.concat()));
    graph
}

#[test]
fn a_graph_that_asks_for_how_many_positions_gives_the_logits_of_the_last() {
    for form in [Form::HfF32, Form::HfGqa] {
        let (_home, folder) = read("llama-3.2", form);
        let (plain, expected) = told(&folder);
        let graph = std::fs::read(&folder.graph).unwrap();
        let write = |name: &str, rank| {
            std::fs::write(&folder.graph, asking(graph.clone(), name, rank, plain.vocabulary)).unwrap();
        };
        for (name, rank) in [("num_logits_to_keep", 0), ("onnx::Neg_67", 1)] {
            write(name, rank);
            let (layout, logits) = told(&folder);
            assert_eq!(layout.keep, Some(Keep { name: name.to_owned(), scalar: rank == 0 }));
            assert!(layout.pruned && plain.keep.is_none() && logits == expected, "{form:?} {name}");
        }
        write("num_logits_to_keep", 2);
        assert!(open(&folder, false).err().unwrap().to_string().contains("`num_logits_to_keep`, which this"));
    }
}

#[test]
fn a_verify_form_is_asked_for_all_its_tokens() {
    let (_home, folder) = verifying(32);
    let plain = open(&folder, true).unwrap();
    for file in [&folder.graph, folder.verify.as_ref().unwrap()] {
        let graph = std::fs::read(file).unwrap();
        std::fs::write(file, asking(graph, "num_logits_to_keep", 0, plain.layout.vocabulary)).unwrap();
    }
    assert_eq!((open(&folder, true).unwrap().verifies(), plain.verifies()), (4, 4));
}
