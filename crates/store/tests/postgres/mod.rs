//! What only a server can do: be away, be busy, be shared, hold what others made. `tests/postgres.py` starts one:
//! `SLUICE_TEST_POSTGRES=postgres://... cargo test -p store -- --ignored`.

mod server;

use domain::{Kind, TopicPartition};
use server::{Server, Session, run};
use std::time::Duration;
use store::suite::{self, Decisions, decision};
use store::{Batch, PageRequest, Postgres, PredictionFilter, Removed, Role, Store, User};

fn next(store: &Postgres) -> i64 {
    store.positions().expect("positions").next(&TopicPartition::new("decisions", 0))
}

fn count(url: &str, table: &str) -> u64 {
    run(url, &format!("SELECT COUNT(*) FROM {table}"))[0].parse().expect("a number")
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn postgres_is_a_store() {
    let server = Server::named();
    suite::run(|case| Postgres::open(&server.schema(case)).expect("the store opens"));
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn the_counting_query_and_joins_work_as_they_stand() {
    let url = Server::named().schema("queries");
    let store = Postgres::open(&url).unwrap();
    Decisions::range(0..100).apply(&store, 0);
    let counting = "SELECT COUNT(*), SUM(CASE WHEN predicted_fraud = 1 THEN 1 ELSE 0 END) as fraud_count, MAX(created_at) as last_prediction FROM predictions;";
    assert_eq!(run(&url, counting), ["100"]);
    assert_eq!(run(&url, "SELECT SUM(CASE WHEN predicted_fraud = 1 THEN 1 ELSE 0 END) FROM predictions"), ["20"]);
    assert_eq!(
        run(&url, "SELECT COUNT(*) FROM alerts a JOIN transactions t ON t.transaction_id = a.transaction_id AND t.amount > 50"),
        ["15"]
    );
    assert_eq!(run(&url, "SELECT SUM(amount) FROM transactions"), ["4951.00"]);
    assert_eq!(run(&url, "SELECT COUNT(*) FROM fraud_transaction UNION ALL SELECT COUNT(*) FROM genuine_transaction"), ["20", "80"]);
    assert_eq!(run(&url, "SELECT document::jsonb ->> 'decision' FROM predictions WHERE sequence = 10"), ["block"]);
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn instances_that_start_at_once_make_the_tables_once() {
    let url = Server::named().schema("at_once");
    let user = |n: u8| User { name: "admin".into(), password_hash: format!("hash {n}"), role: Role::Admin };
    let made: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|n| {
                let (url, user) = (&url, user(n));
                scope.spawn(move || {
                    let store = Postgres::open(url).expect("the store opens");
                    let key = store.secret("key", &|| vec![n]).expect("a secret");
                    (store.put_first_user(&user).expect("a user").then_some(n), key)
                })
            })
            .collect();
        starts.into_iter().map(|s| s.join().expect("no panic")).collect()
    });
    // One made the user, and all have the same key.
    let first: Vec<_> = made.iter().filter_map(|(first, _)| *first).collect();
    assert_eq!(first.len(), 1);
    assert_eq!(Postgres::open(&url).unwrap().user("admin").unwrap(), Some(user(first[0])));
    assert!(made.iter().all(|(_, key)| *key == made[0].1));
    assert_eq!(count(&url, "sluice_migrations"), 1);
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn tables_that_are_not_ours_are_a_stop_with_a_hint() {
    let server = Server::named();
    let stops = |url: &str| {
        let error = Postgres::open(url).err().unwrap_or_else(|| panic!("{url} must not open"));
        assert_eq!(error.kind, Kind::Stop, "{error}");
        assert!(error.hint.is_some());
        error.to_string()
    };
    let theirs = server.schema("theirs");
    run(&theirs, "CREATE TABLE transactions (x int)");
    assert!(stops(&theirs).contains("another program"));
    let newer = server.schema("newer");
    drop(Postgres::open(&newer).unwrap());
    run(&newer, "INSERT INTO sluice_migrations (version, name, checksum) VALUES (99, '0099_later', 'x')");
    assert!(stops(&newer).contains("newer release"));
    assert_eq!(Postgres::connect(&newer).unwrap().describe().unwrap_err().kind, Kind::Stop);
    let edited = server.schema("edited");
    drop(Postgres::open(&edited).unwrap());
    run(&edited, "UPDATE sluice_migrations SET checksum = 'x' WHERE version = 1");
    assert!(stops(&edited).contains("another edition"));
    let missing = format!("{}?options=-csearch_path%3Dnobody_made_it", server.0);
    assert!(stops(&missing).contains("schema"));
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn what_refuses_is_a_stop_and_what_is_away_a_retry_without_the_password() {
    let url = Server::named().0;
    let (start, rest) = url.split_once("://").unwrap();
    let (user, place) = rest.split_once('@').unwrap();
    let (name, secret) = user.split_once(':').unwrap();
    let host = place.split('/').next().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, kind, says) in [
        (format!("{start}://{name}:hunter2@{place}"), Kind::Stop, "user and password"),
        (format!("{start}://nobody:hunter2@{place}"), Kind::Stop, "user and password"),
        (format!("{start}://{user}@{host}/nothing_there"), Kind::Stop, "does not exist"),
        // Whether or not the server has a certificate, no authority of this machine vouches for it.
        (format!("{start}://{user}@{place}?sslmode=verify-full"), Kind::Stop, "ssl"),
        (format!("{start}://{user}@{place}?sslmode=often"), Kind::Stop, "verify-full"),
        (format!("{start}://{user}@{place}?sslrootcert=/nowhere.pem&sslmode=verify-full"), Kind::Stop, "sslrootcert"),
        (format!("{start}://{user}@{closed}/sluice"), Kind::Retry, "cannot be reached"),
        (format!("{start}://{name}:hunter2@{place}?connect_timeout=soon"), Kind::Stop, "connect_timeout"),
    ] {
        let error = Postgres::open(&url).err().unwrap_or_else(|| panic!("{url} must not open"));
        let text = format!("{error} {error:?}");
        assert_eq!(error.kind, kind, "{url}: {text}");
        assert!(text.contains(says), "{url}: {text}");
        assert!(!text.contains("hunter2") && !text.contains(secret) && !text.contains("p@ss"), "{text}");
    }
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn two_writers_of_the_same_records_store_each_once() {
    let url = Server::named().schema("two_writers");
    drop(Postgres::open(&url).unwrap());
    let skipped: u64 = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let store = Postgres::open(&url).expect("the store opens");
                    (0..20).map(|n| Decisions::range(n * 50..(n + 1) * 50).apply(&store, 0).skipped).sum::<u64>()
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().expect("no panic")).sum()
    });
    let store = Postgres::open(&url).unwrap();
    let totals = store.totals().unwrap();
    assert_eq!((totals.transactions, totals.alerts, skipped), (1000, 300, 1000));
    assert_eq!((count(&url, "transactions"), count(&url, "predictions"), count(&url, "alerts")), (1000, 1000, 300));
    assert_eq!(next(&store), 1000);
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn a_session_that_is_ended_is_made_again() {
    let url = Server::named().schema("ended");
    let store = Postgres::open(&format!("{url}&application_name=ended")).unwrap();
    Decisions::range(0..50).apply(&store, 0);
    assert_eq!(store.totals().unwrap().transactions, 50);
    for n in 1..5 {
        // The positions stay open beside the batches: both are ended.
        run(&url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended'");
        assert_eq!(store.totals().unwrap().transactions, n * 50);
        let batch = Decisions::range(n * 50..(n + 1) * 50);
        let records = batch.records();
        let batch = Batch {
            topic: "decisions",
            partition: 0,
            from: n as i64 * 50,
            next_offset: (n as i64 + 1) * 50,
            decisions: &records,
            dead_letters: &[],
        };
        let applied = std::iter::repeat_with(|| store.apply(&[batch]))
            .take(20)
            .find_map(|outcome| outcome.map_err(|e| assert_eq!(e.kind, Kind::Retry, "{e}")).ok());
        assert_eq!(applied.expect("the batch is applied").decisions, 50);
    }
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn a_locked_table_holds_up_the_writer_and_no_reader() {
    let url = Server::named().schema("locked");
    let store = Postgres::open(&url).unwrap();
    Decisions::range(0..50).apply(&store, 0);
    let holder = Session::open(&url);
    holder.run("BEGIN; LOCK TABLE transactions IN SHARE ROW EXCLUSIVE MODE");
    let waits = "SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'transactions' AND NOT l.granted";
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| Decisions::range(50..100).apply(&store, 0));
        while run(&url, waits).is_empty() {
            assert!(!writer.is_finished(), "the writer did not wait");
        }
        let page = store.predictions(&PredictionFilter::default(), &PageRequest::default()).unwrap();
        assert_eq!(page.items.len(), 50);
        holder.run("ROLLBACK");
        assert_eq!(writer.join().expect("no panic").decisions, 50);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn a_text_with_the_character_that_the_server_refuses_is_stored() {
    let url = Server::named().schema("nul");
    let store = Postgres::open(&url).unwrap();
    let mut d = decision(10);
    d.account_id = Some("a\0b".into());
    d.transaction_id = "tx-\0".into();
    Decisions::new([(0, d.clone())]).apply(&store, 0);
    let view = store.transaction("tx-\0").unwrap().expect("it is known");
    assert_eq!(view.prediction.get().as_bytes(), d.to_json());
    assert_eq!(run(&url, "SELECT account_id FROM transactions"), ["a\u{2400}b"]);
    let filter = PredictionFilter { account_id: Some("a\0b".into()), ..PredictionFilter::default() };
    assert_eq!(store.predictions(&filter, &PageRequest::default()).unwrap().items.len(), 1);
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn another_log_is_a_stop() {
    let store = Postgres::open(&Server::named().schema("another_log")).unwrap();
    Decisions::range(0..10).apply(&store, 0);
    let mut other = decision(3);
    other.transaction_id = "another".into();
    let rows = Decisions::new([(20, other)]);
    let records = rows.records();
    let batch = Batch { topic: "decisions", partition: 0, from: 10, next_offset: 21, decisions: &records, dead_letters: &[] };
    let error = store.apply(&[batch]).unwrap_err();
    assert_eq!(error.kind, Kind::Stop, "{error}");
    assert!(store.transaction("another").unwrap().is_none());
}

#[test]
#[ignore = "needs a PostgreSQL server, named by SLUICE_TEST_POSTGRES"]
fn a_store_that_closes_keeps_nobody_waiting() {
    let url = Server::named().schema("closing");
    let store = Postgres::open(&url).unwrap();
    Decisions::range(0..10).apply(&store, 0);
    assert_eq!(store.remove_before(i64::MAX / 4, 1000).unwrap(), Removed { decisions: 10, alerts: 3, dead_letters: 0 });
    store.vacuum().unwrap();
    store.interrupt();
    let begun = std::time::Instant::now();
    assert_eq!(store.totals().unwrap_err().kind, Kind::Retry);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
