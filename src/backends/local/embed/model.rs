//! The graph of an embedding model: texts of one length in, one vector each out. Reads the graph's own inputs and outputs.
//! Promises: texts of different lengths never share a run, so that nothing is padded.

use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::{TensorRef, ValueType};

use super::super::LocalError;
use super::super::file_pages::Opening;
use super::folder::Folder;
use crate::config::Pooling;
use crate::onnx::{self, OnnxError, SessionSpec};

/// Outputs of one vector a token, and of one a text.
const BY_TOKEN: [&str; 2] = ["last_hidden_state", "token_embeddings"];
const BY_TEXT: &str = "sentence_embedding";

/// A graph, ready to run.
pub(super) struct Model {
    session: Session,
    reads: Reads,
    output: String,
    /// `None`: the graph pools by itself.
    pooling: Option<Pooling>,
    normalise: bool,
    /// Numbers of a vector.
    pub(super) width: usize,
}

/// Which optional inputs the graph has.
#[derive(Default)]
struct Reads {
    attention_mask: bool,
    token_type_ids: bool,
    position_ids: bool,
}

impl Model {
    /// Opens the graph and asks it once, so that one that cannot answer is found now.
    pub(super) fn open(folder: &Folder, spec: &SessionSpec) -> Result<Self, LocalError> {
        let blame = |why: &str| LocalError::embedder(&folder.graph, why);
        let opening = Opening::begin();
        let session = onnx::open(&folder.graph, spec).map_err(|error| match error {
            OnnxError::Model { why, .. } => blame(&format!("ONNX Runtime cannot open it: {why}")),
            other => LocalError::from(other),
        })?;
        opening.give_back(&folder.graph, &[Some(&session)]);
        let reads = reads(&session).map_err(|why| blame(&why))?;
        let has = |name: &str| session.outputs().iter().any(|output| output.name() == name);
        let (output, pooling) = output(folder, has)?;
        let output = output.to_owned();
        let mut model = Self { session, reads, output, pooling, normalise: folder.normalise, width: 0 };
        let trial = RunOptions::new().and_then(|options| model.run(&[&[0, 0]], &options));
        let trial = trial.map_err(|error| blame(&format!("does not run: {}", error.message())))?;
        model.width = trial.first().map_or(0, Vec::len);
        if model.width == 0 { Err(blame("gives vectors without numbers")) } else { Ok(model) }
    }

    /// One vector for each text. All texts have the same length, which is not 0. The options may end it from elsewhere.
    pub(super) fn run(&mut self, texts: &[&[u32]], options: &RunOptions) -> ort::Result<Vec<Vec<f32>>> {
        let shape = [texts.len(), texts.first().map_or(0, |text| text.len())];
        let [rows, length] = shape;
        let ids: Vec<i64> = texts.iter().flat_map(|text| text.iter().map(|id| i64::from(*id))).collect();
        let (ones, zeros) = (vec![1_i64; ids.len()], vec![0_i64; ids.len()]);
        let positions: Vec<i64> = (0..rows).flat_map(|_| (0..).take(length)).collect();
        let given = [
            ("input_ids", true, &ids),
            ("attention_mask", self.reads.attention_mask, &ones),
            ("token_type_ids", self.reads.token_type_ids, &zeros),
            ("position_ids", self.reads.position_ids, &positions),
        ];
        let mut feed: Vec<(&str, SessionInputValue<'_>)> = vec![];
        for (name, _, values) in given.into_iter().filter(|(_, read, _)| *read) {
            feed.push((name, TensorRef::from_array_view((shape, values.as_slice()))?.into()));
        }
        let outputs = self.session.run_with_options(feed, options)?;
        let (_, numbers) = outputs[self.output.as_str()].try_extract_tensor::<f32>()?;
        let width = numbers.len() / if self.pooling.is_some() { ids.len() } else { rows }.max(1);
        if width == 0 {
            return Err(ort::Error::new("an output of no numbers"));
        }
        let text = |numbers: &[f32]| match self.pooling {
            Some(pooling) => pool(pooling, numbers, width),
            None => numbers.to_vec(),
        };
        let mut vectors: Vec<Vec<f32>> = numbers.chunks_exact(numbers.len() / rows).map(text).collect();
        if vectors.iter().flatten().any(|number| !number.is_finite()) {
            return Err(ort::Error::new("a vector that holds no number"));
        }
        if self.normalise {
            vectors.iter_mut().for_each(|vector| normalise(vector));
        }
        Ok(vectors)
    }
}

/// The output to read, and how its vectors become one. A graph may pool by itself, but not against the settings.
fn output(
    folder: &Folder,
    has: impl Fn(&str) -> bool,
) -> Result<(&'static str, Option<Pooling>), LocalError> {
    let blame = |why: &str| Err(LocalError::embedder(&folder.graph, why));
    let by_token = BY_TOKEN.into_iter().find(|name| has(name));
    match (has(BY_TEXT), by_token, folder.pooling) {
        (true, ..) if !folder.pooling_is_set => Ok((BY_TEXT, None)),
        (true, None, _) => blame(&format!(
            "pools by itself: `{BY_TEXT}` is its only output that is known. Take embeddings.pooling out of the settings"
        )),
        (_, Some(_), Pooling::Auto) => {
            let why = "does not say how token vectors become one: set embeddings.pooling to what the model was \
                       trained with";
            Err(LocalError::embedder(&folder.pooling_file, why))
        }
        (_, Some(output), pooling) => Ok((output, Some(pooling))),
        (_, None, _) => {
            let known = BY_TOKEN.join("`, `");
            blame(&format!("has none of the outputs `{BY_TEXT}`, `{known}`"))
        }
    }
}

fn reads(session: &Session) -> Result<Reads, String> {
    let mut reads = Reads::default();
    let mut has_ids = false;
    for input in session.inputs() {
        match input.name() {
            "input_ids" => has_ids = true,
            "attention_mask" => reads.attention_mask = true,
            "token_type_ids" => reads.token_type_ids = true,
            "position_ids" => reads.position_ids = true,
            other => return Err(format!("the input `{other}` is not known")),
        }
        let is_int64 =
            matches!(input.dtype(), ValueType::Tensor { ty: ort::value::TensorElementType::Int64, .. });
        if !is_int64 {
            return Err(format!("the input `{}` is no tensor of int64", input.name()));
        }
    }
    if has_ids { Ok(reads) } else { Err("has no input `input_ids`".to_owned()) }
}

/// One vector out of those of a text's tokens, which lie one after the other.
fn pool(pooling: Pooling, tokens: &[f32], width: usize) -> Vec<f32> {
    let mut each = tokens.chunks_exact(width);
    let take = |token: Option<&[f32]>| token.unwrap_or_default().to_vec();
    match pooling {
        Pooling::Cls => take(each.next()),
        Pooling::Last => take(each.next_back()),
        Pooling::Max => each.fold(vec![f32::NEG_INFINITY; width], |mut most, token| {
            most.iter_mut().zip(token).for_each(|(most, number)| *most = most.max(*number));
            most
        }),
        Pooling::Mean | Pooling::Auto => {
            let mut sum = vec![0.0_f64; width];
            let count = each.len().max(1) as f64;
            for token in each {
                sum.iter_mut().zip(token).for_each(|(sum, number)| *sum += f64::from(*number));
            }
            sum.into_iter().map(|sum| (sum / count) as f32).collect()
        }
    }
}

/// Brings a vector to unit length; one without direction stays as it is.
pub(super) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if length > 1e-12 {
        vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_that_pools_by_itself_does_so_unless_the_settings_say_how() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embedder");
        let chosen = |wished, names: &[&str]| {
            let folder = Folder::read(&root, wished).unwrap();
            output(&folder, |name| names.contains(&name)).map_err(|error| error.to_string())
        };
        let both = [BY_TEXT, BY_TOKEN[1]];
        assert_eq!(chosen(Pooling::Auto, &both), Ok((BY_TEXT, None)));
        assert_eq!(chosen(Pooling::Cls, &both), Ok((BY_TOKEN[1], Some(Pooling::Cls))));
        assert_eq!(chosen(Pooling::Auto, &[BY_TEXT]), Ok((BY_TEXT, None)));
        let error = chosen(Pooling::Cls, &[BY_TEXT]).unwrap_err();
        assert!(error.contains("embeddings.pooling") && error.contains(".onnx"), "{error}");
        assert_eq!(chosen(Pooling::Auto, &BY_TOKEN), Ok((BY_TOKEN[0], Some(Pooling::Mean))), "the folder's");
        assert!(chosen(Pooling::Cls, &["logits"]).unwrap_err().contains(BY_TEXT));
    }

    #[test]
    fn each_pooling_makes_one_vector() {
        let tokens = [1.0, -2.0, 3.0, 4.0, 5.0, -6.0];
        assert_eq!(pool(Pooling::Mean, &tokens, 2), [3.0, -4.0 / 3.0]);
        assert_eq!(pool(Pooling::Cls, &tokens, 2), [1.0, -2.0]);
        assert_eq!(pool(Pooling::Last, &tokens, 2), [5.0, -6.0]);
        assert_eq!(pool(Pooling::Max, &tokens, 2), [5.0, 4.0]);
    }

    #[test]
    fn unit_length_is_kept_from_dividing_by_nothing() {
        let mut vector = [3.0, 4.0];
        normalise(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
        let mut nothing = [0.0, 0.0];
        normalise(&mut nothing);
        assert_eq!(nothing, [0.0, 0.0]);
    }
}
