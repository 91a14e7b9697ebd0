//! Who is calling: passwords once, tokens after that.

mod password;
mod throttle;
mod ticket;
mod token;

pub(crate) use password::{PASSWORD_BYTES, Verifier};
pub use password::{generate_password, hash_password};
pub(crate) use throttle::Throttle;
pub(crate) use token::{Caller, Tokens, bearer};

#[cfg(test)]
mod tests;
