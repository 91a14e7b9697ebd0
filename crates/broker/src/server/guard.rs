//! A look at a request's body before it is decoded. The decoder makes room for as many array elements as a frame
//! claims, so a few crafted bytes could ask for gigabytes; here the shape is walked without allocating anything,
//! and a frame whose arrays are not really there, or are absurdly long, is refused. One line a request kind.

use kafka_protocol::messages::ApiKey;

/// Most array elements of one request, all arrays together. Honest clients stay far below.
const MOST_ELEMENTS: usize = 1_000_000;
const LAST: i16 = i16::MAX;

/// A field, from and up to which version it is there, and what it is.
type Field = (i16, i16, Kind);

#[derive(Clone, Copy)]
enum Kind {
    /// That many bytes.
    Fixed(usize),
    Text,
    Bytes,
    /// An array of plain values.
    Values(&'static Kind),
    /// An array of structures.
    Structs(&'static [Field]),
    /// A structure, or a byte that says there is none.
    Optional(&'static [Field]),
}

use Kind::{Bytes, Fixed, Optional, Structs, Text, Values};

const fn all(kind: Kind) -> Field {
    (0, LAST, kind)
}

const fn since(version: i16, kind: Kind) -> Field {
    (version, LAST, kind)
}

const fn until(version: i16, kind: Kind) -> Field {
    (0, version, kind)
}

const NUMBERS: Kind = Values(&Fixed(4));
const TEXTS: Kind = Values(&Text);
const TOPIC_NUMBERS: &[Field] = &[all(Text), all(NUMBERS)];

const PRODUCE: &[Field] = &[all(Text), all(Fixed(2 + 4)), all(Structs(&[all(Text), all(Structs(&[all(Fixed(4)), all(Bytes)]))]))];
const FETCH_PARTITION: &[Field] =
    &[all(Fixed(4)), since(9, Fixed(4)), all(Fixed(8)), since(12, Fixed(4)), since(5, Fixed(8)), all(Fixed(4))];
const FETCH: &[Field] = &[
    until(14, Fixed(4)),
    all(Fixed(4 + 4 + 4 + 1)),
    since(7, Fixed(4 + 4)),
    all(Structs(&[until(12, Text), since(13, Fixed(16)), all(Structs(FETCH_PARTITION))])),
    since(7, Structs(&[until(12, Text), since(13, Fixed(16)), all(NUMBERS)])),
    since(11, Text),
];
const LIST_OFFSETS: &[Field] =
    &[all(Fixed(4)), since(2, Fixed(1)), all(Structs(&[all(Text), all(Structs(&[all(Fixed(4)), since(4, Fixed(4)), all(Fixed(8))]))]))];
const METADATA: &[Field] = &[all(Structs(&[since(10, Fixed(16)), all(Text)])), since(4, Fixed(1)), (8, 10, Fixed(1)), since(8, Fixed(1))];
const OFFSET_COMMIT: &[Field] = &[
    all(Text),
    all(Fixed(4)),
    all(Text),
    since(7, Text),
    until(4, Fixed(8)),
    all(Structs(&[all(Text), all(Structs(&[all(Fixed(4 + 8)), since(6, Fixed(4)), all(Text)]))])),
];
const OFFSET_FETCH: &[Field] = &[
    until(7, Text),
    until(7, Structs(TOPIC_NUMBERS)),
    since(8, Structs(&[all(Text), since(9, Text), since(9, Fixed(4)), all(Structs(TOPIC_NUMBERS))])),
    since(7, Fixed(1)),
];
const JOIN_GROUP: &[Field] = &[
    all(Text),
    all(Fixed(4)),
    since(1, Fixed(4)),
    all(Text),
    since(5, Text),
    all(Text),
    all(Structs(&[all(Text), all(Bytes)])),
    since(8, Text),
];
const SYNC_GROUP: &[Field] =
    &[all(Text), all(Fixed(4)), all(Text), since(3, Text), since(5, Text), since(5, Text), all(Structs(&[all(Text), all(Bytes)]))];
const CREATE_TOPICS: &[Field] = &[
    all(Structs(&[all(Text), all(Fixed(4 + 2)), all(Structs(&[all(Fixed(4)), all(NUMBERS)])), all(Structs(&[all(Text), all(Text)]))])),
    all(Fixed(4 + 1)),
];
const TXN_OFFSET_COMMIT: &[Field] = &[
    all(Text),
    all(Text),
    all(Fixed(8 + 2)),
    since(3, Fixed(4)),
    since(3, Text),
    since(3, Text),
    all(Structs(&[all(Text), all(Structs(&[all(Fixed(4 + 8)), since(2, Fixed(4)), all(Text)]))])),
];

const DESCRIBE_CONFIGS: &[Field] = &[all(Structs(&[all(Fixed(1)), all(Text), all(TEXTS)])), all(Fixed(1)), since(3, Fixed(1))];

const INCREMENTAL_ALTER_CONFIGS: &[Field] =
    &[all(Structs(&[all(Fixed(1)), all(Text), all(Structs(&[all(Text), all(Fixed(1)), all(Text)]))])), all(Fixed(1))];

/// Request kinds, the version from which lengths are varints and structures end in tagged fields, and the fields.
const SHAPES: &[(ApiKey, i16, &[Field])] = &[
    (ApiKey::Produce, 9, PRODUCE),
    (ApiKey::Fetch, 12, FETCH),
    (ApiKey::ListOffsets, 6, LIST_OFFSETS),
    (ApiKey::Metadata, 9, METADATA),
    (ApiKey::OffsetCommit, 8, OFFSET_COMMIT),
    (ApiKey::OffsetFetch, 6, OFFSET_FETCH),
    (ApiKey::FindCoordinator, 3, &[until(3, Text), since(1, Fixed(1)), since(4, TEXTS)]),
    (ApiKey::JoinGroup, 6, JOIN_GROUP),
    (ApiKey::Heartbeat, 4, &[all(Text), all(Fixed(4)), all(Text), since(3, Text)]),
    (ApiKey::LeaveGroup, 4, &[all(Text), until(2, Text), since(3, Structs(&[all(Text), all(Text), since(5, Text)]))]),
    (ApiKey::SyncGroup, 4, SYNC_GROUP),
    (ApiKey::DescribeGroups, 5, &[all(TEXTS), since(3, Fixed(1))]),
    (ApiKey::ListGroups, 3, &[since(4, TEXTS), since(5, TEXTS)]),
    (ApiKey::DeleteGroups, 2, &[all(TEXTS)]),
    (ApiKey::SaslHandshake, LAST, &[all(Text)]),
    (ApiKey::SaslAuthenticate, 2, &[all(Bytes)]),
    (ApiKey::ApiVersions, 3, &[since(3, Text), since(3, Text)]),
    (ApiKey::CreateTopics, 5, CREATE_TOPICS),
    (ApiKey::DeleteTopics, 4, &[since(6, Structs(&[all(Text), all(Fixed(16))])), until(5, TEXTS), all(Fixed(4))]),
    (ApiKey::DeleteRecords, 2, &[all(Structs(&[all(Text), all(Structs(&[all(Fixed(4 + 8))]))])), all(Fixed(4))]),
    (ApiKey::InitProducerId, 2, &[all(Text), all(Fixed(4)), since(3, Fixed(8 + 2))]),
    (ApiKey::OffsetForLeaderEpoch, 4, &[since(3, Fixed(4)), all(Structs(&[all(Text), all(Structs(&[all(Fixed(12))]))]))]),
    (ApiKey::AddPartitionsToTxn, 3, &[all(Text), all(Fixed(8 + 2)), all(Structs(TOPIC_NUMBERS))]),
    (ApiKey::AddOffsetsToTxn, 3, &[all(Text), all(Fixed(8 + 2)), all(Text)]),
    (ApiKey::EndTxn, 3, &[all(Text), all(Fixed(8 + 2 + 1))]),
    (ApiKey::TxnOffsetCommit, 3, TXN_OFFSET_COMMIT),
    (ApiKey::DescribeConfigs, 4, DESCRIBE_CONFIGS),
    (ApiKey::AlterConfigs, 2, &[all(Structs(&[all(Fixed(1)), all(Text), all(Structs(&[all(Text), all(Text)]))])), all(Fixed(1))]),
    (ApiKey::IncrementalAlterConfigs, 1, INCREMENTAL_ALTER_CONFIGS),
    (ApiKey::CreatePartitions, 2, &[all(Structs(&[all(Text), all(Fixed(4)), all(Structs(&[all(NUMBERS)]))])), all(Fixed(4 + 1))]),
    (ApiKey::OffsetDelete, LAST, &[all(Text), all(Structs(TOPIC_NUMBERS))]),
    (ApiKey::DescribeProducers, 0, &[all(Structs(TOPIC_NUMBERS))]),
    (ApiKey::DescribeTransactions, 0, &[all(TEXTS)]),
    (ApiKey::ListTransactions, 0, &[all(TEXTS), all(Values(&Fixed(8))), since(1, Fixed(8))]),
    (ApiKey::DescribeLogDirs, 2, &[all(Structs(TOPIC_NUMBERS))]),
    (ApiKey::DescribeTopicPartitions, 0, &[all(Structs(&[all(Text)])), all(Fixed(4)), all(Optional(&[all(Text), all(Fixed(4))]))]),
    (ApiKey::DescribeCluster, 0, &[all(Fixed(1)), since(1, Fixed(1)), since(2, Fixed(1))]),
];

/// Bytes that may stand behind a body. Kafka reads no further than the fields, and librdkafka (2.12) leaves three behind the null topics of a
/// Metadata request.
const MOST_LEFT_OVER: usize = 16;

/// Whether a body has the shape of its kind and version.
pub(super) fn is_well_formed(key: ApiKey, version: i16, body: &[u8]) -> bool {
    let Some((_, flexible_from, fields)) = SHAPES.iter().find(|(known, ..)| *known == key) else { return false };
    let mut walk = Walk { rest: body, version, flexible: version >= *flexible_from, elements: 0 };
    walk.fields(fields).is_some() && walk.rest.len() <= MOST_LEFT_OVER
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Option<()> {
        for (from, to, kind) in fields {
            if (*from..=*to).contains(&self.version) {
                self.value(kind)?;
            }
        }
        if self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let bytes = self.varint()?;
                self.skip(bytes as usize)?;
            }
        }
        Some(())
    }

    fn value(&mut self, kind: &Kind) -> Option<()> {
        match kind {
            Fixed(bytes) => self.skip(*bytes),
            Text => {
                let bytes = self.length(2)?;
                self.skip(bytes)
            }
            Bytes => {
                let bytes = self.length(4)?;
                self.skip(bytes)
            }
            Values(kind) => {
                for _ in 0..self.count()? {
                    self.value(kind)?;
                }
                Some(())
            }
            Structs(fields) => {
                for _ in 0..self.count()? {
                    self.fields(fields)?;
                }
                Some(())
            }
            Optional(fields) => {
                let (&there, rest) = self.rest.split_first()?;
                self.rest = rest;
                if there as i8 >= 0 { self.fields(fields) } else { Some(()) }
            }
        }
    }

    fn count(&mut self) -> Option<usize> {
        let count = self.length(4)?;
        self.elements = self.elements.checked_add(count).filter(|elements| *elements <= MOST_ELEMENTS)?;
        Some(count)
    }

    /// A length: of `width` bytes, or in flexible versions a varint that is one more. Null counts as 0.
    fn length(&mut self, width: usize) -> Option<usize> {
        if self.flexible {
            return Some((self.varint()? as usize).saturating_sub(1));
        }
        let (length, rest) = self.rest.split_at_checked(width)?;
        self.rest = rest;
        let length = match length {
            [a, b] => i32::from(i16::from_be_bytes([*a, *b])),
            [a, b, c, d] => i32::from_be_bytes([*a, *b, *c, *d]),
            _ => return None,
        };
        if length == -1 { Some(0) } else { usize::try_from(length).ok() }
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for at in 0..5 {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u32::from(byte & 0x7f).checked_shl(7 * at)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }
}
