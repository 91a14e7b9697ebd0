//! Transactions: which producer may write under a transactional id, which partitions its transaction touches, and
//! ending it everywhere. The decision to commit or abort is durable before the first marker is written, so a crash
//! in the middle is finished at the next start. Pending group offsets travel in the transaction's own entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{CommittedOffset, JournalKey, OffsetKey, change};
use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::log::{Durable, now_ms};

/// Producer ids reserved in the journal at a time.
const ID_BLOCK: i64 = 1_000;
/// Pause before a transaction that could not be ended everywhere is tried again.
const RETRY_MS: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// No transaction is open.
    Empty,
    Ongoing,
    /// Decided; being written to the partitions.
    Committing,
    Aborting,
}

/// One transactional id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Transaction {
    producer_id: i64,
    epoch: i16,
    /// The epoch before the coordinator fenced it off by a timeout: its owner may come back and take a new one.
    timed_out_epoch: Option<i16>,
    timeout_ms: u64,
    phase: Phase,
    started_ms: u64,
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
    offsets: Vec<(OffsetKey, CommittedOffset)>,
    /// How the last transaction ended, so that a repeated end is answered alike.
    ended_with_commit: Option<bool>,
    /// A task is ending the transaction; or when to try again.
    #[serde(skip)]
    ending: bool,
    #[serde(skip)]
    retry_ms: u64,
}

impl Transaction {
    /// Begins the transaction, if it has not begun.
    fn begin(&mut self) {
        if self.phase == Phase::Empty {
            self.phase = Phase::Ongoing;
            self.started_ms = now_ms();
            self.ended_with_commit = None;
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransactionCall<'a> {
    pub(crate) id: &'a str,
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

/// Kafka's names of a transaction's states, as far as they occur here.
pub(crate) const TRANSACTION_STATES: [&str; 6] = ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"];

/// One transactional id, described.
#[derive(Debug, Clone)]
pub(crate) struct TransactionInfo {
    pub(crate) id: String,
    /// One of [`TRANSACTION_STATES`].
    pub(crate) state: &'static str,
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) timeout_ms: u64,
    /// Wall clock of the first step of a transaction that is not over, milliseconds.
    pub(crate) started_ms: Option<u64>,
    pub(crate) partitions: BTreeSet<(String, i32)>,
}

impl Transaction {
    fn describe(&self, id: &str) -> TransactionInfo {
        let state = match (self.phase, self.ended_with_commit) {
            (Phase::Ongoing, _) => "Ongoing",
            (Phase::Committing, _) => "PrepareCommit",
            (Phase::Aborting, _) => "PrepareAbort",
            (Phase::Empty, None) => "Empty",
            (Phase::Empty, Some(true)) => "CompleteCommit",
            (Phase::Empty, Some(false)) => "CompleteAbort",
        };
        TransactionInfo {
            id: id.to_string(),
            state,
            producer_id: self.producer_id,
            epoch: self.epoch,
            timeout_ms: self.timeout_ms,
            started_ms: (self.phase != Phase::Empty).then_some(self.started_ms),
            partitions: self.partitions.clone(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<String, Transaction>,
    next_id: i64,
    /// Ids below are reserved.
    reserved: i64,
}

/// All transactional ids, and the producer ids.
#[derive(Debug)]
pub(crate) struct Transactions {
    journal: Arc<Journal>,
    longest: Duration,
    state: Mutex<State>,
}

type Answer<T> = std::result::Result<T, ResponseError>;

fn code(error: Error) -> ResponseError {
    error.coordinator_response()
}

impl Transactions {
    pub(super) fn new(journal: Arc<Journal>, longest: Duration) -> Transactions {
        Transactions { journal, longest, state: Mutex::new(State { next_id: 1, reserved: 1, ..State::default() }) }
    }

    pub(super) fn restore(&self, id: String, transaction: Transaction) {
        self.state.lock().known.insert(id, transaction);
    }

    pub(super) fn restore_next_id(&self, next_id: i64) {
        let mut state = self.state.lock();
        state.next_id = next_id;
        state.reserved = next_id;
    }

    /// A producer id that was never given before.
    fn new_id(&self, state: &mut State) -> Result<(i64, Option<Durable>)> {
        let id = state.next_id;
        let mut durable = None;
        if id >= state.reserved {
            let reserved = id + ID_BLOCK;
            durable = Some(self.journal.put(vec![change(&JournalKey::NextProducerId, Some(&reserved))?])?);
            state.reserved = reserved;
        }
        state.next_id += 1;
        Ok((id, durable))
    }

    fn save(&self, id: &str, transaction: &Transaction) -> Result<Durable> {
        self.journal.put(vec![change(&JournalKey::Transaction(id.to_string()), Some(transaction))?])
    }

    /// A producer id for an idempotent producer without transactions.
    pub(crate) async fn init_idempotent(&self) -> Answer<(i64, i16)> {
        let (id, durable) = self.new_id(&mut self.state.lock()).map_err(code)?;
        if let Some(durable) = durable {
            durable.await.map_err(code)?;
        }
        Ok((id, 0))
    }

    /// The producer id and a new epoch for a transactional id; whoever had the old epoch is fenced off, and its
    /// open transaction is aborted. `current` is the producer's own id and epoch, if it has any.
    pub(crate) async fn init(broker: &Broker, id: &str, timeout: Duration, current: Option<(i64, i16)>) -> Answer<(i64, i16)> {
        let transactions = &broker.shared.coordinator.transactions;
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        if timeout.is_zero() || timeout > transactions.longest {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let aborts = {
            let mut state = transactions.state.lock();
            match state.known.get_mut(id) {
                Some(transaction) => {
                    if let Some((producer_id, epoch)) = current {
                        let mine = transaction.producer_id == producer_id
                            && (transaction.epoch == epoch || transaction.timed_out_epoch == Some(epoch));
                        if !mine {
                            return Err(ResponseError::ProducerFenced);
                        }
                    }
                    match transaction.phase {
                        Phase::Empty => false,
                        Phase::Ongoing => {
                            let mut fenced = transaction.clone();
                            fenced.phase = Phase::Aborting;
                            fenced.epoch = fenced.epoch.saturating_add(1);
                            let durable = transactions.save(id, &fenced).map_err(code)?;
                            fenced.ending = true;
                            *transaction = fenced;
                            drop(durable);
                            true
                        }
                        Phase::Committing | Phase::Aborting => return Err(ResponseError::ConcurrentTransactions),
                    }
                }
                None => false,
            }
        };
        if aborts {
            end_in_task(broker, id).await?;
        }
        let (answer, durables) = transactions.next_epoch(id, timeout).map_err(code)??;
        for durable in durables {
            durable.await.map_err(code)?;
        }
        Ok(answer)
    }

    fn next_epoch(&self, id: &str, timeout: Duration) -> Result<Answer<((i64, i16), Vec<Durable>)>> {
        let mut durables = Vec::new();
        let mut state = self.state.lock();
        let old = state.known.get(id);
        if old.is_some_and(|transaction| transaction.phase != Phase::Empty) {
            return Ok(Err(ResponseError::ConcurrentTransactions));
        }
        let next = old.and_then(|old| Some((old.producer_id, old.epoch.checked_add(1).filter(|e| *e < i16::MAX)?)));
        let (producer_id, epoch) = match next {
            Some(next) => next,
            None => {
                let (producer_id, durable) = self.new_id(&mut state)?;
                durables.extend(durable);
                (producer_id, 0)
            }
        };
        let transaction = Transaction {
            producer_id,
            epoch,
            timed_out_epoch: None,
            timeout_ms: timeout.as_millis() as u64,
            phase: Phase::Empty,
            started_ms: 0,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            offsets: Vec::new(),
            ended_with_commit: None,
            ending: false,
            retry_ms: 0,
        };
        durables.push(self.save(id, &transaction)?);
        state.known.insert(id.to_string(), transaction);
        Ok(Ok(((producer_id, epoch), durables)))
    }

    /// Changes the transaction of a call durably, if the caller owns it and it is not being ended.
    async fn change(&self, call: TransactionCall<'_>, act: impl FnOnce(&mut Transaction) -> Answer<()>) -> Answer<()> {
        let durable = {
            let mut state = self.state.lock();
            let transaction = owned(&mut state, call)?;
            let mut changed = transaction.clone();
            act(&mut changed)?;
            let durable = self.save(call.id, &changed).map_err(code)?;
            *transaction = changed;
            durable
        };
        durable.await.map_err(code)
    }

    /// Takes partitions into the transaction, beginning it if need be.
    pub(crate) async fn add_partitions(&self, call: TransactionCall<'_>, partitions: Vec<(String, i32)>) -> Answer<()> {
        self.change(call, |transaction| {
            transaction.begin();
            transaction.partitions.extend(partitions);
            Ok(())
        })
        .await
    }

    /// Takes a group's offsets into the transaction, beginning it if need be.
    pub(crate) async fn add_group(&self, call: TransactionCall<'_>, group: &str) -> Answer<()> {
        self.change(call, |transaction| {
            transaction.begin();
            transaction.groups.insert(group.to_string());
            Ok(())
        })
        .await
    }

    /// Keeps offsets that become the group's when the transaction commits.
    pub(crate) async fn add_offsets(
        &self,
        call: TransactionCall<'_>,
        group: &str,
        offsets: Vec<(OffsetKey, CommittedOffset)>,
    ) -> Answer<()> {
        self.change(call, |transaction| {
            if transaction.phase != Phase::Ongoing || !transaction.groups.contains(group) {
                return Err(ResponseError::InvalidTxnState);
            }
            for (key, offset) in offsets {
                transaction.offsets.retain(|(other, _)| *other != key);
                transaction.offsets.push((key, offset));
            }
            Ok(())
        })
        .await
    }

    /// All transactional ids in order.
    pub(crate) fn describe(&self) -> Vec<TransactionInfo> {
        self.state.lock().known.iter().map(|(id, transaction)| transaction.describe(id)).collect()
    }

    /// Whether a partition's offset of a group may yet change by an open transaction.
    pub(crate) fn has_pending_offset(&self, key: &OffsetKey) -> bool {
        let state = self.state.lock();
        state.known.values().any(|transaction| transaction.offsets.iter().any(|(other, _)| other == key))
    }

    /// Whether a producer may append to a partition now.
    pub(super) fn check_append(&self, id: &str, producer_id: i64, epoch: i16, topic: &str, partition: i32) -> Result<()> {
        let state = self.state.lock();
        let transaction = state.known.get(id).filter(|transaction| transaction.producer_id == producer_id);
        let Some(transaction) = transaction else {
            return Err(Error::InvalidTransaction(format!("producer {producer_id} does not own {id:?}")));
        };
        if transaction.epoch != epoch {
            return Err(Error::ProducerFenced { producer_id, found: epoch, current: transaction.epoch });
        }
        let added = transaction.partitions.iter().any(|(t, p)| t == topic && *p == partition);
        if transaction.phase != Phase::Ongoing || !added {
            return Err(Error::InvalidTransaction(format!("{topic}/{partition} is not part of transaction {id:?}")));
        }
        Ok(())
    }

    /// Commits or aborts; returns when readers can see it.
    pub(crate) async fn end(broker: &Broker, call: TransactionCall<'_>, commit: bool) -> Answer<()> {
        let transactions = &broker.shared.coordinator.transactions;
        {
            let mut state = transactions.state.lock();
            let transaction = owned(&mut state, call)?;
            match transaction.phase {
                Phase::Ongoing => {}
                // A repeat, or nothing was sent in the transaction.
                _ if transaction.ended_with_commit.is_none_or(|ended| ended == commit) => return Ok(()),
                _ => return Err(ResponseError::InvalidTxnState),
            }
            let mut ending = transaction.clone();
            ending.phase = if commit { Phase::Committing } else { Phase::Aborting };
            drop(transactions.save(call.id, &ending).map_err(code)?);
            ending.ending = true;
            *transaction = ending;
        }
        end_in_task(broker, call.id).await
    }

    /// The transactional ids whose end is decided and not being worked on, and are due.
    fn take_undone(&self, now: u64) -> Vec<String> {
        let mut state = self.state.lock();
        let mut undone = Vec::new();
        for (id, transaction) in &mut state.known {
            let decided = matches!(transaction.phase, Phase::Committing | Phase::Aborting);
            if decided && !transaction.ending && transaction.retry_ms <= now {
                transaction.ending = true;
                undone.push(id.clone());
            }
        }
        undone
    }

    /// Decides to abort the transactions whose time is up.
    fn time_out(&self, now: u64) {
        let mut state = self.state.lock();
        for (id, transaction) in &mut state.known {
            if transaction.phase != Phase::Ongoing || now.saturating_sub(transaction.started_ms) < transaction.timeout_ms {
                continue;
            }
            let mut fenced = transaction.clone();
            fenced.phase = Phase::Aborting;
            fenced.timed_out_epoch = Some(fenced.epoch);
            fenced.epoch = fenced.epoch.saturating_add(1);
            match self.save(id, &fenced) {
                Ok(durable) => {
                    tracing::warn!(transactional_id = %id, "aborting a transaction that timed out");
                    drop(durable);
                    *transaction = fenced;
                }
                Err(error) => tracing::error!(transactional_id = %id, %error, "cannot abort a transaction"),
            }
        }
    }
}

/// The caller's transaction, if it is the caller's and not being ended.
fn owned<'a>(state: &'a mut State, call: TransactionCall<'_>) -> Answer<&'a mut Transaction> {
    let transaction = state.known.get_mut(call.id).ok_or(ResponseError::InvalidProducerIdMapping)?;
    if transaction.producer_id != call.producer_id {
        return Err(ResponseError::InvalidProducerIdMapping);
    }
    if transaction.epoch != call.epoch {
        return Err(ResponseError::ProducerFenced);
    }
    match transaction.phase {
        Phase::Committing | Phase::Aborting => Err(ResponseError::ConcurrentTransactions),
        Phase::Empty | Phase::Ongoing => Ok(transaction),
    }
}

/// Ends a decided transaction in a task of its own, so that a lost connection does not stop it half way.
async fn end_in_task(broker: &Broker, id: &str) -> Answer<()> {
    let (broker, id) = (broker.clone(), id.to_string());
    let ended = tokio::spawn(async move { end_everywhere(&broker, &id).await }).await;
    ended.unwrap_or(Err(Error::Closed)).map_err(code)
}

/// Writes the markers and moves the offsets of a decided transaction, then closes it.
async fn end_everywhere(broker: &Broker, id: &str) -> Result<()> {
    let result = try_end(broker, id).await;
    let mut state = broker.shared.coordinator.transactions.state.lock();
    if let Some(transaction) = state.known.get_mut(id) {
        transaction.ending = false;
        if let Err(error) = &result {
            tracing::error!(transactional_id = %id, %error, "cannot end a transaction yet");
            transaction.retry_ms = now_ms() + RETRY_MS;
        }
    }
    result
}

async fn try_end(broker: &Broker, id: &str) -> Result<()> {
    let coordinator = &broker.shared.coordinator;
    let transactions = &coordinator.transactions;
    let (transaction, decided) = {
        let state = transactions.state.lock();
        let Some(transaction) = state.known.get(id) else { return Ok(()) };
        // The decision must be on disk before the first marker: write it once more, which also covers a retry.
        (transaction.clone(), transactions.save(id, transaction)?)
    };
    decided.await?;
    let commit = match transaction.phase {
        Phase::Committing => true,
        Phase::Aborting => false,
        Phase::Empty | Phase::Ongoing => return Ok(()),
    };
    let mut markers = Vec::with_capacity(transaction.partitions.len());
    for (topic, partition) in &transaction.partitions {
        // A topic that was deleted meanwhile has nothing to end.
        if let Ok(partition) = broker.shared.topics.partition(topic, *partition) {
            markers.push(partition.append_marker(transaction.producer_id, transaction.epoch, commit)?);
        }
    }
    for marker in markers {
        marker.await?;
    }
    let mut closed = transaction.clone();
    closed.phase = Phase::Empty;
    closed.ended_with_commit = Some(commit);
    closed.partitions.clear();
    closed.groups.clear();
    let offsets = std::mem::take(&mut closed.offsets);
    let entry = change(&JournalKey::Transaction(id.to_string()), Some(&closed))?;
    let durable = coordinator.offsets.commit(if commit { offsets } else { Vec::new() }, vec![entry])?;
    durable.await?;
    closed.ending = false;
    transactions.state.lock().known.insert(id.to_string(), closed);
    Ok(())
}

/// After a start: ends what was decided before, and aborts what lies open in a partition without anyone who could
/// still end it.
pub(super) async fn finish_interrupted(broker: &Broker) {
    let transactions = &broker.shared.coordinator.transactions;
    for id in transactions.take_undone(u64::MAX) {
        // A failure is logged and tried again later.
        let _ = end_everywhere(broker, &id).await;
    }
    let owned: BTreeSet<(i64, String, i32)> = {
        let state = transactions.state.lock();
        let of = |t: &Transaction| {
            let id = t.producer_id;
            t.partitions.iter().map(move |(topic, p)| (id, topic.clone(), *p)).collect::<Vec<_>>()
        };
        state.known.values().flat_map(of).collect()
    };
    for topic in broker.shared.topics.all() {
        for partition in &topic.partitions {
            for (producer_id, epoch) in partition.open_transactions() {
                if !owned.contains(&(producer_id, topic.name.to_string(), partition.number)) {
                    tracing::warn!(topic = %topic.name, partition = partition.number, producer_id, "aborting an orphaned transaction");
                    if let Err(error) = partition.append_marker(producer_id, epoch, false) {
                        tracing::error!(topic = %topic.name, %error, "cannot abort an orphaned transaction");
                    }
                }
            }
        }
    }
}

/// Aborts what has timed out and goes on with what could not be ended before.
pub(super) fn abort_expired(broker: &Broker) {
    let transactions = &broker.shared.coordinator.transactions;
    let now = now_ms();
    transactions.time_out(now);
    for id in transactions.take_undone(now) {
        let owned = broker.clone();
        broker.spawn(async move {
            let _ = end_everywhere(&owned, &id).await;
        });
    }
}
