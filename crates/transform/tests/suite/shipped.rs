//! The project that ships: it has no mistake, its tables are tested, and everything in it compiles.

use std::path::Path;
use transform::run::Compiler;
use transform::spec::Kind;
use transform::{Models, Options};

fn shipped() -> Models {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../projects/ecommerce");
    Models::load(&folder, &Options::default())
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.iter().map(|m| format!("{m}\n")).collect::<String>()))
}

#[test]
fn it_compiles() {
    let models = shipped();
    let compiler = Compiler::new(&models, None, false, "2026-01-01T00:00:00Z", "id");
    for node in models.nodes.values().filter(|n| !matches!(n.kind, Kind::Seed | Kind::UnitTest)) {
        let sql = compiler.sql(node).unwrap();
        assert!(!sql.contains("{{") && sql.contains("select"), "{}: {sql}", node.id);
    }
}

#[test]
fn each_table_is_described_and_its_rows_are_told_apart() {
    let models = shipped();
    for node in models.nodes.values().filter(|n| matches!(n.kind, Kind::Model | Kind::Snapshot)) {
        assert!(!node.description.is_empty(), "{} has no description", node.id);
        let tests = models.nodes.values().filter_map(|n| n.test.as_ref()).filter(|t| t.attached.as_ref() == Some(&node.id));
        let keys = tests.filter(|t| matches!(t.name.as_deref(), Some("unique" | "unique_combination_of_columns"))).count();
        assert!(keys > 0, "nothing says what makes a row of {} one of its kind", node.id);
    }
    let tests = models.nodes.values().filter(|n| n.kind == Kind::Test).count();
    assert!(tests >= 200, "{tests} tests");
}
