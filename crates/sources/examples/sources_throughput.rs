//! How many rows a second a file gives on one core:
//! `cargo run --release -p sources --example sources_throughput -- PROJECT_FOLDER IMPORT [FILE]`.

use sources::{ImportSpec, Reader, Row};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (root, name) = (arguments.next().ok_or("name a project folder")?, arguments.next().ok_or("name an import")?);
    let project = project::Project::load(Path::new(&root)).map_err(|mistakes| format!("{} mistakes in the project", mistakes.len()))?;
    let mut import = ImportSpec::load(Path::new(&root), &name)?;
    if let Some(file) = arguments.next() {
        import.file = file;
    }
    let stream = project.streams.iter().find(|s| s.stream.name == import.stream).ok_or("the import's stream is not in the project")?;
    let started = Instant::now();
    let (mut records, mut bad, mut bytes) = (0u64, 0u64, 0usize);
    for row in Reader::open(&import, &stream.stream)? {
        match row? {
            Row::Record(record) => {
                records += 1;
                bytes += record.json.len();
            }
            Row::Bad(_) => bad += 1,
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{records} records of {} MB and {bad} bad rows in {seconds:.2} s: {:.0} rows/s",
        bytes / 1_000_000,
        (records + bad) as f64 / seconds
    )?;
    Ok(())
}
