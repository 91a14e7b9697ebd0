use super::*;

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn read_folder(folder: &Path) -> (Vec<String>, Vec<String>) {
    let found = read(folder).unwrap();
    let mut files: Vec<String> = found.files.into_iter().map(|(path, _)| path).collect();
    files.sort();
    (files, found.mistakes.iter().map(ToString::to_string).collect())
}

#[test]
fn only_what_belongs_to_a_version_is_read() {
    let folder = folder(&[
        ("sluice.yml", b""),
        ("README.md", b""),
        ("events/a.yml", b""),
        ("events/.a.yml.swp", b""),
        ("events/notes.md", b""),
        ("features/schema.yml", b""),
        ("features/a.sql", b""),
        ("imports/a.yml", b""),
        ("lists/a.csv", b""),
    ]);
    let files = ["events/a.yml", "features/a.sql", "features/schema.yml", "lists/a.csv", "sluice.yml"];
    assert_eq!(read_folder(folder.path()), (files.map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn a_large_file_is_refused() {
    let folder = folder(&[("rules/a.yml", &vec![b' '; MAX_FILE_BYTES as usize + 1]), ("rules/b.yml", b"x")]);
    let (files, mistakes) = read_folder(folder.path());
    assert_eq!((files, mistakes), (vec!["rules/b.yml".into()], vec!["rules/a.yml: has 1048577 bytes; at most 1048576 are read".into()]));
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_the_project_alone() {
    use std::os::unix::fs::symlink;
    let outside = folder(&[("secret.yml", b"secret")]);
    let folder = folder(&[("rules/a.yml", b"x")]);
    symlink(folder.path().join("rules/a.yml"), folder.path().join("rules/b.yml")).unwrap();
    symlink(outside.path().join("secret.yml"), folder.path().join("rules/c.yml")).unwrap();
    symlink(folder.path().join("nowhere"), folder.path().join("rules/d.yml")).unwrap();
    symlink(outside.path(), folder.path().join("events")).unwrap();
    let (files, mistakes) = read_folder(folder.path());
    assert_eq!(files, ["rules/a.yml", "rules/b.yml"]);
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    assert_eq!(mistakes[0], "events: must be a folder inside the project");
    assert_eq!(mistakes[1], "rules/c.yml: is a link that leads out of the project");
    assert!(mistakes[2].starts_with("rules/d.yml: cannot read the file"));
}

#[test]
fn a_missing_folder_is_one_mistake() {
    assert!(read(Path::new("no/such/folder")).is_err_and(|m| m.message.starts_with("cannot read the folder")));
}

#[test]
fn the_digest_tells_where_one_file_ends() {
    let files = |pairs: &[(&str, &str)]| pairs.iter().map(|(p, b)| ((*p).to_owned(), b.as_bytes().to_vec())).collect::<Vec<_>>();
    let digests = [files(&[("a", "bc")]), files(&[("ab", "c")]), files(&[("a", "b"), ("c", "")]), files(&[])].map(|f| digest(&f));
    for (i, one) in digests.iter().enumerate() {
        assert_eq!(one.len(), 32);
        assert!(!digests[..i].contains(one));
    }
}
