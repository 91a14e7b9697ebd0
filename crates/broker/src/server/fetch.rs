//! Fetch, with long polling. Sessions are not kept: every fetch names all its partitions, which clients fall back
//! to when they are given session 0.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use tokio::time::Instant;

use super::Context;
use super::connection::FetchPermit;
use super::memory::Room;
use crate::error::Error;
use crate::log::{Isolation, LEADER_EPOCH, Partition, RawFetch, Subscription};
use crate::security::Right;
use crate::topics::Topic;

/// Longest long poll, whatever the client asks.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;

/// None if the connection ended meanwhile.
pub(super) async fn fetch(context: &Context, request: FetchRequest, version: i16) -> Option<(FetchResponse, FetchPermit)> {
    let permit = context.fetch_turn.clone().acquire_owned().await.ok()?;
    if request.session_id != 0 {
        let code = ResponseError::FetchSessionIdNotFound.code();
        return Some((FetchResponse::default().with_error_code(code), (permit, None)));
    }
    let isolation = if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64).min(LONGEST_WAIT);
    let until = Instant::now() + wait;
    let most = context.broker.shared.config.limits.max_fetch_bytes;
    let most = usize::try_from(request.max_bytes).unwrap_or(0).clamp(1, most);
    let least = usize::try_from(request.min_bytes).unwrap_or(0).min(most);
    let topics: Vec<Asked> = request.topics.into_iter().map(|asked| find(context, asked, version)).collect();
    let mut subscription: Option<Subscription> = None;
    let mut least_room = 0;
    loop {
        let mut room = context.memory.answer(least_room, most, until).await;
        let mut round = read_round(&topics, room.as_ref().map_or(0, Room::bytes), isolation, version);
        let in_time = !wait.is_zero() && Instant::now() < until;
        if !room.as_mut().is_none_or(|room| room.resize(round.bytes.min(context.memory.largest_answer()))) {
            // A batch that is larger than the room: wait for as much as it needs, without holding any.
            least_room = round.bytes;
            drop((room.take(), std::mem::take(&mut round.responses)));
            if in_time {
                continue;
            }
            round = read_round(&topics, 0, isolation, version);
        }
        if round.failed || !in_time || (room.is_some() && round.bytes >= least) {
            context.broker.shared.counters.fetched(round.bytes);
            return Some((FetchResponse::default().with_responses(round.responses), (permit, room)));
        }
        drop((round, room));
        match &subscription {
            None => subscription = Some(Subscription::new(partitions_of(&topics), isolation)),
            Some(subscription) => {
                tokio::select! {
                    _ = subscription.notified() => {}
                    _ = tokio::time::sleep_until(until) => {}
                    _ = context.closed.cancelled() => return None,
                }
            }
        }
    }
}

/// What is asked of a topic, and the topic, or why not.
type Asked = (FetchTopic, Result<Arc<Topic>, ResponseError>);

fn find(context: &Context, asked: FetchTopic, version: i16) -> Asked {
    let (topics, session) = (&context.broker.shared.topics, &context.session);
    let by_id = version >= TOPIC_ID_VERSION;
    let topic = if by_id { topics.get_by_id(asked.topic_id) } else { topics.get(&asked.topic) };
    let name = topic.as_ref().map_or(asked.topic.as_str(), |topic| &topic.name);
    // An id tells nothing to those who may not see its topic.
    let hidden = by_id && !session.may(Right::See, name);
    let found = match topic {
        Some(topic) if session.may(Right::Read, &topic.name) => Ok(topic),
        None if by_id => Err(ResponseError::UnknownTopicId),
        None if session.may(Right::Read, name) => Err(ResponseError::UnknownTopicOrPartition),
        _ if hidden => Err(ResponseError::UnknownTopicId),
        _ => Err(ResponseError::TopicAuthorizationFailed),
    };
    (asked, found)
}

struct Round {
    responses: Vec<FetchableTopicResponse>,
    bytes: usize,
    failed: bool,
}

fn partitions_of(topics: &[Asked]) -> Vec<Arc<Partition>> {
    let named = topics.iter().filter_map(|(asked, topic)| Some((asked, topic.as_ref().ok()?)));
    named.flat_map(|(asked, topic)| asked.partitions.iter().filter_map(|p| topic.partitions.get(p.partition as usize))).cloned().collect()
}

fn read_round(topics: &[Asked], most: usize, isolation: Isolation, version: i16) -> Round {
    let mut round = Round { responses: Vec::with_capacity(topics.len()), bytes: 0, failed: false };
    for (asked, topic) in topics {
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let read = read_partition(topic, partition, most.saturating_sub(round.bytes), isolation);
            let data = PartitionData::default().with_partition_index(partition.partition);
            partitions.push(match read {
                Ok(fetched) => {
                    round.bytes += fetched.bytes.len();
                    answer(data, fetched, version)
                }
                Err((code, log_start)) => {
                    round.failed = true;
                    data.with_error_code(code)
                        .with_high_watermark(-1)
                        .with_last_stable_offset(-1)
                        .with_log_start_offset(log_start)
                        .with_records(Some(Bytes::new()))
                }
            });
        }
        let response = FetchableTopicResponse::default().with_partitions(partitions);
        round.responses.push(if version >= TOPIC_ID_VERSION {
            response.with_topic_id(asked.topic_id)
        } else {
            response.with_topic(asked.topic.clone())
        });
    }
    round
}

fn answer(data: PartitionData, fetched: RawFetch, version: i16) -> PartitionData {
    let aborted = fetched.aborted.map(|aborted| {
        let entry = |txn: crate::log::AbortedTransaction| {
            AbortedTransaction::default().with_producer_id(txn.producer_id.into()).with_first_offset(txn.first_offset)
        };
        aborted.into_iter().map(entry).collect()
    });
    let log_start = if version >= 5 { fetched.watermarks.log_start } else { -1 };
    data.with_high_watermark(fetched.watermarks.high_watermark)
        .with_last_stable_offset(fetched.watermarks.last_stable)
        .with_log_start_offset(log_start)
        .with_aborted_transactions(aborted)
        .with_records(Some(fetched.bytes))
}

/// The error is its code and the log's start, if known.
fn read_partition(
    topic: &Result<Arc<Topic>, ResponseError>,
    asked: &FetchPartition,
    budget: usize,
    isolation: Isolation,
) -> Result<RawFetch, (i16, i64)> {
    let topic = topic.as_ref().map_err(|error| (error.code(), -1))?;
    let at = usize::try_from(asked.partition).ok();
    let unknown = (ResponseError::UnknownTopicOrPartition.code(), -1);
    let partition = at.and_then(|at| topic.partitions.get(at)).ok_or(unknown)?;
    if asked.current_leader_epoch > LEADER_EPOCH {
        return Err((ResponseError::UnknownLeaderEpoch.code(), -1));
    }
    let bytes = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(budget);
    if budget == 0 {
        // The response is full; this partition's turn comes with the next fetch.
        let watermarks = partition.watermarks();
        let aborted = (isolation == Isolation::ReadCommitted).then(Vec::new);
        return Ok(RawFetch { bytes: Bytes::new(), aborted, watermarks });
    }
    partition.read_raw(asked.fetch_offset, bytes, isolation).map_err(|error| {
        if matches!(error, Error::Corrupt { .. }) {
            tracing::error!(%error, "a read found corrupt data");
        }
        (error.response().code(), partition.watermarks().log_start)
    })
}
