//! Where the PostgreSQL is: the address as people write it for libpq, with waits that suit a service. What is shown of it never holds
//! the password.

use super::tls::{self, Proof};
use domain::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long one host may take to answer, where the address does not say (`connect_timeout`).
const CONNECT: Duration = Duration::from_secs(5);

/// A connection that is silent for [`KEEPALIVE_IDLE`] is probed this often, this many times, and then given up.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// What was sent and not acknowledged for so long is on a dead connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What the client library means by a keepalive time that was not set.
const KEEPALIVE_UNSET: Duration = Duration::from_secs(2 * 60 * 60);

pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    /// `postgres://user@host:port/database`.
    pub(super) shown: String,
}

impl Address {
    /// Reads `postgres://user:password@host:port/database?sslmode=...`; several hosts may stand there, with commas between them.
    ///
    /// # Errors
    /// `Stop` if it cannot be right, or the certificates it names cannot be read.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (plain, security) = take_security(url)?;
        let mut config: Config = plain.parse().map_err(|e| wrong(&e))?;
        if config.get_hosts().is_empty() {
            return Err(Error::stop("the store's address names no host", HINT));
        }
        if config.get_user().is_none() {
            return Err(Error::stop("the store's address names no user", HINT));
        }
        config.ssl_mode(security.mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_keepalives_idle() == KEEPALIVE_UNSET {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE_INTERVAL);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVE_RETRIES);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNACKNOWLEDGED);
        }
        if config.get_application_name().is_none() {
            config.application_name("sluice");
        }
        let tls = MakeRustlsConnect::new(tls::config(security.proof, security.root.as_deref())?);
        let shown = shown(&config);
        Ok(Self { config, tls, shown })
    }

    /// How long all hosts together may take.
    pub(super) fn patience(&self) -> Duration {
        let hosts = self.config.get_hosts().len().max(1) as u32;
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT) * hosts + Duration::from_secs(5)
    }
}

const HINT: &str = "write postgres://user:${PASSWORD}@host:5432/database under `store` in sluice.yml";

/// The parser's own words hold at most the name of a setting.
fn wrong(error: &tokio_postgres::Error) -> Error {
    let cause = std::error::Error::source(error).map(ToString::to_string).filter(|c| c.starts_with("invalid value for option"));
    let cause = cause.map(|c| format!(": {c}")).unwrap_or_default();
    Error::stop(format!("the store's address cannot be read{cause}"), format!("{HINT}; in a password, write %40 for @ and %25 for %"))
}

struct Security {
    mode: SslMode,
    proof: Proof,
    root: Option<PathBuf>,
}

/// Takes out what the client library does not know. The words mean what they mean to libpq.
fn take_security(url: &str) -> Result<(String, Security)> {
    // A question mark before the host belongs to the password.
    let host = url.rfind('@').unwrap_or(0);
    let (base, options) = url[host..].find('?').map_or((url, ""), |at| (&url[..host + at], &url[host + at + 1..]));
    let (mut kept, mut mode, mut root) = (Vec::new(), None, None);
    for option in options.split('&').filter(|o| !o.is_empty()) {
        match option.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => root = Some(decoded(value)),
            Some((name @ ("sslcert" | "sslkey" | "sslcrl" | "sslpassword"), _)) => {
                return Err(Error::stop(
                    format!("the store's address has `{name}`, which is not supported"),
                    "log in with a password (SCRAM) and let `sslmode=verify-full` prove the server",
                ));
            }
            _ => kept.push(option),
        }
    }
    let named = root.is_some();
    let root = root.filter(|r| r.as_str() != "system").map(PathBuf::from);
    let (mode, proof) = match mode.unwrap_or("prefer") {
        "disable" => (SslMode::Disable, Proof::None),
        "allow" | "prefer" => (SslMode::Prefer, Proof::None),
        "require" if named => (SslMode::Require, Proof::Chain),
        "require" => (SslMode::Require, Proof::None),
        "verify-ca" => (SslMode::Require, Proof::Chain),
        "verify-full" => (SslMode::Require, Proof::Full),
        other => {
            return Err(Error::stop(
                format!("the store's address has `sslmode={other}`"),
                "write one of disable, prefer, require, verify-ca, verify-full",
            ));
        }
    };
    let plain = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((plain, Security { mode, proof, root }))
}

/// Percent-decoding of one value; a plus stays a plus.
fn decoded(value: &str) -> String {
    let whole = format!("v={}", value.replace('+', "%2B"));
    url::form_urlencoded::parse(whole.as_bytes()).next().map(|(_, v)| v.into_owned()).unwrap_or_default()
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(n, host)| {
            let port = ports.get(n).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let user = config.get_user().unwrap_or_default();
    format!("postgres://{user}@{}/{}", hosts.join(","), config.get_dbname().unwrap_or(user))
}
