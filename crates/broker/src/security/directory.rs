//! The users of a listener as its connections see them. Each that is connected is looked up again every few seconds: changed rights
//! count then, and one who was removed, or has another password, is out.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{ScramSecret, User, Users};

/// Passwords that are checked at a time: each check keeps a core busy for some milliseconds.
const CHECKS: usize = 2;

/// A user that has shown who it is, on one connection.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    user: RwLock<Arc<User>>,
    /// Cancelled when the user is removed or has another password.
    pub(crate) revoked: CancellationToken,
}

impl Identity {
    pub(crate) fn user(&self) -> Arc<User> {
        self.user.read().clone()
    }
}

/// The users of a listener.
#[derive(Debug)]
pub(crate) struct Directory {
    users: Arc<dyn Users>,
    /// Makes the salts of those that there are not.
    key: [u8; 32],
    checks: Arc<Semaphore>,
    connected: Mutex<Vec<Weak<Identity>>>,
}

impl Directory {
    pub(crate) fn new(users: Arc<dyn Users>) -> Directory {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).expect("the system gives random bytes");
        Directory { users, key, checks: Arc::new(Semaphore::new(CHECKS)), connected: Mutex::default() }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    async fn look_up(&self, name: &str) -> Result<Option<User>, String> {
        let (users, name) = (self.users.clone(), name.to_string());
        match tokio::task::spawn_blocking(move || users.find(&name)).await {
            Ok(found) => found.map_err(|error| error.to_string()),
            Err(_) => Err("the look-up of a user failed".into()),
        }
    }

    /// The user of this name, who has shown nothing yet.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Arc<Identity>>, String> {
        let found = self.look_up(name).await?;
        Ok(found.map(|user| {
            Arc::new(Identity { name: name.to_string(), user: RwLock::new(Arc::new(user)), revoked: CancellationToken::new() })
        }))
    }

    /// Whether the secret is of this password.
    pub(super) async fn check(&self, secret: ScramSecret, password: &str) -> bool {
        let Ok(turn) = self.checks.clone().acquire_owned().await else { return false };
        let password = password.to_string();
        let checking = move || {
            let right = secret.is_password(&password);
            drop(turn);
            right
        };
        tokio::task::spawn_blocking(checking).await.unwrap_or(false)
    }

    /// The user has come in.
    pub(crate) fn enter(&self, identity: &Arc<Identity>) {
        self.connected.lock().push(Arc::downgrade(identity));
    }

    /// Looks everybody up again who is connected.
    pub(crate) async fn refresh(&self) {
        let mut by_name: BTreeMap<String, Vec<Arc<Identity>>> = BTreeMap::new();
        self.connected.lock().retain(|identity| match identity.upgrade() {
            Some(identity) => {
                by_name.entry(identity.name.clone()).or_default().push(identity);
                true
            }
            None => false,
        });
        for (name, identities) in by_name {
            match self.look_up(&name).await {
                Ok(found) => {
                    let found = found.map(Arc::new);
                    identities.iter().for_each(|identity| update(identity, found.as_ref()));
                }
                Err(error) => tracing::warn!(user = ?name, error, "cannot look a user up; its rights stay as they were"),
            }
        }
    }
}

fn update(identity: &Identity, found: Option<&Arc<User>>) {
    let same = |now: &User, then: &User| now.scram_sha_256 == then.scram_sha_256 && now.scram_sha_512 == then.scram_sha_512;
    match found {
        Some(user) if same(user, &identity.user()) => *identity.user.write() = user.clone(),
        _ => identity.revoked.cancel(),
    }
}
