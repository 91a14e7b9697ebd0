//! The API over a platform in memory, to try it by hand or with a fuzzer: `in_memory [ADDR:PORT] [PASSWORD]`.
#![allow(clippy::print_stdout)] // Where it listens is what its caller wants to know.

#[allow(dead_code)] // The tests use more of it.
#[path = "../tests/fake/mod.rs"]
mod fake;

use std::sync::Arc;

#[tokio::main]
async fn main() -> domain::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let password = arguments.next().unwrap_or_else(server::auth::generate_password);
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .map_err(|e| domain::Error::stop(format!("cannot listen on {address}"), "name another address").because(e))?;
    println!("http://{address}/docs/ as admin with password {password}");
    let mut config = server::Config::new("0.0.0", rand::random::<[u8; 32]>().to_vec());
    config.transactions = Some(fake::stream());
    server::serve(listener, Arc::new(fake::Fake::new(&password)), config, async {
        // Without a signal to wait for, it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
    .await
}
