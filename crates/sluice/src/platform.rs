//! What the HTTP server stands on: transactions go to the predictor, questions to the store.

use crate::instance::Instance;
use crate::live_changes::LiveChanges;
use crate::predictor::{Answer, Refused};
use async_trait::async_trait;
use bytes::Bytes;
use domain::{Decoder, Error, Result, Value};
use scoring::Plan;
use serde_json::value::RawValue;
use server::{AlertFeed, AlertQuery, Changes, Page, PartState, PredictionQuery, Readiness, Refusal, Role, Stats, Status, User};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{AlertFilter, AuditEntry, PageRequest, PredictionFilter, Store};
use telemetry::Metrics;

/// Codes of rejections that a caller can only answer with another id.
const CONFLICT: &str = "id_conflict";

pub struct Live {
    pub instance: Arc<Instance>,
    pub plan: Arc<Plan>,
    pub changes: LiveChanges,
}

impl Live {
    /// Checks a transaction as the scorer will, so that what is wrong is said before anything is appended. Gives its id as the key.
    fn check(&self, decoder: &Decoder, json: &Bytes, row: &mut Vec<Value>) -> Result<Bytes, Refusal> {
        decoder.decode(json, row).map_err(Refusal::Invalid)?;
        let stream = self.plan.judged();
        let key = match &row[stream.key] {
            Value::Text(t) => Bytes::copy_from_slice(t.as_bytes()),
            other => other.to_string().into(),
        };
        Ok(key)
    }

    async fn store<T: Send + 'static>(&self, ask: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static) -> Result<T> {
        let store = self.instance.store.clone();
        tokio::task::spawn_blocking(move || ask(&*store)).await.unwrap_or_else(|e| Err(Error::bug("the store panicked").because(e)))
    }

    fn settle(&self, answer: Result<Answer, Refused>) -> Result<Bytes, Refusal> {
        match answer {
            Ok(Answer::Decision(json)) => Ok(json),
            Ok(Answer::Before { sequence, ordinal }) => {
                self.instance.predictor.decision_of(sequence, ordinal).map_err(|e| Refusal::Unavailable(e.to_string()))
            }
            Ok(Answer::Rejected(wrong)) => match wrong.iter().find(|w| w.code == CONFLICT) {
                Some(conflict) => Err(Refusal::Conflict(conflict.to_string())),
                None => Err(Refusal::Invalid(wrong)),
            },
            Err(Refused::Busy { retry_after }) => Err(Refusal::Busy { retry_after }),
            Err(Refused::Unavailable(reason)) => Err(Refusal::Unavailable(reason)),
        }
    }
}

#[async_trait]
impl server::Platform for Live {
    async fn predict(&self, transactions: Vec<Bytes>, deadline: Duration) -> Vec<Result<Bytes, Refusal>> {
        let decoder = &self.plan.decoders[self.plan.judged];
        let mut row = Vec::new();
        let mut results: Vec<Option<Result<Bytes, Refusal>>> = Vec::with_capacity(transactions.len());
        let mut good = Vec::with_capacity(transactions.len());
        for json in transactions {
            match self.check(decoder, &json, &mut row) {
                Ok(key) => {
                    results.push(None);
                    good.push((key, json));
                }
                Err(refusal) => results.push(Some(Err(refusal))),
            }
        }
        if !good.is_empty() {
            match self.instance.predictor.submit(good, deadline) {
                Ok(replies) => {
                    let until = tokio::time::Instant::now() + deadline;
                    let waiting = results.iter_mut().filter(|r| r.is_none());
                    for (slot, reply) in waiting.zip(replies) {
                        *slot = Some(match tokio::time::timeout_at(until, reply).await {
                            Ok(Ok(answer)) => self.settle(answer),
                            Ok(Err(_)) => Err(Refusal::Unavailable("the scorer stopped; the transaction is kept and will be judged".into())),
                            Err(_) => Err(Refusal::Unavailable(
                                "the decision did not come in time; the transaction is kept and will be judged, send it again for its decision".into(),
                            )),
                        });
                    }
                }
                Err(refused) => {
                    let refusal = self.settle(Err(refused));
                    results.iter_mut().filter(|r| r.is_none()).for_each(|slot| *slot = Some(refusal.clone()));
                }
            }
        }
        results.into_iter().map(|r| r.unwrap_or(Err(Refusal::Internal))).collect()
    }

    async fn predictions(&self, query: PredictionQuery) -> Result<Page> {
        self.store(move |store| {
            let filter =
                PredictionFilter { decision: query.decision, account_id: query.account_id, since: query.since, until: query.until };
            let page = store.predictions(&filter, &PageRequest { limit: query.limit, cursor: query.cursor })?;
            Ok(Page { items: page.items, next: page.next })
        })
        .await
    }

    async fn alerts(&self, query: AlertQuery) -> Result<Page> {
        self.store(move |store| {
            let filter = AlertFilter { severity: query.severity, alert_type: query.alert_type, account_id: query.account_id };
            let page = store.alerts(&filter, &PageRequest { limit: query.limit, cursor: query.cursor })?;
            Ok(Page { items: page.items, next: page.next })
        })
        .await
    }

    async fn transaction(&self, transaction_id: &str) -> Result<Option<Box<RawValue>>> {
        let id = transaction_id.to_owned();
        self.store(move |store| {
            let Some(view) = store.transaction(&id)? else { return Ok(None) };
            serde_json::value::to_raw_value(&view).map(Some).map_err(|e| Error::bug("a transaction does not serialise").because(e))
        })
        .await
    }

    async fn stats(&self) -> Result<Stats> {
        self.store(|store| {
            let t = store.totals()?;
            Ok(Stats {
                transactions: t.transactions,
                allow: t.allow,
                review: t.review,
                block: t.block,
                alerts: t.alerts,
                dead_letters: t.dead_letters,
                last_sequence: t.last_sequence,
                last_prediction: t.last_prediction,
            })
        })
        .await
    }

    async fn user(&self, name: &str) -> Result<Option<User>> {
        let name = name.to_owned();
        self.store(move |store| {
            Ok(store.user(&name)?.map(|u| User {
                name: u.name,
                password_hash: u.password_hash,
                role: match u.role {
                    store::Role::Admin => Role::Admin,
                    store::Role::Analyst => Role::Analyst,
                    store::Role::Viewer => Role::Viewer,
                },
            }))
        })
        .await
    }

    fn ready(&self) -> Readiness {
        let progress = &self.instance.handle.progress;
        let (taken, durable) = (progress.taken.load(Ordering::Relaxed), progress.durable.load(Ordering::Relaxed));
        let behind = self.instance.store_behind();
        let trouble = self.instance.lag.trouble.lock().clone();
        let failed = self.instance.failure();
        let part = |name: &str, state: &str, detail: String| PartState { name: name.into(), state: state.into(), detail };
        let parts = vec![
            part("log", "up", format!("at {}", self.instance.kafka)),
            match &failed {
                Some(reason) => part("scorer", "down", reason.clone()),
                None => part("scorer", "up", format!("{taken} records taken, {durable} durable")),
            },
            match trouble {
                Some(trouble) => part("store", "away", format!("{behind} decisions behind the log: {trouble}")),
                None => part("store", if behind > 100_000 { "behind" } else { "up" }, format!("{behind} decisions behind the log")),
            },
        ];
        Readiness { ready: failed.is_none() && !self.instance.handle.stopping(), parts }
    }

    fn alert_feed(&self) -> &dyn AlertFeed {
        &*self.instance.outlets.feed
    }

    fn status(&self) -> Status {
        crate::status::of(self)
    }

    fn changes(&self) -> &dyn Changes {
        &self.changes
    }

    fn telemetry(&self) -> &Metrics {
        &self.instance.metrics
    }

    fn metrics(&self) -> String {
        self.instance.refresh_metrics();
        self.instance.metrics.render()
    }

    fn logged_in(&self, name: &str, from: IpAddr, success: bool) {
        let store = self.instance.store.clone();
        let entry = AuditEntry {
            actor: name.chars().take(64).collect(),
            action: if success { "login" } else { "login_failed" }.into(),
            subject: "api".into(),
            detail: from.to_string(),
        };
        tokio::task::spawn_blocking(move || {
            if let Err(e) = store.audit(&entry) {
                tracing::warn!(error = %e, "could not write the audit trail");
            }
        });
    }
}
