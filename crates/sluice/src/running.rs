//! Where the instance of a data folder can be reached: a small file beside its data, written when its doors are open.

use domain::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "running.json";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    pub http: String,
    pub kafka: String,
}

impl Running {
    pub fn write(&self, data: &Path) -> Result<()> {
        let path = data.join(FILE);
        let json = serde_json::to_vec(self).map_err(|e| Error::bug("an address does not serialise").because(e))?;
        std::fs::write(&path, json)
            .map_err(|e| Error::stop(format!("cannot write {}", path.display()), "choose a folder with --data").because(e))
    }

    pub fn remove(data: &Path) {
        let _ = std::fs::remove_file(data.join(FILE));
    }

    /// The instance that runs on the folder, if one does.
    pub fn find(data: &Path) -> Option<Self> {
        let running: Self = serde_json::from_slice(&std::fs::read(data.join(FILE)).ok()?).ok()?;
        // One that was killed leaves its file behind.
        let name = std::fs::read_to_string(format!("/proc/{}/comm", running.pid)).ok()?;
        name.starts_with("sluice").then_some(running)
    }

    /// An address that can be called: a server that listens on all of a machine's is called on this one.
    pub fn callable(address: &str) -> String {
        address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_is_not_running() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Running::find(folder.path()), None);
        // Beyond the largest process number that Linux gives.
        Running { pid: u32::MAX, http: "127.0.0.1:1".into(), kafka: "127.0.0.1:2".into() }.write(folder.path()).unwrap();
        assert_eq!(Running::find(folder.path()), None);
        assert_eq!(Running::callable("0.0.0.0:80"), "127.0.0.1:80");
    }
}
