use super::*;

fn parents(edges: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    edges.iter().map(|(node, of)| ((*node).into(), of.iter().map(|p| (*p).into()).collect())).collect()
}

#[test]
fn parents_come_first_and_names_settle_the_rest() {
    let graph = parents(&[("a", &["c"]), ("b", &[]), ("c", &["d", "elsewhere"]), ("d", &[])]);
    assert_eq!(order(&graph).unwrap(), ["b", "d", "c", "a"]);
}

#[test]
fn a_circle_is_named_without_what_only_leads_into_it() {
    let graph = parents(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"]), ("e", &[])]);
    assert_eq!(order(&graph).unwrap_err(), ["b", "c", "d"]);
    assert_eq!(order(&parents(&[("a", &["a"])])).unwrap_err(), ["a"]);
}
