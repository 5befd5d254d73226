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
            (7, Some(end)) => {
                has_graph = true;
                walk.graph(end, &mut found)?;
            }
            (_, end) => walk.skip_to(end)?,
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
                (1, Some(end)) if end - self.at <= LONG => {
                    let node = self.bytes(end)?;
                    found.node(&node, 0)?;
                }
                // A constant of many numbers: its kind is known, its content does not matter.
                (1, Some(end)) => {
                    found.all.kinds.insert("Constant".to_owned());
                    self.skip_to(Some(end))?;
                }
                (5, Some(end)) if end - self.at <= LONG => {
                    let tensor = self.bytes(end)?;
                    found.tensor(&tensor, None)?;
                }
                (_, end) => self.skip_to(end)?,
            }
        }
        Ok(())
    }

    /// The next field's number, and where its bytes end; without an end, it was a number and is over.
    fn field(&mut self, within: u64) -> Result<(u64, Option<u64>)> {
        let key = self.varint()?;
        let end = match key & 7 {
            0 => {
                self.varint()?;
                return Ok((key >> 3, None));
            }
            1 => self.at.checked_add(8),
            2 => {
                let len = self.varint()?;
                self.at.checked_add(len)
            }
            5 => self.at.checked_add(4),
            _ => None,
        };
        match end {
            Some(end) if end <= within => Ok((key >> 3, Some(end))),
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

    fn skip_to(&mut self, end: Option<u64>) -> Result<()> {
        if let Some(end) = end {
            self.file.seek_relative(i64::try_from(end - self.at).map_err(|_| broken("it is too long"))?)?;
            self.at = end;
        }
        Ok(())
    }
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
