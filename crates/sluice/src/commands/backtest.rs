//! `sluice backtest`: files of events judged by the engine itself, their labels laid beside: what every rule catches and costs, and what
//! nothing catches yet.

mod labels;
mod markdown;
mod report;
mod tally;
#[cfg(test)]
mod tests;

use super::{Outcome, Result, print_json};
use crate::cli::{Backtest, OutputFormat};
use crate::files::{self, Watcher};
use crate::opened;
use domain::{Decision, Error, Micros, Stream, Type, Value};
use indicatif::{ProgressBar, ProgressStyle};
use labels::Labels;
use scoring::Plan;
use tally::{Amount, Tallies};

/// Records that could not be taken are shown up to this many; all are counted.
const SHOWN: u64 = 10;

pub fn run(args: &Backtest, output: OutputFormat) -> Result {
    let opened = opened::open(&args.project)?;
    let plan = &opened.plan;
    let files = files::of(plan, &args.events)?;
    let stream = plan.judged();
    let amount = amount(stream);
    let id = stream.judged.as_ref().map_or("transaction_id", |roles| stream.fields[roles.id].name.as_str());
    let labels = Labels::read(&args.labels, id)?;
    let bytes = files.iter().filter_map(|(_, path)| Some(path.metadata().ok()?.len())).sum();
    let tallies = Tallies::new(plan.rules.rules(), &labels);
    let mut judged = Judged {
        plan,
        tallies,
        labels: &labels,
        amount: &amount,
        from: args.from.unwrap_or(Micros::MIN),
        refused: 0,
        row: Vec::new(),
        bar: bar(bytes),
    };
    let counts = files::judge(plan, &files, &mut judged)?;
    judged.bar.finish_and_clear();
    if counts.refused > SHOWN {
        eprintln!("{} of {} records could not be taken; the first {SHOWN} are shown", counts.refused, counts.records);
    }
    if judged.tallies.transactions() == 0 {
        let hint = format!("give the events of `{}`, and times that --from lets through", stream.name);
        return Err(Error::stop("there is no transaction to look at", hint));
    }
    if judged.tallies.labelled() == 0 {
        let hint = format!("check that both are of the same run: a label names its transaction in `{id}`");
        return Err(Error::stop(format!("none of the labels in {} is about these transactions", args.labels.display()), hint));
    }
    let report = judged.tallies.report(&plan.digest, &amount, counts.refused);
    match output {
        OutputFormat::Json => print_json(&report)?,
        OutputFormat::Human => print!("{}", markdown::render(&report)),
    }
    Ok(Outcome::Fine)
}

/// The field that a transaction's worth is read from: the one in the project's currency, where the stream has one.
fn amount(stream: &Stream) -> Amount {
    let own = stream.judged.as_ref().and_then(|roles| roles.amount);
    let converted = stream.fields.iter().position(|f| f.convert.as_ref().is_some_and(|c| Some(c.amount) == own));
    let slot = converted.or(own);
    let scale = slot.map_or(0, |slot| match stream.field_type(slot) {
        Type::Decimal(scale) => scale,
        _ => 0,
    });
    Amount { name: slot.map_or("(none)".into(), |slot| stream.fields[slot].name.to_string()), slot, scale }
}

/// Shown on a terminal alone.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}%  {elapsed} (about {eta} left)") {
        bar.set_style(style);
    }
    bar
}

struct Judged<'a> {
    plan: &'a Plan,
    tallies: Tallies,
    labels: &'a Labels,
    amount: &'a Amount,
    from: Micros,
    refused: u64,
    // Reused from transaction to transaction.
    row: Vec<Value>,
    bar: ProgressBar,
}

impl Watcher for Judged<'_> {
    fn decided(&mut self, decision: &Decision, _: &[Value], record: &[u8]) -> domain::Result<()> {
        if decision.event_time >= self.from {
            let decoded = self.plan.decoders[self.plan.judged].decode(record, &mut self.row);
            decoded.map_err(|_| Error::bug("an event that was judged does not decode"))?;
            self.tallies.add(decision, self.labels.of(&decision.transaction_id), self.amount.of(&self.row));
        }
        Ok(())
    }

    fn refused(&mut self, place: &str, why: &str) {
        self.refused += 1;
        if self.refused <= SHOWN {
            self.bar.suspend(|| eprintln!("{place}: {why}"));
        }
    }

    fn read(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
    }
}
