//! CreateTopics, CreatePartitions, DeleteTopics and DeleteRecords. They wait for the disk, so their work is done on
//! blocking threads.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};

use super::configs::{SOURCE_DEFAULT, SOURCE_TOPIC};
use super::{Context, NODE_ID, failure, text};
use crate::broker::Broker;
use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::security::Right;
use crate::settings::{self, Operation, SETTINGS, Setting};

pub(super) async fn create(context: &Context, request: CreateTopicsRequest, version: i16) -> CreateTopicsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        if let Err(error) = context.session.check(Right::Create, &topic.name) {
            let (code, message) = failure(&error);
            results.push(result.with_error_code(code).with_error_message(message));
            continue;
        }
        let broker = context.broker.clone();
        let validate_only = request.validate_only;
        let done = tokio::task::spawn_blocking(move || create_one(&broker, &topic, validate_only)).await;
        results.push(match done {
            Ok(Ok((config, id))) => {
                let result = result.with_topic_id(id);
                if version >= 5 {
                    result.with_num_partitions(config.partitions).with_replication_factor(1).with_configs(Some(configs(context, &config)))
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
        settings::change(&mut config, &setting.name, Operation::Set, setting.value.as_deref()).map_err(refused)?;
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

/// The settings of a topic that was created, or would be.
fn configs(context: &Context, topic: &TopicConfig) -> Vec<CreatableTopicConfigs> {
    let describe = |setting: &Setting| {
        let (value, own) = setting.show(topic, &context.broker.shared.config);
        CreatableTopicConfigs::default().with_name(text(setting.name)).with_value(Some(text(&value))).with_config_source(if own {
            SOURCE_TOPIC
        } else {
            SOURCE_DEFAULT
        })
    };
    SETTINGS.iter().map(describe).collect()
}

pub(super) async fn create_partitions(context: &Context, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        if let Err(error) = context.session.check(Right::Admin, &topic.name) {
            let (code, message) = failure(&error);
            results.push(result.with_error_code(code).with_error_message(message));
            continue;
        }
        let broker = context.broker.clone();
        let validate_only = request.validate_only;
        let done = tokio::task::spawn_blocking(move || grow(&broker, &topic, validate_only)).await;
        results.push(match done {
            Ok(Ok(())) => result,
            Ok(Err((error, message))) => result.with_error_code(error.code()).with_error_message(Some(text(&message))),
            Err(_) => result.with_error_code(ResponseError::UnknownServerError.code()),
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

fn grow(broker: &Broker, asked: &CreatePartitionsTopic, validate_only: bool) -> std::result::Result<(), Refusal> {
    let topics = &broker.shared.topics;
    let unknown = || (ResponseError::UnknownTopicOrPartition, format!("there is no topic {}", asked.name.as_str()));
    let topic = topics.get(&asked.name).ok_or_else(unknown)?;
    if topic.config.internal {
        let error = Error::Internal(topic.name.to_string());
        return Err((error.response(), error.to_string()));
    }
    if let Some(assignments) = &asked.assignments {
        let added = asked.count.saturating_sub(topic.config.partitions);
        if assignments.len() as i64 != i64::from(added) || assignments.iter().any(|assignment| assignment.broker_ids != [NODE_ID]) {
            return Err((ResponseError::InvalidReplicaAssignment, "there is only node 1, once for each added partition".into()));
        }
    }
    topics.grow(&asked.name, asked.count, validate_only).map_err(|error| match error {
        Error::InvalidArgument(_) => (ResponseError::InvalidPartitions, error.to_string()),
        _ => (error.response(), error.to_string()),
    })
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
            // Those who may not see a topic do not learn its name.
            None => topics.get_by_id(id).filter(|topic| context.session.may(Right::See, &topic.name)),
        };
        let named = name.as_ref().map(|name| name.as_str()).or(topic.as_ref().map(|topic| &*topic.name));
        let allowed = named.map_or(Ok(()), |name| context.session.check(Right::Admin, name));
        let result = DeletableTopicResult::default()
            .with_name(name.clone().or_else(|| topic.as_ref().map(|topic| TopicName(text(&topic.name)))))
            .with_topic_id(topic.as_ref().map_or(id, |topic| topic.id));
        let (code, message) = match topic {
            _ if let Err(error) = &allowed => failure(error),
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
            let allowed = context.session.check(Right::Admin, &name);
            let deleting = move || allowed.and_then(|()| delete_before(&broker, &name, asked.partition_index, asked.offset));
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
    if let Some(topic) = broker.shared.topics.get(topic) {
        if topic.config.internal {
            return Err(Error::Internal(topic.name.to_string()));
        }
        if !topic.config.deletes() {
            return Err(Error::Policy(format!("{} is only compacted: the last record of each key stays", topic.name)));
        }
    }
    let partition = broker.shared.topics.partition(topic, partition)?;
    let offset = if offset == -1 { partition.watermarks().high_watermark } else { offset };
    partition.delete_before(offset)
}
