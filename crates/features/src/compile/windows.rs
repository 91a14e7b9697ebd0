//! Windows: `partition by` columns, `order by` the event time, and a frame by time that ends at or before now.

use super::file::Reporter;
use crate::plan::Window;
use domain::{Stream, Type, Value};
use expr::{Scope, nearest, span_of};
use sqlparser::ast::{
    Expr, NamedWindowDefinition, NamedWindowExpr, OrderBySort, Spanned as _, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec,
    WindowType, visit_expressions,
};
use std::ops::{ControlFlow, Range};

/// What a window partitions by: slots of the stream's columns.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) columns: Vec<usize>,
    pub(crate) span: Range<usize>,
}

/// The windows of one file.
pub(crate) struct Windows<'a> {
    named: Vec<(String, Range<usize>, WindowSpec)>,
    stream: &'a Stream,
    tables: Vec<String>,
}

/// A scope without names, for constants.
pub(crate) struct NoNames;

impl Scope for NoNames {
    fn column(&self, _: Option<&str>, _: &str) -> Option<(usize, Type)> {
        None
    }
    fn column_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn list(&self, _: &str, _: &str) -> Option<(usize, usize)> {
        None
    }
    fn list_names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl<'a> Windows<'a> {
    pub(crate) fn new(definitions: &[NamedWindowDefinition], stream: &'a Stream, tables: &[String], report: &mut Reporter<'_>) -> Self {
        let mut named: Vec<(String, Range<usize>, WindowSpec)> = Vec::new();
        for NamedWindowDefinition(name, definition) in definitions {
            let span = span_of(name.span, &report.file.sql);
            if named.iter().any(|(n, ..)| n.eq_ignore_ascii_case(&name.value)) {
                report.wrong(span.clone(), format!("window `{}` is defined twice", name.value), None);
                continue;
            }
            let spec = match definition {
                NamedWindowExpr::WindowSpec(spec) => spec.clone(),
                NamedWindowExpr::NamedWindow(other) => {
                    WindowSpec { window_name: Some(other.clone()), partition_by: vec![], order_by: vec![], window_frame: None }
                }
            };
            named.push((name.value.clone(), span, spec));
        }
        Self { named, stream, tables: tables.to_vec() }
    }

    /// Reports the mistakes of all named windows, used or not, once.
    pub(crate) fn check_all(&mut self, report: &mut Reporter<'_>) {
        for (_, span, spec) in self.named.clone() {
            if let Some(spec) = self.resolve(&spec, &mut Vec::new(), report) {
                self.partition(&spec, span.clone(), report);
                self.order(&spec, span.clone(), report);
                self.frame(&spec, span, report);
            }
        }
    }

    /// The window of a call with everything it takes over from named ones. Mistakes of named ones were reported before.
    fn spec(&self, over: &WindowType, report: &mut Reporter<'_>) -> Option<(WindowSpec, bool)> {
        match over {
            WindowType::NamedWindow(name) => match self.named.iter().find(|(n, ..)| n.eq_ignore_ascii_case(&name.value)) {
                Some((_, _, spec)) => Some((self.resolve(spec, &mut Vec::new(), &mut report.silent())?, false)),
                None => {
                    let names = self.named.iter().map(|(n, ..)| n.as_str());
                    let hint = nearest(&name.value, names).map_or_else(
                        || format!("define it: `window {} as (partition by ... order by ... range ...)`", name.value),
                        |near| format!("did you mean `{near}`?"),
                    );
                    report.wrong(span_of(name.span, &report.file.sql), format!("no window `{}`", name.value), Some(hint));
                    None
                }
            },
            WindowType::WindowSpec(spec) => Some((self.resolve(spec, &mut Vec::new(), report)?, true)),
        }
    }

    fn resolve(&self, spec: &WindowSpec, seen: &mut Vec<String>, report: &mut Reporter<'_>) -> Option<WindowSpec> {
        let Some(base) = &spec.window_name else { return Some(spec.clone()) };
        let span = span_of(base.span, &report.file.sql);
        if seen.contains(&base.value) {
            report.wrong(span, format!("window `{}` is defined by itself", base.value), None);
            return None;
        }
        seen.push(base.value.clone());
        let Some((_, _, of)) = self.named.iter().find(|(n, ..)| n.eq_ignore_ascii_case(&base.value)) else {
            let near = nearest(&base.value, self.named.iter().map(|(n, ..)| n.as_str()));
            report.wrong(span, format!("no window `{}`", base.value), near.map(|n| format!("did you mean `{n}`?")));
            return None;
        };
        let of = self.resolve(of, seen, report)?;
        Some(WindowSpec {
            window_name: None,
            partition_by: if spec.partition_by.is_empty() { of.partition_by } else { spec.partition_by.clone() },
            order_by: if spec.order_by.is_empty() { of.order_by } else { spec.order_by.clone() },
            window_frame: spec.window_frame.clone().or(of.window_frame),
        })
    }

    /// Finds the partition of the calls in an expression; all of a file must have the same.
    pub(crate) fn partition_of(&self, expr: &Expr, partition: &mut Option<Partition>, report: &mut Reporter<'_>) {
        let sql = report.file.sql.clone();
        let _ = visit_expressions(expr, |node| {
            if let Expr::Function(function) = node
                && let Some(over) = &function.over
                && let Some((spec, inline)) = self.spec(over, &mut report.silent())
            {
                let at = span_of(function.span(), &sql);
                let found = if inline { self.partition(&spec, at, report) } else { self.partition(&spec, at, &mut report.silent()) };
                match (&*partition, found) {
                    (None, found) => *partition = found,
                    (Some(first), Some(found)) if first.columns != found.columns => {
                        let names =
                            |p: &Partition| p.columns.iter().map(|c| self.stream.fields[*c].name.as_str()).collect::<Vec<_>>().join(", ");
                        report.wrong(
                            found.span.clone(),
                            format!(
                                "the windows of a file have one partition, here ({}), but this one has ({})",
                                names(first),
                                names(&found)
                            ),
                            Some("put it into a file of its own".into()),
                        );
                    }
                    _ => {}
                }
            }
            ControlFlow::<()>::Continue(())
        });
    }

    /// The frame of a call's window.
    pub(crate) fn window_of(&self, over: &WindowType, at: Range<usize>, report: &mut Reporter<'_>) -> Option<Window> {
        let (spec, inline) = self.spec(over, report)?;
        if inline {
            self.order(&spec, at.clone(), report);
            self.frame(&spec, at, report)
        } else {
            self.frame(&spec, at, &mut report.silent())
        }
    }

    fn column(&self, expr: &Expr) -> Option<Option<usize>> {
        match expr {
            Expr::Identifier(ident) => Some(self.stream.slot(&ident.value)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if self.tables.iter().any(|t| t.eq_ignore_ascii_case(&table.value)) => {
                    Some(self.stream.slot(&column.value))
                }
                _ => Some(None),
            },
            _ => None,
        }
    }

    fn partition(&self, spec: &WindowSpec, at: Range<usize>, report: &mut Reporter<'_>) -> Option<Partition> {
        let sql = report.file.sql.clone();
        if spec.partition_by.is_empty() {
            report.wrong(at, "the window has no `partition by`", Some("say whose history it is, such as `partition by account_id`".into()));
            return None;
        }
        let mut columns = Vec::new();
        for expr in &spec.partition_by {
            let span = span_of(expr.span(), &sql);
            match self.column(expr) {
                Some(Some(slot)) if columns.contains(&slot) => {}
                Some(Some(slot)) => columns.push(slot),
                Some(None) => {
                    let near = nearest(&expr.to_string(), self.stream.fields.iter().map(|f| f.name.as_str()));
                    report.wrong(
                        span,
                        format!("`{}` has no column `{expr}`", self.stream.name),
                        near.map(|n| format!("did you mean `{n}`?")),
                    );
                }
                None => report.wrong(
                    span,
                    "a partition is by columns, not by an expression",
                    Some("add a field to the stream that holds it, and partition by that".into()),
                ),
            }
        }
        let first = spec.partition_by.first().map_or(at, |e| span_of(e.span(), &sql));
        (columns.len() == spec.partition_by.len()).then_some(Partition { columns, span: first })
    }

    fn order(&self, spec: &WindowSpec, at: Range<usize>, report: &mut Reporter<'_>) {
        let time = &self.stream.fields[self.stream.event_time].name;
        let sql = report.file.sql.clone();
        let [by] = spec.order_by.as_slice() else {
            let at = spec.order_by.get(1).map_or(at, |second| span_of(second.span(), &sql));
            report.wrong(at, format!("a window is ordered by the event time alone: `order by {time}`"), None);
            return;
        };
        let span = span_of(by.expr.span(), &sql);
        if self.column(&by.expr).flatten() != Some(self.stream.event_time) {
            report.wrong(span, format!("a window is ordered by the stream's event time: `order by {time}`"), None);
        } else if matches!(by.options.sort, Some(OrderBySort::Desc)) {
            report.wrong(span, "a window goes forward in time", Some("leave out `desc`".into()));
        }
    }

    fn frame(&self, spec: &WindowSpec, at: Range<usize>, report: &mut Reporter<'_>) -> Option<Window> {
        let Some(WindowFrame { units, start_bound, end_bound }) = &spec.window_frame else {
            return Some(Window { from: None, to: 0 });
        };
        if *units != WindowFrameUnits::Range {
            report.wrong(
                at,
                format!("a frame goes by time, not by {}", units.to_string().to_lowercase()),
                Some("write `range between interval '10 minutes' preceding and current row`".into()),
            );
            return None;
        }
        let future = "it would need the future";
        let from = match start_bound {
            WindowFrameBound::Preceding(None) => None,
            WindowFrameBound::Preceding(Some(span)) => Some(self.span(span, report)?),
            WindowFrameBound::CurrentRow => Some(0),
            WindowFrameBound::Following(_) => {
                report.wrong(at, format!("a frame cannot begin after the current row: {future}"), None);
                return None;
            }
        };
        let to = match end_bound {
            None | Some(WindowFrameBound::CurrentRow) => 0,
            Some(WindowFrameBound::Preceding(Some(span))) => self.span(span, report)?,
            Some(WindowFrameBound::Preceding(None)) => {
                report.wrong(at, "a frame cannot end before all rows", None);
                return None;
            }
            Some(WindowFrameBound::Following(_)) => {
                report.wrong(at, format!("a frame cannot end after the current row: {future}"), Some("end it at `current row`".into()));
                return None;
            }
        };
        if from.is_some_and(|from| from < to) {
            report.wrong(at, "the frame ends before it begins", Some("the longer interval comes first".into()));
            return None;
        }
        Some(Window { from, to })
    }

    /// A bound's interval, in microseconds.
    fn span(&self, bound: &Expr, report: &mut Reporter<'_>) -> Option<i64> {
        let place = span_of(bound.span(), &report.file.sql);
        match expr::compile_ast(bound, &report.file.sql, &NoNames) {
            Err(errors) => {
                report.sql(errors);
                None
            }
            Ok(program) => match program.as_constant() {
                Some(Value::Interval(micros)) if *micros >= 0 => Some(*micros),
                Some(Value::Interval(_)) => {
                    report.wrong(place, "a frame's bound counts backwards from now, so it is not negative", None);
                    None
                }
                _ => {
                    report.wrong(place, "a frame's bound is an interval", Some("such as `interval '10 minutes'`".into()));
                    None
                }
            },
        }
    }
}
