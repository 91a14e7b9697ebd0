use super::*;
use crate::platform::Role;
use std::net::IpAddr;
use std::time::{Duration, Instant};

#[test]
fn a_hash_fits_its_password_alone_and_has_a_salt() {
    use argon2::password_hash::PasswordVerifier as _;
    let hash = hash_password("correct horse").unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(hash, hash_password("correct horse").unwrap());
    assert!(argon2::Argon2::default().verify_password(b"correct horse", hash.as_str()).is_ok());
    assert!(argon2::Argon2::default().verify_password(b"correct horsf", hash.as_str()).is_err());
    for wrong in [String::new(), "x".repeat(PASSWORD_BYTES + 1)] {
        assert_eq!(hash_password(&wrong).unwrap_err().kind, domain::Kind::Stop);
    }
}

#[test]
fn generated_passwords_are_long_and_differ() {
    let (a, b) = (generate_password(), generate_password());
    assert_eq!(a.len(), 24);
    assert_ne!(a, b);
    assert!(a.bytes().all(|c| c.is_ascii_alphanumeric() && !b"l1IO0".contains(&c)), "{a}");
}

#[tokio::test]
async fn an_unknown_name_costs_as_much_as_a_known_one() {
    let verifier = Verifier::new();
    let hash = hash_password("secret").unwrap();
    assert!(verifier.verify("secret".into(), Some(hash.clone())).await.unwrap());
    assert!(!verifier.verify("wrong".into(), Some(hash.clone())).await.unwrap());
    assert!(!verifier.verify("secret".into(), Some("not a hash".into())).await.unwrap());
    assert!(!verifier.verify("secret".into(), None).await.unwrap());
    // The stand-in is computed like any other: same algorithm and parameters, salt and length, and wrong rather than unreadable.
    let parts = |hash: &str| hash.split('$').map(str::to_owned).collect::<Vec<_>>();
    let (nobody, real) = (parts(password::NOBODY), parts(&hash));
    assert_eq!(nobody[..4], real[..4]);
    assert_eq!((nobody[4].len(), nobody[5].len()), (real[4].len(), real[5].len()));
    use argon2::password_hash::{Error, PasswordVerifier as _};
    assert!(matches!(argon2::Argon2::default().verify_password(b"x", password::NOBODY), Err(Error::PasswordInvalid)));
}

#[tokio::test]
async fn a_long_line_is_sent_away() {
    let verifier = Verifier::new();
    let hash = hash_password("secret").unwrap();
    let all = futures::future::join_all((0..60).map(|_| verifier.verify("wrong".into(), Some(hash.clone())))).await;
    let busy = all.iter().filter(|outcome| outcome.as_ref().is_err_and(|p| p.status == 429)).count();
    assert!((20..60).contains(&busy), "{busy} were sent away");
    // And the line is empty again.
    assert!(verifier.verify("secret".into(), Some(hash)).await.unwrap());
}

#[test]
fn throttling_counts_names_and_addresses_and_forgets() {
    let throttle = Throttle::default();
    let (here, there): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [10, 0, 0, 1].into());
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    for second in 0..5 {
        assert_eq!(throttle.wait(here, "admin", after(second)), None);
        throttle.failed(here, "admin", after(second));
    }
    assert_eq!(throttle.wait(here, "admin", after(20)), Some(Duration::from_secs(40)));
    assert_eq!(throttle.wait(there, "admin", after(20)), None);
    assert_eq!(throttle.wait(here, "other", after(20)), None);
    assert_eq!(throttle.wait(here, "admin", after(60)), None);
    // One failure in a new window does not bring the old ones back.
    throttle.failed(here, "admin", after(61));
    assert_eq!(throttle.wait(here, "admin", after(62)), None);
    throttle.succeeded(here, "admin");

    for n in 0..30 {
        throttle.failed(there, &format!("name-{n}"), start);
    }
    assert!(throttle.wait(there, "never tried", after(1)).is_some());
    // One subscriber's IPv6 addresses count as one.
    for n in 0..5u16 {
        throttle.failed(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]), "admin", start);
    }
    assert!(throttle.wait(IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]), "admin", start).is_some());
    assert!(throttle.wait(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1]), "admin", start).is_none());
}

#[test]
fn memory_of_failures_is_bounded() {
    let throttle = Throttle::default();
    let now = Instant::now();
    for n in 0..30_000u32 {
        throttle.failed(IpAddr::from(n.to_be_bytes()), "admin", now);
    }
    assert!(throttle.remembered() <= 10_000);
}

#[test]
fn tokens_are_ours_alone() {
    let caller = Caller { name: "admin".into(), role: Role::Admin };
    let tokens = Tokens::new(&[7; 32], Duration::from_secs(60)).unwrap();
    let (token, _) = tokens.issue(&caller).unwrap();
    for _ in 0..2 {
        // The second time from memory.
        assert_eq!(tokens.check(&token).as_deref(), Some(&caller));
    }
    assert!(Tokens::new(&[8; 32], Duration::from_secs(60)).unwrap().check(&token).is_none());
    assert!(tokens.check(&"x".repeat(5000)).is_none());
    let old = Tokens::new(&[7; 32], Duration::ZERO).unwrap();
    assert!(old.check(&old.issue(&caller).unwrap().0).is_none());
    assert!(Tokens::new(&[7; 16], Duration::from_secs(60)).is_err());
    // Tokens made for other things with the same key are not taken.
    let other = serde_json::json!({ "sub": "admin", "role": "admin", "iat": 0, "exp": 4_000_000_000u64, "iss": "another" });
    let key = jsonwebtoken::EncodingKey::from_secret(&[7; 32]);
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &other, &key).unwrap();
    assert!(tokens.check(&token).is_none());
}

#[test]
fn roles_contain_each_other() {
    let may = |role, needed| Caller { name: "x".into(), role }.at_least(needed).is_ok();
    assert!(may(Role::Admin, Role::Viewer) && may(Role::Analyst, Role::Analyst) && may(Role::Viewer, Role::Viewer));
    assert!(!may(Role::Viewer, Role::Analyst) && !may(Role::Analyst, Role::Admin));
}
