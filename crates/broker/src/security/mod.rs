//! Who may connect to the listener, and what they may do: TLS, SASL (PLAIN, SCRAM), and the rights of each user. Where the
//! users are kept is not known here: whoever opens the listener hands over a way to look one up.

mod directory;
mod grants;
mod sasl;
mod scram;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::sync::Arc;

pub(crate) use directory::{Directory, Identity};
pub(crate) use grants::Right;
pub use grants::{Grants, Pattern};
pub use sasl::Mechanism;
pub(crate) use sasl::{Exchange, Refused, Step};
pub use scram::{Hash, ScramSecret};
pub use tls::Tls;

/// Reads a message of anybody as an exchange does.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse_any(message: &[u8]) {
    let secret = ScramSecret::of_nobody(Hash::Sha256, "nobody", b"key");
    if let Some(first) = scram::ClientFirst::parse(message) {
        let (challenge, _) = scram::Challenge::new(first, secret);
        assert!(challenge.finish(message).is_none());
    }
}

/// How a listener is secured. By default it takes everybody, in clear text, and so is allowed on a loopback address alone.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// With it, clients must speak TLS.
    pub tls: Option<Tls>,
    /// How clients are known.
    pub authentication: Authentication,
}

/// How clients are known.
#[derive(Debug, Clone, Default)]
pub enum Authentication {
    /// Not at all, and everybody may do everything: on a loopback address alone.
    #[default]
    Loopback,
    /// Not at all, and everybody may do everything, wherever the listener is.
    None,
    /// By SASL, everywhere.
    Sasl(Arc<dyn Users>),
}

/// Where users are looked up.
///
/// # Contract
/// Calls may block, and come from threads that may. Names differ by case. An error means that it is not known now whether there
/// is such a user: who asks to come in is turned away without a word, and who is in stays.
pub trait Users: fmt::Debug + Send + Sync + 'static {
    /// The user of this name.
    fn find(&self, name: &str) -> Result<Option<User>, Box<dyn std::error::Error + Send + Sync>>;
}

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What SCRAM-SHA-256 checks a password by.
    pub scram_sha_256: ScramSecret,
    /// What SCRAM-SHA-512 and PLAIN check a password by.
    pub scram_sha_512: ScramSecret,
    /// What the user may do.
    pub grants: Grants,
}

impl User {
    /// A user with this password, and rights.
    pub fn new(password: &str, grants: Grants) -> User {
        User {
            scram_sha_256: ScramSecret::derive(Hash::Sha256, password),
            scram_sha_512: ScramSecret::derive(Hash::Sha512, password),
            grants,
        }
    }
}
