//! Events as bytes, written by hand field by field in the streams' order: this is most of what a world does, and names and texts
//! here never need escaping.

mod people;
mod shop;
mod transactions;

use crate::customers::Address;
use crate::dice::mix;
use crate::merchants::Merchant;
use crate::names::LOCALES;
use crate::places::place;
use crate::{Fault, SimEvent};
use domain::{Micros, Text, time};

/// Writes the events of one world: ids carry its tag, so that two worlds' ids never meet.
#[derive(Clone, Copy)]
pub(crate) struct Writer {
    tag: u64,
    start: Micros,
}

struct Json(Vec<u8>);

impl Json {
    fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn int(&mut self, n: impl itoa::Integer) -> &mut Self {
        self.raw(itoa::Buffer::new().format(n))
    }

    fn hex(&mut self, n: u64, digits: u32) -> &mut Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for i in (0..digits).rev() {
            self.0.push(HEX[(n >> (4 * i) & 15) as usize]);
        }
        self
    }

    fn time(&mut self, at: Micros) -> &mut Self {
        time::write(at, &mut self.0);
        self
    }

    /// A number of hundredths.
    fn money(&mut self, cents: i64) -> &mut Self {
        if cents < 0 {
            self.0.push(b'-');
        }
        let cents = cents.unsigned_abs();
        self.int(cents / 100);
        let part = (cents % 100) as u8;
        self.0.extend_from_slice(&[b'.', b'0' + part / 10, b'0' + part % 10]);
        self
    }

    /// A number of ten-thousandths of a degree.
    fn degrees(&mut self, n: i64) -> &mut Self {
        if n < 0 {
            self.0.push(b'-');
        }
        let n = n.unsigned_abs();
        self.int(n / 10_000);
        let part = n % 10_000;
        let digit = |by: u64| b'0' + (part / by % 10) as u8;
        self.0.extend_from_slice(&[b'.', digit(1000), digit(100), digit(10), digit(1)]);
        self
    }

    fn ip(&mut self, ip: u32) -> &mut Self {
        let [a, b, c, d] = ip.to_be_bytes();
        self.int(a).raw(".").int(b).raw(".").int(c).raw(".").int(d)
    }

    fn merchant(&mut self, merchant: Merchant) -> &mut Self {
        let (text, number) = merchant.id();
        self.raw(text);
        if let Some(number) = number {
            self.int(number);
        }
        self
    }

    /// Street and number.
    fn street(&mut self, address: Address) -> &mut Self {
        let locale = &LOCALES[usize::from(place(address.city).country().locale)];
        let (street, number) = (locale.streets[(address.spot >> 10) as usize % 10], 1 + address.spot % 180);
        if locale.number_first { self.int(number).raw(" ").raw(street) } else { self.raw(street).raw(" ").int(number) }
    }

    /// The flat, for one address in three; otherwise nothing.
    fn flat(&mut self, address: Address) -> &mut Self {
        if address.spot.is_multiple_of(3) { self.raw("Apt ").int(1 + (address.spot >> 20) % 60) } else { self }
    }

    fn postal_code(&mut self, address: Address) -> &mut Self {
        let city = place(address.city);
        self.raw(city.postal);
        let mut bits = mix(u64::from(address.spot), 7);
        for byte in city.country().postal.bytes() {
            self.0.push(match byte {
                b'#' => b'0' + (bits % 10) as u8,
                b'@' => b'A' + (bits % 26) as u8,
                other => other,
            });
            bits /= 31;
        }
        self
    }

    /// `,"name":"` and what follows is text; closed by the next `raw("\"")`.
    fn event(self, stream: &'static str, key: Text, event_time: Micros) -> SimEvent {
        SimEvent { stream, key, event_time, json: self.0, fault: None::<Fault> }
    }
}

/// A short id as a record's key.
fn key(prefix: &str, number: u64) -> Text {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    let mut bytes = [0u8; 28];
    let length = prefix.len() + digits.len();
    bytes[..prefix.len()].copy_from_slice(prefix.as_bytes());
    bytes[prefix.len()..length].copy_from_slice(digits.as_bytes());
    Text::new(std::str::from_utf8(&bytes[..length]).unwrap_or_default())
}

impl Writer {
    pub(crate) fn new(seed: u64, start: Micros) -> Self {
        Self { tag: mix(seed, start as u64) & 0xffff_ffff, start }
    }

    /// An id with the world's tag, as a record's key: `ord-0123abcd-17`.
    fn tagged(self, prefix: &str, number: u64) -> Text {
        let mut id = Json::with_capacity(32);
        id.id(prefix, self, number);
        Text::new(std::str::from_utf8(&id.0).unwrap_or_default())
    }
}

impl Json {
    /// The same into a record.
    fn id(&mut self, prefix: &str, writer: Writer, number: u64) -> &mut Self {
        self.raw(prefix).hex(writer.tag, 8).raw("-").int(number)
    }
}
