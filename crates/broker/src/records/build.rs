//! Building batches: records go straight into one buffer behind room for the header, which is sealed at the end.

use bytes::Bytes;

use super::Batch;
use super::compression::{self, Compression};
use super::header::{BatchHeader, HEADER_BYTES, control_attributes, transactional_attribute};
use crate::error::{Error, Result};

/// Builds one batch. Reuse is cheap: [`BatchBuilder::build`] leaves it empty.
#[derive(Debug)]
pub struct BatchBuilder {
    compression: Compression,
    buffer: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer: Option<(i64, i16, i32)>,
    transactional: bool,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new(Compression::None)
    }
}

impl BatchBuilder {
    /// An empty builder.
    pub fn new(compression: Compression) -> BatchBuilder {
        BatchBuilder {
            compression,
            buffer: Vec::new(),
            count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
            producer: None,
            transactional: false,
        }
    }

    /// Stamps the batch with a producer id, its epoch and the sequence number of the first record (idempotence).
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.producer = Some((id, epoch, base_sequence));
        self
    }

    /// Marks the batch as part of its producer's transaction.
    pub fn transactional(mut self) -> BatchBuilder {
        self.transactional = true;
        self
    }

    /// Makes room for about so many bytes of records, where their number is known.
    pub fn reserve(&mut self, bytes: usize) {
        self.buffer.reserve(HEADER_BYTES + bytes);
    }

    /// Adds a record. `timestamp` is in milliseconds since 1970 UTC.
    pub fn push(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.push_with_headers(timestamp, key, value, &[]);
    }

    /// Adds a record with headers. `timestamp` is in milliseconds since 1970 UTC.
    pub fn push_with_headers(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) {
        if self.count == 0 {
            self.buffer.clear();
            self.buffer.resize(HEADER_BYTES, 0);
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let offset_delta = i64::from(self.count);
        let mut size = 1
            + varint_bytes(timestamp_delta)
            + varint_bytes(offset_delta)
            + field_bytes(key)
            + field_bytes(value)
            + varint_bytes(headers.len() as i64);
        for (name, value) in headers {
            size += field_bytes(Some(name.as_bytes())) + field_bytes(*value);
        }
        let out = &mut self.buffer;
        put_varint(out, size as i64);
        out.push(0);
        put_varint(out, timestamp_delta);
        put_varint(out, offset_delta);
        put_field(out, key);
        put_field(out, value);
        put_varint(out, headers.len() as i64);
        for (name, value) in headers {
            put_field(out, Some(name.as_bytes()));
            put_field(out, *value);
        }
        self.count += 1;
    }

    /// Number of records so far.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether no record was added yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes so far, before compression.
    pub fn bytes(&self) -> usize {
        if self.count == 0 { 0 } else { self.buffer.len() }
    }

    /// Seals the batch and leaves the builder empty. A batch without records is an error.
    pub fn build(&mut self) -> Result<Batch> {
        if self.count == 0 {
            return Err(Error::InvalidBatch("a batch needs at least one record".into()));
        }
        let plain = std::mem::take(&mut self.buffer);
        let mut bytes = if self.compression == Compression::None {
            plain
        } else {
            let mut packed = Vec::with_capacity(plain.len() / 2 + HEADER_BYTES);
            packed.resize(HEADER_BYTES, 0);
            compression::compress(self.compression, &plain[HEADER_BYTES..], &mut packed)?;
            self.buffer = plain;
            packed
        };
        if bytes.len() > i32::MAX as usize {
            return Err(Error::TooLarge { size: bytes.len(), limit: i32::MAX as usize });
        }
        let (producer_id, producer_epoch, base_sequence) = self.producer.unwrap_or((-1, -1, -1));
        let mut attributes = self.compression.bits();
        if self.transactional {
            attributes |= transactional_attribute();
        }
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            leader_epoch: -1,
            crc: 0,
            attributes,
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            record_count: self.count,
        }
        .seal(&mut bytes);
        self.count = 0;
        self.max_timestamp = i64::MIN;
        Ok(Batch::trusted(Bytes::from(bytes), header))
    }
}

/// The marker that ends a producer's transaction in one partition.
pub(crate) fn control_batch(producer_id: i64, epoch: i16, commit: bool, timestamp: i64) -> Batch {
    let mut builder = BatchBuilder::default();
    // Key: version 0 and type (0 abort, 1 commit); value: version 0 and coordinator epoch 0.
    let key = [0, 0, 0, u8::from(commit)];
    builder.push(timestamp, Some(&key), Some(&[0; 6]));
    let mut bytes = builder.buffer;
    let header = BatchHeader {
        base_offset: 0,
        batch_length: 0,
        leader_epoch: -1,
        crc: 0,
        attributes: control_attributes(),
        last_offset_delta: 0,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id,
        producer_epoch: epoch,
        base_sequence: -1,
        record_count: 1,
    }
    .seal(&mut bytes);
    Batch::trusted(Bytes::from(bytes), header)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn varint_bytes(value: i64) -> usize {
    (70 - (zigzag(value) | 1).leading_zeros() as usize) / 7
}

pub(super) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut value = zigzag(value);
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn field_bytes(field: Option<&[u8]>) -> usize {
    match field {
        Some(field) => varint_bytes(field.len() as i64) + field.len(),
        None => 1,
    }
}

pub(super) fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(field) => {
            put_varint(out, field.len() as i64);
            out.extend_from_slice(field);
        }
        None => put_varint(out, -1),
    }
}
