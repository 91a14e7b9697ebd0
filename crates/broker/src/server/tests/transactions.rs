//! Transactions, and looking at them, at every version.

use super::*;

pub(super) async fn transactions_run_at_every_version() {
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
        look_at_open_transaction(&mut client, &id, producer, epoch).await;
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

/// The transaction that is under way, as an operator's tools see it.
async fn look_at_open_transaction(client: &mut Client, id: &TransactionalId, producer: ProducerId, epoch: i16) {
    for version in versions(ApiKey::DescribeProducers) {
        use kafka_protocol::messages::describe_producers_request::TopicRequest;
        let ask = |topic| TopicRequest::default().with_name(topic_name(topic)).with_partition_indexes(vec![0]);
        let response = client.call(&DescribeProducersRequest::default().with_topics(vec![ask("t"), ask("none")]), version).await;
        let state = response.topics[0].partitions[0].active_producers.iter().find(|state| state.producer_id == producer).unwrap();
        assert_eq!((state.producer_epoch, state.last_sequence), (i32::from(epoch), 0));
        assert!(state.current_txn_start_offset >= 0);
        assert_eq!(response.topics[1].partitions[0].error_code, ResponseError::UnknownTopicOrPartition.code());
    }
    for version in versions(ApiKey::DescribeTransactions) {
        let ids = vec![id.clone(), TransactionalId(text("none"))];
        let response = client.call(&DescribeTransactionsRequest::default().with_transactional_ids(ids), version).await;
        let state = &response.transaction_states[0];
        assert_eq!((state.transaction_state.as_str(), state.producer_id, state.transaction_timeout_ms), ("Ongoing", producer, 60_000));
        assert_eq!((state.topics[0].topic.as_str(), &state.topics[0].partitions), ("t", &vec![0]));
        assert_eq!(response.transaction_states[1].error_code, ResponseError::TransactionalIdNotFound.code());
    }
    for version in versions(ApiKey::ListTransactions) {
        let request = ListTransactionsRequest::default();
        let states = |states: &[&str]| request.clone().with_state_filters(states.iter().map(|state| text(state)).collect());
        assert_eq!(client.call(&request, version).await.transaction_states[0].transactional_id, *id);
        assert_eq!(client.call(&states(&["Ongoing"]), version).await.transaction_states.len(), 1);
        let other = client.call(&states(&["Empty", "Lost"]), version).await;
        assert_eq!((other.transaction_states.len(), other.unknown_state_filters), (0, vec![text("Lost")]));
        assert_eq!(client.call(&request.clone().with_producer_id_filters(vec![(-7).into()]), version).await.transaction_states.len(), 0);
        if version >= 1 {
            assert_eq!(client.call(&request.clone().with_duration_filter(3_600_000), version).await.transaction_states.len(), 0);
        }
    }
}
