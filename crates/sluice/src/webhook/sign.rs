//! Signatures as in Standard Webhooks 1.0 ("Verifying webhook authenticity"): HMAC-SHA256 over id, time and body, so that a receiver knows
//! who sends, and that nothing was changed or sent again much later.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Error, Result};
use hmac::{Hmac, KeyInit as _, Mac as _};
use project::Secret;
use sha2::Sha256;

/// The value of `webhook-signature`: one signature for each key. `timestamp` is in seconds since 1970.
pub fn signatures(keys: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> Result<String> {
    let mut all = Vec::with_capacity(keys.len());
    for key in keys {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal()).map_err(|e| Error::bug("a key does not fit HMAC").because(e))?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        all.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    Ok(all.join(" "))
}
