//! From feature files to a [`Plan`]. Every mistake is reported at once, with its place in the source file.
//!
//! First each file's window calls are taken out of its expressions and sorted into groups; then, when all groups are known and
//! every call has its slot, the expressions around them are compiled.

mod calls;
mod file;
mod groups;
mod places;
mod windows;

use crate::plan::{FeatureInfo, FilePlan, Make, Output, Plan};
use domain::{Stream, Text, Type};
use expr::Scope;
use file::{Parsed, Role};
use groups::Groups;
use project::{Diagnostic, FeatureFile, Place};
use std::collections::HashMap;
use std::sync::Arc;

/// Names of the columns that window calls are replaced by.
pub(crate) const CALL: &str = "__call_";

/// Compiles the feature files of a project over its streams, of which one is judged.
///
/// # Errors
/// Every mistake in every file, sorted by place.
pub fn compile(files: &[FeatureFile], streams: &[Arc<Stream>]) -> Result<Plan, Vec<Diagnostic>> {
    let Some(judged) = streams.iter().position(|s| s.judged.is_some()) else {
        return Err(vec![Diagnostic {
            place: Place { file: "events".into(), line: 0, column: 0 },
            message: "no stream is judged".into(),
            hint: Some("give the stream of transactions a `judged:` section with the field of its id".into()),
            excerpt: None,
        }]);
    };
    let mut errors = Vec::new();
    let mut groups = Groups::new(streams, judged);
    let parsed: Vec<Parsed> = files.iter().filter_map(|f| file::parse(f, streams, judged, &mut groups, &mut errors)).collect();

    let fields = streams[judged].fields.len();
    let (groups, slots) = groups.finish(fields);
    let mut plan = Plan {
        streams: streams.to_vec(),
        judged,
        groups,
        features: Vec::new(),
        outputs: Vec::new(),
        plain: 0,
        first_feature: slots,
        features_read: Vec::new(),
        slots,
        fields_read: Vec::new(),
        files: Vec::new(),
    };
    let mut names: HashMap<Text, String> = HashMap::new();
    // What is made of features comes behind them.
    let (rows, plain): (Vec<Parsed<'_>>, Vec<Parsed<'_>>) = parsed.into_iter().partition(|p| p.role == Role::Row);
    for parsed in plain {
        add_features(&mut plan, parsed, &mut names, &mut errors);
    }
    plan.plain = plan.features.len();
    if !rows.is_empty() {
        plan.slots += plan.plain;
    }
    let of_rows: Vec<Text> = rows.iter().flat_map(|p| p.items.iter().map(|item| item.name.clone())).collect();
    let before = errors.len();
    for parsed in rows {
        add_features(&mut plan, parsed, &mut names, &mut errors);
    }
    for error in &mut errors[before..] {
        if of_rows.iter().any(|name| error.message.contains(&format!("unknown name `{name}`"))) {
            error.hint = Some(format!("it is made over `{}` as well: repeat what it is made of", file::ROW));
        }
    }
    if !errors.is_empty() {
        errors.sort();
        // A line of jinja may have rendered to many.
        errors.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        return Err(errors);
    }
    let mut read: Vec<usize> = plan
        .outputs
        .iter()
        .flat_map(|o| match &o.make {
            Make::Slot(slot) => vec![*slot],
            Make::Expr(program) => program.slots().to_vec(),
        })
        .collect();
    read.sort_unstable();
    read.dedup();
    plan.fields_read = read.iter().copied().filter(|slot| *slot < fields).collect();
    plan.features_read = read.iter().filter_map(|slot| slot.checked_sub(plan.first_feature)).collect();
    Ok(plan)
}

fn add_features(plan: &mut Plan, parsed: Parsed<'_>, names: &mut HashMap<Text, String>, errors: &mut Vec<Diagnostic>) {
    let judged = Arc::clone(&plan.streams[plan.judged]);
    let scope = ItemScope { plan, parsed: &parsed };
    let mut made = Vec::new();
    for item in &parsed.items {
        let mut wrong = |message: String, hint: Option<String>| {
            errors.push(places::diagnostic(parsed.file, item.name_span.clone(), message, hint));
        };
        if let Some(other) = names.insert(item.name.clone(), parsed.file.path.clone()) {
            wrong(format!("feature `{}` is defined twice", item.name), Some(format!("the other one is in {other}")));
        }
        if judged.slot(&item.name).is_some() {
            wrong(
                format!("feature `{}` has the name of a field of `{}`", item.name, judged.name),
                Some("rules see fields and features side by side, so give it a name of its own with `as`".into()),
            );
        }
        if item.broken {
            continue;
        }
        match expr::compile_ast(&item.expr, &parsed.file.sql, &scope) {
            Err(found) => errors.extend(found.into_iter().map(|e| places::of_sql(parsed.file, e))),
            Ok(program) => match program.ty() {
                None => wrong(format!("feature `{}` is always null", item.name), None),
                Some(ty) => made.push((item, ty, program)),
            },
        }
    }
    let outputs: Vec<_> = made
        .into_iter()
        .map(|(item, ty, program)| {
            let info =
                FeatureInfo { name: item.name.clone(), ty, file: parsed.file.path.clone(), group: parsed.group, sql: item.sql.clone() };
            let make = program.as_column().map_or_else(|| Make::Expr(program), Make::Slot);
            (info, Output { group: parsed.group, make })
        })
        .collect();
    for (info, output) in outputs {
        plan.features.push(info);
        plan.outputs.push(output);
    }
    plan.files.push(FilePlan {
        path: parsed.file.path.clone(),
        group: parsed.group,
        row: parsed.role == Role::Row,
        items: parsed.items.into_iter().map(|item| (item.name, item.expr)).collect(),
        calls: parsed.calls.into_iter().map(|call| call.rendered).collect(),
    });
}

/// What the names in a select item mean: the judged row's columns (in a file over the judged stream) and the file's calls; in a file over
/// the row, its columns and the features made so far.
struct ItemScope<'a, 'f> {
    plan: &'a Plan,
    parsed: &'a Parsed<'f>,
}

impl Scope for ItemScope<'_, '_> {
    fn column(&self, qualifier: Option<&str>, name: &str) -> Option<(usize, Type)> {
        if name.starts_with(CALL) {
            let call = self.parsed.calls.iter().find(|c| c.rendered.name == name)?;
            return Some((self.plan.groups[self.parsed.group?].first_slot + call.index, call.ty));
        }
        if qualifier.is_some_and(|q| !self.parsed.is_table(q)) || !matches!(self.parsed.role, Role::Own | Role::Row) {
            return None;
        }
        let stream = &self.plan.streams[self.plan.judged];
        let feature = |name: &str| {
            let at = self.plan.features[..self.plan.plain].iter().position(|f| f.name.eq_ignore_ascii_case(name))?;
            Some((self.plan.first_feature + at, self.plan.features[at].ty))
        };
        match stream.slot(name) {
            Some(slot) => Some((slot, stream.field_type(slot))),
            None if self.parsed.role == Role::Row => feature(name),
            None => None,
        }
    }

    fn column_names(&self) -> Vec<String> {
        let fields = || self.plan.streams[self.plan.judged].fields.iter().map(|f| f.name.to_string());
        match self.parsed.role {
            Role::Own => fields().collect(),
            Role::Row => fields().chain(self.plan.features[..self.plan.plain].iter().map(|f| f.name.to_string())).collect(),
            _ => Vec::new(),
        }
    }

    fn list(&self, _: &str, _: &str) -> Option<(usize, usize)> {
        None
    }

    fn list_names(&self) -> Vec<String> {
        Vec::new()
    }
}
