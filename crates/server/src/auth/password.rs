//! Passwords: argon2id hashes, and checking them without telling which names exist or letting strangers use up the processor.

use crate::problem::Problem;
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use domain::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest password that is looked at.
pub(crate) const PASSWORD_BYTES: usize = 1024;

/// Each check takes 19 MB and some 20 ms of a core, so few run at once.
const CHECKS: usize = 2;

/// Checks that may wait for their turn; more are told to come back.
const WAITING: usize = 32;

/// A hash with the parameters of ours that no password has: checking against it takes as long as against a real one.
pub(super) const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2x1aWNlOiBubyBib2R5Lg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The argon2id hash of a password with a fresh salt, as PHC string (RFC 9106's second choice of parameters: 19 MiB, two passes).
pub fn hash_password(password: &str) -> Result<String> {
    if password.is_empty() || password.len() > PASSWORD_BYTES {
        return Err(Error::stop("the password is empty or too long", format!("use 1 to {PASSWORD_BYTES} bytes")));
    }
    let hash =
        Argon2::default().hash_password(password.as_bytes()).map_err(|e| Error::bug("hashing a password failed").because(e.to_string()))?;
    Ok(hash.to_string())
}

/// A password for a first start: 24 letters and digits that are hard to mistake for each other, some 137 bits.
pub fn generate_password() -> String {
    const ALPHABET: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    use rand::RngExt as _;
    let mut rng = rand::rng();
    (0..24).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// Checks passwords, a few at once.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Verifier {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(CHECKS)), waiting: Arc::default() }
    }

    /// Whether the password fits the hash; without a hash it takes as long and is false.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Problem> {
        let busy = || Problem::busy(Duration::from_secs(1), "too many people log in at once; try again");
        let waiting = Waiting::enter(&self.waiting).ok_or_else(busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Problem::internal())?;
        drop(waiting);
        let check = move || {
            let known = hash.is_some();
            let fits = Argon2::default().verify_password(password.as_bytes(), hash.as_deref().unwrap_or(NOBODY)).is_ok();
            drop(turn);
            known && fits
        };
        tokio::task::spawn_blocking(check).await.map_err(|_| Problem::internal())
    }
}

/// A place in the line, given back when its request goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(line: &'a AtomicUsize) -> Option<Self> {
        let place = Self(line);
        (line.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
