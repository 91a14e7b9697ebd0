//! From values to columns: rows are gathered one by one and become a record batch of a table's schema.

use crate::schema::TableSchema;
use datafusion::arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field};
use domain::{Error, Micros, Result, TopicPartition, Value, time};

/// Rows of one table on their way to a record batch.
pub struct Rows {
    schema: TableSchema,
    columns: Vec<Builder>,
    /// Columns that a row brings itself.
    brought: usize,
    rows: usize,
    bytes: usize,
}

/// Where a record stood.
pub struct At<'a> {
    pub at: &'a TopicPartition,
    pub offset: i64,
    /// None for what the scorer does not take.
    pub sequence: Option<u64>,
    pub ingest_time: Micros,
}

impl Rows {
    /// # Errors
    /// Bug: the schema has a type that no value has.
    pub fn new(schema: &TableSchema) -> Result<Self> {
        let columns = schema.arrow.fields().iter().map(|f| Builder::new(f)).collect::<Result<Vec<_>>>()?;
        Ok(Self { brought: columns.len() - crate::schema::own_columns().len() - 1, schema: schema.clone(), columns, rows: 0, bytes: 0 })
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// About how many bytes the rows hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row: a value for each of the table's own columns (fewer are filled up with nulls), where it stood, its event time, and its bytes
    /// where they are to be kept.
    pub fn push(&mut self, values: &[Value], at: &At<'_>, event_time: Option<Micros>, raw: Option<&[u8]>) {
        let own = self.columns.split_off(self.brought);
        let (brought, mut own) = (&mut self.columns, own);
        for (n, column) in brought.iter_mut().enumerate() {
            self.bytes += column.push(values.get(n).unwrap_or(&Value::Null));
        }
        self.bytes += 40 + raw.map_or(0, <[u8]>::len);
        if let [topic, partition, offset, sequence, ingest, bytes, date] = &mut own[..] {
            topic.push_text(&at.at.topic);
            partition.push_int(Some(i64::from(at.at.partition)));
            offset.push_int(Some(at.offset));
            sequence.push_int(at.sequence.map(|s| s as i64));
            ingest.push_int(Some(at.ingest_time));
            bytes.push_bytes(raw);
            date.push_int(Some(event_time.unwrap_or(at.ingest_time).div_euclid(time::DAY)));
        }
        self.columns.append(&mut own);
        self.rows += 1;
    }

    /// The rows so far; none are left here.
    ///
    /// # Errors
    /// Bug.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        (self.rows, self.bytes) = (0, 0);
        let arrays: Vec<ArrayRef> = self.columns.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.schema.arrow.clone(), arrays).map_err(|e| Error::bug("rows do not fit their table").because(e))
    }
}

/// Rows of values as a record batch of a schema, for those who have them all at hand.
///
/// # Errors
/// Bug: a type that no value has.
pub fn record_batch(schema: &datafusion::arrow::datatypes::SchemaRef, rows: &[Vec<Value>]) -> Result<RecordBatch> {
    let mut columns = schema.fields().iter().map(|f| Builder::new(f)).collect::<Result<Vec<_>>>()?;
    for row in rows {
        for (n, column) in columns.iter_mut().enumerate() {
            column.push(row.get(n).unwrap_or(&Value::Null));
        }
    }
    let arrays: Vec<ArrayRef> = columns.iter_mut().map(Builder::finish).collect();
    RecordBatch::try_new(schema.clone(), arrays).map_err(|e| Error::bug("rows do not fit their table").because(e))
}

/// One column under way.
enum Builder {
    Bool(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder, u8),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
}

impl Builder {
    fn new(field: &Field) -> Result<Self> {
        Ok(match field.data_type() {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Decimal128(digits, scale) => Self::Decimal(
                Decimal128Builder::new().with_data_type(DataType::Decimal128(*digits, *scale)),
                u8::try_from(*scale).unwrap_or_default(),
            ),
            DataType::Timestamp(_, zone) => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone())),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            other => return Err(Error::bug(format!("column `{}` has type {other}, which no value has", field.name()))),
        })
    }

    /// Adds a value, or null where it is none of the column's type. Returns about how many bytes it takes.
    fn push(&mut self, value: &Value) -> usize {
        match (self, value) {
            (Self::Bool(b), Value::Bool(v)) => b.append_value(*v),
            (Self::Int64(b), Value::Int(v) | Value::Interval(v)) => b.append_value(*v),
            (Self::Int32(b), Value::Int(v)) => b.append_option(i32::try_from(*v).ok()),
            (Self::Float(b), value) => b.append_option(value.as_f64()),
            (Self::Decimal(b, scale), Value::Decimal(d)) => b.append_option(rescale(d.unscaled, d.scale, *scale)),
            (Self::Decimal(b, scale), Value::Int(v)) => b.append_option(rescale(i128::from(*v), 0, *scale)),
            (Self::Timestamp(b), Value::Timestamp(v)) => b.append_value(*v),
            (Self::Text(b), Value::Text(v)) => {
                b.append_value(v);
                return 4 + v.len();
            }
            (other, _) => other.push_null(),
        }
        8
    }

    fn push_null(&mut self) {
        match self {
            Self::Bool(b) => b.append_null(),
            Self::Int32(b) => b.append_null(),
            Self::Int64(b) => b.append_null(),
            Self::Float(b) => b.append_null(),
            Self::Decimal(b, _) => b.append_null(),
            Self::Timestamp(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Text(b) => b.append_null(),
            Self::Binary(b) => b.append_null(),
        }
    }

    fn push_int(&mut self, value: Option<i64>) {
        match (self, value) {
            (Self::Int64(b), value) => b.append_option(value),
            (Self::Timestamp(b), value) => b.append_option(value),
            (Self::Int32(b), Some(v)) => b.append_option(i32::try_from(v).ok()),
            (Self::Date(b), Some(v)) => b.append_option(i32::try_from(v).ok()),
            (other, _) => other.push_null(),
        }
    }

    fn push_text(&mut self, value: &str) {
        if let Self::Text(b) = self {
            b.append_value(value);
        }
    }

    fn push_bytes(&mut self, value: Option<&[u8]>) {
        if let Self::Binary(b) = self {
            b.append_option(value);
        }
    }

    fn finish(&mut self) -> ArrayRef {
        fn done(builder: &mut impl ArrayBuilder) -> ArrayRef {
            builder.finish()
        }
        match self {
            Self::Bool(b) => done(b),
            Self::Int32(b) => done(b),
            Self::Int64(b) => done(b),
            Self::Float(b) => done(b),
            Self::Decimal(b, _) => done(b),
            Self::Timestamp(b) => done(b),
            Self::Date(b) => done(b),
            Self::Text(b) => done(b),
            Self::Binary(b) => done(b),
        }
    }
}

/// The same number with another scale; none where digits would be lost.
fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    let ten = |n: u8| 10_i128.checked_pow(u32::from(n));
    if to >= from {
        unscaled.checked_mul(ten(to - from)?)
    } else {
        let unit = ten(from - to)?;
        (unscaled % unit == 0).then_some(unscaled / unit)
    }
}
