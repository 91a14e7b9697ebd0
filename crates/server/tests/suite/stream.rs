//! The stream of alerts: order, resume, filters, who may follow, and that slow or many clients cost little.

use super::*;
use domain::Severity::{Critical, High, Low, Medium};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const STREAM: &str = "/api/v1/alerts/stream";

/// An open stream, read event by event.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// The next block, as its lines; none at the end.
    async fn block(&mut self) -> Option<Vec<String>> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let lines = block.lines().map(str::to_owned).collect();
                self.text = rest.to_owned();
                return Some(lines);
            }
            self.text.push_str(std::str::from_utf8(&self.response.chunk().await.unwrap()?).unwrap());
        }
    }

    /// The next event: its id, type and data. Blocks without data are passed over.
    async fn next(&mut self) -> Option<(i64, String, Value)> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| block.iter().find_map(|l| l.strip_prefix(name)).map(str::to_owned);
            if let Some(data) = field("data: ") {
                let id = field("id: ").map_or(i64::MIN, |id| id.parse().unwrap());
                return Some((id, field("event: ").unwrap(), serde_json::from_str(&data).unwrap()));
            }
        }
    }

    async fn offset(&mut self) -> i64 {
        let (id, kind, data) = self.next().await.unwrap();
        assert_eq!((kind.as_str(), data["sequence"].as_i64()), ("alert", Some(id)), "{data}");
        id
    }
}

fn follow(server: &Server, token: &str, query: &str) -> RequestBuilder {
    server.get(&format!("{STREAM}{query}")).bearer_auth(token)
}

#[tokio::test]
async fn alerts_come_as_they_are_made_and_from_where_one_was() {
    let server = Server::start().await;
    let token = server.token("viewer").await;
    let feed = &server.platform.feed;
    feed.push(High, "early", "before anyone follows");
    let mut live = Events::open(follow(&server, &token, "")).await;
    assert_eq!(live.block().await.unwrap(), ["retry: 2000", "id: 0"]);
    feed.push(Low, "small", "one\nmore line");
    let (id, kind, alert) = live.next().await.unwrap();
    assert_eq!((id, kind.as_str(), &alert["alert_type"], &alert["alert_message"]), (1, "alert", &json!("small"), &json!("one\nmore line")));
    drop(live);
    for n in 2..500 {
        feed.push(Medium, "many", &n.to_string());
    }
    // Behind what was seen: nothing twice, nothing missed, over many pieces.
    let mut again = Events::open(follow(&server, &token, "").header("last-event-id", "1")).await;
    for n in 2..500 {
        assert_eq!(again.offset().await, n);
    }
    feed.push(High, "last", "and on");
    assert_eq!(again.offset().await, 500);
    // Where the header cannot be sent; the header is the later word.
    assert_eq!(Events::open(follow(&server, &token, "?last_event_id=498")).await.offset().await, 499);
    assert_eq!(Events::open(follow(&server, &token, "?last_event_id=3").header("last-event-id", "-1")).await.offset().await, 0);
}

#[tokio::test]
async fn filters_let_through_what_they_say() {
    let server = Server::start().await;
    let token = server.token("viewer").await;
    for (severity, rule) in [(Low, "a"), (Medium, "b"), (High, "a"), (Critical, "b")] {
        server.platform.feed.push(severity, rule, "m");
    }
    for (query, expected) in [
        ("severity=high", &[2][..]),
        ("min_severity=medium", &[1, 2, 3]),
        ("alert_type=a", &[0, 2]),
        ("decision=block", &[2, 3]),
        ("decision=block&alert_type=b&min_severity=low", &[3]),
    ] {
        let mut events = Events::open(follow(&server, &token, &format!("?last_event_id=-1&{query}"))).await;
        for n in expected {
            assert_eq!(events.offset().await, *n, "{query}");
        }
    }
    let document = problem(follow(&server, &token, "?severity=huge&rule=a&last_event_id=x").send().await.unwrap(), 422).await;
    let fields: Vec<_> = document["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["severity", "rule"]);
    for wrong in ["x", "1.5", "-2", "99999999999999999999"] {
        problem(follow(&server, &token, "").header("last-event-id", wrong).send().await.unwrap(), 422).await;
    }
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_lives_and_where_it_is() {
    let server = Server::with(|c| c.stream_heartbeat = Duration::from_millis(20)).await;
    let token = server.token("viewer").await;
    let mut events = Events::open(follow(&server, &token, "?severity=critical")).await;
    assert_eq!(events.block().await.unwrap(), ["retry: 2000", "id: -1"]);
    server.platform.feed.push(Low, "a", "filtered out");
    // The position goes on over what the filter keeps back.
    while events.block().await.unwrap()[1] != "id: 0" {}
}

#[tokio::test]
async fn what_is_not_held_is_said() {
    let server = Server::start().await;
    let token = server.token("viewer").await;
    for n in 0..10 {
        server.platform.feed.push(High, "a", &n.to_string());
    }
    server.platform.feed.forget_before(6);
    let mut events = Events::open(follow(&server, &token, "?last_event_id=1")).await;
    let (id, kind, gap) = events.next().await.unwrap();
    assert_eq!((id, kind.as_str(), &gap["from"], &gap["to"]), (5, "gap", &json!(2), &json!(6)));
    assert_eq!(events.offset().await, 6);
    // An id of a log that was longer.
    let mut events = Events::open(follow(&server, &token, "?last_event_id=70")).await;
    let (id, kind, gap) = events.next().await.unwrap();
    assert_eq!((id, kind.as_str(), &gap["from"], &gap["to"]), (9, "gap", &json!(71), &json!(10)));
    server.platform.feed.push(High, "a", "new");
    assert_eq!(events.offset().await, 10);
}

#[tokio::test]
async fn a_ticket_opens_the_stream_and_nothing_else() {
    let server = Server::start().await;
    let token = server.token("viewer").await;
    let response = server.post("/api/v1/auth/ticket").bearer_auth(&token).send().await.unwrap();
    assert_eq!((response.status(), response.headers()["cache-control"].to_str().unwrap()), (StatusCode::OK, "no-store"));
    let body: Value = response.json().await.unwrap();
    let ticket = body["ticket"].as_str().unwrap();
    assert_eq!(body["expires_in"], 60);
    server.platform.feed.push(High, "a", "m");
    let mut events = Events::open(server.get(&format!("{STREAM}?ticket={ticket}&last_event_id=-1"))).await;
    assert_eq!(events.offset().await, 0);
    // It is no token, a token is no ticket, and a ticket makes no tickets.
    problem(server.get("/api/v1/stats").bearer_auth(ticket).send().await.unwrap(), 401).await;
    problem(follow(&server, ticket, "").send().await.unwrap(), 401).await;
    problem(server.get(&format!("{STREAM}?ticket={token}")).send().await.unwrap(), 401).await;
    problem(server.post("/api/v1/auth/ticket").bearer_auth(ticket).send().await.unwrap(), 401).await;
    let short = Server::with(|c| c.ticket_lifetime = Duration::ZERO).await;
    let token = short.token("viewer").await;
    let body: Value = short.post("/api/v1/auth/ticket").bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    problem(short.get(&format!("{STREAM}?ticket={}", body["ticket"].as_str().unwrap())).send().await.unwrap(), 401).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_the_server() {
    let mut server = Server::with(|c| c.token_lifetime = Duration::from_secs(2)).await;
    let token = server.token("viewer").await;
    let mut expires = Events::open(follow(&server, &token, "")).await;
    let (_, kind, data) = expires.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["reason"]), ("close", &json!("expired")));
    assert!(expires.next().await.is_none());
    let token = server.token("viewer").await;
    let mut stops = Events::open(follow(&server, &token, "")).await;
    server.stop.take().unwrap().send(()).unwrap();
    let (_, kind, data) = stops.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["reason"]), ("close", &json!("stopping")));
    // The server does not wait for its grace to pass.
    (&mut server.done).await.unwrap().unwrap();
    assert!(stops.next().await.is_none());
}

#[tokio::test]
async fn only_so_many_follow() {
    let server = Server::with(|c| c.stream_clients = 2).await;
    let token = server.token("viewer").await;
    let first = Events::open(follow(&server, &token, "")).await;
    let _second = Events::open(follow(&server, &token, "")).await;
    problem(follow(&server, &token, "").send().await.unwrap(), 429).await;
    // Others are answered meanwhile, and a place that was left is free.
    assert_eq!(server.get("/api/v1/stats").bearer_auth(&token).send().await.unwrap().status(), 200);
    drop(first);
    while follow(&server, &token, "").send().await.unwrap().status() != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

/// A raw client that sends its request and reads nothing yet.
async fn unread(server: &Server, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {STREAM} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    // The head and the first block: it follows now.
    let mut head = Vec::new();
    while !head.windows(6).any(|w| w == b"id: -1") {
        let mut buffer = [0; 1024];
        let read = socket.read(&mut buffer).await.unwrap();
        head.extend_from_slice(&buffer[..read]);
    }
    socket
}

#[tokio::test]
async fn a_slow_reader_is_let_go_of_with_a_last_word() {
    let server = Server::with(|c| c.stream_behind = 100).await;
    let token = server.token("viewer").await;
    let mut slow = unread(&server, &token).await;
    // More than the buffers of both ends hold.
    let message = "m".repeat(64 * 1024);
    for _ in 0..1000 {
        server.platform.feed.push(High, "a", &message);
        tokio::task::yield_now().await;
    }
    let mut text = Vec::new();
    slow.read_to_end(&mut text).await.unwrap();
    assert!(text.len() < 50_000_000, "{} bytes were kept for it", text.len());
    let end = String::from_utf8_lossy(&text[text.len() - 300..]).into_owned();
    assert!(end.contains("event: close\ndata: {\"detail\":") && end.contains("\"reason\":\"slow\""), "{end}");
    assert_eq!(server.platform.metrics.http.streams_dropped.get(), 1);
}

#[tokio::test]
async fn a_reader_that_stands_still_loses_its_connection() {
    let server = Server::with(|c| c.write_timeout = Duration::from_millis(100)).await;
    let token = server.token("viewer").await;
    let _still = unread(&server, &token).await;
    let message = "m".repeat(64 * 1024);
    let streams = || server.platform.metrics.http.streams.get();
    assert_eq!(streams(), 1);
    for _ in 0..1000 {
        server.platform.feed.push(High, "a", &message);
        tokio::task::yield_now().await;
    }
    while streams() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
