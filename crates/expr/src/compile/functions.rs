//! The functions: one table of those with fixed argument types, one match of those whose result follows their arguments.

use super::{Compiler, Typed, named, numeric};
use crate::arithmetic::{self, Op, Rounding, float};
use crate::calendar::{self, Part};
use crate::node::{Function, MAX_ARGUMENTS, Node};
use crate::place::did_you_mean;
use crate::text;
use domain::{Type, Value};
use sqlparser::ast::{self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// What an argument must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    /// Any number, taken as a float.
    Number,
}

struct Signature {
    names: &'static [&'static str],
    args: &'static [Kind],
    /// How many of the last arguments may be left out.
    optional: usize,
    result: Type,
    run: Function,
}

type Args<'a, 'b> = &'a [Cow<'b, Value>];

fn t<'a>(args: Args<'a, '_>, at: usize) -> &'a str {
    args.get(at).and_then(|v| v.as_text()).unwrap_or("")
}

fn i(args: Args<'_, '_>, at: usize) -> i64 {
    match args.get(at).map(|v| &**v) {
        Some(Value::Int(i)) => *i,
        _ => 0,
    }
}

fn f(args: Args<'_, '_>, at: usize) -> f64 {
    args.get(at).and_then(|v| v.as_f64()).unwrap_or(f64::NAN)
}

/// The characters that a trim takes away: spaces, or those given.
fn trimmed(args: Args<'_, '_>, front: bool, back: bool) -> Value {
    let drop = if args.len() > 1 { t(args, 1) } else { " " };
    let mut rest = t(args, 0);
    if front {
        rest = rest.trim_start_matches(|c| drop.contains(c));
    }
    if back {
        rest = rest.trim_end_matches(|c| drop.contains(c));
    }
    Value::text(rest)
}

fn span_of_units(args: Args<'_, '_>, unit: i64) -> Value {
    i(args, 0).checked_mul(unit).map_or(Value::Null, Value::Interval)
}

macro_rules! table {
    ($( $($name:literal)|+ ($($arg:ident),*) $([$optional:literal])? -> $result:ident $run:expr; )*) => {
        &[ $( Signature {
            names: &[$($name),+], args: &[$(Kind::$arg),*], optional: 0 $(+ $optional)?, result: Type::$result, run: $run,
        }, )* ]
    };
}

static TABLE: &[Signature] = table! {
    "lower" | "lcase"(Text) -> Text |a| Value::text(text::lower(t(a, 0)));
    "upper" | "ucase"(Text) -> Text |a| Value::text(text::upper(t(a, 0)));
    "length" | "len" | "char_length" | "character_length"(Text) -> Int |a| text::char_length(t(a, 0));
    "trim"(Text, Text)[1] -> Text |a| trimmed(a, true, true);
    "ltrim"(Text, Text)[1] -> Text |a| trimmed(a, true, false);
    "rtrim"(Text, Text)[1] -> Text |a| trimmed(a, false, true);
    "substr" | "substring"(Text, Int, Int)[1] -> Text |a| Value::text(text::substr(t(a, 0), i(a, 1), if a.len() > 2 { i(a, 2) } else { i64::MAX }));
    "replace"(Text, Text, Text) -> Text |a| if t(a, 1).is_empty() { (*a[0]).clone() } else { Value::text(t(a, 0).replace(t(a, 1), t(a, 2))) };
    "starts_with" | "prefix"(Text, Text) -> Bool |a| Value::Bool(t(a, 0).starts_with(t(a, 1)));
    "ends_with" | "suffix"(Text, Text) -> Bool |a| Value::Bool(t(a, 0).ends_with(t(a, 1)));
    "contains"(Text, Text) -> Bool |a| Value::Bool(t(a, 0).contains(t(a, 1)));
    "strpos" | "instr"(Text, Text) -> Int |a| Value::Int(text::position(t(a, 0), t(a, 1)));
    "split_part"(Text, Text, Int) -> Text |a| Value::text(text::split_part(t(a, 0), t(a, 1), i(a, 2)));
    "left"(Text, Int) -> Text |a| Value::text(text::left(t(a, 0), i(a, 1)));
    "right"(Text, Int) -> Text |a| Value::text(text::right(t(a, 0), i(a, 1)));
    "reverse"(Text) -> Text |a| Value::text(t(a, 0).chars().rev().collect::<String>());
    "sqrt"(Number) -> Float |a| float(libm::sqrt(f(a, 0)));
    "ln"(Number) -> Float |a| float(libm::log(f(a, 0)));
    "log10" | "log"(Number) -> Float |a| float(libm::log10(f(a, 0)));
    "log2"(Number) -> Float |a| float(libm::log2(f(a, 0)));
    "exp"(Number) -> Float |a| float(libm::exp(f(a, 0)));
    "power" | "pow"(Number, Number) -> Float |a| float(libm::pow(f(a, 0), f(a, 1)));
    "pi"() -> Float |_| Value::Float(std::f64::consts::PI);
    "sin"(Number) -> Float |a| float(libm::sin(f(a, 0)));
    "cos"(Number) -> Float |a| float(libm::cos(f(a, 0)));
    "radians"(Number) -> Float |a| float(f(a, 0).to_radians());
    "distance_km"(Number, Number, Number, Number) -> Float |a| float(arithmetic::distance_km(f(a, 0), f(a, 1), f(a, 2), f(a, 3)));
    "to_days"(Int) -> Interval |a| span_of_units(a, domain::time::DAY);
    "to_hours"(Int) -> Interval |a| span_of_units(a, domain::time::HOUR);
    "to_minutes"(Int) -> Interval |a| span_of_units(a, domain::time::MINUTE);
};

/// Functions outside the table.
const OTHERS: &[&str] = &[
    "coalesce",
    "ifnull",
    "nullif",
    "greatest",
    "least",
    "if",
    "concat",
    "abs",
    "sign",
    "round",
    "floor",
    "ceil",
    "ceiling",
    "trunc",
    "mod",
    "date_trunc",
    "datetrunc",
    "date_part",
    "datepart",
    "date_diff",
    "datediff",
    "epoch",
    "epoch_ms",
    "epoch_us",
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "dayofweek",
    "isodow",
    "dayofyear",
];

/// Functions whose answer is not in the row.
const CLOCKS: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "today",
    "get_current_timestamp",
    "get_current_time",
    "transaction_timestamp",
    "age",
    "random",
    "rand",
    "setseed",
    "uuid",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "nextval",
    "currval",
];

const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "median",
    "mode",
    "first",
    "last",
    "first_value",
    "last_value",
    "lag",
    "lead",
    "row_number",
    "rank",
    "dense_rank",
    "ntile",
    "nth_value",
    "any_value",
    "string_agg",
    "list",
    "array_agg",
    "quantile",
    "quantile_cont",
    "approx_count_distinct",
    "bool_and",
    "bool_or",
];

impl Compiler<'_> {
    pub(super) fn function(&mut self, function: &ast::Function, span: Range<usize>) -> Option<Typed> {
        let name = function.name.to_string().trim_matches('"').to_lowercase();
        if CLOCKS.contains(&name.as_str()) {
            let hint = Some("use the event's own time, or another of its fields".to_owned());
            return self.error(span, format!("`{name}` is not allowed: the same events must always give the same result"), hint);
        }
        let aggregate = AGGREGATES.contains(&name.as_str());
        if aggregate || function.over.is_some() || function.filter.is_some() || !function.within_group.is_empty() {
            let what = if aggregate { "an aggregate or window function" } else { "called as a window function" };
            let hint = Some("what looks back over events is a select item of a file under features/, with `over`".to_owned());
            return self.error(span, format!("`{name}` is {what}, which has no place here"), hint);
        }
        let mut args = Vec::new();
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => return self.error(span, format!("`{name}` takes no subquery"), None),
            FunctionArguments::List(list) => {
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                    return self.error(span, format!("`{name}` takes plain arguments only"), None);
                }
                for arg in &list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => args.push(expr),
                        other => return self.error(span, format!("`{name}` cannot take `{other}`"), None),
                    }
                }
            }
        }
        self.call(&name, &args, span)
    }

    /// A call of a function by its lower-case name.
    pub(super) fn call(&mut self, name: &str, args: &[&Expr], span: Range<usize>) -> Option<Typed> {
        let known = TABLE.iter().flat_map(|s| s.names.iter().copied()).chain(OTHERS.iter().copied());
        if !known.clone().any(|k| k == name) {
            let hint = did_you_mean(name, known);
            return self.error(span, format!("unknown function `{name}`"), hint);
        }
        let args: Vec<Option<Typed>> = args.iter().map(|a| self.expr(a)).collect();
        let args: Vec<Typed> = args.into_iter().collect::<Option<_>>()?;
        match TABLE.iter().find(|s| s.names.contains(&name)) {
            Some(signature) => self.table_call(name, signature, args, span),
            None => self.special(name, args, span),
        }
    }

    fn count(&mut self, name: &str, args: &[Typed], least: usize, most: usize, span: &Range<usize>) -> Option<()> {
        if (least..=most).contains(&args.len()) {
            return Some(());
        }
        let s = if most == 1 { "" } else { "s" };
        let wanted = match (least, most) {
            (a, b) if a == b => format!("{a} argument{s}"),
            (a, usize::MAX) => format!("{a} or more arguments"),
            (a, b) => format!("{a} to {b} arguments"),
        };
        self.error(span.clone(), format!("`{name}` takes {wanted}, got {}", args.len()), None)
    }

    fn table_call(&mut self, name: &str, signature: &'static Signature, args: Vec<Typed>, span: Range<usize>) -> Option<Typed> {
        self.count(name, &args, signature.args.len() - signature.optional, signature.args.len(), &span)?;
        let mut wrong = false;
        for (arg, kind) in args.iter().zip(signature.args) {
            let Some(ty) = arg.ty else { continue };
            let fits = match kind {
                Kind::Text => ty == Type::Text,
                Kind::Int => ty == Type::Int,
                Kind::Number => numeric(ty),
            };
            if !fits {
                let (wanted, to) = match kind {
                    Kind::Text => ("text", "varchar"),
                    Kind::Int => ("an integer", "bigint"),
                    Kind::Number => ("a number", "double"),
                };
                wrong = true;
                self.error::<()>(
                    arg.span.clone(),
                    format!("`{name}` needs {wanted}, got {ty}"),
                    Some(format!("convert it: `cast(x as {to})`")),
                );
            }
        }
        debug_assert!(args.len() <= MAX_ARGUMENTS);
        let node = Node::Call(signature.run, args.into_iter().map(|a| a.node).collect());
        (!wrong).then_some(Typed { node, ty: Some(signature.result), span, literal: false })
    }

    fn special(&mut self, name: &str, mut args: Vec<Typed>, span: Range<usize>) -> Option<Typed> {
        let made = |node, ty, span| Some(Typed { node, ty, span, literal: false });
        match name {
            "coalesce" | "greatest" | "least" | "ifnull" => {
                let most = if name == "ifnull" { 2 } else { usize::MAX };
                self.count(name, &args, if name == "ifnull" { 2 } else { 1 }, most, &span)?;
                let (nodes, ty) = self.alike(args, name)?;
                let node = match name {
                    "greatest" => Node::Extreme(Ordering::Greater, nodes.into()),
                    "least" => Node::Extreme(Ordering::Less, nodes.into()),
                    _ => Node::Coalesce(nodes.into()),
                };
                made(node, ty, span)
            }
            "if" => {
                self.count(name, &args, 3, 3, &span)?;
                let condition = args.remove(0);
                if !matches!(condition.ty, None | Some(Type::Bool)) {
                    return self.error(condition.span, format!("`if` needs a boolean, got {}", named(condition.ty)), None);
                }
                let (mut nodes, ty) = self.alike(args, name)?;
                let (otherwise, then) = (nodes.pop()?, nodes.pop()?);
                made(Node::Case(Box::new([(condition.node, then)]), Box::new(otherwise)), ty, span)
            }
            "nullif" => {
                self.count(name, &args, 2, 2, &span)?;
                let (right, left) = (args.pop()?, args.pop()?);
                let (left, right) = self.same_type(left, right, name, span.clone())?;
                made(Node::NullIf(Box::new([left.node, right.node])), left.ty, span)
            }
            "concat" => {
                self.count(name, &args, 1, usize::MAX, &span)?;
                self.no_intervals(&args)?;
                made(Node::Concat(args.into_iter().map(|a| a.node).collect()), Some(Type::Text), span)
            }
            "mod" => {
                self.count(name, &args, 2, 2, &span)?;
                let (right, left) = (args.pop()?, args.pop()?);
                self.arithmetic_of(Op::Remainder, left, right, span)
            }
            "abs" | "sign" => {
                self.count(name, &args, 1, 1, &span)?;
                self.numbers(name, &args)?;
                let of = args.pop()?;
                let (run, ty): (Function, _) =
                    if name == "abs" { (|a| arithmetic::abs(&a[0]), of.ty) } else { (|a| arithmetic::sign(&a[0]), Some(Type::Int)) };
                made(Node::Call(run, Box::new([of.node])), ty, span)
            }
            "round" | "trunc" | "floor" | "ceil" | "ceiling" => self.rounding(name, args, span),
            "date_trunc" | "datetrunc" | "date_part" | "datepart" => {
                self.count(name, &args, 2, 2, &span)?;
                let (of, part) = (args.pop()?, args.pop()?);
                let Some(Value::Text(word)) = part.constant() else {
                    return self.error(part.span, format!("`{name}` needs its part as a literal, such as 'day'"), None);
                };
                let word = word.clone();
                if name.ends_with("part") {
                    return self.extract(&word, of, span);
                }
                let unit = self.unit(&word, part.span)?;
                let of = self.timestamp(name, of)?;
                made(Node::Truncate(unit, Box::new(of.node)), Some(Type::Timestamp), span)
            }
            "date_diff" | "datediff" => {
                self.count(name, &args, 3, 3, &span)?;
                let (to, from, part) = (args.pop()?, args.pop()?, args.pop()?);
                let Some(Value::Text(word)) = part.constant() else {
                    return self.error(part.span, format!("`{name}` needs its unit as a literal, such as 'day'"), None);
                };
                let word = word.clone();
                let unit = self.unit(&word, part.span)?;
                let (from, to) = (self.timestamp(name, from), self.timestamp(name, to));
                made(Node::DateDiff(unit, Box::new([from?.node, to?.node])), Some(Type::Int), span)
            }
            "epoch_ms" | "epoch_us" => {
                self.count(name, &args, 1, 1, &span)?;
                let of = args.pop()?;
                let of = self.timestamp(name, of)?;
                let run: Function = match name {
                    "epoch_ms" => |a| if let Value::Timestamp(t) = *a[0] { Value::Int(t.div_euclid(1000)) } else { Value::Null },
                    _ => |a| if let Value::Timestamp(t) = *a[0] { Value::Int(t) } else { Value::Null },
                };
                made(Node::Call(run, Box::new([of.node])), Some(Type::Int), span)
            }
            part => {
                self.count(name, &args, 1, 1, &span)?;
                let of = args.pop()?;
                self.extract(part, of, span)
            }
        }
    }

    fn rounding(&mut self, name: &str, mut args: Vec<Typed>, span: Range<usize>) -> Option<Typed> {
        let most = if matches!(name, "round" | "trunc") { 2 } else { 1 };
        self.count(name, &args, 1, most, &span)?;
        self.numbers(name, &args)?;
        let digits = if args.len() > 1 { args.pop() } else { None };
        let of = args.pop()?;
        let places = match digits.as_ref().map(Typed::constant) {
            None => Some(0),
            Some(Some(Value::Int(places))) => Some((*places).clamp(-100, 100)),
            Some(_) => None,
        };
        let ty = match (of.ty, places) {
            (Some(Type::Decimal(scale)), Some(places)) => Some(Type::Decimal(scale.min(places.max(0) as u8))),
            (Some(Type::Decimal(_)), None) => {
                let place = digits.map_or(span, |d| d.span);
                return self.error(
                    place,
                    format!("`{name}` of a decimal needs its places as a literal"),
                    Some("or cast to double first".into()),
                );
            }
            (ty, _) => ty,
        };
        if let Some(Typed { ty: Some(other), span, .. }) = digits.as_ref().filter(|d| !matches!(d.ty, None | Some(Type::Int))) {
            return self.error(span.clone(), format!("`{name}` needs an integer number of places, got {other}"), None);
        }
        let run: Function = match name {
            "round" => |a| arithmetic::round(&a[0], i(a, 1), Rounding::Nearest),
            "trunc" => |a| arithmetic::round(&a[0], i(a, 1), Rounding::TowardsZero),
            "floor" => |a| arithmetic::round(&a[0], 0, Rounding::Down),
            _ => |a| arithmetic::round(&a[0], 0, Rounding::Up),
        };
        let nodes = std::iter::once(of.node).chain(digits.map(|d| d.node)).collect();
        Some(Typed { node: Node::Call(run, nodes), ty, span, literal: false })
    }

    pub(super) fn extract(&mut self, part: &str, of: Typed, span: Range<usize>) -> Option<Typed> {
        let Some(part) = Part::parse(part) else {
            return self.error(
                span,
                format!("unknown part `{}` of a time", part.to_lowercase()),
                Some(format!("the parts are {}", calendar::NAMES)),
            );
        };
        let of = if part == Part::Epoch && of.ty == Some(Type::Interval) { of } else { self.timestamp("extract", of)? };
        Some(Typed { node: Node::Extract(part, Box::new(of.node)), ty: Some(part.extracted_type()), span, literal: false })
    }

    /// `a || b`: null if either is.
    pub(super) fn join_texts(&mut self, left: Typed, right: Typed, span: Range<usize>) -> Option<Typed> {
        let args = [left, right];
        self.no_intervals(&args)?;
        let run: Function = |a| text::concat(a.iter().map(|v| Cow::Borrowed(&**v)));
        Some(Typed { node: Node::Call(run, args.into_iter().map(|a| a.node).collect()), ty: Some(Type::Text), span, literal: false })
    }

    fn no_intervals(&mut self, args: &[Typed]) -> Option<()> {
        match args.iter().find(|a| a.ty == Some(Type::Interval)) {
            Some(arg) => self.error(arg.span.clone(), "an interval has no text", Some("`epoch(...)` gives it in seconds".into())),
            None => Some(()),
        }
    }

    fn numbers(&mut self, name: &str, args: &[Typed]) -> Option<()> {
        match args.iter().find(|a| a.ty.is_some_and(|t| !numeric(t))) {
            Some(arg) => self.error(arg.span.clone(), format!("`{name}` needs a number, got {}", named(arg.ty)), None),
            None => Some(()),
        }
    }

    fn timestamp(&mut self, name: &str, of: Typed) -> Option<Typed> {
        let of = self.read_as(of, Some(Type::Timestamp))?;
        match of.ty {
            None | Some(Type::Timestamp) => Some(of),
            Some(ty) => self.error(of.span, format!("`{name}` needs a timestamp, got {ty}"), None),
        }
    }

    fn unit(&mut self, word: &str, span: Range<usize>) -> Option<Part> {
        match Part::parse(word).filter(|p| p.is_unit()) {
            Some(part) => Some(part),
            None => self.error(
                span,
                format!("unknown unit `{word}`"),
                Some("the units are year, quarter, month, week, day, hour, minute, second, millisecond, microsecond".into()),
            ),
        }
    }
}
