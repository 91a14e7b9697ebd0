//! `sluice up`: an instance with its doors, until it is told to stop.

use super::down::PID_FILE;
use super::{Outcome, Result, print_json};
use crate::cli::{OutputFormat, Up};
use crate::instance::{Instance, Settings};
use crate::live_changes::LiveChanges;
use crate::log::Door;
use crate::opened::{self, Opened};
use crate::platform::Live;
use crate::running::Running;
use crate::{kafka_door, landing, live_simulator, stores, topics, watch};
use domain::{Alert, Error, Kind, TopicPartition};
use std::io::IsTerminal;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::{Role, Store, User};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Feature state in memory where neither the command nor the project says.
const STATE_MEMORY: u64 = 1 << 30;

/// How long is waited before another start, where only waiting helps: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

pub fn run(args: &Up, output: OutputFormat) -> Result {
    let begun = Instant::now();
    if args.watch && opened::folder(&args.project).is_none() {
        return Err(Error::stop(
            "there is no project folder to watch",
            "`sluice init shop` writes the shipped project into one; then: sluice up --project shop --watch",
        ));
    }
    let opened = opened::open(&args.project)?;
    std::fs::create_dir_all(&args.data.data)
        .map_err(|e| Error::stop(format!("cannot create {}", args.data.data.display()), "choose a folder with --data").because(e))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("io")
        .enable_all()
        .build()
        .map_err(|e| Error::stop("cannot start", "raise the limit on threads").because(e))?;
    let state_memory = args.state_memory.or(opened.project.settings.state_memory).unwrap_or(STATE_MEMORY);
    let settings = Settings {
        project: opened.project.clone(),
        plan: opened.plan.clone(),
        data: args.data.data.clone(),
        kafka: Door { address: args.kafka, advertised: args.listener.advertise.clone() },
        listener: kafka_door::settings(&args.listener, &opened.project),
        store: !args.no_store,
        lake: match &args.lake {
            Some(folder) => Some(folder.clone()),
            None if args.no_lake => None,
            None => landing::place(&opened.project.settings.lake, &args.data.data),
        },
        lake_every: Duration::from_secs_f64(args.lake_seconds),
        state_memory,
        snapshot_every: Duration::from_secs_f64(args.snapshot_seconds),
    };
    let instance = start(&settings, runtime.handle())?;
    runtime.block_on(serve(args, output, &opened, instance, begun))
}

/// Starts, as often as it takes while the log's cluster is away or its topics have no leader.
fn start(settings: &Settings, runtime: &tokio::runtime::Handle) -> domain::Result<Instance> {
    let mut back_off = BACK_OFF.0;
    loop {
        match Instance::start(settings.clone(), runtime) {
            Err(e) if e.kind == Kind::Retry => {
                tracing::warn!(error = %e, wait_ms = back_off.as_millis() as u64, "cannot start yet; trying again");
                std::thread::sleep(back_off);
                back_off = (back_off * 2).min(BACK_OFF.1);
            }
            started => return started,
        }
    }
}

async fn serve(args: &Up, output: OutputFormat, opened: &Opened, instance: Instance, begun: Instant) -> Result {
    let instance = Arc::new(instance);
    let (store, place) = (&*instance.store, &instance.place);
    let first_password = stores::patiently(place, || first_user(store))?;
    let token_key = stores::patiently(place, || store.secret(stores::TOKEN_KEY, &random_key))?;
    stores::leave_key(place, &args.data.data, &token_key)?;
    let listener = TcpListener::bind(args.http).await.map_err(|e| {
        Error::stop(format!("cannot listen on {}", args.http), "another program listens there; choose another address with --http")
            .because(e)
    })?;
    let http = listener.local_addr().map_err(|e| Error::bug("a listener has no address").because(e))?;
    let mut config = server::Config::new(env!("CARGO_PKG_VERSION"), token_key);
    config.transactions = Some(instance.version.plan.judged().clone());
    let changes = LiveChanges(instance.controller.clone());
    let live = Arc::new(Live { instance: instance.clone(), plan: instance.version.plan.clone(), changes });
    let (stop_http, http_stops) = oneshot::channel::<()>();
    let served = tokio::spawn(server::serve(listener, live, config, async {
        let _ = http_stops.await;
    }));
    let pid_file = args.data.data.join(PID_FILE);
    std::fs::write(&pid_file, std::process::id().to_string())
        .map_err(|e| Error::stop(format!("cannot write {}", pid_file.display()), "choose a folder with --data").because(e))?;

    Running { pid: std::process::id(), http: http.to_string(), kafka: instance.kafka.clone() }.write(&args.data.data)?;

    announce(output, opened, &instance, http, begun, first_password.as_deref())?;
    let stopping = Arc::new(AtomicBool::new(false));
    let mut helpers = Vec::new();
    if let Some(rate) = args.simulate {
        helpers.push(live_simulator::start(&instance, rate, &args.data.data.join("simulator.cursor"), stopping.clone())?);
    }
    if let Some(folder) = opened::folder(&args.project).filter(|_| args.watch) {
        let digest = opened.project.digest.clone();
        helpers.push(watch::start(instance.controller.clone(), folder, digest, output, stopping.clone())?);
    }
    if output == OutputFormat::Human && std::io::stdout().is_terminal() {
        helpers.push(print_alerts(&instance, stopping.clone())?);
    }

    let failure = tokio::select! {
        () = asked_to_stop() => None,
        reason = instance.failed() => Some(reason),
    };
    let stop_begun = Instant::now();
    tracing::info!("stopping");
    stopping.store(true, Ordering::SeqCst);
    for helper in helpers {
        let _ = tokio::task::spawn_blocking(move || helper.join()).await;
    }
    let _ = stop_http.send(());
    let _ = served.await;
    // The server held the other references, and it has ended.
    let stopped = match Arc::try_unwrap(instance) {
        Ok(instance) => instance.stop().await,
        Err(_) => Err(Error::bug("a part of the server still runs")),
    };
    let _ = std::fs::remove_file(&pid_file);
    Running::remove(&args.data.data);
    tracing::info!(seconds = stop_begun.elapsed().as_secs_f64(), "stopped");
    match (failure, stopped) {
        (None, outcome) => outcome.map(|()| Outcome::Fine),
        (Some(_), Err(e)) => Err(e),
        (Some(reason), Ok(())) => Err(Error::bug(reason)),
    }
}

/// Returns on Ctrl-C, and when the process is asked to end.
pub(super) async fn asked_to_stop() {
    let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(term) => term,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

fn random_key() -> Vec<u8> {
    // Two of the server's passwords hold more than 32 random bytes' worth of letters.
    let text = format!("{}{}{}", server::auth::generate_password(), server::auth::generate_password(), server::auth::generate_password());
    blake3::hash(text.as_bytes()).as_bytes().to_vec()
}

/// Makes the user `admin` on the first start. Gives its password if it was made up here: it is shown once and kept nowhere.
fn first_user(store: &dyn Store) -> domain::Result<Option<String>> {
    let given = std::env::var("SLUICE_ADMIN_PASSWORD").ok().filter(|p| !p.is_empty());
    if store.user_count()? > 0 && given.is_none() {
        return Ok(None);
    }
    let password = given.clone().unwrap_or_else(server::auth::generate_password);
    let admin = User { name: "admin".into(), password_hash: server::auth::hash_password(&password)?, role: Role::Admin };
    if given.is_some() {
        store.put_user(&admin)?;
        return Ok(None);
    }
    // Another instance that starts at the same time may have been quicker: then its password is the right one.
    Ok(store.put_first_user(&admin)?.then_some(password))
}

fn announce(
    output: OutputFormat,
    opened: &Opened,
    instance: &Instance,
    http: std::net::SocketAddr,
    begun: Instant,
    password: Option<&str>,
) -> domain::Result<()> {
    let seconds = begun.elapsed().as_secs_f64();
    if output == OutputFormat::Json {
        let mut ready = serde_json::json!({
            "ready": true, "http": http.to_string(), "kafka": instance.kafka.to_string(), "sql": null, "pid": std::process::id(),
            "seconds": seconds, "caught_up": instance.started.caught_up,
        });
        if let Some(password) = password {
            ready["admin_password"] = password.into();
        }
        return print_json(&ready);
    }
    let project = &instance.version.project;
    println!(
        "{}: {} features, {} rules (version {})",
        project.settings.name,
        instance.version.plan.features.features.len(),
        project.rules.len(),
        &project.digest[..12]
    );
    println!("  http://{http}         the live page; /docs for the API, /metrics for Prometheus");
    println!(
        "  {}                Kafka: send to `{}`, read `decisions` and `alerts`",
        instance.kafka,
        instance.version.plan.judged().topic
    );
    if project.digest != opened.project.digest {
        let folder = &opened.project.digest[..12];
        println!("  this version was deployed; {} holds version {folder}, which `sluice deploy` brings in", opened.from);
    }
    if let Some(password) = password {
        println!("  user admin, password {password}      (shown this once; SLUICE_ADMIN_PASSWORD sets another)");
    }
    println!("ready in {seconds:.2} s; Ctrl-C stops");
    Ok(())
}

/// Prints alerts as they come, on a terminal.
fn print_alerts(instance: &Instance, stopping: Arc<AtomicBool>) -> domain::Result<std::thread::JoinHandle<()>> {
    let mut source = instance.log.source()?;
    let at = TopicPartition::new(topics::ALERTS, 0);
    let (_, mut next) = source.bounds(&at)?;
    std::thread::Builder::new()
        .name("alerts".into())
        .spawn(move || {
            let mut records = Vec::new();
            while !stopping.load(Ordering::SeqCst) {
                records.clear();
                let read = source
                    .wait(&[(at.clone(), next)], Duration::from_millis(200))
                    .and_then(|()| source.fetch(&at, next, 1 << 16, &mut records));
                if let Err(e) = read {
                    tracing::warn!(error = %e, "alerts are no longer printed");
                    return;
                }
                for record in &records {
                    next = record.offset + 1;
                    if let Ok(alert) = serde_json::from_slice::<Alert>(&record.value) {
                        println!("{}", alert_line(&alert));
                    }
                }
            }
        })
        .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))
}

fn alert_line(alert: &Alert) -> String {
    let (colour, word) = match alert.decision {
        domain::Action::Block => ("\x1b[31m", "BLOCK "),
        domain::Action::Review => ("\x1b[33m", "REVIEW"),
        domain::Action::Allow => ("\x1b[32m", "ALLOW "),
    };
    let time = domain::time::format(alert.event_time);
    let account = alert.account_id.as_deref().unwrap_or("-");
    let amount = alert.amount.map(|a| a.to_string()).unwrap_or_default();
    format!(
        "{} {colour}{word}\x1b[0m {:.2}  {:<24} {:<14} {amount:>12}  {}",
        &time[11..19],
        alert.score,
        alert.alert_type,
        account,
        alert.alert_message
    )
}
