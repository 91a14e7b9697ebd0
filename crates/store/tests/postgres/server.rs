//! The server that the tests are given, and a schema of its own for each of them.

use tokio_postgres::NoTls;

/// Named by `SLUICE_TEST_POSTGRES`, which `tests/postgres.py` sets.
pub(crate) struct Server(pub(crate) String);

impl Server {
    pub(crate) fn named() -> Self {
        Self(std::env::var("SLUICE_TEST_POSTGRES").expect("SLUICE_TEST_POSTGRES is postgres://user:password@host:port/database"))
    }

    /// An empty schema; the address of the store in it.
    pub(crate) fn schema(&self, name: &str) -> String {
        let name = format!("{name}_{}", std::process::id());
        self.run(&format!("CREATE SCHEMA IF NOT EXISTS {name}"));
        format!("{}?options=-csearch_path%3D{name}", self.0)
    }

    pub(crate) fn run(&self, sql: &str) {
        run(&self.0, sql);
    }
}

/// Runs statements at an address; gives the first column of the rows.
pub(crate) fn run(url: &str, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
        let connection = tokio::spawn(connection);
        let rows = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        drop(client);
        connection.await.expect("no panic").expect("the connection ends well");
        let row = |message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        rows.into_iter().filter_map(row).collect()
    })
}

/// A session that stays, to hold a lock with.
pub(crate) struct Session {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl Session {
    pub(crate) fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
            tokio::spawn(connection);
            client
        });
        Self { runtime, client }
    }

    pub(crate) fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).expect(sql);
    }
}
