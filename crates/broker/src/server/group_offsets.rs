//! OffsetCommit, OffsetFetch and OffsetDelete.

use std::collections::BTreeSet;

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::{Context, code_of, text, topic_name};
use crate::coordinator::{CommittedOffset, GroupInfo, MemberId, OffsetKey};
use crate::log::Durable;
use crate::security::Right;

/// Longest metadata that may be kept with an offset.
const MOST_METADATA_BYTES: usize = 4096;
/// First version with several groups in a fetch.
const GROUPS_VERSION: i16 = 8;

/// The offsets of a request that may be committed, and what is wrong with the others.
pub(super) struct Commits {
    group: String,
    pub(super) offsets: Vec<(OffsetKey, CommittedOffset)>,
    results: Vec<(TopicName, Vec<(i32, Result<(), ResponseError>)>)>,
}

impl Commits {
    pub(super) fn new(group: &str) -> Commits {
        Commits { group: group.to_string(), offsets: Vec::new(), results: Vec::new() }
    }

    /// The partitions that follow are of this topic.
    pub(super) fn topic(&mut self, name: &TopicName) {
        self.results.push((name.clone(), Vec::new()));
    }

    /// Takes one partition's offset, if the member is allowed to commit and the offset is in order.
    pub(super) fn take(&mut self, context: &Context, allowed: Result<(), ResponseError>, partition: i32, offset: CommittedOffset) {
        let Some((topic, results)) = self.results.last_mut() else { return };
        let checked = allowed.and_then(|()| {
            if offset.metadata.len() > MOST_METADATA_BYTES {
                return Err(ResponseError::OffsetMetadataTooLarge);
            }
            context.session.check(Right::Read, topic).map_err(|error| error.response())?;
            context.broker.shared.topics.partition(topic, partition).map(drop).map_err(|error| error.response())
        });
        if checked.is_ok() {
            let key = OffsetKey { group: self.group.clone(), topic: topic.to_string(), partition };
            self.offsets.push((key, offset));
        }
        results.push((partition, checked));
    }

    /// The error codes to answer with, by topic and partition: `stored` is how the offsets that were in order fared.
    pub(super) fn codes(self, stored: Result<(), ResponseError>) -> impl Iterator<Item = (TopicName, Vec<(i32, i16)>)> {
        let code = move |(partition, checked): (i32, Result<(), ResponseError>)| (partition, code_of(checked.and(stored)));
        self.results.into_iter().map(move |(topic, results)| (topic, results.into_iter().map(code).collect()))
    }
}

pub(super) async fn commit(context: &Context, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let coordinator = &context.broker.shared.coordinator;
    let member = MemberId {
        group: &request.group_id,
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let allowed = context.session.check_group(&request.group_id).and_then(|()| coordinator.groups.may_commit(member));
    let mut commits = Commits::new(&request.group_id);
    for topic in request.topics {
        commits.topic(&topic.name);
        for partition in topic.partitions {
            let offset = CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.committed_metadata.unwrap_or_default().to_string(),
            };
            commits.take(context, allowed, partition.partition_index, offset);
        }
    }
    let offsets = std::mem::take(&mut commits.offsets);
    let stored = if offsets.is_empty() { Ok(()) } else { durable(coordinator.offsets.commit(offsets, Vec::new())).await };
    let topics = commits.codes(stored).map(|(name, codes)| {
        let partitions = codes
            .into_iter()
            .map(|(index, code)| OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code));
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// Waits for a change of the coordinator's state to be on disk.
async fn durable(changed: crate::Result<Durable>) -> Result<(), ResponseError> {
    let done = match changed {
        Ok(durable) => durable.await,
        Err(error) => Err(error),
    };
    done.map_err(|error| error.coordinator_response())
}

pub(super) async fn delete(context: &Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let coordinator = &context.broker.shared.coordinator;
    let group: &str = &request.group_id;
    if let Err(error) = context.session.check_group(group) {
        return OffsetDeleteResponse::default().with_error_code(error.code());
    }
    let active = coordinator.groups.describe(group).filter(|info| !info.members.is_empty());
    let refused = match &active {
        None if coordinator.offsets.of_group(group).is_empty() => Some(ResponseError::GroupIdNotFound),
        Some(info) if info.protocol_type != "consumer" => Some(ResponseError::NonEmptyGroup),
        _ => None,
    };
    if let Some(error) = refused {
        return OffsetDeleteResponse::default().with_error_code(error.code());
    }
    let subscribed = active.map(|info| subscriptions(&info)).unwrap_or_default();
    let mut keys = BTreeSet::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut checked = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let (name, index) = (&topic.name, partition.partition_index);
            let allowed = context.session.check(Right::Read, name);
            let known = allowed.and_then(|()| context.broker.shared.topics.partition(name, index).map(drop));
            let known = known.map_err(|error| error.response());
            let free = if subscribed.contains(name.as_str()) { Err(ResponseError::GroupSubscribedToTopic) } else { Ok(()) };
            let result = known.and(free);
            if result.is_ok() {
                keys.insert(OffsetKey { group: group.to_string(), topic: name.to_string(), partition: index });
            }
            checked.push((index, result));
        }
        results.push((topic.name, checked));
    }
    let deleted = durable(coordinator.offsets.forget_keys(&keys)).await;
    let topics = results.into_iter().map(|(name, checked)| {
        let partitions = checked.into_iter().map(|(index, result)| {
            OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code_of(result.and(deleted)))
        });
        OffsetDeleteResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}

/// The topics that the members of a consumer group are subscribed to.
fn subscriptions(info: &GroupInfo) -> BTreeSet<String> {
    let decode = |metadata: &Bytes| {
        let mut metadata = metadata.clone();
        let version = metadata.try_get_i16().ok()?;
        // Later versions only add to the end.
        let subscription = ConsumerProtocolSubscription::decode(&mut metadata, version.clamp(0, 3)).ok()?;
        Some(subscription.topics.into_iter().map(|topic| topic.to_string()).collect::<Vec<_>>())
    };
    info.members.iter().filter_map(|member| decode(&member.metadata)).flatten().collect()
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
            OffsetFetchResponseGroup::default()
                .with_group_id(group.group_id.clone())
                .with_error_code(code_of(context.session.check_group(&group.group_id)))
                .with_topics(topics)
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
    let response = OffsetFetchResponse::default().with_topics(topics.collect());
    // Version 1 tells it for each partition alone.
    if version < 2 { response } else { response.with_error_code(code_of(context.session.check_group(&request.group_id))) }
}

/// The committed offsets asked for, or all of the group that the client may see.
fn find(context: &Context, group: &str, asked: Asked, stable: bool) -> Vec<(TopicName, Vec<Found>)> {
    let coordinator = &context.broker.shared.coordinator;
    let allowed = context.session.check_group(group);
    let asked = asked.unwrap_or_else(|| {
        let mut topics: Vec<(TopicName, Vec<i32>)> = Vec::new();
        if allowed.is_err() {
            return topics;
        }
        for (key, _) in coordinator.offsets.of_group(group) {
            if !context.session.may(Right::See, &key.topic) {
                continue;
            }
            match topics.last_mut() {
                Some((name, partitions)) if name.as_str() == key.topic => partitions.push(key.partition),
                _ => topics.push((topic_name(&key.topic), vec![key.partition])),
            }
        }
        topics
    });
    let found = asked.into_iter().map(|(name, partitions)| {
        let seen = allowed.and_then(|()| context.session.check(Right::See, &name).map_err(|error| error.response()));
        let partitions = partitions.into_iter().map(|partition| {
            if let Err(error) = seen {
                return (partition, -1, -1, StrBytes::default(), error.code());
            }
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
