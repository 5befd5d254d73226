//! Where things lie on disk: configuration, state, models and policies, and which folder a model's path means. Finds,
//! never creates, except the state folder.

use std::path::{Path, PathBuf};

use super::Config;

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
    /// folder, beside the binary or above it, else below `/usr/share/crossover`.
    pub fn resolve(config: &Config, state: Option<&Path>) -> Self {
        Self {
            state: state.map_or_else(default_state, Path::to_path_buf),
            models: config.models_dir.clone().unwrap_or_else(|| find("models")),
            policies: config.policies_dir.clone().unwrap_or_else(|| find("policies")),
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
        self.state.join("models")
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

/// The first existing candidate for a data folder, else the one in the working folder.
pub(crate) fn find(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    let above = beside.iter().flat_map(|folder| folder.ancestors().take(4).map(|up| up.join(name)));
    let installed = Path::new("/usr/share/crossover").join(name);
    std::iter::once(PathBuf::from(name))
        .chain(above)
        .chain(std::iter::once(installed))
        .find(|candidate| candidate.is_dir())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// `$XDG_STATE_HOME/crossover`, else `~/.local/state/crossover`.
fn default_state() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| PathBuf::from(".local/state"))
        .join("crossover")
}

/// `./crossover.toml`, else `$XDG_CONFIG_HOME/crossover/crossover.toml`, where one exists.
pub(crate) fn default_config_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    std::iter::once(PathBuf::from("crossover.toml"))
        .chain(home.map(|home| home.join("crossover/crossover.toml")))
        .find(|file| file.is_file())
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
}
