//! Metadata and DescribeCluster: one node that leads everything.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse, MetadataRequest, MetadataResponse};

use super::{Context, NODE_ID, text, topic_name};
use crate::config::TopicConfig;
use crate::log::LEADER_EPOCH;
use crate::security::Right;
use crate::topics::Topic;

pub(super) async fn metadata(context: &Context, request: MetadataRequest, version: i16) -> MetadataResponse {
    let shared = &context.broker.shared;
    let asked = match request.topics {
        // Version 0 has no null: there an empty list stands for all topics.
        Some(topics) if !(version == 0 && topics.is_empty()) => Some(topics),
        _ => None,
    };
    let auto_create = shared.config.auto_create && (version < 4 || request.allow_auto_topic_creation);
    let mut topics = Vec::new();
    match asked {
        None => {
            let all = shared.topics.all();
            let seen = all.iter().filter(|topic| context.session.may(Right::See, &topic.name));
            topics.extend(seen.map(|topic| describe(topic, version)));
        }
        Some(asked) => {
            for asked in asked {
                topics.push(match asked.name {
                    Some(name) => by_name(context, &name, auto_create, version).await,
                    None => match shared.topics.get_by_id(asked.topic_id).filter(|topic| context.session.may(Right::See, &topic.name)) {
                        Some(topic) => describe(&topic, version),
                        None => MetadataResponseTopic::default()
                            .with_name((version < 12).then(Default::default))
                            .with_topic_id(asked.topic_id)
                            .with_error_code(ResponseError::UnknownTopicId.code()),
                    },
                });
            }
        }
    }
    let node = MetadataResponseBroker::default().with_node_id(NODE_ID).with_host(context.host.clone()).with_port(i32::from(context.port));
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text(&shared.cluster_id)))
        .with_controller_id(NODE_ID)
        .with_topics(topics)
}

async fn by_name(context: &Context, name: &str, auto_create: bool, version: i16) -> MetadataResponseTopic {
    let failed = |code: i16| MetadataResponseTopic::default().with_name(Some(topic_name(name))).with_error_code(code);
    if let Err(error) = context.session.check(Right::See, name) {
        return failed(error.response().code());
    }
    if let Some(topic) = context.broker.shared.topics.get(name) {
        return describe(&topic, version);
    }
    if !auto_create {
        let known = crate::config::check_topic_name(name);
        return failed(known.err().map_or(ResponseError::UnknownTopicOrPartition, |e| e.response()).code());
    }
    if let Err(error) = context.session.check(Right::Create, name) {
        return failed(error.response().code());
    }
    let (broker, owned) = (context.broker.clone(), name.to_string());
    let creating = move || broker.shared.topics.create(&owned, TopicConfig::default());
    match tokio::task::spawn_blocking(creating).await {
        Ok(Ok((topic, _))) => describe(&topic, version),
        Ok(Err(error)) => failed(error.response().code()),
        Err(_) => failed(ResponseError::UnknownServerError.code()),
    }
}

fn describe(topic: &Arc<Topic>, version: i16) -> MetadataResponseTopic {
    let partitions = (0..topic.config.partitions).map(|number| {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(NODE_ID)
            .with_replica_nodes(vec![NODE_ID])
            .with_isr_nodes(vec![NODE_ID]);
        if version >= 7 { partition.with_leader_epoch(LEADER_EPOCH) } else { partition }
    });
    MetadataResponseTopic::default().with_name(Some(topic_name(&topic.name))).with_topic_id(topic.id).with_partitions(partitions.collect())
}

pub(super) fn describe_cluster(context: &Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let node = DescribeClusterBroker::default().with_broker_id(NODE_ID).with_host(context.host.clone()).with_port(i32::from(context.port));
    DescribeClusterResponse::default()
        .with_cluster_id(text(&context.broker.shared.cluster_id))
        .with_controller_id(NODE_ID)
        .with_endpoint_type(request.endpoint_type)
        .with_brokers(vec![node])
}
