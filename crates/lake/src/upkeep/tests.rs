use super::{describe, history, optimize, restore, small_files, vacuum};
use crate::{Appender, Lake, Mode, TableName, TableSchema};
use domain::Kind;

#[tokio::test]
async fn a_table_tells_how_it_stands_and_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path()).unwrap();
    let session = lake.session().await.unwrap();
    let name: TableName = "gold.daily_sales".parse().unwrap();
    for n in 1..=3 {
        let rows = session.plan(&format!("select {n} as n, date '2026-01-01' as day")).await.unwrap();
        lake.write(&name, rows, &Mode::Append, &["day".into()]).await.unwrap();
    }
    let found = describe(&lake, &name).await.unwrap();
    assert_eq!((found.version, found.rows, found.files), (2, Some(3), 3));
    assert_eq!(found.partitioned_by, ["day"]);
    assert_eq!(found.columns[0].0, "n");
    assert_eq!(small_files(&lake, &name, 1 << 20).await.unwrap(), 3);
    assert_eq!(optimize(&lake, &name, 1 << 20, &[]).await.unwrap().files_added, 1);
    assert_eq!(small_files(&lake, &name, 1 << 20).await.unwrap(), 1);
    assert_eq!(vacuum(&lake, &name, true, true).await.unwrap(), [""; 0], "what was replaced now is kept for a week");
    assert_eq!(restore(&lake, &name, 1).await.unwrap(), 4);
    assert_eq!(describe(&lake, &name).await.unwrap().rows, Some(2));
    let changes = history(&lake, &name, 10).await.unwrap();
    let told: Vec<_> = changes.iter().map(|c| (c.version, c.operation.as_str())).collect();
    assert_eq!(told, [(4, "RESTORE"), (3, "OPTIMIZE"), (2, "WRITE"), (1, "WRITE"), (0, "WRITE")]);
    let as_it_was: TableName = "gold.before".parse().unwrap();
    session.register_version(&name, 0, &as_it_was).await.unwrap();
    assert_eq!(session.query("select * from gold.before").await.unwrap()[0].num_rows(), 1);
}

#[tokio::test]
async fn a_table_that_records_land_in_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path()).unwrap();
    let name: TableName = "bronze.payments".parse().unwrap();
    Appender::open(&lake, &name, &TableSchema::new(&[]).unwrap()).await.unwrap();
    let error = restore(&lake, &name, 0).await.unwrap_err();
    assert!(error.kind == Kind::Stop && error.hint.is_some(), "{error}");
    let missing = describe(&lake, &"bronze.nothing".parse().unwrap()).await.unwrap_err();
    assert_eq!(missing.kind, Kind::Stop);
}
