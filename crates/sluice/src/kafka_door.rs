//! The embedded broker's door for Kafka clients: how it is secured, by what the project and the command say, and the users in the
//! store that come through it.

use crate::cli::{Authentication as Said, Listener};
use broker::{Authentication, Security, Tls, User, Users};
use domain::{Error, Result};
use project::{ListenerAuthentication, ListenerSettings, ListenerTls, Project};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use store::{KafkaUser, Store};

/// What the project says, overruled by what the command says. Files of the project lie in its folder.
pub fn settings(said: &Listener, project: &Project) -> ListenerSettings {
    let mut settings = project.settings.listener.clone();
    if let Some(tls) = &mut settings.tls {
        for file in [&mut tls.certificate, &mut tls.key] {
            *file = project.root.join(&*file);
        }
    }
    if let Some(authentication) = said.authentication {
        settings.authentication = Some(match authentication {
            Said::Sasl => ListenerAuthentication::Sasl,
            Said::None => ListenerAuthentication::None,
        });
    }
    if let (Some(certificate), Some(key)) = (said.certificate.clone(), said.key.clone()) {
        settings.tls = Some(ListenerTls { certificate, key });
    }
    settings
}

/// A door that can be opened.
pub struct KafkaDoor {
    tls: Option<Tls>,
    authentication: Option<ListenerAuthentication>,
}

impl KafkaDoor {
    /// Looks whether it can, before anything is started.
    ///
    /// # Errors
    /// Stop where a file cannot be used, or everybody could come in from everywhere and nobody has said that they may.
    pub fn open(settings: &ListenerSettings, address: SocketAddr) -> Result<Self> {
        if settings.authentication.is_none() && !address.ip().is_loopback() {
            return Err(Error::stop(
                format!("anybody who reaches {address} could read and write every topic"),
                "ask who clients are with --kafka-authentication sasl (`sluice users add` makes users), \
                 or say with --kafka-authentication none that the network is to be trusted",
            ));
        }
        let tls = settings.tls.as_ref().map(|files| {
            Tls::from_pem_files(&files.certificate, &files.key).map_err(|e| {
                Error::stop("the Kafka door has no certificate to show", "name a certificate and its key, both in PEM form").because(e)
            })
        });
        let tls = tls.transpose()?;
        if tls.is_none() && settings.authentication.is_some() && !address.ip().is_loopback() {
            tracing::warn!(%address, "Kafka clients are served without TLS: what they send and read can be read on the way");
        }
        Ok(Self { tls, authentication: settings.authentication })
    }

    /// What the broker is told; users are looked up in the store.
    pub fn security(self, store: Arc<dyn Store>) -> Security {
        let authentication = match self.authentication {
            None => Authentication::Loopback,
            Some(ListenerAuthentication::None) => Authentication::None,
            Some(ListenerAuthentication::Sasl) => Authentication::Sasl(Arc::new(StoredUsers(store))),
        };
        Security { tls: self.tls, authentication }
    }
}

/// The users that the store keeps.
struct StoredUsers(Arc<dyn Store>);

impl fmt::Debug for StoredUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredUsers")
    }
}

impl Users for StoredUsers {
    fn find(&self, name: &str) -> std::result::Result<Option<User>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.kafka_user(name)?.map(|kept| parse(&kept)).transpose()?)
    }
}

/// A user as the broker knows it.
///
/// # Errors
/// Stop where the store holds what this release does not write.
pub fn parse(kept: &KafkaUser) -> Result<User> {
    let damaged = || Error::stop(format!("what is kept of user `{}` cannot be read", kept.name), "remove the user and add it anew");
    Ok(User {
        scram_sha_256: kept.scram_sha_256.parse().map_err(|e: String| damaged().because(e))?,
        scram_sha_512: kept.scram_sha_512.parse().map_err(|e: String| damaged().because(e))?,
        grants: serde_json::from_str(&kept.grants).map_err(|e| damaged().because(e))?,
    })
}

/// A user as the store keeps it.
pub fn kept(name: &str, user: &User) -> Result<KafkaUser> {
    Ok(KafkaUser {
        name: name.to_owned(),
        scram_sha_256: user.scram_sha_256.to_string(),
        scram_sha_512: user.scram_sha_512.to_string(),
        grants: serde_json::to_string(&user.grants).map_err(|e| Error::bug("rights do not serialise").because(e))?,
    })
}

#[cfg(test)]
mod tests;
