//! Consumer groups and their offsets, at every version.

use super::*;

pub(super) async fn a_group_lives_at_every_version() {
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

pub(super) async fn offsets_are_deleted_at_every_version() {
    use kafka_protocol::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
    use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
    use kafka_protocol::messages::offset_commit_request::*;
    use kafka_protocol::messages::offset_delete_request::*;
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    broker.create_topic("other", TopicConfig::partitions(1)).unwrap();
    let mut client = Client::connect(address).await;
    let group = GroupId(text("g"));
    for version in versions(ApiKey::OffsetDelete) {
        let delete = |topic: &str| {
            let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
            let topic = OffsetDeleteRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
            OffsetDeleteRequest::default().with_group_id(group.clone()).with_topics(vec![topic])
        };
        let nobody = client.call(&delete("t"), version).await;
        assert_eq!(nobody.error_code, ResponseError::GroupIdNotFound.code());
        for topic in ["t", "other"] {
            let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
            let topic = OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
            let commit = OffsetCommitRequest::default().with_group_id(group.clone()).with_generation_id_or_member_epoch(-1);
            assert_eq!(client.call(&commit.with_topics(vec![topic]), 8).await.topics[0].partitions[0].error_code, 0);
        }
        // A member that reads t: its offsets there stay, others may go.
        let mut metadata = BytesMut::from(&[0, 1][..]);
        ConsumerProtocolSubscription::default().with_topics(vec![text("t")]).encode(&mut metadata, 1).unwrap();
        let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(metadata.freeze());
        let join = JoinGroupRequest::default()
            .with_group_id(group.clone())
            .with_session_timeout_ms(30_000)
            .with_rebalance_timeout_ms(30_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let member = client.call(&join, 2).await.member_id;
        let read = client.call(&delete("t"), version).await.topics[0].partitions[0].error_code;
        assert_eq!(read, ResponseError::GroupSubscribedToTopic.code());
        assert_eq!(client.call(&delete("other"), version).await.topics[0].partitions[0].error_code, 0);
        let leave = LeaveGroupRequest::default().with_group_id(group.clone()).with_member_id(member);
        assert_eq!(client.call(&leave, 2).await.error_code, 0);
        let unknown = client.call(&delete("none"), version).await.topics[0].partitions[0].error_code;
        assert_eq!(unknown, ResponseError::UnknownTopicOrPartition.code());
        assert_eq!(client.call(&delete("t"), version).await.topics[0].partitions[0].error_code, 0);
        assert!(broker.shared.coordinator.offsets.of_group("g").is_empty());
    }
    broker.shutdown().await;
}
