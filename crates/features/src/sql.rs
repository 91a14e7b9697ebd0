//! The as-of SQL of a plan: the same features as a query over whole tables, for engines that know nothing of us.
//!
//! It expects a table a stream, with the stream's columns and `sequence` (the order in which the records were taken, over all
//! streams). Each judged row is joined to the rows of its key that stood before it in the sequence and were not too late.

use crate::compile::CALL;
use crate::plan::{CallShape, FileCall, FilePlan, Plan, Window};
use domain::StreamMode;
use sqlparser::ast::{Expr, Ident, visit_expressions_mut};
use std::fmt::Write as _;
use std::ops::ControlFlow;

impl Plan {
    /// The as-of SQL of every feature: one row a judged event, by `sequence`.
    pub fn as_of_sql(&self) -> String {
        let files = self.rendered();
        if let [only] = files.as_slice() {
            return self.file_sql(only);
        }
        let judged = quote(&self.streams[self.judged].name);
        let mut sql = self.with(&files);
        let _ = writeln!(sql, "select j.sequence");
        for feature in &self.features {
            let _ = writeln!(sql, "  , {}", quote(&feature.name));
        }
        let _ = writeln!(sql, "from {judged} j");
        for i in 0..files.len() {
            let _ = writeln!(sql, "join file_{i} using (sequence)");
        }
        sql.push_str("order by sequence\n");
        sql
    }

    /// The as-of SQL of one file's features, if the plan has such a file.
    pub fn as_of_sql_of(&self, path: &str) -> Option<String> {
        let file = self.files.iter().find(|f| f.path == path)?;
        if !file.row {
            return Some(self.file_sql(file));
        }
        let plain: Vec<&FilePlan> = self.rendered().into_iter().filter(|f| !f.row).collect();
        let before = if plain.is_empty() { String::new() } else { self.with(&plain) };
        Some(before + &self.row_sql(file))
    }

    /// Files that have features; those over the row stand behind what they read.
    fn rendered(&self) -> Vec<&FilePlan> {
        self.files.iter().filter(|f| !f.items.is_empty()).collect()
    }

    /// Each file as a table `file_N`.
    fn with(&self, files: &[&FilePlan]) -> String {
        let mut sql = String::from("with\n");
        for (i, file) in files.iter().enumerate() {
            let _ = writeln!(sql, "file_{i} as ( -- {}\n{}){}", file.path, self.file_sql(file), if i + 1 < files.len() { "," } else { "" });
        }
        sql
    }

    /// A file over the row, where the tables of [`Plan::with`] are known.
    fn row_sql(&self, file: &FilePlan) -> String {
        let judged = &self.streams[self.judged];
        let (table, time) = (quote(&judged.name), quote(&judged.fields[judged.event_time].name));
        let mut sql = String::from("select j.sequence\n");
        for (name, expr) in &file.items {
            let of = |column: &str| match judged.slot(column) {
                Some(_) => "j".to_owned(),
                None => format!("file_{}", self.file_of(column)),
            };
            let _ = writeln!(sql, "  , case when j.too_late then null else {} end as {}", qualified(expr, of), quote(name));
        }
        let _ = writeln!(sql, "from ({}) j", known(&table, &time, Some(judged.lateness)));
        for (i, _) in self.rendered().iter().enumerate().filter(|(_, f)| !f.row) {
            let _ = writeln!(sql, "join file_{i} using (sequence)");
        }
        sql.push_str("order by sequence\n");
        sql
    }

    /// The number of the file that a feature stands in.
    fn file_of(&self, feature: &str) -> usize {
        let path = self.features.iter().find(|f| f.name.eq_ignore_ascii_case(feature)).map(|f| f.file.as_str());
        self.rendered().iter().position(|f| Some(f.path.as_str()) == path).unwrap_or_default()
    }

    fn file_sql(&self, file: &FilePlan) -> String {
        if file.row {
            return self.row_sql(file);
        }
        let judged = &self.streams[self.judged];
        let group = file.group.map(|g| &self.groups[g]);
        let (table, time) = (quote(&judged.name), quote(&judged.fields[judged.event_time].name));
        let mut sql = String::new();
        let _ = writeln!(sql, "with judged as (\n  {}\n)", known(&table, &time, Some(judged.lateness)));
        if let Some(group) = group {
            let stream = &self.streams[group.stream];
            let theirs = quote(&stream.fields[stream.event_time].name);
            let lateness = (stream.mode == StreamMode::Append).then_some(stream.lateness);
            let _ =
                writeln!(sql, ", history as (\n  select * from ({}) where not too_late\n)", known(&quote(&stream.name), &theirs, lateness));
            let _ = writeln!(sql, ", calls as (\n  select j.sequence, count(h.sequence) as __rows");
            for call in &file.calls {
                let _ = writeln!(sql, "    , {} as {}", self.call_sql(call, &theirs, &time, group.stream == self.judged), call.name);
            }
            let on: Vec<String> = group
                .keys
                .iter()
                .zip(&group.lookup)
                .map(|(own, other)| format!("h.{} = j.{}", quote(&stream.fields[*own].name), quote(&judged.fields[*other].name)))
                .collect();
            let _ = writeln!(
                sql,
                "  from judged j left join history h\n    on {} and h.sequence <= j.sequence and h.{theirs} <= j.{time}",
                on.join(" and ")
            );
            sql.push_str("  group by j.sequence\n)\n");
        }
        let mut absent = vec!["j.too_late".to_owned()];
        if let Some(group) = group {
            absent.extend(group.lookup.iter().map(|slot| format!("j.{} is null", quote(&judged.fields[*slot].name))));
            if group.latest {
                absent.push("c.__rows = 0".into());
            }
        }
        sql.push_str("select j.sequence\n");
        for (name, expr) in &file.items {
            let expr = qualified(expr, |_| "j".into());
            let _ = writeln!(sql, "  , case when {} then null else {expr} end as {}", absent.join(" or "), quote(name));
        }
        sql.push_str("from judged j");
        sql.push_str(if group.is_some() { " join calls c using (sequence)\n" } else { "\n" });
        sql.push_str("order by sequence\n");
        sql
    }

    fn call_sql(&self, call: &FileCall, theirs: &str, time: &str, own: bool) -> String {
        let argument = call.argument.as_ref().map(|a| qualified(a, |_| "h".into()).to_string()).unwrap_or_default();
        let mut inside = vec!["h.sequence is not null".to_owned()];
        let Window { from, to } = call.window;
        if let Some(from) = from {
            inside.push(format!("h.{theirs} >= j.{time} - {}", interval(from)));
        }
        if to > 0 {
            inside.push(format!("h.{theirs} <= j.{time} - {}", interval(to)));
        }
        if let Some(filter) = &call.filter {
            inside.push(format!("({})", qualified(filter, |_| "h".into())));
        }
        let inside = inside.join(" and ");
        let forward = format!("order by h.{theirs}, h.sequence");
        let backward = format!("order by h.{theirs} desc, h.sequence desc");
        match &call.shape {
            CallShape::Count if call.argument.is_none() => format!("count(*) filter (where {inside})"),
            CallShape::Count => format!("count({argument}) filter (where {inside})"),
            CallShape::Sum => format!("sum({argument}) filter (where {inside})"),
            CallShape::Avg => format!("avg({argument}) filter (where {inside})"),
            CallShape::StddevSamp => format!("stddev_samp({argument}) filter (where {inside})"),
            CallShape::StddevPop => format!("stddev_pop({argument}) filter (where {inside})"),
            CallShape::Min => format!("min({argument}) filter (where {inside})"),
            CallShape::Max => format!("max({argument}) filter (where {inside})"),
            CallShape::Distinct => format!("count(distinct {argument}) filter (where {inside})"),
            CallShape::First => format!("first({argument} {forward}) filter (where {inside})"),
            CallShape::Last | CallShape::Latest => format!("first({argument} {backward}) filter (where {inside})"),
            CallShape::Lag(rows, default) => {
                // The row itself is the latest one of a judged row's own history.
                let not_itself = if own { " and h.sequence <> j.sequence" } else { "" };
                let before = format!("h.sequence is not null{not_itself}");
                format!(
                    "case when count(*) filter (where {before}) >= {rows} then (list({argument} {backward}) filter (where {before}))[{rows}] else {default} end"
                )
            }
        }
    }
}

/// A stream's rows with whether each was too late when it came.
fn known(table: &str, time: &str, lateness: Option<i64>) -> String {
    match lateness {
        None => format!("select *, false as too_late from {table}"),
        Some(lateness) => format!(
            "select *, {time} < max({time}) over (order by sequence rows between unbounded preceding and current row) - {} as too_late from {table}",
            interval(lateness)
        ),
    }
}

fn interval(micros: i64) -> String {
    format!("interval '{micros} microseconds'")
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The expression with its columns taken from the table that `of` names for each; calls are columns of `c`.
fn qualified(expr: &Expr, of: impl Fn(&str) -> String) -> Expr {
    let mut expr = expr.clone();
    let _ = visit_expressions_mut(&mut expr, |e| {
        let column = match e {
            Expr::Identifier(ident) => ident.clone(),
            Expr::CompoundIdentifier(parts) if parts.len() == 2 => parts[1].clone(),
            _ => return ControlFlow::<()>::Continue(()),
        };
        let table = if column.value.starts_with(CALL) { "c".into() } else { of(&column.value) };
        *e = Expr::CompoundIdentifier(vec![Ident::new(table), Ident { quote_style: Some('"'), ..column }]);
        ControlFlow::Continue(())
    });
    expr
}
