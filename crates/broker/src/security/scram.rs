//! SCRAM (RFC 5802, RFC 7677; SHA-512 as Kafka has it): what is kept of a password, and the server's side of the exchange. Channel
//! binding is not offered, as in Kafka. Passwords are taken as they are, as librdkafka and Kafka's own clients take them.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

/// Rounds of PBKDF2 for a new password. Clients do them at each connection.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
/// Fewest and most rounds of a secret that was made elsewhere: Kafka's, and what keeps a client busy for a second.
const ITERATIONS_ALLOWED: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;
const SALT_BYTES: usize = 24;
const NONCE_BYTES: usize = 24;
/// Longest nonce that a client may bring.
const MOST_NONCE_BYTES: usize = 256;

/// The hash that a SCRAM mechanism is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Hash {
    /// The mechanism's name.
    pub(crate) fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha256 => "SCRAM-SHA-256",
            Hash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Hash::Sha256 => digest::SHA256_OUTPUT_LEN,
            Hash::Sha512 => digest::SHA512_OUTPUT_LEN,
        }
    }

    pub(crate) fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec()
    }

    pub(crate) fn hash(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }

    /// PBKDF2 with this hash's HMAC: SCRAM's `Hi`.
    pub(crate) fn salted(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut out = vec![0; self.bytes()];
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut out);
        out
    }
}

/// What is kept of a password: enough to check one, and not enough to be one. As text it is what PostgreSQL keeps:
/// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramSecret {
    hash: Hash,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// Random bytes of the system.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The system's source fails only where there is none at all, as before it has been seeded.
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

impl ScramSecret {
    /// From a password, with a fresh salt. Takes some milliseconds.
    pub fn derive(hash: Hash, password: &str) -> ScramSecret {
        ScramSecret::with(hash, password, &random::<SALT_BYTES>(), ITERATIONS)
    }

    fn with(hash: Hash, password: &str, salt: &[u8], iterations: NonZeroU32) -> ScramSecret {
        let salted = hash.salted(password, salt, iterations);
        let stored_key = hash.hash(&hash.hmac(&salted, b"Client Key"));
        ScramSecret { hash, iterations, salt: salt.to_vec(), stored_key, server_key: hash.hmac(&salted, b"Server Key") }
    }

    /// What a name that nobody has is answered with: always the same salt for the same name, so that nobody learns which names there
    /// are, and keys that no password has.
    pub(super) fn of_nobody(hash: Hash, name: &str, key: &[u8]) -> ScramSecret {
        let mut salt = hash.hmac(key, name.as_bytes());
        salt.truncate(SALT_BYTES);
        let keys = random::<{ digest::SHA512_OUTPUT_LEN }>();
        ScramSecret {
            hash,
            iterations: ITERATIONS,
            salt,
            stored_key: keys[..hash.bytes()].to_vec(),
            server_key: keys[..hash.bytes()].to_vec(),
        }
    }

    /// Whether this is the password. Takes some milliseconds, for a wrong one as for the right one.
    pub(super) fn is_password(&self, password: &str) -> bool {
        let made = ScramSecret::with(self.hash, password, &self.salt, self.iterations);
        made.stored_key.ct_eq(&self.stored_key).into()
    }
}

impl fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}$***", self.hash.mechanism())
    }
}

impl fmt::Display for ScramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] = [&self.salt, &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        write!(f, "{}${}:{salt}${stored}:{server}", self.hash.mechanism(), self.iterations)
    }
}

impl FromStr for ScramSecret {
    type Err = String;

    fn from_str(text: &str) -> Result<ScramSecret, String> {
        let parse = || {
            let (mechanism, rest) = text.split_once('$')?;
            let hash = [Hash::Sha256, Hash::Sha512].into_iter().find(|hash| hash.mechanism() == mechanism)?;
            let (derivation, keys) = rest.split_once('$')?;
            let (iterations, salt) = derivation.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            let iterations: NonZeroU32 = iterations.parse().ok()?;
            let [salt, stored_key, server_key] = [salt, stored_key, server_key].map(|text| STANDARD.decode(text));
            let secret = ScramSecret { hash, iterations, salt: salt.ok()?, stored_key: stored_key.ok()?, server_key: server_key.ok()? };
            let whole = secret.stored_key.len() == hash.bytes() && secret.server_key.len() == hash.bytes() && !secret.salt.is_empty();
            (whole && ITERATIONS_ALLOWED.contains(&iterations.get())).then_some(secret)
        };
        // The text is a secret: it is not shown.
        parse().ok_or_else(|| "this is not a SCRAM secret".to_string())
    }
}

/// A client's first message.
#[derive(Debug)]
pub(super) struct ClientFirst {
    pub(super) user: String,
    /// What stands before the part that is signed, as the client must repeat it.
    gs2_header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    pub(super) fn parse(message: &[u8]) -> Option<ClientFirst> {
        let text = std::str::from_utf8(message).ok()?;
        // "n": no channel binding; "y": the client would, but takes it that the server cannot, which is so.
        let rest = text.strip_prefix("n,").or_else(|| text.strip_prefix("y,"))?;
        let (authorization, bare) = rest.split_once(',')?;
        let gs2_header = text[..text.len() - bare.len()].to_string();
        let mut fields = bare.split(',');
        let user = name(fields.next()?.strip_prefix("n=")?)?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        let printable = nonce.bytes().all(|b| b.is_ascii_graphic());
        if nonce.is_empty() || nonce.len() > MOST_NONCE_BYTES || !printable {
            return None;
        }
        // Nobody acts for somebody else.
        if !authorization.is_empty() && name(authorization.strip_prefix("a=")?)? != user {
            return None;
        }
        // Extensions behind the nonce (such as `tokenauth=true`) ask for what there is not.
        if fields.next().is_some() {
            return None;
        }
        Some(ClientFirst { user, nonce: nonce.to_string(), gs2_header, bare: bare.to_string() })
    }
}

/// A user's name with its escapes undone.
fn name(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        out.push_str(before);
        let (escape, after) = after.split_at_checked(2)?;
        out.push(match escape {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        rest = after;
    }
    out.push_str(rest);
    (!out.is_empty()).then_some(out)
}

/// An exchange whose first message was answered.
#[derive(Debug)]
pub(crate) struct Challenge {
    secret: ScramSecret,
    gs2_header: String,
    nonce: String,
    /// Both first messages, as they will be signed.
    signed: String,
}

impl Challenge {
    /// The challenge, and the message that poses it.
    pub(super) fn new(first: ClientFirst, secret: ScramSecret) -> (Challenge, Vec<u8>) {
        Challenge::with_nonce(first, secret, &STANDARD.encode(random::<NONCE_BYTES>()))
    }

    pub(super) fn with_nonce(first: ClientFirst, secret: ScramSecret, ours: &str) -> (Challenge, Vec<u8>) {
        let nonce = format!("{}{ours}", first.nonce);
        let message = format!("r={nonce},s={},i={}", STANDARD.encode(&secret.salt), secret.iterations);
        let signed = format!("{},{message}", first.bare);
        (Challenge { secret, gs2_header: first.gs2_header, nonce, signed }, message.into_bytes())
    }

    /// Checks the client's final message; gives ours, by which the client knows that we know the password too.
    pub(super) fn finish(self, message: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let binding = STANDARD.decode(fields.next()?.strip_prefix("c=")?).ok()?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        // librdkafka before 2.6.1 sends its own nonce twice, and Kafka looks at the end alone: ours stands there.
        if binding != self.gs2_header.as_bytes() || !nonce.ends_with(&self.nonce) || fields.next().is_some() {
            return None;
        }
        let hash = self.secret.hash;
        let proof = STANDARD.decode(proof).ok().filter(|proof| proof.len() == hash.bytes())?;
        let signed = format!("{},{without_proof}", self.signed);
        let signature = hash.hmac(&self.secret.stored_key, signed.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(proof, signature)| proof ^ signature).collect();
        let right: bool = hash.hash(&client_key).ct_eq(&self.secret.stored_key).into();
        right.then(|| format!("v={}", STANDARD.encode(hash.hmac(&self.secret.server_key, signed.as_bytes()))).into_bytes())
    }
}

#[cfg(test)]
impl ScramSecret {
    pub(super) fn fixed(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> ScramSecret {
        ScramSecret::with(hash, password, salt, NonZeroU32::new(iterations).unwrap())
    }
}
