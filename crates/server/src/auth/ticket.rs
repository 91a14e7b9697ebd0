//! Tickets: what opens the stream of alerts where no header can be sent, as in a browser's `EventSource`. An address ends up in logs and
//! histories, so a ticket is good for a minute, for the stream and nothing else; what it opens ends with the token it was made from.

use super::token::{Caller, Claims, ISSUER, TOKEN_BYTES, Tokens};
use crate::problem::Problem;
use jsonwebtoken::{Algorithm, Validation};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The audience of a ticket.
const AUDIENCE: &str = "alerts-stream";

impl Tokens {
    /// Who a token speaks for, and when it ends (seconds since 1970); none if it is not good.
    pub(crate) fn lifetime_of(&self, token: &str) -> Option<(Caller, u64)> {
        let claims = self.claims(token, &self.validation)?;
        Some((Caller { name: claims.sub, role: claims.role }, claims.exp))
    }

    /// A ticket for whom a token speaks for, good for `lifetime` or until the token ends.
    pub(crate) fn ticket(&self, token: &str, lifetime: Duration) -> Result<Option<(String, Duration)>, Problem> {
        let Some((caller, until)) = self.lifetime_of(token) else { return Ok(None) };
        let now = now();
        let exp = (now + lifetime.as_secs()).min(until);
        let claims = Claims {
            iss: ISSUER.into(),
            sub: caller.name,
            role: caller.role,
            iat: now,
            exp,
            aud: Some(AUDIENCE.into()),
            until: Some(until),
        };
        Ok(Some((self.sign(&claims)?, Duration::from_secs(exp - now))))
    }

    /// Who a ticket speaks for, and when what it opens ends; none if it is no good ticket.
    pub(crate) fn admit(&self, ticket: &str) -> Option<(Caller, u64)> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        validation.leeway = 0;
        let claims = self.claims(ticket, &validation)?;
        Some((Caller { name: claims.sub, role: claims.role }, claims.until?))
    }

    fn claims(&self, text: &str, validation: &Validation) -> Option<Claims> {
        if text.len() > TOKEN_BYTES {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(text, &self.decoding, validation).ok()?.claims;
        (claims.exp > now()).then_some(claims)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
