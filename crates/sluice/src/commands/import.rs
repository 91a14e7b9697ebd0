//! `sluice import`: a file's rows as events of a stream, sent to a broker. It goes on behind the last row that was acknowledged; what
//! is sent twice has the same id and content and is judged once.

use super::{Outcome, Result, print_json, reach};
use crate::cli::{Import, OutputFormat};
use crate::dead_letter::DeadLetter;
use crate::opened;
use crate::topics;
use bytes::Bytes;
use domain::Error;
use indicatif::{ProgressBar, ProgressStyle};
use pipeline::{Clock, Outgoing, SystemClock};
use sources::{ImportSpec, Place, Reader, Row};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the broker's acknowledgement is waited for and the place kept.
const KEEP_EVERY: u64 = 50_000;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(args: &Import, output: OutputFormat) -> Result {
    let opened = opened::open(&args.project)?;
    let spec = spec(args)?;
    let Some(index) = opened.project.stream(&spec.stream) else {
        let names: Vec<&str> = opened.project.streams.iter().map(|s| s.stream.name.as_str()).collect();
        return Err(Error::stop(format!("{} has no stream `{}`", opened.from, spec.stream), format!("it has: {}", names.join(", "))));
    };
    let stream = &opened.project.streams[index].stream;
    let mut reader = Reader::open(&spec, stream)?;
    let cursor = args.cursor.clone().unwrap_or_else(|| cursor_of(&spec));
    let from = match (!args.restart).then(|| std::fs::read_to_string(&cursor).ok()).flatten() {
        Some(text) => serde_json::from_str(&text)
            .map_err(|e| Error::stop(format!("{} cannot be read", cursor.display()), "start over with --restart").because(e))?,
        None => Place::default(),
    };
    if from.row > 0 {
        reader.seek(from)?;
        eprintln!("going on behind row {}", from.row);
    }
    let sender = reach::named(args.kafka.as_deref(), &args.access)?.sender()?;
    sender.check(Duration::from_secs(5)).map_err(reach::unreached)?;
    let bar = bar(output, &reader);
    let begun = Instant::now();
    let (mut sent, mut bad) = (0u64, 0u64);
    let mut kept = from.row;
    loop {
        let Some(row) = reader.next().transpose()? else { break };
        let number = match row {
            Row::Record(record) => {
                let outgoing = Outgoing { key: Some(Bytes::copy_from_slice(record.key.as_bytes())), value: record.json.into() };
                sender.send(&stream.topic, record.event_time.div_euclid(1000), &outgoing)?;
                sent += 1;
                record.row
            }
            Row::Bad(row) => {
                bad += 1;
                if bad <= 10 {
                    let reasons: Vec<String> = row.reasons.iter().map(ToString::to_string).collect();
                    bar.suspend(|| eprintln!("row {} (line {}): {}", row.row, row.line.unwrap_or(row.row), reasons.join("; ")));
                }
                let now = SystemClock.now();
                let letter = DeadLetter {
                    topic: format!("file:{}", spec.file),
                    partition: 0,
                    offset: row.line.unwrap_or(row.row) as i64,
                    sequence: 0,
                    taken_at: now,
                    errors: row.reasons,
                    raw: None,
                    raw_base64: None,
                }
                .with_raw(&row.raw);
                let value = serde_json::to_vec(&letter).map_err(|e| Error::bug("a dead letter does not serialise").because(e))?;
                sender.send(topics::IMPORT_DEAD_LETTERS, now / 1000, &Outgoing { key: None, value: value.into() })?;
                row.row
            }
        };
        if number % 1000 == 0 {
            let progress = reader.progress();
            bar.set_position(progress.total_rows.map_or(progress.bytes, |_| progress.rows));
            bar.set_message(format!("{number} rows, {bad} bad"));
        }
        if number >= kept + KEEP_EVERY {
            kept = number;
            sender.flush(PATIENCE)?;
            keep(&cursor, reader.place())?;
        }
    }
    sender.flush(PATIENCE)?;
    keep(&cursor, reader.place())?;
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    match output {
        OutputFormat::Json => print_json(&serde_json::json!({
            "file": spec.file, "stream": spec.stream, "topic": stream.topic, "skipped": from.row, "sent": sent, "bad": bad, "seconds": seconds,
        }))?,
        OutputFormat::Human => {
            println!(
                "sent {sent} rows of {} to `{}` in {seconds:.1} s ({:.0} a second)",
                spec.file,
                stream.topic,
                sent as f64 / seconds.max(1e-9)
            );
            if bad > 0 {
                println!("{bad} rows could not be taken; they are in the topic `{}` with line and reason", topics::IMPORT_DEAD_LETTERS);
            }
        }
    }
    Ok(Outcome::Fine)
}

/// What to import: an import of the project by its name, or a file with the arguments beside it.
fn spec(args: &Import) -> domain::Result<ImportSpec> {
    let root = opened::folder(&args.project);
    if let Some(root) = &root
        && root.join("imports").join(format!("{}.yml", args.what)).exists()
    {
        return ImportSpec::load(root, &args.what);
    }
    if !Path::new(&args.what).exists() {
        return Err(Error::stop(
            format!("there is no file `{}`, and the project has no import of that name", args.what),
            "name a file, or an import as in imports/NAME.yml",
        ));
    }
    let stream = args.stream.clone().ok_or_else(|| Error::stop("a file needs a stream", "say --stream NAME"))?;
    let mut spec = ImportSpec::of(args.what.clone(), stream);
    spec.id = args.id.clone();
    spec.columns = args.columns.iter().cloned().collect();
    Ok(spec)
}

fn cursor_of(spec: &ImportSpec) -> PathBuf {
    let stem = Path::new(&spec.file).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    PathBuf::from("data").join("imports").join(format!("{}-{stem}.json", spec.stream))
}

fn keep(cursor: &Path, place: Place) -> domain::Result<()> {
    let cannot =
        |e: std::io::Error| Error::stop(format!("cannot write {}", cursor.display()), "free room, or choose another --cursor").because(e);
    if let Some(parent) = cursor.parent() {
        std::fs::create_dir_all(parent).map_err(cannot)?;
    }
    let json = serde_json::to_vec(&place).map_err(|e| Error::bug("a place does not serialise").because(e))?;
    let beside = cursor.with_extension("new");
    std::fs::write(&beside, json).and_then(|()| std::fs::rename(&beside, cursor)).map_err(cannot)
}

fn bar(output: OutputFormat, reader: &Reader) -> ProgressBar {
    if output == OutputFormat::Json {
        return ProgressBar::hidden();
    }
    let progress = reader.progress();
    let bar = ProgressBar::new(progress.total_rows.unwrap_or(progress.total_bytes));
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}%  {msg}  {elapsed} (about {eta} left)") {
        bar.set_style(style);
    }
    bar
}
