//! What strangers' bytes go through, as functions that take any bytes and must neither crash, hang, nor ask for memory out of
//! proportion: requests off the socket, record batches, and the files of a partition after a bad night. A bounded run is part of the
//! tests; `make fuzz` runs them under libFuzzer for as long as one likes.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::files::DiskFiles;
use crate::log::{Isolation, Origin, Partition, PartitionOptions, Syncer};
use crate::records::{Batch, BatchBuilder, HEADER_BYTES, PREFIX_BYTES, batch_bytes};
use crate::security;
use crate::server;
use crate::settings::LogSettings;

/// Most bytes that the records of one input may take, decompressed.
const MOST_BYTES: usize = 1 << 20;
/// Where the checksum of a batch lies, and from where on it counts.
const CRC: std::ops::Range<usize> = 17..21;

/// A frame of a connection, after its length: header, shape, body; and the messages of a SASL exchange.
pub fn request(data: &[u8]) {
    server::decode_any(Bytes::copy_from_slice(data));
    security::parse_any(data);
}

/// A record batch as a producer sends it. The first byte says whether its checksum is put right first, so that mutations get to what
/// lies behind it.
pub fn records(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    let mut bytes = data.to_vec();
    if mode % 2 == 1 {
        seal(&mut bytes);
    }
    let Ok(batch) = Batch::parse(bytes.into()) else { return };
    let Ok(records) = batch.records_within(MOST_BYTES) else { return };
    let mut seen = 0;
    for record in &records {
        let Ok(record) = record else { break };
        seen += 1;
        for header in record.headers.iter() {
            if header.is_err() {
                break;
            }
        }
        assert!(record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) <= MOST_BYTES);
    }
    assert!(seen <= batch.record_count());
}

/// The files of a partition: one byte for which, four for how long, its bytes; again and again. The first byte says whether checksums
/// of batches are put right. Uses, and empties, the folder.
///
/// Whatever is opened can be read to its end, takes a record, and is the same when it is opened again. Where checksums were put right,
/// batches may say what nobody would have written, and it need only be survived.
pub fn recovery(data: &[u8], dir: &Path) {
    const FILES: [&str; 8] = [
        "00000000000000000000.log",
        "00000000000000000000.index",
        "00000000000000000005.log",
        "00000000000000000005.index",
        "00000000000000000012.log",
        "log-start",
        "compaction.json",
        "stopped-at",
    ];
    let Some((mode, mut rest)) = data.split_first() else { return };
    let sealed = mode % 2 == 1;
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).expect("a folder for the fuzzer");
    while let Some((head, behind)) = rest.split_first_chunk::<5>() {
        let bytes = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (content, behind) = behind.split_at(bytes.min(behind.len()));
        let name = FILES[usize::from(head[0]) % FILES.len()];
        let mut content = content.to_vec();
        if sealed && name.ends_with(".log") {
            seal(&mut content);
        }
        std::fs::write(dir.join(name), content).expect("a file for the fuzzer");
        rest = behind;
    }
    let Some(seen) = read(dir, None) else { return };
    let mut builder = BatchBuilder::default();
    builder.push(0, None, Some(b"one more"));
    let more = builder.build().expect("a small batch");
    let with_more = read(dir, Some(&more));
    if sealed {
        return;
    }
    let Some(with_more) = with_more else { panic!("what was opened cannot be opened again") };
    assert!(with_more.starts_with(&seen), "what was read is not there any more");
    assert_eq!(with_more.len(), seen.len() + 1);
    assert!(with_more.is_sorted_by(|a, b| a.0 < b.0), "offsets go backwards");
}

/// Opens the partition, appends, and reads every record: offset and value.
fn read(dir: &Path, append: Option<&Batch>) -> Option<Vec<(i64, Vec<u8>)>> {
    static SYNCER: OnceLock<Arc<Syncer>> = OnceLock::new();
    let options = PartitionOptions { sync: false, settings: LogSettings::plain(1 << 20, u64::MAX, 1 << 20), topic_id: uuid::Uuid::nil() };
    let syncer = SYNCER.get_or_init(|| Syncer::new(1, None, Arc::default())).clone();
    let partition = Partition::open("t".into(), 0, dir.to_path_buf(), Arc::new(DiskFiles), options, syncer).ok()?;
    if let Some(batch) = append {
        partition.append(batch, Origin::Local).ok()?.durable.wait().ok()?;
    }
    let mut seen: Vec<(i64, Vec<u8>)> = Vec::new();
    let mut offset = partition.watermarks().log_start;
    loop {
        let fetched = partition.read(offset, 1 << 16, Isolation::Appended).ok()?;
        for batch in &fetched.batches {
            for record in &batch.records_within(MOST_BYTES).ok()? {
                let record = record.ok()?;
                seen.push((record.offset, record.value.unwrap_or_default().to_vec()));
            }
        }
        if fetched.next_offset <= offset {
            return Some(seen);
        }
        offset = fetched.next_offset;
    }
}

/// Puts the checksums right of all batches that lie one behind the other.
fn seal(bytes: &mut [u8]) {
    let mut rest = bytes;
    while rest.len() >= HEADER_BYTES {
        let Some(size) = batch_bytes(&rest[..PREFIX_BYTES]).filter(|size| (HEADER_BYTES..=rest.len()).contains(size)) else { return };
        let (batch, behind) = rest.split_at_mut(size);
        let crc = crc32c::crc32c(&batch[CRC.end..]);
        batch[CRC].copy_from_slice(&crc.to_be_bytes());
        rest = behind;
    }
}

#[cfg(test)]
mod tests;
