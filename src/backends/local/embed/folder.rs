//! An embedding model's folder, as sentence-transformers or transformers.js write it: what its JSON files say.
//! Promises: every file that is missing or makes no sense is named; nothing is guessed that changes vectors: a folder
//! that does not say how it pools, or has a module that is not known here, is refused. Opens no session.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::LocalError;
use crate::config::Pooling;
use crate::hub::EMBEDDING_GRAPHS;

/// Says how sentence-transformers treats texts before the tokenizer does.
const TEXTS: &str = "sentence_bert_config.json";

/// What a folder declares.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) graph: PathBuf,
    pub(super) tokenizer: PathBuf,
    /// What the folder, or the settings over it, say; `Auto` where neither does.
    pub(super) pooling: Pooling,
    /// Whether the settings say it.
    pub(super) pooling_is_set: bool,
    /// Where pooling would be said.
    pub(super) pooling_file: PathBuf,
    pub(super) normalise: bool,
    /// Longest text, in tokens, its special tokens included.
    pub(super) longest: usize,
    /// Stands before every text.
    pub(super) prompt: String,
    /// Whether texts are written small before they are tokenised, the prompt with them.
    pub(super) lower_case: bool,
}

impl Folder {
    /// Reads the folder's JSON files; `wished` pooling goes before what they say.
    pub(super) fn read(path: &Path, wished: Pooling) -> Result<Self, LocalError> {
        if !path.is_dir() {
            return Err(LocalError::embedder(path, "there is no such model folder"));
        }
        let graph = EMBEDDING_GRAPHS.iter().map(|name| path.join(name)).find(|file| file.is_file());
        let graph = graph.ok_or_else(|| {
            let why = format!("holds no graph: looked for {}", EMBEDDING_GRAPHS.join(", "));
            LocalError::embedder(path, &why)
        })?;
        let modules = Modules::read(path)?;
        let pooling_file = path.join(&modules.pooling).join("config.json");
        let pooling = match wished {
            Pooling::Auto => pooling(&pooling_file)?,
            wished => wished,
        };
        let prompt = prompt(path)?;
        // The first and the last token are the same without them.
        let counts = matches!(pooling, Pooling::Mean | Pooling::Max);
        if counts && !prompt.is_empty() && optional(&pooling_file)?["include_prompt"] == false {
            let why = "leaves the prompt's tokens out (`include_prompt`), which is not supported beside the default \
                       prompt of config_sentence_transformers.json";
            return Err(LocalError::embedder(&pooling_file, why));
        }
        Ok(Self {
            name: path
                .file_name()
                .map_or_else(|| "embedder".to_owned(), |name| name.to_string_lossy().into_owned()),
            graph,
            tokenizer: path.join("tokenizer.json"),
            pooling,
            pooling_is_set: wished != Pooling::Auto,
            pooling_file,
            normalise: modules.normalise,
            longest: longest(path)?,
            prompt,
            lower_case: optional(&path.join(TEXTS))?["do_lower_case"] == true,
        })
    }
}

/// A JSON file, `Null` where there is none.
fn optional(file: &Path) -> Result<Value, LocalError> {
    if !file.is_file() {
        return Ok(Value::Null);
    }
    let blame = |why: String| LocalError::embedder(file, &why);
    let text = std::fs::read(file).map_err(|error| blame(format!("cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| blame(error.to_string()))
}

/// What `modules.json` says.
struct Modules {
    pooling: String,
    normalise: bool,
}

impl Modules {
    fn read(path: &Path) -> Result<Self, LocalError> {
        let file = path.join("modules.json");
        // Vectors of unit length are what OpenAI's API gives; without a word against it, so do we.
        let mut read = Self { pooling: "1_Pooling".to_owned(), normalise: true };
        let Value::Array(modules) = optional(&file)? else { return Ok(read) };
        read.normalise = false;
        for module in &modules {
            let kind = module["type"].as_str().unwrap_or_default();
            match kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => module["path"].as_str().unwrap_or_default().clone_into(&mut read.pooling),
                "Normalize" => read.normalise = true,
                _ => {
                    return Err(LocalError::embedder(
                        &file,
                        &format!("the module `{kind}` is not supported"),
                    ));
                }
            }
        }
        Ok(read)
    }
}

/// The one pooling that the file switches on.
fn pooling(file: &Path) -> Result<Pooling, LocalError> {
    let config = optional(file)?;
    if config.is_null() {
        return Ok(Pooling::Auto);
    }
    let known = [
        ("pooling_mode_cls_token", "cls", Pooling::Cls),
        ("pooling_mode_mean_tokens", "mean", Pooling::Mean),
        ("pooling_mode_max_tokens", "max", Pooling::Max),
        ("pooling_mode_lasttoken", "lasttoken", Pooling::Last),
    ];
    let refuse = |why: &str| Err(LocalError::embedder(file, why));
    // Newer files name the mode in one field.
    if let Some(named) = config["pooling_mode"].as_str() {
        let found = known.iter().find(|(_, name, _)| *name == named);
        return found.map_or_else(|| refuse("its pooling_mode is not supported"), |(.., mode)| Ok(*mode));
    }
    let fields = config.as_object().into_iter().flatten();
    let on: Vec<&String> = fields
        .filter(|(key, value)| key.starts_with("pooling_mode_") && **value == true)
        .map(|(key, _)| key)
        .collect();
    let [only] = on.as_slice() else {
        return refuse("must switch on one way of pooling, and one only");
    };
    let found = known.iter().find(|(key, ..)| key == only);
    found.map_or_else(|| refuse(&format!("`{only}` is not supported")), |(.., mode)| Ok(*mode))
}

/// The least of what the files allow.
fn longest(path: &Path) -> Result<usize, LocalError> {
    let own = optional(&path.join(TEXTS))?;
    let tokenizer = optional(&path.join("tokenizer_config.json"))?;
    let config = optional(&path.join("config.json"))?;
    let positions = config["max_position_embeddings"].as_u64().map(|most| {
        // Models of RoBERTa's family count positions from behind the padding's id.
        let kind = config["model_type"].as_str().unwrap_or_default();
        let shift = config["pad_token_id"].as_u64().filter(|_| kind.contains("roberta") || kind == "mpnet");
        most.saturating_sub(shift.map_or(0, |pad| pad + 1))
    });
    // "No limit" is written as 10^30, which no integer holds.
    let tokens = tokenizer["model_max_length"].as_f64().filter(|most| *most < 1e9).map(|most| most as u64);
    let least = [own["max_seq_length"].as_u64(), tokens, positions].into_iter().flatten().min();
    match least.and_then(|least| usize::try_from(least).ok()) {
        Some(least @ 1..) => Ok(least),
        _ => Err(LocalError::embedder(
            &path.join("config.json"),
            "max_position_embeddings is missing, and no other file says how long a text may be",
        )),
    }
}

/// What sentence-transformers puts before a text when it is not told otherwise.
fn prompt(path: &Path) -> Result<String, LocalError> {
    let config = optional(&path.join("config_sentence_transformers.json"))?;
    let name = config["default_prompt_name"].as_str();
    Ok(name.and_then(|name| config["prompts"][name].as_str()).unwrap_or_default().to_owned())
}
