//! Whether what the project names can be reached: the cluster, the store, the receivers of webhooks.

use super::Finding;
use crate::stores;
use kafka::Cluster;
use project::{LogSettings, Settings, StoreSettings};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(5);

pub fn reachable(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &settings.log {
        LogSettings::Embedded => {}
        LogSettings::Kafka { bootstrap, properties } => {
            let cluster = Cluster::with(bootstrap, properties.clone());
            let asked = cluster.reach(PATIENCE);
            findings.push(match asked {
                Ok(()) => Finding::fine("Kafka", format!("{bootstrap} answers")),
                Err(e) => Finding::wrong(
                    "Kafka",
                    e.to_string(),
                    "check the address, the network, and user and password under `log:` in sluice.yml",
                ),
            });
        }
    }
    if let StoreSettings::Postgres(_) = &settings.store {
        // The folder is only for a store that is a file.
        let found = stores::place(&settings.store, Path::new("")).look().and_then(|store| store.describe());
        findings.push(match found {
            Ok(d) => Finding::fine("store", format!("{} answers at {}, {} decisions", d.backend, d.place, d.totals.transactions)),
            Err(e) => Finding::wrong(
                "store",
                e.message.clone(),
                e.hint
                    .clone()
                    .unwrap_or_else(|| "check the address under `store:` in sluice.yml, and that PostgreSQL listens there".into()),
            ),
        });
    }
    for webhook in &settings.webhooks {
        let what = format!("webhook {}", webhook.name);
        // Checked when the project was read.
        let Some(url) = std::str::from_utf8(webhook.url.reveal()).ok().and_then(|u| reqwest::Url::parse(u).ok()) else { continue };
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        let found = connects(&what, &host, "check its `url` in sluice.yml; alerts wait for it meanwhile");
        let plain = url.scheme() == "http" && !local(&host);
        findings.push(match plain && found.remedy.is_none() {
            true => Finding::warning(what, format!("{host} answers, and alerts go there unencrypted"), "use https"),
            false => found,
        });
    }
    findings
}

fn local(host: &str) -> bool {
    host.to_socket_addrs().is_ok_and(|mut all| all.all(|a| a.ip().is_loopback()))
}

fn connects(what: &str, host: &str, remedy: &str) -> Finding {
    let begun = Instant::now();
    let addresses = match host.to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(e) => return Finding::wrong(what, format!("{host} has no address: {e}"), remedy),
    };
    let mut last = "it has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Finding::fine(what, format!("{host} answers in {:.1} ms", begun.elapsed().as_secs_f64() * 1e3)),
            Err(e) => last = e.to_string(),
        }
    }
    Finding::wrong(what, format!("{host} cannot be reached: {last}"), remedy)
}
