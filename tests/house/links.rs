//! Links from one document to another file of the repository must lead somewhere.

/// Every relative link in a Markdown file that leads nowhere. `exists` is asked for paths from the repository's root.
pub(crate) fn check(files: &[(String, Vec<u8>)], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, bytes) in files.iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut in_code = false;
        for (number, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            if in_code {
                continue;
            }
            for target in line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target)) {
                let file = target.split(['#', ' ']).next().unwrap_or_default();
                if !file.is_empty() && !file.contains(':') && !resolve(folder, file).is_some_and(|p| exists(&p)) {
                    wrong.push(format!("{path}:{}: links to {target}, which is not there", number + 1));
                }
            }
        }
    }
    wrong
}

/// `target` as seen from `folder`; none where it leaves the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let (start, target) = target.strip_prefix('/').map_or((folder, target), |absolute| ("", absolute));
    let mut parts: Vec<&str> = start.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn a_link_that_leads_nowhere_is_named() {
    let there = |path: &str| ["README.md", "docs/a.md"].contains(&path);
    let complaints = |path: &str, text: &str| check(&[(path.to_owned(), text.as_bytes().to_vec())], &there).len();
    assert_eq!(complaints("README.md", "[a](docs/a.md#part) [b](https://example.org/x) [c](#here)"), 0);
    assert_eq!(complaints("docs/b.md", "[a](a.md), [r](../README.md), [r](/README.md)"), 0);
    assert_eq!(complaints("docs/b.md", "[a](b.md) and [out](../../x.md)"), 2);
    assert_eq!(complaints("docs/b.md", "```\n[a](b.md)\n```\n"), 0);
    assert_eq!(complaints("docs/b.rs", "[a](b.md)"), 0);
}
