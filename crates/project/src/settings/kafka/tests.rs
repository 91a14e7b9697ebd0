use super::*;
use crate::yaml;

fn read_text(text: &str) -> (Option<(Option<String>, Properties)>, Vec<String>) {
    let env = |name: &str| (name == "PASSWORD").then(|| "p@ss".to_owned());
    let mut report = Report::default();
    let found = read(&yaml::parse("sluice.yml", text).unwrap().unwrap(), &env, &mut report);
    (found, report.mistakes.iter().map(|m| m.message.clone()).collect())
}

#[test]
fn words_become_properties_of_the_client() {
    let table: [(&str, &[(&str, &str)]); 5] = [
        ("bootstrap: a:9092", &[]),
        ("{bootstrap: a:9092, tls: true}", &[("security.protocol", "SSL")]),
        ("{bootstrap: a:9092, tls: false}", &[]),
        (
            "{bootstrap: a:9092, tls: {ca: /ca.pem, certificate: /c.pem, key: /k.pem, key_password: '${PASSWORD}', verify_hostname: false}}",
            &[
                ("security.protocol", "SSL"),
                ("ssl.ca.location", "/ca.pem"),
                ("ssl.certificate.location", "/c.pem"),
                ("ssl.endpoint.identification.algorithm", "none"),
                ("ssl.key.location", "/k.pem"),
                ("ssl.key.password", "p@ss"),
            ],
        ),
        (
            "{bootstrap: a:9092, tls: true, sasl: {mechanism: SCRAM-SHA-512, username: u, password: '${PASSWORD}'}, properties: {linger.ms: 1}}",
            &[
                ("linger.ms", "1"),
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("sasl.password", "p@ss"),
                ("sasl.username", "u"),
                ("security.protocol", "SASL_SSL"),
            ],
        ),
    ];
    for (text, expected) in table {
        let (found, mistakes) = read_text(text);
        assert_eq!(mistakes, Vec::<String>::new(), "{text}");
        let expected = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(found, Some((Some("a:9092".to_owned()), expected)), "{text}");
    }
}

#[test]
fn what_would_not_do_is_told() {
    let table = [
        ("tls: maybe", "`tls` cannot be `maybe`"),
        ("tls: {ca: ca.pem}", "`ca` is not a whole path"),
        ("tls: {certificate: /c.pem}", "`tls` has one of `certificate` and `key`"),
        ("tls: {cert: /c.pem}", "`tls` has no key `cert`"),
        ("sasl: {mechanism: SCRAM, username: u, password: '${PASSWORD}'}", "`mechanism` cannot be `SCRAM`"),
        ("sasl: {mechanism: PLAIN, username: u, password: hunter2}", "`password` holds a secret in plain text"),
        ("sasl: {mechanism: PLAIN, username: u}", "`sasl` needs `password`"),
        ("sasl: {mechanism: PLAIN, password: '${PASSWORD}'}", "`sasl` needs `username`"),
        ("sasl: {mechanism: PLAIN, username: u, password: '${OTHER}'}", "the environment has no `OTHER`"),
        ("properties: {ssl.key.pem: abc}", "`ssl.key.pem` holds a secret in plain text"),
    ];
    for (text, expected) in table {
        assert_eq!(read_text(text).1, [expected], "{text}");
    }
}
