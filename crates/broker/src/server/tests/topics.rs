//! Topics and their settings, at every version.

use super::*;

pub(super) async fn topics_are_made_seen_and_deleted_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut client = Client::connect(address).await;
    for version in versions(ApiKey::ApiVersions) {
        let response = client.call(&ApiVersionsRequest::default(), version).await;
        assert_eq!((response.error_code, response.api_keys.len()), (0, SUPPORTED.len()));
    }
    for version in versions(ApiKey::CreateTopics) {
        use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
        let setting = CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(Some(text("60000")));
        let topic =
            CreatableTopic::default().with_name(topic_name(&format!("t{version}"))).with_num_partitions(3).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_timeout_ms(1_000);
        let made = request.clone().with_topics(vec![topic.clone().with_configs(vec![setting])]);
        assert_eq!(client.call(&made, version).await.topics[0].error_code, 0, "version {version}");
        let again = client.call(&made, version).await;
        assert_eq!(again.topics[0].error_code, ResponseError::TopicAlreadyExists.code());
        for (bad, code) in [
            (topic.clone().with_name(topic_name("a/b")), ResponseError::InvalidTopicException),
            (topic.clone().with_name(topic_name("n")).with_replication_factor(3), ResponseError::InvalidReplicationFactor),
            (topic.clone().with_name(topic_name("n")).with_num_partitions(0), ResponseError::InvalidPartitions),
        ] {
            let refused = client.call(&request.clone().with_topics(vec![bad]), version).await;
            assert_eq!(refused.topics[0].error_code, code.code());
        }
    }
    for version in versions(ApiKey::Metadata) {
        use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
        let all = if version == 0 { Some(Vec::new()) } else { None };
        let response = client.call(&MetadataRequest::default().with_topics(all), version).await;
        assert!(response.topics.len() >= 6 && response.brokers[0].port == i32::from(address.port()), "{version}");
        let name = format!("auto{version}");
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(&name)));
        let response = client.call(&MetadataRequest::default().with_topics(Some(vec![asked.clone()])), version).await;
        assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (0, 4), "{version}");
        if version >= 4 {
            let asked = asked.with_name(Some(topic_name("never")));
            let request = MetadataRequest::default().with_allow_auto_topic_creation(false);
            let response = client.call(&request.with_topics(Some(vec![asked])), version).await;
            assert_eq!(response.topics[0].error_code, ResponseError::UnknownTopicOrPartition.code());
        }
    }
    for version in versions(ApiKey::CreatePartitions) {
        use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
        let count = 4 + i32::from(version);
        let topic = CreatePartitionsTopic::default().with_name(topic_name("t3")).with_count(count).with_assignments(None);
        let nobody = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(7)]);
        let request = CreatePartitionsRequest::default().with_timeout_ms(1_000);
        let checked = request.clone().with_validate_only(true).with_topics(vec![topic.clone()]);
        assert_eq!(client.call(&checked, version).await.results[0].error_code, 0);
        assert_eq!(broker.partitions("t3"), Some(count - 1), "only validated");
        assert_eq!(client.call(&request.clone().with_topics(vec![topic.clone()]), version).await.results[0].error_code, 0);
        assert_eq!(broker.partitions("t3"), Some(count));
        broker.append("t3", count - 1, &batch(1)).unwrap().durable.await.unwrap();
        for (bad, code) in [
            (topic.clone(), ResponseError::InvalidPartitions),
            (topic.clone().with_count(0), ResponseError::InvalidPartitions),
            (topic.clone().with_count(1 << 20), ResponseError::InvalidPartitions),
            (topic.clone().with_name(topic_name("none")), ResponseError::UnknownTopicOrPartition),
            (topic.clone().with_count(count + 1).with_assignments(Some(vec![nobody])), ResponseError::InvalidReplicaAssignment),
        ] {
            let refused = client.call(&request.clone().with_topics(vec![bad]), version).await;
            assert_eq!(refused.results[0].error_code, code.code());
        }
    }
    for version in versions(ApiKey::DescribeCluster) {
        let response = client.call(&DescribeClusterRequest::default(), version).await;
        assert_eq!(response.brokers.len(), 1);
    }
    pages_of_partitions(&mut client).await;
    for version in versions(ApiKey::DescribeLogDirs) {
        use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
        let response = client.call(&DescribeLogDirsRequest::default().with_topics(None), version).await;
        let [disk] = &response.results[..] else { panic!("{response:?}") };
        assert_eq!((response.error_code, disk.error_code, disk.log_dir.as_str()), (0, 0, dir.path().to_str().unwrap()));
        assert_eq!(disk.topics.len(), broker.topics().len());
        assert!(version < 4 || (disk.usable_bytes > 0 && disk.usable_bytes <= disk.total_bytes), "{disk:?}");
        let [some, none] = [("t3", vec![3, 99]), ("none", vec![0])]
            .map(|(name, partitions)| DescribableLogDirTopic::default().with_topic(topic_name(name)).with_partitions(partitions));
        let response = client.call(&DescribeLogDirsRequest::default().with_topics(Some(vec![some, none])), version).await;
        let [topic] = &response.results[0].topics[..] else { panic!("{response:?}") };
        let sizes: Vec<_> = topic.partitions.iter().map(|p| (p.partition_index, p.partition_size, p.is_future_key)).collect();
        let bytes = broker.shared.topics.partition("t3", 3).unwrap().bytes();
        assert!(bytes > 0, "a record was appended to it");
        assert_eq!(sizes, [(3, bytes as i64, false)]);
    }
    for version in versions(ApiKey::DeleteRecords) {
        use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
        broker.append("t2", 0, &batch(2)).unwrap().durable.await.unwrap();
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name("t2"))
            .with_partitions(vec![DeleteRecordsPartition::default().with_offset(-1)]);
        let response = client.call(&DeleteRecordsRequest::default().with_topics(vec![topic]), version).await;
        let low = response.topics[0].partitions[0].low_watermark;
        assert_eq!((low, low), (2 * (i64::from(version) + 1), broker.watermarks("t2", 0).unwrap().log_start));
    }
    for version in versions(ApiKey::DeleteTopics) {
        use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
        let name = topic_name(&format!("auto{version}"));
        let request = DeleteTopicsRequest::default().with_timeout_ms(1_000);
        let request = if version >= 6 {
            request.with_topics(vec![DeleteTopicState::default().with_name(Some(name))])
        } else {
            request.with_topic_names(vec![name])
        };
        assert_eq!(client.call(&request, version).await.responses[0].error_code, 0, "version {version}");
        let again = client.call(&request, version).await.responses[0].error_code;
        assert_eq!(again, ResponseError::UnknownTopicOrPartition.code());
    }
    broker.shutdown().await;
}

/// Topics t2 to t7 have 3 partitions, but t3, which grew to 7: page by page they are what they are in one.
async fn pages_of_partitions(client: &mut Client) {
    use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
    for version in versions(ApiKey::DescribeTopicPartitions) {
        let named = ["t4", "t3", "none", "a/b"].map(|name| TopicRequest::default().with_name(topic_name(name)));
        let request = DescribeTopicPartitionsRequest::default().with_topics(named.to_vec()).with_response_partition_limit(100);
        let whole = client.call(&request, version).await;
        let told: Vec<_> = whole.topics.iter().map(|t| (t.name.as_ref().unwrap().to_string(), t.error_code, t.partitions.len())).collect();
        let (unknown, invalid) = (ResponseError::UnknownTopicOrPartition.code(), ResponseError::InvalidTopicException.code());
        let expected = [("a/b", invalid, 0), ("none", unknown, 0), ("t3", 0, 7), ("t4", 0, 3)];
        assert_eq!(told, expected.map(|(name, code, partitions)| (name.to_string(), code, partitions)));
        assert_eq!(whole.next_cursor, None);
        let partition = &whole.topics[2].partitions[6];
        assert_eq!(
            (partition.error_code, partition.partition_index, partition.leader_id, partition.isr_nodes.len()),
            (0, 6, BrokerId(1), 1)
        );

        let (mut pages, mut at) = (Vec::new(), None);
        loop {
            let cursor =
                at.map(|(name, partition): (TopicName, i32)| Cursor::default().with_topic_name(name).with_partition_index(partition));
            let page = client.call(&request.clone().with_response_partition_limit(4).with_cursor(cursor), version).await;
            assert!(page.topics.iter().map(|t| t.partitions.len()).sum::<usize>() <= 4);
            for topic in page.topics {
                pages.extend(topic.partitions.into_iter().map(|p| (topic.name.clone().unwrap().to_string(), p.partition_index)));
            }
            let Some(next) = page.next_cursor else { break };
            at = Some((next.topic_name, next.partition_index));
        }
        let expected =
            whole.topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.name.clone().unwrap().to_string(), p.partition_index)));
        assert_eq!(pages, expected.collect::<Vec<_>>());

        let all = client.call(&request.clone().with_topics(Vec::new()), version).await;
        assert!(all.topics.len() >= 6 && all.topics.iter().all(|t| t.error_code == 0), "{all:?}");
        for (name, partition) in [("t5", 0), ("t3", -1)] {
            let cursor = Cursor::default().with_topic_name(topic_name(name)).with_partition_index(partition);
            let refused = client.call(&request.clone().with_cursor(Some(cursor)), version).await;
            assert!(refused.topics.iter().all(|t| t.error_code == ResponseError::InvalidRequest.code()), "{refused:?}");
        }
    }
}
