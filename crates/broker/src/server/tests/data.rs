//! Records in and out, at every version, in order, and what is refused.

use super::*;

pub(super) async fn data_is_produced_and_fetched_at_every_version() {
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
async fn traffic_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let (before, bytes) = (broker.traffic(), batch(3).bytes().len() as u64);
    let mut client = Client::connect(address).await;
    client.call(&produce("t", -1, batch(3).bytes().clone()), 9).await;
    let refused = client.call(&produce("none", -1, batch(3).bytes().clone()), 9).await;
    assert_ne!(refused.responses[0].partition_responses[0].error_code, 0);
    for _ in 0..2 {
        client.call(&fetch("t", uuid::Uuid::nil(), 12, 0), 12).await;
    }
    let after = broker.traffic();
    assert_eq!((after.connections, after.produced_bytes, after.fetched_bytes), (1, bytes, 2 * bytes));
    // A sync is counted when its acknowledgements have left.
    while broker.traffic().syncs == before.syncs || broker.traffic().sync_time == before.sync_time {
        tokio::task::yield_now().await;
    }
    drop(client);
    while broker.traffic().connections > 0 {
        tokio::task::yield_now().await;
    }
    broker.shutdown().await;
}
