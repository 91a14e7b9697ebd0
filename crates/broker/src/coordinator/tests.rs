//! Groups as a state machine with the clock handed in; offsets and transactions over a broker and its restarts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::members::{Group, Join, JoinRequest, Phase};
use super::*;
use crate::records::BatchBuilder;
use crate::{Isolation, TopicConfig};

const SESSION: Duration = Duration::from_secs(10);

fn request(member: &str, instance: Option<&str>) -> JoinRequest {
    JoinRequest {
        group: "g".into(),
        member_id: member.into(),
        instance_id: instance.map(Into::into),
        client_id: "c".into(),
        client_host: "h".into(),
        session_timeout: SESSION,
        rebalance_timeout: SESSION * 2,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from("meta"))],
        knows_member_id_required: false,
        knows_skip_assignment: true,
    }
}

/// A stable group of members "a" (the leader) and "b".
fn stable(start: Instant, instance: Option<&str>) -> Group {
    let mut group = Group::new(start);
    let mut a = group.join(request("", None), "a".into(), Duration::ZERO, start);
    assert_eq!(a.try_recv().unwrap().generation, 1);
    let mut b = group.join(request("", instance), "b".into(), Duration::ZERO, start);
    assert!(b.try_recv().is_err(), "a has to join again first");
    assert_eq!(group.heartbeat("a", None, 1, start), Err(ResponseError::RebalanceInProgress));
    let mut a = group.join(request("a", None), String::new(), Duration::ZERO, start);
    let (a, b): (Join, Join) = (a.try_recv().unwrap(), b.try_recv().unwrap());
    assert_eq!((a.generation, b.generation, a.members.len(), b.members.len()), (2, 2, 2, 0));
    assert_eq!((a.leader.as_str(), b.leader.as_str()), ("a", "a"));
    let mut b = group.sync("b", None, 2, (None, None), Vec::new(), start).unwrap();
    assert!(b.try_recv().is_err(), "b waits for the leader's assignment");
    let work = vec![("a".to_string(), Bytes::from("1")), ("b".to_string(), Bytes::from("2"))];
    let mut a = group.sync("a", None, 2, (None, None), work, start).unwrap();
    assert_eq!((a.try_recv().unwrap(), b.try_recv().unwrap()), (Ok(Bytes::from("1")), Ok(Bytes::from("2"))));
    assert_eq!(group.phase, Phase::Stable);
    group
}

#[test]
fn a_silent_member_is_removed_and_the_others_rebalance() {
    let start = Instant::now();
    let mut group = stable(start, None);
    let later = start + SESSION - Duration::from_millis(1);
    assert_eq!(group.heartbeat("a", None, 2, later), Ok(()));
    group.expire(Duration::ZERO, later);
    assert_eq!(group.members.len(), 2);
    group.expire(Duration::ZERO, start + SESSION);
    assert_eq!((group.members.len(), group.phase), (1, Phase::Preparing));
    let mut a = group.join(request("a", None), String::new(), Duration::ZERO, start + SESSION);
    assert_eq!(a.try_recv().unwrap().generation, 3);
    group.leave("a", None, Duration::ZERO, start + SESSION).unwrap();
    assert!(group.is_idle());
}

#[test]
fn a_member_that_does_not_join_again_is_left_behind_at_the_deadline() {
    let start = Instant::now();
    let mut group = stable(start, None);
    let mut a = group.join(request("a", None), String::new(), Duration::ZERO, start);
    let almost = start + SESSION * 2 - Duration::from_millis(1);
    assert_eq!(group.heartbeat("b", None, 2, almost), Err(ResponseError::RebalanceInProgress));
    group.expire(Duration::ZERO, almost);
    assert!(a.try_recv().is_err());
    group.expire(Duration::ZERO, start + SESSION * 2);
    assert_eq!(a.try_recv().unwrap().members.len(), 1);
    assert_eq!(group.heartbeat("b", None, 3, almost), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_fences_its_old_self() {
    let start = Instant::now();
    let mut group = stable(start, Some("pod-1"));
    let mut back = group.join(request("", Some("pod-1")), "b2".into(), Duration::ZERO, start);
    let back = back.try_recv().unwrap();
    assert_eq!((back.generation, back.member_id.as_str(), group.phase), (2, "b2", Phase::Stable));
    let mut synced = group.sync("b2", Some("pod-1"), 2, (None, None), Vec::new(), start).unwrap();
    assert_eq!(synced.try_recv().unwrap(), Ok(Bytes::from("2")));
    assert_eq!(group.heartbeat("b", Some("pod-1"), 2, start), Err(ResponseError::FencedInstanceId));
}

#[test]
fn a_member_without_a_common_strategy_is_refused() {
    let start = Instant::now();
    let mut group = stable(start, None);
    let mut other = request("", None);
    other.protocols = vec![("sticky".into(), Bytes::new())];
    let mut refused = group.join(other, "c".into(), Duration::ZERO, start);
    assert_eq!(refused.try_recv().unwrap().error, Some(ResponseError::InconsistentGroupProtocol));
    assert_eq!(group.phase, Phase::Stable);
}

async fn open(dir: &tempfile::TempDir) -> Broker {
    Broker::open(Config::new(dir.path())).await.unwrap()
}

fn append_in_transaction(broker: &Broker, producer: (i64, i16)) {
    let mut builder = BatchBuilder::default().producer(producer.0, producer.1, 0).transactional();
    builder.push(0, None, Some(b"value"));
    drop(broker.append("t", 0, &builder.build().unwrap()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_times_out_is_aborted_and_its_producer_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let broker = open(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let timeout = Duration::from_millis(50);
    let (producer_id, epoch) = Transactions::init(&broker, "w", timeout, None).await.unwrap();
    let call = TransactionCall { id: "w", producer_id, epoch };
    let transactions = &broker.shared.coordinator.transactions;
    transactions.add_partitions(call, vec![("t".into(), 0)]).await.unwrap();
    append_in_transaction(&broker, (producer_id, epoch));
    let at = [(crate::TopicPartition::new("t", 0), 0)];
    let stable = {
        let broker = broker.clone();
        tokio::task::spawn_blocking(move || broker.wait_for_data(&at, Isolation::ReadCommitted, Duration::from_secs(20)).unwrap())
    };
    assert!(stable.await.unwrap());
    let fetched = broker.read("t", 0, 0, 1 << 20, Isolation::ReadCommitted).unwrap();
    assert_eq!((fetched.batches.len(), fetched.next_offset), (0, 2));
    let late = Transactions::end(&broker, call, true).await.unwrap_err();
    assert!(matches!(late, ResponseError::ProducerFenced | ResponseError::ConcurrentTransactions), "{late:?}");
    assert!(broker.shared.coordinator.check_transaction("w", producer_id, epoch, "t", 0).is_err());
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_and_open_transactions_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let broker = open(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let key = OffsetKey { group: "g".into(), topic: "t".into(), partition: 0 };
    let offset = |offset| CommittedOffset { offset, leader_epoch: 0, metadata: String::new() };
    broker.shared.coordinator.offsets.commit(vec![(key.clone(), offset(5))], Vec::new()).unwrap().await.unwrap();
    let minute = Duration::from_secs(60);
    let (producer_id, epoch) = Transactions::init(&broker, "w", minute, None).await.unwrap();
    let call = TransactionCall { id: "w", producer_id, epoch };
    let transactions = &broker.shared.coordinator.transactions;
    transactions.add_partitions(call, vec![("t".into(), 0)]).await.unwrap();
    transactions.add_group(call, "g").await.unwrap();
    transactions.add_offsets(call, "g", vec![(key.clone(), offset(9))]).await.unwrap();
    append_in_transaction(&broker, (producer_id, epoch));
    // A producer that nobody coordinates: its transaction can only be aborted.
    append_in_transaction(&broker, (producer_id + 500, 0));
    broker.shutdown().await;
    drop(broker);

    let broker = open(&dir).await;
    let coordinator = &broker.shared.coordinator;
    assert_eq!(coordinator.offsets.get(&key), Some(offset(5)));
    assert!(coordinator.transactions.has_pending_offset(&key));
    assert_eq!(broker.watermarks("t", 0).unwrap().last_stable, 0);
    Transactions::end(&broker, call, true).await.unwrap();
    assert_eq!(coordinator.offsets.get(&key), Some(offset(9)));
    let fetched = broker.read("t", 0, 0, 1 << 20, Isolation::ReadCommitted).unwrap();
    assert_eq!(fetched.batches.iter().map(|batch| batch.base_offset()).collect::<Vec<_>>(), [0]);
    let (next_id, _) = coordinator.transactions.init_idempotent().await.unwrap();
    assert!(next_id > producer_id, "ids are never given twice");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let broker = open(&dir).await;
    let offsets = &broker.shared.coordinator.offsets;
    let key = |partition| OffsetKey { group: "g".into(), topic: "t".into(), partition };
    let mut last = None;
    for round in 0..200 {
        let entry = |partition| (key(partition), CommittedOffset { offset: round, leader_epoch: 0, metadata: "m".repeat(200) });
        last = Some(offsets.commit((0..100).map(entry).collect(), Vec::new()).unwrap());
    }
    last.unwrap().await.unwrap();
    let before = broker.state_bytes();
    broker.compact_state().unwrap();
    broker.flush_state().await;
    broker.compact_state().unwrap();
    let after = broker.state_bytes();
    assert!(before > 4 << 20 && after < before / 10, "{before} {after}");
    broker.shutdown().await;
    drop(broker);
    let broker = open(&dir).await;
    let stored = broker.shared.coordinator.offsets.of_group("g");
    assert_eq!(stored.len(), 100);
    assert!(stored.iter().all(|(_, offset)| offset.offset == 199));
    broker.shutdown().await;
}
