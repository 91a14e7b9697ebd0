//! The machine: room and speed of the disk under the data folder, rights, limits, memory, clock.

use super::Finding;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const GB: u64 = 1_000_000_000;

/// Below this much room nothing can be promised, and below the second a busy day may fill it.
const ROOM_NEEDED: u64 = GB / 2;
const ROOM_WANTED: u64 = 10 * GB;

/// A decision waits for one sync: what is slower than this is felt by callers.
const SYNC_WANTED: Duration = Duration::from_millis(10);
const SYNCS: usize = 20;

/// Connections, and a file or three for each partition's segments.
const FILES_WANTED: u64 = 16_384;
const FILES_NEEDED: u64 = 1024;

/// The nearest folder that exists: the data folder may be still to be made.
fn standing(data: &Path) -> PathBuf {
    data.ancestors().find(|p| p.is_dir()).filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

pub fn folder(data: &Path) -> Vec<Finding> {
    let at = standing(data);
    let mut findings = vec![room(&at)];
    // A file without a name: nothing is left behind, whatever happens.
    let written = tempfile::tempfile_in(&at);
    match written {
        Err(e) => findings.push(Finding::wrong(
            "data folder",
            format!("{} cannot be written: {e}", at.display()),
            "give the user who runs Sluice the folder (chown), or choose another with --data",
        )),
        Ok(file) => {
            let found = if at == *data { "can be written" } else { "does not exist yet and can be made" };
            findings.push(Finding::fine("data folder", format!("{} {found}", data.display())));
            findings.push(sync(file));
        }
    }
    findings.extend(rights(data));
    findings
}

fn room(at: &Path) -> Finding {
    let Ok(disk) = rustix::fs::statvfs(at) else {
        return Finding::warning("disk", format!("the room under {} cannot be asked for", at.display()), "check that the disk is mounted");
    };
    let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    let found = format!("{:.1} GB free of {:.1} GB", free as f64 / GB as f64, all as f64 / GB as f64);
    match free {
        0..ROOM_NEEDED => Finding::wrong("disk", found, "make room: when the disk is full, nothing is taken any more"),
        ROOM_NEEDED..ROOM_WANTED => {
            Finding::warning("disk", found, "make room, or set `retention` in the project's streams: the log grows with every event")
        }
        _ => Finding::fine("disk", found),
    }
}

/// The middle of some small synced writes.
fn sync(mut file: File) -> Finding {
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        if let Err(e) = file.write_all(&[0; 4096]).and_then(|()| file.sync_data()) {
            return Finding::wrong("disk sync", format!("a write does not reach the disk: {e}"), "check the disk and its file system");
        }
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let (middle, worst) = (took[SYNCS / 2], took[SYNCS - 1]);
    let found = format!("{:.2} ms for 4 kB on disk, {:.2} ms at worst of {SYNCS}", middle.as_secs_f64() * 1e3, worst.as_secs_f64() * 1e3);
    if middle > SYNC_WANTED {
        let remedy = "put --data on a local SSD: each decision waits for one sync";
        return Finding::warning("disk sync", found, remedy);
    }
    Finding::fine("disk sync", found)
}

/// What lies in the folder must be ours to write, and the store for nobody else to read.
fn rights(data: &Path) -> Option<Finding> {
    let closed = |path: &Path| File::options().append(true).open(path).err();
    for name in ["store.db", "log/lock", "running.json"] {
        let path = data.join(name);
        if path.exists()
            && let Some(e) = closed(&path)
        {
            let remedy = format!("give it to the user who runs Sluice: chown -R USER {}", data.display());
            return Some(Finding::wrong("permissions", format!("{} cannot be written: {e}", path.display()), remedy));
        }
    }
    let store = data.join("store.db");
    let mode = fs::metadata(&store).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        let found = format!(
            "{} can be read by others (mode {:o}): it holds password hashes and the key that signs tokens",
            store.display(),
            mode & 0o777
        );
        return Some(Finding::wrong("permissions", found, format!("chmod 600 {}", store.display())));
    }
    Some(Finding::fine("permissions", format!("{} is readable by its owner alone", store.display())))
}

pub fn limits() -> Vec<Finding> {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile);
    let (soft, hard) = (files.current.unwrap_or(u64::MAX), files.maximum.unwrap_or(u64::MAX));
    let found = format!("{soft} open files allowed ({hard} at most)");
    let remedy = format!("ulimit -n {} before the start, or LimitNOFILE={FILES_WANTED} in the systemd unit", FILES_WANTED.min(hard));
    let files = match soft {
        0..FILES_NEEDED => Finding::wrong("open files", found, remedy),
        FILES_NEEDED..FILES_WANTED => Finding::warning("open files", found, remedy),
        _ => Finding::fine("open files", found),
    };
    let threads = getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX);
    let threads = match threads {
        0..256 => Finding::wrong(
            "threads",
            format!("{threads} processes and threads allowed"),
            "ulimit -u 4096, or TasksMax=4096 in the systemd unit",
        ),
        _ => Finding::fine("threads", if threads == u64::MAX { "no limit".into() } else { format!("{threads} allowed") }),
    };
    vec![files, threads]
}

/// The state's budget against what the machine has to give.
pub fn memory(budget: Option<u64>) -> Finding {
    let budget = budget.unwrap_or(GB);
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = table.lines().find_map(|l| l.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let Some(available) = available.map(|kb| kb * 1024) else {
        return Finding::fine("memory", format!("{:.1} GB for features; what the machine has cannot be seen", budget as f64 / GB as f64));
    };
    let found = format!("{:.1} GB available, {:.1} GB of it for features", available as f64 / GB as f64, budget as f64 / GB as f64);
    if budget + GB / 4 > available {
        return Finding::warning("memory", found, "lower `state_memory` in sluice.yml: what does not fit waits on disk");
    }
    Finding::fine("memory", found)
}

/// Event times are held against this clock: one that runs wrongly has good payments refused.
pub fn clock(data: &Path) -> Vec<Finding> {
    let now = SystemTime::now();
    let since_1970 = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    const NTP: &str = "set the clock, and keep it: timedatectl set-ntp true, or chrony";
    // When this was written, and a hundred years on.
    if !(1_780_000_000..4_900_000_000).contains(&since_1970) {
        return vec![Finding::wrong("clock", format!("says {}", domain::time::format(since_1970 as i64 * 1_000_000)), NTP)];
    }
    let mut findings = vec![steady()];
    let probe = tempfile::NamedTempFile::new_in(standing(data)).and_then(|f| {
        f.as_file().write_all_at_once()?;
        f.as_file().metadata()?.modified()
    });
    if let Ok(stamped) = probe {
        let apart = stamped.duration_since(now).or_else(|_| now.duration_since(stamped)).unwrap_or_default();
        findings.push(if apart > Duration::from_secs(2) {
            let found = format!("the file system's clock and this machine's are {:.1} s apart", apart.as_secs_f64());
            Finding::warning("file times", found, "keep both machines' clocks by NTP, or put --data on a local disk")
        } else {
            Finding::fine("file times", "the file system has the same time")
        });
    }
    let newest = ["store.db", "store.db-wal", "simulator.cursor", "running.json"]
        .iter()
        .filter_map(|f| data.join(f).metadata().ok()?.modified().ok())
        .max();
    if let Some(ahead) = newest.and_then(|newest| newest.duration_since(now).ok()).filter(|ahead| *ahead > Duration::from_secs(2)) {
        findings.push(Finding::wrong(
            "clock",
            format!("data was written {:.0} s in the future: the clock was set back", ahead.as_secs_f64()),
            NTP,
        ));
    }
    findings
}

/// Wall clock and monotonic clock side by side.
fn steady() -> Finding {
    let (wall, monotonic) = (SystemTime::now(), Instant::now());
    std::thread::sleep(Duration::from_millis(100));
    let (walked, passed) = (wall.elapsed().ok(), monotonic.elapsed());
    let apart = walked.map(|w| w.abs_diff(passed));
    match apart {
        Some(apart) if apart < Duration::from_millis(20) => {
            Finding::fine("clock", format!("{}, and runs steadily", domain::time::format(pipeline::Clock::now(&mut pipeline::SystemClock))))
        }
        _ => Finding::warning("clock", "was set while it was looked at", "slew the clock instead of stepping it (chrony does)"),
    }
}

/// Stamps a file with the file system's time.
trait Stamp {
    fn write_all_at_once(&self) -> std::io::Result<()>;
}

impl Stamp for File {
    fn write_all_at_once(&self) -> std::io::Result<()> {
        let mut file = self;
        file.write_all(b"x")
    }
}
