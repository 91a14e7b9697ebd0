//! DescribeProducers, DescribeTransactions and ListTransactions: what an operator looks at when a transaction hangs.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::describe_transactions_response::{self, TopicData};
use kafka_protocol::messages::list_transactions_response;
use kafka_protocol::messages::*;

use super::{Context, failure, text, topic_name};
use crate::coordinator::{TRANSACTION_STATES, TransactionInfo};
use crate::log::now_ms;
use crate::security::Right;

pub(super) fn producers(context: &Context, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|&index| {
            let answer = PartitionResponse::default().with_partition_index(index);
            let allowed = context.session.check(Right::Read, &topic.name);
            match allowed.and_then(|()| context.broker.shared.topics.partition(&topic.name, index)) {
                Ok(partition) => {
                    let producers = partition.producers().into_iter().map(|producer| {
                        ProducerState::default()
                            .with_producer_id(producer.id.into())
                            .with_producer_epoch(producer.epoch.into())
                            .with_last_sequence(producer.last_sequence)
                            .with_last_timestamp(producer.seen_ms)
                            .with_coordinator_epoch(0)
                            .with_current_txn_start_offset(producer.open_from.unwrap_or(-1))
                    });
                    answer.with_active_producers(producers.collect())
                }
                Err(error) => {
                    let (code, message) = failure(&error);
                    answer.with_error_code(code).with_error_message(message)
                }
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

pub(super) fn describe(context: &Context, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let known = context.broker.shared.coordinator.transactions.describe();
    let states = request.transactional_ids.into_iter().map(|id| {
        let state = describe_transactions_response::TransactionState::default().with_transactional_id(id.clone());
        if let Err(error) = context.session.check_transactional_id(&id) {
            return state.with_error_code(error.code());
        }
        match known.iter().find(|transaction| transaction.id == id.as_str()) {
            Some(transaction) => state
                .with_transaction_state(text(transaction.state))
                .with_transaction_timeout_ms(i32::try_from(transaction.timeout_ms).unwrap_or(i32::MAX))
                .with_transaction_start_time_ms(transaction.started_ms.map_or(-1, |ms| ms as i64))
                .with_producer_id(transaction.producer_id.into())
                .with_producer_epoch(transaction.epoch)
                .with_topics(topics(context, transaction)),
            None => state.with_error_code(ResponseError::TransactionalIdNotFound.code()),
        }
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn topics(context: &Context, transaction: &TransactionInfo) -> Vec<TopicData> {
    let mut topics: Vec<TopicData> = Vec::new();
    for (topic, partition) in transaction.partitions.iter().filter(|(topic, _)| context.session.may(Right::See, topic)) {
        match topics.last_mut() {
            Some(last) if last.topic.as_str() == topic => last.partitions.push(*partition),
            _ => topics.push(TopicData::default().with_topic(topic_name(topic)).with_partitions(vec![*partition])),
        }
    }
    topics
}

pub(super) fn list(context: &Context, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let now = now_ms();
    let wanted = |transaction: &TransactionInfo| {
        let states = &request.state_filters;
        let producers = &request.producer_id_filters;
        let long_enough = |ms: u64| transaction.started_ms.is_some_and(|started| now.saturating_sub(started) > ms);
        (states.is_empty() || states.iter().any(|state| state.as_str() == transaction.state))
            && (producers.is_empty() || producers.iter().any(|id| id.0 == transaction.producer_id))
            && context.session.may(Right::TransactionalId, &transaction.id)
            && u64::try_from(request.duration_filter).map_or(true, long_enough)
    };
    let states = context.broker.shared.coordinator.transactions.describe().into_iter().filter(wanted).map(|transaction| {
        list_transactions_response::TransactionState::default()
            .with_transactional_id(TransactionalId(text(&transaction.id)))
            .with_producer_id(transaction.producer_id.into())
            .with_transaction_state(text(transaction.state))
    });
    let unknown = request.state_filters.iter().filter(|state| !TRANSACTION_STATES.contains(&state.as_str())).cloned();
    ListTransactionsResponse::default().with_unknown_state_filters(unknown.collect()).with_transaction_states(states.collect())
}
