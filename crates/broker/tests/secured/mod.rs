//! Foreign clients over TLS and SASL: kcat, and Python's kafka-python and confluent-kafka.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use broker::{Authentication, Broker, Config, Grants, Isolation, Security, Tls, TopicConfig, User, Users};

use crate::clients::{checked, kcat, skip};
use crate::in_process::values;

#[derive(Debug)]
struct Known(BTreeMap<&'static str, User>);

impl Users for Known {
    fn find(&self, name: &str) -> Result<Option<User>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.get(name).cloned())
    }
}

struct Secured {
    broker: Broker,
    address: String,
    /// The certificate of its authority.
    authority: PathBuf,
    _dir: tempfile::TempDir,
}

async fn serve() -> Secured {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_string(), "127.0.0.1".to_string()]).unwrap();
    let (authority, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
    std::fs::write(&authority, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let names = r#"["app*"]"#;
    let app = format!(r#"{{"read":{names},"write":{names},"create":{names},"groups":{names},"transactional_ids":{names}}}"#);
    let users = Known(BTreeMap::from([
        ("app", User::new("app's password", serde_json::from_str(&app).unwrap())),
        ("guest", User::new("guest's password", Grants::default())),
    ]));
    let broker = Broker::open(Config::new(dir.path().join("log")).listen("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let tls = Some(Tls::from_pem_files(&authority, &key).unwrap());
    let address = broker.listen_with(Security { tls, authentication: Authentication::Sasl(Arc::new(users)) }).await.unwrap().to_string();
    broker.create_topic("app-lines", TopicConfig::partitions(1)).unwrap();
    Secured { broker, address, authority, _dir: dir }
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_shows_who_it_is() {
    if Command::new("kcat").arg("-V").output().is_err() {
        return skip("kcat");
    }
    let Secured { broker, address, authority, _dir } = serve().await;
    let done = tokio::task::spawn_blocking(move || {
        let authority = format!("ssl.ca.location={}", authority.display());
        let run = |mechanism: &str, password: &str, arguments: &[&str], input: &str| {
            let (mechanism, password) = (format!("sasl.mechanism={mechanism}"), format!("sasl.password={password}"));
            let settings = ["security.protocol=SASL_SSL", &authority, &mechanism, "sasl.username=app", &password];
            let settings = settings.iter().flat_map(|setting| ["-X", setting]);
            kcat(&address, &arguments.iter().copied().chain(settings).collect::<Vec<_>>(), input)
        };
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            checked(run(mechanism, "app's password", &["-P", "-t", "app-lines"], &format!("by {mechanism}\n")));
            let refused = run(mechanism, "wrong", &["-P", "-t", "app-lines", "-m", "5"], "by nobody\n");
            assert!(!refused.status.success());
        }
        checked(run("SCRAM-SHA-512", "app's password", &["-C", "-t", "app-lines", "-e"], ""))
    });
    assert_eq!(done.await.unwrap(), "by PLAIN\nby SCRAM-SHA-256\nby SCRAM-SHA-512\n");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_show_who_they_are() {
    let Ok(python) = std::env::var("SLUICE_TEST_PYTHON") else {
        return skip("SLUICE_TEST_PYTHON");
    };
    let Secured { broker, address, authority, _dir } = serve().await;
    let script = include_str!("secured.py");
    let run = move || Command::new("timeout").args(["240", &python, "-c", script, &address]).arg(&authority).output().unwrap();
    let said = checked(tokio::task::spawn_blocking(run).await.unwrap());
    assert!(said.contains("all done"), "{said}");
    assert_eq!(values(&broker, "app-events", 0, Isolation::ReadCommitted).len(), 64);
    broker.shutdown().await;
}
