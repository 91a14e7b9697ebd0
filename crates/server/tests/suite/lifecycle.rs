//! Request ids, metrics, and a stop that neither cuts short nor waits for ever.

use super::*;

#[tokio::test]
async fn every_answer_carries_an_id() {
    let server = Server::start().await;
    let id = async |given: Option<&str>| {
        let mut request = server.get("/health");
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id(Some("from-the-caller.7")).await, "from-the-caller.7");
    let (a, b, c) = (id(None).await, id(None).await, id(Some("not plain {}")).await);
    assert!(a != b && b != c && c.len() == 16, "{a} {b} {c}");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    for id in ["a", "b", "c"] {
        server.get(&format!("/api/v1/transactions/{id}")).bearer_auth(&token).send().await.unwrap();
    }
    server.get("/nowhere/1").send().await.unwrap();
    let strange = Method::from_bytes(b"BREW").unwrap();
    server.request(strange, "/nowhere/2").send().await.unwrap();
    let text = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        r#"sluice_http_requests_total{method="GET",route="/api/v1/transactions/{id}",status="404"} 3"#,
        r#"sluice_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"sluice_http_requests_total{method="other",route="none",status="404"} 1"#,
        r#"sluice_http_request_seconds_count{method="POST",route="/api/v1/auth/login"} 1"#,
        "sluice_http_requests_in_flight 1",
    ] {
        assert!(text.lines().any(|l| l == line), "`{line}` is missing in\n{text}");
    }
    assert!(!text.contains("route=\"other\""), "a route is missing in the list of patterns");
}

#[tokio::test]
async fn a_stop_waits_for_open_requests() {
    let mut server = Server::start().await;
    let token = server.token("admin").await;
    server.behave(Mode::Holds);
    let open = tokio::spawn(predict(&server, &token, transaction(1, "1")).send());
    server.platform.held.acquire().await.unwrap().forget();
    server.stop.take().unwrap().send(()).unwrap();
    // No new connection is taken; when that is so is when the listener is gone.
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.done.is_finished());
    server.platform.hold.add_permits(1);
    assert_eq!(open.await.unwrap().unwrap().status(), StatusCode::OK);
    (&mut server.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_went_in_the_middle_of_its_request_holds_nothing_after_a_stop() {
    use tokio::io::AsyncWriteExt as _;
    let mut server = Server::with(|c| c.grace = Duration::from_millis(50)).await;
    let mut peer = tokio::net::TcpStream::connect(server.address).await.unwrap();
    peer.write_all(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        .await
        .unwrap();
    // A connection that was opened later is served, so the one before has been taken.
    assert_eq!(server.get("/health").send().await.unwrap().status(), StatusCode::OK);
    server.stop.take().unwrap().send(()).unwrap();
    (&mut server.done).await.unwrap().unwrap();
    assert_eq!(Arc::strong_count(&server.platform), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut server = Server::with(|c| c.grace = Duration::from_millis(50)).await;
    let token = server.token("admin").await;
    server.behave(Mode::Holds);
    let _stuck = tokio::spawn(predict(&server, &token, transaction(1, "1")).send());
    server.platform.held.acquire().await.unwrap().forget();
    server.stop.take().unwrap().send(()).unwrap();
    (&mut server.done).await.unwrap().unwrap();
}
