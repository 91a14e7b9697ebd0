//! Record batches of version 2 (magic 2), the only unit the log knows: header, building, reading, compression.
//! A [`Batch`] is one whole, checked batch as it lies on the wire and on disk; its records are read without
//! copying. Format: Kafka's protocol guide, "Record Batch".

mod build;
mod compression;
mod header;
mod read;
mod retain;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use build::BatchBuilder;
pub use compression::Compression;
pub use header::{BatchHeader, HEADER_BYTES};
pub use read::{Header, Headers, Record, Records, RecordsIter};

pub(crate) use build::control_batch;
pub(crate) use header::{PREFIX_BYTES, batch_bytes};

use crate::error::{Error, Result};

/// Decompressed size up to which [`Batch::records`] reads a compressed batch, in bytes.
pub const DEFAULT_DECOMPRESSED_LIMIT: usize = 256 << 20;

/// One whole record batch whose length, magic and checksum have been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    bytes: Bytes,
    header: BatchHeader,
}

impl Batch {
    /// Takes exactly one batch from `bytes`, checking length, magic and CRC32C.
    pub fn parse(bytes: Bytes) -> Result<Batch> {
        let header = BatchHeader::parse(&bytes)?;
        if header.total_bytes() != bytes.len() {
            return Err(Error::CorruptBatch(format!("{} bytes hold a batch that says it has {}", bytes.len(), header.total_bytes())));
        }
        header.verify_crc(&bytes)?;
        Ok(Batch { bytes, header })
    }

    /// A batch whose bytes are already known to be good (just built, or read from a verified place).
    pub(crate) fn trusted(bytes: Bytes, header: BatchHeader) -> Batch {
        debug_assert_eq!(bytes.len(), header.total_bytes());
        Batch { bytes, header }
    }

    /// A copy whose records carry the time of their append, milliseconds since 1970 UTC.
    pub(crate) fn stamped(&self, now_ms: i64) -> Batch {
        let mut bytes = self.bytes.to_vec();
        let header = self.header.stamped(now_ms).seal(&mut bytes);
        Batch { bytes: bytes.into(), header }
    }

    /// The fixed fields.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Offset of the first record; 0 in a batch that was built and not yet appended.
    pub fn base_offset(&self) -> i64 {
        self.header.base_offset
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.header.last_offset()
    }

    /// Number of records.
    pub fn record_count(&self) -> usize {
        self.header.record_count.max(0) as usize
    }

    /// The batch verbatim.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Opens the records, decompressing up to [`DEFAULT_DECOMPRESSED_LIMIT`] bytes.
    pub fn records(&self) -> Result<Records> {
        self.records_within(DEFAULT_DECOMPRESSED_LIMIT)
    }

    /// Opens the records; a compressed batch that grows beyond `limit` bytes is an error.
    pub fn records_within(&self, limit: usize) -> Result<Records> {
        let payload = self.bytes.slice(HEADER_BYTES..);
        let payload = match self.header.compression()? {
            Compression::None => payload,
            codec => Bytes::from(compression::decompress(codec, &payload, limit)?),
        };
        Ok(Records::new(payload, &self.header))
    }
}
