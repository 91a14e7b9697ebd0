//! Window calls: which aggregate of which window each one is, over which argument and filter.

use super::CALL;
use super::file::{Parsed, Reporter, Role, holds_call};
use super::groups::{Draft, Groups};
use super::windows::{NoNames, Windows};
use crate::plan::{Call, CallShape, Class, FileCall, Window};
use domain::{Decimal, Stream, Type, Value};
use expr::{Program, Scope, nearest, span_of};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Spanned as _,
};
use std::ops::Range;

const KNOWN: [&str; 14] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "first_value",
    "last_value",
    "first",
    "last",
    "lag",
    "mean",
];

/// A call of a file.
pub(crate) struct FileCallPlan {
    /// Its index among the calls of its group.
    pub(crate) index: usize,
    pub(crate) ty: Type,
    pub(crate) rendered: FileCall,
}

/// The columns of a stream's row.
pub(crate) struct RowScope<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) parsed: &'a Parsed<'a>,
}

impl Scope for RowScope<'_> {
    fn column(&self, qualifier: Option<&str>, name: &str) -> Option<(usize, Type)> {
        if qualifier.is_some_and(|q| !self.parsed.is_table(q)) {
            return None;
        }
        self.stream.slot(name).map(|slot| (slot, self.stream.field_type(slot)))
    }

    fn column_names(&self) -> Vec<String> {
        self.stream.fields.iter().map(|f| f.name.to_string()).collect()
    }

    fn list(&self, _: &str, _: &str) -> Option<(usize, usize)> {
        None
    }

    fn list_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Replaces a window call (or, over an upsert stream, a column) by a column of its own.
pub(crate) fn take_out(
    node: &mut Expr,
    parsed: &mut Parsed<'_>,
    stream: &Stream,
    windows: &mut Windows<'_>,
    groups: &mut Groups<'_>,
    report: &mut Reporter<'_>,
) {
    let taken = match node {
        Expr::Function(function) if function.over.is_some() => {
            let span = function.span();
            let place = span_of(span, &report.file.sql);
            if parsed.role == Role::Latest {
                let message = format!("`{}` is an upsert stream: its latest row is known, not its history", stream.name);
                report.wrong(place, message, Some("select its columns, or make it an append stream".into()));
                return;
            }
            window_call(function, place, parsed, stream, windows, groups, report).map(|call| (call, span))
        }
        Expr::Identifier(ident) if parsed.role == Role::Latest && stream.slot(&ident.value).is_some() => {
            Some((latest(node, parsed, stream, groups), node.span()))
        }
        Expr::CompoundIdentifier(parts) if parsed.role == Role::Latest && parts.len() == 2 && parsed.is_table(&parts[0].value) => {
            let known = stream.slot(&parts[1].value).is_some();
            known.then(|| (latest(node, parsed, stream, groups), node.span()))
        }
        Expr::Identifier(ident) if parsed.role == Role::Other && stream.slot(&ident.value).is_some() => {
            // Left as it is: an argument's columns stay. Outside a call the name is unknown, which compiling reports.
            return;
        }
        _ => return,
    };
    let Some(((index, ty, mut rendered), span)) = taken else { return };
    rendered.name = format!("{CALL}{}", parsed.calls.len());
    *node = Expr::Identifier(Ident { value: rendered.name.clone(), quote_style: None, span });
    parsed.calls.push(FileCallPlan { index, ty, rendered });
}

type Taken = (usize, Type, FileCall);

fn latest(node: &Expr, parsed: &Parsed<'_>, stream: &Stream, groups: &mut Groups<'_>) -> Taken {
    let name = match node {
        Expr::Identifier(ident) => &ident.value,
        Expr::CompoundIdentifier(parts) => &parts[parts.len() - 1].value,
        _ => "",
    };
    let slot = stream.slot(name).unwrap_or(stream.key);
    let draft = groups.draft(parsed.group.unwrap_or(0));
    let column = draft.field(stream, slot);
    let rendered = FileCall {
        name: String::new(),
        shape: CallShape::Latest,
        window: Window { from: None, to: 0 },
        argument: Some(Expr::Identifier(Ident::new(stream.fields[slot].name.as_str()))),
        filter: None,
    };
    (draft.call(Call::Latest { column }), stream.field_type(slot), rendered)
}

fn window_call(
    function: &Function,
    place: Range<usize>,
    parsed: &Parsed<'_>,
    stream: &Stream,
    windows: &mut Windows<'_>,
    groups: &mut Groups<'_>,
    report: &mut Reporter<'_>,
) -> Option<Taken> {
    let name = match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.value.to_lowercase(),
        _ => function.name.to_string().to_lowercase(),
    };
    let window = windows.window_of(function.over.as_ref()?, place.clone(), report);
    if !KNOWN.contains(&name.as_str()) {
        let hint = match nearest(&name, KNOWN) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "known are count, sum, avg, min, max, stddev, stddev_pop, first_value, last_value and lag".into(),
        };
        report.wrong(place, format!("`{name}` is not a window function of features"), Some(hint));
        return None;
    }
    if function.null_treatment.is_some() {
        report.wrong(place, "`ignore nulls` is not supported: nulls are respected", None);
        return None;
    }
    let list = match &function.args {
        FunctionArguments::List(list) if list.clauses.is_empty() => list,
        _ => {
            report.wrong(place, format!("`{name}` needs plain arguments in brackets"), None);
            return None;
        }
    };
    let mut arguments = Vec::new();
    let mut star = false;
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
            other => {
                report.wrong(place, format!("`{other}` is not an argument of `{name}`"), None);
                return None;
            }
        }
    }
    let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if distinct && name != "count" {
        report.wrong(place, format!("`distinct` is for `count` alone, not for `{name}`"), None);
        return None;
    }
    if arguments.iter().copied().chain(function.filter.as_deref()).any(holds_call) {
        report.wrong(place, "window calls do not nest", Some("make the inner one a feature of its own, or combine them outside".into()));
        return None;
    }
    let wanted = if star || (name == "count" && arguments.is_empty()) {
        0..=0
    } else if name == "lag" {
        1..=3
    } else {
        1..=1
    };
    if !wanted.contains(&arguments.len()) || (star && (name != "count" || distinct)) {
        let form = match name.as_str() {
            "count" => "count(*), count(x) or count(distinct x)".to_owned(),
            "lag" => "lag(x), lag(x, 2) or lag(x, 2, default)".to_owned(),
            other => format!("{other}(x)"),
        };
        report.wrong(place, format!("write `{form}`"), None);
        return None;
    }

    let scope = RowScope { stream, parsed };
    let program = arguments.first().map(|argument| scalar(argument, &scope, report));
    let filter = match function.filter.as_deref() {
        None => None,
        Some(filter) => match scalar(filter, &scope, report) {
            Some(program) if program.ty().is_some_and(|ty| ty != Type::Bool) => {
                report.wrong(span_of(filter.span(), &report.file.sql), "a filter is a condition", None);
                return None;
            }
            Some(program) => Some((filter, program)),
            None => return None,
        },
    };
    let argument = match program {
        None => None,
        Some(None) => return None,
        Some(Some(program)) => Some((arguments[0], program)),
    };
    if let Some((ast, program)) = &argument {
        check_type(&name, ast, program.ty(), report)?;
    }
    let window = window?;

    let draft = groups.draft(parsed.group?);
    let filter_column = filter.as_ref().map(|(ast, program)| draft.column(stream, ast, program.clone(), true));
    let rendered = |shape: CallShape| FileCall {
        name: String::new(),
        shape,
        window,
        argument: argument.as_ref().map(|(ast, _)| (*ast).clone()),
        filter: filter.as_ref().map(|(ast, _)| (*ast).clone()),
    };

    // count(*), and count of what is never null.
    if name == "count" && !distinct {
        let column = match &argument {
            None => None,
            Some((_, program)) if program.as_constant().is_some_and(|v| !v.is_null()) => None,
            Some((_, program)) if program.as_column().is_some_and(|slot| stream.fields[slot].required) => None,
            Some((ast, program)) => Some(draft.column(stream, ast, program.clone(), false)),
        };
        let aggregate = draft.aggregate(window, filter_column, column, Class::Count);
        return Some((draft.call(Call::Count { aggregate }), Type::Int, rendered(CallShape::Count)));
    }
    let (ast, program) = argument.as_ref()?;
    let Some(ty) = program.ty() else {
        report.wrong(place, format!("`{name}` of nothing but nulls"), None);
        return None;
    };
    let positional = matches!(name.as_str(), "first" | "first_value" | "last" | "last_value" | "lag");
    if positional && filter.is_some() {
        let hint = "put the condition into the argument: `max(case when ... then x end)`, or count with the filter instead";
        report.wrong(place, format!("`{name}` takes no filter"), Some(hint.into()));
        return None;
    }
    if distinct && window.from.is_none() {
        report.wrong(
            place,
            "`count(distinct ...)` over a frame without a beginning would keep every value for ever",
            Some("give the frame one, such as `range interval '90 days' preceding`".into()),
        );
        return None;
    }
    let column = draft.column(stream, ast, program.clone(), false);
    if name == "lag" {
        return lag(&arguments, &place, column, ty, draft, rendered, report);
    }
    let mut aggregate = |class| draft.aggregate(window, filter_column, Some(column), class);
    let folded = window.from.is_none();
    let (call, ty, shape) = match name.as_str() {
        "sum" => (Call::Sum { aggregate: aggregate(Class::Sum) }, ty, CallShape::Sum),
        "avg" | "mean" => (Call::Avg { aggregate: aggregate(Class::Sum) }, Type::Float, CallShape::Avg),
        "stddev" | "stddev_samp" => {
            (Call::Stddev { aggregate: aggregate(Class::Squares), sample: true }, Type::Float, CallShape::StddevSamp)
        }
        "stddev_pop" => (Call::Stddev { aggregate: aggregate(Class::Squares), sample: false }, Type::Float, CallShape::StddevPop),
        "min" => (Call::Min { aggregate: aggregate(Class::Min) }, ty, CallShape::Min),
        "max" => (Call::Max { aggregate: aggregate(Class::Max) }, ty, CallShape::Max),
        "count" => (Call::Distinct { aggregate: aggregate(Class::Distinct) }, Type::Int, CallShape::Distinct),
        "first" | "first_value" => {
            let folded = folded.then(|| aggregate(Class::First));
            (Call::First { window: draft.window(window), column, folded }, ty, CallShape::First)
        }
        _ => {
            let folded = folded.then(|| aggregate(Class::Last));
            (Call::Last { window: draft.window(window), column, folded }, ty, CallShape::Last)
        }
    };
    Some((draft.call(call), ty, rendered(shape)))
}

/// Whether a call can be made over values of this type.
fn check_type(name: &str, argument: &Expr, ty: Option<Type>, report: &mut Reporter<'_>) -> Option<()> {
    let place = span_of(argument.span(), &report.file.sql);
    if !matches!(name, "sum" | "avg" | "mean" | "stddev" | "stddev_samp" | "stddev_pop") {
        return Some(());
    }
    match ty {
        None | Some(Type::Int | Type::Decimal(_)) => return Some(()),
        Some(Type::Float) => report.wrong(
            place,
            format!("`{name}` over a float is not exact: its value would depend on the order of adding"),
            Some(format!("cast it to a decimal: `{name}({argument}::decimal(18, 4))`")),
        ),
        Some(other) => report.wrong(place, format!("`{name}` adds numbers, but this is {other}"), None),
    }
    None
}

fn scalar(ast: &Expr, scope: &RowScope<'_>, report: &mut Reporter<'_>) -> Option<Program> {
    match expr::compile_ast(ast, &report.file.sql, scope) {
        Ok(program) => Some(program),
        Err(errors) => {
            report.sql(errors);
            None
        }
    }
}

fn lag(
    arguments: &[&Expr],
    place: &Range<usize>,
    column: usize,
    ty: Type,
    draft: &mut Draft,
    rendered: impl Fn(CallShape) -> FileCall,
    report: &mut Reporter<'_>,
) -> Option<Taken> {
    let constant = |expr: &Expr, report: &mut Reporter<'_>| match expr::compile_ast(expr, &report.file.sql, &NoNames) {
        Ok(program) => match program.as_constant() {
            Some(value) => Some(value.clone()),
            None => {
                report.wrong(span_of(expr.span(), &report.file.sql), "this must be a constant", None);
                None
            }
        },
        Err(errors) => {
            report.sql(errors);
            None
        }
    };
    let rows = match arguments.get(1) {
        None => 1,
        Some(rows) => match constant(rows, report)? {
            Value::Int(n) if (1..=MAX_LAG).contains(&n) => n as usize,
            _ => {
                report.wrong(place.clone(), format!("`lag` goes back 1 to {MAX_LAG} rows"), None);
                return None;
            }
        },
    };
    let default = match arguments.get(2) {
        None => Value::Null,
        Some(default) => {
            let value = constant(default, report)?;
            let shown = value.to_string();
            match as_type(value, ty) {
                Some(value) => value,
                None => {
                    let span = span_of(default.span(), &report.file.sql);
                    report.wrong(span, format!("the default `{shown}` is not of the argument's type, {ty}"), None);
                    return None;
                }
            }
        }
    };
    let sql = arguments.get(2).map_or_else(|| "null".to_owned(), ToString::to_string);
    Some((draft.call(Call::Lag { column, rows, default }), ty, rendered(CallShape::Lag(rows, sql))))
}

/// As many rows as one chunk and its neighbour hold for sure.
const MAX_LAG: i64 = 1000;

/// A constant as a column's type, where nothing is lost.
fn as_type(value: Value, ty: Type) -> Option<Value> {
    Some(match (value, ty) {
        (Value::Null, _) => Value::Null,
        (Value::Int(i), Type::Decimal(scale)) => Value::Decimal(Decimal::from(i).rescale(scale)?),
        (Value::Decimal(d), Type::Decimal(scale)) => Value::Decimal(d.rescale(scale)?),
        (Value::Int(i), Type::Float) => Value::Float(i as f64),
        (Value::Decimal(d), Type::Float) => Value::Float(d.to_f64()),
        (value, ty) if value.type_of() == Some(ty) => value,
        _ => return None,
    })
}
