//! Secrets and exchanges, against the examples of the standards; names; rights.

use super::scram::{Challenge, ClientFirst};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// RFC 7677, section 3: user `user`, password `pencil`.
#[test]
fn scram_is_as_in_its_standard() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let secret = ScramSecret::fixed(Hash::Sha256, "pencil", &salt, 4096);
    let exchange = || {
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        Challenge::with_nonce(first, secret.clone(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    };
    let (challenge, message) = exchange();
    assert_eq!(
        String::from_utf8(message).unwrap(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let answer = challenge.finish(last.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    // Another nonce, another binding, another proof, something behind the nonce, half a proof.
    for (part, other) in [("$k0", "$k1"), ("biws", "eSws"), ("dHz", "dHx"), (",p=", ",x=y,p="), ("ndVQ=", "")] {
        let wrong = last.replacen(part, other, 1);
        assert_ne!(wrong, last);
        assert!(exchange().0.finish(wrong.as_bytes()).is_none(), "{wrong}");
    }
    assert!(exchange().0.finish(b"").is_none());
}

/// The RFC's secret in the form in which PostgreSQL keeps it.
#[test]
fn a_secret_is_text_and_comes_back() {
    for hash in [Hash::Sha256, Hash::Sha512] {
        let secret = ScramSecret::derive(hash, "pencil");
        let text = secret.to_string();
        assert!(text.starts_with(hash.mechanism()) && !text.contains("pencil"));
        assert_eq!(text.parse::<ScramSecret>().unwrap(), secret);
        assert!(secret.is_password("pencil") && !secret.is_password("pencil ") && !secret.is_password(""));
        assert_ne!(ScramSecret::derive(hash, "pencil"), secret, "each has a salt of its own");
        assert_eq!(format!("{secret:?}"), format!("{}$***", hash.mechanism()));
        let keys = text.rsplit_once('$').unwrap().1;
        for wrong in [
            "",
            "SCRAM-SHA-1$4096:c2FsdA==$a:b",
            &text.replace("10000", "0"),
            &text.replace("10000", "100"),
            &text.replace("10000", "4000000000"),
            &text.replace(keys, "YQ==:YQ=="),
            &text[..text.len() - 2],
        ] {
            assert!(wrong.parse::<ScramSecret>().is_err(), "{wrong}");
        }
    }
}

#[test]
fn names_in_first_messages() {
    let user = |message: &str| ClientFirst::parse(message.as_bytes()).map(|first| first.user);
    for (message, expected) in [
        ("n,,n=shop,r=abc", Some("shop")),
        ("y,,n=shop,r=abc", Some("shop")),
        ("n,a=shop,n=shop,r=abc", Some("shop")),
        ("n,,n=a=2Cb=3Dc,r=abc", Some("a,b=c")),
        ("n,a=admin,n=shop,r=abc", None),
        ("p=tls-unique,,n=shop,r=abc", None),
        ("n,,n=a=2cb,r=abc", None),
        ("n,,n=a=,r=abc", None),
        ("n,,n=,r=abc", None),
        ("n,,n=shop,r=", None),
        ("n,,n=shop,r=a b", None),
        ("n,,m=x,n=shop,r=abc", None),
        ("n,,n=shop,r=abc,tokenauth=true", None),
        ("n,,r=abc,n=shop", None),
        ("", None),
        ("n", None),
        ("n,,", None),
    ] {
        assert_eq!(user(message).as_deref(), expected, "{message}");
    }
    assert!(ClientFirst::parse(b"n,,n=\xff,r=abc").is_none());
}

#[test]
fn passwords_are_taken_only_where_nobody_else_reads_them() {
    let names = |private| Mechanism::offered(private).map(Mechanism::name).collect::<Vec<_>>();
    assert_eq!(names(true), ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]);
    assert_eq!(names(false), ["SCRAM-SHA-512", "SCRAM-SHA-256"]);
}

#[test]
fn rights_are_lists_of_names() {
    let grants: Grants = serde_json::from_str(r#"{"read":["alerts","fraud-*"],"write":["orders"],"groups":["billing*"]}"#).unwrap();
    for (right, name, expected) in [
        (Right::Read, "alerts", true),
        (Right::Read, "alerts2", false),
        (Right::Read, "fraud-", true),
        (Right::Read, "fraud-transactions", true),
        (Right::Read, "fraud", false),
        (Right::Read, "orders", false),
        (Right::Write, "orders", true),
        (Right::Write, "alerts", false),
        (Right::See, "orders", true),
        (Right::See, "alerts", true),
        (Right::See, "decisions", false),
        (Right::Create, "orders", false),
        (Right::Admin, "orders", false),
        (Right::Group, "billing-1", true),
        (Right::Group, "alerts", false),
        (Right::TransactionalId, "billing", false),
    ] {
        assert_eq!(grants.allow(right, name), expected, "{right:?} {name}");
        assert!(Grants::superuser().allow(right, name));
        assert!(!Grants::default().allow(right, name));
    }
    assert!(grants.writes() && !Grants::default().writes());
    let text = serde_json::to_string(&grants).unwrap();
    assert_eq!(text, r#"{"read":["alerts","fraud-*"],"write":["orders"],"groups":["billing*"]}"#);
    for wrong in [r#"{"raed":["a"]}"#, r#"{"read":["a*b"]}"#, r#"{"read":[""]}"#, r#"{"read":["**"]}"#] {
        assert!(serde_json::from_str::<Grants>(wrong).is_err(), "{wrong}");
    }
    let all: Pattern = "*".parse().unwrap();
    assert!(all.fits("anything") && all.fits(""));
}

#[test]
fn certificates_that_cannot_be_used_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let made = || rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let (one, other) = (made(), made());
    let certificate = write("one.crt", &one.cert.pem());
    let key = write("one.key", &one.signing_key.serialize_pem());
    let other_key = write("other.key", &other.signing_key.serialize_pem());
    let nothing = write("nothing", "no PEM");
    assert!(Tls::from_pem_files(&certificate, &key).is_ok());
    for (certificate, key, said) in [
        (&certificate, &other_key, "does not fit"),
        (&nothing, &key, "holds no certificate"),
        (&certificate, &nothing, "nothing"),
        (&certificate, &certificate, "one.crt"),
        (&dir.path().join("gone"), &key, "gone"),
    ] {
        let error = Tls::from_pem_files(certificate, key).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
