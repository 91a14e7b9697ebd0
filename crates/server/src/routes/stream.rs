//! The stream of alerts as server-sent events (WHATWG HTML, "Server-sent events"): each client reads the feed from a position of its
//! own, at the pace of its connection. An event's `id` is its offset, so whatever breaks, a client goes on where it was.

use super::pages::{Pairs, Parameters, SEVERITIES};
use super::{App, json};
use crate::auth::{Caller, bearer};
use crate::feed::FeedAlert;
use crate::openapi::{AlertDocument, Failures, Guarded, Overload};
use crate::platform::Role;
use crate::problem::{FieldError, Problem};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::{Action, Kind, Severity};
use serde_json::json as object;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What browsers wait before they connect again.
const RECONNECT_MS: u32 = 2000;

/// A piece handed to the connection, about. Small, as some of them may be buffered for a client that does not read.
const PIECE_BYTES: usize = 8 * 1024;

/// Alerts as they become durable, as server-sent events: `event: alert`, `id:` its position, `data:` the alert. Without a position it
/// begins with the next alert; with one (`Last-Event-ID`, or `last_event_id`) behind it, so nothing is missed over a break. `event: gap`
/// says that alerts between two positions are not held any more. `event: close` is the last one and says why: `slow` (the client read more
/// slowly than alerts came, connect again to go on), `expired` (the token is), `stopping`, `failed`. Comments keep the connection alive.
///
/// A browser's `EventSource` cannot send a token: get a ticket for it at `/api/v1/auth/ticket`.
#[utoipa::path(get, path = "/api/v1/alerts/stream", tag = "decisions", security(("bearer" = [])), params(
    ("severity" = Option<crate::openapi::Severity>, Query, description = "Only this severity"),
    ("min_severity" = Option<crate::openapi::Severity>, Query, description = "Only this severity or a higher one"),
    ("alert_type" = Option<String>, Query, description = "Only alerts of this rule", min_length = 1),
    ("decision" = Option<crate::openapi::Action>, Query, description = "Only alerts of transactions with this decision"),
    ("last_event_id" = Option<i64>, Query, description = "Go on behind this position, where the header cannot be sent", minimum = -1),
    ("ticket" = Option<String>, Query, description = "Instead of a token, where the header cannot be sent", min_length = 1),
    ("Last-Event-ID" = Option<i64>, Header, description = "Go on behind this position", minimum = -1),
), responses(
    (status = 200, description = "Events until one side closes", body = AlertDocument, content_type = "text/event-stream"),
    (status = 422, description = "A parameter is wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn alerts_stream(State(app): State<Arc<App>>, headers: HeaderMap, pairs: Pairs) -> Result<Response, Problem> {
    let mut p = Parameters::new(pairs)?;
    let (caller, until) = access(&app, &headers, p.text("ticket"))?;
    caller.at_least(Role::Viewer)?;
    let filter = Filter {
        severity: p.one_of("severity", &SEVERITIES),
        min_severity: p.one_of("min_severity", &SEVERITIES),
        alert_type: p.text("alert_type"),
        decision: p.one_of("decision", &[("allow", Action::Allow), ("review", Action::Review), ("block", Action::Block)]),
    };
    let in_query = p.text("last_event_id");
    p.finish()?;
    // The header is the later word: a browser that connects again sends it beside the query of its first request.
    let in_header = headers.get(&LAST_EVENT_ID).map(|v| v.to_str().unwrap_or("?").to_owned()).filter(|v| !v.is_empty());
    let behind = in_header.or(in_query).map(|text| position(&text)).transpose()?;

    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        let most = app.config.stream_clients;
        Problem::busy(Duration::from_secs(5), format!("{most} clients follow the stream of alerts already; come back later"))
    })?;
    app.http().streams.inc();
    let next = behind.map_or_else(|| app.platform.alert_feed().bounds().1, |offset| offset + 1);
    let stopping = app.stopping.clone();
    let client =
        Client { app, filter, next, live: behind.is_none(), until, beat: Instant::now(), stopping, state: Phase::Opens, _place: place };
    let pieces = futures::stream::unfold(client, |mut client| async move {
        let piece = client.next_piece().await?;
        Some((Ok::<_, Infallible>(piece), client))
    });
    let mut response = json(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold alerts back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// Who follows, and until when: by the token in the header, else by a ticket.
fn access(app: &App, headers: &HeaderMap, ticket: Option<String>) -> Result<(Caller, Instant), Problem> {
    let found = match ticket {
        Some(ticket) if !headers.contains_key(header::AUTHORIZATION) => app.tokens.admit(&ticket),
        _ => app.tokens.lifetime_of(bearer(headers)?),
    };
    let (caller, until) =
        found.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "the token or ticket is not good, or no longer; get another"))?;
    let left = Duration::from_secs(until).saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    Ok((caller, Instant::now() + left))
}

fn position(text: &str) -> Result<i64, Problem> {
    text.parse().ok().filter(|offset| (-1..i64::MAX).contains(offset)).ok_or_else(|| {
        let reason = "must be the id of an event of this stream, a whole number".to_owned();
        Problem::invalid(vec![FieldError { field: Some("last_event_id".into()), code: "wrong_type".into(), reason }])
    })
}

struct Filter {
    severity: Option<Severity>,
    min_severity: Option<Severity>,
    alert_type: Option<String>,
    decision: Option<Action>,
}

impl Filter {
    fn takes(&self, found: &FeedAlert) -> bool {
        let alert = &found.alert;
        self.severity.is_none_or(|s| alert.severity == s)
            && self.min_severity.is_none_or(|s| alert.severity >= s)
            && self.decision.is_none_or(|d| alert.decision == d)
            && self.alert_type.as_ref().is_none_or(|t| alert.alert_type == t.as_str())
    }
}

#[derive(PartialEq)]
enum Phase {
    Opens,
    Runs,
    Closed,
}

/// One client. It holds a position and no events.
struct Client {
    app: Arc<App>,
    filter: Filter,
    /// The next offset to look at.
    next: i64,
    /// Whether it has been at the end: only then is being far behind a sign of slowness.
    live: bool,
    until: Instant,
    /// When something was last written.
    beat: Instant,
    stopping: watch::Receiver<bool>,
    state: Phase,
    _place: OwnedSemaphorePermit,
}

impl Client {
    /// Waits until there is something to write; none after the last event. Only called when the connection can take more.
    async fn next_piece(&mut self) -> Option<Bytes> {
        match self.state {
            Phase::Closed => return None,
            Phase::Opens => {
                self.state = Phase::Runs;
                self.beat = Instant::now();
                // An id without data sets the position that a browser comes back with.
                return Some(format!("retry: {RECONNECT_MS}\nid: {}\n\n", self.next - 1).into());
            }
            Phase::Runs => {}
        }
        loop {
            if *self.stopping.borrow() {
                return Some(self.close("stopping", "the server stops; connect again when it is back"));
            }
            if Instant::now() >= self.until {
                return Some(self.close("expired", "the token has expired; connect again with another"));
            }
            let heartbeat = self.app.config.stream_heartbeat;
            let feed = self.app.platform.alert_feed();
            let (start, end) = feed.bounds();
            if self.next < start || self.next > end {
                return Some(self.gap(start, end));
            }
            if self.next == end {
                self.live = true;
                let beat = (self.beat + heartbeat).min(self.until);
                tokio::select! {
                    () = feed.beyond(self.next) => continue,
                    _ = self.stopping.changed() => continue,
                    () = tokio::time::sleep_until(beat) => {}
                }
                return Some(self.heartbeat());
            }
            if self.live && end - self.next > self.app.config.stream_behind {
                self.app.http().streams_dropped.inc();
                return Some(
                    self.close("slow", "alerts came faster than this client read them; connect again to go on behind the last id"),
                );
            }
            match feed.read(self.next).await {
                Ok(found) => {
                    if let Some(piece) = self.events(&found, end) {
                        return Some(piece);
                    }
                    // A filter that lets little through must not look like a dead connection.
                    if self.beat.elapsed() >= heartbeat {
                        return Some(self.heartbeat());
                    }
                }
                Err(e) if e.kind == Kind::Retry => {
                    tracing::warn!(error = %e, "the alerts cannot be read now; trying again");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(e) => {
                    tracing::error!(error = %e, "the stream of alerts ends");
                    return Some(self.close("failed", "the alerts cannot be read; the server's log says why"));
                }
            }
        }
    }

    /// The events among these that the filter takes, as many as fit a piece; moves behind them.
    fn events(&mut self, found: &[Arc<FeedAlert>], end: i64) -> Option<Bytes> {
        let mut piece = Vec::new();
        for event in found {
            self.next = event.offset + 1;
            if !self.filter.takes(event) {
                continue;
            }
            piece.extend_from_slice(format!("id: {}\nevent: alert\ndata: ", event.offset).as_bytes());
            piece.extend_from_slice(&event.json);
            piece.extend_from_slice(b"\n\n");
            if piece.len() >= PIECE_BYTES {
                break;
            }
        }
        if found.is_empty() {
            // Behind the last alert there may be offsets without one.
            self.next = end;
        }
        if piece.is_empty() {
            return None;
        }
        self.beat = Instant::now();
        Some(piece.into())
    }

    /// A comment, and the position, so that a client whose filter lets little through comes back near the end.
    fn heartbeat(&mut self) -> Bytes {
        self.beat = Instant::now();
        format!(": {}\nid: {}\n\n", domain::time::format(now()), self.next - 1).into()
    }

    /// The position is not held: it lies before what retention kept, or behind the end of a log that was replaced.
    fn gap(&mut self, start: i64, end: i64) -> Bytes {
        let (from, to) = (self.next, if self.next < start { start } else { end });
        let reason = if from < to { "retention has passed these alerts" } else { "the log was replaced by a shorter one" };
        self.next = to;
        self.beat = Instant::now();
        format!("id: {}\nevent: gap\ndata: {}\n\n", to - 1, object!({ "from": from, "to": to, "reason": reason })).into()
    }

    fn close(&mut self, reason: &str, detail: &str) -> Bytes {
        self.state = Phase::Closed;
        format!("event: close\ndata: {}\n\n", object!({ "reason": reason, "detail": detail })).into()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.app.http().streams.dec();
    }
}

fn now() -> domain::Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}
