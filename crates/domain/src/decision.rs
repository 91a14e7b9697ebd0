//! Decisions and alerts, as they stand in the `decisions` and `alerts` topics. The JSON is written in field order and holds no
//! clock reading but `taken_at`, so the same log gives the same bytes.

use crate::decimal::Decimal;
use crate::time::{self, Micros};
use crate::value::{Text, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What happens to a transaction, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Allow,
    Review,
    Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// Whether a rule decides or is only watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleMode {
    #[default]
    Live,
    /// Evaluated and recorded, but does not decide.
    Shadow,
}

/// One rule that hit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleHit {
    pub rule: Text,
    pub action: Action,
    pub severity: Severity,
    pub mode: RuleMode,
    /// With the values that made it hit.
    pub message: String,
}

/// Why the decision is what it is; the weightiest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// A rule's name, a list's name, or a code such as `too_late`.
    pub code: Text,
    pub message: String,
    /// What this alone adds to the score, 0 to 1.
    pub weight: f64,
}

/// Whether the transaction could be judged with its features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    #[default]
    Full,
    /// Later than the stream's lateness: all features null, and the event not counted.
    TooLate,
}

/// The answer to one transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its place in the sequence.
    pub sequence: u64,
    pub transaction_id: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_type: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "decimal_number")]
    pub amount: Option<Decimal>,
    #[serde(with = "rfc3339")]
    pub event_time: Micros,
    #[serde(with = "rfc3339")]
    pub taken_at: Micros,
    pub decision: Action,
    /// 0 to 1.
    pub score: f64,
    #[serde(default)]
    pub judged: Judged,
    pub hits: Vec<RuleHit>,
    pub reasons: Vec<Reason>,
    /// The event fields and features that the hits speak of.
    pub values: Vec<(Text, Value)>,
    pub topic: Text,
    pub partition: i32,
    pub offset: i64,
    /// Digest of the project it was made with.
    pub project: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Text>,
}

/// A decision that a person should see: one for each live rule that hit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Derived from transaction and rule, so it is the same however often it is made.
    pub alert_id: Text,
    pub transaction_id: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Text>,
    /// The rule.
    pub alert_type: Text,
    pub alert_message: String,
    pub severity: Severity,
    pub decision: Action,
    pub score: f64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "decimal_number")]
    pub amount: Option<Decimal>,
    #[serde(with = "rfc3339")]
    pub event_time: Micros,
    #[serde(with = "rfc3339")]
    pub taken_at: Micros,
    pub sequence: u64,
}

impl Decision {
    /// As it stands in the topic.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        self.write_json(&mut out);
        out
    }

    /// The same, behind what stands in `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail, and nothing in a decision refuses to serialise.
        let _ = serde_json::to_writer(out, self);
    }

    /// The alerts of this decision: one for each live rule that hit with more than `allow`, in the order of the hits. A transaction that is
    /// allowed all the same (a list said so) is nothing a person should see.
    pub fn alerts(&self) -> impl Iterator<Item = Alert> + '_ {
        let seen = self.decision > Action::Allow;
        self.hits.iter().filter(move |h| seen && h.mode == RuleMode::Live && h.action > Action::Allow).map(|hit| Alert {
            alert_id: Text::from(format!("{}:{}", self.transaction_id, hit.rule)),
            transaction_id: self.transaction_id.clone(),
            account_id: self.account_id.clone(),
            alert_type: hit.rule.clone(),
            alert_message: hit.message.clone(),
            severity: hit.severity,
            decision: self.decision,
            score: self.score,
            amount: self.amount,
            event_time: self.event_time,
            taken_at: self.taken_at,
            sequence: self.sequence,
        })
    }
}

/// Timestamps as RFC 3339 text.
pub mod rfc3339 {
    use super::*;

    pub fn serialize<S: Serializer>(micros: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time::format(*micros))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Micros, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        time::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a timestamp")))
    }
}

/// Decimals as plain JSON numbers, digit for digit.
mod decimal_number {
    use super::*;

    pub(super) fn serialize<S: Serializer>(decimal: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
        decimal.map(Value::Decimal).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
        match Option::<Value>::deserialize(deserializer)? {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Int(i)) => Ok(Some(Decimal::from(i))),
            Some(Value::Decimal(d)) => Ok(Some(d)),
            Some(other) => Err(serde::de::Error::custom(format!("`{other}` is not a decimal"))),
        }
    }
}

/// From JSON: numbers without a point are integers, with one decimals (floats where they do not fit), text is text.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        let json = raw.get();
        Ok(match json.as_bytes()[0] {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::Text(serde_json::from_str::<Text>(json).map_err(serde::de::Error::custom)?),
            b'-' | b'0'..=b'9' => {
                let places = json.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                if let Ok(i) = json.parse() {
                    Self::Int(i)
                } else if let (false, Ok(scale)) = (json.contains(['e', 'E']), u8::try_from(places))
                    && let Ok(d) = Decimal::parse(json, scale.min(crate::decimal::MAX_DIGITS))
                {
                    Self::Decimal(d)
                } else {
                    Self::Float(json.parse().map_err(serde::de::Error::custom)?)
                }
            }
            _ => return Err(serde::de::Error::custom("an object or array is not a value")),
        })
    }
}
