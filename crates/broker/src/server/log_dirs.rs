//! DescribeLogDirs: what the partitions take on disk, and what the disk has left.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use super::{Context, text, topic_name};

pub(super) fn describe(context: &Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    if !context.session.may_all() {
        return DescribeLogDirsResponse::default().with_error_code(ResponseError::ClusterAuthorizationFailed.code());
    }
    let shared = &context.broker.shared;
    // By topic, the partitions asked for; without any topic, all of all. What there is not is left out.
    let asked: Option<BTreeMap<String, Vec<i32>>> =
        request.topics.map(|topics| topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect());
    let mut topics = Vec::new();
    for topic in shared.topics.all() {
        let wanted = match &asked {
            None => None,
            Some(asked) => match asked.get(&*topic.name) {
                Some(partitions) => Some(partitions),
                None => continue,
            },
        };
        let partitions = topic.partitions.iter().zip(0..).filter(|(_, number)| wanted.is_none_or(|wanted| wanted.contains(number)));
        let partitions = partitions.map(|(partition, number)| {
            DescribeLogDirsPartition::default().with_partition_index(number).with_partition_size(partition.bytes() as i64)
        });
        let partitions = partitions.collect();
        topics.push(DescribeLogDirsTopic::default().with_name(topic_name(&topic.name)).with_partitions(partitions));
    }
    let dir = std::path::absolute(&shared.config.dir).unwrap_or_else(|_| shared.config.dir.clone());
    let bytes = |blocks: u64, size: u64| i64::try_from(blocks.saturating_mul(size)).unwrap_or(i64::MAX);
    let (total, usable) = match rustix::fs::statvfs(&dir) {
        Ok(disk) => (bytes(disk.f_blocks, disk.f_frsize), bytes(disk.f_bavail, disk.f_frsize)),
        // Unknown, in the protocol's words.
        Err(_) => (-1, -1),
    };
    let result = DescribeLogDirsResult::default()
        .with_log_dir(text(&dir.to_string_lossy()))
        .with_topics(topics)
        .with_total_bytes(total)
        .with_usable_bytes(usable);
    DescribeLogDirsResponse::default().with_results(vec![result])
}
