//! The fixed 61-byte header of a record batch. The checksum covers everything from the attributes on, so the
//! broker may rewrite the base offset and the leader epoch of a client's batch without touching the rest.

use bytes::Buf;

use super::Compression;
use crate::error::{Error, Result};

/// Bytes of a batch before its first record.
pub const HEADER_BYTES: usize = 61;
/// Bytes of the base offset and length fields, which the length field does not count.
pub(crate) const PREFIX_BYTES: usize = 12;
/// Where the checksummed part starts.
const CRC_FROM: usize = 21;

const COMPRESSION_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_BIT: i16 = 0x08;
const TRANSACTIONAL_BIT: i16 = 0x10;
const CONTROL_BIT: i16 = 0x20;
const DELETE_HORIZON_BIT: i16 = 0x40;

/// The fields of a batch's header, in the order of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes after the length field.
    pub batch_length: i32,
    /// Epoch of the leader that wrote the batch.
    pub leader_epoch: i32,
    /// CRC32C of everything from the attributes on.
    pub crc: u32,
    /// Compression (bits 0-2), timestamp type (3), transactional (4), control (5).
    pub attributes: i16,
    /// Offset of the last record less the base offset.
    pub last_offset_delta: i32,
    /// Timestamp of the first record, milliseconds since 1970 UTC.
    pub base_timestamp: i64,
    /// Greatest timestamp of the batch, milliseconds since 1970 UTC.
    pub max_timestamp: i64,
    /// Producer id, or -1.
    pub producer_id: i64,
    /// Producer epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes` and checks length and magic, not the checksum.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader> {
        if bytes.len() < HEADER_BYTES {
            return Err(Error::CorruptBatch(format!("{} bytes are less than a batch header", bytes.len())));
        }
        let mut from = &bytes[..HEADER_BYTES];
        let base_offset = from.get_i64();
        let batch_length = from.get_i32();
        let leader_epoch = from.get_i32();
        let magic = from.get_i8();
        if magic != 2 {
            return Err(Error::InvalidBatch(format!("magic {magic} instead of 2")));
        }
        if (batch_length as i64) < (HEADER_BYTES - PREFIX_BYTES) as i64 {
            return Err(Error::CorruptBatch(format!("batch length {batch_length} is less than a header")));
        }
        Ok(BatchHeader {
            base_offset,
            batch_length,
            leader_epoch,
            crc: from.get_u32(),
            attributes: from.get_i16(),
            last_offset_delta: from.get_i32(),
            base_timestamp: from.get_i64(),
            max_timestamp: from.get_i64(),
            producer_id: from.get_i64(),
            producer_epoch: from.get_i16(),
            base_sequence: from.get_i32(),
            record_count: from.get_i32(),
        })
    }

    /// Bytes of the whole batch.
    pub fn total_bytes(&self) -> usize {
        PREFIX_BYTES + self.batch_length.max(0) as usize
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Sequence number of the last record; it wraps from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        ((i64::from(self.base_sequence) + i64::from(self.last_offset_delta)) % (i64::from(i32::MAX) + 1)) as i32
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Result<Compression> {
        Compression::from_bits((self.attributes & COMPRESSION_MASK) as u8)
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch is a transaction marker, not data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Whether the record timestamps are to be read as the log's append time.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & TIMESTAMP_TYPE_BIT != 0
    }

    /// When tombstones of the batch may be removed, milliseconds since 1970 UTC; set by the compaction that first saw
    /// them. It stands in place of the base timestamp.
    pub(crate) fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    pub(super) fn with_delete_horizon(mut self, horizon_ms: Option<i64>) -> BatchHeader {
        match horizon_ms {
            Some(horizon) => {
                self.attributes |= DELETE_HORIZON_BIT;
                self.base_timestamp = horizon;
            }
            None => self.attributes &= !DELETE_HORIZON_BIT,
        }
        self
    }

    /// The header of the same batch when its records carry the time of their append.
    pub(super) fn stamped(mut self, now_ms: i64) -> BatchHeader {
        self.attributes |= TIMESTAMP_TYPE_BIT;
        self.max_timestamp = now_ms;
        self
    }

    /// Compares the checksum with the bytes of the whole batch.
    pub fn verify_crc(&self, batch: &[u8]) -> Result<()> {
        let found = crc32c::crc32c(&batch[CRC_FROM..self.total_bytes()]);
        if found != self.crc {
            return Err(Error::CorruptBatch(format!("checksum {found:08x} instead of {:08x}", self.crc)));
        }
        Ok(())
    }

    /// Writes the header into the first 61 bytes of `batch`, computing length and checksum from the rest.
    pub(crate) fn seal(mut self, batch: &mut [u8]) -> BatchHeader {
        self.batch_length = (batch.len() - PREFIX_BYTES) as i32;
        batch[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        batch[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        batch[12..16].copy_from_slice(&self.leader_epoch.to_be_bytes());
        batch[16] = 2;
        batch[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        batch[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        batch[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        batch[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        batch[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        batch[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        batch[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        batch[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        self.crc = crc32c::crc32c(&batch[CRC_FROM..]);
        batch[17..21].copy_from_slice(&self.crc.to_be_bytes());
        self
    }
}

/// Length in bytes of the batch that starts with `prefix`, if the prefix is whole and the length sane.
pub(crate) fn batch_bytes(prefix: &[u8]) -> Option<usize> {
    let length = i32::from_be_bytes(prefix.get(8..12)?.try_into().ok()?);
    (length as i64 >= (HEADER_BYTES - PREFIX_BYTES) as i64).then(|| PREFIX_BYTES + length as usize)
}

pub(super) const fn control_attributes() -> i16 {
    TRANSACTIONAL_BIT | CONTROL_BIT
}

pub(super) const fn transactional_attribute() -> i16 {
    TRANSACTIONAL_BIT
}
