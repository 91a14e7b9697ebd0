//! `sluice lists`: what is on a list, and changing it while the instance runs.

use super::{Outcome, Result, print_json};
use crate::cli::{ListsCommand, OutputFormat, Target};
use crate::client::{self, Reached};
use crate::opened;
use comfy_table::{ContentArrangement, Table, presets};
use domain::{Error, Text};
use project::{Diagnostic, ListSpec, Place};
use server::changes::{Changed, ListAction, ListEvent, ListItem, NewEntry, OldEntry, Refused};
use std::path::Path;

/// Entries in one request of an import.
const PART: usize = 5_000;

/// Entries on one page.
const PAGE: usize = 1_000;

pub fn run(command: &ListsCommand, output: OutputFormat) -> Result {
    let runtime = super::small_runtime()?;
    let target = command.target();
    let reached = client::reach(target, || Ok(opened::open(&target.project)?.project.settings.log.clone()), runtime.handle())?;
    let outcome = runtime.block_on(async {
        let outcome = match command {
            ListsCommand::Show(args) => show(&reached, args.list.as_deref(), &args.key, args.history, args.limit, output).await,
            ListsCommand::Add(args) => {
                let entry = NewEntry { key: args.key.clone(), why: args.why.clone(), until: args.until.clone() };
                let changed = reached.changes.add_to_list(&reached.who, &args.list, vec![entry], args.replace).await;
                changed.map(|c| told(&reached, &c, &format!("{} is on {}", args.key.join(", "), args.list), output))
            }
            ListsCommand::Remove(args) => {
                let entry = OldEntry { key: args.key.clone(), why: args.why.clone() };
                let changed = reached.changes.remove_from_list(&reached.who, &args.list, vec![entry]).await;
                changed.map(|c| told(&reached, &c, &format!("{} is off {}", args.key.join(", "), args.list), output))
            }
            ListsCommand::Import(args) => import(&reached, target, &args.list, &args.file, args.why.as_deref(), output).await,
        };
        reached.close().await;
        outcome
    });
    match outcome {
        Ok(outcome) => outcome,
        Err(refused) => super::refused(&refused, output),
    }
}

fn told(reached: &Reached, changed: &Changed, what: &str, output: OutputFormat) -> Result {
    if output == OutputFormat::Json {
        print_json(changed)?;
        return Ok(Outcome::Fine);
    }
    match (changed.changed, changed.sequence, &reached.offline) {
        (0, ..) => println!("{what} already"),
        (_, Some(sequence), _) => println!("{what} from {sequence} in the sequence on"),
        (_, None, Some(_)) => println!("{what} from the next start on: nothing runs on this folder now"),
        (_, None, None) => println!("{what}"),
    }
    Ok(Outcome::Fine)
}

async fn show(
    reached: &Reached,
    list: Option<&str>,
    key: &[String],
    history: bool,
    limit: usize,
    output: OutputFormat,
) -> std::result::Result<Result, Refused> {
    let changes = &reached.changes;
    let Some(list) = list else {
        let lists = changes.lists().await?;
        if output == OutputFormat::Json {
            return Ok(print_json(&lists).map(|()| Outcome::Fine));
        }
        let mut table = plain(&["list", "key", "entries", "added", "taken off"]);
        for l in &lists {
            table.add_row([&l.name, &l.columns.join(", "), &l.entries.to_string(), &l.added.to_string(), &l.removed.to_string()]);
        }
        println!("{table}");
        return Ok(Ok(Outcome::Fine));
    };
    let key = (!key.is_empty()).then(|| key.to_vec());
    if history {
        let events = changes.list_history(list, key, limit.min(PAGE)).await?;
        return Ok(show_history(&events, output).map(|()| Outcome::Fine));
    }
    let mut items: Vec<ListItem> = Vec::new();
    let mut more = true;
    while more && items.len() < limit {
        let page = changes.list(list, key.clone(), items.len(), PAGE.min(limit - items.len())).await?;
        more = page.next.is_some() && !page.items.is_empty();
        items.extend(page.items);
    }
    if output == OutputFormat::Json {
        return Ok(print_json(&items).map(|()| Outcome::Fine));
    }
    let mut table = plain(&["entry", "who", "why", "until", "added"]);
    for item in &items {
        let at = item.at.as_deref().unwrap_or("in the file");
        table.add_row([item.key.join(", ").as_str(), &item.who, &item.why, item.until.as_deref().unwrap_or_default(), at]);
    }
    println!("{table}");
    if more {
        println!("and more: --limit shows them");
    }
    Ok(Ok(Outcome::Fine))
}

fn show_history(events: &[ListEvent], output: OutputFormat) -> domain::Result<()> {
    if output == OutputFormat::Json {
        return print_json(&events);
    }
    let mut table = plain(&["when", "who", "what", "entry", "why", "until"]);
    for event in events {
        let what = if event.action == ListAction::Add { "added" } else { "taken off" };
        let (at, until) = (domain::time::format(event.at), event.until.as_deref().unwrap_or_default());
        table.add_row([at.as_str(), &event.who, what, &event.key.join(", "), &event.why, until]);
    }
    println!("{table}");
    Ok(())
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(header.to_vec());
    table
}

/// Checks the whole file before anything is put on the list, then sends it in parts.
async fn import(
    reached: &Reached,
    target: &Target,
    list: &str,
    file: &Path,
    why: Option<&str>,
    output: OutputFormat,
) -> std::result::Result<Result, Refused> {
    let columns = reached.changes.list(list, None, 0, 1).await?.columns;
    let entries = match entries(file, list, &columns, why) {
        Ok(Ok(entries)) => entries,
        Ok(Err(mistakes)) => {
            let name = file.display().to_string();
            return Ok(super::mistakes(&mistakes, &name, output).map(|()| Outcome::Found));
        }
        Err(e) => return Ok(Err(e)),
    };
    let mut all = Changed::default();
    let count = entries.len();
    for (n, part) in entries.chunks(PART).enumerate() {
        let part = reached.changes.add_to_list(&reached.who, list, part.to_vec(), true).await.map_err(|refused| match refused {
            Refused::Later(why) if n > 0 => {
                Refused::Later(format!("{why}; {} entries are on the list, import it again for the rest", n * PART))
            }
            other => other,
        })?;
        all = Changed {
            changed: all.changed + part.changed,
            unchanged: all.unchanged + part.unchanged,
            sequence: part.sequence.or(all.sequence),
        };
        if output == OutputFormat::Human && target.http.is_none() && count > PART {
            eprintln!("  {} of {count}", ((n + 1) * PART).min(count));
        }
    }
    let what = format!("{} entries of {} ({} were so already) are on {list}", all.changed, file.display(), all.unchanged);
    Ok(told(reached, &all, &what, output))
}

type Checked<T> = domain::Result<std::result::Result<T, Vec<Diagnostic>>>;

/// The file's entries, keys in the order of the list's columns.
fn entries(file: &Path, list: &str, columns: &[String], why: Option<&str>) -> Checked<Vec<NewEntry>> {
    let bytes = std::fs::read(file).map_err(|e| Error::stop(format!("cannot read {}", file.display()), "name a CSV file").because(e))?;
    let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let spec: ListSpec = match project::read_list(&name, &bytes) {
        Ok(spec) => spec,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let order: Option<Vec<usize>> = columns.iter().map(|c| spec.columns.iter().position(|s| s == c)).collect();
    let Some(order) = order.filter(|o| o.len() == spec.columns.len()) else {
        let has = |of: &[Text]| of.iter().map(Text::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("has the key columns {}, and the list {list} has {}", has(&spec.columns), columns.join(", "));
        let mistake = Diagnostic::new(Place::file(name), message).hint("besides key columns there are who, why and until");
        return Ok(Err(vec![mistake]));
    };
    let mut mistakes = Vec::new();
    let mut entries = Vec::with_capacity(spec.entries.len());
    for entry in spec.entries {
        let why = if entry.why.is_empty() { why.unwrap_or_default().to_owned() } else { entry.why };
        if why.is_empty() {
            let place = Place { file: name.clone(), line: entry.line, column: 0 };
            mistakes.push(Diagnostic::new(place, "does not say why").hint("fill the column `why`, or give --why for all that have none"));
        }
        let key = order.iter().map(|at| entry.key[*at].to_string()).collect();
        entries.push(NewEntry { key, why, until: entry.until.map(domain::time::format) });
    }
    Ok(if mistakes.is_empty() { Ok(entries) } else { Err(mistakes) })
}
