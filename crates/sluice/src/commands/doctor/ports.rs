//! Whether a port is free, and who has it if not: on Linux the kernel's tables tell which process listens.

use super::Finding;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

/// `ours` is the instance that runs on the data folder, and the address it listens on.
pub fn free(what: &str, address: SocketAddr, option: &str, ours: Option<(u32, &str)>) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::fine(what, format!("{address} is free")),
        Err(e) if e.kind() == ErrorKind::AddrInUse => {
            let holder = holder(address.port());
            if let Some((pid, at)) = ours
                && (at == address.to_string() || holder.as_ref().is_some_and(|(p, _)| *p == pid))
            {
                return Finding::fine(what, format!("{address} is held by this instance, process {pid}"));
            }
            let (found, remedy) = match holder {
                Some((pid, name)) => {
                    (format!("{address} is taken by `{name}`, process {pid}"), format!("stop it, or choose another address with {option}"))
                }
                None => (
                    format!("{address} is taken by a process that cannot be seen from here"),
                    format!("run this as root to see which, or choose another address with {option}"),
                ),
            };
            Finding::wrong(what, found, remedy)
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            let remedy = format!("choose a port from 1024 on with {option}, or give the binary the right: setcap cap_net_bind_service=+ep");
            Finding::wrong(what, format!("{address} may not be used: {e}"), remedy)
        }
        Err(e) => Finding::wrong(what, format!("{address} cannot be used: {e}"), format!("name an address of this machine with {option}")),
    }
}

/// The process that listens on a port: its number and name.
fn holder(port: u16) -> Option<(u32, String)> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|table| listeners(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(open) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = |file: fs::DirEntry| fs::read_link(file.path()).is_ok_and(|link| inodes.iter().any(|i| link.as_os_str() == i.as_str()));
        if open.flatten().any(holds) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim_end().to_owned()));
        }
    }
    None
}

/// Inodes of the sockets that listen on a port, from a table of the kernel (proc(5), `/proc/net/tcp`).
pub(super) fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let of = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let at = fields.get(1)?.rsplit_once(':')?.1;
        (u16::from_str_radix(at, 16) == Ok(port) && *fields.get(3)? == LISTEN).then(|| fields.get(9).map(|i| (*i).to_owned()))?
    };
    table.lines().skip(1).filter_map(of).collect()
}
