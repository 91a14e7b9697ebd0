//! ListOffsets (earliest, latest, by time, of the greatest time) and OffsetForLeaderEpoch, which is trivial because
//! a single node has one epoch.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::Context;
use crate::error::Result;
use crate::log::{Isolation, LEADER_EPOCH};
use crate::security::Right;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(super) fn list_offsets(context: &Context, request: ListOffsetsRequest, version: i16) -> ListOffsetsResponse {
    let isolation = if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            match find(context, &topic.name, asked.partition_index, asked.timestamp, isolation) {
                Ok((offset, timestamp)) => {
                    let answer = answer.with_offset(offset).with_timestamp(timestamp);
                    if version >= 4 && offset >= 0 { answer.with_leader_epoch(LEADER_EPOCH) } else { answer }
                }
                Err(error) => answer.with_offset(-1).with_timestamp(-1).with_error_code(error.response().code()),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(context: &Context, topic: &str, partition: i32, timestamp: i64, isolation: Isolation) -> Result<(i64, i64)> {
    context.session.check(Right::See, topic)?;
    let partition = context.broker.shared.topics.partition(topic, partition)?;
    let watermarks = partition.watermarks();
    Ok(match timestamp {
        LATEST => (watermarks.end(isolation), -1),
        EARLIEST | EARLIEST_LOCAL => (watermarks.log_start, -1),
        LATEST_TIERED => (-1, -1),
        MAX_TIMESTAMP => partition.offset_of_max_timestamp().unwrap_or((-1, -1)),
        _ => partition.offset_for_timestamp(timestamp, isolation)?.unwrap_or((-1, -1)),
    })
}

pub(super) fn leader_epochs(context: &Context, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            let seen = context.session.check(Right::See, &topic.topic);
            match seen.and_then(|()| context.broker.shared.topics.partition(&topic.topic, asked.partition)) {
                Err(error) => answer.with_error_code(error.response().code()),
                Ok(_) if asked.current_leader_epoch > LEADER_EPOCH => answer.with_error_code(ResponseError::UnknownLeaderEpoch.code()),
                Ok(_) if asked.leader_epoch > LEADER_EPOCH => answer,
                Ok(partition) => answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(partition.watermarks().high_watermark),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
