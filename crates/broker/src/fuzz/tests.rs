//! A bounded run of every target: seeded mutations of the kept corpus, in a process of its own with a limit on its memory, so that a
//! crash, a hang and a greedy allocation are all found, and the input that did it is kept.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Set for the process that runs a target: its name.
const TARGET: &str = "SLUICE_FUZZ_TARGET";
/// Where that process writes each input before it runs it.
const KEEP: &str = "SLUICE_FUZZ_KEEP";
/// Another run: the seed, and for how long.
const SEED: &str = "SLUICE_FUZZ_SEED";
const SECONDS: &str = "SLUICE_FUZZ_SECONDS";
const USUAL_SECONDS: u64 = 8;
/// And at most so many inputs, so that usual runs are alike wherever they run.
const INPUTS: &str = "SLUICE_FUZZ_INPUTS";
const USUAL_INPUTS: u64 = 10_000;
/// What the process may take in memory, in KB: the inputs have some KB each.
const MEMORY_KB: u64 = 2 << 20;
/// A single input that takes longer hangs.
const MOST_TIME: Duration = Duration::from_secs(20);
const LARGEST_INPUT: usize = 64 << 10;

const TARGETS: [&str; 3] = ["request", "records", "recovery"];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Changes an input here and there: bits, numbers at the edges, pieces cut, doubled, and taken from another input.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut SmallRng) {
    const EDGES: [u64; 12] = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
    for _ in 0..random.random_range(1..6) {
        if input.is_empty() {
            input.push(random.random_range(0..=255));
        }
        let at = random.random_range(0..input.len());
        let end = random.random_range(at..=input.len().min(at + 64));
        match random.random_range(0..8) {
            0 => input[at] ^= 1 << random.random_range(0..8),
            1 => input[at] = random.random_range(0..=255),
            2 => {
                let bytes = EDGES[random.random_range(0..EDGES.len())].to_be_bytes();
                let width = [1, 2, 4, 8][random.random_range(0..4)].min(input.len() - at);
                input[at..at + width].copy_from_slice(&bytes[8 - width..]);
            }
            3 => drop(input.drain(at..end)),
            4 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            5 => {
                let mut piece = vec![0; random.random_range(1..16)];
                random.fill_bytes(&mut piece);
                input.splice(at..at, piece);
            }
            6 => {
                let other = &others[random.random_range(0..others.len())];
                let from = random.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.truncate(at),
        }
    }
    input.truncate(LARGEST_INPUT);
}

fn run(target: &str, input: &[u8], dir: &Path) {
    match target {
        "request" => super::request(input),
        "records" => super::records(input),
        "recovery" => super::recovery(input, dir),
        other => panic!("there is no target {other}"),
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// What the process of its own does; nothing in the usual run of the tests.
#[test]
fn one_target() {
    let Ok(target) = std::env::var(TARGET) else { return };
    let keep = PathBuf::from(std::env::var(KEEP).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let seeds = corpus(&target);
    assert!(seeds.len() > 5, "{target} has no corpus");
    let mut random = SmallRng::seed_from_u64(number(SEED, 1));
    let until = Instant::now() + Duration::from_secs(number(SECONDS, USUAL_SECONDS));
    let mut pool = seeds.clone();
    let mut runs = 0u64;
    let most = number(INPUTS, if std::env::var(SECONDS).is_ok() { u64::MAX } else { USUAL_INPUTS });
    let once = |input: &[u8]| {
        std::fs::write(&keep, input).unwrap();
        let started = Instant::now();
        run(&target, input, &dir.path().join("partition"));
        assert!(started.elapsed() < MOST_TIME, "an input takes too long");
    };
    seeds.iter().for_each(|input| once(input));
    while runs < most && Instant::now() < until {
        runs += 1;
        let mut input = pool[random.random_range(0..pool.len())].clone();
        mutate(&mut input, &seeds, &mut random);
        once(&input);
        // Changes add up: some of what was made is changed again.
        if random.random_range(0..50) == 0 {
            let place = random.random_range(0..pool.len() + 1);
            if place < seeds.len() || pool.len() < 4 * seeds.len() { pool.push(input) } else { pool[place - 1] = input }
        }
    }
    println!("{target}: {runs} inputs");
}

#[test]
fn nothing_that_strangers_send_or_disks_give_back_crashes_hangs_or_is_greedy() {
    let dir = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let children = TARGETS.map(|target| {
        let keep = dir.path().join(target);
        let limited = format!("ulimit -v {MEMORY_KB}; exec timeout 300 \"$0\" --exact fuzz::tests::one_target --nocapture");
        let child = Command::new("sh")
            .args(["-c", &limited])
            .arg(&exe)
            .env(TARGET, target)
            .env(KEEP, &keep)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        (target, keep, child)
    });
    for (target, keep, child) in children {
        let output = child.wait_with_output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            let input: String = std::fs::read(keep).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{target} fails with {} on the input {input}\n{said}", output.status);
        }
        assert!(said.contains(&format!("{target}: ")), "{said}");
    }
}
