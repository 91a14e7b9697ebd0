//! Requests and answers of every served kind and version, over a socket, and frames that are neither.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use parking_lot::Mutex;
use rand::{Rng, RngExt, SeedableRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::api::SUPPORTED;
use super::{guard, text, topic_name};
use crate::records::{Batch, BatchBuilder};
use crate::{Broker, Config, TopicConfig};

mod configs;
mod data;
mod groups;
mod hostile;
mod limits;
mod rights;
mod security;
mod topics;
mod transactions;

/// The request kinds and versions that were answered in this run.
static ANSWERED: Mutex<BTreeSet<(i16, i16)>> = Mutex::new(BTreeSet::new());

/// What ApiVersions advertises is what the scenarios call, each version for itself, and look at the answers of.
#[tokio::test(flavor = "multi_thread")]
async fn every_advertised_version_is_tested() {
    data::data_is_produced_and_fetched_at_every_version().await;
    topics::topics_are_made_seen_and_deleted_at_every_version().await;
    configs::settings_are_changed_at_every_version().await;
    groups::a_group_lives_at_every_version().await;
    groups::offsets_are_deleted_at_every_version().await;
    transactions::transactions_run_at_every_version().await;
    security::clients_show_who_they_are_at_every_version().await;
    let answered = ANSWERED.lock();
    let advertised = SUPPORTED.iter().flat_map(|&(key, lowest, highest)| (lowest..=highest).map(move |version| (key, version)));
    let untested: Vec<_> = advertised.filter(|(key, version)| !answered.contains(&(*key as i16, *version))).collect();
    assert!(untested.is_empty(), "advertised and not tested: {untested:?}");
}

/// What a client speaks over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Client(Box<dyn Stream>);

impl Client {
    async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client(Box::new(stream))
    }

    async fn send<R: Request + HeaderVersion>(&mut self, request: &R, version: i16) {
        self.try_send(request, version).await.unwrap();
    }

    /// As `send`, to a peer that may have closed the connection.
    async fn try_send<R: Request + HeaderVersion>(&mut self, request: &R, version: i16) -> std::io::Result<()> {
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
        self.try_send_raw(&frame).await
    }

    async fn send_raw(&mut self, frame: &[u8]) {
        self.try_send_raw(frame).await.unwrap();
    }

    async fn try_send_raw(&mut self, frame: &[u8]) -> std::io::Result<()> {
        self.0.write_all(&(frame.len() as i32).to_be_bytes()).await?;
        self.0.write_all(frame).await?;
        self.0.flush().await
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
        ANSWERED.lock().insert((R::KEY, version));
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
