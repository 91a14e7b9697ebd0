//! The order of nodes by what they depend on, and the circles that make an order impossible.

use std::collections::{BTreeMap, BTreeSet};

/// Every node after all its parents, otherwise by name.
///
/// # Errors
/// A circle: names that each depend on the next, the last one on the first.
pub(crate) fn order(parents: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, Vec<String>> {
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, of) in parents {
        let inside: BTreeSet<&str> = of.iter().map(String::as_str).filter(|p| parents.contains_key(*p)).collect();
        waiting.insert(node, inside.len());
        for parent in inside {
            children.entry(parent).or_default().push(node);
        }
    }
    let mut ready: BTreeSet<&str> = waiting.iter().filter(|(_, n)| **n == 0).map(|(node, _)| *node).collect();
    let mut out = Vec::with_capacity(parents.len());
    while let Some(node) = ready.pop_first() {
        out.push(node.to_owned());
        waiting.remove(node);
        for child in children.get(node).into_iter().flatten() {
            if let Some(n) = waiting.get_mut(child) {
                *n -= 1;
                if *n == 0 {
                    ready.insert(child);
                }
            }
        }
    }
    match waiting.keys().next() {
        None => Ok(out),
        Some(start) => Err(circle(parents, &waiting, start)),
    }
}

/// Going from one that waits to a parent that waits must come back to where it has been.
fn circle(parents: &BTreeMap<String, Vec<String>>, waiting: &BTreeMap<&str, usize>, start: &str) -> Vec<String> {
    let mut path = vec![start.to_owned()];
    loop {
        let next = parents[&path[path.len() - 1]].iter().find(|p| waiting.contains_key(p.as_str()));
        let Some(next) = next else { return path };
        if let Some(at) = path.iter().position(|p| p == next) {
            return path.split_off(at);
        }
        path.push(next.clone());
    }
}

#[cfg(test)]
mod tests;
