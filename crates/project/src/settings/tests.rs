use super::*;
use crate::yaml;
use domain::{Action, Severity};

fn environment(name: &str) -> Option<String> {
    (name == "PASSWORD").then(|| "p@ss".into())
}

fn settings(text: &str) -> (Settings, Vec<String>) {
    let mut report = Report::default();
    let settings = read(&yaml::parse("sluice.yml", text).unwrap().unwrap(), &environment, &mut report);
    (settings, report.mistakes.iter().map(|m| m.message.clone()).collect())
}

#[test]
fn secrets_come_from_the_environment() {
    let (found, mistakes) = settings(
        "name: shop\nlog:\n  kafka:\n    bootstrap: broker:9092\n    properties: {sasl.password: '${PASSWORD}', client.id: sluice}\n\
         store: postgres://sluice:${PASSWORD}@host/db\n",
    );
    assert_eq!(mistakes, Vec::<String>::new());
    let properties = BTreeMap::from([("client.id".into(), "sluice".into()), ("sasl.password".into(), "p@ss".into())]);
    assert_eq!(found.log, LogSettings::Kafka { bootstrap: "broker:9092".into(), properties });
    assert_eq!(found.store, StoreSettings::Postgres(Secret::new(b"postgres://sluice:p%40ss@host/db".to_vec())));
}

#[test]
fn a_message_never_shows_what_a_secret_resolved_to() {
    let (found, mistakes) = settings("name: shop\nstore: mysql://${PASSWORD}@host\n");
    assert_eq!(mistakes, ["`store` cannot be `mysql://${PASSWORD}@host`"]);
    assert_eq!(found.store, StoreSettings::Embedded);
}

#[test]
fn a_store_may_forget() {
    let (found, mistakes) =
        settings("name: shop\nstore:\n  address: postgres://sluice:${PASSWORD}@host/db?sslmode=require\n  keep: 90 days\n");
    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(found.store, StoreSettings::Postgres(Secret::new(b"postgres://sluice:p%40ss@host/db?sslmode=require".to_vec())));
    assert_eq!(found.store_keep, Some(90 * domain::time::DAY));
    assert!(!format!("{found:?}").contains("p%40ss"));
    let (found, mistakes) = settings("name: shop\nstore: {keep: 2 hours}\n");
    assert_eq!(mistakes, ["`keep`: `2 hours` is too short; write a day or more, such as 90 days"]);
    assert_eq!((found.store, found.store_keep), (StoreSettings::Embedded, None));
    // A whole address from the environment is taken as it is.
    let (found, _) = settings("name: shop\nstore: postgres://${PASSWORD}\n");
    assert_eq!(found.store, StoreSettings::Postgres(Secret::new(b"postgres://p@ss".to_vec())));
    let (_, mistakes) = settings("name: shop\nstore: postgres://sluice:pl@in@host/db\n");
    assert_eq!(mistakes, ["`store` holds a password in plain text"]);
}

#[test]
fn the_lake_is_in_a_folder_or_off() {
    let lake = |line: &str| {
        let (found, mistakes) = settings(&format!("name: shop\n{line}\n"));
        (found.lake, mistakes)
    };
    assert_eq!(lake(""), (LakeSettings::Off, vec![]));
    assert_eq!(lake("lake: embedded"), (LakeSettings::Embedded, vec![]));
    assert_eq!(lake("lake: off"), (LakeSettings::Off, vec![]));
    assert_eq!(lake("lake: /var/lib/lake"), (LakeSettings::Folder("/var/lib/lake".into()), vec![]));
    let (found, mistakes) = lake("lake: ftp://${PASSWORD}/x");
    assert_eq!((found, mistakes), (LakeSettings::Off, vec!["`lake` cannot be `ftp://${PASSWORD}/x`".to_owned()]));
}

#[test]
fn the_embedded_door_is_secured() {
    use crate::spec::{ListenerAuthentication, ListenerSettings, ListenerTls};
    let (found, mistakes) =
        settings("name: shop\nlog:\n  embedded:\n    authentication: sasl\n    tls: {certificate: tls/a.crt, key: '/k/${PASSWORD}'}\n");
    assert_eq!(mistakes, Vec::<String>::new());
    let tls = ListenerTls { certificate: "tls/a.crt".into(), key: "/k/p@ss".into() };
    let listener = ListenerSettings { authentication: Some(ListenerAuthentication::Sasl), tls: Some(tls) };
    assert_eq!((found.log, found.listener), (LogSettings::Embedded, listener));
    for (text, mistake) in [
        ("{embedded: {authentication: yes please}}", "`authentication` cannot be `yes please`"),
        ("{embedded: {tls: {certificate: a.crt}}}", "`tls` needs `key`"),
        ("{embedded: {sasl: true}}", "`embedded` has no key `sasl`"),
        ("{embedded: {authentication: none}, kafka: {bootstrap: a}}", "the log is `embedded` already"),
    ] {
        assert_eq!(settings(&format!("name: shop\nlog: {text}\n")).1, [mistake]);
    }
    assert_eq!(settings("name: shop\nlog: embedded\n").0.listener, ListenerSettings::default());
}

#[test]
fn only_secrets_are_taken_from_the_environment() {
    assert_eq!(settings("name: ${PASSWORD}\n").0.name, "${PASSWORD}");
}

#[test]
fn sizes_are_in_bytes() {
    for (text, expected) in [("512MB", Ok(512_000_000)), ("2GiB", Ok(2 << 30)), ("1 kB", Ok(1000)), ("64", Ok(64))] {
        assert_eq!(bytes(text), expected, "{text}");
    }
    for text in ["MB", "1.5GB", "-1MB", "1TB", "99999999999GB"] {
        assert!(bytes(text).is_err(), "{text}");
    }
}

#[test]
fn a_webhook_has_keys_and_an_address_that_are_not_shown() {
    let environment = |name: &str| match name {
        "NEW" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()),
        "OLD" => Some(format!("whsec_{}", "QUFB".repeat(8))),
        "TOKEN" => Some("t0k3n".to_owned()),
        _ => None,
    };
    let mut report = Report::default();
    let text = "name: shop\nwebhooks:\n  - name: shop\n    url: https://shop.example/hook/${TOKEN}\n    secret: ['${NEW}', '${OLD}']\n    \
                min_severity: high\n    decision: block\n    timeout: 2s\n    attempts: 3\n  - {name: desk, url: 'http://127.0.0.1:9', secret: '${OLD}'}\n";
    let settings = read(&yaml::parse("sluice.yml", text).unwrap().unwrap(), &environment, &mut report);
    assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
    let [shop, desk] = settings.webhooks.as_slice() else { panic!("{:?}", settings.webhooks) };
    assert_eq!(
        (shop.url.reveal(), shop.secrets.len(), shop.secrets[1].reveal()),
        (&b"https://shop.example/hook/t0k3n"[..], 2, &[b'A'; 24][..])
    );
    assert_eq!((shop.min_severity, shop.decision, shop.timeout, shop.attempts), (Severity::High, Some(Action::Block), 2_000_000, 3));
    assert_eq!((desk.min_severity, desk.decision, desk.timeout, desk.attempts), (Severity::Low, None, 10_000_000, 20));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("t0k3n") && !shown.contains("65, 65"), "{shown}");
}
