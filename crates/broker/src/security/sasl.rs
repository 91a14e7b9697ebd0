//! The server's side of SASL: which mechanisms there are, and an exchange from its first message to a known user or a refusal.

use std::sync::Arc;

use super::scram::{Challenge, ClientFirst, Hash, ScramSecret};
use super::{Directory, Identity};

/// Longest message of an exchange that is looked at.
const MOST_MESSAGE_BYTES: usize = 8 << 10;

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN: the client sends its password.
    Plain,
    /// SCRAM: both prove that they know the password, and it is never sent.
    Scram(Hash),
}

impl Mechanism {
    /// All, the best first.
    pub(crate) const ALL: [Mechanism; 3] = [Mechanism::Scram(Hash::Sha512), Mechanism::Scram(Hash::Sha256), Mechanism::Plain];

    /// Those that are offered. A password is taken only where nobody on the way can read it.
    pub(crate) fn offered(private: bool) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(move |mechanism| *mechanism != Mechanism::Plain || private)
    }

    /// As clients call it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(hash) => hash.mechanism(),
        }
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(crate) enum Exchange {
    Begun(Mechanism),
    /// SCRAM's first message was answered.
    Challenged {
        name: String,
        identity: Option<Arc<Identity>>,
        challenge: Box<Challenge>,
    },
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Step {
    /// The exchange goes on.
    Challenge(Exchange, Vec<u8>),
    /// The client is known; the last message for it.
    Known(Arc<Identity>, Vec<u8>),
}

/// Why an exchange ended.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The user's name, as far as it was told, and what was wrong: for the log, never for the peer.
    Wrong(Option<String>, &'static str),
    /// Nobody can tell now whether the user is who it says.
    Unknown(String),
}

impl Exchange {
    /// Takes a message of the client.
    pub(crate) async fn step(self, directory: &Directory, message: &[u8]) -> Result<Step, Refused> {
        if message.len() > MOST_MESSAGE_BYTES {
            return Err(Refused::Wrong(None, "the message is too long"));
        }
        match self {
            Exchange::Begun(Mechanism::Plain) => plain(directory, message).await,
            Exchange::Begun(Mechanism::Scram(hash)) => challenge(directory, hash, message).await,
            Exchange::Challenged { name, identity, challenge } => match (challenge.finish(message), identity) {
                (Some(last), Some(identity)) => Ok(Step::Known(identity, last)),
                _ => Err(Refused::Wrong(Some(name), "wrong name or password")),
            },
        }
    }
}

async fn challenge(directory: &Directory, hash: Hash, message: &[u8]) -> Result<Step, Refused> {
    let first = ClientFirst::parse(message).ok_or(Refused::Wrong(None, "a first SCRAM message of the wrong form"))?;
    let name = first.user.clone();
    let identity = directory.find(&name).await.map_err(Refused::Unknown)?;
    let secret = match &identity {
        Some(identity) => {
            let user = identity.user();
            if hash == Hash::Sha256 { user.scram_sha_256.clone() } else { user.scram_sha_512.clone() }
        }
        None => ScramSecret::of_nobody(hash, &name, directory.key()),
    };
    let (challenge, answer) = Challenge::new(first, secret);
    Ok(Step::Challenge(Exchange::Challenged { name, identity, challenge: Box::new(challenge) }, answer))
}

/// RFC 4616: authorization identity, name and password, with zero bytes between them.
async fn plain(directory: &Directory, message: &[u8]) -> Result<Step, Refused> {
    let malformed = || Refused::Wrong(None, "a PLAIN message of the wrong form");
    let text = std::str::from_utf8(message).map_err(|_| malformed())?;
    let fields: Vec<&str> = text.split('\0').collect();
    let [authorization, name, password] = fields[..] else { return Err(malformed()) };
    if name.is_empty() || password.is_empty() || !(authorization.is_empty() || authorization == name) {
        return Err(malformed());
    }
    let identity = directory.find(name).await.map_err(Refused::Unknown)?;
    let secret = match &identity {
        Some(identity) => identity.user().scram_sha_512.clone(),
        None => ScramSecret::of_nobody(Hash::Sha512, name, directory.key()),
    };
    match (directory.check(secret, password).await, identity) {
        (true, Some(identity)) => Ok(Step::Known(identity, Vec::new())),
        _ => Err(Refused::Wrong(Some(name.to_string()), "wrong name or password")),
    }
}
