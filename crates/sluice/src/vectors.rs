//! Feature vectors as the `features` topic holds them: one record a batch, column by column, LZ4. Its schema is the project version
//! whose digest it carries, so a batch of one costs no more than its values.
//!
//! ```text
//! "SFV1" | digest (16 bytes) | lz4 block, its plain size first (u32 little endian):
//!   rows (varint) | columns (varint) | sequence of each row (varint, as the difference to the row before)
//!   each column: kind (1 byte) | scale (1 byte) | nulls (1 bit a row, set where null) | the values that are not null
//! ```
//! Integers, timestamps and intervals are zigzag varints, decimals 16 bytes little endian, floats 8, booleans 1, text a varint
//! length and UTF-8. A column whose rows are all null has kind 0 and nothing after its two bytes.

use domain::{Decimal, Value};
use std::cell::RefCell;

const MAGIC: &[u8; 4] = b"SFV1";

/// A batch of vectors, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    /// Of the project version that names the columns: 32 hex digits.
    pub digest: String,
    pub sequences: Vec<u64>,
    /// Row by row, `columns` values each.
    pub values: Vec<Value>,
    pub columns: usize,
}

/// Writes `values` (row by row, `columns` each) for the rows with these sequence numbers (ascending).
pub fn encode(digest: &str, sequences: &[u64], columns: usize, values: &[Value]) -> Vec<u8> {
    SCRATCH.with_borrow_mut(|scratch| encode_with(scratch, digest, sequences, columns, values))
}

thread_local! {
    /// The plain and the packed bytes of the vectors before. Fresh pages for each batch cost more than all the writing.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

fn encode_with((plain, packed): &mut (Vec<u8>, Vec<u8>), digest: &str, sequences: &[u64], columns: usize, values: &[Value]) -> Vec<u8> {
    let rows = sequences.len();
    plain.clear();
    put(plain, rows as u64);
    put(plain, columns as u64);
    let mut before = 0;
    for sequence in sequences {
        put(plain, sequence.wrapping_sub(before));
        before = *sequence;
    }
    for column in 0..columns {
        let cells = || (0..rows).map(|row| &values[row * columns + column]);
        let Some(first) = cells().find(|v| !v.is_null()) else {
            plain.extend_from_slice(&[0, 0]);
            continue;
        };
        plain.extend_from_slice(&kind(first));
        let bits = plain.len();
        plain.resize(bits + rows.div_ceil(8), 0);
        for (row, value) in cells().enumerate() {
            match value {
                Value::Null => plain[bits + row / 8] |= 1 << (row % 8),
                Value::Bool(b) => plain.push(u8::from(*b)),
                Value::Int(i) | Value::Timestamp(i) | Value::Interval(i) => put(plain, zigzag(*i)),
                Value::Decimal(d) => plain.extend_from_slice(&d.unscaled.to_le_bytes()),
                Value::Float(f) => plain.extend_from_slice(&f.to_le_bytes()),
                Value::Text(t) => {
                    put(plain, t.len() as u64);
                    plain.extend_from_slice(t.as_bytes());
                }
            }
        }
    }
    packed.resize(lz4_flex::block::get_maximum_output_size(plain.len()), 0);
    // The buffer is as large as the worst case asks for.
    let length = lz4_flex::block::compress_into(plain, packed).unwrap_or_default();
    let mut out = Vec::with_capacity(24 + length);
    out.extend_from_slice(MAGIC);
    let mut id = [0; 16];
    // A digest is 32 hex digits wherever it comes from a project.
    let _ = hex::decode_to_slice(digest, &mut id);
    out.extend_from_slice(&id);
    out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    out.extend_from_slice(&packed[..length]);
    out
}

/// # Errors
/// What is wrong with the bytes.
pub fn decode(bytes: &[u8]) -> Result<Vectors, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("does not start with SFV1")?;
    let (id, packed) = rest.split_at_checked(16).ok_or("ends inside the digest")?;
    let plain = lz4_flex::block::decompress_size_prepended(packed).map_err(|e| e.to_string())?;
    let mut at = &plain[..];
    let rows = take(&mut at)? as usize;
    let columns = take(&mut at)? as usize;
    if rows.saturating_mul(columns.max(1)) > plain.len().saturating_mul(64) {
        return Err(format!("{rows} rows of {columns} columns cannot be in {} bytes", plain.len()));
    }
    let mut sequences = Vec::with_capacity(rows);
    let mut before = 0u64;
    for _ in 0..rows {
        before = before.wrapping_add(take(&mut at)?);
        sequences.push(before);
    }
    let mut values = vec![Value::Null; rows * columns];
    for column in 0..columns {
        let [kind, scale] = fixed::<2>(&mut at)?;
        if kind == 0 {
            continue;
        }
        let nulls = bytes_of(&mut at, rows.div_ceil(8))?;
        for row in 0..rows {
            if nulls[row / 8] & (1 << (row % 8)) != 0 {
                continue;
            }
            values[row * columns + column] = match kind {
                1 => Value::Bool(fixed::<1>(&mut at)?[0] != 0),
                2 => Value::Int(unzigzag(take(&mut at)?)),
                3 => Value::Decimal(Decimal::new(i128::from_le_bytes(fixed(&mut at)?), scale)),
                4 => Value::Float(f64::from_le_bytes(fixed(&mut at)?)),
                5 => Value::Timestamp(unzigzag(take(&mut at)?)),
                6 => Value::Interval(unzigzag(take(&mut at)?)),
                7 => {
                    let length = take(&mut at)? as usize;
                    Value::text(std::str::from_utf8(bytes_of(&mut at, length)?).map_err(|e| e.to_string())?)
                }
                other => return Err(format!("column {column} has the unknown kind {other}")),
            };
        }
    }
    Ok(Vectors { digest: hex::encode(id), sequences, values, columns })
}

fn kind(value: &Value) -> [u8; 2] {
    match value {
        Value::Null => [0, 0],
        Value::Bool(_) => [1, 0],
        Value::Int(_) => [2, 0],
        Value::Decimal(d) => [3, d.scale],
        Value::Float(_) => [4, 0],
        Value::Timestamp(_) => [5, 0],
        Value::Interval(_) => [6, 0],
        Value::Text(_) => [7, 0],
    }
}

fn zigzag(i: i64) -> u64 {
    ((i << 1) ^ (i >> 63)) as u64
}

fn unzigzag(u: u64) -> i64 {
    (u >> 1) as i64 ^ -((u & 1) as i64)
}

fn put(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn take(at: &mut &[u8]) -> Result<u64, String> {
    let mut v = 0u64;
    for shift in (0..64).step_by(7) {
        let [b] = fixed::<1>(at)?;
        v |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Ok(v);
        }
    }
    Err("a number is too long".into())
}

fn fixed<const N: usize>(at: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, tail) = at.split_first_chunk::<N>().ok_or("ends early")?;
    *at = tail;
    Ok(*head)
}

fn bytes_of<'a>(at: &mut &'a [u8], n: usize) -> Result<&'a [u8], String> {
    let (head, tail) = at.split_at_checked(n).ok_or("ends early")?;
    *at = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_as_they_went() {
        let values = vec![
            Value::Int(-5),
            Value::Null,
            Value::Decimal(Decimal::new(-1234, 2)),
            Value::Float(0.1),
            Value::text("é"),
            Value::Null,
            Value::Null,
            Value::Bool(true),
            Value::Decimal(Decimal::new(i128::MAX, 2)),
            Value::Float(-0.0),
            Value::text(""),
            Value::Null,
            Value::Int(i64::MIN),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
        ];
        let digest = "0123456789abcdef0123456789abcdef";
        let bytes = encode(digest, &[7, 9, 1000], 6, &values);
        let back = decode(&bytes).unwrap();
        assert_eq!((back.digest.as_str(), &back.sequences[..], back.columns), (digest, &[7, 9, 1000][..], 6));
        assert_eq!(back.values, values);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_batch_of_one_stays_small() {
        let values: Vec<Value> = (0..100).map(Value::Int).collect();
        let bytes = encode(&"0".repeat(32), &[1_000_000], 100, &values);
        assert!(bytes.len() < 600, "{} bytes for 100 integers", bytes.len());
    }
}
