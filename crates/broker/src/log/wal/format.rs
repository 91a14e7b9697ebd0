//! What the write-ahead log's file holds: two copies of a header, then two halves of records. A record is what one
//! round made durable of every partition that took part. Everything begins on a block of its own, so that a torn write
//! damages nothing but itself, and carries a checksum, so that it is noticed.

use bytes::{Buf, BufMut, Bytes};
use uuid::Uuid;

/// Writes begin and end on multiples of this: what a file system and a disk write as a whole.
pub(super) const BLOCK_BYTES: usize = 4096;
/// Where the first half begins, behind the two copies of the header.
pub(super) const HALVES_FROM: u64 = 2 * BLOCK_BYTES as u64;

const FILE_MAGIC: &[u8; 8] = b"sluicewl";
const RECORD_MAGIC: u32 = 0x5257_414c;
/// Magic, length and checksum.
const RECORD_PREFIX_BYTES: usize = 12;
/// Number and count of parts.
const RECORD_FIXED_BYTES: usize = 12;
const PART_FIXED_BYTES: usize = 40;

/// The file's header, of which the copy with the higher `valid_from` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of each half.
    pub(super) half_bytes: u64,
    /// Records with a lower number are never replayed: what they hold is in the segments, which may have been cut or
    /// replaced since.
    pub(super) valid_from: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        block.extend_from_slice(FILE_MAGIC);
        block.put_u64(self.half_bytes);
        block.put_u64(self.valid_from);
        block.put_u32(crc32c::crc32c(&block));
        block.resize(BLOCK_BYTES, 0);
        block
    }

    /// Where the header is written: the copies take turns.
    pub(super) fn position(copy: usize) -> u64 {
        (copy % 2 * BLOCK_BYTES) as u64
    }

    fn decode(block: &[u8]) -> Option<Header> {
        let mut from = block.strip_prefix(FILE_MAGIC)?;
        let header = Header { half_bytes: from.try_get_u64().ok()?, valid_from: from.try_get_u64().ok()? };
        let crc = from.try_get_u32().ok()?;
        (crc32c::crc32c(&block[..24]) == crc && header.half_bytes > 0 && header.half_bytes.is_multiple_of(BLOCK_BYTES as u64))
            .then_some(header)
    }

    /// The header of a file, and which copy it is.
    pub(super) fn find(file: &[u8]) -> Option<(Header, usize)> {
        let copy = |n: usize| Some((Header::decode(file.get(n * BLOCK_BYTES..(n + 1) * BLOCK_BYTES)?)?, n));
        [copy(0), copy(1)].into_iter().flatten().max_by_key(|(header, _)| header.valid_from)
    }
}

/// Which bytes a part of a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The topic's id; a topic that is made anew under the same name has another.
    pub(super) topic: Uuid,
    pub(super) partition: i32,
    /// Base offset of the segment.
    pub(super) segment: i64,
    /// Where in the segment's file the bytes stand.
    pub(super) position: u64,
}

/// Some bytes of a segment that a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) bytes: Bytes,
}

/// Builds one record.
#[derive(Debug)]
pub(super) struct RecordBuilder<'a>(&'a mut Vec<u8>);

impl<'a> RecordBuilder<'a> {
    /// Begins in a buffer, which is emptied.
    pub(super) fn new(buffer: &'a mut Vec<u8>, number: u64, parts: usize) -> RecordBuilder<'a> {
        buffer.clear();
        buffer.put_bytes(0, RECORD_PREFIX_BYTES);
        buffer.put_u64(number);
        buffer.put_u32(parts as u32);
        RecordBuilder(buffer)
    }

    /// Adds a part of `bytes` bytes and returns where they belong.
    pub(super) fn part(&mut self, place: &Place, bytes: usize) -> &mut [u8] {
        self.0.put_slice(place.topic.as_bytes());
        self.0.put_i32(place.partition);
        self.0.put_i64(place.segment);
        self.0.put_u64(place.position);
        self.0.put_u32(bytes as u32);
        let from = self.0.len();
        self.0.put_bytes(0, bytes);
        &mut self.0[from..]
    }

    /// Fills in length and checksum, and pads to whole blocks.
    pub(super) fn finish(self) {
        let body = self.0.len() - RECORD_PREFIX_BYTES;
        let crc = crc32c::crc32c(&self.0[RECORD_PREFIX_BYTES..]);
        let mut prefix = &mut self.0[..RECORD_PREFIX_BYTES];
        prefix.put_u32(RECORD_MAGIC);
        prefix.put_u32(body as u32);
        prefix.put_u32(crc);
        self.0.resize(self.0.len().next_multiple_of(BLOCK_BYTES), 0);
    }
}

/// Bytes that a record of parts of these sizes takes in the file.
pub(super) fn record_bytes(parts: impl Iterator<Item = u64>) -> u64 {
    let fixed = (RECORD_PREFIX_BYTES + RECORD_FIXED_BYTES) as u64;
    parts.fold(fixed, |sum, bytes| sum + bytes + PART_FIXED_BYTES as u64).next_multiple_of(BLOCK_BYTES as u64)
}

/// The records of one half, in order, and the bytes they take: from its start, as long as each is whole and has the number
/// after the one before. What follows is from before the half was begun again, or was never finished.
pub(super) fn records(mut half: Bytes) -> (Vec<(u64, Vec<Part>)>, usize) {
    let mut records: Vec<(u64, Vec<Part>)> = Vec::new();
    let whole = half.len();
    while let Some((number, parts, bytes)) = record(&half) {
        if records.last().is_some_and(|(last, _)| last + 1 != number) {
            break;
        }
        records.push((number, parts));
        half.advance(bytes.min(half.len()));
    }
    (records, whole - half.len())
}

fn record(half: &Bytes) -> Option<(u64, Vec<Part>, usize)> {
    let mut from = half.clone();
    if from.try_get_u32().ok()? != RECORD_MAGIC {
        return None;
    }
    let (length, crc) = (from.try_get_u32().ok()? as usize, from.try_get_u32().ok()?);
    if from.len() < length || crc32c::crc32c(&from[..length]) != crc {
        return None;
    }
    from.truncate(length);
    let number = from.try_get_u64().ok()?;
    let count = from.try_get_u32().ok()?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let mut topic = [0; 16];
        from.try_copy_to_slice(&mut topic).ok()?;
        let place = Place {
            topic: Uuid::from_bytes(topic),
            partition: from.try_get_i32().ok()?,
            segment: from.try_get_i64().ok()?,
            position: from.try_get_u64().ok()?,
        };
        let bytes = from.try_get_u32().ok()? as usize;
        if from.len() < bytes {
            return None;
        }
        parts.push(Part { place, bytes: from.split_to(bytes) });
    }
    Some((number, parts, (RECORD_PREFIX_BYTES + length).next_multiple_of(BLOCK_BYTES)))
}
