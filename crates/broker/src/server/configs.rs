//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs. Settings of topics may be changed; those of the broker
//! are given at its start.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym};
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, alter_configs_response, incremental_alter_configs_response,
};
use kafka_protocol::protocol::StrBytes;

use super::{Context, NODE_ID, failure, text};
use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::security::Right;
use crate::settings::{self, Kind, Operation, SETTINGS, Setting};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
pub(super) const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC: i8 = 4;
pub(super) const SOURCE_DEFAULT: i8 = 5;
/// First version that tells types and can tell what a setting means.
const TYPES_VERSION: i16 = 3;

pub(super) fn describe(context: &Context, request: DescribeConfigsRequest, version: i16) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let result =
            DescribeConfigsResult::default().with_resource_type(resource.resource_type).with_resource_name(resource.resource_name.clone());
        let configs = match resource.resource_type {
            TOPIC if !context.session.may(Right::See, &resource.resource_name) => {
                return result.with_error_code(ResponseError::TopicAuthorizationFailed.code());
            }
            BROKER if !context.session.may_all() => return result.with_error_code(ResponseError::ClusterAuthorizationFailed.code()),
            TOPIC => match context.broker.shared.topics.get(&resource.resource_name) {
                Some(topic) => topic_settings(context, &topic.config),
                None => return result.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
            },
            BROKER if is_this_node(&resource.resource_name) => broker_settings(context),
            BROKER => return refuse(result, "there is only node 1"),
            _ => return refuse(result, "only topics (2) and brokers (4) have settings"),
        };
        let wanted = |config: &DescribeConfigsResourceResult| match &resource.configuration_keys {
            Some(keys) if !keys.is_empty() => keys.contains(&config.name),
            _ => true,
        };
        let configs = configs.into_iter().filter(wanted).map(|config| {
            let synonyms = if request.include_synonyms { config.synonyms.clone() } else { Vec::new() };
            let config = config.with_synonyms(synonyms);
            if version < TYPES_VERSION {
                return config.with_config_type(0).with_documentation(None);
            }
            let documentation = config.documentation.clone().filter(|_| request.include_documentation);
            config.with_documentation(documentation)
        });
        result.with_configs(configs.collect())
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn refuse(result: DescribeConfigsResult, why: &str) -> DescribeConfigsResult {
    result.with_error_code(ResponseError::InvalidRequest.code()).with_error_message(Some(text(why)))
}

/// An empty name stands for the defaults of all brokers.
fn is_this_node(name: &str) -> bool {
    name.is_empty() || name == NODE_ID.0.to_string()
}

fn topic_settings(context: &Context, topic: &TopicConfig) -> Vec<DescribeConfigsResourceResult> {
    let broker = &context.broker.shared.config;
    let describe = |setting: &Setting| {
        let (value, own) = setting.show(topic, broker);
        let synonym = |name: &str, value: &str, source| {
            DescribeConfigsSynonym::default().with_name(text(name)).with_value(Some(text(value))).with_source(source)
        };
        let mut synonyms = Vec::new();
        if own {
            synonyms.push(synonym(setting.name, &value, SOURCE_TOPIC));
        }
        synonyms.extend(setting.default_name.map(|name| synonym(name, &setting.default(broker), SOURCE_DEFAULT)));
        DescribeConfigsResourceResult::default()
            .with_name(text(setting.name))
            .with_value(Some(text(&value)))
            .with_config_source(if own { SOURCE_TOPIC } else { SOURCE_DEFAULT })
            .with_config_type(setting.kind as i8)
            .with_documentation(Some(text(setting.documentation)))
            .with_synonyms(synonyms)
    };
    SETTINGS.iter().map(describe).collect()
}

fn broker_settings(context: &Context) -> Vec<DescribeConfigsResourceResult> {
    let config = &context.broker.shared.config;
    let settings: [(&str, Kind, String); 8] = [
        ("auto.create.topics.enable", Kind::Boolean, config.auto_create.to_string()),
        ("default.replication.factor", Kind::Int, "1".into()),
        ("log.retention.ms", Kind::Long, "-1".into()),
        ("log.segment.bytes", Kind::Int, config.segment_bytes.to_string()),
        ("message.max.bytes", Kind::Int, config.limits.max_batch_bytes.to_string()),
        ("num.partitions", Kind::Int, config.default_partitions.to_string()),
        ("socket.request.max.bytes", Kind::Int, config.limits.max_request_bytes.to_string()),
        ("transaction.max.timeout.ms", Kind::Int, config.limits.max_transaction_timeout.as_millis().to_string()),
    ];
    let describe = |(name, kind, value): (&str, Kind, String)| {
        DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(StrBytes::from_string(value)))
            .with_read_only(true)
            .with_config_source(SOURCE_STATIC)
            .with_config_type(kind as i8)
    };
    settings.into_iter().map(describe).collect()
}

/// One resource to change: type, name, and the changes.
struct Change {
    kind: i8,
    name: StrBytes,
    /// Whether settings that are not named go back to their defaults.
    replaces: bool,
    settings: Vec<(StrBytes, Operation, Option<StrBytes>)>,
}

pub(super) async fn alter(context: &Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let settings = resource.configs.into_iter().map(|config| (config.name, Operation::Set, config.value)).collect();
        let change = Change { kind: resource.resource_type, name: resource.resource_name.clone(), replaces: true, settings };
        let (code, message) = answer(apply(context, change, request.validate_only).await);
        responses.push(
            alter_configs_response::AlterConfigsResourceResponse::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
                .with_error_code(code)
                .with_error_message(message),
        );
    }
    AlterConfigsResponse::default().with_responses(responses)
}

pub(super) async fn alter_incrementally(context: &Context, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let settings = resource.configs.into_iter().map(|config| Ok((config.name, operation(config.config_operation)?, config.value)));
        let done = match settings.collect::<Result<Vec<_>>>() {
            Ok(settings) => {
                let change = Change { kind: resource.resource_type, name: resource.resource_name.clone(), replaces: false, settings };
                apply(context, change, request.validate_only).await
            }
            Err(error) => Err(error),
        };
        let (code, message) = answer(done);
        responses.push(
            incremental_alter_configs_response::AlterConfigsResourceResponse::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
                .with_error_code(code)
                .with_error_message(message),
        );
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn operation(number: i8) -> Result<Operation> {
    Ok(match number {
        0 => Operation::Set,
        1 => Operation::Delete,
        2 => Operation::Append,
        3 => Operation::Subtract,
        other => return Err(Error::InvalidArgument(format!("unknown operation {other} on a setting"))),
    })
}

fn answer(done: Result<()>) -> (i16, Option<StrBytes>) {
    match done {
        Ok(()) => (0, None),
        Err(error) => failure(&error),
    }
}

async fn apply(context: &Context, change: Change, validate_only: bool) -> Result<()> {
    match change.kind {
        TOPIC => context.session.check(Right::Admin, &change.name)?,
        BROKER if !context.session.may_all() => return Err(Error::NotSuperuser),
        BROKER => return Err(Error::InvalidConfig("settings of the broker are given at its start and cannot be changed".into())),
        _ => return Err(Error::InvalidArgument("only settings of topics (2) can be changed".into())),
    }
    let broker = context.broker.clone();
    let altering = move || {
        let apply = |config: &mut TopicConfig| {
            if change.replaces {
                let own: Vec<_> = SETTINGS.iter().filter(|setting| setting.show(config, &broker.shared.config).1).collect();
                for setting in own {
                    settings::change(config, setting.name, Operation::Delete, None)?;
                }
            }
            change.settings.iter().try_for_each(|(name, operation, value)| settings::change(config, name, *operation, value.as_deref()))
        };
        let topics = &broker.shared.topics;
        if validate_only {
            let topic = topics.get(&change.name).ok_or_else(|| Error::UnknownPartition { topic: change.name.to_string(), partition: 0 })?;
            return apply(&mut topic.config.clone());
        }
        topics.alter(&change.name, apply)
    };
    tokio::task::spawn_blocking(altering).await.unwrap_or(Err(Error::Closed))
}
