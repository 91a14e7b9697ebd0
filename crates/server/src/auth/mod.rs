//! Who is calling: passwords once, tokens after that.

use crate::platform::Role;
use domain::{Error, Result};
use std::time::Duration;

mod password;
mod throttle;
mod ticket;
mod token;

pub(crate) use password::{PASSWORD_BYTES, Verifier};
pub use password::{generate_password, hash_password};
pub(crate) use throttle::Throttle;
pub(crate) use token::{Caller, Tokens, bearer};

/// A token for whoever holds the key already, such as the owner of an instance's data folder.
///
/// # Errors
/// Stop: the key is too short. Bug: the clock stands before 1970.
pub fn token(key: &[u8], name: &str, role: Role, lifetime: Duration) -> Result<String> {
    let caller = Caller { name: name.to_owned(), role };
    let (token, _) = Tokens::new(key, lifetime)?.issue(&caller).map_err(|_| Error::bug("a token cannot be made"))?;
    Ok(token)
}

#[cfg(test)]
mod tests;
