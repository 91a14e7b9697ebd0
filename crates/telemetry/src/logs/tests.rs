use super::*;

#[test]
fn levels_are_read_and_mistakes_named() {
    let default = filter(None).unwrap().to_string();
    for part in ["info", "fjall=warn", "lsm_tree=warn", "buoyant_kernel=warn", "deltalake_core=warn"] {
        assert!(default.split(',').any(|p| p == part), "{default}");
    }
    assert_eq!(filter(Some("  ")).unwrap().to_string(), default);
    assert_eq!(filter(Some("warn,broker=debug")).unwrap().to_string(), "broker=debug,warn");
    let message = filter(Some("broker=loud")).unwrap_err().to_string();
    assert!(message.contains("SLUICE_LOG") && message.contains("for example"), "{message}");
}

#[test]
fn a_second_start_is_an_error() {
    init_logs(LogFormat::Json).unwrap();
    assert!(matches!(init_logs(LogFormat::Human), Err(InitError::Twice)));
}
