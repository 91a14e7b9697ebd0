use super::*;
use std::net::TcpListener;

#[test]
fn a_port_that_is_taken_is_told_with_its_holder() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let found = ports::free("port", address, "--http", None);
    assert_eq!(found.level, Level::Wrong, "{found:?}");
    assert!(found.remedy.as_ref().is_some_and(|r| r.contains("--http")), "{found:?}");
    #[cfg(target_os = "linux")]
    assert!(found.found.contains(&format!("process {}", std::process::id())), "{found:?}");
    // The same by the instance that is asked about.
    let ours = ports::free("port", address, "--http", Some((std::process::id(), &address.to_string())));
    assert_eq!(ours.level, Level::Fine, "{ours:?}");
    drop(taken);
    assert_eq!(ports::free("port", address, "--http", None).level, Level::Fine);
}

#[test]
fn the_kernels_table_is_read() {
    let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n   \
                 1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
    assert_eq!(ports::listeners(table, 8080), ["4711"]);
    assert!(ports::listeners(table, 8081).is_empty());
}

#[test]
fn a_folder_is_looked_at_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/made/yet");
    let findings: Vec<_> = machine::folder(&data).into_iter().chain(machine::clock(&data)).collect();
    assert!(findings.len() >= 5, "{findings:?}");
    assert!(findings.iter().all(|f| f.level != Level::Wrong || f.what == "disk"), "{findings:?}");
    assert!(findings.iter().all(|f| (f.level == Level::Fine) == f.remedy.is_none()), "{findings:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_store_that_others_can_read_is_wrong() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    std::fs::write(&store, "").unwrap();
    let level = |mode| {
        std::fs::set_permissions(&store, std::fs::Permissions::from_mode(mode)).unwrap();
        machine::folder(folder.path()).into_iter().find(|f| f.what == "permissions").unwrap().level
    };
    assert_eq!((level(0o644), level(0o600)), (Level::Wrong, Level::Fine));
}

#[test]
fn a_door_that_is_open_to_everybody_is_told() {
    use project::ListenerAuthentication::{None as None_, Sasl};
    use project::{ListenerSettings, ListenerTls};
    let tls = || Some(ListenerTls { certificate: "a".into(), key: "b".into() });
    let (inside, outside) = ("127.0.0.1:9092", "0.0.0.0:9092");
    for (address, authentication, tls, level) in [
        (inside, None, None, Level::Fine),
        (inside, Some(None_), None, Level::Fine),
        (inside, Some(Sasl), None, Level::Fine),
        (outside, Some(Sasl), tls(), Level::Fine),
        (outside, Some(Sasl), None, Level::Warning),
        (outside, Some(None_), None, Level::Warning),
        (outside, Some(None_), tls(), Level::Warning),
        (outside, None, None, Level::Wrong),
    ] {
        let door = ListenerSettings { authentication, tls };
        let found = exposure::of(address.parse().unwrap(), &door);
        assert_eq!(found.level, level, "{address} {door:?}: {found:?}");
        assert_eq!(found.remedy.is_none(), level == Level::Fine);
    }
}
