//! The live page: one HTML file without anything from elsewhere. Its headers forbid everything but its own script and style, which
//! they name by hash, and calls to this server.

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Error, Result};
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("live.html");

/// The page with its headers, made once.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    policy: HeaderValue,
}

impl Page {
    pub(crate) fn new() -> Result<Self> {
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            hash("script")?,
            hash("style")?
        );
        let policy = HeaderValue::from_str(&policy).map_err(|e| Error::bug("the live page's policy is no header").because(e))?;
        Ok(Self { policy })
    }

    pub(crate) fn answer(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        ];
        (headers, Bytes::from_static(PAGE.as_bytes())).into_response()
    }
}

/// What a policy calls the content of the page's one element of this name (CSP 3, "hash-source").
fn hash(element: &str) -> Result<String> {
    let content = PAGE.split_once(&format!("<{element}>")).and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let (content, rest) = content.ok_or_else(|| Error::bug(format!("the live page has no <{element}>")))?;
    if rest.contains(&format!("<{element}")) {
        return Err(Error::bug(format!("the live page has more than one <{element}>")));
    }
    Ok(format!("sha256-{}", STANDARD.encode(Sha256::digest(content))))
}
