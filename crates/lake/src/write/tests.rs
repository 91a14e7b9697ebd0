use crate::{Lake, Mode, Session, TableName};
use datafusion::arrow::util::pretty::pretty_format_batches;
use domain::Kind;

fn name() -> TableName {
    TableName::new("silver", "customers").unwrap()
}

async fn lake() -> (tempfile::TempDir, Lake, Session) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path()).unwrap();
    let session = lake.session().await.unwrap();
    (folder, lake, session)
}

/// Writes `values` of (id, name) and gives the table as text, by id and name.
async fn write(lake: &Lake, session: &Session, values: &str, mode: Mode) -> domain::Result<String> {
    let rows = session.plan(&format!("select * from (values {values}) as t (id, name)")).await?;
    lake.write(&name(), rows, &mode, &[]).await?;
    Ok(text(session).await)
}

async fn text(session: &Session) -> String {
    let found = session.query("select id || ':' || name as row from silver.customers order by 1").await.unwrap();
    let table = pretty_format_batches(&found).unwrap().to_string();
    table.lines().skip(3).filter_map(|l| l.strip_prefix("| ")?.strip_suffix(" |")).map(str::trim).collect::<Vec<_>>().join(" ")
}

fn keys() -> Vec<String> {
    vec!["id".into()]
}

#[tokio::test]
async fn each_mode_does_what_it_says_in_one_version() {
    let (_folder, lake, session) = lake().await;
    assert_eq!(write(&lake, &session, "(1, 'a'), (2, 'b')", Mode::Overwrite).await.unwrap(), "1:a 2:b");
    assert_eq!(write(&lake, &session, "(2, 'c')", Mode::Append).await.unwrap(), "1:a 2:b 2:c");
    assert_eq!(write(&lake, &session, "(1, 'a'), (2, 'b')", Mode::Overwrite).await.unwrap(), "1:a 2:b");
    assert_eq!(write(&lake, &session, "(2, 'B'), (3, 'd')", Mode::Merge { keys: keys() }).await.unwrap(), "1:a 2:B 3:d");
    assert_eq!(write(&lake, &session, "(3, 'x'), (3, 'y')", Mode::DeleteInsert { keys: keys() }).await.unwrap(), "1:a 2:B 3:x 3:y");
    assert_eq!(write(&lake, &session, "(3, 'z'), (4, 'w')", Mode::DeleteInsert { keys: keys() }).await.unwrap(), "1:a 2:B 3:z 4:w");
    let table = lake.existing(&name()).await.unwrap();
    assert_eq!(table.version(), Some(5), "six writes are six versions");
    let error = write(&lake, &session, "(4, 'x'), (4, 'y')", Mode::Merge { keys: keys() }).await.unwrap_err();
    assert_eq!(error.kind, Kind::Stop, "{error}");
    assert_eq!(text(&session).await, "1:a 2:B 3:z 4:w");
}

#[tokio::test]
async fn a_table_can_be_made_of_itself() {
    let (_folder, lake, session) = lake().await;
    write(&lake, &session, "(1, 'a'), (2, 'b')", Mode::Overwrite).await.unwrap();
    let rows = session.plan("select id + 10 as id, name from silver.customers").await.unwrap();
    lake.write(&name(), rows, &Mode::Overwrite, &[]).await.unwrap();
    assert_eq!(text(&session).await, "11:a 12:b");
    let rows =
        session.plan("select id + 10 as id, name from silver.customers where id > (select min(id) from silver.customers)").await.unwrap();
    let written = lake.write(&name(), rows, &Mode::Append, &[]).await.unwrap();
    assert_eq!((written.rows, text(&session).await.as_str()), (1, "11:a 12:b 22:b"));
}

#[tokio::test]
async fn columns_may_come_and_go() {
    let (_folder, lake, session) = lake().await;
    write(&lake, &session, "(1, 'a')", Mode::Overwrite).await.unwrap();
    let wider = session.plan("select 2 as id, 'b' as name, true as vip").await.unwrap();
    lake.write(&name(), wider, &Mode::Append, &[]).await.unwrap();
    let wider = session.plan("select 1 as id, 'A' as name, true as vip, 7 as score").await.unwrap();
    lake.write(&name(), wider, &Mode::Merge { keys: keys() }, &[]).await.unwrap();
    assert_eq!(text(&session).await, "1:A 2:b");
    let found = session.query("select sum(score), count(vip) from silver.customers").await.unwrap();
    assert!(pretty_format_batches(&found).unwrap().to_string().contains("| 7 "));
    let narrower = session.plan("select 5 as id, 'e' as name").await.unwrap();
    lake.write(&name(), narrower, &Mode::Overwrite, &[]).await.unwrap();
    assert_eq!(lake.columns(&name()).await.unwrap().unwrap().fields().len(), 2);
}

#[tokio::test]
async fn a_session_has_views_of_its_own_and_reads_only() {
    let (_folder, lake, session) = lake().await;
    write(&lake, &session, "(1, 'a'), (2, 'b')", Mode::Overwrite).await.unwrap();
    let view: TableName = "silver.adults".parse().unwrap();
    session.view(&view, "select * from silver.customers where id > 1").await.unwrap();
    assert_eq!(session.query("select * from silver.adults").await.unwrap()[0].num_rows(), 1);
    assert!(lake.session().await.unwrap().query("select * from silver.adults").await.is_err());
    for change in ["drop table silver.customers", "insert into silver.customers values (3, 'c')", "create table silver.x as select 1"] {
        assert_eq!(session.query(change).await.unwrap_err().kind, Kind::Stop, "{change}");
    }
    let error = session.query("select nam from silver.customers").await.unwrap_err();
    assert!(error.kind == Kind::Stop && error.to_string().contains("nam"), "{error}");
    assert_eq!(lake.tables().await.unwrap(), [name()]);
    assert_eq!(session.query("select * from silver.customers where false").await.unwrap()[0].num_columns(), 2);
}
