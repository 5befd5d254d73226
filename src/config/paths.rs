//! Where things lie on disk: configuration, state, models and policies, and which folder a model's path means. Finds,
//! never creates, except the state folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Config;

/// The folder of pulled models, below the state folder.
const PULLED: &str = "models";

/// The folders that one process works with.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Ledger, calibrations, pulled models.
    pub state: PathBuf,
    /// Model folders.
    pub models: PathBuf,
    /// Policy files.
    pub policies: PathBuf,
}

impl Paths {
    /// Resolves the folders: the configuration's own, else the first `models` and `policies` found in the working
    /// folder, beside the binary or above it, else below `/usr/share/crossover`. The folder of pulled models is not taken
    /// for that of the shipped ones, though the gateway may be started in the state folder.
    pub fn resolve(config: &Config, state: Option<&Path>) -> Self {
        Self::among(config, state, candidates)
    }

    fn among(config: &Config, state: Option<&Path>, candidates: impl Fn(&str) -> Vec<PathBuf>) -> Self {
        let state = state.map_or_else(default_state, Path::to_path_buf);
        let pulled = state.join(PULLED);
        let find = |name: &str| {
            let mut there = candidates(name).into_iter().filter(|folder| folder.is_dir());
            there.find(|folder| !is_same(folder, &pulled)).unwrap_or_else(|| PathBuf::from(name))
        };
        Self {
            models: config.models_dir.clone().unwrap_or_else(|| find("models")),
            policies: config.policies_dir.clone().unwrap_or_else(|| find("policies")),
            state,
        }
    }

    /// A model's folder, or the graph that was named in its place (see [`model_root`]): `name` itself where it is a path,
    /// else below the models folder, else among the pulled models.
    pub fn model(&self, name: &str) -> PathBuf {
        if name.contains('/') {
            return PathBuf::from(name);
        }
        let (shipped, pulled) = (self.models.join(name), self.pulled().join(name));
        if !shipped.is_dir() && pulled.is_dir() { pulled } else { shipped }
    }

    /// Where pulled models lie.
    pub fn pulled(&self) -> PathBuf {
        self.state.join(PULLED)
    }
}

/// Where the graphs of Hugging Face's layout lie in a model's folder, unless beside its other files.
pub const GRAPH_FOLDER: &str = "onnx";

/// The folder of the model that `path` names, and the graph's path below it where `path` is a graph in the folder or in
/// its [`GRAPH_FOLDER`]. `None`: it is no folder, and is not called as a graph is. Whether the graph is there is not asked.
pub fn model_root(path: &Path) -> Option<(&Path, Option<&Path>)> {
    if path.is_dir() {
        return Some((path, None));
    }
    let beside = path.parent().filter(|_| path.extension().is_some_and(|kind| kind == "onnx"))?;
    let inner = beside.file_name().is_some_and(|name| name == GRAPH_FOLDER);
    let root = if inner { beside.parent().unwrap_or(beside) } else { beside };
    let graph = path.strip_prefix(root).ok()?;
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    Some((root, Some(graph)))
}

/// Where a data folder may lie, the nearest first.
fn candidates(name: &str) -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    let above = beside.iter().flat_map(|folder| folder.ancestors().take(4).map(|up| up.join(name)));
    let installed = Path::new("/usr/share/crossover").join(name);
    std::iter::once(PathBuf::from(name)).chain(above).chain(std::iter::once(installed)).collect()
}

/// Whether both are the same folder, however they are written.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// `$XDG_STATE_HOME/crossover`, else `~/.local/state/crossover`.
fn default_state() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| PathBuf::from(".local/state"))
        .join("crossover")
}

/// `./crossover.toml`, else `$XDG_CONFIG_HOME/crossover/crossover.toml`, where there is one, readable or not.
pub(crate) fn default_config_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let named = absolute("XDG_CONFIG_HOME").map(|home| (home, false));
    let home = named.or_else(|| absolute("HOME").map(|home| (home.join(".config"), true)));
    std::iter::once((PathBuf::from("crossover.toml"), false))
        .chain(home.map(|(home, implied)| (home.join("crossover/crossover.toml"), implied)))
        .find_map(|(file, implied)| is_there(&file, implied).then_some(file))
}

/// Whether anything stands there. What cannot be read counts: whoever put it there would be surprised by the defaults.
/// Where nobody named the folder (`implied`), one that is closed to us holds nothing of ours.
fn is_there(file: &Path, implied: bool) -> bool {
    let absent = |kind| match kind {
        ErrorKind::NotFound | ErrorKind::NotADirectory => true,
        ErrorKind::PermissionDenied => implied,
        _ => false,
    };
    file.symlink_metadata().map_or_else(|error| !absent(error.kind()), |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_s_model_is_the_folder_around_it() {
        let model = tempfile::tempdir().unwrap();
        assert_eq!(model_root(model.path()), Some((model.path(), None)));
        for graph in ["model.onnx", "onnx/model_q4.onnx"] {
            let path = model.path().join(graph);
            assert_eq!(model_root(&path), Some((model.path(), Some(Path::new(graph)))));
        }
        let here = Some((Path::new("."), Some(Path::new("onnx/model.onnx"))));
        assert_eq!(model_root(Path::new("onnx/model.onnx")), here);
        assert_eq!(model_root(Path::new("./onnx/model.onnx")), here);
        assert_eq!(model_root(Path::new("/nowhere/model")), None);
    }

    #[test]
    fn pulled_models_do_not_hide_the_shipped_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (state, shared) = (folder.path().join("state"), folder.path().join("shared"));
        for below in [&state, &shared] {
            std::fs::create_dir_all(below.join("models")).unwrap();
        }
        // As from within the state folder, whose path is written another way there.
        let here = state.join("../state");
        let candidates = |name: &str| vec![here.join(name), shared.join(name)];
        let paths = Paths::among(&Config::default(), Some(&state), candidates);
        assert_eq!((paths.models.clone(), paths.pulled()), (shared.join("models"), state.join("models")));
        std::fs::create_dir(paths.pulled().join("tiny")).unwrap();
        std::fs::create_dir(state.join("policies")).unwrap();
        let paths = Paths::among(&Config::default(), Some(&state), candidates);
        assert_eq!((paths.model("tiny"), paths.policies), (state.join("models/tiny"), here.join("policies")));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink(at("gone"), at("link")).unwrap();
        assert!(["folder", "file", "link"].iter().all(|name| is_there(&at(name), true)));
        assert!(!["gone", "gone/file", "file/below"].iter().any(|name| is_there(&at(name), false)));
        for name in ["folder", "link"] {
            let error = super::super::load(Some(&at(name))).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}: cannot be read: ")), "{error}");
        }
    }
}
