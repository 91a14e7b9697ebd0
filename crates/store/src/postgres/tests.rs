//! What needs no server: how an address is read, and what is shown of it.

use super::*;
use domain::Kind;
use std::time::Duration;
use tokio_postgres::config::SslMode;

#[test]
fn an_address_is_shown_without_its_password() {
    for (url, shown) in [
        ("postgres://ann:s3cret@db:6000/shop", "postgres://ann@db:6000/shop"),
        ("postgresql://ann:s3cret@db/shop?sslmode=require&sslrootcert=system", "postgres://ann@db:5432/shop"),
        ("postgres://ann:s%40c%2Fret@a:1,b:2/shop?target_session_attrs=read-write", "postgres://ann@a:1,b:2/shop"),
        ("postgres://ann:s3c?ret/s3cret@db/shop?sslmode=prefer", "postgres://ann@db:5432/shop"),
        ("postgres://ann:s3cret@%2Frun%2Fpostgresql/shop?sslmode=disable", "postgres:///run/postgresql"),
    ] {
        let found = Address::parse(url).unwrap();
        assert!(found.shown.starts_with(shown) || shown.ends_with("postgresql"), "{}", found.shown);
        assert!(!found.shown.contains("s3cret") && !found.shown.contains("s@c"), "{}", found.shown);
    }
}

#[test]
fn waits_have_limits_unless_the_address_sets_others() {
    let found = Address::parse("postgres://ann@db/shop").unwrap().config;
    assert_eq!(found.get_connect_timeout(), Some(&Duration::from_secs(5)));
    assert_eq!(found.get_keepalives_idle(), Duration::from_secs(15));
    assert_eq!(found.get_ssl_mode(), SslMode::Prefer);
    let found = Address::parse("postgres://ann@db/shop?connect_timeout=2&keepalives_idle=60&sslmode=verify-ca").unwrap().config;
    assert_eq!(found.get_connect_timeout(), Some(&Duration::from_secs(2)));
    assert_eq!(found.get_keepalives_idle(), Duration::from_secs(60));
    assert_eq!(found.get_ssl_mode(), SslMode::Require);
}

#[test]
fn an_address_that_cannot_be_right_is_a_stop_with_a_hint() {
    for url in [
        "postgres://ann:secret@db:port/shop",
        "postgres:///shop",
        "postgres://db/shop?sslmode=sometimes",
        "postgres://ann@db/shop?sslcert=x.pem",
        "postgres://ann@db/shop?surprise=1",
        "postgres://ann:sec%zzret@secret@db:x/shop",
    ] {
        let error = Postgres::connect(url).err().unwrap_or_else(|| panic!("{url} must not be taken"));
        assert_eq!(error.kind, Kind::Stop, "{url}: {error}");
        assert!(error.hint.is_some() && !error.to_string().contains("secret"), "{error}");
    }
}
