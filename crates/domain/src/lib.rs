//! The words every other crate shares: values and types, stream schemas and decoding, decisions and alerts,
//! positions, and errors that say what to do next.
//!
//! Nothing here knows a runtime, a file, a topic client, or the fields of any one shop.

pub mod decimal;
pub mod decision;
pub mod decode;
pub mod error;
pub mod position;
pub mod rates;
pub mod stream;
pub mod time;
pub mod value;

pub use decimal::Decimal;
pub use decision::{Action, Alert, Decision, Judged, Reason, RuleHit, RuleMode, Severity};
pub use decode::{Decoder, Rejection};
pub use error::{Error, Kind, Result};
pub use position::{Position, TopicPartition};
pub use rates::{Convert, Rates};
pub use stream::{Field, FieldType, Roles, Stream, StreamMode};
pub use time::Micros;
pub use value::{Row, Text, Type, Value};
