//! Each crate's `Cargo.toml`: versions stand once, in the workspace, and lints are the workspace's.

use crate::workspace::Member;

/// What a manifest decides for itself that the workspace should decide.
pub(crate) fn check(member: &Member) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut section = "";
    for line in member.manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies]") && !line.is_empty() && !line.starts_with('#') && !line.contains("workspace = true") {
            wrong.push(format!("`{}`: `{line}` should stand in [workspace.dependencies] and be `workspace = true` here", member.name));
        }
    }
    if !member.manifest.contains("[lints]\nworkspace = true") {
        wrong.push(format!("`{}` does not take the workspace's lints", member.name));
    }
    wrong
}

#[test]
fn a_version_of_its_own_is_named() {
    let with = |manifest: &str| check(&Member { name: "a".into(), manifest: manifest.into(), ..Member::default() }).len();
    assert_eq!(
        with("[lints]\nworkspace = true\n[dependencies]\n# why\nb.workspace = true\nc = { workspace = true, features = [\"x\"] }\n"),
        0
    );
    assert_eq!(with("[lints]\nworkspace = true\n[dev-dependencies]\nb = \"1\"\n"), 1);
    assert_eq!(with("[dependencies]\n"), 1);
}
