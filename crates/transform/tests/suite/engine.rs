//! SQLite in memory as an engine: enough SQL to build small folders, in no other process and in no time. Schemas are parts of names.

use domain::{Error, Result};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::sync::{Mutex, MutexGuard};
use transform::engine::{Column, Engine, Relation, Rows, Standing, Write};

pub(crate) struct Sqlite {
    connection: Mutex<Connection>,
}

fn stop(e: rusqlite::Error) -> Error {
    Error::stop("the query failed", "correct it").because(e)
}

/// What SQLite calls otherwise: names with schemas, times, and a digest, for which the text itself does.
fn translated(sql: &str) -> String {
    sql.replace("\".\"", ".").replace(" as timestamp)", " as text)").replace("md5(", "(")
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self { connection: Mutex::new(Connection::open_in_memory().unwrap()) }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap()
    }

    /// Statements as they stand.
    pub(crate) fn execute(&self, sql: &str) {
        self.lock().execute_batch(&translated(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// All rows, values joined with `|`.
    pub(crate) fn lines(&self, sql: &str) -> Vec<String> {
        let rows = self.query(sql).unwrap().rows;
        rows.iter().map(|row| row.iter().map(|v| v.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")).collect()
    }

    fn name(relation: &Relation) -> String {
        format!("\"{}.{}\"", relation.schema, relation.name)
    }

    fn drop(&self, relation: &Relation) -> Result<()> {
        let (name, standing) = (Self::name(relation), self.standing(relation)?);
        match standing {
            Some(Standing::Table) => self.lock().execute_batch(&format!("drop table {name}")).map_err(stop),
            Some(Standing::View) => self.lock().execute_batch(&format!("drop view {name}")).map_err(stop),
            None => Ok(()),
        }
    }
}

impl Engine for Sqlite {
    fn standing(&self, relation: &Relation) -> Result<Option<Standing>> {
        let name = Self::name(relation).replace('"', "");
        let found: Result<String, _> = self.lock().query_row("select type from sqlite_master where name = ?1", [name], |row| row.get(0));
        Ok(found.ok().map(|kind| if kind == "view" { Standing::View } else { Standing::Table }))
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>> {
        self.describe(&format!("select * from {relation}"))
    }

    /// SQLite types values rather than columns: those of the first row.
    fn describe(&self, sql: &str) -> Result<Vec<Column>> {
        let connection = self.lock();
        let mut statement = connection.prepare(&translated(&format!("select * from ({sql}) limit 1"))).map_err(stop)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).map_err(stop)?;
        let row = rows.next().map_err(stop)?;
        let data_type = |i: usize| match row.and_then(|r| r.get_ref(i).ok()) {
            Some(ValueRef::Integer(_)) => "bigint",
            Some(ValueRef::Real(_)) => "double precision",
            _ => "text",
        };
        Ok(names.into_iter().enumerate().map(|(i, name)| Column { name, data_type: data_type(i).to_owned() }).collect())
    }

    fn query(&self, sql: &str) -> Result<Rows> {
        let connection = self.lock();
        let mut statement = connection.prepare(&translated(sql)).map_err(stop)?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).map_err(stop)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(stop)? {
            let value = |i: usize| match row.get_ref(i) {
                Ok(ValueRef::Integer(n)) => Some(n.to_string()),
                Ok(ValueRef::Real(n)) => Some(n.to_string()),
                Ok(ValueRef::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
                _ => None,
            };
            out.push((0..columns.len()).map(value).collect());
        }
        Ok(Rows { columns, rows: out })
    }

    fn create_view(&self, relation: &Relation, sql: &str) -> Result<()> {
        self.drop(relation)?;
        self.lock().execute_batch(&translated(&format!("create view {} as {sql}", Self::name(relation)))).map_err(stop)
    }

    fn write(&self, relation: &Relation, sql: &str, write: &Write) -> Result<u64> {
        let name = Self::name(relation);
        self.lock().execute_batch(&translated(&format!("drop table if exists fresh; create temp table fresh as {sql}"))).map_err(stop)?;
        if *write == Write::Replace || self.standing(relation)? != Some(Standing::Table) {
            self.drop(relation)?;
            self.lock().execute_batch(&format!("create table {name} as select * from fresh")).map_err(stop)?;
        } else {
            let keys = match write {
                Write::Merge { keys } | Write::DeleteInsert { keys } => keys.as_slice(),
                _ => &[],
            };
            let on: Vec<String> = keys.iter().map(|k| format!("fresh.{k} = {name}.{k}")).collect();
            let delete = match on.is_empty() {
                true => String::new(),
                false => format!("delete from {name} where exists (select 1 from fresh where {});", on.join(" and ")),
            };
            self.lock().execute_batch(&format!("begin; {delete} insert into {name} select * from fresh; commit")).map_err(stop)?;
        }
        let count: i64 = self.lock().query_row("select count(*) from fresh", [], |row| row.get(0)).map_err(stop)?;
        Ok(count as u64)
    }

    fn add_columns(&self, relation: &Relation, columns: &[Column]) -> Result<()> {
        for column in columns {
            let sql = format!("alter table {} add column \"{}\" {}", Self::name(relation), column.name, column.data_type);
            self.lock().execute_batch(&sql).map_err(stop)?;
        }
        Ok(())
    }
}
