//! Parts of the engine alone: 256-bit sums, the order of float words, chunks as bytes.

use super::chunk::{CHUNK, Chunk, Entry, Layout, order_bits};
use super::codec;
use crate::wide::U256;
use domain::stream::TimeUnit;
use domain::{Field, FieldType, Kind, Roles, Stream, StreamMode, Value};
use project::FeatureFile;
use proptest::prelude::*;
use std::sync::Arc;

proptest! {
    #[test]
    fn sums_of_squares_are_exact(values in prop::collection::vec(-(1i128 << 60)..(1i128 << 60), 1..20)) {
        let sum = values.iter().fold(U256::default(), |s, x| s.add(U256::square(x.unsigned_abs())));
        let expected: u128 = values.iter().map(|x| x.unsigned_abs().pow(2)).sum();
        prop_assert_eq!(sum, U256 { hi: 0, lo: expected });
        let less = values[1..].iter().fold(sum, |s, x| s.sub(U256::square(x.unsigned_abs())));
        prop_assert_eq!(less, U256::square(values[0].unsigned_abs()));
    }

    #[test]
    fn wide_squares_are_products(x in 0u128..1 << 95, n in any::<u64>()) {
        // (2^64 a + b)^2 by schoolbook against repeated halves: x * x = (x - r) * (x + r) + r * r with r the low word.
        let square = U256::square(x);
        let low = x & u128::from(u64::MAX);
        let rest = U256::square(x - low).add(U256::square(low));
        // 2 * (x - low) * low, whose factors are 64 bits beside a shift.
        let cross = ((x >> 64) * low) << 1;
        prop_assert_eq!(square, rest.add(U256 { hi: cross >> 64, lo: cross << 64 }));
        let times = (0..64).filter(|bit| n >> bit & 1 == 1).fold(U256::default(), |sum, bit| {
            let shifted = if bit == 0 { square } else { U256 { hi: square.hi << bit | square.lo >> (128 - bit), lo: square.lo << bit } };
            sum.add(shifted)
        });
        prop_assert_eq!(square.times(n), times);
    }

    #[test]
    fn float_words_order_as_floats(a in any::<f64>(), b in any::<f64>()) {
        prop_assume!(!a.is_nan() && !b.is_nan());
        let (a, b) = (a + 0.0, b + 0.0);
        let word = |f: f64| order_bits(f.to_bits() as i64);
        prop_assert_eq!(word(a).cmp(&word(b)), a.total_cmp(&b));
        prop_assert_eq!(f64::from_bits(order_bits(word(a)) as u64).to_bits(), a.to_bits());
    }
}

fn group() -> crate::Group {
    let field = |name: &str, kind, required| Field {
        name: name.into(),
        kind,
        required,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    let stream = Stream {
        name: "s".into(),
        topic: "s".into(),
        description: String::new(),
        mode: StreamMode::Append,
        fields: vec![
            field("k", FieldType::Text, true),
            field("amount", FieldType::Decimal(2), false),
            field("place", FieldType::Text, false),
            field("score", FieldType::Float, true),
            field("online", FieldType::Boolean, false),
            field("at", FieldType::Timestamp(TimeUnit::Text), true),
        ],
        key: 0,
        event_time: 5,
        lateness: 1,
        skew: 1,
        closed: false,
        partitions: 1,
        judged: Some(Roles { id: 0, account: None, amount: None, kind: None }),
    };
    let sql = "select max(amount) over w as a, max(amount * 3) over w as b, last_value(place) over w as c, min(score) over w as d,
  max(online) over w as e, count(*) filter (where online) over w as f
from s window w as (partition by k order by at range interval '1 day' preceding)";
    let file = FeatureFile { path: "features/f.sql".into(), source: sql.into(), sql: sql.into(), lines: vec![1, 2, 3], join: vec![] };
    crate::compile(&[file], &[Arc::new(stream)]).expect("the file is right").groups.remove(0)
}

#[test]
fn chunks_come_back_from_bytes_and_damage_is_found() {
    let group = group();
    let layout = Layout::of(&group);
    let mut chunk = Chunk::new(&layout, 7, 1);
    let mut entry = Entry::default();
    for i in 0..CHUNK as i64 {
        entry.reset(&layout, i * i - 50);
        for (column, at) in layout.columns.iter().zip(0..) {
            let value = match column.ty {
                _ if (i + at) % 5 == 0 => Value::Null,
                domain::Type::Decimal(scale) => Value::Decimal(domain::Decimal::new(i128::from(i - 60) * 1_000_003, scale)),
                domain::Type::Text => Value::text("p".repeat(i as usize % 40)),
                domain::Type::Float => Value::Float(i as f64 / -7.0),
                _ => Value::Bool(i % 3 == 0),
            };
            entry.put(column, &value);
        }
        chunk.insert(&layout, i as usize, &entry);
    }
    let mut bytes = Vec::new();
    codec::encode_chunk(&layout, &chunk, 99, &mut bytes);
    assert_eq!(codec::expires(&bytes), Some(99));
    let back = codec::decode_chunk(&layout, 7, &bytes).expect("it is whole");
    for i in 0..CHUNK {
        assert_eq!(back.time(&layout, i), chunk.time(&layout, i));
        for column in &layout.columns {
            let (was, is) = (chunk.value(&layout, column, i), back.value(&layout, column, i));
            assert!(was == is && was.is_null() == is.is_null(), "{was:?} came back as {is:?}");
        }
    }
    for at in 8..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        assert_eq!(codec::decode_chunk(&layout, 7, &damaged).expect_err("a bit is wrong").kind, Kind::Stop);
        assert!(codec::decode_chunk(&layout, 7, &bytes[..at]).is_err());
    }
}
