//! The group and transaction coordinator. Group membership lives in memory and is rebuilt by clients that rejoin;
//! committed offsets, transactions and producer ids are in the journal, written before they are acknowledged.

mod groups;
mod members;
mod offsets;
#[cfg(test)]
mod tests;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::broker::Broker;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::journal::{Change, Journal};
use crate::log::Durable;

pub(crate) use groups::{GroupInfo, Groups, JoinRequest, MemberId};
pub(crate) use offsets::{CommittedOffset, OffsetKey, Offsets};
pub(crate) use transactions::{TRANSACTION_STATES, TransactionCall, TransactionInfo, Transactions};

/// How often timeouts are looked at.
const TICK: Duration = Duration::from_millis(20);

/// Groups, their offsets, and transactions.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) groups: Groups,
    pub(crate) offsets: Offsets,
    pub(crate) transactions: Transactions,
}

/// A key of the journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum JournalKey {
    Offset(OffsetKey),
    Transaction(String),
    NextProducerId,
}

/// Encodes a change of the journal.
fn change<T: Serialize>(key: &JournalKey, value: Option<&T>) -> Result<Change> {
    let failed = |error: serde_json::Error| Error::InvalidArgument(format!("cannot encode coordinator state: {error}"));
    let value = value.map(serde_json::to_vec).transpose().map_err(failed)?;
    Ok((serde_json::to_vec(key).map_err(failed)?, value))
}

impl Coordinator {
    /// Reads the durable state back.
    pub(crate) fn open(journal: Arc<Journal>, config: &Config) -> Result<Coordinator> {
        let offsets = Offsets::new(journal.clone());
        let transactions = Transactions::new(journal.clone(), config.limits.max_transaction_timeout);
        for (key, value) in journal.entries() {
            let broken = |error: serde_json::Error| {
                Error::InvalidArgument(format!("the broker's state folder holds an entry that cannot be read: {error}"))
            };
            match serde_json::from_slice(&key).map_err(broken)? {
                JournalKey::Offset(key) => offsets.restore(key, serde_json::from_slice(&value).map_err(broken)?),
                JournalKey::Transaction(id) => transactions.restore(id, serde_json::from_slice(&value).map_err(broken)?),
                JournalKey::NextProducerId => {
                    transactions.restore_next_id(serde_json::from_slice(&value).map_err(broken)?);
                }
            }
        }
        Ok(Coordinator { groups: Groups::new(config.group_initial_delay), offsets, transactions })
    }

    /// Finishes what a crash interrupted.
    pub(crate) async fn finish_interrupted(broker: &Broker) {
        transactions::finish_interrupted(broker).await;
    }

    /// Looks at timeouts until the broker stops.
    pub(crate) async fn run(broker: Broker) {
        let stop = broker.shared.stop.clone();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            broker.shared.coordinator.groups.expire();
            transactions::abort_expired(&broker);
        }
    }

    /// Forgets the offsets of a topic that was deleted.
    pub(crate) fn topic_deleted(&self, topic: &str) -> Result<()> {
        self.offsets.forget_topic(topic).map(drop::<Durable>)
    }

    /// Whether a producer may append to a partition in its transaction now.
    pub(crate) fn check_transaction(
        &self,
        transactional_id: &str,
        producer_id: i64,
        epoch: i16,
        topic: &str,
        partition: i32,
    ) -> Result<()> {
        self.transactions.check_append(transactional_id, producer_id, epoch, topic, partition)
    }
}
