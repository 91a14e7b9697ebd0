//! Bad requests, too many of them, and a platform in trouble: always a problem document, and the process stays up.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn what_no_handler_answers_is_a_problem_too() {
    let server = Server::start().await;
    problem(server.get("/nowhere").send().await.unwrap(), 404).await;
    problem(server.get("/api/v1/transactions/").send().await.unwrap(), 404).await;
    problem(server.get("/docs/nothing.js").send().await.unwrap(), 404).await;
    let response = server.request(Method::DELETE, "/api/v1/predict").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    problem(response, 405).await;
    let response = server.post("/health").send().await.unwrap();
    assert!(response.headers()["allow"].to_str().unwrap().contains("GET"));
    problem(response, 405).await;
}

#[tokio::test]
async fn bodies_are_json_within_a_limit() {
    let server = Server::with(|c| c.predict_body_limit = 1000).await;
    let token = server.token("admin").await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let request = server.post("/api/v1/predict").bearer_auth(&token).header("content-type", kind).body(transaction(1, "1"));
        problem(request.send().await.unwrap(), 415).await;
    }
    let request = server
        .post("/api/v1/predict")
        .bearer_auth(&token)
        .header("content-type", "Application/JSON; charset=utf-8")
        .body(transaction(1, "1"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    problem(predict(&server, &token, "x".repeat(1001)).send().await.unwrap(), 413).await;
    let just = format!("{}{}", transaction(2, "1"), " ".repeat(1000 - transaction(2, "1").len()));
    assert_eq!(predict(&server, &token, just).send().await.unwrap().status(), 200);

    // Without a declared length, it is found out while reading.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/v1/predict HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(format!("400\r\n{}\r\n400\r\n{}\r\n0\r\n\r\n", "x".repeat(1024), "x".repeat(1024)).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn a_body_or_head_that_does_not_come_is_not_waited_for() {
    let server = Server::with(|c| {
        c.body_timeout = Duration::from_millis(50);
        c.idle_timeout = Duration::from_millis(50);
    })
    .await;
    let token = server.token("admin").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/v1/predict HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhos").await.unwrap();
    let mut answer = Vec::new();
    // The end of the stream is what is waited for; a reset is as good.
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(server.get("/health").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn bytes_that_are_not_http_do_no_harm() {
    let server = Server::start().await;
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"\0\0\0\0", b"GET / HTTP/1.1\r\nx: \xff\r\n: y\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(server.get("/health").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_platform_in_trouble_gives_problems_that_say_what_to_do() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    server.behave(Mode::Busy);
    let document = problem(predict(&server, &token, transaction(1, "1")).send().await.unwrap(), 429).await;
    assert_eq!(document["retry_after"], 2);
    server.behave(Mode::Down);
    problem(predict(&server, &token, transaction(1, "1")).send().await.unwrap(), 503).await;
    let document = problem(server.get("/api/v1/predictions").bearer_auth(&token).send().await.unwrap(), 503).await;
    assert!(!document["detail"].as_str().unwrap().contains("locked"), "how it works inside is not the caller's matter");
    server.behave(Mode::Panics);
    problem(predict(&server, &token, transaction(1, "1")).send().await.unwrap(), 500).await;
    server.behave(Mode::Well);
    assert_eq!(predict(&server, &token, transaction(1, "1")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_decision_that_does_not_come_is_not_waited_for() {
    let server = Server::with(|c| c.predict_deadline = Duration::from_millis(20)).await;
    let token = server.token("admin").await;
    server.behave(Mode::Holds);
    let document = problem(predict(&server, &token, transaction(1, "1")).send().await.unwrap(), 503).await;
    assert!(document["detail"].as_str().unwrap().contains("send it again"));
}

#[tokio::test]
async fn too_many_at_once_are_refused_and_not_queued() {
    let server = Server::with(|c| c.requests_in_flight = 1).await;
    let token = server.token("admin").await;
    server.behave(Mode::Holds);
    let first = tokio::spawn(predict(&server, &token, transaction(1, "1")).send());
    server.platform.held.acquire().await.unwrap().forget();
    problem(predict(&server, &token, transaction(2, "1")).send().await.unwrap(), 429).await;
    problem(server.login("admin", PASSWORD).await, 429).await;
    assert_eq!(server.get("/health").send().await.unwrap().status(), 200);
    server.platform.hold.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    server.behave(Mode::Well);
    assert_eq!(predict(&server, &token, transaction(2, "1")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn bodies_share_a_budget_of_memory() {
    let server = Server::with(|c| c.bodies_in_flight = 64 * 1024).await;
    let token = server.token("admin").await;
    let large = |n| format!("{}{}", transaction(n, "1"), " ".repeat(40 * 1024));
    server.behave(Mode::Holds);
    let first = tokio::spawn(predict(&server, &token, large(1)).send());
    server.platform.held.acquire().await.unwrap().forget();
    server.behave(Mode::Well);
    problem(predict(&server, &token, large(2)).send().await.unwrap(), 429).await;
    assert_eq!(predict(&server, &token, transaction(3, "1")).send().await.unwrap().status(), 200);
    server.platform.hold.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(predict(&server, &token, large(2)).send().await.unwrap().status(), 200);
}
