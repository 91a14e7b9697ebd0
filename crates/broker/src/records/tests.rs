//! Batches: round trips, foreign framings, limits, and bytes that are no batch at all.

use proptest::prelude::*;

use super::*;

const CODECS: [Compression; 5] = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

type Plain = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn record() -> impl Strategy<Value = Plain> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    (-1_000_000_000_000i64..4_000_000_000_000, bytes(), bytes(), proptest::collection::vec(("[a-z]{0,9}", bytes()), 0..4))
}

fn read(batch: &Batch) -> Vec<(i64, Plain)> {
    let records = batch.records().unwrap();
    let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    records
        .iter()
        .map(|record| {
            let record = record.unwrap();
            let headers = record.headers.iter().map(|header| {
                let header = header.unwrap();
                (String::from_utf8(header.name.to_vec()).unwrap(), own(header.value))
            });
            (record.offset, (record.timestamp, own(record.key), own(record.value), headers.collect()))
        })
        .collect()
}

fn sample(codec: Compression) -> Batch {
    let mut builder = BatchBuilder::new(codec);
    for n in 0..50 {
        builder.push(n, Some(b"key"), Some(format!("a value that repeats, number {n}").as_bytes()));
    }
    builder.build().unwrap()
}

proptest! {
    #[test]
    fn a_batch_gives_back_what_went_in(
        records in proptest::collection::vec(record(), 1..40),
        codec in 0usize..5,
    ) {
        let mut builder = BatchBuilder::new(CODECS[codec]);
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<(&str, Option<&[u8]>)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
            builder.push_with_headers(*timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let batch = builder.build().unwrap();
        let parsed = Batch::parse(batch.bytes().clone()).unwrap();
        prop_assert_eq!(&parsed, &batch);
        prop_assert_eq!(parsed.header().max_timestamp, records.iter().map(|r| r.0).max().unwrap());
        let found = read(&parsed);
        prop_assert_eq!(found.len(), records.len());
        for (at, (offset, plain)) in found.into_iter().enumerate() {
            prop_assert_eq!(offset, at as i64);
            prop_assert_eq!(&plain, &records[at]);
        }
    }

    #[test]
    fn a_flipped_bit_is_found(bit in 0usize..8, at in 0.0f64..1.0, codec in 0usize..5) {
        let batch = sample(CODECS[codec]);
        let mut bytes = batch.bytes().to_vec();
        let at = 8 + ((bytes.len() - 8) as f64 * at) as usize;
        bytes[at] ^= 1 << bit;
        match Batch::parse(bytes.into()) {
            // The leader epoch (and the base offset) are the broker's own and not covered by the checksum.
            Ok(parsed) => prop_assert!((12..16).contains(&at), "byte {} of {:?}", at, parsed.header()),
            Err(Error::CorruptBatch(_) | Error::InvalidBatch(_)) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), count in 0i32..1000, codec in 0i16..8) {
        let _ = Batch::parse(bytes.clone().into());
        // Sealed like a good batch, so that the reader sees the nonsense behind the checksum.
        let mut sealed = vec![0; HEADER_BYTES];
        sealed.extend_from_slice(&bytes);
        let mut header = *sample(Compression::None).header();
        header.record_count = count;
        header.attributes = codec;
        header.seal(&mut sealed);
        let batch = Batch::parse(sealed.into()).unwrap();
        if let Ok(records) = batch.records_within(1 << 20) {
            let mut seen = 0;
            for record in &records {
                seen += 1;
                if let Ok(record) = record {
                    for header in record.headers.iter() {
                        let _ = header;
                    }
                }
            }
            prop_assert!(seen <= count);
        }
    }
}

#[test]
fn a_decompression_bomb_meets_the_limit() {
    for codec in CODECS.into_iter().skip(1) {
        let mut builder = BatchBuilder::new(codec);
        builder.push(0, None, Some(&vec![7; 4 << 20]));
        let batch = builder.build().unwrap();
        assert!(batch.bytes().len() < 400 << 10, "{codec:?} packs to {}", batch.bytes().len());
        assert!(matches!(batch.records_within(1 << 20), Err(Error::TooLarge { .. })), "{codec:?}");
        assert_eq!(batch.records_within(8 << 20).unwrap().iter().count(), 1);
    }
}

#[test]
fn snappy_in_the_framing_of_java_clients_is_read() {
    let plain = sample(Compression::None);
    let payload = &plain.bytes()[HEADER_BYTES..];
    let mut framed = vec![0; HEADER_BYTES];
    framed.extend_from_slice(b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01");
    for block in payload.chunks(100) {
        let packed = snap::raw::Encoder::new().compress_vec(block).unwrap();
        framed.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        framed.extend_from_slice(&packed);
    }
    let mut header = *plain.header();
    header.attributes = 2;
    header.seal(&mut framed);
    assert_eq!(read(&Batch::parse(framed.into()).unwrap()), read(&plain));
}

#[test]
fn a_shared_field_outlives_the_batch() {
    let batch = sample(Compression::Lz4);
    let records = batch.records().unwrap();
    let value = records.share(records.iter().nth(3).unwrap().unwrap().value.unwrap());
    drop((records, batch));
    assert_eq!(value, "a value that repeats, number 3");
}

#[test]
fn headers_are_found_by_name() {
    let mut builder = BatchBuilder::default();
    builder.push_with_headers(0, None, None, &[("a", Some(b"1")), ("b", None), ("a", Some(b"2"))]);
    let batch = builder.build().unwrap();
    let records = batch.records().unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert_eq!(record.headers.get("a"), Some(&b"2"[..]));
    assert_eq!(record.headers.get("b"), None);
    assert_eq!(record.headers.len(), 3);
}

#[test]
fn sequences_wrap_after_the_greatest() {
    let mut header = *sample(Compression::None).header();
    header.base_sequence = i32::MAX - 1;
    header.last_offset_delta = 3;
    assert_eq!(header.last_sequence(), 1);
}

#[test]
fn an_empty_batch_is_refused() {
    assert!(matches!(BatchBuilder::default().build(), Err(Error::InvalidBatch(_))));
}

#[test]
fn a_batch_without_some_records_keeps_the_others_as_they_were() {
    for codec in CODECS {
        let mut builder = BatchBuilder::new(codec).producer(5, 1, 40);
        for n in 0..50u8 {
            let value = (n % 7 > 0).then_some(&b"value"[..]);
            builder.push_with_headers(1_000 + i64::from(n), Some(&[n]), value, &[("name", Some(&[n, n])), ("null", None)]);
        }
        let batch = builder.build().unwrap();
        assert_eq!(batch.retain(None, |_| true).unwrap().unwrap(), batch);
        assert!(batch.retain(None, |_| false).unwrap().is_none());
        for horizon in [None, Some(9_999)] {
            let kept = batch.retain(horizon, |record| record.offset % 3 == 1).unwrap().unwrap();
            let kept = Batch::parse(kept.bytes().clone()).unwrap();
            assert_eq!((kept.base_offset(), kept.last_offset(), kept.header().last_sequence()), (0, 49, 89));
            assert_eq!(kept.header().delete_horizon_ms(), horizon);
            let (before, after) = (batch.records().unwrap(), kept.records().unwrap());
            let before = before.iter().map(Result::unwrap).filter(|record| record.offset % 3 == 1);
            assert!(before.eq(after.iter().map(Result::unwrap)));
            let again = kept.retain(horizon, |record| record.offset > 1).unwrap().unwrap();
            assert_eq!(again.records().unwrap().iter().next().unwrap().unwrap().timestamp, 1_004);
        }
    }
}
