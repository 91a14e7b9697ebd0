//! The direction of dependencies. The table of allowed edges is the code map in `ARCHITECTURE.md`, so that what a person reads and
//! what the machine checks cannot drift apart.

use crate::workspace::Workspace;
use std::collections::{BTreeMap, BTreeSet};

/// One row of the code map.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) layer: u32,
    /// Crates of ours it may depend on.
    pub(crate) may_use: BTreeSet<String>,
    /// Packages, ours or foreign, that may not stand anywhere in its tree of normal dependencies.
    pub(crate) must_not_reach: BTreeSet<String>,
}

/// Engines that only the heavy crates may link, so that the daily test run need not build them.
const HEAVY: &[&str] = &["datafusion", "deltalake"];
/// Members that the daily `cargo test` leaves out.
const NOT_DAILY: &[&str] = &["sluice", "lake"];

/// Reads the rows of the table with the header `| layer | crate | what | may use | must not reach |`.
pub(crate) fn table(markdown: &str) -> BTreeMap<String, Row> {
    let cells = |line: &str| -> Vec<String> { line.trim().trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect() };
    let names = |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    markdown
        .lines()
        .skip_while(|line| cells(line) != ["layer", "crate", "what", "may use", "must not reach"])
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let row = cells(line);
            assert_eq!(row.len(), 5, "the code map has a row of {} cells: {line}", row.len());
            let name = names(&row[1]).pop_first().unwrap_or_else(|| panic!("the code map has a row without a crate: {line}"));
            let layer = row[0].parse().unwrap_or_else(|_| panic!("`{}` is not a layer: {line}", row[0]));
            (name, Row { layer, may_use: names(&row[3]), must_not_reach: names(&row[4]) })
        })
        .collect()
}

/// Every edge that the table does not allow, every package reached that it bans, and every crate it does not list.
pub(crate) fn check(workspace: &Workspace, table: &BTreeMap<String, Row>) -> Vec<String> {
    let mut wrong = Vec::new();
    for member in &workspace.members {
        let name = &member.name;
        let Some(row) = table.get(name) else {
            wrong.push(format!("`{name}` has no row in the code map of ARCHITECTURE.md"));
            continue;
        };
        for used in &member.uses {
            if !row.may_use.contains(used) {
                wrong.push(format!("`{name}` depends on `{used}`, which the code map does not allow"));
            }
        }
        for used in member.uses.iter().chain(&member.tests_use) {
            if table.get(used).is_some_and(|below| below.layer > row.layer) {
                wrong.push(format!("`{name}` (layer {}) depends on `{used}`, which is above it", row.layer));
            }
        }
        for banned in member.reaches.intersection(&row.must_not_reach) {
            wrong.push(format!("`{name}` reaches `{banned}`, which the code map bans (see `cargo tree -p {name} -e normal -i {banned}`)"));
        }
        if member.description.as_deref().unwrap_or_default().is_empty() {
            wrong.push(format!("`{name}` has no description"));
        }
    }
    for (name, row) in table {
        if !workspace.members.iter().any(|m| m.name == *name) {
            wrong.push(format!("the code map lists `{name}`, which is not a crate of this workspace"));
        }
        for used in &row.may_use {
            if table.get(used).is_none_or(|below| below.layer >= row.layer) {
                wrong.push(format!("the code map lets `{name}` use `{used}`, which is not on a lower layer"));
            }
        }
    }
    wrong
}

/// `default-members` hold everything but the heavy crates, and none of them links a heavy engine.
pub(crate) fn check_default_members(workspace: &Workspace) -> Vec<String> {
    let mut wrong = Vec::new();
    for member in &workspace.members {
        let name = &member.name;
        if member.is_default == NOT_DAILY.contains(&name.as_str()) {
            let should = if member.is_default { "should not" } else { "should" };
            wrong.push(format!("`{name}` {should} be among the default-members of Cargo.toml"));
        }
        if member.is_default {
            wrong.extend(HEAVY.iter().filter(|h| member.reaches.contains(**h)).map(|h| format!("`{name}` reaches `{h}`")));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Member;

    const MAP: &str = "\
text
| layer | crate | what | may use | must not reach |
|---|---|---|---|---|
| 0 | `low` | words | | `tokio`, any shop |
| 1 | `high` | more | `low` | |

| 9 | `no` | | | |
";

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn member(name: &str, uses: &[&str], reaches: &[&str]) -> Member {
        Member {
            name: name.into(),
            description: Some("d".into()),
            uses: set(uses),
            reaches: set(reaches),
            is_default: true,
            ..Member::default()
        }
    }

    #[test]
    fn rows_are_read() {
        let map = table(MAP);
        assert_eq!(map.len(), 2);
        assert_eq!(map["low"], Row { layer: 0, may_use: set(&[]), must_not_reach: set(&["tokio"]) });
        assert_eq!(map["high"].may_use, set(&["low"]));
    }

    #[test]
    fn what_the_map_allows_passes() {
        let workspace = Workspace {
            members: vec![member("low", &[], &["serde"]), member("high", &["low"], &["low", "tokio"])],
            ..Workspace::default()
        };
        assert_eq!(check(&workspace, &table(MAP)), [""; 0]);
        assert_eq!(check_default_members(&workspace), [""; 0]);
    }

    #[test]
    fn what_it_does_not_allow_is_named() {
        let cases = [
            (member("low", &["high"], &[]), "`low` depends on `high`, which the code map does not allow"),
            (Member { tests_use: set(&["high"]), ..member("low", &[], &[]) }, "`low` (layer 0) depends on `high`, which is above it"),
            (member("low", &[], &["tokio"]), "`low` reaches `tokio`, which the code map bans"),
            (member("new", &[], &[]), "`new` has no row in the code map"),
            (Member { description: None, ..member("low", &[], &[]) }, "`low` has no description"),
            (member("low", &[], &[]), "the code map lists `high`, which is not a crate"),
        ];
        for (wrong, complaint) in cases {
            let found = check(&Workspace { members: vec![wrong], ..Workspace::default() }, &table(MAP));
            assert!(found.iter().any(|c| c.starts_with(complaint)), "no `{complaint}` in {found:?}");
        }
        let upside_down = MAP.replace("| 1 |", "| 0 |");
        assert!(
            check(&Workspace::default(), &table(&upside_down))
                .contains(&"the code map lets `high` use `low`, which is not on a lower layer".into())
        );
    }

    #[test]
    fn heavy_members_are_not_daily() {
        let binary = member("sluice", &[], &[]);
        let left_out = Member { is_default: false, ..member("low", &[], &[]) };
        let heavy = member("high", &[], &["datafusion"]);
        let found = check_default_members(&Workspace { members: vec![binary, left_out, heavy], ..Workspace::default() });
        assert_eq!(
            found,
            [
                "`sluice` should not be among the default-members of Cargo.toml",
                "`low` should be among the default-members of Cargo.toml",
                "`high` reaches `datafusion`",
            ]
        );
    }
}
