//! What users may do: every request kind that touches something asks for a right, and says so in Kafka's codes.

use kafka_protocol::ResponseError::*;
use kafka_protocol::messages::*;
use kafka_protocol::messages::{alter_configs_request, describe_topic_partitions_request, incremental_alter_configs_request};

use super::security::Guarded;
use super::*;
use crate::security::Grants;

fn grants(json: &str) -> Grants {
    serde_json::from_str(json).unwrap()
}

/// A code, and what it was of, for messages.
type Outcome = (&'static str, i16);

fn group() -> GroupId {
    GroupId(text("g"))
}

fn transactional() -> TransactionalId {
    TransactionalId(text("x"))
}

/// Tries everything on topic `t`, group `g` and transactional id `x`; gives the error codes.
async fn try_everything(client: &mut Client, id: uuid::Uuid) -> Vec<Outcome> {
    let mut seen = topics_and_records(client, id).await;
    seen.extend(administration(client).await);
    seen.extend(groups(client).await);
    seen.extend(transactions(client).await);
    seen
}

async fn topics_and_records(client: &mut Client, id: uuid::Uuid) -> Vec<Outcome> {
    use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    let produced = client.call(&produce("t", -1, batch(1).bytes().clone()), 9).await;
    let named = client.call(&fetch("t", id, 12, 0), 12).await;
    let by_id = client.call(&fetch("t", id, 13, 0), 13).await;
    let topic =
        ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![ListOffsetsPartition::default().with_timestamp(-1)]);
    let offsets = client.call(&ListOffsetsRequest::default().with_topics(vec![topic]), 5).await;
    let topic = OffsetForLeaderTopic::default().with_topic(topic_name("t")).with_partitions(vec![OffsetForLeaderPartition::default()]);
    let epochs = client.call(&OffsetForLeaderEpochRequest::default().with_topics(vec![topic]), 4).await;
    let ask = |topic| MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
    let metadata = client.call(&ask(MetadataRequestTopic::default().with_name(Some(topic_name("t")))), 9).await;
    let metadata_by_id = client.call(&ask(MetadataRequestTopic::default().with_name(None).with_topic_id(id)), 12).await;
    let all = client.call(&MetadataRequest::default().with_topics(None), 9).await;
    let asked = describe_topic_partitions_request::TopicRequest::default().with_name(topic_name("t"));
    let request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(10);
    let partitions = client.call(&request.clone().with_topics(vec![asked]), 0).await;
    let every = client.call(&request, 0).await;
    assert_eq!(every.topics.len(), all.topics.len());
    vec![
        ("produce", produced.responses[0].partition_responses[0].error_code),
        ("fetch", named.responses[0].partitions[0].error_code),
        ("fetch by id", by_id.responses[0].partitions[0].error_code),
        ("list offsets", offsets.topics[0].partitions[0].error_code),
        ("epochs", epochs.topics[0].partitions[0].error_code),
        ("metadata", metadata.topics[0].error_code),
        ("metadata by id", metadata_by_id.topics[0].error_code),
        ("partitions", partitions.topics[0].error_code),
        ("topics that are seen", all.topics.len() as i16),
    ]
}

async fn administration(client: &mut Client) -> Vec<Outcome> {
    use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
    use kafka_protocol::messages::create_topics_request::CreatableTopic;
    use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
    use kafka_protocol::messages::describe_producers_request::TopicRequest;
    let mut seen = Vec::new();
    for (what, kind, name) in [("topic settings", 2, "t"), ("broker settings", 4, "1")] {
        let resource =
            DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name)).with_configuration_keys(None);
        let response = client.call(&DescribeConfigsRequest::default().with_resources(vec![resource]), 4).await;
        seen.push((what, response.results[0].error_code));
    }
    for (what, kind, name) in [("alter topic", 2, "t"), ("alter broker", 4, "1")] {
        let resource = alter_configs_request::AlterConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
        let request = AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true);
        seen.push((what, client.call(&request, 2).await.responses[0].error_code));
        let resource =
            incremental_alter_configs_request::AlterConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true);
        seen.push((what, client.call(&request, 1).await.responses[0].error_code));
    }
    let topic = CreatableTopic::default().with_name(topic_name("t-new")).with_num_partitions(1).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_validate_only(true);
    seen.push(("create", client.call(&request, 7).await.topics[0].error_code));
    let topic = CreatePartitionsTopic::default().with_name(topic_name("t")).with_count(9).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_validate_only(true);
    seen.push(("grow", client.call(&request, 3).await.results[0].error_code));
    let topic = DeleteRecordsTopic::default().with_name(topic_name("t")).with_partitions(vec![DeleteRecordsPartition::default()]);
    let deleted = client.call(&DeleteRecordsRequest::default().with_topics(vec![topic]), 2).await;
    seen.push(("delete records", deleted.topics[0].partitions[0].error_code));
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("t-gone")]);
    seen.push(("delete", client.call(&request, 5).await.responses[0].error_code));
    let topic = TopicRequest::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
    let producers = client.call(&DescribeProducersRequest::default().with_topics(vec![topic]), 0).await;
    seen.push(("producers", producers.topics[0].partitions[0].error_code));
    seen.push(("disks", client.call(&DescribeLogDirsRequest::default().with_topics(None), 4).await.error_code));
    seen
}

async fn groups(client: &mut Client) -> Vec<Outcome> {
    use kafka_protocol::messages::leave_group_request::MemberIdentity;
    use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
    let mut seen = Vec::new();
    let topic =
        OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![OffsetCommitRequestPartition::default()]);
    let request = OffsetCommitRequest::default().with_group_id(group()).with_generation_id_or_member_epoch(-1).with_topics(vec![topic]);
    seen.push(("commit", client.call(&request, 8).await.topics[0].partitions[0].error_code));
    for version in [1, 2] {
        let topic = OffsetFetchRequestTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
        let fetched = client.call(&request, version).await;
        seen.push(("committed", fetched.topics[0].partitions[0].error_code));
        assert!(version == 1 || fetched.error_code == 0 || fetched.error_code == GroupAuthorizationFailed.code());
    }
    let request =
        OffsetFetchRequest::default().with_groups(vec![OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(None)]);
    let fetched = client.call(&request, 9).await;
    seen.push(("all committed", fetched.groups[0].error_code));
    seen.push(("topics of the group that are seen", fetched.groups[0].topics.len() as i16));
    let request = FindCoordinatorRequest::default().with_key_type(0).with_coordinator_keys(vec![text("g")]);
    seen.push(("coordinator", client.call(&request, 4).await.coordinators[0].error_code));
    seen.push(("coordinator", client.call(&FindCoordinatorRequest::default().with_key(text("g")), 2).await.error_code));
    // A group of its own, so that nobody is waited for; a member that there is not.
    let request = HeartbeatRequest::default().with_group_id(group()).with_member_id(text("m")).with_generation_id(1);
    seen.push(("heartbeat", client.call(&request, 4).await.error_code));
    let request = SyncGroupRequest::default().with_group_id(group()).with_member_id(text("m")).with_generation_id(1);
    seen.push(("sync", client.call(&request, 3).await.error_code));
    let request = JoinGroupRequest::default().with_group_id(group()).with_member_id(text("m")).with_session_timeout_ms(10_000);
    seen.push(("join", client.call(&request, 5).await.error_code));
    let request = LeaveGroupRequest::default().with_group_id(group()).with_member_id(text("m"));
    seen.push(("leave", client.call(&request, 2).await.error_code));
    let request =
        LeaveGroupRequest::default().with_group_id(group()).with_members(vec![MemberIdentity::default().with_member_id(text("m"))]);
    let left = client.call(&request, 4).await;
    seen.push(("leave", if left.error_code != 0 { left.error_code } else { left.members[0].error_code }));
    seen.push(("describe group", client.call(&DescribeGroupsRequest::default().with_groups(vec![group()]), 4).await.groups[0].error_code));
    seen.push(("groups that are seen", client.call(&ListGroupsRequest::default(), 4).await.groups.len() as i16));
    let topic =
        OffsetDeleteRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![OffsetDeleteRequestPartition::default()]);
    let deleted = client.call(&OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![topic]), 0).await;
    let code = if deleted.error_code != 0 { deleted.error_code } else { deleted.topics[0].partitions[0].error_code };
    seen.push(("delete offset", code));
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g-gone"))]);
    seen.push(("delete group", client.call(&request, 2).await.results[0].error_code));
    seen
}

async fn transactions(client: &mut Client) -> Vec<Outcome> {
    use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
    use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
    let mut seen = Vec::new();
    let idempotent = InitProducerIdRequest::default().with_transactional_id(None);
    seen.push(("idempotent", client.call(&idempotent, 4).await.error_code));
    let init = InitProducerIdRequest::default().with_transactional_id(Some(transactional())).with_transaction_timeout_ms(60_000);
    let given = client.call(&init, 4).await;
    seen.push(("transactional", given.error_code));
    let (producer, epoch) = (given.producer_id, given.producer_epoch);
    let request = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(vec![text("x")]);
    seen.push(("its coordinator", client.call(&request, 4).await.coordinators[0].error_code));
    let topic = AddPartitionsToTxnTopic::default().with_name(topic_name("t")).with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional())
        .with_v3_and_below_producer_id(producer)
        .with_v3_and_below_producer_epoch(epoch)
        .with_v3_and_below_topics(vec![topic]);
    let added = client.call(&add, 3).await;
    seen.push(("add partition", added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code));
    let mut builder = BatchBuilder::default().producer(producer.0.max(0), epoch.max(0), 0).transactional();
    builder.push(0, None, Some(b"value"));
    let mut send = produce("t", -1, builder.build().unwrap().bytes().clone());
    send.transactional_id = Some(transactional());
    seen.push(("produce in it", client.call(&send, 9).await.responses[0].partition_responses[0].error_code));
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional())
        .with_producer_id(producer)
        .with_producer_epoch(epoch)
        .with_group_id(group());
    seen.push(("add group", client.call(&add, 3).await.error_code));
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![TxnOffsetCommitRequestPartition::default().with_committed_offset(1)]);
    let commit = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional())
        .with_group_id(group())
        .with_producer_id(producer)
        .with_producer_epoch(epoch)
        .with_topics(vec![topic]);
    seen.push(("commit in it", client.call(&commit, 3).await.topics[0].partitions[0].error_code));
    let described = client.call(&DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional()]), 0).await;
    seen.push(("describe", described.transaction_states[0].error_code));
    seen.push(("its topics that are seen", described.transaction_states[0].topics.len() as i16));
    let listed = client.call(&ListTransactionsRequest::default(), 0).await;
    seen.push(("transactions that are seen", listed.transaction_states.len() as i16));
    let end = EndTxnRequest::default()
        .with_transactional_id(transactional())
        .with_producer_id(producer)
        .with_producer_epoch(epoch)
        .with_committed(false);
    seen.push(("end", client.call(&end, 3).await.error_code));
    seen
}

/// The codes that mean "you may not".
fn refusals(outcomes: &[Outcome]) -> Vec<(&'static str, i16)> {
    let codes = [TopicAuthorizationFailed, GroupAuthorizationFailed, ClusterAuthorizationFailed, TransactionalIdAuthorizationFailed];
    outcomes.iter().filter(|(_, code)| codes.iter().any(|refusal| refusal.code() == *code)).copied().collect()
}

fn names(outcomes: &[Outcome]) -> Vec<&'static str> {
    outcomes.iter().map(|(name, _)| *name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_everything_is_refused_and_nothing_is_seen() {
    let guarded = Guarded::open(false).await;
    let id = guarded.broker.shared.topics.get("t").unwrap().id;
    let mut admin = guarded.log_in("admin", "admin's password").await;
    let mut guest = guarded.log_in("guest", "guest's password").await;
    let allowed = try_everything(&mut admin, id).await;
    assert_eq!(refusals(&allowed), [], "a superuser may do everything");
    let refused = try_everything(&mut guest, id).await;
    for (what, code) in &refused {
        let expected = match *what {
            "fetch by id" | "metadata by id" => UnknownTopicId.code(),
            what if what.ends_with("seen") => 0,
            "broker settings" | "alter broker" | "disks" | "idempotent" => ClusterAuthorizationFailed.code(),
            "commit" | "committed" | "all committed" | "coordinator" | "heartbeat" | "sync" | "join" | "leave" | "describe group"
            | "delete offset" | "delete group" => GroupAuthorizationFailed.code(),
            "transactional" | "its coordinator" | "add partition" | "produce in it" | "add group" | "commit in it" | "describe" | "end" => {
                TransactionalIdAuthorizationFailed.code()
            }
            _ => TopicAuthorizationFailed.code(),
        };
        assert_eq!(*code, expected, "{what}");
    }
    guarded.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_opens_what_it_names_and_no_more() {
    let guarded = Guarded::open(false).await;
    let id = guarded.broker.shared.topics.get("t").unwrap().id;
    let see = ["list offsets", "epochs", "metadata", "partitions", "topic settings"];
    for (json, opened) in [
        (r#"{"read":["t"]}"#, &["fetch", "producers"][..]),
        (r#"{"write":["t*"]}"#, &["produce", "idempotent"]),
        (r#"{"create":["t*"]}"#, &["create"]),
        (r#"{"admin":["t*"]}"#, &["alter topic", "alter topic", "grow", "delete records", "delete"]),
    ] {
        let user = format!("user of {}", &json[2..5]);
        guarded.known.put(&user, "secret", grants(json));
        let mut client = guarded.log_in(&user, "secret").await;
        let outcomes = try_everything(&mut client, id).await;
        let refused = names(&refusals(&outcomes));
        let expected = names(&outcomes).into_iter().filter(|name| {
            let transparent = name.ends_with("seen") || ["fetch by id", "metadata by id"].contains(name);
            !transparent && !see.contains(name) && !opened.contains(name)
        });
        let refused: Vec<_> = refused.into_iter().filter(|name| *name != "fetch by id").collect();
        assert_eq!(refused, expected.collect::<Vec<_>>(), "{json}");
        let code = |what: &str| outcomes.iter().find(|(name, _)| *name == what).unwrap().1;
        let reads = json.contains("read");
        assert_eq!((code("metadata by id"), code("topics that are seen")), (0, 1));
        assert_eq!(code("fetch by id"), if reads { 0 } else { TopicAuthorizationFailed.code() });
    }
    // Groups and transactional ids, with the topic: nothing of these is refused any more.
    guarded.known.put("app", "secret", grants(r#"{"read":["t"],"write":["t"],"groups":["g*"],"transactional_ids":["x"]}"#));
    let mut client = guarded.log_in("app", "secret").await;
    let mut outcomes = groups(&mut client).await;
    outcomes.extend(transactions(&mut client).await);
    assert_eq!(refusals(&outcomes), []);
    guarded.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_or_taken_back_counts_while_connected() {
    let guarded = Guarded::open(false).await;
    let mut guest = guarded.log_in("guest", "guest's password").await;
    for (json, code) in [(r#"{"write":["t"]}"#, 0), ("{}", TopicAuthorizationFailed.code())] {
        guarded.known.regrant("guest", grants(json));
        loop {
            let answer = guest.call(&produce("t", -1, batch(1).bytes().clone()), 9).await;
            if answer.responses[0].partition_responses[0].error_code == code {
                break;
            }
        }
    }
    let answer = guest.call(&produce("t", -1, batch(1).bytes().clone()), 9).await;
    let message = answer.responses[0].partition_responses[0].error_message.as_ref().unwrap();
    assert!(message.contains("user guest may not write topic t"), "{message:?}");
    guarded.broker.shutdown().await;
}
