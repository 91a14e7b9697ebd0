//! OffsetCommit and OffsetFetch.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{Context, text, topic_name};
use crate::coordinator::{CommittedOffset, MemberId, OffsetKey};

/// Longest metadata that may be kept with an offset.
const MOST_METADATA_BYTES: usize = 4096;
/// First version with several groups in a fetch.
const GROUPS_VERSION: i16 = 8;

/// Checks one partition of a commit.
pub(super) fn check_offset(context: &Context, topic: &str, partition: i32, metadata: &str) -> Result<(), ResponseError> {
    if metadata.len() > MOST_METADATA_BYTES {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    context.broker.shared.topics.partition(topic, partition).map(drop).map_err(|error| error.response())
}

pub(super) async fn commit(context: &Context, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let coordinator = &context.broker.shared.coordinator;
    let member = MemberId {
        group: &request.group_id,
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let allowed = coordinator.groups.may_commit(member);
    let mut offsets = Vec::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
            let checked = allowed.and_then(|()| check_offset(context, &topic.name, index, metadata));
            if checked.is_ok() {
                let key = OffsetKey { group: request.group_id.to_string(), topic: topic.name.to_string(), partition: index };
                let offset = CommittedOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: metadata.to_string(),
                };
                offsets.push((key, offset));
            }
            partitions.push((index, checked));
        }
        results.push((topic.name.clone(), partitions));
    }
    let mut stored = Ok(());
    if !offsets.is_empty() {
        stored = match coordinator.offsets.commit(offsets, Vec::new()) {
            Ok(durable) => durable.await,
            Err(error) => Err(error),
        }
        .map_err(|error| error.response());
    }
    let topics = results.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, checked)| {
            let code = super::code_of(checked.and(stored));
            OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        });
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

type Asked = Option<Vec<(TopicName, Vec<i32>)>>;
/// Partition, offset, leader epoch, metadata, error code.
type Found = (i32, i64, i32, StrBytes, i16);

pub(super) fn fetch(context: &Context, request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    let stable = request.require_stable;
    if version >= GROUPS_VERSION {
        let groups = request.groups.into_iter().map(|group| {
            let asked = group.topics.map(|topics| topics.into_iter().map(|t| (t.name, t.partition_indexes)).collect());
            let topics = find(context, &group.group_id, asked, stable).into_iter().map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|(index, offset, epoch, metadata, code)| {
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(index)
                        .with_committed_offset(offset)
                        .with_committed_leader_epoch(epoch)
                        .with_metadata(Some(metadata))
                        .with_error_code(code)
                });
                OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
            });
            let topics = topics.collect();
            OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone()).with_topics(topics)
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let asked = request.topics.map(|topics| topics.into_iter().map(|t| (t.name, t.partition_indexes)).collect());
    let topics = find(context, &request.group_id, asked, stable).into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, offset, epoch, metadata, code)| {
            let partition = OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_metadata(Some(metadata))
                .with_error_code(code);
            if version >= 5 { partition.with_committed_leader_epoch(epoch) } else { partition }
        });
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

/// The committed offsets asked for, or all of the group.
fn find(context: &Context, group: &str, asked: Asked, stable: bool) -> Vec<(TopicName, Vec<Found>)> {
    let coordinator = &context.broker.shared.coordinator;
    let asked = asked.unwrap_or_else(|| {
        let mut topics: Vec<(TopicName, Vec<i32>)> = Vec::new();
        for (key, _) in coordinator.offsets.of_group(group) {
            match topics.last_mut() {
                Some((name, partitions)) if name.as_str() == key.topic => partitions.push(key.partition),
                _ => topics.push((topic_name(&key.topic), vec![key.partition])),
            }
        }
        topics
    });
    let found = asked.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|partition| {
            let key = OffsetKey { group: group.to_string(), topic: name.to_string(), partition };
            if stable && coordinator.transactions.has_pending_offset(&key) {
                return (partition, -1, -1, StrBytes::default(), ResponseError::UnstableOffsetCommit.code());
            }
            match coordinator.offsets.get(&key) {
                Some(found) => (partition, found.offset, found.leader_epoch, text(&found.metadata), 0),
                None => (partition, -1, -1, StrBytes::default(), 0),
            }
        });
        let partitions = partitions.collect();
        (name, partitions)
    });
    found.collect()
}
