//! Reading the records of a batch without copying: keys, values and headers are slices of the (decompressed)
//! payload. This is the hot path of every in-process reader, so a record costs a few varints and no allocation.

use bytes::Bytes;

use super::BatchHeader;
use crate::error::{Error, Result};

/// The opened records of one batch; it owns the payload that the [`Record`]s borrow from.
#[derive(Debug, Clone)]
pub struct Records {
    payload: Bytes,
    base_offset: i64,
    base_timestamp: i64,
    /// Set when every record carries the append time of the batch.
    append_time: Option<i64>,
    count: i32,
}

impl Records {
    pub(super) fn new(payload: Bytes, header: &BatchHeader) -> Records {
        Records {
            payload,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time: header.is_log_append_time().then_some(header.max_timestamp),
            count: header.record_count,
        }
    }

    /// Iterates the records in offset order. A malformed record yields one error and ends the iteration.
    pub fn iter(&self) -> RecordsIter<'_> {
        RecordsIter { records: self, rest: &self.payload, left: self.count }
    }

    /// A reference-counted slice for a key, value or header that one of this batch's records gave.
    ///
    /// # Panics
    /// If `field` does not come from these records.
    pub fn share(&self, field: &[u8]) -> Bytes {
        self.payload.slice_ref(field)
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = Result<Record<'a>>;
    type IntoIter = RecordsIter<'a>;

    fn into_iter(self) -> RecordsIter<'a> {
        self.iter()
    }
}

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970 UTC.
    pub timestamp: i64,
    /// Key, if any.
    pub key: Option<&'a [u8]>,
    /// Value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers.
    pub headers: Headers<'a>,
}

/// The headers of a record, decoded as they are iterated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: usize,
}

/// One header of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Value, if any.
    pub value: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// Number of headers.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// As they are encoded.
    pub(super) fn raw(&self) -> (usize, &'a [u8]) {
        (self.count, self.bytes)
    }

    /// Iterates the headers; a malformed one yields an error and ends the iteration.
    pub fn iter(&self) -> impl Iterator<Item = Result<Header<'a>>> + use<'a> {
        let mut rest = self.bytes;
        let mut left = self.count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let header = (|| {
                let name = take_field(&mut rest)??;
                Some(Header { name, value: take_field(&mut rest)? })
            })();
            if header.is_none() {
                left = 0;
            }
            Some(header.ok_or_else(|| malformed("header")))
        })
    }

    /// The value of the last header with this name.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter_map(Result::ok).filter(|h| h.name == name.as_bytes()).last().and_then(|h| h.value)
    }
}

/// Iterator of [`Records::iter`].
#[derive(Debug, Clone)]
pub struct RecordsIter<'a> {
    records: &'a Records,
    rest: &'a [u8],
    left: i32,
}

impl<'a> RecordsIter<'a> {
    #[inline]
    fn take(&mut self) -> Option<Record<'a>> {
        let size = usize::try_from(take_varint(&mut self.rest)?).ok()?;
        let mut body = self.rest.get(..size)?;
        self.rest = &self.rest[size..];
        let (_attributes, after) = body.split_first()?;
        body = after;
        let timestamp_delta = take_varint(&mut body)?;
        let offset_delta = take_varint(&mut body)?;
        let key = take_field(&mut body)?;
        let value = take_field(&mut body)?;
        // Every header takes at least two bytes, so a larger count is a lie.
        let count = usize::try_from(take_varint(&mut body)?).ok().filter(|count| *count <= body.len() / 2)?;
        let records = self.records;
        Some(Record {
            offset: records.base_offset.wrapping_add(offset_delta),
            timestamp: records.append_time.unwrap_or_else(|| records.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers: Headers { bytes: body, count },
        })
    }
}

impl<'a> Iterator for RecordsIter<'a> {
    type Item = Result<Record<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Result<Record<'a>>> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let record = self.take();
        if record.is_none() {
            self.left = 0;
        }
        Some(record.ok_or_else(|| malformed("record")))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}

fn malformed(what: &str) -> Error {
    Error::CorruptBatch(format!("malformed {what}"))
}

/// A zigzag varint of at most ten bytes; most take one, some two.
#[inline]
fn take_varint(from: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = from.split_first()?;
    let raw = if first < 0x80 {
        *from = rest;
        u64::from(first)
    } else {
        take_long_varint(from)?
    };
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

fn take_long_varint(from: &mut &[u8]) -> Option<u64> {
    let mut raw = 0u64;
    for (at, &byte) in from.iter().take(10).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *from = &from[at + 1..];
            return Some(raw);
        }
    }
    None
}

/// A length-prefixed field; a negative length is null. The outer `None` means that the bytes run out.
#[inline]
fn take_field<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = take_varint(from)?;
    if length < 0 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    let (field, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(Some(field))
}
