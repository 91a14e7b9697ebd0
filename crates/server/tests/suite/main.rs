//! The server over a platform in memory, through real sockets.

#[path = "../fake/mod.rs"]
mod fake;

mod access;
mod changes;
mod decisions;
mod failures;
mod lifecycle;
mod stream;

use fake::{Fake, Mode};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use server::Config;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PASSWORD: &str = "correct horse battery staple";

/// A server with a platform of its own on a free port. It stops when this is dropped.
struct Server {
    address: SocketAddr,
    platform: Arc<Fake>,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<domain::Result<()>>,
}

impl Server {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Config::new("1.2.3", vec![7; 32]);
        config.transactions = Some(fake::stream());
        change(&mut config);
        let platform = Arc::new(Fake::new(PASSWORD));
        // The client can speak https and wants to know how, though here it does not. Another test may have said so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (stop, stopped) = oneshot::channel();
        let serving = server::serve(listener, Arc::clone(&platform) as _, config, async {
            let _ = stopped.await;
        });
        let done = tokio::spawn(serving);
        Self { address, platform, client: Client::new(), stop: Some(stop), done }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address)).timeout(Duration::from_secs(20))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    async fn login(&self, name: &str, password: &str) -> Response {
        self.post("/api/v1/auth/login").json(&json!({ "username": name, "password": password })).send().await.unwrap()
    }

    async fn token(&self, name: &str) -> String {
        let response = self.login(name, PASSWORD).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn behave(&self, mode: Mode) {
        *self.platform.mode.lock() = mode;
    }
}

/// A transaction that is judged by its amount.
fn transaction(n: u32, amount: &str) -> String {
    format!(r#"{{"transaction_id":"tx-{n}","account_id":"acc-{}","amount":{amount},"event_time":"2026-11-21T09:00:00Z"}}"#, n % 2)
}

fn predict(server: &Server, token: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    server.post("/api/v1/predict").bearer_auth(token).header("content-type", "application/json").body(body)
}

/// The answer must be a problem document of this status; returns it.
async fn problem(response: Response, status: u16) -> Value {
    let url = response.url().clone();
    assert_eq!(response.status().as_u16(), status, "{url}");
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{url}");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let retry_after = response.headers().get("retry-after").map(|v| v.to_str().unwrap().parse::<u64>().unwrap());
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["status"], status, "{url}");
    assert_eq!(document["request_id"], id, "{url}");
    assert_eq!(document["retry_after"].as_u64(), retry_after, "{url}");
    for word in ["type", "title", "detail"] {
        assert!(document[word].as_str().is_some_and(|w| !w.is_empty()), "{url}: no {word} in {document}");
    }
    if matches!(status, 429 | 503) {
        assert!(retry_after.is_some_and(|s| s > 0), "{url} must say when to come back");
    }
    document
}
