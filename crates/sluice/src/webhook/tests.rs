use super::*;
use project::Secret;

#[test]
fn signatures_are_those_of_the_standard() {
    // The example that the reference libraries of Standard Webhooks test themselves with.
    let key = Secret::new(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
    let signed =
        sign::signatures(std::slice::from_ref(&key), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let both = sign::signatures(&[key, Secret::new(vec![7; 24])], "a", 1, b"{}").unwrap();
    assert_eq!(both.split(' ').filter(|s| s.starts_with("v1,") && s.len() == 47).count(), 2);
}

#[test]
fn waits_double_up_to_a_limit() {
    let whole = |attempt| backoff::wait(attempt, 0.0).as_millis();
    assert_eq!([whole(1), whole(2), whole(3), whole(10), whole(11), whole(500)], [500, 1000, 2000, 256_000, 300_000, 300_000]);
    assert_eq!(backoff::wait(3, 0.5).as_millis(), 1500);
    assert!(backoff::wait(3, 0.999).as_millis() >= 1000);
}

#[test]
fn an_id_belongs_to_an_alert_for_ever() {
    let alert: Alert = serde_json::from_str(
        r#"{"alert_id":"t:r","transaction_id":"t","alert_type":"r","alert_message":"m","severity":"high","decision":"block","score":0.7,
            "event_time":"2026-01-01T00:00:00Z","taken_at":"2026-01-01T00:00:00Z","sequence":1}"#,
    )
    .unwrap();
    let id = |json: &str| deliver::Message::new(&alert, json.as_bytes()).unwrap().id;
    assert_eq!(id("{}"), id("{}"));
    assert_ne!(id("{}"), id("{} "));
    assert!(id("{}").starts_with("msg_") && id("{}").len() == 36);
}
