//! What the server itself can do, for `sluice bench store` to compare with: the same rows in one plain COPY a table, into the same tables
//! with all their indexes.

use super::address::Address;
use super::connections::{Connections, Limits};
use bytes::Bytes;
use domain::Result;
use futures::{SinkExt as _, StreamExt as _};
use std::pin::pin;
use std::time::{Duration, Instant};

/// In the order that references need.
const TABLES: [&str; 3] = ["transactions", "predictions", "alerts"];

/// A schema of its own in a database, gone when dropped.
pub struct Scratch {
    connections: Connections,
    schema: String,
    url: String,
}

impl Scratch {
    /// Makes the schema; `url` as for [`Postgres::open`](crate::Postgres::open), without `options`.
    ///
    /// # Errors
    /// As for `open`.
    pub fn new(url: &str, schema: &str) -> Result<Self> {
        let separator = if url.contains('?') { '&' } else { '?' };
        let scratch = Self {
            connections: Connections::new(Address::parse(&format!("{url}{separator}options=-csearch_path%3D{schema}"))?)?,
            schema: schema.to_owned(),
            url: format!("{url}{separator}options=-csearch_path%3D{schema}"),
        };
        scratch.run(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"))?;
        Ok(scratch)
    }

    /// The address of a store in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Empties the tables of decisions, and forgets how far the store was.
    ///
    /// # Errors
    /// As for `apply`.
    pub fn empty(&self) -> Result<()> {
        self.run("TRUNCATE transactions, predictions, alerts, positions, totals")
    }

    /// Takes the rows of the tables out and puts them back by plain COPY, all in one transaction. How many rows, and how long putting
    /// them back took, commit included.
    ///
    /// # Errors
    /// As for `apply`.
    pub fn copy_again(&self) -> Result<(u64, Duration)> {
        self.connections.alone(Limits::PATIENT, "copying rows", async |client| {
            let mut tables: Vec<Vec<Bytes>> = Vec::new();
            for table in TABLES {
                let mut rows = pin!(client.copy_out(&format!("COPY {table} TO STDOUT BINARY")).await?);
                let mut taken = Vec::new();
                while let Some(bytes) = rows.next().await {
                    taken.push(bytes?);
                }
                tables.push(taken);
            }
            client.batch_execute("TRUNCATE transactions, predictions, alerts").await?;
            let begun = Instant::now();
            let tx = client.transaction().await?;
            let mut count = 0;
            for (table, rows) in TABLES.iter().zip(tables) {
                let mut sink = pin!(tx.copy_in::<_, Bytes>(&format!("COPY {table} FROM STDIN BINARY")).await?);
                for bytes in rows {
                    sink.feed(bytes).await?;
                }
                count += sink.finish().await?;
            }
            tx.commit().await?;
            Ok((count, begun.elapsed()))
        })
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.connections.alone(Limits::PATIENT, "preparing a schema", async |client| Ok(client.batch_execute(sql).await?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of it is seen at the next run, which makes it anew.
        let _ = self.run(&format!("DROP SCHEMA {} CASCADE", self.schema));
    }
}
