//! Broken folders as data. A case is one text file under `tests/broken/`: `--- PATH` starts a file of the folder,
//! `--- remove PATH` takes one of the base project away, `=== expected` starts the diagnostics.
//! `SLUICE_UPDATE=1 cargo test -p project` writes what comes out; read the difference before you keep it.

use project::Project;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const MARK: &str = "=== expected\n";

/// A small project without mistakes; each case changes some of its files.
fn base() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("sluice.yml".into(), "name: base\n".into()),
        (
            "events/payments.yml".into(),
            "key: account\nevent_time: at\njudged: {id: id, account: account, amount: amount}\n\
             fields:\n  id: {type: text, required: true}\n  account: {type: text, required: true}\n  amount: decimal(2)\n  \
             at: {type: timestamp, required: true}\n\
             example: {id: p-1, account: a-1, amount: 10, at: \"2026-01-01T00:00:00Z\"}\n"
                .into(),
        ),
    ])
}

fn load(files: &BTreeMap<String, String>) -> Result<Project, String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Project::load(folder.path()).map_err(|mistakes| mistakes.iter().map(|m| format!("{m}\n")).collect())
}

#[test]
fn the_base_has_no_mistakes() {
    let project = load(&base()).unwrap();
    assert_eq!((project.streams.len(), project.digest.len()), (1, 32));
}

#[test]
fn broken_folders_give_the_diagnostics_written_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "the cases are gone");
    let mut wrong = Vec::new();
    for path in paths {
        let case = fs::read_to_string(&path).unwrap();
        let (input, expected) = case.split_once(MARK).unwrap_or((&case, ""));
        let mut files = base();
        let mut current = None;
        for line in input.lines() {
            if let Some(removed) = line.strip_prefix("--- remove ") {
                assert!(files.remove(removed).is_some(), "{} removes what is not there: {removed}", path.display());
            } else if let Some(name) = line.strip_prefix("--- ") {
                files.insert(name.to_owned(), String::new());
                current = Some(name.to_owned());
            } else if let Some(name) = &current {
                let text = files.get_mut(name).unwrap();
                text.push_str(line);
                text.push('\n');
            }
        }
        let actual = load(&files).err().unwrap_or_default();
        assert!(!actual.is_empty(), "{} is not broken", path.display());
        if actual == expected {
            continue;
        }
        if std::env::var_os("SLUICE_UPDATE").is_some() {
            fs::write(&path, format!("{input}{MARK}{actual}")).unwrap();
        } else {
            wrong.push(format!("{}:\n--- expected\n{expected}--- got\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
