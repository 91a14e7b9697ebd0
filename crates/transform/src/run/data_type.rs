//! Names of SQL types: many for the same thing. Told alike here, so that a contract may say `varchar` where an engine says `text`.

/// The one name for a type, in lower case.
pub(super) fn canonical(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let (base, rest) = name.split_once('(').map_or((name.as_str(), ""), |(base, rest)| (base.trim(), rest));
    let arguments = rest.split_once(')').map(|(arguments, _)| arguments.replace(' ', ""));
    let suffix = rest.split_once(')').map(|(_, s)| s.trim()).unwrap_or_default();
    let base = if suffix.is_empty() { base.to_owned() } else { format!("{base} {suffix}") };
    let one = match base.as_str() {
        "varchar" | "char" | "character varying" | "character" | "string" | "utf8" | "largeutf8" | "utf8view" => "text",
        "int8" | "long" | "int64" => "bigint",
        "int4" | "int" | "int32" => "integer",
        "int2" | "int16" => "smallint",
        "bool" => "boolean",
        "double" | "float8" | "float64" | "float" => "double precision",
        "float4" | "float32" => "real",
        "decimal" => "numeric",
        "timestamptz" => "timestamp with time zone",
        "timestamp without time zone" | "datetime" => "timestamp",
        "date32" => "date",
        other => other,
    };
    match (one, arguments) {
        // Text has no length here, and a timestamp always has microseconds.
        ("text" | "timestamp" | "timestamp with time zone", _) | (_, None) => one.to_owned(),
        (one, Some(arguments)) => format!("{one}({arguments})"),
    }
}

/// Whether a column of one type is what a contract promises; a promised `numeric` without digits is any.
pub(super) fn same(promised: &str, found: &str) -> bool {
    let (promised, found) = (canonical(promised), canonical(found));
    promised == found || (!promised.contains('(') && found.split('(').next() == Some(promised.as_str()))
}

#[cfg(test)]
mod tests;
