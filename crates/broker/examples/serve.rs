//! A broker to try clients against: `cargo run -p broker --example serve -- DIR ADDR:PORT`. Ends on ctrl-c.
#![allow(clippy::print_stdout)]

use broker::{Broker, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: serve DIR ADDR:PORT")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".into()).parse()?;
    let broker = Broker::open(Config::new(dir).listen(address)).await?;
    println!("{}", broker.listen().await?);
    tokio::signal::ctrl_c().await?;
    broker.shutdown().await;
    Ok(())
}
