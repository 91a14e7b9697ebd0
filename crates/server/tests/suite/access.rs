//! Who may do what.

use super::*;

#[tokio::test]
async fn machines_that_watch_need_no_token() {
    let server = Server::start().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/health", "application/json"),
        ("/ready", "application/json"),
        ("/metrics", telemetry::CONTENT_TYPE),
        ("/status", "application/json"),
        ("/docs/", "text/html"),
        ("/api/openapi.json", "application/json"),
    ] {
        let response = server.get(path).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (200, kind), "{path}");
        assert!(!response.bytes().await.unwrap().is_empty());
    }
    let health: Value = server.get("/health").send().await.unwrap().json().await.unwrap();
    assert_eq!(health, json!({ "status": "ok", "version": "1.2.3" }));
    server.behave(Mode::Down);
    let document = problem(server.get("/ready").send().await.unwrap(), 503).await;
    assert_eq!(document["parts"][0], json!({ "name": "log", "state": "down", "detail": "in memory" }));
    assert_eq!(server.get("/health").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_password_gives_a_token_and_a_token_opens_the_door() {
    let server = Server::start().await;
    let response = server.login("admin", PASSWORD).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["token_type"], &body["expires_in"], &body["role"]), (&json!("bearer"), &json!(3600), &json!("admin")));
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(server.get("/api/v1/stats").bearer_auth(token).send().await.unwrap().status(), 200);

    for (name, password) in [("admin", "wrong"), ("nobody", PASSWORD), ("Admin", PASSWORD)] {
        let response = server.login(name, password).await;
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        let document = problem(response, 401).await;
        // The answer must not tell whether the name exists.
        assert_eq!(document["detail"], "the name or the password is wrong");
    }
    let response = server.login("", "").await;
    let document = problem(response, 422).await;
    assert_eq!(document["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let server = Server::start().await;
    for _ in 0..5 {
        problem(server.login("admin", "wrong").await, 401).await;
    }
    // Even the right password has to wait now, and others do not.
    problem(server.login("admin", PASSWORD).await, 429).await;
    server.token("viewer").await;
}

#[tokio::test]
async fn every_route_that_needs_a_token_refuses_without_a_good_one() {
    let server = Server::start().await;
    let good = server.token("admin").await;
    let other = Server::with(|c| c.token_key = vec![8; 32]).await.token("admin").await;
    let short = Server::with(|c| c.token_lifetime = Duration::ZERO).await;
    let expired = short.token("admin").await;
    // A token that says it needs no signature.
    let unsigned = format!("{}.{}.", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", good.split('.').nth(1).unwrap());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped = format!("{head}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let headers = [
        None,
        Some("Basic YTpi".into()),
        Some("Bearer".into()),
        bearer(""),
        bearer("x"),
        bearer(&other),
        bearer(&expired),
        bearer(&unsigned),
        bearer(&flipped),
    ];
    let document: Value = server.get("/api/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut guarded = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation.get("security").is_none() {
                continue;
            }
            guarded += 1;
            for header in &headers {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let mut request = server.request(method, path);
                if let Some(header) = header {
                    request = request.header("authorization", header);
                }
                let response = request.send().await.unwrap();
                assert!(response.headers().contains_key("www-authenticate"), "{path} {header:?}");
                problem(response, 401).await;
            }
        }
    }
    assert_eq!(guarded, 15);
    // Expired for the server that made it, too.
    problem(short.get("/api/v1/stats").bearer_auth(&expired).send().await.unwrap(), 401).await;
    // The scheme's case does not matter.
    assert_eq!(server.get("/api/v1/stats").header("authorization", format!("bEARER {good}")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_viewer_reads_and_does_not_judge() {
    let server = Server::start().await;
    let viewer = server.token("viewer").await;
    problem(predict(&server, &viewer, transaction(1, "1")).send().await.unwrap(), 403).await;
    let batch = server.post("/api/v1/batch-predict").bearer_auth(&viewer).json(&json!({ "transactions": [{}] }));
    problem(batch.send().await.unwrap(), 403).await;
    assert_eq!(server.get("/api/v1/predictions").bearer_auth(&viewer).send().await.unwrap().status(), 200);
    let analyst = server.token("analyst").await;
    assert_eq!(predict(&server, &analyst, transaction(1, "1")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_start_with_a_weak_key_is_refused() {
    let mut server = Server::with(|c| c.token_key = vec![1; 31]).await;
    let outcome = (&mut server.done).await.unwrap();
    assert_eq!(outcome.unwrap_err().kind, domain::Kind::Stop);
}
