//! Exact decimals: an unscaled 128-bit integer and the number of digits after the point.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The most digits after the point, and the most digits in all.
pub const MAX_DIGITS: u8 = 38;

/// `unscaled / 10^scale`, exactly. Equality, order and hash go by value: 1.50 equals 1.5.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

const POW10: [i128; 39] = {
    let mut table = [1i128; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// 10^n for n up to 38.
pub fn pow10(n: u8) -> i128 {
    POW10[n as usize]
}

/// Why a text is not a decimal of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Not a decimal number at all (NaN, empty, letters).
    NotANumber,
    /// More non-zero digits after the point than the scale allows.
    TooManyPlaces,
    /// More digits than fit.
    TooLarge,
}

impl Decimal {
    pub const fn new(unscaled: i128, scale: u8) -> Self {
        Self { unscaled, scale }
    }

    /// Parses plain or exponent notation into exactly `scale` places: never rounds.
    pub fn parse(text: &str, scale: u8) -> Result<Self, ParseError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(ParseError::NotANumber);
        }
        let exponent: i64 = match exponent {
            None => 0,
            Some(e) => {
                let magnitude = e.strip_prefix(['+', '-']).unwrap_or(e);
                if magnitude.is_empty() || !all_digits(magnitude) {
                    return Err(ParseError::NotANumber);
                }
                // An exponent past 64 bits is as good as one past any scale.
                e.parse().unwrap_or(if e.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 })
            }
        };
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        // With no fraction, the zeros that end the whole part belong to the exponent.
        let (whole, zeros) = if fraction.is_empty() {
            let kept = whole.trim_end_matches('0');
            (kept, whole.len() - kept.len())
        } else {
            (whole, 0)
        };
        let mut digits: i128 = 0;
        for d in whole.bytes().chain(fraction.bytes()) {
            digits = digits.checked_mul(10).and_then(|v| v.checked_add(i128::from(d - b'0'))).ok_or(ParseError::TooLarge)?;
        }
        if digits == 0 {
            return Ok(Self::new(0, scale));
        }
        // The number is digits * 10^-places, and digits does not end in zero.
        let places = (fraction.len() as i64 - zeros as i64).saturating_sub(exponent);
        let shift = i64::from(scale).saturating_sub(places);
        if shift < 0 {
            return Err(ParseError::TooManyPlaces);
        }
        if shift > i64::from(MAX_DIGITS) {
            return Err(ParseError::TooLarge);
        }
        let unscaled = digits.checked_mul(pow10(shift as u8)).ok_or(ParseError::TooLarge)?;
        Ok(Self::new(if negative { -unscaled } else { unscaled }, scale))
    }

    /// The same value at another scale; `None` if it would overflow or (going down) lose a digit.
    pub fn rescale(self, scale: u8) -> Option<Self> {
        if scale >= self.scale {
            Some(Self::new(self.unscaled.checked_mul(pow10(scale - self.scale))?, scale))
        } else {
            let by = pow10(self.scale - scale);
            (self.unscaled % by == 0).then(|| Self::new(self.unscaled / by, scale))
        }
    }

    /// At a smaller scale, rounded half away from zero as SQL does; at a larger one, exact. `None` on overflow.
    pub fn round_to(self, scale: u8) -> Option<Self> {
        if scale >= self.scale {
            return self.rescale(scale);
        }
        let by = pow10(self.scale - scale);
        let (q, r) = (self.unscaled / by, self.unscaled % by);
        let up = i128::from(r.unsigned_abs() * 2 >= by.unsigned_abs());
        Some(Self::new(q + up * self.unscaled.signum(), scale))
    }

    /// The nearest float: the unscaled integer as a float over a power of ten, one rounding each.
    pub fn to_f64(self) -> f64 {
        self.unscaled as f64 / POW10[self.scale as usize] as f64
    }

    fn normal(self) -> (i128, u8) {
        let (mut unscaled, mut scale) = (self.unscaled, self.scale);
        while scale > 0 && unscaled % 10 == 0 {
            unscaled /= 10;
            scale -= 1;
        }
        (unscaled, scale)
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::new(i128::from(value), 0)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.unscaled.cmp(&other.unscaled);
        }
        let scale = self.scale.max(other.scale);
        match (self.rescale(scale), other.rescale(scale)) {
            (Some(a), Some(b)) => a.unscaled.cmp(&b.unscaled),
            // The one that overflows when widened is the larger in magnitude.
            (None, _) => self.unscaled.signum().cmp(&0).then(Ordering::Less),
            (_, None) => 0.cmp(&other.unscaled.signum()).then(Ordering::Less),
        }
    }
}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normal().hash(state);
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.unscaled);
        }
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let by = pow10(self.scale).unsigned_abs();
        let magnitude = self.unscaled.unsigned_abs();
        write!(f, "{sign}{}.{:0width$}", magnitude / by, magnitude % by, width = self.scale as usize)
    }
}
