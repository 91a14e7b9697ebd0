//! Idempotent and transactional producers on the wire.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult};
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::*;

use super::group_offsets::Commits;
use super::{Context, code_of};
use crate::coordinator::{CommittedOffset, MemberId, TransactionCall, Transactions};
use crate::security::Right;

pub(super) async fn init_producer_id(context: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let broker = &context.broker;
    let allowed = match &request.transactional_id {
        None if context.session.writes() => Ok(()),
        None => Err(ResponseError::ClusterAuthorizationFailed),
        Some(id) => context.session.check_transactional_id(id),
    };
    let given = match &request.transactional_id {
        _ if let Err(error) = allowed => Err(error),
        None => broker.shared.coordinator.transactions.init_idempotent().await,
        Some(id) => {
            let timeout = Duration::from_millis(request.transaction_timeout_ms.max(0) as u64);
            let current = (request.producer_id.0 >= 0).then_some((request.producer_id.0, request.producer_epoch));
            Transactions::init(broker, id, timeout, current).await
        }
    };
    match given {
        Ok((id, epoch)) => InitProducerIdResponse::default().with_producer_id(id.into()).with_producer_epoch(epoch),
        Err(error) => InitProducerIdResponse::default().with_producer_id((-1).into()).with_producer_epoch(-1).with_error_code(error.code()),
    }
}

/// Older clients know only one way to be told that they are fenced.
fn fenced_for(error: ResponseError, version: i16, knows_fenced_from: i16) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if version < knows_fenced_from => ResponseError::InvalidProducerEpoch,
        error => error,
    }
}

pub(super) async fn add_partitions(context: &Context, request: AddPartitionsToTxnRequest, version: i16) -> AddPartitionsToTxnResponse {
    let shared = &context.broker.shared;
    let mut partitions = Vec::new();
    let mut refused = false;
    let mut results = Vec::with_capacity(request.v3_and_below_topics.len());
    for topic in request.v3_and_below_topics {
        let internal = shared.topics.get(&topic.name).is_some_and(|topic| topic.config.internal);
        let mut checked = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let result = if internal || !context.session.may(Right::Write, &topic.name) {
                Err(ResponseError::TopicAuthorizationFailed)
            } else {
                shared.topics.partition(&topic.name, partition).map(drop).map_err(|error| error.response())
            };
            refused |= result.is_err();
            partitions.push((topic.name.to_string(), partition));
            checked.push((partition, result));
        }
        results.push((topic.name, checked));
    }
    let transacts = context.session.check_transactional_id(&request.v3_and_below_transactional_id);
    let added = if let Err(error) = transacts {
        Err(error)
    } else if refused {
        // All or none: what is not at fault itself was not tried.
        Err(ResponseError::OperationNotAttempted)
    } else {
        let call = TransactionCall {
            id: &request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id.0,
            epoch: request.v3_and_below_producer_epoch,
        };
        let added = shared.coordinator.transactions.add_partitions(call, partitions).await;
        added.map_err(|error| fenced_for(error, version, 2))
    };
    let results = results.into_iter().map(|(name, checked)| {
        let results = checked.into_iter().map(|(partition, result)| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(partition)
                .with_partition_error_code(code_of(transacts.and(result).and(added)))
        });
        AddPartitionsToTxnTopicResult::default().with_name(name).with_results_by_partition(results.collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
}

pub(super) async fn add_offsets(context: &Context, request: AddOffsetsToTxnRequest, version: i16) -> AddOffsetsToTxnResponse {
    let call = TransactionCall { id: &request.transactional_id, producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let session = &context.session;
    let allowed = session.check_transactional_id(&request.transactional_id).and_then(|()| session.check_group(&request.group_id));
    let done = match allowed {
        Ok(()) => context.broker.shared.coordinator.transactions.add_group(call, &request.group_id).await,
        Err(error) => Err(error),
    };
    AddOffsetsToTxnResponse::default().with_error_code(code_of(done.map_err(|error| fenced_for(error, version, 2))))
}

pub(super) async fn commit_offsets(context: &Context, request: TxnOffsetCommitRequest, version: i16) -> TxnOffsetCommitResponse {
    let coordinator = &context.broker.shared.coordinator;
    let member = MemberId {
        group: &request.group_id,
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    // Before version 3, and from producers that do not say who consumes, there is no member to check.
    let anonymous = request.generation_id < 0 && request.member_id.is_empty();
    let session = &context.session;
    let allowed = session.check_transactional_id(&request.transactional_id).and_then(|()| session.check_group(&request.group_id));
    let allowed = allowed.and_then(|()| if anonymous { Ok(()) } else { coordinator.groups.may_commit(member) });
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
    let call = TransactionCall { id: &request.transactional_id, producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let offsets = std::mem::take(&mut commits.offsets);
    let mut added = Ok(());
    if !offsets.is_empty() {
        added = coordinator.transactions.add_offsets(call, &request.group_id, offsets).await;
        added = added.map_err(|error| fenced_for(error, version, 3));
    }
    let topics = commits.codes(added).map(|(name, codes)| {
        let partitions = codes
            .into_iter()
            .map(|(index, code)| TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code));
        TxnOffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

pub(super) async fn end(context: &Context, request: EndTxnRequest, version: i16) -> EndTxnResponse {
    let call = TransactionCall { id: &request.transactional_id, producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let done = match context.session.check_transactional_id(&request.transactional_id) {
        Ok(()) => Transactions::end(&context.broker, call, request.committed).await,
        Err(error) => Err(error),
    };
    EndTxnResponse::default().with_error_code(code_of(done.map_err(|error| fenced_for(error, version, 2))))
}
