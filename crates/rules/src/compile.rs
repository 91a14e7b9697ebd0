//! From what a project says to programs over slots. Every mistake of every rule and of the policy is reported at once, at its place in its file.

use crate::names::RuleScope;
use crate::{Names, Policy, PolicyList, Rule, RuleInfo, Ruleset};
use domain::{Action, Text, Type};
use expr::{Program, SqlError, Template};
use project::{Diagnostic, Project, RuleSpec, Sql};

impl Ruleset {
    /// Compiles the rules and the policy of a project over these names.
    ///
    /// # Errors
    /// Every mistake, in the order of the files.
    pub fn compile(project: &Project, names: Names<'_>) -> Result<Self, Vec<Diagnostic>> {
        let mut compiler = Compiler { project, scope: RuleScope { names, lists: &project.lists }, mistakes: Vec::new() };
        let rules: Vec<Option<(Rule, RuleInfo)>> = project.rules.iter().map(|spec| compiler.rule(spec)).collect();
        let policy = compiler.policy();
        if !compiler.mistakes.is_empty() {
            return Err(compiler.mistakes);
        }
        let (rules, infos) = rules.into_iter().flatten().unzip();
        Ok(Self { rules, policy, names: names.all(), infos })
    }
}

struct Compiler<'a> {
    project: &'a Project,
    scope: RuleScope<'a>,
    mistakes: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn rule(&mut self, spec: &RuleSpec) -> Option<(Rule, RuleInfo)> {
        let when = self.program(&spec.when).and_then(|when| self.condition(when, spec));
        let message = match Template::compile(&spec.message.text, &self.scope) {
            Ok(message) => Some(message),
            Err(errors) => {
                self.report(&spec.message, errors);
                None
            }
        };
        let (when, message) = (when?, message?);
        let reads = sorted(when.slots().iter().copied().chain(message.slots()));
        let lists = sorted(when.lists().iter().copied().chain(message.lists()).map(|(list, _)| list));
        let names = self.scope.names.all();
        let by_name = |mut of: Vec<Text>| {
            of.sort();
            of
        };
        let info = RuleInfo {
            name: spec.name.clone(),
            path: spec.path.clone(),
            description: spec.description.clone(),
            next: spec.next.clone(),
            when: spec.when.text.clone(),
            action: spec.action,
            severity: spec.severity,
            mode: spec.mode,
            weight: spec.weight,
            message: spec.message.text.clone(),
            tags: spec.tags.clone(),
            reads: by_name(reads.iter().map(|slot| names[*slot].clone()).collect()),
            lists: by_name(lists.iter().map(|list| self.project.lists[*list].name.clone()).collect()),
        };
        let rule = Rule {
            name: spec.name.clone(),
            action: spec.action,
            severity: spec.severity,
            mode: spec.mode,
            weight: spec.weight,
            when,
            message,
            reads,
        };
        Some((rule, info))
    }

    /// A condition is true or false; one that can never be true is a mistake.
    fn condition(&mut self, when: Program, spec: &RuleSpec) -> Option<Program> {
        let (message, hint) = match (when.ty(), when.as_constant()) {
            (Some(Type::Bool), None) => return Some(when),
            (Some(Type::Bool), Some(value)) => {
                (format!("the condition is always {value}"), Some("compare a field or a feature".to_owned()))
            }
            (None, _) => ("the condition is always null, so the rule never hits".to_owned(), None),
            (Some(ty), _) => (format!("the condition must be a boolean, got {ty}"), Some("compare it, such as `> 0`".to_owned())),
        };
        let span = 0..spec.when.text.trim_end().len();
        self.report(&spec.when, vec![SqlError { message, span, hint }]);
        None
    }

    fn policy(&mut self) -> Policy {
        let spec = &self.project.policy;
        let lists = spec.lists.iter().filter_map(|entry| {
            let Some(list) = self.project.lists.iter().position(|l| l.name == entry.list) else {
                let known = self.project.lists.iter().map(|l| l.name.as_str());
                self.mistakes
                    .push(Diagnostic::new(entry.place.clone(), format!("there is no list `{}`", entry.list)).nearest(&entry.list, known));
                return None;
            };
            let columns = self.project.lists[list].columns.len();
            if columns != entry.keys.len() {
                let message = format!("the list `{}` has {columns} key columns, and the policy gives {}", entry.list, entry.keys.len());
                self.mistakes.push(Diagnostic::new(entry.place.clone(), message));
                return None;
            }
            let keys: Vec<Option<Program>> = entry.keys.iter().map(|key| self.program(key)).collect();
            let keys: Vec<Program> = keys.into_iter().collect::<Option<_>>()?;
            let reads = sorted(keys.iter().flat_map(|k| k.slots().iter().copied()));
            Some(PolicyList { list, keys, action: entry.action, reads })
        });
        Policy {
            lists: lists.collect(),
            review_score: spec.review_score,
            block_score: spec.block_score,
            too_late: spec.too_late.unwrap_or(Action::Review),
        }
    }

    fn program(&mut self, sql: &Sql) -> Option<Program> {
        match expr::compile(&sql.text, &self.scope) {
            Ok(program) => Some(program),
            Err(errors) => {
                self.report(sql, errors);
                None
            }
        }
    }

    /// Mistakes in a piece of SQL, as mistakes in its file.
    fn report(&mut self, sql: &Sql, errors: Vec<SqlError>) {
        for error in errors {
            let place = sql.place_at(error.span.start);
            let file =
                self.project.files.iter().find(|(path, _)| *path == place.file).and_then(|(_, bytes)| std::str::from_utf8(bytes).ok());
            let excerpt =
                file.and_then(|text| project::diagnostic::excerpt(text, &place)).unwrap_or_else(|| expr::caret(&sql.text, &error));
            self.mistakes.push(Diagnostic { place, message: error.message, hint: error.hint, excerpt: Some(excerpt) });
        }
    }
}

fn sorted(slots: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut slots: Vec<usize> = slots.collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}
