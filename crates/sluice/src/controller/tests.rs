use super::start::has_new_word;
use crate::versions::{Activation, Cause};

#[test]
fn a_folder_has_its_word_once() {
    let history = |list: &[(&str, Cause)]| -> Vec<Activation> {
        let activation = |(digest, by): &(&str, Cause)| Activation {
            digest: (*digest).into(),
            by: *by,
            who: String::new(),
            why: String::new(),
            at: 0,
            forget: Vec::new(),
        };
        list.iter().map(activation).collect()
    };
    use Cause::{Deploy, Start, Watch};
    let table: &[(&[(&str, Cause)], &str, bool, &str)] = &[
        (&[], "a", true, "nothing is active yet"),
        (&[("a", Start)], "b", true, "the folder has changed since the last start"),
        (&[("a", Start), ("b", Start), ("c", Start)], "a", true, "back to an older one is a change too"),
        (&[("a", Start), ("b", Deploy)], "a", false, "a restart does not undo a deploy"),
        (&[("a", Start), ("b", Deploy), ("a", Deploy)], "b", false, "nor a rollback of what came from the folder"),
        (&[("a", Start), ("b", Watch), ("c", Deploy)], "b", false, "a watch speaks for the folder as a start does"),
        (&[("a", Start), ("b", Watch), ("c", Deploy)], "d", true, "the folder has changed since"),
        (&[("a", Deploy)], "b", true, "nothing spoke for the folder yet"),
    ];
    for (past, folder, expected, why) in table {
        assert_eq!(has_new_word(&history(past), folder), *expected, "{why}");
    }
}
