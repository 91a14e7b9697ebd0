//! Produce: every partition's batch is checked and appended at once, in the order of the request; only the answer
//! waits for the disk. A client's batch is stored as it came, never decompressed.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TransactionalId};

use super::{Context, failure};
use crate::error::{Error, Result};
use crate::log::{Origin, PartitionAppend};
use crate::records::{Batch, Compression};
use crate::security::Right;
use crate::topics::Topic;

/// The first version whose clients know zstd.
const ZSTD_VERSION: i16 = 7;

/// None if the client wants no answer.
pub(super) async fn produce(context: &Context, request: ProduceRequest, version: i16) -> Option<ProduceResponse> {
    let known_acks = matches!(request.acks, -1..=1);
    let transacts = request.transactional_id.as_ref().map_or(Ok(()), |id| context.session.check_transactional_id(id));
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let topic = context.broker.shared.topics.get(&data.name);
        let mut partitions = Vec::with_capacity(data.partition_data.len());
        for partition in data.partition_data {
            let appended = if let Err(error) = transacts {
                Err(Error::InvalidTransaction(error.to_string()))
            } else if known_acks {
                let records = partition.records.unwrap_or_default();
                let transaction = request.transactional_id.as_ref();
                append(context, topic.as_deref(), &data.name, partition.index, records, transaction, version)
            } else {
                Err(Error::InvalidArgument(format!("acks {} is not -1, 0 or 1", request.acks)))
            };
            partitions.push((partition.index, appended));
        }
        responses.push((data.name, topic, partitions));
    }
    if request.acks == 0 {
        return None;
    }
    let mut topics = Vec::with_capacity(responses.len());
    for (name, topic, partitions) in responses {
        let mut answers = Vec::with_capacity(partitions.len());
        for (index, appended) in partitions {
            let durable = match appended {
                Ok(PartitionAppend { base_offset, append_time_ms, durable, .. }) => durable.await.map(|()| (base_offset, append_time_ms)),
                Err(error) => Err(error),
            };
            let answer = PartitionProduceResponse::default().with_index(index);
            answers.push(match durable {
                Ok((base_offset, append_time_ms)) => {
                    let partition = topic.as_ref().and_then(|t| t.partitions.get(index as usize));
                    let log_start = partition.map_or(-1, |p| p.watermarks().log_start);
                    let append_time_ms = append_time_ms.unwrap_or(-1);
                    answer.with_base_offset(base_offset).with_log_append_time_ms(append_time_ms).with_log_start_offset(log_start)
                }
                Err(error) => {
                    let (mut code, message) = failure(&error);
                    if !known_acks {
                        code = ResponseError::InvalidRequiredAcks.code();
                    } else if let Err(error) = transacts {
                        code = error.code();
                    }
                    answer.with_base_offset(-1).with_error_code(code).with_error_message(message)
                }
            });
        }
        topics.push(TopicProduceResponse::default().with_name(name).with_partition_responses(answers));
    }
    Some(ProduceResponse::default().with_responses(topics))
}

fn append(
    context: &Context,
    topic: Option<&Topic>,
    name: &str,
    index: i32,
    records: Bytes,
    transaction: Option<&TransactionalId>,
    version: i16,
) -> Result<PartitionAppend> {
    let unknown = || Error::UnknownPartition { topic: name.to_string(), partition: index };
    context.session.check(Right::Write, name)?;
    let topic = topic.ok_or_else(unknown)?;
    if topic.config.internal {
        return Err(Error::Internal(name.to_string()));
    }
    let partition = usize::try_from(index).ok().and_then(|at| topic.partitions.get(at)).ok_or_else(unknown)?;
    let limit = partition.settings().max_batch_bytes();
    if records.len() > limit {
        return Err(Error::TooLarge { size: records.len(), limit });
    }
    let batch = Batch::parse(records)?;
    let header = batch.header();
    if partition.settings().compacts() {
        check_keys(&batch)?;
    }
    if header.compression()? == Compression::Zstd && version < ZSTD_VERSION {
        return Err(Error::UnsupportedCompression(4));
    }
    if header.is_transactional() {
        let transaction =
            transaction.ok_or_else(|| Error::InvalidTransaction("a transactional batch needs the request's transactional id".into()))?;
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        context.broker.shared.coordinator.check_transaction(transaction, id, epoch, name, index)?;
    }
    let appended = partition.append(&batch, Origin::Client)?;
    context.broker.shared.counters.produced(batch.bytes().len());
    Ok(appended)
}

/// What a log is compacted by must be there.
fn check_keys(batch: &Batch) -> Result<()> {
    for record in &batch.records()? {
        if record?.key.is_none() {
            return Err(Error::InvalidBatch("a record without a key in a topic that is compacted".into()));
        }
    }
    Ok(())
}
