//! CreateTopics, DeleteTopics and DeleteRecords. They wait for the disk, so their work is done on blocking threads.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    TopicName,
};

use super::{Context, NODE_ID, failure, text};
use crate::broker::Broker;
use crate::config::TopicConfig;
use crate::error::{Error, Result};

pub(super) async fn create(context: &Context, request: CreateTopicsRequest, version: i16) -> CreateTopicsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        let broker = context.broker.clone();
        let validate_only = request.validate_only;
        let done = tokio::task::spawn_blocking(move || create_one(&broker, &topic, validate_only)).await;
        results.push(match done {
            Ok(Ok((config, id))) => {
                let result = result.with_topic_id(id);
                if version >= 5 {
                    result.with_num_partitions(config.partitions).with_replication_factor(1).with_configs(Some(Vec::new()))
                } else {
                    result
                }
            }
            Ok(Err((error, message))) => result.with_error_code(error.code()).with_error_message(Some(text(&message))),
            Err(_) => result.with_error_code(ResponseError::UnknownServerError.code()),
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

type Refusal = (ResponseError, String);

fn create_one(broker: &Broker, topic: &CreatableTopic, validate_only: bool) -> std::result::Result<(TopicConfig, uuid::Uuid), Refusal> {
    let refused = |error: Error| {
        let code = match error {
            Error::InvalidArgument(_) => ResponseError::InvalidPartitions,
            _ => error.response(),
        };
        (code, error.to_string())
    };
    let topics = &broker.shared.topics;
    if topics.get(&topic.name).is_some() {
        return Err((ResponseError::TopicAlreadyExists, format!("topic {} exists", topic.name.as_str())));
    }
    let mut config = TopicConfig::default();
    if !topic.assignments.is_empty() {
        config.partitions = topic.assignments.len() as i32;
        if topic.assignments.iter().any(|assignment| assignment.broker_ids != [NODE_ID]) {
            return Err((ResponseError::InvalidReplicaAssignment, "there is only node 1".into()));
        }
    } else {
        if !matches!(topic.replication_factor, -1 | 1) {
            return Err((ResponseError::InvalidReplicationFactor, "there is one node, so the factor is 1".into()));
        }
        config.partitions = match topic.num_partitions {
            -1 => 0,
            0 => -1,
            partitions => partitions,
        };
    }
    for setting in &topic.configs {
        let value = setting.value.as_ref().map_or("", |value| value.as_str());
        apply_setting(&mut config, &setting.name, value).map_err(|message| (ResponseError::InvalidConfig, message))?;
    }
    topics.check(&topic.name, &mut config).map_err(refused)?;
    if validate_only {
        return Ok((config, uuid::Uuid::nil()));
    }
    match topics.create(&topic.name, config).map_err(refused)? {
        (created, true) => Ok((created.config.clone(), created.id)),
        (_, false) => Err((ResponseError::TopicAlreadyExists, format!("topic {} exists", topic.name.as_str()))),
    }
}

/// Takes one of Kafka's topic settings. Those that cannot make a difference on one node are accepted.
fn apply_setting(config: &mut TopicConfig, name: &str, value: &str) -> std::result::Result<(), String> {
    let number = || value.parse::<i64>().map_err(|_| format!("{name} is not a number: {value}"));
    let limit = || Ok::<_, String>(Some(number()?).filter(|limit| *limit >= 0));
    match name {
        "retention.ms" => config.retention_ms = limit()?,
        "retention.bytes" => config.retention_bytes = limit()?,
        "segment.bytes" => match u64::try_from(number()?) {
            Ok(bytes) if bytes >= 1 << 10 => config.segment_bytes = Some(bytes),
            _ => return Err(format!("segment.bytes must be at least 1024, not {value}")),
        },
        "cleanup.policy" if value == "delete" => {}
        "cleanup.policy" => return Err("cleanup.policy can only be delete".into()),
        "message.timestamp.type" if value == "CreateTime" => {}
        "message.timestamp.type" => return Err("message.timestamp.type can only be CreateTime".into()),
        "compression.type" if value == "producer" => {}
        "compression.type" => return Err("compression.type can only be producer".into()),
        "min.insync.replicas"
        | "unclean.leader.election.enable"
        | "flush.messages"
        | "flush.ms"
        | "max.message.bytes"
        | "segment.ms"
        | "index.interval.bytes"
        | "file.delete.delay.ms"
        | "message.format.version" => {}
        _ => return Err(format!("unknown topic setting {name}")),
    }
    Ok(())
}

pub(super) async fn delete(context: &Context, request: DeleteTopicsRequest, version: i16) -> DeleteTopicsResponse {
    let topics = &context.broker.shared.topics;
    let mut asked: Vec<(Option<TopicName>, uuid::Uuid)> = Vec::new();
    if version >= 6 {
        asked.extend(request.topics.into_iter().map(|topic| (topic.name, topic.topic_id)));
    } else {
        asked.extend(request.topic_names.into_iter().map(|name| (Some(name), uuid::Uuid::nil())));
    }
    let mut responses = Vec::with_capacity(asked.len());
    for (name, id) in asked {
        let topic = match &name {
            Some(name) => topics.get(name),
            None => topics.get_by_id(id),
        };
        let result = DeletableTopicResult::default()
            .with_name(name.clone().or_else(|| topic.as_ref().map(|topic| TopicName(text(&topic.name)))))
            .with_topic_id(topic.as_ref().map_or(id, |topic| topic.id));
        let (code, message) = match topic {
            Some(topic) if topic.config.internal => failure(&Error::Internal(topic.name.to_string())),
            Some(topic) => {
                let broker = context.broker.clone();
                match tokio::task::spawn_blocking(move || broker.delete_topic(&topic.name)).await {
                    Ok(Ok(())) => (0, None),
                    Ok(Err(error)) => failure(&error),
                    Err(_) => (ResponseError::UnknownServerError.code(), None),
                }
            }
            None if name.is_none() => (ResponseError::UnknownTopicId.code(), None),
            None => (ResponseError::UnknownTopicOrPartition.code(), None),
        };
        let result = result.with_error_code(code);
        responses.push(if version >= 5 { result.with_error_message(message) } else { result });
    }
    DeleteTopicsResponse::default().with_responses(responses)
}

pub(super) async fn delete_records(context: &Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let (broker, name) = (context.broker.clone(), topic.name.clone());
            let deleting = move || delete_before(&broker, &name, asked.partition_index, asked.offset);
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            partitions.push(match tokio::task::spawn_blocking(deleting).await {
                Ok(Ok(log_start)) => answer.with_low_watermark(log_start),
                Ok(Err(error)) => answer.with_low_watermark(-1).with_error_code(error.response().code()),
                Err(_) => answer.with_low_watermark(-1).with_error_code(ResponseError::UnknownServerError.code()),
            });
        }
        topics.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

/// -1 stands for the high watermark.
fn delete_before(broker: &Broker, topic: &str, partition: i32, offset: i64) -> Result<i64> {
    let internal = broker.shared.topics.get(topic).is_some_and(|topic| topic.config.internal);
    if internal {
        return Err(Error::Internal(topic.to_string()));
    }
    let partition = broker.shared.topics.partition(topic, partition)?;
    let offset = if offset == -1 { partition.watermarks().high_watermark } else { offset };
    partition.delete_before(offset)
}
