//! Clients that show who they are, over TLS and without; and those that cannot.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::Limits;
use crate::security::{Authentication, Grants, Hash, Security, Tls, User, Users};

/// Users that tests add and remove; with a word on it, nobody can look anybody up.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<(std::collections::BTreeMap<String, User>, Option<&'static str>)>);

impl Users for Known {
    fn find(&self, name: &str) -> Result<Option<User>, Box<dyn std::error::Error + Send + Sync>> {
        let known = self.0.lock();
        match known.1 {
            Some(why) => Err(why.into()),
            None => Ok(known.0.get(name).cloned()),
        }
    }
}

impl Known {
    pub(super) fn put(&self, name: &str, password: &str, grants: Grants) {
        self.0.lock().0.insert(name.into(), User::new(password, grants));
    }

    pub(super) fn regrant(&self, name: &str, grants: Grants) {
        self.0.lock().0.get_mut(name).unwrap().grants = grants;
    }

    fn remove(&self, name: &str) {
        self.0.lock().0.remove(name);
    }

    fn unreachable(&self, why: Option<&'static str>) {
        self.0.lock().1 = why;
    }
}

/// A broker whose clients are known by name: `admin` may do everything, `guest` nothing.
pub(super) struct Guarded {
    pub(super) broker: Broker,
    pub(super) address: SocketAddr,
    pub(super) known: Arc<Known>,
    authority: CertificateDer<'static>,
    tls: bool,
    _dir: tempfile::TempDir,
}

impl Guarded {
    pub(super) async fn open(tls: bool) -> Guarded {
        Guarded::with_limits(tls, Limits { user_refresh: Duration::from_millis(50), ..Limits::default() }).await
    }

    async fn with_limits(tls: bool, limits: Limits) -> Guarded {
        let dir = tempfile::tempdir().unwrap();
        let (tls_config, authority) = certificate(dir.path().join("tls"));
        let known = Arc::new(Known::default());
        known.put("admin", "admin's password", Grants::superuser());
        known.put("guest", "guest's password", Grants::default());
        let mut config = Config { limits, ..Config::new(dir.path().join("log")).listen("127.0.0.1:0".parse().unwrap()) };
        config.group_initial_delay = Duration::ZERO;
        let broker = Broker::open(config).await.unwrap();
        let security = Security { tls: tls.then_some(tls_config), authentication: Authentication::Sasl(known.clone()) };
        let address = broker.listen_with(security).await.unwrap();
        broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
        Guarded { broker, address, known, authority, tls, _dir: dir }
    }

    /// A connection, after the TLS handshake.
    async fn connect(&self) -> Client {
        if !self.tls {
            return Client::connect(self.address).await;
        }
        Client(Box::new(handshake(self.address, "localhost", Some(self.authority.clone())).await.unwrap()))
    }

    /// A connection of somebody known.
    pub(super) async fn log_in(&self, name: &str, password: &str) -> Client {
        let mut client = self.connect().await;
        scram(&mut client, Hash::Sha512, name, password, 2).await.unwrap();
        client
    }
}

/// A certificate for `localhost` from an authority of our own.
fn certificate(dir: PathBuf) -> (Tls, CertificateDer<'static>) {
    std::fs::create_dir(&dir).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let (certificate, key) = (dir.join("crt"), dir.join("key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (Tls::from_pem_files(&certificate, &key).unwrap(), made.cert.der().clone())
}

async fn handshake(
    address: SocketAddr,
    name: &'static str,
    authority: Option<CertificateDer<'static>>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    authority.into_iter().for_each(|authority| roots.add(authority).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}

async fn choose(client: &mut Client, mechanism: &str) -> SaslHandshakeResponse {
    client.call(&SaslHandshakeRequest::default().with_mechanism(text(mechanism)), 1).await
}

async fn say(client: &mut Client, version: i16, message: impl Into<Bytes>) -> SaslAuthenticateResponse {
    client.call(&SaslAuthenticateRequest::default().with_auth_bytes(message.into()), version).await
}

/// The client's side of SCRAM; the error code where it is turned away.
async fn scram(client: &mut Client, hash: Hash, name: &str, password: &str, version: i16) -> Result<(), i16> {
    assert_eq!(choose(client, hash.mechanism()).await.error_code, 0);
    let bare = format!("n={name},r=fyko+d2lbbFgONRv9qkxdawL");
    let first = say(client, version, format!("n,,{bare}")).await;
    if first.error_code != 0 {
        return Err(first.error_code);
    }
    let challenge = String::from_utf8(first.auth_bytes.to_vec()).unwrap();
    let mut fields = challenge.split(',').map(|field| &field[2..]);
    let (nonce, salt, iterations) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
    let salted = hash.salted(password, &STANDARD.decode(salt).unwrap(), iterations.parse().unwrap());
    let client_key = hash.hmac(&salted, b"Client Key");
    let without_proof = format!("c=biws,r={nonce}");
    let signed = format!("{bare},{challenge},{without_proof}");
    let signature = hash.hmac(&hash.hash(&client_key), signed.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
    let last = say(client, version, format!("{without_proof},p={}", STANDARD.encode(proof))).await;
    if last.error_code != 0 {
        return Err(last.error_code);
    }
    let ours = hash.hmac(&hash.hmac(&salted, b"Server Key"), signed.as_bytes());
    assert_eq!(last.auth_bytes, format!("v={}", STANDARD.encode(ours)), "the broker knows the password too");
    Ok(())
}

/// Whether the peer has closed the connection; waits for it.
async fn is_closed(client: &mut Client) -> bool {
    client.0.read(&mut [0; 8]).await.unwrap_or(0) == 0
}

async fn serves(client: &mut Client) -> bool {
    client.call(&MetadataRequest::default().with_topics(None), 9).await.topics.len() == 1
}

pub(super) async fn clients_show_who_they_are_at_every_version() {
    for tls in [false, true] {
        let guarded = Guarded::open(tls).await;
        for version in versions(ApiKey::SaslAuthenticate) {
            for hash in [Hash::Sha256, Hash::Sha512] {
                let mut client = guarded.connect().await;
                assert_eq!(client.call(&ApiVersionsRequest::default(), 3).await.error_code, 0, "versions are told to everybody");
                scram(&mut client, hash, "admin", "admin's password", version).await.unwrap();
                assert!(serves(&mut client).await);
                // Once is enough.
                assert_eq!(choose(&mut client, "PLAIN").await.error_code, ResponseError::IllegalSaslState.code());
                assert_eq!(say(&mut client, version, "again").await.error_code, ResponseError::IllegalSaslState.code());
                assert!(serves(&mut client).await);
            }
            let mut client = guarded.connect().await;
            assert_eq!(choose(&mut client, "PLAIN").await.mechanisms, ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"].map(text));
            let answer = say(&mut client, version, "\0admin\0admin's password").await;
            assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 0));
            assert!(serves(&mut client).await);
        }
        guarded.broker.shutdown().await;
    }
    bare_exchanges().await;
    // Where nobody is asked who it is, there is nothing to choose.
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    for version in versions(ApiKey::SaslHandshake) {
        let mut client = Client::connect(address).await;
        let request = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
        assert_eq!(client.call(&request, version).await.error_code, ResponseError::IllegalSaslState.code());
    }
    broker.shutdown().await;
}

/// After a handshake of version 0 the messages come without requests around them.
async fn bare_exchanges() {
    let guarded = Guarded::open(false).await;
    let handshake = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
    let mut client = guarded.connect().await;
    assert_eq!(client.call(&handshake, 0).await.error_code, 0);
    client.send_raw(b"\0admin\0admin's password").await;
    assert_eq!(client.0.read_i32().await.unwrap(), 0, "there is nothing more to say");
    assert!(serves(&mut client).await);
    let mut client = guarded.connect().await;
    client.call(&handshake.clone().with_mechanism(text("SCRAM-SHA-256")), 0).await;
    client.send_raw(b"n,,n=admin,r=abc").await;
    let mut challenge = vec![0; client.0.read_i32().await.unwrap() as usize];
    client.0.read_exact(&mut challenge).await.unwrap();
    assert!(challenge.starts_with(b"r=abc"));
    client.send_raw(b"c=biws,r=abc,p=AAAA").await;
    assert!(is_closed(&mut client).await);
    let mut client = guarded.connect().await;
    client.call(&handshake, 0).await;
    let _ = client.try_send(&MetadataRequest::default(), 9).await;
    assert!(is_closed(&mut client).await, "a request is no message of an exchange");
    guarded.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_is_told_so_and_closed() {
    let guarded = Guarded::open(false).await;
    let failed = ResponseError::SaslAuthenticationFailed.code();
    for hash in [Hash::Sha256, Hash::Sha512] {
        for (name, password) in [("admin", "guest's password"), ("admin", ""), ("Admin", "admin's password"), ("nobody", "x")] {
            let mut client = guarded.connect().await;
            assert_eq!(scram(&mut client, hash, name, password, 2).await, Err(failed), "{name}");
            assert!(is_closed(&mut client).await);
        }
    }
    for message in [
        "\0admin\0wrong",
        "\0nobody\0admin's password",
        "guest\0admin\0admin's password",
        "\0admin\0",
        "\0\0admin's password",
        "admin",
        "",
        "\0admin\0admin's password\0",
    ] {
        let mut client = guarded.connect().await;
        choose(&mut client, "PLAIN").await;
        let answer = say(&mut client, 2, message).await;
        assert_eq!(answer.error_code, failed, "{message:?}");
        let told = answer.error_message.unwrap();
        assert!(!told.contains("nobody") && told.contains("authentication failed"), "{told:?}");
        assert!(is_closed(&mut client).await);
    }
    guarded.broker.shutdown().await;
}

/// A name that nobody has is challenged as one that somebody has: the same salt each time, the same number of rounds.
#[tokio::test(flavor = "multi_thread")]
async fn challenges_do_not_tell_which_users_there_are() {
    let guarded = Guarded::open(false).await;
    let mut challenges = Vec::new();
    for name in ["nobody", "nobody", "somebody", "admin", "admin"] {
        let mut client = guarded.connect().await;
        choose(&mut client, "SCRAM-SHA-256").await;
        let answer = say(&mut client, 2, format!("n,,n={name},r=abc")).await;
        let challenge = String::from_utf8(answer.auth_bytes.to_vec()).unwrap();
        let (_, salt_and_rounds) = challenge.split_once(',').unwrap();
        challenges.push(salt_and_rounds.to_string());
    }
    assert_eq!((&challenges[0], &challenges[3]), (&challenges[1], &challenges[4]));
    assert_ne!(challenges[0], challenges[2]);
    assert!(challenges.iter().all(|challenge| challenge.len() == challenges[3].len()), "{challenges:?}");
    guarded.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_served_to_strangers() {
    let guarded = Guarded::open(false).await;
    // At once, between the steps, and with another mechanism's message.
    let mut client = guarded.connect().await;
    let _ = client.try_send(&MetadataRequest::default(), 9).await;
    assert!(is_closed(&mut client).await);
    let mut client = guarded.connect().await;
    choose(&mut client, "SCRAM-SHA-512").await;
    let _ = client.try_send(&produce("t", -1, batch(1).bytes().clone()), 9).await;
    assert!(is_closed(&mut client).await);
    let mut client = guarded.connect().await;
    choose(&mut client, "SCRAM-SHA-512").await;
    assert_eq!(say(&mut client, 2, "\0admin\0admin's password").await.error_code, ResponseError::SaslAuthenticationFailed.code());
    assert!(is_closed(&mut client).await);
    // A message without a mechanism, a mechanism that is changed, one that there is not.
    let mut client = guarded.connect().await;
    let _ = client.try_send(&SaslAuthenticateRequest::default().with_auth_bytes("\0admin\0admin's password".into()), 2).await;
    assert!(is_closed(&mut client).await);
    let mut client = guarded.connect().await;
    choose(&mut client, "SCRAM-SHA-512").await;
    let _ = client.try_send(&SaslHandshakeRequest::default().with_mechanism(text("PLAIN")), 1).await;
    assert!(is_closed(&mut client).await);
    for mechanism in ["GSSAPI", "SCRAM-SHA-1", "plain", "ANONYMOUS", ""] {
        let mut client = guarded.connect().await;
        let answer = choose(&mut client, mechanism).await;
        assert_eq!((answer.error_code, answer.mechanisms.len()), (ResponseError::UnsupportedSaslMechanism.code(), 3), "{mechanism}");
        assert!(is_closed(&mut client).await);
    }
    // A frame larger than any honest stranger's.
    let mut client = guarded.connect().await;
    client.0.write_all(&(1i32 << 20).to_be_bytes()).await.unwrap();
    assert!(is_closed(&mut client).await);
    assert_eq!(guarded.broker.watermarks("t", 0).unwrap().high_watermark, 0);
    guarded.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_half_open_handshakes_give_their_place_back() {
    for tls in [false, true] {
        let handshake_timeout = Duration::from_millis(300);
        let limits = Limits { handshake_timeout, max_connections: 2, ..Limits::default() };
        let guarded = Guarded::with_limits(tls, limits).await;
        // Neither says a word; with TLS one begins a handshake and stops in the middle.
        let mut silent = Client::connect(guarded.address).await;
        let mut half = Client::connect(guarded.address).await;
        if tls {
            half.0.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
        } else {
            choose(&mut half, "SCRAM-SHA-512").await;
        }
        let mut third = Client::connect(guarded.address).await;
        assert!(is_closed(&mut third).await, "both count as connections");
        assert!(is_closed(&mut silent).await && is_closed(&mut half).await);
        // The places are free as soon as the broker has noticed.
        let mut admin = loop {
            let mut client = if tls {
                match handshake(guarded.address, "localhost", Some(guarded.authority.clone())).await {
                    Ok(stream) => Client(Box::new(stream)),
                    Err(_) => continue,
                }
            } else {
                Client::connect(guarded.address).await
            };
            let asked = client.try_send(&SaslHandshakeRequest::default().with_mechanism(text("PLAIN")), 1).await;
            if asked.is_ok()
                && let Ok(size) = client.0.read_i32().await
            {
                client.0.read_exact(&mut vec![0; size as usize]).await.unwrap();
                break client;
            }
        };
        assert_eq!(say(&mut admin, 2, "\0admin\0admin's password").await.error_code, 0);
        // Who is known may be silent for longer.
        tokio::time::sleep(handshake_timeout * 2).await;
        assert!(serves(&mut admin).await);
        guarded.broker.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_check_the_certificate() {
    let guarded = Guarded::open(true).await;
    let (address, authority) = (guarded.address, guarded.authority.clone());
    assert!(handshake(address, "localhost", Some(authority.clone())).await.is_ok());
    assert!(handshake(address, "elsewhere", Some(authority)).await.is_err(), "another name");
    assert!(handshake(address, "localhost", None).await.is_err(), "an authority that is not known");
    let expired = {
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_string()]).unwrap();
        (parameters.not_before, parameters.not_after) = (rcgen::date_time_ymd(2000, 1, 1), rcgen::date_time_ymd(2001, 1, 1));
        let key = rcgen::KeyPair::generate().unwrap();
        let made = parameters.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (certificate, private) = (dir.path().join("crt"), dir.path().join("key"));
        std::fs::write(&certificate, made.pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        (Tls::from_pem_files(&certificate, &private).unwrap(), made.der().clone())
    };
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(Config::new(dir.path()).listen("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let listening = Security { tls: Some(expired.0), authentication: Authentication::Loopback };
    let address = broker.listen_with(listening).await.unwrap();
    let error = handshake(address, "localhost", Some(expired.1)).await.unwrap_err().to_string();
    assert!(error.contains("expired"), "{error}");
    broker.shutdown().await;
    // Clear text where TLS is spoken, and the reverse.
    let mut clear = Client::connect(guarded.address).await;
    let _ = clear.try_send(&ApiVersionsRequest::default(), 3).await;
    let mut answer = Vec::new();
    let _ = clear.0.read_to_end(&mut answer).await;
    assert!(answer.len() < 16, "at most a TLS alert");
    let plain = Guarded::open(false).await;
    assert!(handshake(plain.address, "localhost", Some(plain.authority.clone())).await.is_err());
    plain.broker.shutdown().await;
    guarded.broker.shutdown().await;
}

/// Large answers and requests get through whole.
#[tokio::test(flavor = "multi_thread")]
async fn records_travel_over_tls() {
    let guarded = Guarded::open(true).await;
    let mut client = guarded.log_in("admin", "admin's password").await;
    let mut builder = BatchBuilder::default();
    builder.push(0, None, Some(&vec![7; 4 << 20]));
    let records = builder.build().unwrap().bytes().clone();
    for round in 0..4 {
        let answer = client.call(&produce("t", -1, records.clone()), 9).await;
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, round);
    }
    let id = guarded.broker.shared.topics.get("t").unwrap().id;
    let fetched = client.call(&fetch("t", id, 12, 2), 12).await;
    assert_eq!(fetched.responses[0].partitions[0].records.as_ref().unwrap().len(), records.len());
    guarded.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_or_has_another_password_is_out() {
    let guarded = Guarded::open(false).await;
    guarded.known.put("shop", "old", Grants::superuser());
    guarded.known.put("billing", "old", Grants::superuser());
    let mut shop = guarded.log_in("shop", "old").await;
    let mut billing = guarded.log_in("billing", "old").await;
    let mut admin = guarded.log_in("admin", "admin's password").await;
    assert!(serves(&mut shop).await && serves(&mut billing).await);
    guarded.known.remove("shop");
    guarded.known.put("billing", "new", Grants::superuser());
    assert!(is_closed(&mut shop).await && is_closed(&mut billing).await);
    let mut again = guarded.connect().await;
    assert!(scram(&mut again, Hash::Sha512, "billing", "old", 2).await.is_err());
    guarded.log_in("billing", "new").await;
    assert!(serves(&mut admin).await, "the others stay");
    // Where users cannot be looked up, those who are in stay, and others are neither let in nor told that they are wrong.
    guarded.known.unreachable(Some("the store is away"));
    let mut waiting = guarded.connect().await;
    choose(&mut waiting, "SCRAM-SHA-512").await;
    waiting.send(&SaslAuthenticateRequest::default().with_auth_bytes("n,,n=admin,r=abc".into()), 2).await;
    assert!(is_closed(&mut waiting).await);
    assert!(serves(&mut admin).await);
    guarded.known.unreachable(None);
    guarded.log_in("admin", "admin's password").await;
    guarded.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_loopback_address_needs_no_authentication() {
    for (address, authentication, allowed) in [
        ("127.0.0.1:0", Authentication::Loopback, true),
        ("0.0.0.0:0", Authentication::Loopback, false),
        ("[::]:0", Authentication::Loopback, false),
        ("0.0.0.0:0", Authentication::None, true),
        ("0.0.0.0:0", Authentication::Sasl(Arc::new(Known::default())), true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::open(Config::new(dir.path()).listen(address.parse().unwrap())).await.unwrap();
        let listening = broker.listen_with(Security { tls: None, authentication }).await;
        match listening {
            Ok(_) => assert!(allowed, "{address}"),
            Err(error) => assert!(!allowed && error.to_string().contains("anybody on the network"), "{address}: {error}"),
        }
        broker.shutdown().await;
    }
}
