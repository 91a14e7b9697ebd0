//! Licences of everything that is linked in, against the list in `deny.toml`. An offline check by what packages declare;
//! `make deny` goes further and reads their licence files and the advisories.

use crate::workspace::Workspace;
use std::collections::BTreeSet;

/// The list under `[licenses]`.
pub(crate) fn allowed(deny: &str) -> BTreeSet<String> {
    let list = deny.split_once("[licenses]").and_then(|(_, rest)| rest.split_once("allow = [")).and_then(|(_, rest)| rest.split_once(']'));
    list.map(|(list, _)| list.split('"').skip(1).step_by(2).map(str::to_owned).collect()).unwrap_or_default()
}

/// Every package whose licence the list does not cover.
pub(crate) fn check(workspace: &Workspace, allowed: &BTreeSet<String>) -> Vec<String> {
    workspace
        .packages
        .iter()
        .filter_map(|(name, version, licence)| match licence {
            None => Some(format!("{name} {version} declares no licence")),
            Some(licence) if !Expression::of(licence).covered_by(allowed) => {
                Some(format!("{name} {version} is under `{licence}`, which deny.toml does not allow"))
            }
            Some(_) => None,
        })
        .collect()
}

/// An SPDX expression being read: `OR` needs one side, `AND` both; old manifests write `/` for `OR`.
struct Expression {
    words: Vec<String>,
    at: usize,
}

impl Expression {
    fn of(licence: &str) -> Self {
        let spaced = licence.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let mut words: Vec<String> = Vec::new();
        for word in spaced.split_whitespace() {
            match words.last_mut() {
                // `Apache-2.0 WITH LLVM-exception` is one licence.
                Some(last) if word == "WITH" || last.ends_with(" WITH") => *last = format!("{last} {word}"),
                _ => words.push(word.to_owned()),
            }
        }
        Self { words, at: 0 }
    }

    fn covered_by(mut self, allowed: &BTreeSet<String>) -> bool {
        let covered = self.any(allowed);
        covered && self.at == self.words.len()
    }

    fn take(&mut self, word: &str) -> bool {
        let is = self.words.get(self.at).is_some_and(|w| w == word);
        self.at += usize::from(is);
        is
    }

    fn any(&mut self, allowed: &BTreeSet<String>) -> bool {
        let mut covered = self.all(allowed);
        while self.take("OR") {
            covered |= self.all(allowed);
        }
        covered
    }

    fn all(&mut self, allowed: &BTreeSet<String>) -> bool {
        let mut covered = self.one(allowed);
        while self.take("AND") {
            covered &= self.one(allowed);
        }
        covered
    }

    fn one(&mut self, allowed: &BTreeSet<String>) -> bool {
        if self.take("(") {
            let covered = self.any(allowed);
            return self.take(")") && covered;
        }
        self.at += 1;
        self.words.get(self.at - 1).is_some_and(|word| allowed.contains(word))
    }
}

#[test]
fn expressions_follow_spdx() {
    let allowed = allowed("[licenses]\nallow = [\n \"MIT\",\n \"Apache-2.0 WITH LLVM-exception\",\n]\n[bans]\ndeny = [\"GPL\"]");
    assert_eq!(allowed.len(), 2);
    let table = [
        ("MIT", true),
        ("GPL", false),
        ("MIT OR GPL", true),
        ("GPL/MIT", true),
        ("MIT AND GPL", false),
        ("MIT AND (GPL OR Apache-2.0 WITH LLVM-exception)", true),
        ("(MIT OR GPL) AND GPL", false),
        ("Apache-2.0", false),
        ("MIT MIT", false),
        ("(MIT", false),
        ("", false),
    ];
    for (licence, covered) in table {
        assert_eq!(Expression::of(licence).covered_by(&allowed), covered, "{licence}");
    }
}

#[test]
fn a_package_without_a_fitting_licence_is_named() {
    let package = |name: &str, licence: Option<&str>| (name.to_owned(), "1.0.0".to_owned(), licence.map(str::to_owned));
    let workspace =
        Workspace { packages: vec![package("a", Some("MIT")), package("b", None), package("c", Some("GPL"))], ..Workspace::default() };
    let found = check(&workspace, &["MIT".to_owned()].into());
    assert_eq!(found, ["b 1.0.0 declares no licence", "c 1.0.0 is under `GPL`, which deny.toml does not allow"]);
}
