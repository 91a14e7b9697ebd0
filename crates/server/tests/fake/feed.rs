//! Alerts in memory, added by a test.

use axum::body::Bytes;
use domain::{Action, Alert, Result, Severity};
use parking_lot::Mutex;
use server::{AlertFeed, FeedAlert};
use std::sync::Arc;
use tokio::sync::watch;

pub(crate) struct FakeFeed {
    alerts: Mutex<Vec<Arc<FeedAlert>>>,
    /// The first offset that is held.
    start: Mutex<i64>,
    end: watch::Sender<i64>,
}

impl FakeFeed {
    pub(crate) fn new() -> Self {
        Self { alerts: Mutex::default(), start: Mutex::new(0), end: watch::channel(0).0 }
    }

    /// Adds an alert of this severity and rule, with a message of some length.
    pub(crate) fn push(&self, severity: Severity, rule: &str, message: &str) {
        let mut alerts = self.alerts.lock();
        let offset = alerts.len() as i64;
        let alert = Alert {
            alert_id: format!("tx-{offset}:{rule}").into(),
            transaction_id: format!("tx-{offset}").into(),
            account_id: None,
            alert_type: rule.into(),
            alert_message: message.into(),
            severity,
            decision: if severity >= Severity::High { Action::Block } else { Action::Review },
            score: 0.7,
            amount: None,
            event_time: 0,
            taken_at: 0,
            sequence: offset as u64,
        };
        let json = Bytes::from(serde_json::to_vec(&alert).expect("it serialises"));
        alerts.push(Arc::new(FeedAlert { offset, alert, json }));
        self.end.send_replace(offset + 1);
    }

    /// Forgets what lies before an offset, as retention does.
    pub(crate) fn forget_before(&self, offset: i64) {
        *self.start.lock() = offset;
    }
}

#[async_trait::async_trait]
impl AlertFeed for FakeFeed {
    fn bounds(&self) -> (i64, i64) {
        (*self.start.lock(), *self.end.borrow())
    }

    async fn read(&self, from: i64) -> Result<Vec<Arc<FeedAlert>>> {
        Ok(self.alerts.lock().iter().skip(from as usize).take(100).cloned().collect())
    }

    async fn beyond(&self, offset: i64) {
        let mut end = self.end.subscribe();
        let _ = end.wait_for(|end| *end > offset).await;
    }
}
