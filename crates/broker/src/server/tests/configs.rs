//! Settings of topics: shown, changed, followed, kept over a restart; at every version.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::{alter_configs_request, incremental_alter_configs_request};

use super::*;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

async fn describe(client: &mut Client, version: i16, kind: i8, name: &str) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name)).with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
    let request = if version >= 3 { request.with_include_documentation(true) } else { request };
    client.call(&request, version).await.results.remove(0)
}

async fn value(client: &mut Client, topic: &str, name: &str) -> (String, i8) {
    let described = describe(client, 4, TOPIC, topic).await;
    let config = described.configs.iter().find(|config| config.name.as_str() == name).unwrap();
    (config.value.as_ref().unwrap().to_string(), config.config_source)
}

/// Changes one setting: 0 sets, 1 deletes, 2 appends, 3 subtracts.
async fn change(client: &mut Client, version: i16, resource: (i8, &str), setting: (&str, i8, Option<&str>), validate_only: bool) -> i16 {
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let (name, operation, value) = setting;
    let config = AlterableConfig::default().with_name(text(name)).with_config_operation(operation).with_value(value.map(text));
    let resource = AlterConfigsResource::default().with_resource_type(resource.0).with_resource_name(text(resource.1));
    let request = IncrementalAlterConfigsRequest::default().with_validate_only(validate_only);
    client.call(&request.with_resources(vec![resource.with_configs(vec![config])]), version).await.responses[0].error_code
}

pub(super) async fn settings_are_changed_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut client = Client::connect(address).await;
    broker.create_topic("t", TopicConfig { retention_ms: Some(60_000), ..TopicConfig::partitions(1) }).unwrap();
    for version in versions(ApiKey::DescribeConfigs) {
        let described = describe(&mut client, version, TOPIC, "t").await;
        let retention = described.configs.iter().find(|config| config.name.as_str() == "retention.ms").unwrap();
        assert_eq!((retention.value.as_deref(), retention.config_source, retention.synonyms.len()), (Some("60000"), 1, 1));
        let size = described.configs.iter().find(|config| config.name.as_str() == "max.message.bytes").unwrap();
        assert_eq!((size.config_source, size.synonyms[0].name.as_str()), (5, "message.max.bytes"));
        if version >= 3 {
            assert_eq!(retention.config_type, 5, "a long");
            assert!(retention.documentation.is_some());
        }
        let of_broker = describe(&mut client, version, BROKER, "1").await;
        assert!(of_broker.configs.iter().any(|config| config.name.as_str() == "num.partitions" && config.read_only));
        assert_eq!(describe(&mut client, version, BROKER, "2").await.error_code, ResponseError::InvalidRequest.code());
        assert_eq!(describe(&mut client, version, TOPIC, "none").await.error_code, ResponseError::UnknownTopicOrPartition.code());
    }
    for version in versions(ApiKey::IncrementalAlterConfigs) {
        let topic = (TOPIC, "t");
        let set = ("max.message.bytes", 0, Some("2000"));
        assert_eq!(change(&mut client, version, topic, set, true).await, 0);
        assert_eq!(value(&mut client, "t", "max.message.bytes").await, ((16 << 20).to_string(), 5), "only validated");
        assert_eq!(change(&mut client, version, topic, set, false).await, 0);
        assert_eq!(value(&mut client, "t", "max.message.bytes").await, ("2000".into(), 1));
        assert_eq!(change(&mut client, version, topic, ("cleanup.policy", 2, Some("compact")), false).await, 0);
        assert_eq!(value(&mut client, "t", "cleanup.policy").await.0, "compact,delete");
        assert_eq!(change(&mut client, version, topic, ("cleanup.policy", 3, Some("delete")), false).await, 0);
        assert_eq!(value(&mut client, "t", "cleanup.policy").await.0, "compact");
        assert_eq!(change(&mut client, version, topic, ("cleanup.policy", 1, None), false).await, 0);
        assert_eq!(change(&mut client, version, topic, ("max.message.bytes", 1, None), false).await, 0);
        assert_eq!(value(&mut client, "t", "cleanup.policy").await, ("delete".into(), 5));
        let table: [((i8, &str), (&str, i8, Option<&str>), ResponseError); 9] = [
            (topic, ("no.such.setting", 0, Some("1")), ResponseError::InvalidConfig),
            (topic, ("retention.ms", 0, Some("soon")), ResponseError::InvalidConfig),
            (topic, ("retention.ms", 0, None), ResponseError::InvalidConfig),
            (topic, ("retention.ms", 2, Some("1")), ResponseError::InvalidConfig),
            (topic, ("cleanup.policy", 0, Some("shred")), ResponseError::InvalidConfig),
            (topic, ("compression.type", 0, Some("zstd")), ResponseError::InvalidConfig),
            (topic, ("min.insync.replicas", 0, Some("2")), ResponseError::InvalidConfig),
            ((TOPIC, "none"), ("retention.ms", 0, Some("1")), ResponseError::UnknownTopicOrPartition),
            ((BROKER, "1"), ("num.partitions", 0, Some("9")), ResponseError::InvalidConfig),
        ];
        for (resource, setting, error) in table {
            assert_eq!(change(&mut client, version, resource, setting, false).await, error.code(), "{setting:?}");
        }
    }
    for version in versions(ApiKey::AlterConfigs) {
        use alter_configs_request::{AlterConfigsResource, AlterableConfig};
        assert_eq!(change(&mut client, 1, (TOPIC, "t"), ("retention.bytes", 0, Some("5000")), false).await, 0);
        let config = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("60000")));
        let resource = AlterConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text("t")).with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        assert_eq!(client.call(&request, version).await.responses[0].error_code, 0);
        assert_eq!(value(&mut client, "t", "retention.ms").await, ("60000".into(), 1));
        assert_eq!(value(&mut client, "t", "retention.bytes").await, ("-1".into(), 5), "what is not named goes back");
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_settings_are_followed_at_once_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut client = Client::connect(address).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let send = produce("t", -1, batch(3).bytes().clone());
    for (setting, limit, code) in [("max.message.bytes", "20", ResponseError::MessageTooLarge.code()), ("max.message.bytes", "2000", 0)] {
        assert_eq!(change(&mut client, 1, (TOPIC, "t"), (setting, 0, Some(limit)), false).await, 0);
        assert_eq!(client.call(&send, 9).await.responses[0].partition_responses[0].error_code, code);
    }
    assert_eq!(change(&mut client, 1, (TOPIC, "t"), ("message.timestamp.type", 0, Some("LogAppendTime")), false).await, 0);
    let answer = client.call(&send, 9).await;
    let stamped = answer.responses[0].partition_responses[0].log_append_time_ms;
    assert!(stamped > 1_000_000, "the time of the append, not the records' own");
    let read = broker.read("t", 0, 3, 1 << 20, crate::Isolation::ReadUncommitted).unwrap();
    assert!(read.batches[0].records().unwrap().iter().all(|record| record.unwrap().timestamp == stamped));
    assert_eq!(broker.offset_for_timestamp("t", 0, stamped, crate::Isolation::ReadUncommitted).unwrap(), Some((3, stamped)));
    assert_eq!(change(&mut client, 1, (TOPIC, "t"), ("cleanup.policy", 0, Some("compact")), false).await, 0);
    let mut keyless = BatchBuilder::default();
    keyless.push(0, None, Some(b"value"));
    let refused = client.call(&produce("t", -1, keyless.build().unwrap().bytes().clone()), 9).await;
    assert_eq!(refused.responses[0].partition_responses[0].error_code, ResponseError::InvalidRecord.code());
    broker.shutdown().await;
    drop(broker);
    let (broker, _) = serve(&dir).await;
    let config = broker.topic("t").unwrap().config;
    assert_eq!((config.max_message_bytes, config.compacts()), (Some(2000), true));
    assert_eq!(config.timestamp_type, Some(crate::TimestampType::LogAppendTime));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_our_own_keep_what_we_rely_on() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut client = Client::connect(address).await;
    broker.create_topic("own", TopicConfig { internal: true, ..TopicConfig::partitions(1) }).unwrap();
    let compact = change(&mut client, 1, (TOPIC, "own"), ("cleanup.policy", 0, Some("compact")), false).await;
    assert_eq!(compact, ResponseError::PolicyViolation.code());
    assert_eq!(change(&mut client, 1, (TOPIC, "own"), ("retention.ms", 0, Some("1000")), false).await, 0);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_settings_are_found_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, _) = serve(&dir).await;
    broker.create_topic("t", TopicConfig { retention_ms: Some(60_000), ..TopicConfig::partitions(1) }).unwrap();
    broker.shutdown().await;
    drop(broker);
    let path = dir.path().join("topics/t/topic.json");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("60000", "70000")).unwrap();
    let error = Broker::open(Config::new(dir.path())).await.unwrap_err().to_string();
    assert!(error.contains("topic.json"), "{error}");
    std::fs::write(&path, good).unwrap();
    Broker::open(Config::new(dir.path())).await.unwrap().shutdown().await;
}
