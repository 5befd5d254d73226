//! What a graph file says without being opened by the runtime: operators, attention windows, weight files beside it.
//! Promises: tensors are skipped, not read, so that a file of gigabytes takes milliseconds; a broken file is an error.
//! A walk over the few protobuf fields of ONNX that matter here; field numbers are those of `onnx.proto`.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result};
use std::path::Path;

/// A message longer than this is a tensor with its numbers, or holds one.
const LONG: u64 = 64 << 10;
/// Deepest graph inside a graph that is looked at.
const DEEPEST: usize = 4;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Operators {
    /// Operator types, of inner graphs too.
    pub(super) kinds: BTreeSet<String>,
    /// `local_window_size` of every `GroupQueryAttention`; -1 where it sees everything.
    pub(super) windows: Vec<i64>,
    /// Files with weights, as the graph names them.
    pub(super) external: BTreeSet<String>,
    /// Constant whole numbers that something is compared with, added to or subtracted from: a mask's window is one.
    pub(super) numbers: BTreeSet<i64>,
    /// The length at which an `If` of the outer graph takes its other branch.
    pub(super) boundary: Option<i64>,
}

impl Operators {
    /// Whether activations are quantised with one scale for all rows of a run.
    pub(super) fn mixes(&self) -> bool {
        ["DynamicQuantizeLinear", "DynamicQuantizeMatMul"].iter().any(|kind| self.kinds.contains(*kind))
    }
}

/// Reads a graph file.
///
/// # Errors
/// A file that cannot be read or is no protobuf message.
pub(super) fn read(file: &Path) -> Result<Operators> {
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    let mut walk = Walk { file: BufReader::new(file), at: 0 };
    let mut found = Finds::default();
    let mut has_graph = false;
    while walk.at < size {
        match walk.field(size)? {
            (7, Span::Until(end)) => {
                has_graph = true;
                walk.graph(end, &mut found)?;
            }
            (_, span) => walk.skip(span)?,
        }
    }
    if !has_graph {
        return Err(broken("there is no graph in it"));
    }
    Ok(found.finish())
}

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("is no ONNX graph: {why}"))
}

/// Where in the file the walk is.
struct Walk {
    file: BufReader<File>,
    at: u64,
}

impl Walk {
    fn graph(&mut self, end: u64, found: &mut Finds) -> Result<()> {
        while self.at < end {
            match self.field(end)? {
                (1, Span::Until(end)) => {
                    let node = self.outline(end, Message::Node, 0)?;
                    found.node(&node, 0)?;
                }
                (5, Span::Until(end)) if end - self.at <= LONG => {
                    let tensor = self.bytes(end)?;
                    found.tensor(&tensor, None)?;
                }
                (_, span) => self.skip(span)?,
            }
        }
        Ok(())
    }

    /// A message without its long tensors.
    fn outline(&mut self, end: u64, message: Message, depth: usize) -> Result<Vec<u8>> {
        if end - self.at <= LONG {
            return self.bytes(end);
        }
        let mut outline = vec![];
        while self.at < end {
            let (field, span) = self.field(end)?;
            match (span, message.inner(field)) {
                (Span::Number(number), _) => {
                    put(field << 3, &mut outline);
                    put(number, &mut outline);
                }
                (Span::Until(to), _) if to - self.at <= LONG => {
                    put_bytes(field, &self.bytes(to)?, &mut outline);
                }
                (Span::Until(to), Some(inner)) if depth < DEEPEST || inner != Message::Graph => {
                    let depth = depth + usize::from(inner == Message::Graph);
                    put_bytes(field, &self.outline(to, inner, depth)?, &mut outline);
                }
                (span, _) => self.skip(span)?,
            }
        }
        Ok(outline)
    }

    /// The next field's number, and its value or where that ends.
    fn field(&mut self, within: u64) -> Result<(u64, Span)> {
        let key = self.varint()?;
        let end = match key & 7 {
            0 => return Ok((key >> 3, Span::Number(self.varint()?))),
            1 => self.at.checked_add(8),
            2 => {
                let len = self.varint()?;
                self.at.checked_add(len)
            }
            5 => self.at.checked_add(4),
            _ => None,
        };
        match end {
            Some(end) if end <= within => Ok((key >> 3, Span::Until(end))),
            _ => Err(broken("a field is longer than what holds it")),
        }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(broken("a number without an end"))
    }

    fn bytes(&mut self, end: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(end - self.at).unwrap_or(0)];
        self.file.read_exact(&mut bytes)?;
        self.at = end;
        Ok(bytes)
    }

    fn skip(&mut self, span: Span) -> Result<()> {
        if let Span::Until(end) = span {
            self.file.seek_relative(i64::try_from(end - self.at).map_err(|_| broken("it is too long"))?)?;
            self.at = end;
        }
        Ok(())
    }
}

/// A field's value in the file.
#[derive(Clone, Copy)]
enum Span {
    /// A number, which is over.
    Number(u64),
    /// Bytes that end here.
    Until(u64),
}

/// Messages that may hold long tensors and more than that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Node,
    Attribute,
    Graph,
}

impl Message {
    /// What a field of this message is, where it is one of these too.
    fn inner(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            _ => None,
        }
    }
}

/// Appends a number as a message has it.
fn put(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Appends a field of bytes.
fn put_bytes(field: u64, bytes: &[u8], to: &mut Vec<u8>) {
    put((field << 3) | 2, to);
    put(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

/// What is gathered on the way.
#[derive(Default)]
struct Finds {
    all: Operators,
    /// Whole numbers by the name of their tensor.
    scalars: HashMap<String, i64>,
    /// Inputs of each comparison, by the name of its output.
    comparisons: HashMap<String, Vec<String>>,
    /// What each `If` of the outer graph asks.
    conditions: Vec<String>,
    /// What goes into sums, differences and comparisons.
    operands: Vec<String>,
}

impl Finds {
    fn finish(mut self) -> Operators {
        self.all.boundary = self.conditions.iter().find_map(|condition| {
            let inputs = self.comparisons.get(condition)?;
            inputs.iter().find_map(|input| self.scalars.get(input).copied())
        });
        self.all.numbers.extend(self.operands.iter().filter_map(|name| self.scalars.get(name)));
        self.all
    }

    fn node(&mut self, bytes: &[u8], depth: usize) -> Result<()> {
        let (mut inputs, mut outputs, mut kind, mut window) = (vec![], vec![], String::new(), -1);
        let mut attributes = vec![];
        for field in fields(bytes) {
            match field? {
                (1, Value::Bytes(name)) => inputs.push(text(name)),
                (2, Value::Bytes(name)) => outputs.push(text(name)),
                (4, Value::Bytes(name)) => kind = text(name),
                (5, Value::Bytes(attribute)) => attributes.push(attribute),
                _ => {}
            }
        }
        for attribute in attributes {
            if let Some(found) = self.attribute(attribute, outputs.first(), depth)? {
                window = found;
            }
        }
        match kind.as_str() {
            "GroupQueryAttention" => self.all.windows.push(window),
            "Add" | "Sub" => self.operands.extend(inputs),
            "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => {
                self.operands.extend(inputs.iter().cloned());
                self.comparisons.extend(outputs.into_iter().next().map(|output| (output, inputs)));
            }
            "If" if depth == 0 => self.conditions.extend(inputs.into_iter().next()),
            _ => {}
        }
        self.all.kinds.insert(kind);
        Ok(())
    }

    /// Looks into inner graphs and constant tensors; gives the value of `local_window_size`.
    fn attribute(&mut self, bytes: &[u8], output: Option<&String>, depth: usize) -> Result<Option<i64>> {
        let (mut name, mut int) = (String::new(), None);
        for field in fields(bytes) {
            match field? {
                (1, Value::Bytes(found)) => name = text(found),
                (3, Value::Number(number)) => int = Some(number.cast_signed()),
                (5, Value::Bytes(tensor)) => self.tensor(tensor, output)?,
                (6 | 11, Value::Bytes(graph)) if depth < DEEPEST => self.inner(graph, depth + 1)?,
                _ => {}
            }
        }
        Ok(int.filter(|_| name == "local_window_size"))
    }

    fn inner(&mut self, graph: &[u8], depth: usize) -> Result<()> {
        for field in fields(graph) {
            match field? {
                (1, Value::Bytes(node)) => self.node(node, depth)?,
                (5, Value::Bytes(tensor)) => self.tensor(tensor, None)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes where an external tensor lies, and the value of a single whole number.
    fn tensor(&mut self, bytes: &[u8], name: Option<&String>) -> Result<()> {
        let (mut size, mut kind, mut raw, mut value) = (1_u64, 0, None, None);
        let mut own = String::new();
        for field in fields(bytes) {
            match field? {
                (1, Value::Number(dimension)) => size = size.saturating_mul(dimension),
                (1, Value::Bytes(packed)) => {
                    for dimension in varints(packed) {
                        size = size.saturating_mul(dimension);
                    }
                }
                (2, Value::Number(number)) => kind = number,
                (7, Value::Number(number)) => value = Some(number.cast_signed()),
                (7, Value::Bytes(packed)) => value = varints(packed).next().map(u64::cast_signed),
                (8, Value::Bytes(found)) => own = text(found),
                (9, Value::Bytes(found)) => raw = found.try_into().ok().map(i64::from_le_bytes),
                (13, Value::Bytes(entry)) => self.all.external.extend(location(entry)?),
                _ => {}
            }
        }
        // 7 is int64.
        if kind == 7
            && size == 1
            && let Some(value) = raw.or(value)
        {
            self.scalars.insert(name.cloned().unwrap_or(own), value);
        }
        Ok(())
    }
}

/// The file of a `location` entry.
fn location(entry: &[u8]) -> Result<Option<String>> {
    let (mut key, mut value) = (String::new(), String::new());
    for field in fields(entry) {
        match field? {
            (1, Value::Bytes(found)) => key = text(found),
            (2, Value::Bytes(found)) => value = text(found),
            _ => {}
        }
    }
    Ok((key == "location").then_some(value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A field's value.
enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of a message that lies in memory.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = Result<(u64, Value<'_>)>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next_field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field.ok_or_else(|| broken("a field is cut off")))
    })
}

fn next_field<'b>(rest: &mut &'b [u8]) -> Option<(u64, Value<'b>)> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Value::Number(varint(rest)?),
        1 => Value::Bytes(rest.split_off(..8)?),
        2 => {
            let len = usize::try_from(varint(rest)?).ok()?;
            Value::Bytes(rest.split_off(..len)?)
        }
        5 => Value::Bytes(rest.split_off(..4)?),
        _ => return None,
    };
    Some((key >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn varints(mut packed: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || varint(&mut packed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::local::families;

    #[test]
    fn the_starter_model_is_read_without_its_weights() {
        let found = read(&crate::backends::local::tests::starter().join("model.onnx")).unwrap();
        assert!(
            found.kinds.contains("GroupQueryAttention") && found.kinds.contains("MatMulNBits"),
            "{found:?}"
        );
        assert_eq!(found.external.iter().collect::<Vec<_>>(), ["model.onnx.data"]);
        assert!(!found.windows.is_empty() && found.windows.iter().all(|window| *window == -1));
        assert_eq!(found.boundary, None);
    }

    /// A message with `change` made to each of its fields of bytes with this number.
    fn changed(message: &[u8], number: u64, change: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut to = vec![];
        for field in fields(message) {
            match field.unwrap() {
                (field, Value::Number(value)) => {
                    put(field << 3, &mut to);
                    put(value, &mut to);
                }
                (field, Value::Bytes(bytes)) if field == number => {
                    put_bytes(field, &change(bytes), &mut to);
                }
                (field, Value::Bytes(bytes)) => put_bytes(field, bytes, &mut to),
            }
        }
        to
    }

    /// The constants of the graphs in a node get 100 kB of numbers more.
    fn padded(node: &[u8]) -> Vec<u8> {
        let tensor = |tensor: &[u8]| {
            let mut tensor = tensor.to_vec();
            put_bytes(4, &[0; 100_000], &mut tensor);
            tensor
        };
        let constant = |node: &[u8]| changed(node, 5, &|attribute| changed(attribute, 5, &tensor));
        changed(node, 5, &|attribute| changed(attribute, 6, &|graph| changed(graph, 1, &constant)))
    }

    #[test]
    fn long_constants_hide_nothing_of_the_nodes_around_them() {
        let fixture = families::fixtures().join("phi-3.5/genai-f32/model.onnx");
        let plain = read(&fixture).unwrap();
        assert!(plain.boundary.is_some(), "{plain:?}");
        let model = std::fs::read(&fixture).unwrap();
        let long = changed(&model, 7, &|graph| changed(graph, 1, &padded));
        assert!(long.len() > model.len() + 2 * 100_000);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.onnx");
        std::fs::write(&file, long).unwrap();
        assert_eq!(format!("{:?}", read(&file).unwrap()), format!("{plain:?}"));
    }

    #[test]
    fn what_is_no_graph_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.onnx");
        for content in [&b""[..], b"garbage", b"\x3a\xff\xff\xff\xff\x0f", &[0x80; 20], b"\x08\x07"] {
            std::fs::write(&file, content).unwrap();
            let error = read(&file).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
                "{content:?}: {error}"
            );
        }
        assert_eq!(read(&folder.path().join("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
