//! What an instance offers to those who watch it: the feed of alerts, the webhooks, and what happened lately. All of it reads topics with
//! positions of its own; nothing here is waited for by scoring.

use crate::feed::Feed;
use crate::log::Log;
use crate::recent::Recent;
use crate::webhook::{self, Webhook};
use domain::Result;
use project::Project;
use std::sync::Arc;
use store::Store;
use telemetry::Metrics;
use tokio::sync::watch;

pub struct Outlets {
    pub feed: Arc<Feed>,
    pub recent: Arc<Recent>,
    pub webhooks: Vec<Webhook>,
    stop: watch::Sender<bool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Outlets {
    /// Called before clients are served, so that retention cannot pass a webhook's position.
    pub fn start(
        log: &Log,
        project: &Project,
        store: &Arc<dyn Store>,
        metrics: &Arc<Metrics>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self> {
        let (stop, stopping) = watch::channel(false);
        let mut threads = Vec::new();
        let feed = Feed::start(log, stopping.clone(), &mut threads)?;
        let recent = Recent::start(log, metrics.clone(), stopping.clone(), &mut threads)?;
        let mut webhooks = Vec::new();
        for spec in &project.settings.webhooks {
            webhooks.push(webhook::start(spec, log, store, metrics, runtime, stopping.clone(), &mut threads)?);
        }
        Ok(Self { feed, recent, webhooks, stop, threads })
    }

    /// Ends all of it; what a webhook has under way gets a second.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a part that watches panicked");
            }
        }
    }
}
