//! Bearer tokens: JWT with HMAC-SHA256. A token that was just checked is remembered for some seconds, so that a caller who sends a
//! thousand requests a second pays for the check once.

use crate::platform::Role;
use crate::problem::Problem;
use crate::routes::App;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use domain::{Error, Result};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) const ISSUER: &str = "sluice";
const REMEMBER: Duration = Duration::from_secs(10);
const REMEMBERED: usize = 4096;

/// Longer ones are none of ours.
pub(super) const TOKEN_BYTES: usize = 2048;

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) role: Role,
    /// Seconds since 1970, as RFC 7519 has it.
    pub(super) iat: u64,
    pub(super) exp: u64,
    /// What a ticket is good for; a token has none, and one with it is no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<String>,
    /// When what a ticket opens ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
}

/// Makes tokens and checks them.
pub(crate) struct Tokens {
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    pub(super) validation: Validation,
    lifetime: Duration,
    checked: RwLock<HashMap<Box<str>, (Arc<Caller>, Instant)>>,
}

impl Tokens {
    pub(crate) fn new(key: &[u8], lifetime: Duration) -> Result<Self> {
        if key.len() < 32 {
            return Err(Error::stop("the key that signs tokens is too short", "use at least 32 random bytes"));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = 0;
        Ok(Self {
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
            lifetime,
            checked: RwLock::default(),
        })
    }

    /// A token, and how long it is good.
    pub(crate) fn issue(&self, caller: &Caller) -> Result<(String, Duration), Problem> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Problem::internal())?.as_secs();
        let claims = Claims {
            iss: ISSUER.into(),
            sub: caller.name.clone(),
            role: caller.role,
            iat: now,
            exp: now + self.lifetime.as_secs(),
            aud: None,
            until: None,
        };
        Ok((self.sign(&claims)?, self.lifetime))
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String, Problem> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding).map_err(|_| Problem::internal())
    }

    /// Who a token speaks for; none if it is not ours, was changed, or is too old.
    pub(crate) fn check(&self, token: &str) -> Option<Arc<Caller>> {
        if token.len() > TOKEN_BYTES {
            return None;
        }
        let now = Instant::now();
        if let Some((caller, until)) = self.checked.read().get(token)
            && now < *until
        {
            return Some(Arc::clone(caller));
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        let caller = Arc::new(Caller { name: claims.sub, role: claims.role });
        let left = Duration::from_secs(claims.exp).saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).ok()?);
        // The library lets a token live to the end of its last second.
        if left.is_zero() {
            return None;
        }
        let mut checked = self.checked.write();
        if checked.len() >= REMEMBERED {
            checked.clear();
        }
        checked.insert(token.into(), (Arc::clone(&caller), now + REMEMBER.min(left)));
        Some(caller)
    }
}

impl Caller {
    /// 403 unless the caller has this role or a higher one.
    pub(crate) fn at_least(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("{} has the role {:?}, and this needs {role:?}", self.name, self.role).to_lowercase(),
        ))
    }
}

/// A handler that takes a caller answers 401 to everyone without a good token.
impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller =
            app.tokens.check(bearer(&parts.headers)?).ok_or_else(|| refuse("the token is not good, or no longer; log in again"))?;
        Ok(Self::clone(&caller))
    }
}

/// The token that a request carries in its header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let given = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| refuse("send the header `authorization: bearer <token>`; POST /api/v1/auth/login gives a token"))?;
    let token = given.to_str().ok().and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = token.ok_or_else(|| refuse("the header `authorization` must be `bearer <token>`"))?;
    Ok(token.trim())
}

fn refuse(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}
