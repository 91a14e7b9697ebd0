//! Who can reach the Kafka door, and whether they are asked who they are.

use super::Finding;
use project::{ListenerAuthentication, ListenerSettings};
use std::net::SocketAddr;

const WHAT: &str = "Kafka clients";
const ASK: &str =
    "ask who clients are with --kafka-authentication sasl and a certificate (`sluice users add` makes users), or listen on 127.0.0.1";

/// Of the address that the door has, or will have.
pub fn of(address: SocketAddr, door: &ListenerSettings) -> Finding {
    let (inside, tls) = (address.ip().is_loopback(), door.tls.is_some());
    match door.authentication {
        Some(ListenerAuthentication::Sasl) if tls || inside => Finding::fine(WHAT, format!("{address} asks them who they are")),
        Some(ListenerAuthentication::Sasl) => Finding::warning(
            WHAT,
            format!("{address} asks them who they are without TLS: what they send and read can be read on the way"),
            "name a certificate with --kafka-certificate and --kafka-key",
        ),
        _ if inside => Finding::fine(WHAT, format!("{address} serves this machine only, without asking")),
        Some(ListenerAuthentication::None) => {
            Finding::warning(WHAT, format!("everybody who reaches {address} may read and write every topic, without a password"), ASK)
        }
        None => {
            Finding::wrong(WHAT, format!("{address} is open to other machines and nothing says who may come in: it will not start"), ASK)
        }
    }
}
