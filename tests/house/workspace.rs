//! What the checks look at: `cargo metadata` as plain values, and the repository's own text files.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's packages and what each reaches.
#[derive(Default)]
pub(crate) struct Workspace {
    pub(crate) members: Vec<Member>,
    /// Every package that is linked, built or tested with, as (name, version, licence expression).
    pub(crate) packages: Vec<(String, String, Option<String>)>,
}

/// A package of this workspace.
#[derive(Clone, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) manifest: String,
    pub(crate) is_default: bool,
    /// Members it depends on directly (normal and build dependencies).
    pub(crate) uses: BTreeSet<String>,
    /// Members its tests depend on directly.
    pub(crate) tests_use: BTreeSet<String>,
    /// Names of all packages in its tree of normal dependencies, itself left out.
    pub(crate) reaches: BTreeSet<String>,
}

impl Workspace {
    /// Asks cargo. Only what this host's target links is read, so nothing is fetched that a build has not fetched.
    pub(crate) fn read() -> Self {
        let host = run(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV"));
        let host = host.lines().find_map(|l| l.strip_prefix("host: ")).expect("rustc names its host");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let json = run(Command::new(cargo).args(["metadata", "--format-version", "1", "--filter-platform", host]).current_dir(root()));
        Self::from_metadata(&serde_json::from_str(&json).expect("cargo metadata is JSON"))
    }

    fn from_metadata(metadata: &Value) -> Self {
        let list = |v: &Value, key: &str| v[key].as_array().cloned().unwrap_or_default();
        let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
        let packages: BTreeMap<String, Value> = list(metadata, "packages").into_iter().map(|p| (text(&p, "id"), p)).collect();
        let nodes: BTreeMap<String, Vec<Value>> =
            list(&metadata["resolve"], "nodes").into_iter().map(|n| (text(&n, "id"), list(&n, "deps"))).collect();
        let ids = |key: &str| -> BTreeSet<String> { list(metadata, key).iter().filter_map(|i| i.as_str().map(str::to_owned)).collect() };
        let (members, default) = (ids("workspace_members"), ids("workspace_default_members"));
        let name = |id: &str| text(&packages[id], "name");
        // A dependency's kind is null where it is a normal one.
        let deps = |id: &str, wanted: &[&str]| -> Vec<String> {
            let is = |dep: &Value| list(dep, "dep_kinds").iter().any(|k| wanted.contains(&k["kind"].as_str().unwrap_or("normal")));
            nodes.get(id).into_iter().flatten().filter(|d| is(d)).map(|d| text(d, "pkg")).collect()
        };
        let own = |ids: Vec<String>| -> BTreeSet<String> { ids.iter().filter(|i| members.contains(*i)).map(|i| name(i)).collect() };
        let reaches = |id: &str| {
            let mut seen = BTreeSet::new();
            let mut open = deps(id, &["normal"]);
            while let Some(next) = open.pop() {
                if seen.insert(next.clone()) {
                    open.extend(deps(&next, &["normal"]));
                }
            }
            seen.iter().map(|i| name(i)).collect()
        };
        Self {
            members: members
                .iter()
                .map(|id| Member {
                    name: name(id),
                    description: packages[id]["description"].as_str().map(str::to_owned),
                    manifest: std::fs::read_to_string(text(&packages[id], "manifest_path")).unwrap_or_default(),
                    is_default: default.contains(id),
                    uses: own(deps(id, &["normal", "build"])),
                    tests_use: own(deps(id, &["dev"])),
                    reaches: reaches(id),
                })
                .collect(),
            packages: nodes
                .keys()
                .filter(|id| !members.contains(*id))
                .map(|id| (name(id), text(&packages[id], "version"), packages[id]["license"].as_str().map(str::to_owned)))
                .collect(),
        }
    }
}

fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(out.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("the answer is UTF-8")
}

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate is two folders deep").to_owned()
}

/// A file of the repository as text.
pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("cannot read {path}: {e}"))
}

/// Every file of the repository that a person writes, as (path with forward slashes, bytes), sorted. What is built, fetched or
/// made by running is left out.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    const WRITTEN: &[&str] = &["rs", "toml", "md", "yml", "yaml", "sql", "py", "sh", "html", "css", "js", "ts", "txt", "proto", ""];
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                // Tools keep their caches in hidden folders.
                let hidden = name.starts_with('.') && ![".ci", ".github"].contains(&name.as_str());
                let made = hidden || ["target", "node_modules", "__pycache__", "vendor"].contains(&name.as_str());
                if !made && path != root.join("data") {
                    open.push(path);
                }
            } else if kind.is_file() && WRITTEN.contains(&path.extension().map_or("", |e| e.to_str().unwrap_or("?"))) {
                let relative = path.strip_prefix(&root).expect("under the root").to_string_lossy().replace('\\', "/");
                found.extend(std::fs::read(&path).ok().map(|bytes| (relative, bytes)));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn metadata_tells_normal_from_test_dependencies() {
    let dep = |pkg: &str, kind: Value| serde_json::json!({"pkg": pkg, "dep_kinds": [{"kind": kind}]});
    let package = |id: &str| serde_json::json!({"id": id, "name": id, "version": "1.0.0", "license": "MIT", "manifest_path": "/nowhere"});
    let read = Workspace::from_metadata(&serde_json::json!({
        "packages": [package("a"), package("b"), package("x"), package("y"), package("z")],
        "workspace_members": ["a", "b"],
        "workspace_default_members": ["a"],
        "resolve": {"nodes": [
            {"id": "a", "deps": [dep("b", Value::Null), dep("z", "dev".into())]},
            {"id": "b", "deps": [dep("x", Value::Null)]},
            {"id": "x", "deps": [dep("y", "build".into())]},
            {"id": "y", "deps": []},
            {"id": "z", "deps": []},
        ]},
    }));
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(read.members[0].uses, set(&["b"]));
    assert_eq!(read.members[0].reaches, set(&["b", "x"]));
    assert!(read.members[0].is_default && !read.members[1].is_default);
    assert_eq!(read.packages.len(), 3);
}
