use super::*;
use broker::Grants;
use clap::Parser as _;
use domain::Kind;

fn said(words: &[&str]) -> Listener {
    let all = ["sluice", "up"].iter().chain(words);
    match crate::cli::Cli::parse_from(all).command {
        crate::cli::Command::Up(up) => up.listener,
        _ => unreachable!("it was `up`"),
    }
}

#[test]
fn what_is_open_to_everybody_is_refused_unless_said() {
    let (here, everywhere) = ("127.0.0.1:9092".parse().unwrap(), "0.0.0.0:9092".parse().unwrap());
    let settings = |authentication| ListenerSettings { authentication, tls: None };
    assert!(KafkaDoor::open(&settings(None), here).is_ok());
    let Err(refused) = KafkaDoor::open(&settings(None), everywhere) else { panic!("open to everybody") };
    assert_eq!(refused.kind, Kind::Stop);
    assert!(refused.hint.unwrap().contains("--kafka-authentication sasl"));
    for authentication in [ListenerAuthentication::None, ListenerAuthentication::Sasl] {
        assert!(KafkaDoor::open(&settings(Some(authentication)), everywhere).is_ok());
    }
    let tls = Some(ListenerTls { certificate: "/none/a.crt".into(), key: "/none/a.key".into() });
    let Err(refused) = KafkaDoor::open(&ListenerSettings { authentication: None, tls }, here) else { panic!("no certificate") };
    assert!(refused.to_string().contains("/none/a.crt"), "{refused}");
}

#[test]
fn the_command_overrules_the_project() {
    let mut project = crate::shipped::project().unwrap();
    assert_eq!(settings(&said(&[]), &project), ListenerSettings::default());
    project.root = "/shop".into();
    project.settings.listener = ListenerSettings {
        authentication: Some(ListenerAuthentication::Sasl),
        tls: Some(ListenerTls { certificate: "tls/a.crt".into(), key: "/etc/a.key".into() }),
    };
    let tls = |certificate: &str, key: &str| Some(ListenerTls { certificate: certificate.into(), key: key.into() });
    let found = settings(&said(&[]), &project);
    assert_eq!((found.authentication, found.tls), (Some(ListenerAuthentication::Sasl), tls("/shop/tls/a.crt", "/etc/a.key")));
    let words = ["--kafka-authentication", "none", "--kafka-certificate", "b.crt", "--kafka-key", "b.key"];
    let found = settings(&said(&words), &project);
    assert_eq!((found.authentication, found.tls), (Some(ListenerAuthentication::None), tls("b.crt", "b.key")));
}

#[test]
fn users_come_back_from_the_store_as_they_were() {
    let grants: Grants = serde_json::from_str(r#"{"read":["alerts","fraud-*"]}"#).unwrap();
    let user = User::new("secret", grants);
    let kept = kept("shop", &user).unwrap();
    assert!(!format!("{kept:?}").contains("secret\""));
    assert_eq!(parse(&kept).unwrap(), user);
    let damaged = KafkaUser { scram_sha_256: "x".into(), ..kept };
    assert_eq!(parse(&damaged).unwrap_err().kind, Kind::Stop);
}
