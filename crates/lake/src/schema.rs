//! What tables of records look like: the columns of the record itself, and those that say where it stood in the log.

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use domain::stream::MAX_FIELD_DIGITS;
use domain::{Error, Result, Stream, Type};
use std::sync::Arc;

/// The date by which tables of records are partitioned: of the event's time, and of the ingest time where there is none.
pub const EVENT_DATE: &str = "event_date";

/// The most digits an Arrow decimal of 128 bits holds.
const DECIMAL_DIGITS: u8 = 38;

/// A column as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: DataType,
}

impl Column {
    pub fn new(name: impl Into<String>, kind: DataType) -> Self {
        Self { name: name.into(), kind }
    }

    /// A column for values of a type. Decimals have all the digits there are, as sums need them.
    pub fn of(name: impl Into<String>, kind: Type) -> Self {
        Self::new(name, data_type(kind, DECIMAL_DIGITS))
    }
}

/// A table of records, partitioned by [`EVENT_DATE`].
#[derive(Clone, Debug)]
pub struct TableSchema {
    pub arrow: SchemaRef,
}

impl TableSchema {
    /// The columns given, those of [`own_columns`], and the date. Any may be null: what cannot be read has its raw bytes alone.
    ///
    /// # Errors
    /// Stop: a column has a name that is the lake's own, or two have the same.
    pub fn new(columns: &[Column]) -> Result<Self> {
        let own = own_columns();
        let mut all: Vec<Column> = Vec::with_capacity(columns.len() + own.len() + 1);
        for column in columns.iter().chain(&own).chain(&[Column::new(EVENT_DATE, DataType::Date32)]) {
            if all.iter().any(|c| c.name == column.name) {
                return Err(Error::stop(
                    format!("the lake would have two columns `{}` in one table", column.name),
                    "give the field another name, or start without a lake",
                ));
            }
            all.push(column.clone());
        }
        let fields: Vec<Field> = all.into_iter().map(|c| Field::new(c.name, c.kind, true)).collect();
        Ok(Self { arrow: Arc::new(Schema::new(fields)) })
    }
}

/// Where each record stood: topic, partition, offset; its place in the sequence, if the scorer took it; when it was taken in; and its bytes
/// where the columns do not say all of them (it could not be read, or holds fields that the stream does not declare).
pub fn own_columns() -> [Column; 6] {
    [
        Column::new("_topic", DataType::Utf8),
        Column::new("_partition", DataType::Int32),
        Column::new("_offset", DataType::Int64),
        Column::new("_sequence", DataType::Int64),
        Column::new("_ingest_time", data_type(Type::Timestamp, 0)),
        Column::new("_raw", DataType::Binary),
    ]
}

/// The columns of a stream's records, a field each.
pub fn of_stream(stream: &Stream) -> Vec<Column> {
    stream.fields.iter().map(|f| Column::new(f.name.as_str(), data_type(f.kind.value_type(), MAX_FIELD_DIGITS))).collect()
}

/// How values of a type are kept; `digits` is for decimals.
fn data_type(kind: Type, digits: u8) -> DataType {
    match kind {
        Type::Bool => DataType::Boolean,
        // An interval is a number of microseconds: Delta has no intervals.
        Type::Int | Type::Interval => DataType::Int64,
        Type::Decimal(scale) => DataType::Decimal128(digits.max(scale), scale as i8),
        Type::Float => DataType::Float64,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Text => DataType::Utf8,
    }
}

/// A type as SQL names it.
pub(crate) fn sql_type(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal128(digits, scale) => format!("decimal({digits},{scale})"),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Date32 => "date".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests;
