//! The report as Markdown: tables that read on a terminal and stand in documents.

use super::report::{OfRule, Report};
use domain::{Action, RuleMode, Value};
use std::fmt::Write as _;

/// A scenario of whose amount less than this share is caught goes through as good as freely.
const MISSED: f64 = 0.5;

pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to memory cannot fail.
    let _ = overall(&mut text, report);
    let _ = rules(&mut text, report);
    let _ = by_scenario(&mut text, report);
    let _ = scenarios(&mut text, report);
    text
}

fn overall(text: &mut String, report: &Report) -> std::fmt::Result {
    let o = &report.overall;
    writeln!(text, "## What the policy does\n")?;
    writeln!(
        text,
        "{} transactions in {:.0} days, {} of them fraud ({}), worth {}. Amounts are of `{}`.",
        number(report.transactions),
        report.days,
        number(o.fraud),
        percent(o.fraud_share),
        money(&o.fraud_amount),
        report.amount_of
    )?;
    if report.refused > 0 {
        writeln!(text, "{} records could not be taken.", number(report.refused))?;
    }
    writeln!(
        text,
        "{} of the fraud is reviewed or blocked, {} of its amount. Of what is reviewed or blocked, {} is fraud. {} genuine transactions a day are \
         held up, worth {} in all; {} of fraud goes through.\n",
        percent(o.recall),
        percent(o.recall_amount),
        percent(o.precision),
        rate(o.false_positives_a_day),
        money(&o.amount_wrongly_stopped),
        money(&o.amount_missed)
    )?;
    writeln!(text, "| decision | transactions | share | a day | fraud | its amount | genuine | its amount | precision |")?;
    writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    for d in &report.decisions {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            word(d.decision),
            number(d.transactions),
            percent(d.share),
            rate(d.a_day),
            number(d.fraud),
            money(&d.fraud_amount),
            number(d.genuine),
            money(&d.genuine_amount),
            percent(d.precision)
        )?;
    }
    Ok(())
}

fn rules(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "\n## What each rule catches and costs\n")?;
    writeln!(
        text,
        "*Precision*: fraud among its hits. *Recall*: the share of all fraud that it hits, by number and by amount. *Alone*: fraud that no other live \
         rule hits. A rule in shadow decides nothing; its figures say what it would do.\n"
    )?;
    writeln!(
        text,
        "| rule | does | hits | precision | recall | by amount | false positives a day | fraud caught | genuine held up | alone |"
    )?;
    writeln!(text, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    for r in sorted(report) {
        let shadow = if r.mode == RuleMode::Shadow { ", in shadow" } else { "" };
        writeln!(
            text,
            "| {} | {}{shadow} | {} | {} | {} | {} | {} | {} | {} | {} |",
            r.rule,
            word(r.action),
            number(r.hits),
            percent(r.precision),
            percent(r.recall),
            percent(r.recall_amount),
            rate(r.false_positives_a_day),
            money(&r.amount_caught),
            money(&r.amount_wrongly_stopped),
            number(r.fraud_alone)
        )?;
    }
    Ok(())
}

fn by_scenario(text: &mut String, report: &Report) -> std::fmt::Result {
    if report.scenarios.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n## Which rule sees what\n\nThe share of each scenario's transactions that a rule hits.\n")?;
    let names: Vec<&str> = report.scenarios.iter().map(|s| s.scenario.as_str()).collect();
    writeln!(text, "| rule | {} |", names.join(" | "))?;
    writeln!(text, "|---|{}", "---:|".repeat(names.len()))?;
    for r in sorted(report).into_iter().filter(|r| r.fraud > 0) {
        let shares = names.iter().map(|name| match r.recall_by_scenario.get(*name).copied().flatten() {
            Some(share) if share > 0.0 => percent(Some(share)),
            _ => String::new(),
        });
        writeln!(text, "| {} | {} |", r.rule, shares.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

fn scenarios(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "\n## What is caught of each scenario\n")?;
    writeln!(text, "*Unseen*: hit by no rule at all, not even by one in shadow.\n")?;
    writeln!(
        text,
        "| scenario | transactions | amount | caught | by amount | blocked | unseen | unseen amount | the rules that hit most |"
    )?;
    writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---|")?;
    for s in &report.scenarios {
        let rules: Vec<String> = s.rules.iter().map(|(rule, share)| format!("{rule} {}", percent(Some(*share)))).collect();
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            s.scenario,
            number(s.transactions),
            money(&s.amount),
            percent(s.caught),
            percent(s.caught_amount),
            percent(s.blocked),
            percent(s.unseen),
            money(&s.amount_unseen),
            rules.join(", ")
        )?;
    }
    let missed: Vec<String> = report
        .scenarios
        .iter()
        .filter(|s| s.caught_amount.is_some_and(|share| share < MISSED))
        .map(|s| format!("{} ({})", s.scenario, percent(s.caught_amount)))
        .collect();
    if !missed.is_empty() {
        writeln!(text, "\nNot caught yet, or only in small part (less than half of the amount): {}.", missed.join(", "))?;
    }
    Ok(())
}

/// The most useful first: by fraud that they catch, in amount.
fn sorted(report: &Report) -> Vec<&OfRule> {
    let mut rules: Vec<&OfRule> = report.rules.iter().collect();
    let amount = |r: &OfRule| r.amount_caught.as_f64().unwrap_or_default();
    rules.sort_by(|a, b| amount(b).total_cmp(&amount(a)).then_with(|| a.rule.cmp(&b.rule)));
    rules
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Review => "review",
        Action::Block => "block",
    }
}

/// Full units, in groups of three: the cents of a sum say nothing.
fn money(amount: &Value) -> String {
    let units = amount.as_f64().unwrap_or_default().round();
    let text = number(units.abs() as u64);
    if units < 0.0 { format!("-{text}") } else { text }
}

fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) if share > 0.0 && share < 0.1 => format!("{:.2} %", share * 100.0),
        Some(share) => format!("{:.1} %", share * 100.0),
        None => String::new(),
    }
}

fn rate(a_day: Option<f64>) -> String {
    a_day.map(|r| format!("{r:.1}")).unwrap_or_default()
}
