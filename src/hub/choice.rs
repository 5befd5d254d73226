//! Which files of a repository a model needs: one graph with the weights beside it, and the small files that say how to
//! read it. Promises: never two graphs where nobody asked for them; a choice that cannot be made says what to name.

use regex::Regex;

use super::HubError;
use super::client::{Remote, Snapshot};
use super::reference::{is_confined, is_storable};

/// Small files that belong to any model.
const COMPANIONS: &[&str] = &[
    "1_Pooling/config.json",
    "added_tokens.json",
    "additional_chat_templates/tool_use.jinja",
    "chat_template.jinja",
    "chat_template.json",
    "config.json",
    "config_sentence_transformers.json",
    "genai_config.json",
    "generation_config.json",
    "merges.txt",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
];
/// Beginnings of names of licences.
const LICENCES: &[&str] = &["LICENSE", "LICENCE", "NOTICE", "USE_POLICY"];
/// Graphs that are taken where several are there and none is named: the smallest that loses little first.
const GRAPHS: &[&str] = &[
    "onnx/model_q4.onnx",
    "onnx/model_quantized.onnx",
    "onnx/model_int8.onnx",
    "onnx/model.onnx",
    "model.onnx",
];
/// Where an embedding model's graph may lie, best first: the precise ones, since such models are small.
/// `backends/local/embed` opens the first that is there, so that what a pull takes can be opened.
pub const EMBEDDING_GRAPHS: &[&str] = &[
    "onnx/model.onnx",
    "model.onnx",
    "onnx/model_quantized.onnx",
    "model_quantized.onnx",
    "onnx/model_int8.onnx",
    "model_int8.onnx",
    "onnx/model_q4.onnx",
    "model_q4.onnx",
];
/// Mark an embedding model: they say how the vectors of a text's tokens become one.
pub const EMBEDDING_MARKS: &[&str] = &["1_Pooling/config.json", "modules.json"];
/// What hubs call the tasks of embedding models.
pub(super) const EMBEDDING_TASKS: &[&str] = &["feature-extraction", "sentence-similarity"];
/// Marks a folder in ONNX Runtime GenAI's layout.
const GENAI: &str = "genai_config.json";

/// What is to be taken of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// The folder that becomes the model's; empty: the repository itself.
    pub(super) folder: String,
    /// The files, with their paths below that folder.
    pub(super) files: Vec<Chosen>,
}

/// One file to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) remote: Remote,
    /// Its path below the model's folder.
    pub(super) path: String,
}

/// Chooses below `folder`: what `patterns` name, else the one graph that is the usual choice; companions always.
pub(super) fn choose(
    repository: &str,
    snapshot: &Snapshot,
    folder: &str,
    patterns: &[String],
) -> Result<Choice, HubError> {
    let no = |why: String| HubError::Choice { repository: repository.to_owned(), why };
    let files = snapshot.files.as_slice();
    if let Some(file) = files.iter().find(|file| !is_confined(&file.path)) {
        return Err(HubError::Escapes { file: file.path.clone() });
    }
    let folder = match folder.trim_matches('/') {
        "" if patterns.is_empty() => usual_folder(files).map_err(&no)?,
        folder => folder.to_owned(),
    };
    let inside = below(files, &folder);
    if inside.is_empty() {
        return Err(no(format!("has no folder `{folder}`")));
    }
    let regexes = match patterns.is_empty() {
        true => vec![Regex::new(&usual_files(&inside, snapshot.embeds).map_err(&no)?)],
        false => patterns.iter().map(|pattern| Regex::new(&expression(pattern))).collect(),
    };
    let regexes: Vec<Regex> =
        regexes.into_iter().collect::<Result<_, _>>().map_err(|error| no(error.to_string()))?;
    if let Some(idle) = regexes.iter().position(|one| !inside.iter().any(|file| one.is_match(&file.path))) {
        let pattern = patterns.get(idle).map_or("*.onnx", String::as_str);
        return Err(no(format!("no file fits `{pattern}`")));
    }
    let wanted =
        |file: &Chosen| is_companion(&file.path) || regexes.iter().any(|one| one.is_match(&file.path));
    let files: Vec<Chosen> = inside.into_iter().filter(wanted).collect();
    match files.iter().find_map(|file| Some(format!("`{}` {}", file.path, fault(&file.path)?))) {
        Some(why) => Err(no(why)),
        None => Ok(Choice { folder, files }),
    }
}

fn below(files: &[Remote], folder: &str) -> Vec<Chosen> {
    let path = |file: &Remote| match folder {
        "" => Some(file.path.clone()),
        folder => Some(file.path.strip_prefix(folder)?.strip_prefix('/')?.to_owned()),
    };
    files.iter().filter_map(|file| Some(Chosen { path: path(file)?, remote: file.clone() })).collect()
}

/// The repository itself, unless its only graphs lie in one GenAI folder deeper down.
fn usual_folder(files: &[Remote]) -> Result<String, String> {
    let has = |path: &str| files.iter().any(|file| file.path == path);
    if has(GENAI) || GRAPHS.iter().any(|graph| has(graph)) {
        return Ok(String::new());
    }
    let folders: Vec<&str> =
        files.iter().filter_map(|file| file.path.strip_suffix(GENAI)?.strip_suffix('/')).collect();
    match folders[..] {
        [] => Ok(String::new()),
        [one] => Ok(one.to_owned()),
        _ => Err(format!("holds several models; choose one with --folder: {}", folders.join(", "))),
    }
}

/// An expression for the files of the usual graph; of an embedding model, by its files or the hub's word, a precise one.
fn usual_files(inside: &[Chosen], embeds: bool) -> Result<String, String> {
    let has = |path: &str| inside.iter().any(|file| file.path == path);
    if has(GENAI) {
        return Ok(r"^[^/]+\.onnx[^/]*$".to_owned());
    }
    let embeds = embeds || EMBEDDING_MARKS.iter().any(|mark| has(mark));
    let usual = if embeds { EMBEDDING_GRAPHS } else { GRAPHS };
    if let Some(graph) = usual.iter().find(|graph| has(graph)) {
        return Ok(expression(graph));
    }
    let graphs: Vec<&str> =
        inside.iter().map(|file| file.path.as_str()).filter(|path| path.ends_with(".onnx")).collect();
    match graphs[..] {
        [] => Err("holds no ONNX graph; look for a repository with `model.onnx` or `onnx/`".to_owned()),
        [one] => Ok(expression(one)),
        _ => Err(format!("holds several graphs; choose one with --file: {}", graphs.join(", "))),
    }
}

/// A pattern as an expression: `*` is anything within a folder, and a graph brings the weights beside it.
fn expression(pattern: &str) -> String {
    let parts: Vec<String> = pattern.trim_start_matches('/').split('*').map(regex::escape).collect();
    let data = if pattern.ends_with(".onnx") { r"([._]data[^/]*)?" } else { "" };
    format!("^{}{data}$", parts.join("[^/]*"))
}

/// Whether a pattern names this path below the model's folder.
pub(super) fn names(pattern: &str, path: &str) -> bool {
    Regex::new(&expression(pattern)).is_ok_and(|pattern| pattern.is_match(path))
}

fn is_companion(path: &str) -> bool {
    COMPANIONS.contains(&path)
        || (!path.contains('/') && LICENCES.iter().any(|licence| path.starts_with(licence)))
}

/// Why a file cannot be kept under its path, if it cannot.
fn fault(path: &str) -> Option<&'static str> {
    if is_ours(path) {
        return Some("is a name that Crossover keeps for itself");
    }
    let why = "cannot be kept here: a part of its path holds a `:`, or is longer than file systems take; choose other \
               files with --file";
    (!is_storable(path)).then_some(why)
}

fn is_ours(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with("crossover-") || name.starts_with(".crossover-"))
        || path.ends_with(super::fetch::PART)
}

#[cfg(test)]
mod tests {
    use super::super::digest::Digest;
    use super::*;

    fn listed(paths: &[&str]) -> Snapshot {
        let remote =
            |path: &&str| Remote { path: (*path).to_owned(), size: Some(1), digest: Digest::Unknown };
        let files = paths.iter().map(remote).collect();
        Snapshot { commit: String::new(), files, licence: None, embeds: false }
    }

    fn taken(paths: &[&str], folder: &str, patterns: &[&str]) -> Result<Vec<String>, String> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let choice = choose("o/r", &listed(paths), folder, &patterns).map_err(|error| error.to_string())?;
        Ok(choice.files.into_iter().map(|file| file.path).collect())
    }

    const HF: &[&str] = &[
        ".gitattributes",
        "LICENSE",
        "README.md",
        "config.json",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/model_q4.onnx",
        "onnx/model_q4.onnx_data",
        "onnx/model_q4.onnx_data_1",
        "onnx/model_q4f16.onnx",
        "model.safetensors",
        "tokenizer.json",
    ];

    #[test]
    fn one_graph_with_its_weights_is_the_usual_choice() {
        let usual = taken(HF, "", &[]).unwrap();
        let q4 = ["onnx/model_q4.onnx", "onnx/model_q4.onnx_data", "onnx/model_q4.onnx_data_1"];
        assert_eq!(usual, [&["LICENSE", "config.json"], &q4[..], &["tokenizer.json"]].concat());
        let named = taken(HF, "", &["onnx/model.onnx"]).unwrap();
        assert_eq!(
            named,
            ["LICENSE", "config.json", "onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json"]
        );
        assert_eq!(taken(HF, "", &["*.safetensors"]).unwrap().len(), 4);
    }

    #[test]
    fn an_embedding_model_comes_with_what_says_how_to_pool() {
        let all = ["1_Pooling/config.json", "modules.json", "onnx/model.onnx", "sentence_bert_config.json"];
        assert_eq!(taken(&all, "", &[]).unwrap(), all);
        let both = [&all[..3], &["onnx/model_q4.onnx"]].concat();
        assert_eq!(taken(&both, "", &[]).unwrap(), all[..3], "the one that the embedder likes best");
        let bare = ["onnx/model_q4.onnx", "tokenizer.json"];
        assert_eq!(taken(&bare, "", &[]).unwrap(), bare);
        assert!(GRAPHS.iter().all(|graph| EMBEDDING_GRAPHS.contains(graph)), "it opens any usual choice");
    }

    #[test]
    fn a_template_for_tools_comes_with_the_model() {
        let all = ["additional_chat_templates/tool_use.jinja", "chat_template.jinja", "model.onnx"];
        assert_eq!(taken(&all, "", &[]).unwrap(), all);
    }

    #[test]
    fn a_genai_folder_becomes_the_models_folder() {
        let deep =
            ["README.md", "cpu/int4/genai_config.json", "cpu/int4/model.onnx", "cpu/int4/model.onnx.data"];
        let want = ["genai_config.json", "model.onnx", "model.onnx.data"];
        assert_eq!(taken(&deep, "", &[]).unwrap(), want);
        assert_eq!(taken(&deep, "cpu/int4/", &[]).unwrap(), want);
        let two = [&deep[..], &["cuda/genai_config.json"]].concat();
        assert!(taken(&two, "", &[]).unwrap_err().contains("--folder: cpu/int4, cuda"));
        assert_eq!(taken(&two, "cpu/int4", &[]).unwrap(), want);
    }

    #[test]
    fn what_cannot_be_chosen_says_what_to_name() {
        assert!(taken(&["README.md"], "", &[]).unwrap_err().contains("no ONNX graph"));
        assert!(taken(&["a.onnx", "b.onnx"], "", &[]).unwrap_err().contains("--file: a.onnx, b.onnx"));
        assert!(taken(HF, "nowhere", &[]).unwrap_err().contains("nowhere"));
        assert!(taken(HF, "", &["onnx/model_q5.onnx"]).unwrap_err().contains("`onnx/model_q5.onnx`"));
    }

    #[test]
    fn a_name_that_cannot_be_kept_is_refused_only_where_it_is_wanted() {
        let long = "x".repeat(250);
        let all = ["model.onnx", "img/a:b.png", long.as_str()];
        assert_eq!(taken(&all, "", &[]).unwrap(), ["model.onnx"]);
        for (pattern, named) in [("img/*", "`img/a:b.png`"), ("x*", long.as_str())] {
            let why = taken(&all, "", &[pattern]).unwrap_err();
            assert!(why.contains(named) && why.contains("--file") && !why.contains("outside"), "{why}");
        }
    }

    #[test]
    fn f11_a_path_that_leaves_the_folder_is_refused_even_where_nobody_wants_it() {
        assert!(taken(&["model.onnx", "../../etc/passwd"], "", &[]).unwrap_err().contains("outside"));
        assert!(taken(&["model.onnx", "crossover-model.toml"], "", &["*"]).is_err());
    }
}
