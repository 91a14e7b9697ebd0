//! A stream: a topic with a declared schema. Plain data, made by `project` from a YAML file and by tests by hand.

use crate::decimal::Decimal;
use crate::rates::Convert;
use crate::value::{Text, Type, Value};

/// How rows of a stream relate to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// Every record is an event of its own.
    Append,
    /// A record replaces the earlier one of its key.
    Upsert,
}

/// A topic with a declared schema.
#[derive(Clone, Debug)]
pub struct Stream {
    pub name: Text,
    pub topic: Text,
    pub description: String,
    pub mode: StreamMode,
    pub fields: Vec<Field>,
    /// Slot of the field that keys the record: the row's identity in an upsert stream, the partitioning key in an append stream.
    pub key: usize,
    /// Slot of the event time.
    pub event_time: usize,
    /// How far behind the greatest event time an event still counts; microseconds.
    pub lateness: i64,
    /// How far ahead of the moment it was taken an event time may be; microseconds.
    pub skew: i64,
    /// Whether a field that is not declared makes the record wrong.
    pub closed: bool,
    /// Partitions the topic is created with.
    pub partitions: i32,
    /// Present on the one stream whose events are judged.
    pub judged: Option<Roles>,
}

/// Which fields of the judged stream play the parts that decisions, store and API speak of. Slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    pub id: usize,
    pub account: Option<usize>,
    pub amount: Option<usize>,
    /// What kind of transaction it is (purchase, refund, ...).
    pub kind: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: Text,
    pub kind: FieldType,
    pub required: bool,
    pub description: String,
    /// Inclusive, for numbers.
    pub min: Option<Value>,
    /// Inclusive, for numbers.
    pub max: Option<Value>,
    /// In characters, for text.
    pub max_length: Option<usize>,
    /// How the value comes about where the event does not bring it, for decimals. What is filled so is not content of the event.
    pub convert: Option<Convert>,
}

/// The declared type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    Integer,
    /// At most 18 digits in all, this many after the point.
    Decimal(u8),
    Boolean,
    /// RFC 3339 text, or integers of the unit given.
    Timestamp(TimeUnit),
    Float,
    /// One of these texts.
    Enum(Vec<Text>),
}

/// What an integer timestamp counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Only text is a timestamp.
    #[default]
    Text,
    Seconds,
    Millis,
    Micros,
}

/// The most digits a decimal field holds, so that its unscaled value fits 64 bits.
pub const MAX_FIELD_DIGITS: u8 = 18;

/// The most characters a text field holds where the stream does not say.
pub const DEFAULT_MAX_LENGTH: usize = 4096;

impl Field {
    /// Whether a record without the field cannot be taken.
    pub fn must_be_brought(&self) -> bool {
        self.required && self.convert.is_none()
    }
}

impl FieldType {
    /// The type that expressions see.
    pub fn value_type(&self) -> Type {
        match self {
            Self::Text | Self::Enum(_) => Type::Text,
            Self::Integer => Type::Int,
            Self::Decimal(scale) => Type::Decimal(*scale),
            Self::Boolean => Type::Bool,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Float => Type::Float,
        }
    }

    /// As a stream file spells it.
    pub fn name(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Integer => "integer".into(),
            Self::Decimal(scale) => format!("decimal({scale})"),
            Self::Boolean => "boolean".into(),
            Self::Timestamp(_) => "timestamp".into(),
            Self::Float => "float".into(),
            Self::Enum(values) => format!("enum({})", values.join(", ")),
        }
    }
}

impl Stream {
    /// The slot of a field by name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    pub fn field_type(&self, slot: usize) -> Type {
        self.fields[slot].kind.value_type()
    }
}

/// The greatest unscaled value of a decimal field.
pub fn max_field_decimal(scale: u8) -> Decimal {
    Decimal::new(crate::decimal::pow10(MAX_FIELD_DIGITS) - 1, scale)
}
