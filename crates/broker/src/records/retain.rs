//! A batch without some of its records, as compaction leaves it: offsets, times, keys, values and headers of what stays
//! are the same, and so are the offsets at which the batch begins and ends.

use bytes::Bytes;

use super::build::{field_bytes, put_field, put_varint, varint_bytes};
use super::{Batch, Compression, HEADER_BYTES, Record, compression};
use crate::error::Result;

impl Batch {
    /// The batch with the records that `keep` wants, or None if it wants none of them. `horizon_ms` says from when on
    /// the tombstones in it may go (milliseconds since 1970 UTC).
    pub(crate) fn retain(&self, horizon_ms: Option<i64>, mut keep: impl FnMut(&Record<'_>) -> bool) -> Result<Option<Batch>> {
        let records = self.records()?;
        let mut kept = Vec::with_capacity(self.record_count());
        for record in &records {
            let record = record?;
            if keep(&record) {
                kept.push(record);
            }
        }
        let Some(first) = kept.first() else { return Ok(None) };
        if kept.len() == self.record_count() && horizon_ms == self.header.delete_horizon_ms() {
            return Ok(Some(self.clone()));
        }
        let mut header = self.header.with_delete_horizon(horizon_ms);
        if horizon_ms.is_none() {
            header.base_timestamp = first.timestamp;
        }
        header.record_count = kept.len() as i32;
        if !header.is_log_append_time() {
            header.max_timestamp = kept.iter().map(|record| record.timestamp).max().unwrap_or(header.max_timestamp);
        }
        let mut plain = vec![0; HEADER_BYTES];
        for record in &kept {
            put_record(&mut plain, record, header.base_timestamp, header.base_offset);
        }
        let mut bytes = plain;
        let codec = header.compression()?;
        if codec != Compression::None {
            let mut packed = vec![0; HEADER_BYTES];
            compression::compress(codec, &bytes[HEADER_BYTES..], &mut packed)?;
            bytes = packed;
        }
        let header = header.seal(&mut bytes);
        Ok(Some(Batch { bytes: Bytes::from(bytes), header }))
    }
}

fn put_record(out: &mut Vec<u8>, record: &Record<'_>, base_timestamp: i64, base_offset: i64) {
    let timestamp_delta = record.timestamp.wrapping_sub(base_timestamp);
    let offset_delta = record.offset.wrapping_sub(base_offset);
    let (count, headers) = record.headers.raw();
    let size = 1
        + varint_bytes(timestamp_delta)
        + varint_bytes(offset_delta)
        + field_bytes(record.key)
        + field_bytes(record.value)
        + varint_bytes(count as i64)
        + headers.len();
    put_varint(out, size as i64);
    out.push(0);
    put_varint(out, timestamp_delta);
    put_varint(out, offset_delta);
    put_field(out, record.key);
    put_field(out, record.value);
    put_varint(out, count as i64);
    out.extend_from_slice(headers);
}
