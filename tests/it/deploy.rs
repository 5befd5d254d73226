//! The promise that `deploy/` fits together: compose hands on the keys that the examples name, and an image takes nothing
//! of whoever builds it. Reads the files as they stand; needs no Docker.

use std::collections::BTreeSet;

use crate::support::tools::root;

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

#[test]
fn compose_hands_on_every_key_that_an_example_names() {
    let compose = read("deploy/compose.yaml");
    let handed_on: BTreeSet<&str> = compose.lines().map(str::trim).collect();
    let mut keys = BTreeSet::new();
    for file in std::fs::read_dir(root().join("deploy/examples")).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let named = text.lines().filter_map(|line| line.strip_prefix("api-key-env = "));
        keys.extend(named.map(|key| key.trim().trim_matches('"').to_owned()));
    }
    assert!(keys.len() > 1, "{keys:?}");
    for key in keys {
        let line = format!("{key}: ${{{key}:-}}");
        assert!(handed_on.contains(line.as_str()), "deploy/compose.yaml lacks the line `{line}`");
    }
}

#[test]
fn an_image_takes_nothing_that_git_ignores() {
    let patterns = |file: &str| -> BTreeSet<String> {
        let text = read(file);
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| line.trim_end_matches('/').to_owned()).collect()
    };
    // What git ignores in every folder is `**/NAME` there, and what it ignores at the root stands without a slash.
    let told = |line: &String| line.strip_prefix('/').map_or_else(|| format!("**/{line}"), str::to_owned);
    let git: BTreeSet<String> = patterns(".gitignore").iter().map(told).collect();
    let image = patterns("deploy/Dockerfile.dockerignore");
    assert!(!git.is_empty() && !image.is_empty());
    let taken: Vec<&String> = git.difference(&image).collect();
    assert!(taken.is_empty(), "deploy/Dockerfile.dockerignore lacks {taken:?}");
}
