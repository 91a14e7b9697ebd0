//! One feature file: its select, stream, windows and items.

use super::calls::{self, FileCallPlan};
use super::groups::Groups;
use super::windows::{Partition, Windows};
use super::{CALL, places};
use domain::{Stream, StreamMode, Text};
use expr::{nearest, span_of};
use project::{Diagnostic, FeatureFile};
use sqlparser::ast::{
    Expr, GroupByExpr, ObjectNamePart, Query, Select, SelectItem, SetExpr, Spanned as _, Statement, TableFactor, visit_expressions_mut,
};
use sqlparser::dialect::DuckDbDialect;
use sqlparser::parser::Parser;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// How a file's stream stands to the judged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is the judged stream.
    Own,
    /// Another stream of events.
    Other,
    /// An upsert stream: its latest row.
    Latest,
    /// The judged row with the features of the other files: [`ROW`].
    Row,
}

/// What a file selects from to combine what others made: the judged event beside the features of every file over a stream, as rules see
/// them. In a database it is a view of that name.
pub(crate) const ROW: &str = "features";

pub(crate) struct Parsed<'f> {
    pub(crate) file: &'f FeatureFile,
    pub(crate) role: Role,
    pub(crate) group: Option<usize>,
    pub(crate) calls: Vec<FileCallPlan>,
    pub(crate) items: Vec<Item>,
    tables: Vec<String>,
}

impl Parsed<'_> {
    pub(crate) fn is_table(&self, name: &str) -> bool {
        self.tables.iter().any(|t| t.eq_ignore_ascii_case(name))
    }
}

/// A feature: its name and its expression with the window calls replaced by columns.
pub(crate) struct Item {
    pub(crate) name: Text,
    pub(crate) name_span: Range<usize>,
    /// As written.
    pub(crate) sql: String,
    pub(crate) expr: Expr,
    /// A mistake in it was reported already.
    pub(crate) broken: bool,
}

/// Collects the mistakes of one file.
pub(crate) struct Reporter<'f> {
    pub(crate) file: &'f FeatureFile,
    errors: Vec<Diagnostic>,
}

impl<'f> Reporter<'f> {
    /// For what was reported before: whatever it is told is forgotten.
    pub(crate) fn silent(&self) -> Self {
        Self { file: self.file, errors: Vec::new() }
    }

    pub(crate) fn wrong(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.errors.push(places::diagnostic(self.file, span, message, hint));
    }

    pub(crate) fn sql(&mut self, errors: Vec<expr::SqlError>) {
        self.errors.extend(errors.into_iter().map(|e| places::of_sql(self.file, e)));
    }

    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }
}

pub(crate) fn parse<'f>(
    file: &'f FeatureFile,
    streams: &[Arc<Stream>],
    judged: usize,
    groups: &mut Groups<'_>,
    errors: &mut Vec<Diagnostic>,
) -> Option<Parsed<'f>> {
    let mut report = Reporter { file, errors: Vec::new() };
    let parsed = parse_reporting(file, streams, judged, groups, &mut report);
    errors.append(&mut report.errors);
    parsed
}

fn parse_reporting<'f>(
    file: &'f FeatureFile,
    streams: &[Arc<Stream>],
    judged: usize,
    groups: &mut Groups<'_>,
    report: &mut Reporter<'f>,
) -> Option<Parsed<'f>> {
    let sql = &file.sql;
    let statements = match Parser::parse_sql(&DuckDbDialect, sql) {
        Ok(statements) => statements,
        Err(e) => {
            let message = e.to_string();
            let message = message.trim_start_matches("sql parser error: ");
            let (message, span) = places::parser_message(message, sql);
            report.wrong(span, message, None);
            return None;
        }
    };
    let select = the_select(statements, report)?;
    let (stream, tables) = the_stream(&select, streams, report)?;
    // The row that is judged is one of the judged stream, whatever stands beside it.
    let (stream, row) = stream.map_or((judged, true), |stream| (stream, false));
    let role = match streams[stream].mode {
        _ if row => Role::Row,
        _ if stream == judged => Role::Own,
        StreamMode::Upsert => Role::Latest,
        StreamMode::Append => Role::Other,
    };
    if row && let Some(place) = first_window(&select, sql) {
        let hint = "count over a stream in a file of its own, and use the name of that feature here";
        report.wrong(place, format!("`{ROW}` is one row, which has no windows"), Some(hint.into()));
        return None;
    }
    let mut windows = Windows::new(&select.named_window, &streams[stream], &tables, report);
    windows.check_all(report);

    let mut parsed = Parsed { file, role, group: None, calls: Vec::new(), items: Vec::new(), tables };
    let mut partition: Option<Partition> = None;
    let mut pending = Vec::new();
    for item in select.projection {
        let whole = span_of(item.span(), sql);
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            other => {
                report.wrong(whole, format!("`{other}` is not a feature"), Some("name each column or expression".into()));
                continue;
            }
        };
        pending.push((expr, alias, whole));
    }
    // The partition must be known before the calls are: it says which group they belong to.
    for (expr, _, _) in &pending {
        windows.partition_of(expr, &mut partition, report);
    }
    if role == Role::Latest {
        partition = Some(Partition { columns: vec![streams[stream].key], span: 0..0 });
    }
    if let Some(partition) = &partition {
        let lookup = lookup(partition, role, &streams[stream], &streams[judged], file, report)?;
        parsed.group = Some(groups.group(stream, partition.columns.clone(), lookup, role == Role::Latest));
    } else if role == Role::Other && report.count() == 0 {
        report.wrong(
            0..0,
            format!("a file over `{}` needs windows", streams[stream].name),
            Some("its rows are not the judged ones: ask for `count(*) over (partition by ... order by ... range ...)` or the like".into()),
        );
    }

    for (mut expr, alias, span) in pending {
        let text = expr.to_string();
        let plain = match &expr {
            Expr::Identifier(ident) => Some(ident.value.clone()),
            Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()),
            _ => None,
        };
        let is_key = plain
            .as_deref()
            .and_then(|name| streams[stream].slot(name))
            .is_some_and(|slot| partition.as_ref().is_some_and(|p| p.columns.contains(&slot)));
        let (name, name_span) = match (&alias, &plain) {
            (Some(alias), _) => (alias.value.clone(), span_of(alias.span, sql)),
            // The key beside the features: what the rows of the plain query are about.
            (None, Some(_)) if is_key => continue,
            (None, Some(name)) if role == Role::Latest => (name.clone(), span.clone()),
            (None, _) => {
                report.wrong(span, "a feature needs a name", Some(format!("write `{text} as ...`")));
                continue;
            }
        };
        let before = report.count();
        let _ = visit_expressions_mut(&mut expr, |node| {
            calls::take_out(node, &mut parsed, &streams[stream], &mut windows, groups, report);
            ControlFlow::<()>::Continue(())
        });
        // A call of a window that is wrong stays where it is; the window's mistake was told where the window stands.
        let broken = report.count() > before || holds_window(&expr);
        parsed.items.push(Item { name: Text::new(&name), name_span, sql: text, expr, broken });
    }
    Some(parsed)
}

/// The file's one plain select.
fn the_select(statements: Vec<Statement>, report: &mut Reporter<'_>) -> Option<Select> {
    let shape = "a feature file is one plain select over one stream";
    let mut statements = statements.into_iter();
    let (Some(first), None) = (statements.next(), statements.next()) else {
        report.wrong(0..0, shape, Some("write `select ... from STREAM window w as (...)`; one file for each partition".into()));
        return None;
    };
    let Statement::Query(query) = first else {
        report.wrong(0..0, shape, None);
        return None;
    };
    let Query { with, body, order_by, limit_clause, .. } = *query;
    let SetExpr::Select(select) = *body else {
        report.wrong(0..0, shape, Some("unions are files of their own".into()));
        return None;
    };
    let sql = &report.file.sql;
    let mut extra: Vec<(Range<usize>, &str, Option<String>)> = Vec::new();
    if let Some(with) = &with {
        extra.push((span_of(with.span(), sql), "`with`", None));
    }
    if let Some(order_by) = &order_by {
        extra.push((span_of(order_by.span(), sql), "`order by`", Some("the windows say the order".into())));
    }
    if limit_clause.is_some() {
        extra.push((sql.len()..sql.len(), "`limit`", None));
    }
    if let Some(selection) = &select.selection {
        let hint = format!("put the condition into each call: `count(*) filter (where {selection}) over w`");
        extra.push((span_of(selection.span(), sql), "`where`", Some(hint)));
    }
    if let Some(having) = &select.having {
        extra.push((span_of(having.span(), sql), "`having`", None));
    }
    if let Some(qualify) = &select.qualify {
        extra.push((span_of(qualify.span(), sql), "`qualify`", None));
    }
    if !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty()) {
        let hint = Some("use windows: `count(*) over (partition by ... order by ...)`".into());
        extra.push((span_of(select.group_by.span(), sql), "`group by`", hint));
    }
    if select.distinct.is_some() {
        extra.push((0..6, "`distinct`", None));
    }
    let broken = !extra.is_empty();
    let found: Vec<_> = extra;
    for (span, what, hint) in found {
        report.wrong(span, format!("{shape}: {what} has no place in it"), hint);
    }
    (!broken).then_some(*select)
}

/// Where the first window stands, if there is any.
fn first_window(select: &Select, sql: &str) -> Option<Range<usize>> {
    if let Some(named) = select.named_window.first() {
        return Some(span_of(named.0.span, sql));
    }
    let mut found = None;
    for item in &select.projection {
        let _ = sqlparser::ast::visit_expressions(item, |e| match e {
            Expr::Function(function) if function.over.is_some() => {
                found = Some(span_of(function.span(), sql));
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
        if found.is_some() {
            break;
        }
    }
    found
}

/// The stream that the file selects from (none: it is [`ROW`]), and the names its table goes by.
fn the_stream(select: &Select, streams: &[Arc<Stream>], report: &mut Reporter<'_>) -> Option<(Option<usize>, Vec<String>)> {
    let names = || streams.iter().map(|s| s.name.as_str());
    let sql = &report.file.sql;
    let [from] = select.from.as_slice() else {
        let hint = format!("the streams are {}", names().collect::<Vec<_>>().join(", "));
        report.wrong(0..0, "a feature file selects from one stream", Some(hint));
        return None;
    };
    let TableFactor::Table { name, alias, .. } = &from.relation else {
        report.wrong(span_of(from.relation.span(), sql), "a feature file selects from a stream, not a subquery", None);
        return None;
    };
    if let Some(join) = from.joins.first() {
        let hint = "a file over another stream is joined to the judged one by the partition column; put it into a file of its own";
        report.wrong(span_of(join.relation.span(), sql), "joins have no place in a feature file", Some(hint.into()));
        return None;
    }
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
        report.wrong(span_of(name.span(), sql), format!("`{name}` is not a stream"), Some("name it alone, as in events/".into()));
        return None;
    };
    let stream = streams.iter().position(|s| s.name.eq_ignore_ascii_case(&ident.value));
    if stream.is_none() && !ident.value.eq_ignore_ascii_case(ROW) {
        let hint = nearest(&ident.value, names()).map_or_else(
            || format!("the streams are {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        report.wrong(span_of(ident.span, sql), format!("no stream `{}`", ident.value), Some(hint));
        return None;
    }
    let mut tables = vec![ident.value.clone()];
    if let Some(alias) = alias {
        tables = vec![alias.name.value.clone()];
    }
    Some((stream, tables))
}

/// The judged stream's columns that a partition is looked up by.
fn lookup(
    partition: &Partition,
    role: Role,
    stream: &Stream,
    judged: &Stream,
    file: &FeatureFile,
    report: &mut Reporter<'_>,
) -> Option<Vec<usize>> {
    if role == Role::Own || role == Role::Row {
        return Some(partition.columns.clone());
    }
    let mut lookup = Vec::new();
    for &column in &partition.columns {
        let name = &stream.fields[column].name;
        let wanted = file.join.iter().find(|(own, _)| own == name).map_or(name.as_str(), |(_, other)| other.as_str());
        let Some(slot) = judged.slot(wanted) else {
            let near = nearest(wanted, judged.fields.iter().map(|f| f.name.as_str()));
            let hint = match near {
                Some(near) => format!("say which column it is in features/schema.yml: `join: {{{name}: {near}}}`"),
                None => format!("say which column it is in features/schema.yml: `join: {{{name}: ...}}`"),
            };
            report.wrong(
                partition.span.clone(),
                format!("`{}` has no column `{wanted}` to join `{}` by", judged.name, stream.name),
                Some(hint),
            );
            continue;
        };
        let (theirs, ours) = (stream.field_type(column), judged.field_type(slot));
        if theirs != ours {
            let message = format!("`{}.{name}` is {theirs}, but `{}.{wanted}` is {ours}: they never join", stream.name, judged.name);
            report.wrong(partition.span.clone(), message, Some("give both the same type in events/".into()));
            continue;
        }
        lookup.push(slot);
    }
    (lookup.len() == partition.columns.len()).then_some(lookup)
}

fn holds_window(expr: &Expr) -> bool {
    let mut found = false;
    let _ = sqlparser::ast::visit_expressions(expr, |e| {
        found |= matches!(e, Expr::Function(function) if function.over.is_some());
        ControlFlow::<()>::Continue(())
    });
    found
}

/// Whether an expression holds a column that a window call was replaced by.
pub(crate) fn holds_call(expr: &Expr) -> bool {
    let mut found = false;
    let _ = sqlparser::ast::visit_expressions(expr, |e| {
        found |= matches!(e, Expr::Identifier(ident) if ident.value.starts_with(CALL));
        ControlFlow::<()>::Continue(())
    });
    found
}
