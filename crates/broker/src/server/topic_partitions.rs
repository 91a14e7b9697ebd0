//! DescribeTopicPartitions (KIP-966): topics in pages of partitions, as newer admin clients ask instead of by Metadata. Each page ends
//! with where the next begins.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use super::{Context, NODE_ID, topic_name};
use crate::config::check_topic_name;
use crate::log::LEADER_EPOCH;
use crate::security::Right;

/// Partitions of one answer, however many are asked for.
const MOST_PARTITIONS: i32 = 2_000;

pub(super) fn describe(context: &Context, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let (topics, response) = (&context.broker.shared.topics, DescribeTopicPartitionsResponse::default());
    let all = request.topics.is_empty();
    let asked: BTreeSet<String> = if all {
        let known = topics.all();
        known.iter().filter(|topic| context.session.may(Right::See, &topic.name)).map(|topic| topic.name.to_string()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    let (first, first_partition) = match &request.cursor {
        None => (String::new(), 0),
        // What a page ended with may be gone from all topics by now, and is one of those that are named.
        Some(cursor) if cursor.partition_index < 0 || !(all || asked.contains(cursor.topic_name.as_str())) => {
            let refused = asked.iter().map(|name| failed(name, ResponseError::InvalidRequest));
            return response.with_topics(refused.collect());
        }
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index),
    };
    let mut left = request.response_partition_limit.clamp(1, MOST_PARTITIONS);
    let mut described = Vec::new();
    for name in asked.range(first.clone()..) {
        if left == 0 {
            return response.with_topics(described).with_next_cursor(Some(cursor(name, 0)));
        }
        if let Err(error) = check_topic_name(name).and_then(|()| context.session.check(Right::See, name)) {
            described.push(failed(name, error.response()));
            continue;
        }
        let Some(topic) = topics.get(name) else {
            described.push(failed(name, ResponseError::UnknownTopicOrPartition));
            continue;
        };
        let from = if *name == first { first_partition } else { 0 };
        let until = topic.config.partitions.min(from.saturating_add(left));
        let partitions: Vec<_> = (from..until).map(partition).collect();
        left -= partitions.len() as i32;
        described.push(
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(topic_name(name)))
                .with_topic_id(topic.id)
                .with_partitions(partitions),
        );
        if until < topic.config.partitions {
            return response.with_topics(described).with_next_cursor(Some(cursor(name, until)));
        }
    }
    response.with_topics(described)
}

fn failed(name: &str, why: ResponseError) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default().with_name(Some(topic_name(name))).with_error_code(why.code())
}

fn cursor(name: &str, partition: i32) -> Cursor {
    Cursor::default().with_topic_name(topic_name(name)).with_partition_index(partition)
}

/// The one node has it, and nobody else could take it over.
fn partition(number: i32) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(number)
        .with_leader_id(NODE_ID)
        .with_leader_epoch(LEADER_EPOCH)
        .with_replica_nodes(vec![NODE_ID])
        .with_isr_nodes(vec![NODE_ID])
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
}
