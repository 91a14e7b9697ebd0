//! Requests and answers of every served kind and version, over a socket, and frames that are neither.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use rand::{Rng, RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::api::SUPPORTED;
use super::{guard, text, topic_name};
use crate::records::{Batch, BatchBuilder};
use crate::{Broker, Config, TopicConfig};

struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client(stream)
    }

    async fn send<R: Request + HeaderVersion>(&mut self, request: &R, version: i16) {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        let key = ApiKey::try_from(R::KEY).unwrap();
        assert!(guard::is_well_formed(key, version, &body), "{key:?} version {version}: {body:?}");
        if !body.is_empty() {
            assert!(!guard::is_well_formed(key, version, &body[..body.len() - 1]), "{key:?} version {version}");
        }
        // librdkafka leaves a few bytes behind some bodies; more than that is another request than it says.
        body.extend_from_slice(&[0; 3]);
        assert!(guard::is_well_formed(key, version, &body), "{key:?} version {version}");
        body.extend_from_slice(&[0; 14]);
        assert!(!guard::is_well_formed(key, version, &body), "{key:?} version {version}");
        body.truncate(body.len() - 17);
        let mut frame = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(i32::from(version) + 100)
            .with_client_id(Some(text("test")));
        header.encode(&mut frame, R::header_version(version)).unwrap();
        frame.extend_from_slice(&body);
        self.send_raw(&frame).await;
    }

    async fn send_raw(&mut self, frame: &[u8]) {
        self.0.write_all(&(frame.len() as i32).to_be_bytes()).await.unwrap();
        self.0.write_all(frame).await.unwrap();
    }

    async fn receive<R: Request>(&mut self, version: i16) -> R::Response
    where
        R::Response: HeaderVersion,
    {
        let size = self.0.read_i32().await.unwrap_or_else(|e| panic!("no answer to {} v{version}: {e}", R::KEY));
        let mut frame = vec![0; size as usize];
        self.0.read_exact(&mut frame).await.unwrap();
        let mut frame = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, i32::from(version) + 100);
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(!frame.has_remaining(), "{} v{version}: bytes are left", R::KEY);
        response
    }

    async fn call<R: Request + HeaderVersion>(&mut self, request: &R, version: i16) -> R::Response
    where
        R::Response: HeaderVersion,
    {
        self.send(request, version).await;
        self.receive::<R>(version).await
    }
}

async fn serve(dir: &tempfile::TempDir) -> (Broker, SocketAddr) {
    let mut config = Config::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    config.group_initial_delay = Duration::ZERO;
    let broker = Broker::open(config).await.unwrap();
    let address = broker.listen().await.unwrap();
    (broker, address)
}

fn versions(key: ApiKey) -> std::ops::RangeInclusive<i16> {
    let (_, lowest, highest) = SUPPORTED.iter().find(|(served, ..)| *served == key).unwrap();
    *lowest..=*highest
}

fn batch(records: i64) -> Batch {
    let mut builder = BatchBuilder::default();
    for n in 0..records {
        builder.push(1_000 + n, Some(b"key"), Some(b"value"));
    }
    builder.build().unwrap()
}

fn produce(topic: &str, acks: i16, records: Bytes) -> ProduceRequest {
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let data = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![data])
}

fn fetch(topic: &str, id: uuid::Uuid, version: i16, offset: i64) -> FetchRequest {
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let asked = FetchTopic::default().with_partitions(vec![partition]);
    let asked = if version >= 13 { asked.with_topic_id(id) } else { asked.with_topic(topic_name(topic)) };
    let request = FetchRequest::default().with_max_wait_ms(0).with_min_bytes(1).with_max_bytes(1 << 20);
    request.with_topics(vec![asked]).with_isolation_level(1)
}

#[test]
fn every_served_version_is_one_the_codec_knows() {
    for &(key, lowest, highest) in SUPPORTED {
        let known = key.valid_versions();
        assert!(known.min <= lowest && highest <= known.max && lowest <= highest, "{key:?} {known}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_produced_and_fetched_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut client = Client::connect(address).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let id = broker.shared.topics.get("t").unwrap().id;
    let mut end = 0;
    for version in versions(ApiKey::Produce) {
        let response = client.call(&produce("t", -1, batch(3).bytes().clone()), version).await;
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!((answer.error_code, answer.base_offset), (0, end), "version {version}");
        end += 3;
    }
    for version in versions(ApiKey::Fetch) {
        let response = client.call(&fetch("t", id, version, 4), version).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!((data.error_code, data.high_watermark, data.last_stable_offset), (0, end, end), "{version}");
        let bytes = data.records.clone().unwrap();
        let first = crate::records::BatchHeader::parse(&bytes).unwrap();
        assert_eq!((first.base_offset, bytes.len()), (3, batch(3).bytes().len() * (end as usize / 3 - 1)));
        let unknown = client.call(&fetch("missing", uuid::Uuid::new_v4(), version, 0), version).await;
        let code = if version >= 13 { ResponseError::UnknownTopicId } else { ResponseError::UnknownTopicOrPartition };
        assert_eq!(unknown.responses[0].partitions[0].error_code, code.code());
    }
    for version in versions(ApiKey::ListOffsets) {
        use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
        let times = [(-1, end), (-2, 0), (1_001, 1), (1_002, 2), (2_000, -1)];
        for (time, offset) in times.into_iter().chain((version >= 7).then_some((-3, 2))) {
            let partition = ListOffsetsPartition::default().with_timestamp(time);
            let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
            let response = client.call(&ListOffsetsRequest::default().with_topics(vec![topic]), version).await;
            let answer = &response.topics[0].partitions[0];
            assert_eq!((answer.error_code, answer.offset), (0, offset), "version {version}, time {time}");
        }
    }
    for version in versions(ApiKey::OffsetForLeaderEpoch) {
        use kafka_protocol::messages::offset_for_leader_epoch_request::*;
        let topic = OffsetForLeaderTopic::default().with_topic(topic_name("t")).with_partitions(vec![OffsetForLeaderPartition::default()]);
        let response = client.call(&OffsetForLeaderEpochRequest::default().with_topics(vec![topic]), version).await;
        assert_eq!(response.topics[0].partitions[0].end_offset, end);
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_seen_and_deleted_at_every_version() {
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
    for version in versions(ApiKey::DescribeConfigs) {
        use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
        let resource = |kind, name| DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
        let request = DescribeConfigsRequest::default().with_resources(vec![
            resource(2, "t2").with_configuration_keys(None),
            resource(4, "1"),
            resource(2, "none"),
        ]);
        let response = client.call(&request, version).await;
        let retention = response.results[0].configs.iter().find(|c| c.name.as_str() == "retention.ms").unwrap();
        assert_eq!(retention.value.as_deref(), Some("60000"));
        assert_eq!(response.results[2].error_code, ResponseError::UnknownTopicOrPartition.code());
    }
    for version in versions(ApiKey::DescribeCluster) {
        let response = client.call(&DescribeClusterRequest::default(), version).await;
        assert_eq!(response.brokers.len(), 1);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_group_lives_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let mut client = Client::connect(address).await;
    for version in versions(ApiKey::FindCoordinator) {
        let request = FindCoordinatorRequest::default();
        let request = if version >= 4 { request.with_coordinator_keys(vec![text("g")]) } else { request.with_key(text("g")) };
        let response = client.call(&request, version).await;
        let port = if version >= 4 { response.coordinators[0].port } else { response.port };
        assert_eq!(port, i32::from(address.port()), "version {version}");
    }
    for version in versions(ApiKey::JoinGroup) {
        use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
        use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
        let group = GroupId(text(&format!("g{version}")));
        let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from("meta"));
        let mut join = JoinGroupRequest::default()
            .with_group_id(group.clone())
            .with_session_timeout_ms(30_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        if version >= 1 {
            join.rebalance_timeout_ms = 30_000;
        }
        let mut joined = client.call(&join, version).await;
        if version >= 4 {
            assert_eq!(joined.error_code, ResponseError::MemberIdRequired.code());
            join.member_id = joined.member_id.clone();
            joined = client.call(&join, version).await;
        }
        assert_eq!((joined.error_code, joined.members.len()), (0, 1), "version {version}");
        assert_eq!(joined.leader, joined.member_id);
        let (member, generation) = (joined.member_id, joined.generation_id);
        let at = version.min(*versions(ApiKey::SyncGroup).end());
        let assignment = SyncGroupRequestAssignment::default().with_member_id(member.clone()).with_assignment(Bytes::from("work"));
        let sync = SyncGroupRequest::default()
            .with_group_id(group.clone())
            .with_generation_id(generation)
            .with_member_id(member.clone())
            .with_assignments(vec![assignment]);
        let synced = client.call(&sync, at).await;
        assert_eq!((synced.error_code, synced.assignment), (0, Bytes::from("work")));
        let at = version.min(*versions(ApiKey::Heartbeat).end());
        let heartbeat =
            HeartbeatRequest::default().with_group_id(group.clone()).with_generation_id(generation).with_member_id(member.clone());
        assert_eq!(client.call(&heartbeat, at).await.error_code, 0);
        let stale = client.call(&heartbeat.clone().with_generation_id(generation + 1), at).await.error_code;
        assert_eq!(stale, ResponseError::IllegalGeneration.code());
        commit_and_fetch(&mut client, version.clamp(2, 9), &group, generation, &member).await;
        for version in versions(ApiKey::DescribeGroups) {
            let request = DescribeGroupsRequest::default().with_groups(vec![group.clone(), GroupId(text("none"))]);
            let response = client.call(&request, version).await;
            let described = &response.groups[0];
            assert_eq!((described.group_state.as_str(), described.members.len()), ("Stable", 1));
            assert_eq!(described.members[0].member_assignment, Bytes::from("work"));
            assert_eq!(response.groups[1].group_state.as_str(), "Dead");
        }
        for version in versions(ApiKey::ListGroups) {
            let response = client.call(&ListGroupsRequest::default(), version).await;
            assert!(response.groups.iter().any(|listed| listed.group_id == group));
        }
        let delete_version = version.min(2);
        let delete = DeleteGroupsRequest::default().with_groups_names(vec![group.clone()]);
        let refused = client.call(&delete, delete_version).await.results[0].error_code;
        assert_eq!(refused, ResponseError::NonEmptyGroup.code());
        let at = version.min(*versions(ApiKey::LeaveGroup).end());
        let leave = LeaveGroupRequest::default().with_group_id(group.clone());
        let leave = if at >= 3 {
            use kafka_protocol::messages::leave_group_request::MemberIdentity;
            leave.with_members(vec![MemberIdentity::default().with_member_id(member)])
        } else {
            leave.with_member_id(member)
        };
        assert_eq!(client.call(&leave, at).await.error_code, 0);
        assert_eq!(client.call(&delete, delete_version).await.results[0].error_code, 0);
    }
    broker.shutdown().await;
}

async fn commit_and_fetch(client: &mut Client, version: i16, group: &GroupId, generation: i32, member: &StrBytes) {
    use kafka_protocol::messages::offset_commit_request::*;
    use kafka_protocol::messages::offset_fetch_request::*;
    let partition =
        OffsetCommitRequestPartition::default().with_committed_offset(40 + i64::from(version)).with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member.clone())
        .with_topics(vec![topic]);
    let committed = client.call(&commit, version).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, 0, "version {version}");
    let outsider = commit.with_member_id(text("somebody"));
    let refused = client.call(&outsider, version).await.topics[0].partitions[0].error_code;
    assert_eq!(refused, ResponseError::UnknownMemberId.code());
    for at in versions(ApiKey::OffsetFetch) {
        if at >= 8 {
            let asked = OffsetFetchRequestTopics::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
            let asked = OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_topics(Some(vec![asked]));
            let response = client.call(&OffsetFetchRequest::default().with_groups(vec![asked]), at).await;
            let found = &response.groups[0].topics[0].partitions[0];
            assert_eq!((found.committed_offset, found.metadata.as_deref()), (40 + i64::from(version), Some("note")));
        } else {
            let asked = OffsetFetchRequestTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
            let request = OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(Some(vec![asked]));
            let response = client.call(&request, at).await;
            let found = &response.topics[0].partitions[0];
            assert_eq!((found.committed_offset, found.metadata.as_deref()), (40 + i64::from(version), Some("note")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_run_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let mut client = Client::connect(address).await;
    let mut committed = 0;
    for round in 0..=5i16 {
        use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
        use kafka_protocol::messages::txn_offset_commit_request::*;
        let at = |key| round.clamp(*versions(key).start(), *versions(key).end());
        let id = TransactionalId(text("writer"));
        let init = InitProducerIdRequest::default().with_transactional_id(Some(id.clone())).with_transaction_timeout_ms(60_000);
        let given = client.call(&init, at(ApiKey::InitProducerId)).await;
        assert_eq!((given.error_code, given.producer_epoch), (0, round));
        let (producer, epoch) = (given.producer_id, given.producer_epoch);
        let mut builder = BatchBuilder::default().producer(producer.0, epoch, 0).transactional();
        builder.push(0, None, Some(b"value"));
        let records = builder.build().unwrap().bytes().clone();
        let mut send = produce("t", -1, records);
        send.transactional_id = Some(id.clone());
        let early = client.call(&send, 9).await.responses[0].partition_responses[0].error_code;
        assert_eq!(early, ResponseError::InvalidTxnState.code());
        let topic = AddPartitionsToTxnTopic::default().with_name(topic_name("t")).with_partitions(vec![0]);
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id.clone())
            .with_v3_and_below_producer_id(producer)
            .with_v3_and_below_producer_epoch(epoch)
            .with_v3_and_below_topics(vec![topic]);
        let added = client.call(&add, at(ApiKey::AddPartitionsToTxn)).await;
        assert_eq!(added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
        assert_eq!(client.call(&send, 9).await.responses[0].partition_responses[0].error_code, 0);
        let group = GroupId(text("g"));
        let add_offsets = AddOffsetsToTxnRequest::default()
            .with_transactional_id(id.clone())
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_group_id(group.clone());
        assert_eq!(client.call(&add_offsets, at(ApiKey::AddOffsetsToTxn)).await.error_code, 0);
        let offset = TxnOffsetCommitRequestPartition::default().with_committed_offset(i64::from(round) + 10);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![offset]);
        let offsets = TxnOffsetCommitRequest::default()
            .with_transactional_id(id.clone())
            .with_group_id(group)
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_topics(vec![topic]);
        let kept = client.call(&offsets, at(ApiKey::TxnOffsetCommit)).await;
        assert_eq!(kept.topics[0].partitions[0].error_code, 0);
        let commits = round % 2 == 0;
        let end = EndTxnRequest::default()
            .with_transactional_id(id)
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_committed(commits);
        assert_eq!(client.call(&end, at(ApiKey::EndTxn)).await.error_code, 0);
        assert_eq!(client.call(&end, at(ApiKey::EndTxn)).await.error_code, 0, "a repeat is answered alike");
        committed += usize::from(commits);
        let fetched = broker.read("t", 0, 0, 1 << 20, crate::Isolation::ReadCommitted).unwrap();
        assert_eq!(fetched.batches.len(), committed);
        let key = crate::coordinator::OffsetKey { group: "g".into(), topic: "t".into(), partition: 0 };
        let stored = broker.shared.coordinator.offsets.get(&key).unwrap().offset;
        assert_eq!(stored, i64::from(round - round % 2) + 10, "an aborted transaction leaves the offsets");
        let stale = client.call(&end.with_producer_epoch(epoch - 1), *versions(ApiKey::EndTxn).end()).await;
        assert_eq!(stale.error_code, ResponseError::ProducerFenced.code());
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_leave_in_request_order_and_a_long_poll_ends_with_an_append() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let mut client = Client::connect(address).await;
    let waiting = fetch("t", uuid::Uuid::nil(), 12, 0).with_max_wait_ms(60_000);
    client.send(&waiting, 12).await;
    client.send(&produce("t", 0, batch(1).bytes().clone()), 9).await;
    client.send(&produce("t", 1, batch(2).bytes().clone()), 9).await;
    let fetched = client.receive::<FetchRequest>(12).await;
    assert!(!fetched.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
    let produced = client.receive::<ProduceRequest>(9).await;
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 1);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_batches_and_internal_topics_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    broker.create_topic("own", TopicConfig { partitions: 1, internal: true, ..Default::default() }).unwrap();
    let mut client = Client::connect(address).await;
    let good = batch(2).bytes().clone();
    let mut flipped = good.to_vec();
    flipped[70] ^= 1;
    let mut old = good.to_vec();
    old[16] = 1;
    let huge = Bytes::from(vec![0; (16 << 20) + 1]);
    for (topic, records, code) in [
        ("own", good.clone(), ResponseError::TopicAuthorizationFailed),
        ("none", good.clone(), ResponseError::UnknownTopicOrPartition),
        ("t", flipped.into(), ResponseError::CorruptMessage),
        ("t", old.into(), ResponseError::InvalidRecord),
        ("t", good.slice(..good.len() - 1), ResponseError::CorruptMessage),
        ("t", [&good[..], &good[..]].concat().into(), ResponseError::CorruptMessage),
        ("t", Bytes::new(), ResponseError::CorruptMessage),
        ("t", huge, ResponseError::MessageTooLarge),
    ] {
        let response = client.call(&produce(topic, -1, records), 9).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, code.code(), "{code:?}");
    }
    let acks = client.call(&produce("t", 2, good), 9).await;
    let code = acks.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ResponseError::InvalidRequiredAcks.code());
    assert_eq!(broker.watermarks("t", 0).unwrap().log_end, 0);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_request_that_is_too_new_is_answered_in_the_oldest_form() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut client = Client::connect(address).await;
    client.send_raw(&[0, 18, 0, 99, 0, 0, 0, 100, 0, 1, b'x', 0, 9, 9]).await;
    let response = client.receive::<ApiVersionsRequest>(0).await;
    assert_eq!((response.error_code, response.api_keys.len()), (35, SUPPORTED.len()));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_frames_close_their_own_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut random = rand_seeded(7);
    let mut steady = Client::connect(address).await;
    for round in 0..400 {
        let mut client = Client::connect(address).await;
        let mut frame = vec![0; random.random_range(0..200)];
        random.fill_bytes(&mut frame);
        if round % 2 == 0 && frame.len() > 12 {
            // A real kind and version, so that the nonsense reaches the body.
            let (key, lowest, highest) = SUPPORTED[random.random_range(0..SUPPORTED.len())];
            frame[0..2].copy_from_slice(&(key as i16).to_be_bytes());
            frame[2..4].copy_from_slice(&random.random_range(lowest..=highest).to_be_bytes());
            frame[8..12].copy_from_slice(&[0xff, 0xff, 0, 0]);
        }
        let _ = client.0.write_all(&(frame.len() as i32).to_be_bytes()).await;
        let _ = client.0.write_all(&frame).await;
        let _ = client.0.shutdown().await;
        let mut rest = Vec::new();
        let _ = client.0.read_to_end(&mut rest).await;
    }
    for claimed in [i32::MAX, i32::MIN, -1, 0] {
        let mut client = Client::connect(address).await;
        client.0.write_all(&claimed.to_be_bytes()).await.unwrap();
        assert_eq!(client.0.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
    // Metadata that claims two thousand million topics.
    let mut client = Client::connect(address).await;
    client.send_raw(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]).await;
    assert_eq!(client.0.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(steady.call(&ApiVersionsRequest::default(), 3).await.error_code, 0);
    broker.shutdown().await;
}

fn rand_seeded(seed: u64) -> impl Rng {
    rand::rngs::SmallRng::seed_from_u64(seed)
}
