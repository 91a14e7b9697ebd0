//! The shared suite against every store there is.

mod postgres;

use store::{Sqlite, suite};

#[test]
fn sqlite_is_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    suite::run(|case| Sqlite::open(folder.path().join(format!("{case}.db"))).expect("the store opens"));
}
