//! `policy.yml`: which lists settle a decision, and from which score a transaction is reviewed or blocked.

use crate::diagnostic::Diagnostic;
use crate::rules::{ACTIONS, sql, unit_interval};
use crate::section::{Report, Section, text};
use crate::spec::{ListPolicy, ListSpec, PolicySpec, Sql};
use crate::yaml::{Content, Node};

/// Reads the policy. `known` are all lists with a file, also those that could not be read.
pub(crate) fn read(path: &str, node: &Node, lists: &[ListSpec], known: &[&str], report: &mut Report) -> PolicySpec {
    let mut policy = PolicySpec { path: path.into(), ..PolicySpec::default() };
    let Some(section) = Section::open(node, "policy.yml", &["lists", "thresholds", "too_late"], report) else { return policy };
    policy.lists = section.list("lists").iter().filter_map(|node| list(node, lists, known, report)).collect();
    if let Some(thresholds) = section.node("thresholds").and_then(|node| Section::open(node, "`thresholds`", &["review", "block"], report))
    {
        policy.review_score = thresholds.parse("review", report, unit_interval);
        policy.block_score = thresholds.parse("block", report, unit_interval);
        if let (Some(review), Some(block)) = (policy.review_score, policy.block_score)
            && review > block
        {
            report.add(Diagnostic::new(
                thresholds.place.clone(),
                format!("the score to review, {review}, is above the score to block, {block}"),
            ));
        }
    }
    policy.too_late = section.choice("too_late", &ACTIONS, report);
    policy
}

fn list(node: &Node, lists: &[ListSpec], known: &[&str], report: &mut Report) -> Option<ListPolicy> {
    let section = Section::open(node, "an entry of `lists`", &["list", "match", "action"], report)?;
    section.required("action", report);
    let action = section.choice("action", &ACTIONS, report);
    let name_node = section.required("list", report)?;
    let name = text(name_node, "list", report)?;
    if !known.contains(&name) {
        report.add(Diagnostic::new(name_node.place.clone(), format!("there is no list `{name}`")).nearest(name, known.iter().copied()));
        return None;
    }
    let list = lists.iter().find(|l| l.name == name)?;
    let keys = keys(&section, list, report)?;
    Some(ListPolicy { list: list.name.clone(), keys, action: action?, place: node.place.clone() })
}

/// One expression a key column: as `match:` says, or the column of the same name.
fn keys(section: &Section, list: &ListSpec, report: &mut Report) -> Option<Vec<Sql>> {
    let Some(node) = section.node("match") else {
        return Some(list.columns.iter().map(|c| Sql { text: c.to_string(), place: section.place.clone() }).collect());
    };
    match &node.content {
        Content::Scalar(_) if list.columns.len() == 1 => Some(vec![sql(node, "match", report)?]),
        Content::Map(entries) => {
            for (key, _) in entries {
                if !list.columns.iter().any(|c| *c == key.name.as_str()) {
                    let mistake = Diagnostic::new(key.place.clone(), format!("list `{}` has no key column `{}`", list.name, key.name));
                    report.add(mistake.nearest(&key.name, list.columns.iter().map(|c| c.as_str())));
                }
            }
            let mut keys = Vec::new();
            for column in &list.columns {
                match entries.iter().find(|(key, _)| column == key.name.as_str()) {
                    Some((_, value)) => keys.push(sql(value, column, report)?),
                    None => {
                        report.add(Diagnostic::new(
                            node.place.clone(),
                            format!("`match` needs the key column `{column}` of list `{}`", list.name),
                        ));
                        return None;
                    }
                }
            }
            Some(keys)
        }
        _ => {
            let mistake =
                Diagnostic::new(node.place.clone(), format!("list `{}` has the key columns {}", list.name, list.columns.join(", ")));
            report.add(mistake.hint("write `match:` as a mapping of key column to expression"));
            None
        }
    }
}
