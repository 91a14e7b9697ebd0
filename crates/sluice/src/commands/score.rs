//! `sluice score`: files of events, judged without any service, one decision a line. The same files give the same bytes.

use super::{Out, Outcome, Result};
use crate::cli::Score;
use crate::files::{self, Watcher};
use crate::opened;
use domain::{Decision, Value};
use scoring::Plan;

pub fn run(args: &Score) -> Result {
    let opened = opened::open(&args.project)?;
    let mut printer = Printer { plan: &opened.plan, features: args.features, out: Out::new() };
    let counts = files::judge(&opened.plan, &files::of(&opened.plan, &args.events)?, &mut printer)?;
    printer.out.flush()?;
    if counts.refused > 0 {
        eprintln!("{} of {} records could not be taken", counts.refused, counts.records);
    }
    Ok(Outcome::Fine)
}

struct Printer<'a> {
    plan: &'a Plan,
    features: bool,
    out: Out,
}

impl Watcher for Printer<'_> {
    fn decided(&mut self, decision: &Decision, features: &[Value], _: &[u8]) -> domain::Result<()> {
        let mut json = decision.to_json();
        if self.features {
            json.pop();
            json.extend_from_slice(b",\"features\":{");
            for (n, (feature, value)) in self.plan.features.features.iter().zip(features).enumerate() {
                json.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
                json.extend_from_slice(feature.name.as_bytes());
                json.extend_from_slice(b"\":");
                value.write_json(&mut json);
            }
            json.extend_from_slice(b"}}");
        }
        self.out.line(&json)
    }

    fn refused(&mut self, place: &str, why: &str) {
        eprintln!("{place}: {why}");
    }
}
