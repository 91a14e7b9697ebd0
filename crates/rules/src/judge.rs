//! From one row to a decision: which rules hit, what they make of the score, and what lists and thresholds say to that.

use crate::{ListState, Ruleset};
use domain::{Action, Judged, Micros, Reason, RuleHit, RuleMode, Text, Value};
use expr::Context;

/// What the rules and the policy say of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub decision: Action,
    /// 0 to 1: what the live rules that hit leave of certainty, `1 - product(1 - weight)`, rounded to four places.
    pub score: f64,
    /// Every rule that hit, in the project's order; shadow ones too.
    pub hits: Vec<RuleHit>,
    /// A list that settled the decision stands alone; else the live rules that hit, the weightiest first.
    pub reasons: Vec<Reason>,
    /// The fields and features that the hits and the reasons speak of, by name.
    pub values: Vec<(Text, Value)>,
}

/// The reason's code where an event is judged without its features.
const TOO_LATE: &str = "too_late";

impl Ruleset {
    /// Judges one row: the event's fields, then its features (all null if it came too late). `at` is the event time.
    pub fn judge(&self, slots: &[Value], lists: &ListState, at: Micros, judged: Judged) -> Verdict {
        let context = Context { slots, lists, at };
        let mut verdict = Verdict { decision: Action::Allow, score: 0.0, hits: Vec::new(), reasons: Vec::new(), values: Vec::new() };
        let mut left = 1.0;
        let mut read: Vec<usize> = Vec::new();
        for rule in self.rules.iter().filter(|r| r.when.test(&context)) {
            let message = rule.message.render(&context);
            if rule.mode == RuleMode::Live {
                left *= 1.0 - rule.weight;
                verdict.decision = verdict.decision.max(rule.action);
                verdict.reasons.push(Reason { code: rule.name.clone(), message: message.clone(), weight: rule.weight });
            }
            verdict.hits.push(RuleHit { rule: rule.name.clone(), action: rule.action, severity: rule.severity, mode: rule.mode, message });
            read.extend_from_slice(&rule.reads);
        }
        // Half up at the fifth place, and never past 1.
        verdict.score = ((1.0 - left) * 10_000.0 + 0.5).floor().clamp(0.0, 10_000.0) / 10_000.0;
        verdict.reasons.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.code.cmp(&b.code)));
        let reaches = |threshold: Option<f64>| threshold.is_some_and(|t| verdict.score >= t);
        if reaches(self.policy.block_score) {
            verdict.decision = verdict.decision.max(Action::Block);
        } else if reaches(self.policy.review_score) {
            verdict.decision = verdict.decision.max(Action::Review);
        }
        if judged == Judged::TooLate {
            verdict.decision = verdict.decision.max(self.policy.too_late);
            let message = "came later than the stream's lateness, so it was judged without features".to_owned();
            verdict.reasons.push(Reason { code: Text::new_static(TOO_LATE), message, weight: 0.0 });
        }
        self.settle(&context, lists, &mut verdict, &mut read);
        read.sort_unstable();
        read.dedup();
        verdict.values = read.into_iter().map(|slot| (self.names[slot].clone(), slots.get(slot).cloned().unwrap_or_default())).collect();
        verdict.values.sort_by(|a, b| a.0.cmp(&b.0));
        verdict
    }

    /// The first list of the policy with a matching entry decides alone.
    fn settle(&self, context: &Context<'_>, lists: &ListState, verdict: &mut Verdict, read: &mut Vec<usize>) {
        const MOST_KEYS: usize = 8;
        for policy in &self.policy.lists {
            let mut few: [Value; MOST_KEYS] = Default::default();
            let many: Vec<Value>;
            let key = if policy.keys.len() <= MOST_KEYS {
                for (value, key) in few.iter_mut().zip(&policy.keys) {
                    *value = key.eval(context);
                }
                &few[..policy.keys.len()]
            } else {
                many = policy.keys.iter().map(|key| key.eval(context)).collect();
                &many[..]
            };
            let Some(listed) = lists.find(policy.list, key, context.at) else { continue };
            verdict.decision = policy.action;
            let because = if listed.entry.why.is_empty() { String::new() } else { format!(": {}", listed.entry.why) };
            let message = format!("{} is on the list {}{because}", listed.entry.key.join(", "), listed.list);
            verdict.reasons = vec![Reason { code: listed.list.clone(), message, weight: 1.0 }];
            read.extend_from_slice(&policy.reads);
            return;
        }
    }
}
