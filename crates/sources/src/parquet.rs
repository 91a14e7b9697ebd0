//! Parquet: read batch by batch, only the columns that are wanted, from any row on. Whole row groups before that row are skipped.

use crate::cell::Cell;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use domain::{Decimal, Error, Result, time};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows that are in memory at a time.
const BATCH_ROWS: usize = 8192;

pub(crate) struct Parquet {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    pub(crate) total_rows: u64,
    pub(crate) total_bytes: u64,
    /// Columns of the file that are wanted, in the file's order.
    wanted: Vec<usize>,
    reader: Option<ParquetRecordBatchReader>,
    batch: Vec<Column>,
    batch_rows: usize,
    /// Row of the batch that is next.
    next: usize,
}

/// A column of a batch, in the few forms that cells know.
enum Column {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    Float32(Float32Array),
    Float(Float64Array),
    Decimal(Decimal128Array, u8),
    /// Counts since 1970, and how many microseconds each is; nanoseconds are 0.
    Time(Int64Array, i64),
    Text(StringArray),
    Bytes(BinaryArray),
}

impl Parquet {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| unreadable(path, e))?;
        let total_bytes = file.metadata().map_err(|e| unreadable(path, e))?.len();
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|e| unreadable(path, e))?;
        let total_rows = metadata.metadata().file_metadata().num_rows().max(0) as u64;
        Ok(Self {
            path: path.to_owned(),
            metadata,
            total_rows,
            total_bytes,
            wanted: Vec::new(),
            reader: None,
            batch: Vec::new(),
            batch_rows: 0,
            next: 0,
        })
    }

    pub(crate) fn header(&self) -> Vec<String> {
        self.metadata.schema().fields().iter().map(|f| f.name().clone()).collect()
    }

    /// Chooses the columns to read, by their place in the header.
    ///
    /// # Errors
    /// Stop, if a column's type cannot be a field.
    pub(crate) fn want(&mut self, mut columns: Vec<usize>) -> Result<()> {
        columns.sort_unstable();
        columns.dedup();
        for &column in &columns {
            let field = self.metadata.schema().field(column);
            if !is_plain(field.data_type()) {
                return Err(Error::stop(
                    format!("column {} of {} is {}, which is no single value", field.name(), self.path.display(), field.data_type()),
                    "leave it out of the import's columns, or flatten the file first",
                ));
            }
        }
        self.wanted = columns;
        self.seek(0)
    }

    /// Where a column of the header is among the wanted ones.
    pub(crate) fn place_of(&self, column: usize) -> Option<usize> {
        self.wanted.binary_search(&column).ok()
    }

    /// Makes this row (from 0) the next.
    pub(crate) fn seek(&mut self, row: u64) -> Result<()> {
        (self.batch_rows, self.next, self.reader) = (0, 0, None);
        if row >= self.total_rows {
            return Ok(());
        }
        let groups = self.metadata.metadata().row_groups();
        let (mut first, mut skip) = (0, row);
        while let Some(rows) = groups.get(first).map(|g| g.num_rows().max(0) as u64).filter(|rows| *rows <= skip) {
            skip -= rows;
            first += 1;
        }
        let file = File::open(&self.path).map_err(|e| unreadable(&self.path, e))?;
        let schema = self.metadata.metadata().file_metadata().schema_descr_ptr();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(ProjectionMask::roots(&schema, self.wanted.iter().copied()))
            .with_row_groups((first..groups.len()).collect())
            .with_offset(skip as usize)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|e| unreadable(&self.path, e))?;
        self.reader = Some(reader);
        Ok(())
    }

    /// Goes to the next row; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.next += 1;
        while self.next > self.batch_rows {
            let Some(batch) = self.reader.as_mut().and_then(Iterator::next) else {
                return Ok(false);
            };
            let batch = batch.map_err(|e| unreadable(&self.path, e))?;
            self.batch = batch.columns().iter().map(column).collect::<Result<_, _>>().map_err(|e| unreadable(&self.path, e))?;
            (self.batch_rows, self.next) = (batch.num_rows(), 1);
        }
        Ok(true)
    }

    /// The current row's cell in a wanted column.
    pub(crate) fn cell(&self, place: usize) -> Cell<'_> {
        self.batch[place].cell(self.next - 1)
    }

    /// The current row as a JSON object of the wanted columns: there are no raw bytes to show.
    pub(crate) fn raw(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (place, &index) in self.wanted.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            crate::cell::quote(self.metadata.schema().field(index).name(), &mut out);
            out.push(b':');
            match self.cell(place) {
                Cell::Null => out.extend_from_slice(b"null"),
                cell => crate::cell::quote(&cell.plain(), &mut out),
            }
        }
        out.push(b'}');
        out
    }
}

fn unreadable(path: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::stop(format!("cannot read {}", path.display()), "give a whole Parquet file that this user may read").because(cause)
}

fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_plain(values),
        DataType::Interval(_) | DataType::Duration(_) | DataType::Time32(_) | DataType::Time64(_) => false,
        other => !other.is_nested(),
    }
}

/// Brings an array into the form that cells know. Nothing may be lost on the way: what does not fit is an error, not null.
fn column(array: &ArrayRef) -> std::result::Result<Column, ArrowError> {
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    let to = |data_type: &DataType| cast_with_options(array, data_type, &exact);
    Ok(match array.data_type() {
        DataType::Null => Column::Null,
        DataType::Boolean => Column::Bool(array.as_boolean().clone()),
        DataType::UInt64 => Column::Decimal(to(&DataType::Decimal128(20, 0))?.as_primitive::<Decimal128Type>().clone(), 0),
        t if t.is_integer() => Column::Int(to(&DataType::Int64)?.as_primitive::<Int64Type>().clone()),
        DataType::Float16 | DataType::Float32 => Column::Float32(to(&DataType::Float32)?.as_primitive::<Float32Type>().clone()),
        DataType::Float64 => Column::Float(array.as_primitive::<Float64Type>().clone()),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
            let scale = (*scale).clamp(0, 38);
            Column::Decimal(to(&DataType::Decimal128(38, scale))?.as_primitive::<Decimal128Type>().clone(), scale as u8)
        }
        DataType::Timestamp(unit, _) => {
            let by = match unit {
                TimeUnit::Second => time::SECOND,
                TimeUnit::Millisecond => 1000,
                TimeUnit::Microsecond => 1,
                TimeUnit::Nanosecond => 0,
            };
            Column::Time(to(&DataType::Int64)?.as_primitive::<Int64Type>().clone(), by)
        }
        DataType::Date32 => {
            let days = cast_with_options(&to(&DataType::Int32)?, &DataType::Int64, &exact)?;
            Column::Time(days.as_primitive::<Int64Type>().clone(), time::DAY)
        }
        DataType::Date64 => Column::Time(to(&DataType::Int64)?.as_primitive::<Int64Type>().clone(), 1000),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Column::Bytes(to(&DataType::Binary)?.as_binary::<i32>().clone())
        }
        DataType::Dictionary(_, values) => column(&to(values)?)?,
        _ => Column::Text(to(&DataType::Utf8)?.as_string::<i32>().clone()),
    })
}

impl Column {
    fn cell(&self, row: usize) -> Cell<'_> {
        let null = match self {
            Self::Null => true,
            Self::Bool(a) => a.is_null(row),
            Self::Int(a) | Self::Time(a, _) => a.is_null(row),
            Self::Float32(a) => a.is_null(row),
            Self::Float(a) => a.is_null(row),
            Self::Decimal(a, _) => a.is_null(row),
            Self::Text(a) => a.is_null(row),
            Self::Bytes(a) => a.is_null(row),
        };
        if null {
            return Cell::Null;
        }
        match self {
            Self::Null => Cell::Null,
            Self::Bool(a) => Cell::Bool(a.value(row)),
            Self::Int(a) => Cell::Int(a.value(row)),
            Self::Float32(a) => Cell::Float32(a.value(row)),
            Self::Float(a) => Cell::Float(a.value(row)),
            Self::Decimal(a, scale) => Cell::Decimal(Decimal::new(a.value(row), *scale)),
            Self::Time(a, 0) if a.value(row) % 1000 != 0 => Cell::FineTime,
            Self::Time(a, 0) => Cell::Time(a.value(row) / 1000),
            Self::Time(a, by) => a.value(row).checked_mul(*by).map_or(Cell::FineTime, Cell::Time),
            Self::Text(a) => Cell::Text(a.value(row)),
            Self::Bytes(a) => std::str::from_utf8(a.value(row)).map_or(Cell::Bytes, Cell::Text),
        }
    }
}
