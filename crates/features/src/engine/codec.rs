//! Chunks and bases as bytes on disk. Times and integers are variable-length differences or values, so a chunk takes a few
//! bytes an event; a CRC32C in front finds torn or foreign bytes.
//!
//! Every value opens with the moment after which it is of no use (for clean-up on disk without decoding), then the checksum.

use super::aggregate::{Key, Moments};
use super::base::{Base, Folded};
use super::chunk::{Chunk, Entry, Layout, Place};
use super::entity::Entity;
use crate::wide::U256;
use domain::{Decimal, Error, Result, Text, Value};

const VERSION: u8 = 1;
const PREFIX: usize = 8 + 4;

/// The time after which a stored value is of no use, from its first bytes; `None` if it must stay.
pub fn expires(value: &[u8]) -> Option<i64> {
    let time = i64::from_le_bytes(value.get(..8)?.try_into().ok()?);
    (time != i64::MAX).then_some(time)
}

/// Whether an entity's chunks stand under ranks of their own, from the first bytes of its record at rank 0.
pub fn has_chunks(header: &[u8]) -> bool {
    header.get(PREFIX + 1).is_none_or(|flags| flags & 1 == 0)
}

fn damaged(what: &str) -> Error {
    Error::stop(
        format!("stored feature state is damaged: {what}"),
        "remove the state folder: it is a cache, and is filled from the log again at the next start",
    )
}

/// Opens a value in `out`; [`close`] ends it.
fn open(out: &mut Vec<u8>, expires: i64) -> usize {
    let start = out.len();
    out.extend_from_slice(&expires.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(VERSION);
    start
}

fn close(out: &mut [u8], start: usize) {
    let crc = crc32c::crc32c(&out[start + PREFIX..]);
    out[start + 8..start + PREFIX].copy_from_slice(&crc.to_le_bytes());
}

fn checked(bytes: &[u8]) -> Result<Reader<'_>> {
    if bytes.len() < PREFIX + 1 {
        return Err(damaged("a value is too short"));
    }
    let crc = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    if crc32c::crc32c(&bytes[PREFIX..]) != crc {
        return Err(damaged("a checksum does not match"));
    }
    if bytes[PREFIX] != VERSION {
        return Err(damaged("written by another version"));
    }
    Ok(Reader { bytes: &bytes[PREFIX + 1..] })
}

/// Rank 0: the base, and the only chunk where there is just one.
pub(crate) fn encode_header(layout: &Layout, entity: &Entity, expires: i64, out: &mut Vec<u8>) {
    let start = open(out, expires);
    let whole = entity.log.chunks.len() == 1;
    out.push(u8::from(whole) | (u8::from(entity.base.is_some()) << 1));
    if let Some(base) = &entity.base {
        encode_base(base, out);
    }
    if let (true, Some(chunk)) = (whole, entity.log.chunks.front()) {
        put_varint(chunk.rank, out);
        encode_entries(layout, chunk, out);
    }
    close(out, start);
}

pub(crate) fn encode_chunk(layout: &Layout, chunk: &Chunk, expires: i64, out: &mut Vec<u8>) {
    let start = open(out, expires);
    encode_entries(layout, chunk, out);
    close(out, start);
}

/// Base and, where it is the only one, the chunk.
pub(crate) fn decode_header(layout: &Layout, bytes: &[u8], expected: usize) -> Result<(Option<Base>, Option<Chunk>)> {
    let mut reader = checked(bytes)?;
    let flags = reader.byte()?;
    let base = if flags & 2 != 0 { Some(decode_base(&mut reader, expected)?) } else { None };
    let chunk = if flags & 1 != 0 {
        let rank = reader.varint()?;
        Some(decode_entries(layout, rank, &mut reader)?)
    } else {
        None
    };
    Ok((base, chunk))
}

pub(crate) fn decode_chunk(layout: &Layout, rank: u64, bytes: &[u8]) -> Result<Chunk> {
    decode_entries(layout, rank, &mut checked(bytes)?)
}

fn encode_entries(layout: &Layout, chunk: &Chunk, out: &mut Vec<u8>) {
    let len = chunk.len();
    out.push(len as u8);
    let mut before = 0i64;
    for i in 0..len {
        let time = chunk.time(layout, i);
        put_varint(zigzag(time.wrapping_sub(before)), out);
        before = time;
    }
    for mask in 0..layout.masks {
        for byte in 0..len.div_ceil(8) {
            let bits = (0..8).filter(|bit| byte * 8 + bit < len && chunk.bit(mask, byte * 8 + bit)).fold(0u8, |b, bit| b | 1 << bit);
            out.push(bits);
        }
    }
    for column in &layout.columns {
        match column.place {
            Place::Word(stripe) if column.ty == domain::Type::Float => {
                for i in 0..len {
                    out.extend_from_slice(&chunk.word(layout, stripe, i).to_le_bytes());
                }
            }
            Place::Word(stripe) => {
                for i in 0..len {
                    put_varint(zigzag(chunk.word(layout, stripe, i)), out);
                }
            }
            Place::Wide(stripe) => {
                for i in 0..len {
                    out.extend_from_slice(&chunk.wide(layout, stripe, i).to_le_bytes());
                }
            }
            Place::Text(index) => {
                for i in 0..len {
                    put_text(chunk.text(layout, index, i), out);
                }
            }
            Place::Flag(_) => {}
        }
    }
}

fn decode_entries(layout: &Layout, rank: u64, reader: &mut Reader<'_>) -> Result<Chunk> {
    let len = usize::from(reader.byte()?);
    if len > super::chunk::CHUNK {
        return Err(damaged("a chunk is too long"));
    }
    let mut entries: Vec<Entry> = (0..len).map(|_| Entry::default()).collect();
    let mut time = 0i64;
    for entry in &mut entries {
        time = time.wrapping_add(unzigzag(reader.varint()?));
        entry.reset(layout, time);
    }
    for mask in 0..layout.masks {
        let bits = reader.take(len.div_ceil(8))?;
        for (i, entry) in entries.iter_mut().enumerate() {
            entry.bits[mask] = (bits[i / 8] >> (i % 8)) & 1 != 0;
        }
    }
    for column in &layout.columns {
        for entry in &mut entries {
            match column.place {
                Place::Word(stripe) if column.ty == domain::Type::Float => entry.words[stripe] = i64::from_le_bytes(reader.array()?),
                Place::Word(stripe) => entry.words[stripe] = unzigzag(reader.varint()?),
                Place::Wide(stripe) => {
                    let wide = i128::from_le_bytes(reader.array()?);
                    entry.words[stripe] = wide as i64;
                    entry.words[stripe + 1] = (wide >> 64) as i64;
                }
                Place::Text(index) => entry.texts[index] = reader.text()?,
                Place::Flag(_) => {}
            }
        }
    }
    let mut chunk = Chunk::new(layout, rank, len.max(1));
    for (i, entry) in entries.iter().enumerate() {
        chunk.insert(layout, i, entry);
    }
    Ok(chunk)
}

fn encode_base(base: &Base, out: &mut Vec<u8>) {
    out.push(base.0.len() as u8);
    for folded in &base.0 {
        match folded {
            Folded::Nothing => out.push(0),
            Folded::Count(n) => {
                out.push(1);
                put_varint(*n, out);
            }
            Folded::Moments(m) => {
                out.push(2);
                put_varint(m.count, out);
                put_varint(m.huge, out);
                out.extend_from_slice(&m.sum.to_le_bytes());
                out.extend_from_slice(&m.squares.lo.to_le_bytes());
                out.extend_from_slice(&m.squares.hi.to_le_bytes());
            }
            Folded::Extreme(None) | Folded::Entry(None) => out.push(if matches!(folded, Folded::Entry(_)) { 4 } else { 3 }),
            Folded::Extreme(Some(Key::Word(w))) => {
                out.push(5);
                put_varint(zigzag(*w), out);
            }
            Folded::Extreme(Some(Key::Wide(w))) => {
                out.push(6);
                out.extend_from_slice(&w.to_le_bytes());
            }
            Folded::Extreme(Some(Key::Text(t))) => {
                out.push(7);
                put_text(t, out);
            }
            Folded::Entry(Some((time, value))) => {
                out.push(8);
                put_varint(zigzag(*time), out);
                put_value(value, out);
            }
        }
    }
}

fn decode_base(reader: &mut Reader<'_>, expected: usize) -> Result<Base> {
    let n = usize::from(reader.byte()?);
    if n != expected {
        return Err(damaged("a base of another shape"));
    }
    let mut base = Vec::with_capacity(n);
    for _ in 0..n {
        base.push(match reader.byte()? {
            0 => Folded::Nothing,
            1 => Folded::Count(reader.varint()?),
            2 => Folded::Moments(Moments {
                count: reader.varint()?,
                huge: reader.varint()?,
                sum: i128::from_le_bytes(reader.array()?),
                squares: {
                    let lo = u128::from_le_bytes(reader.array()?);
                    U256 { lo, hi: u128::from_le_bytes(reader.array()?) }
                },
            }),
            3 => Folded::Extreme(None),
            4 => Folded::Entry(None),
            5 => Folded::Extreme(Some(Key::Word(unzigzag(reader.varint()?)))),
            6 => Folded::Extreme(Some(Key::Wide(i128::from_le_bytes(reader.array()?)))),
            7 => Folded::Extreme(Some(Key::Text(reader.text()?))),
            8 => {
                let time = unzigzag(reader.varint()?);
                Folded::Entry(Some((time, reader.value()?)))
            }
            _ => return Err(damaged("an unknown kind of aggregate")),
        });
    }
    Ok(Base(base))
}

pub(crate) fn put_varint(mut v: u64, out: &mut Vec<u8>) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn put_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(b) => out.extend_from_slice(&[1, u8::from(*b)]),
        Value::Int(i) => {
            out.push(2);
            out.extend_from_slice(&i.to_le_bytes());
        }
        Value::Decimal(d) => {
            out.extend_from_slice(&[3, d.scale]);
            out.extend_from_slice(&d.unscaled.to_le_bytes());
        }
        Value::Float(f) => {
            out.push(4);
            out.extend_from_slice(&f.to_le_bytes());
        }
        Value::Timestamp(t) => {
            out.push(5);
            out.extend_from_slice(&t.to_le_bytes());
        }
        Value::Interval(t) => {
            out.push(6);
            out.extend_from_slice(&t.to_le_bytes());
        }
        Value::Text(t) => {
            out.push(7);
            put_text(t, out);
        }
    }
}

pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n).ok_or_else(|| damaged("a value ends early"))?;
        self.bytes = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            v |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(v);
            }
        }
        Err(damaged("a number is too long"))
    }

    fn text(&mut self) -> Result<Text> {
        let len = self.varint()?;
        let bytes = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        Ok(Text::new(std::str::from_utf8(bytes).map_err(|e| damaged("a text").because(e))?))
    }

    fn value(&mut self) -> Result<Value> {
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Bool(self.byte()? != 0),
            2 => Value::Int(i64::from_le_bytes(self.array()?)),
            3 => {
                let scale = self.byte()?;
                if scale > domain::decimal::MAX_DIGITS {
                    return Err(damaged("a decimal"));
                }
                Value::Decimal(Decimal::new(i128::from_le_bytes(self.array()?), scale))
            }
            4 => Value::Float(f64::from_le_bytes(self.array()?)),
            5 => Value::Timestamp(i64::from_le_bytes(self.array()?)),
            6 => Value::Interval(i64::from_le_bytes(self.array()?)),
            7 => Value::Text(self.text()?),
            _ => return Err(damaged("a value of unknown kind")),
        })
    }
}
