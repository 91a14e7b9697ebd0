//! What a world is made of. Checked once, when the world is made.

use crate::merchants::LEAST_MERCHANTS;
use domain::{Error, Micros, Result};
use serde::{Deserialize, Serialize};

/// The most accounts a world may have; each holds eight bytes of balance.
const MAX_ACCOUNTS: u32 = 50_000_000;

/// The parameters of a world. Two worlds of equal configuration give equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorldConfig {
    pub seed: u64,
    /// Event time of the world's first moment.
    pub start: Micros,
    /// Payments per second of event time, on average.
    #[serde(with = "crate::exact")]
    pub rate: f64,
    /// The share of payments that are fraud, 0 to 0.5.
    #[serde(with = "crate::exact")]
    pub fraud_rate: f64,
    pub accounts: u32,
    pub merchants: u32,
    /// Whether the rate follows the hours of the day, the week and the seasons. Which customers are awake always does.
    pub daily_rhythm: bool,
    /// Whether visits to the shop leave clicks.
    pub clicks: bool,
    /// The share of genuine payments that get a label as well.
    #[serde(with = "crate::exact")]
    pub genuine_labels: f64,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            start: 0,
            rate: 10.0,
            fraud_rate: 0.005,
            accounts: 20_000,
            merchants: 500,
            daily_rhythm: false,
            clicks: true,
            genuine_labels: 0.02,
        }
    }
}

impl WorldConfig {
    /// A world that makes `rate` payments a second: as many accounts as pay some three times a day each, from 1,000 to a million.
    pub fn at_rate(rate: f64) -> Self {
        Self { rate, accounts: Self::accounts_for(rate), ..Self::default() }
    }

    pub(crate) fn accounts_for(rate: f64) -> u32 {
        (rate * 86_400.0 / 3.0).clamp(1_000.0, 1_000_000.0) as u32
    }

    /// # Errors
    /// Stop, naming the parameter that is out of its bounds.
    pub fn check(&self) -> Result<()> {
        let within = |name: &str, value: f64, least: f64, most: f64| {
            if value >= least && value <= most {
                Ok(())
            } else {
                Err(Error::stop(format!("{name} is {value}"), format!("give a {name} from {least} to {most}")))
            }
        };
        within("rate", self.rate, 1e-6, 1e7)?;
        within("fraud rate", self.fraud_rate, 0.0, 0.5)?;
        within("genuine label share", self.genuine_labels, 0.0, 1.0)?;
        within("number of accounts", f64::from(self.accounts), 100.0, f64::from(MAX_ACCOUNTS))?;
        within("number of merchants", f64::from(self.merchants), f64::from(LEAST_MERCHANTS), 1e6)
    }
}
