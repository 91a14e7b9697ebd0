//! Connections, and waiting for them. A thread of their own keeps them fed; whoever calls waits on his own thread, never longer than a
//! limit, so a server that hangs holds up nobody for good. One connection takes the batches; a few others, kept in a bounded pool, do
//! everything else.

use super::address::Address;
use super::error::Failure;
use domain::{Error, Kind, Result};
use parking_lot::{Condvar, Mutex};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio_postgres::Client;

/// The most connections beside the one that takes batches.
const POOL: usize = 8;

/// How long is waited for one of them.
const TURN: Duration = Duration::from_secs(2);

/// After a failure to connect the others are told so at once for this long, instead of trying themselves.
const AWAY: Duration = Duration::from_millis(500);

/// And this long after it said nothing at all, for which somebody waited much longer.
const SILENT: Duration = Duration::from_secs(3);

/// What the server lets a statement take, and a wait for a lock. Our own wait is longer, for servers that say nothing at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    statement: Duration,
    lock: Duration,
}

impl Limits {
    /// Questions, and rows one by one.
    pub(super) const SHORT: Self = Self { statement: Duration::from_secs(10), lock: Duration::from_secs(5) };
    /// A batch.
    pub(super) const BATCH: Self = Self { statement: Duration::from_secs(60), lock: Duration::from_secs(10) };
    /// What an operator started.
    pub(super) const PATIENT: Self = Self { statement: Duration::from_secs(6 * 60 * 60), lock: Duration::from_secs(60) };

    fn silence(self) -> Duration {
        self.statement + Duration::from_secs(2)
    }

    fn sql(self) -> String {
        format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = '60s'; SET TimeZone = 'UTC'; SET client_min_messages = warning",
            self.statement.as_millis(),
            self.lock.as_millis()
        )
    }
}

pub(super) struct Connections {
    pub(super) address: Address,
    handle: Handle,
    /// Ends with us.
    _background: Background,
    batches: Mutex<Option<Client>>,
    pool: Mutex<Pool>,
    returned: Condvar,
    /// Until when the server counts as away, and why.
    away: Mutex<Option<(Instant, String)>>,
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Client>,
    lent: usize,
}

impl Connections {
    pub(super) fn new(address: Address) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))?;
        Ok(Self {
            address,
            handle: runtime.handle().clone(),
            _background: Background(Some(runtime)),
            batches: Mutex::default(),
            pool: Mutex::default(),
            returned: Condvar::new(),
            away: Mutex::default(),
            closing: watch::Sender::new(false),
        })
    }

    /// Lets go of whatever waits for the server, now and later.
    pub(super) fn interrupt(&self) {
        self.closing.send_replace(true);
    }

    /// Work on a connection of the pool. What fails because the connection was lost while it was idle is tried on a new one.
    pub(super) fn ask<T>(&self, what: &str, work: impl AsyncFn(&mut Client) -> Result<T, Failure>) -> Result<T> {
        let mut lent = self.borrow(what)?;
        loop {
            let reused = lent.client.is_some();
            let client = match &mut lent.client {
                Some(client) => client,
                none => none.insert(self.connect(Limits::SHORT, what)?),
            };
            match self.wait(Limits::SHORT.silence(), work(client)) {
                Ok(value) => return Ok(value),
                Err(failure) => {
                    let lost = client.is_closed() || failure.lost();
                    if lost {
                        lent.client = None;
                    }
                    if matches!(failure, Failure::Silent(_)) {
                        self.pass_on(SILENT);
                    }
                    // One that is silent would be silent again.
                    if !lost || !reused || matches!(failure, Failure::Silent(_)) {
                        return Err(failure.explain(what));
                    }
                }
            }
        }
    }

    /// Work on the connection that takes batches, by one caller at a time.
    pub(super) fn batch<T>(&self, what: &str, work: impl AsyncFnOnce(&mut Client) -> Result<T, Failure>) -> Result<T> {
        let mut batches = self.batches.lock();
        if batches.as_ref().is_some_and(Client::is_closed) {
            *batches = None;
        }
        let client = match &mut *batches {
            Some(client) => client,
            none => none.insert(self.connect(Limits::BATCH, what)?),
        };
        let outcome = self.wait(Limits::BATCH.silence(), work(client));
        if client.is_closed() || outcome.as_ref().is_err_and(Failure::lost) {
            *batches = None;
        }
        outcome.map_err(|failure| failure.explain(what))
    }

    /// Work on a connection that is made for it and closed after.
    pub(super) fn alone<T>(&self, limits: Limits, what: &str, work: impl AsyncFnOnce(&mut Client) -> Result<T, Failure>) -> Result<T> {
        let mut client = self.connect(limits, what)?;
        self.wait(limits.silence(), work(&mut client)).map_err(|failure| failure.explain(what))
    }

    fn borrow(&self, what: &str) -> Result<Lent<'_>> {
        let until = Instant::now() + TURN;
        let mut pool = self.pool.lock();
        while pool.lent >= POOL {
            if self.returned.wait_until(&mut pool, until).timed_out() {
                return Err(Error::retry(format!("{what}: all {POOL} connections to PostgreSQL are taken")));
            }
        }
        pool.lent += 1;
        while pool.idle.last().is_some_and(Client::is_closed) {
            pool.idle.pop();
        }
        Ok(Lent { client: pool.idle.pop(), to: self })
    }

    fn connect(&self, limits: Limits, what: &str) -> Result<Client> {
        if let Some((until, why)) = &*self.away.lock()
            && Instant::now() < *until
        {
            return Err(Error::retry(format!("{what}: {why}")));
        }
        let handle = &self.handle;
        let connecting = async {
            let (client, connection) = self.address.config.connect(self.address.tls.clone()).await?;
            // How it ends is told to whoever uses the client.
            handle.spawn(async move {
                let _ = connection.await;
            });
            client.batch_execute(&limits.sql()).await?;
            Ok(client)
        };
        let outcome = self.wait(self.address.patience(), connecting).map_err(|f| f.explain(&format!("{what} at {}", self.address.shown)));
        match &outcome {
            Err(e) if e.kind == Kind::Retry => self.pass_on(AWAY),
            _ => *self.away.lock() = None,
        }
        outcome
    }

    /// Lets the next callers fail at once.
    fn pass_on(&self, time: Duration) {
        *self.away.lock() = Some((Instant::now() + time, format!("PostgreSQL at {} is away", self.address.shown)));
    }

    /// Waits on the caller's thread. Nothing that is waited for may itself wait here.
    fn wait<T>(&self, limit: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut closing = self.closing.subscribe();
        let _inside = self.handle.enter();
        futures::executor::block_on(async {
            tokio::select! {
                biased;
                done = tokio::time::timeout(limit, work) => done.unwrap_or(Err(Failure::Silent(limit))),
                _ = closing.wait_for(|closing| *closing) => Err(Error::retry("the store is closing").into()),
            }
        })
    }
}

/// The thread behind the connections.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Also where the last owner is an async task, which must not wait.
            runtime.shutdown_background();
        }
    }
}

/// A connection of the pool, or the right to make one.
struct Lent<'a> {
    client: Option<Client>,
    to: &'a Connections,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut pool = self.to.pool.lock();
        pool.lent -= 1;
        if let Some(client) = self.client.take().filter(|c| !c.is_closed()) {
            pool.idle.push(client);
        }
        drop(pool);
        self.to.returned.notify_one();
    }
}
