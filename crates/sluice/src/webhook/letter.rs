//! An alert that a receiver did not take, as the topic `webhook-dead-letters` holds it (JSON).

use domain::Micros;
use domain::decision::rfc3339;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
pub struct Letter<'a> {
    pub webhook: &'a str,
    /// The `webhook-id` it was sent with.
    pub webhook_id: &'a str,
    /// Its place in the alerts topic.
    pub offset: i64,
    pub attempts: u32,
    /// What became of the last attempt.
    pub reason: &'a str,
    #[serde(with = "rfc3339")]
    pub given_up_at: Micros,
    /// The alert itself.
    pub alert: &'a RawValue,
}
