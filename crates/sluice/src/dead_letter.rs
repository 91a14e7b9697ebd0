//! A record that could not be taken, as the `dead-letters` topic holds it (JSON): where it stands, everything that is wrong with it,
//! and its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::decision::rfc3339;
use domain::{Micros, Rejection};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub sequence: u64,
    #[serde(with = "rfc3339")]
    pub taken_at: Micros,
    pub errors: Vec<Rejection>,
    /// The record where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The record where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
}

impl DeadLetter {
    pub fn of(record: &scoring::Record<'_>, errors: Vec<Rejection>) -> Self {
        Self {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            sequence: record.sequence,
            taken_at: record.taken_at,
            errors,
            raw: None,
            raw_base64: None,
        }
        .with_raw(record.value)
    }

    pub fn with_raw(mut self, bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.raw = Some(text.to_owned()),
            Err(_) => self.raw_base64 = Some(STANDARD.encode(bytes)),
        }
        self
    }

    pub fn raw_bytes(&self) -> Vec<u8> {
        match (&self.raw, &self.raw_base64) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(coded)) => STANDARD.decode(coded).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}
