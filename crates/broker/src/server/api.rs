//! The request kinds that are served, with the versions that are really handled, and the way from a frame to its
//! handler and back. Everything a client may ask is in this one list.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::connection::Reply;
use super::{
    Context, configs, fetch, group_offsets, groups, guard, log_dirs, metadata, offsets, produce, session, topic_admin, topic_partitions,
    transaction_info, transactions,
};

/// A served request kind: key, lowest and highest version.
pub(crate) const SUPPORTED: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 3, 11),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 9),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::FindCoordinator, 0, 5),
    (ApiKey::JoinGroup, 0, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 6),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::SaslHandshake, 0, 1),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::AddPartitionsToTxn, 0, 3),
    (ApiKey::AddOffsetsToTxn, 0, 4),
    (ApiKey::EndTxn, 0, 4),
    (ApiKey::TxnOffsetCommit, 0, 4),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::AlterConfigs, 0, 2),
    (ApiKey::DescribeLogDirs, 1, 4),
    (ApiKey::SaslAuthenticate, 0, 2),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::DescribeCluster, 0, 2),
    (ApiKey::DescribeProducers, 0, 0),
    (ApiKey::DescribeTransactions, 0, 0),
    (ApiKey::ListTransactions, 0, 1),
    (ApiKey::DescribeTopicPartitions, 0, 0),
];

/// A request with its header decoded.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) key: ApiKey,
    pub(super) version: i16,
    correlation_id: i32,
    pub(super) client_id: StrBytes,
    body: Bytes,
    /// The version is beyond what is served.
    unsupported: bool,
}

impl Request {
    /// Decodes the header. Errors mean that the peer does not speak the protocol.
    pub(super) fn decode(mut frame: Bytes) -> Result<Request, String> {
        let (Some(key), Some(version)) = (frame.get(0..2), frame.get(2..4)) else {
            return Err("a frame without a header".into());
        };
        let key = i16::from_be_bytes([key[0], key[1]]);
        let version = i16::from_be_bytes([version[0], version[1]]);
        let known = ApiKey::try_from(key).ok();
        let Some(&(key, lowest, highest)) = SUPPORTED.iter().find(|(served, ..)| Some(*served) == known) else {
            return Err(format!("request kind {key} is not served"));
        };
        let unsupported = !(lowest..=highest).contains(&version);
        if unsupported && key != ApiKey::ApiVersions {
            return Err(format!("version {version} of request kind {key:?} is not served"));
        }
        // Of an ApiVersions request that is too new only the part that never changes is read.
        let header_version = if unsupported { 1 } else { key.request_header_version(version) };
        let header = RequestHeader::decode(&mut frame, header_version).map_err(|e| e.to_string())?;
        Ok(Request {
            key,
            version,
            correlation_id: header.correlation_id,
            client_id: header.client_id.unwrap_or_default(),
            body: frame,
            unsupported,
        })
    }

    fn body<T: Decodable>(&self) -> Option<T> {
        if !guard::is_well_formed(self.key, self.version, &self.body) {
            tracing::debug!(key = ?self.key, version = self.version, "a request of the wrong shape");
            return None;
        }
        match T::decode(&mut self.body.clone(), self.version) {
            Ok(body) => Some(body),
            Err(error) => {
                tracing::debug!(key = ?self.key, version = self.version, %error, "a request that cannot be decoded");
                None
            }
        }
    }

    /// Decodes the body, whatever it is of; only what has the right shape gets to the decoder, as for a handler.
    #[cfg(any(test, fuzzing))]
    pub(super) fn decode_any(&self) {
        if !self.unsupported && guard::is_well_formed(self.key, self.version, &self.body) {
            let _ = RequestKind::decode(self.key, &mut self.body.clone(), self.version);
        }
    }

    fn reply<T: Encodable>(&self, response: &T) -> Option<Reply> {
        let version = if self.unsupported { 0 } else { self.version };
        let header_version = self.key.response_header_version(version);
        let header = ResponseHeader::default().with_correlation_id(self.correlation_id);
        let encode = || -> Result<BytesMut, Box<dyn std::error::Error>> {
            let size = header.compute_size(header_version)? + response.compute_size(version)?;
            let mut out = BytesMut::with_capacity(4 + size);
            out.extend_from_slice(&i32::try_from(size)?.to_be_bytes());
            header.encode(&mut out, header_version)?;
            response.encode(&mut out, version)?;
            Ok(out)
        };
        match encode() {
            Ok(bytes) => Some(Reply { bytes: bytes.freeze(), permit: None }),
            Err(error) => {
                tracing::error!(key = ?self.key, version, %error, "cannot encode a response");
                None
            }
        }
    }
}

/// Handles one request. None closes the connection.
pub(super) async fn handle(context: Arc<Context>, request: Request) -> Option<Reply> {
    let version = request.version;
    match request.key {
        ApiKey::Produce => match produce::produce(&context, request.body()?, version).await {
            Some(response) => request.reply(&response),
            None => Some(Reply { bytes: Bytes::new(), permit: None }),
        },
        ApiKey::Fetch => {
            let (response, permit) = fetch::fetch(&context, request.body()?, version).await?;
            let mut reply = request.reply(&response)?;
            reply.permit = Some(permit);
            Some(reply)
        }
        ApiKey::ListOffsets => request.reply(&offsets::list_offsets(&context, request.body()?, version)),
        ApiKey::OffsetForLeaderEpoch => request.reply(&offsets::leader_epochs(&context, request.body()?)),
        ApiKey::Metadata => request.reply(&metadata::metadata(&context, request.body()?, version).await),
        ApiKey::DescribeCluster => request.reply(&metadata::describe_cluster(&context, request.body()?)),
        ApiKey::DescribeTopicPartitions => request.reply(&topic_partitions::describe(&context, request.body()?)),
        ApiKey::DescribeLogDirs => request.reply(&log_dirs::describe(&context, request.body()?)),
        ApiKey::DescribeConfigs => request.reply(&configs::describe(&context, request.body()?, version)),
        ApiKey::AlterConfigs => request.reply(&configs::alter(&context, request.body()?).await),
        ApiKey::IncrementalAlterConfigs => request.reply(&configs::alter_incrementally(&context, request.body()?).await),
        ApiKey::ApiVersions => request.reply(&api_versions(&request)),
        ApiKey::SaslHandshake => request.reply(&session::handshake(&context, request.body()?, version)),
        ApiKey::SaslAuthenticate => request.reply(&session::authenticate(&context, request.body()?).await?),
        ApiKey::CreateTopics => request.reply(&topic_admin::create(&context, request.body()?, version).await),
        ApiKey::CreatePartitions => request.reply(&topic_admin::create_partitions(&context, request.body()?).await),
        ApiKey::DeleteTopics => request.reply(&topic_admin::delete(&context, request.body()?, version).await),
        ApiKey::DeleteRecords => request.reply(&topic_admin::delete_records(&context, request.body()?).await),
        ApiKey::FindCoordinator => request.reply(&groups::find_coordinator(&context, request.body()?, version)),
        ApiKey::JoinGroup => request.reply(&groups::join(&context, request.body()?, version, &request.client_id).await),
        ApiKey::SyncGroup => request.reply(&groups::sync(&context, request.body()?).await),
        ApiKey::Heartbeat => request.reply(&groups::heartbeat(&context, request.body()?)),
        ApiKey::LeaveGroup => request.reply(&groups::leave(&context, request.body()?, version)),
        ApiKey::DescribeGroups => request.reply(&groups::describe(&context, request.body()?, version)),
        ApiKey::ListGroups => request.reply(&groups::list(&context, request.body()?)),
        ApiKey::DeleteGroups => request.reply(&groups::delete(&context, request.body()?).await),
        ApiKey::OffsetCommit => request.reply(&group_offsets::commit(&context, request.body()?).await),
        ApiKey::OffsetFetch => request.reply(&group_offsets::fetch(&context, request.body()?, version)),
        ApiKey::OffsetDelete => request.reply(&group_offsets::delete(&context, request.body()?).await),
        ApiKey::InitProducerId => request.reply(&transactions::init_producer_id(&context, request.body()?).await),
        ApiKey::AddPartitionsToTxn => request.reply(&transactions::add_partitions(&context, request.body()?, version).await),
        ApiKey::AddOffsetsToTxn => request.reply(&transactions::add_offsets(&context, request.body()?, version).await),
        ApiKey::TxnOffsetCommit => request.reply(&transactions::commit_offsets(&context, request.body()?, version).await),
        ApiKey::EndTxn => request.reply(&transactions::end(&context, request.body()?, version).await),
        ApiKey::DescribeProducers => request.reply(&transaction_info::producers(&context, request.body()?)),
        ApiKey::DescribeTransactions => request.reply(&transaction_info::describe(&context, request.body()?)),
        ApiKey::ListTransactions => request.reply(&transaction_info::list(&context, request.body()?)),
        _ => None,
    }
}

fn api_versions(request: &Request) -> ApiVersionsResponse {
    let keys = SUPPORTED
        .iter()
        .map(|&(key, lowest, highest)| ApiVersion::default().with_api_key(key as i16).with_min_version(lowest).with_max_version(highest));
    let response = ApiVersionsResponse::default().with_api_keys(keys.collect());
    if request.unsupported {
        return response.with_error_code(ResponseError::UnsupportedVersion.code());
    }
    response
}
