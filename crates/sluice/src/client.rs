//! Reaching an instance from the command line: the one that runs on a data folder, as the folder's owner; one at an address, with a token;
//! or, where nothing runs on the folder, its log itself.

use crate::cli::Target;
use crate::controller::Controller;
use crate::live_changes::LiveChanges;
use crate::log::Log;
use crate::running::Running;
use crate::stores;
use async_trait::async_trait;
use domain::{Error, Rejection, Result};
use project::LogSettings;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use server::Role;
use server::changes::{Changed, Changes, Deploy, Deployed, ListEvent, ListPage, ListSummary, NewEntry, OldEntry, Refused, VersionEvent};
use std::path::Path;
use std::time::Duration;

/// How long an answer may take: a change waits for its place in the sequence, and an import for many.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How long a token made for one command is good.
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// Where changes go.
pub struct Reached {
    pub changes: Box<dyn Changes>,
    /// In whose name they are made.
    pub who: String,
    /// Nothing runs: what is written takes effect at the next start.
    pub offline: Option<Log>,
}

impl Reached {
    /// Lets go of a log that was opened for it.
    pub async fn close(self) {
        drop(self.changes);
        if let Some(log) = self.offline {
            log.close().await;
        }
    }
}

/// Finds where changes are to go. `log` is where the log of a stopped instance is, if not in its folder.
pub fn reach(target: &Target, log: impl FnOnce() -> Result<LogSettings>, runtime: &tokio::runtime::Handle) -> Result<Reached> {
    // Fails only where one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .build()
        .map_err(|e| Error::stop("cannot make HTTP requests", "check the system's certificates").because(e))?;
    if let Some(base) = &target.http {
        let base = if base.contains("://") { base.clone() } else { format!("http://{base}") };
        let mut client = Client { http, base: base.trim_end_matches('/').to_owned(), token: String::new() };
        client.token = match &target.token {
            Some(token) => token.clone(),
            None => runtime.block_on(client.login(&target.user))?,
        };
        let who = target.user.clone();
        return Ok(Reached { changes: Box::new(client), who, offline: None });
    }
    let data = &target.data.data;
    let who = target.who.clone().filter(|who| !who.is_empty()).unwrap_or_else(whoever_types);
    if let Some(running) = Running::find(data) {
        // Who can read the folder's key needs no password.
        let key = stores::key(data)?;
        let token = server::auth::token(&key, &who, Role::Admin, TOKEN_LIFETIME)?;
        let client = Client { http, base: format!("http://{}", Running::callable(&running.http)), token };
        return Ok(Reached { changes: Box::new(client), who, offline: None });
    }
    let log = open_log(data, log, runtime)?;
    let controller = Controller::open(&log, None)?;
    Ok(Reached { changes: Box::new(LiveChanges(controller)), who, offline: Some(log) })
}

/// The user of the system, in whose name a command without one changes things.
pub fn whoever_types() -> String {
    let named = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.filter(|who| !who.is_empty()).unwrap_or_else(|| "local".into())
}

fn open_log(data: &Path, named: impl FnOnce() -> Result<LogSettings>, runtime: &tokio::runtime::Handle) -> Result<Log> {
    let settings = if data.join("log").exists() { LogSettings::Embedded } else { named()? };
    if settings == LogSettings::Embedded && !data.join("log").exists() {
        let hint = "start one with `sluice up`, name its folder with --data, or its address with --http";
        return Err(Error::stop(format!("there is no instance in {}", data.display()), hint));
    }
    Log::open(&settings, data, None, runtime)
}

/// An instance behind its HTTP API.
struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// What is read of a problem document.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    errors: Vec<Rejection>,
}

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl Client {
    /// A token for a name, with the password from the environment.
    async fn login(&self, user: &str) -> Result<String> {
        let password = std::env::var("SLUICE_PASSWORD").map_err(|e| {
            let hint = "set SLUICE_PASSWORD for --user, or give a token with --token or SLUICE_TOKEN";
            Error::stop(format!("{} wants to know who is calling", self.base), hint).because(e)
        })?;
        let body = json!({ "username": user, "password": password });
        let answer = self.send::<Token>(self.http.post(format!("{}/api/v1/auth/login", self.base)).json(&body)).await;
        answer
            .map(|t| t.access_token)
            .map_err(|refused| Error::stop(format!("cannot log in as {user}: {}", told(&refused)), "check name and password"))
    }

    /// A request to a route, whose parts are escaped.
    fn request(&self, method: Method, route: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut address = format!("{}/api/v1", self.base);
        for part in route {
            address.push('/');
            address.push_str(&escaped(part));
        }
        for (n, (name, value)) in query.iter().enumerate() {
            address.push(if n == 0 { '?' } else { '&' });
            address.push_str(&format!("{name}={}", escaped(value)));
        }
        self.http.request(method, address).bearer_auth(&self.token)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refused> {
        let away = |e: reqwest::Error| Refused::Later(format!("{} does not answer: {e}", self.base));
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        let body = response.bytes().await.map_err(away)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|e| Refused::Conflict(format!("{} gives a strange answer: {e}", self.base)));
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
            return Err(Refused::Conflict(format!("{} answers {status}; is it Sluice?", self.base)));
        };
        Err(match status {
            StatusCode::NOT_FOUND => Refused::Unknown(problem.detail),
            StatusCode::UNPROCESSABLE_ENTITY if !problem.errors.is_empty() => Refused::Invalid(problem.errors),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Refused::Later(problem.detail),
            _ => Refused::Conflict(problem.detail),
        })
    }
}

/// A refusal on one line.
pub fn told(refused: &Refused) -> String {
    match refused {
        Refused::Unknown(text) | Refused::Conflict(text) | Refused::Later(text) => text.clone(),
        Refused::Invalid(wrong) => wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Refused::Internal => "an error of the instance's own; its log says more".into(),
    }
}

/// Percent-encoded, all but what is plain in any part of an address.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn keyed(key: Option<Vec<String>>) -> Vec<(&'static str, String)> {
    key.into_iter().flatten().map(|value| ("key", value)).collect()
}

// Names are those that tokens carry, so `who` is not sent.
#[async_trait]
impl Changes for Client {
    async fn lists(&self) -> Result<Vec<ListSummary>, Refused> {
        Ok(self.send::<Items<_>>(self.request(Method::GET, &["lists"], &[])).await?.items)
    }

    async fn list(&self, list: &str, key: Option<Vec<String>>, from: usize, limit: usize) -> Result<ListPage, Refused> {
        let mut query = keyed(key);
        query.extend([("limit", limit.to_string()), ("cursor", from.to_string())]);
        self.send(self.request(Method::GET, &["lists", list], &query)).await
    }

    async fn list_history(&self, list: &str, key: Option<Vec<String>>, limit: usize) -> Result<Vec<ListEvent>, Refused> {
        let mut query = keyed(key);
        query.push(("limit", limit.to_string()));
        Ok(self.send::<Items<_>>(self.request(Method::GET, &["lists", list, "history"], &query)).await?.items)
    }

    async fn add_to_list(&self, _who: &str, list: &str, entries: Vec<NewEntry>, replace: bool) -> Result<Changed, Refused> {
        self.send(self.request(Method::POST, &["lists", list], &[]).json(&json!({ "entries": entries, "replace": replace }))).await
    }

    async fn remove_from_list(&self, _who: &str, list: &str, entries: Vec<OldEntry>) -> Result<Changed, Refused> {
        let mut all = Changed::default();
        for entry in entries {
            let mut query = keyed(Some(entry.key));
            query.push(("why", entry.why));
            let one: Changed = self.send(self.request(Method::DELETE, &["lists", list], &query)).await?;
            all = Changed { changed: all.changed + one.changed, sequence: one.sequence, ..all };
        }
        Ok(all)
    }

    async fn deploy(&self, _who: &str, deploy: Deploy) -> Result<Deployed, Refused> {
        self.send(self.request(Method::POST, &["deploy"], &[]).json(&deploy)).await
    }

    async fn versions(&self, limit: usize) -> Result<Vec<VersionEvent>, Refused> {
        Ok(self.send::<Items<_>>(self.request(Method::GET, &["versions"], &[("limit", limit.to_string())])).await?.items)
    }
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn any_text_fits_an_address() {
        assert_eq!(escaped("m-fraud_001.~"), "m-fraud_001.~");
        assert_eq!(escaped("a/b c&d=é?"), "a%2Fb%20c%26d%3D%C3%A9%3F");
    }
}
