//! Chance: one seeded ChaCha8 generator with the few distributions the world needs, and a hash for what follows from a number
//! alone. Both are written out here, so that a newer library cannot change a world's bytes.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A seeded source of chance that can be saved and goes on where it was.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    seed: u64,
    rng: ChaCha8Rng,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        for (i, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&mix(seed, i as u64).to_le_bytes());
        }
        Self { seed, rng: ChaCha8Rng::from_seed(key) }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Uniform in 0..n; n must not be 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        below(self.bits(), n)
    }

    /// Uniform in least..=most.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least + 1) as u64) as i64
    }

    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Exponential with the mean given.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -libm::log(1.0 - self.unit()) * mean
    }

    /// Log-normal with this median; `sigma` is the standard deviation of the logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let (a, b) = (self.bits(), self.bits());
        median * libm::exp(sigma * normal(a, b))
    }
}

/// The position in the generator's stream is all there is to save.
#[derive(Serialize, Deserialize)]
struct Saved {
    seed: u64,
    words: u64,
}

impl Serialize for Dice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // 2^64 words are more than a world draws.
        Saved { seed: self.seed, words: self.rng.get_word_pos() as u64 }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Dice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        let mut dice = Self::new(saved.seed);
        dice.rng.set_word_pos(u128::from(saved.words));
        Ok(dice)
    }
}

/// A well mixed number that follows from two others: what an account or a merchant is made of.
/// Sebastiano Vigna, splitmix64 (public domain).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z = (z ^ (z >> 31)).wrapping_add(a.rotate_left(32));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in [0, 1) from 64 random bits.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / 9_007_199_254_740_992.0
}

/// Uniform in 0..n from 64 random bits; the bias is below n / 2^64.
pub(crate) fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

/// A standard normal from two random numbers (Box and Muller).
pub(crate) fn normal(a: u64, b: u64) -> f64 {
    libm::sqrt(-2.0 * libm::log(1.0 - unit(a))) * libm::cos(std::f64::consts::TAU * unit(b))
}

#[cfg(test)]
mod tests;
