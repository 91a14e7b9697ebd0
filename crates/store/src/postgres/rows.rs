//! Rows in PostgreSQL's binary COPY format, and values in its binary form
//! (<https://www.postgresql.org/docs/current/sql-copy.html>, `numeric_recv` in the server's `numeric.c`).

use bytes::{BufMut, Bytes, BytesMut};
use domain::{Decimal, Micros};
use std::borrow::Cow;
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// 2000-01-01, from which PostgreSQL counts microseconds.
const EPOCH: Micros = 946_684_800_000_000;

/// Text as PostgreSQL can hold it: it has no character 0, for which the picture of it stands in.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

/// The longest text, in bytes, that stands in an index as it is; the server refuses rows whose key is longer than some 2,700.
const LONGEST_KEY: usize = 1000;

/// Text for a column with an index: of one that is too long its beginning and its digest, which is as good for finding it.
pub(super) fn key(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_KEY {
        return self::text(text);
    }
    let beginning = &text[..text.floor_char_boundary(LONGEST_KEY / 2)];
    Cow::Owned(format!("{}...{}", self::text(beginning), blake3::hash(text.as_bytes()).to_hex()))
}

/// Rows to come in one COPY.
pub(super) struct Rows {
    bytes: BytesMut,
    columns: i16,
}

impl Rows {
    pub(super) fn new(columns: i16) -> Self {
        let mut bytes = BytesMut::with_capacity(256 << 10);
        bytes.put_slice(b"PGCOPY\n\xff\r\n\0");
        bytes.put_i64(0); // no flags, no extension
        Self { bytes, columns }
    }

    /// Begins a row; as many values follow as there are columns.
    pub(super) fn row(&mut self) -> &mut Self {
        self.bytes.put_i16(self.columns);
        self
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.json(&text(value))
    }

    pub(super) fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    pub(super) fn key(&mut self, value: &str) -> &mut Self {
        self.json(&key(value))
    }

    pub(super) fn key_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.key(value),
            None => self.null(),
        }
    }

    /// JSON is its text, and holds no character 0.
    pub(super) fn json(&mut self, value: &str) -> &mut Self {
        self.bytes.put_i32(value.len() as i32);
        self.bytes.put_slice(value.as_bytes());
        self
    }

    pub(super) fn int8(&mut self, value: i64) -> &mut Self {
        self.bytes.put_i32(8);
        self.bytes.put_i64(value);
        self
    }

    pub(super) fn int2(&mut self, value: i16) -> &mut Self {
        self.bytes.put_i32(2);
        self.bytes.put_i16(value);
        self
    }

    pub(super) fn float8(&mut self, value: f64) -> &mut Self {
        self.bytes.put_i32(8);
        self.bytes.put_f64(value);
        self
    }

    pub(super) fn time(&mut self, value: Micros) -> &mut Self {
        self.int8(value - EPOCH)
    }

    pub(super) fn numeric_or_null(&mut self, value: Option<Decimal>) -> &mut Self {
        let Some(value) = value else { return self.null() };
        let at = self.bytes.len();
        self.bytes.put_i32(0);
        numeric(value, &mut self.bytes);
        let length = (self.bytes.len() - at - 4) as i32;
        self.bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        self
    }

    fn null(&mut self) -> &mut Self {
        self.bytes.put_i32(-1);
        self
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what there is, to be sent.
    pub(super) fn take(&mut self) -> Bytes {
        self.bytes.split().freeze()
    }

    /// Takes the rest, with the mark of the end.
    pub(super) fn end(mut self) -> Bytes {
        self.bytes.put_i16(-1);
        self.bytes.freeze()
    }
}

/// Digits to the base of 10,000, the first of them worth 10,000^weight; the scale is kept for reading.
fn numeric(value: Decimal, out: &mut BytesMut) {
    let scale = u32::from(value.scale);
    let places = scale.div_ceil(4);
    // Digits line up with the point: the last one of the fraction is filled with zeros, which need not fit the 128 bits.
    let filler = 10u128.pow(places * 4 - scale);
    let mut rest = value.unscaled.unsigned_abs();
    let mut digits = [0i16; 12];
    let mut used = 0;
    if places > 0 && scale % 4 != 0 {
        let part = 10u128.pow(scale % 4);
        digits[0] = (rest % part * filler) as i16;
        rest /= part;
        used = 1;
    }
    while rest > 0 {
        digits[used] = (rest % 10_000) as i16;
        rest /= 10_000;
        used += 1;
    }
    out.put_i16(used as i16);
    out.put_i16(used as i16 - 1 - places as i16);
    out.put_u16(if value.unscaled < 0 { 0x4000 } else { 0 });
    out.put_u16(scale as u16);
    for digit in digits[..used].iter().rev() {
        out.put_i16(*digit);
    }
}

/// A time as a parameter or a result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Micros);

impl ToSql for Time {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0 - EPOCH);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Time {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?).checked_add(EPOCH).ok_or("a time without end")?;
        Ok(Self(micros))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests;
