//! `sluice broker`: the embedded broker alone, on a folder and an address, with nothing that judges. Benches and tests measure it by
//! itself in this way. Clients are not asked who they are, so it serves this machine only.

use super::up::asked_to_stop;
use super::{Outcome, Result, print_json};
use crate::cli::{BrokerAlone, OutputFormat};
use crate::log::Log;
use domain::Error;
use project::LogSettings;
use std::time::Instant;

pub fn run(args: &BrokerAlone, output: OutputFormat) -> Result {
    let begun = Instant::now();
    if !args.kafka.ip().is_loopback() {
        return Err(Error::stop(
            format!("a broker alone does not ask who clients are, so it does not listen on {}", args.kafka),
            "choose an address of 127.0.0.1, or use `sluice up`, which can ask them",
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("io")
        .enable_all()
        .build()
        .map_err(|e| Error::stop("cannot start", "raise the limit on threads").because(e))?;
    let log = Log::open(&LogSettings::Embedded, &args.data.data, Some(args.kafka.into()), runtime.handle())?;
    let kafka = log.listen(broker::Security::default(), runtime.handle())?;
    let seconds = begun.elapsed().as_secs_f64();
    if output == OutputFormat::Json {
        print_json(&serde_json::json!({ "ready": true, "kafka": kafka, "pid": std::process::id(), "seconds": seconds }))?;
    } else {
        println!("Kafka clients are served at {kafka}; Ctrl-C stops");
    }
    runtime.block_on(async {
        asked_to_stop().await;
        log.close().await;
    });
    Ok(Outcome::Fine)
}
