use super::*;

fn spec(name: &str, columns: &[&str], entries: &[(&[&str], &str)]) -> ListSpec {
    let entries = entries.iter().enumerate().map(|(line, (key, why))| ListEntry {
        line: line + 2,
        key: key.iter().map(Text::new).collect(),
        who: "desk".into(),
        why: (*why).into(),
        until: None,
        at: None,
    });
    let columns = columns.iter().map(Text::new).collect();
    ListSpec { name: name.into(), path: format!("lists/{name}.csv"), columns, entries: entries.collect() }
}

fn key(key: &[&str]) -> Vec<Text> {
    key.iter().map(Text::new).collect()
}

fn adding(of: &[&str], why: &str, until: Option<Micros>) -> Addition {
    Addition { key: key(of), why: why.into(), until }
}

fn taking_off(of: &[&str]) -> Removal {
    Removal { key: key(of), why: "cleared".into() }
}

fn change(state: &mut ListState, list: usize, add: Vec<Addition>, remove: Vec<Removal>) {
    let (name, columns) = (state.lists[list].name.clone(), state.columns(list).to_vec());
    state.apply(&ListChange { list: name, columns, who: "ann".into(), at: 7, add, remove });
}

/// The keys and reasons of a list, as a person reads them.
fn shown(state: &ListState, list: usize) -> Vec<String> {
    state.entries(list).map(|e| format!("{}: {}", e.key.join("+"), e.why)).collect()
}

fn has(state: &ListState, value: &str, at: Micros) -> bool {
    state.contains(0, 0, &Value::text(value), at)
}

#[test]
fn changes_lie_over_the_files() {
    let mut state = ListState::new(&[spec("l", &["a"], &[(&["x"], "file"), (&["y"], "file")])]);
    change(&mut state, 0, vec![adding(&["z"], "new", Some(10)), adding(&["y"], "other", None)], vec![taking_off(&["x"])]);
    assert_eq!(shown(&state, 0), ["z: new", "y: other"]);
    assert_eq!((has(&state, "x", 0), has(&state, "y", 0), has(&state, "z", 9), has(&state, "z", 10)), (false, true, true, false));
    assert_eq!(state.find(0, &[Value::text("y")], 0).map(|l| l.entry.why.as_str()), Some("other"));
    assert!(state.find(0, &[Value::text("x")], 0).is_none());
    assert_eq!(state.get(0, &key(&["z"])).map(|e| (e.who.as_str(), e.at)), Some(("ann", Some(7))));
    assert_eq!((state.changed(0), state.removed(0)[0].1.why.as_str()), ((2, 1), "cleared"));
    // The last word counts, whatever was said before.
    change(&mut state, 0, vec![adding(&["x"], "back", None)], vec![taking_off(&["z"]), taking_off(&["y"])]);
    assert_eq!(shown(&state, 0), ["x: back"]);
}

#[test]
fn a_key_of_several_columns_is_found_by_each() {
    let mut state = ListState::new(&[spec("l", &["a", "b"], &[(&["x", "49.50"], "file"), (&["x", "7"], "file")])]);
    change(&mut state, 0, vec![adding(&["w", "7.0"], "new", None)], vec![taking_off(&["x", "7"])]);
    assert_eq!(state.find(0, &[Value::text("w"), Value::Int(7)], 0).map(|l| l.entry.why.as_str()), Some("new"));
    assert!(state.find(0, &[Value::text("x"), Value::Int(7)], 0).is_none());
    assert!(state.find(0, &[Value::text("x"), Value::Float(49.5)], 0).is_some());
    assert!(state.contains(0, 1, &Value::Int(7), 0));
    change(&mut state, 0, Vec::new(), vec![taking_off(&["w", "7.0"])]);
    assert!(!state.contains(0, 1, &Value::Int(7), 0) && has(&state, "x", 0) && !has(&state, "w", 0));
}

#[test]
fn a_version_overrules_the_changes_it_speaks_of_and_no_others() {
    let first = ListState::new(&[spec("l", &["a"], &[(&["x"], "file"), (&["y"], "file")])]);
    let second = ListState::new(&[spec("l", &["a"], &[(&["x"], "known since May"), (&["y"], "file"), (&["z"], "file")])]);
    let mut state = first.clone();
    change(&mut state, 0, vec![adding(&["z"], "new", None), adding(&["q"], "new", None)], vec![taking_off(&["x"]), taking_off(&["y"])]);
    let overruled = state.overruled(&second);
    assert_eq!(overruled.iter().map(|k| k.key.join("+")).collect::<Vec<_>>(), ["x", "z"]);
    assert!(state.overruled(&first).is_empty(), "the same files say nothing new");
    state.rebase(&second);
    assert_eq!(shown(&state, 0), ["z: new", "q: new"], "nothing is forgotten on the way");
    overruled.iter().for_each(|of| state.forget(of));
    assert_eq!(shown(&state, 0), ["x: known since May", "z: file", "q: new"], "y stays taken off");
    // Back to the first version: z is no longer in the files, x says what it said.
    assert!(state.overruled(&first).is_empty());
    state.rebase(&first);
    assert_eq!(shown(&state, 0), ["x: file", "q: new"]);
}

#[test]
fn changes_of_a_list_that_is_gone_wait_for_it() {
    let with = ListState::new(&[spec("l", &["a"], &[]), spec("m", &["a"], &[])]);
    let without = ListState::new(&[spec("m", &["a"], &[])]);
    let wider = ListState::new(&[spec("l", &["a", "b"], &[])]);
    let mut state = with.clone();
    change(&mut state, 0, vec![adding(&["x"], "new", None)], Vec::new());
    assert!(state.overruled(&without).is_empty(), "the files never spoke of x");
    state.rebase(&without);
    assert_eq!(state.names().collect::<Vec<_>>(), ["m"]);
    assert!(!has(&state, "x", 0));
    state.rebase(&wider);
    assert!(!has(&state, "x", 0), "other key columns, another list");
    state.rebase(&with);
    assert!(has(&state, "x", 0));
}

#[test]
fn a_change_is_checked_as_a_whole() {
    let mut state = ListState::new(&[spec("l", &["a", "b"], &[(&["x", "1"], "file")])]);
    change(&mut state, 0, vec![adding(&["old", "1"], "was", Some(50))], Vec::new());
    let wrong = state
        .additions(
            0,
            vec![
                adding(&["x"], "why", None),
                adding(&["x", " "], "why", None),
                adding(&["q", "1"], " ", None),
                adding(&["x", "1"], "other", None),
                adding(&["w", "1"], "why", None),
                adding(&["w ", "1"], "again", None),
            ],
            Existing::Refuse,
            100,
        )
        .expect_err("mistakes");
    assert_eq!(
        wrong.iter().map(|w| format!("{} {w}", w.code)).collect::<Vec<_>>(),
        [
            "wrong_columns entries[0].key: has 1 values, and the list l has 2 key columns: a, b",
            "missing entries[1].key: is empty in the key column b",
            "missing entries[2].why: is empty: say why, for whoever asks later",
            "listed entries[3].key: x, 1 is on the list l already by desk (file); replace it if that is meant",
            "repeated entries[5].key: stands here twice",
        ]
    );
    let entries = [adding(&["x", "1"], "file", None), adding(&["old", "1"], "again", None), adding(&["x", "1 "], "other", None)];
    let good = |entries: &[Addition], existing| state.additions(0, entries.to_vec(), existing, 100).map(|good| good.len());
    assert_eq!(good(&entries[..2], Existing::Refuse), Ok(1), "what is so already changes nothing, what has expired may be said anew");
    assert_eq!(good(&entries[2..], Existing::Replace), Ok(1));
    let wrong = state.removals(0, vec![taking_off(&["x", "2"]), taking_off(&["x", "1"])]).expect_err("it is not there");
    assert_eq!(wrong[0].to_string(), "entries[0].key: x, 2 is not on the list l; did you mean x, 1?");
    assert_eq!(state.removals(0, vec![taking_off(&["x", "1"])]).map(|r| r.len()), Ok(1));
}

#[test]
fn a_record_of_a_change_reads_back_as_it_was() {
    let change = ListChange {
        list: "l".into(),
        columns: key(&["a"]),
        who: "ann".into(),
        at: 1_700_000_000_000_001,
        add: vec![adding(&["x"], "new", Some(1_800_000_000_000_000)), adding(&["y"], "new", None)],
        remove: vec![taking_off(&["z"])],
    };
    let json = serde_json::to_string(&change).expect("it serialises");
    assert!(json.contains(r#""at":"2023-11-14T22:13:20.000001Z""#) && json.contains(r#""until":"2027-"#), "{json}");
    assert_eq!(serde_json::from_str::<ListChange>(&json).expect("it reads back"), change);
}

#[test]
fn a_table_stays_as_small_as_what_it_holds() {
    let mut table = Table::new(1);
    for n in 0..5000 {
        let entry = |why: &str| ListEntry {
            line: 0,
            key: vec![Text::new(n.to_string())],
            who: String::new(),
            why: why.into(),
            until: None,
            at: None,
        };
        table.add(entry("first"));
        table.add(entry("second"));
        assert!(n % 10 == 0 || table.remove(&[Text::new(n.to_string())]));
    }
    assert_eq!(table.len(), 500);
    assert!(table.rows.len() < 2500, "{}", table.rows.len());
    assert!(table.entries().all(|e| e.why == "second"));
    assert_eq!(table.with(0, &Value::Int(4990), 0).count(), 1);
}
