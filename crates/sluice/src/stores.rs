//! The store of an instance: where it is, opening it where a server may still be on its way up, and the key that the folder's owner
//! reaches the instance with.

use domain::{Error, Kind, Result};
use project::StoreSettings;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{Place, Store};

/// How long is waited before a server is asked again: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Where a copy of the token key lies when the store is not in the folder.
const KEY_FILE: &str = "token.key";

pub const TOKEN_KEY: &str = "token_key";

/// Where the project has its store.
pub fn place(settings: &StoreSettings, data: &Path) -> Place {
    match settings {
        StoreSettings::Embedded => Place::File(data.join("store.db")),
        // Read from text when the project was.
        StoreSettings::Postgres(address) => Place::Server(String::from_utf8_lossy(address.reveal()).into_owned()),
    }
}

/// Does what needs the store before anything can be judged. A server that is away is waited for, for as long as it takes: after a power
/// cut everything starts at once, in any order.
pub fn patiently<T>(place: &Place, work: impl Fn() -> Result<T>) -> Result<T> {
    let mut wait = BACK_OFF.0;
    loop {
        match work() {
            Err(e) if e.kind == Kind::Retry && matches!(place, Place::Server(_)) => {
                tracing::warn!(error = %e, wait_ms = wait.as_millis() as u64, "waiting for the store");
                std::thread::sleep(wait);
                wait = (wait * 2).min(BACK_OFF.1);
            }
            outcome => return outcome,
        }
    }
}

pub fn open(place: &Place) -> Result<Arc<dyn Store>> {
    patiently(place, || place.open())
}

/// Puts a copy of the token key into the folder where the store is elsewhere, readable by its owner alone: who may read the folder
/// may give orders, as with the embedded store.
pub fn leave_key(place: &Place, data: &Path, key: &[u8]) -> Result<()> {
    let path = data.join(KEY_FILE);
    let cannot = |e| Error::stop(format!("cannot write {}", path.display()), "choose a folder with --data").because(e);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(cannot(e)),
        _ => {}
    }
    if matches!(place, Place::File(_)) {
        return Ok(());
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).and_then(|mut file| std::io::Write::write_all(&mut file, key)).map_err(cannot)
}

/// The token key of the instance that runs on the folder.
pub fn key(data: &Path) -> Result<Vec<u8>> {
    match std::fs::read(data.join(KEY_FILE)) {
        Ok(key) => Ok(key),
        Err(_) => Place::File(data.join("store.db")).look()?.secret(TOKEN_KEY, &Vec::new),
    }
}
