//! Unsigned 256-bit integers, as much of them as exact variances need: squares, sums, one product, and a float at the end.

/// `hi * 2^128 + lo`. Arithmetic wraps; its users stay below the edge by construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct U256 {
    pub(crate) hi: u128,
    pub(crate) lo: u128,
}

const LOW: u128 = u64::MAX as u128;

impl U256 {
    /// The square of a 128-bit integer, by 64-bit halves.
    pub(crate) fn square(x: u128) -> Self {
        if x <= LOW {
            return Self { hi: 0, lo: x * x };
        }
        let (a, b) = (x >> 64, x & LOW);
        let cross = a * b;
        Self { hi: a * a, lo: b * b }.add(Self { hi: cross >> 63, lo: cross << 65 })
    }

    pub(crate) fn add(self, other: Self) -> Self {
        let (lo, carry) = self.lo.overflowing_add(other.lo);
        Self { hi: self.hi.wrapping_add(other.hi).wrapping_add(u128::from(carry)), lo }
    }

    pub(crate) fn sub(self, other: Self) -> Self {
        let (lo, borrow) = self.lo.overflowing_sub(other.lo);
        Self { hi: self.hi.wrapping_sub(other.hi).wrapping_sub(u128::from(borrow)), lo }
    }

    pub(crate) fn times(self, n: u64) -> Self {
        let n = u128::from(n);
        let low = (self.lo & LOW) * n;
        let high = (self.lo >> 64) * n + (low >> 64);
        Self { hi: self.hi.wrapping_mul(n).wrapping_add(high >> 64), lo: (high << 64) | (low & LOW) }
    }

    /// The nearest float, or one unit in the last place beside it.
    pub(crate) fn to_f64(self) -> f64 {
        const TWO_128: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
        if self.hi == 0 { self.lo as f64 } else { self.hi as f64 * TWO_128 + self.lo as f64 }
    }
}
