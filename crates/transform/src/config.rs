//! A node's configuration: what `dbt_project.yml`, the properties file and the node's own `config()` say together, checked key by key.

use crate::json;
use crate::spec::Kind;
use project::section::Report;
use project::{Diagnostic, Place};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// One thing said somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: Json,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Materialized {
    #[default]
    View,
    Table,
    Incremental,
    Ephemeral,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Incremental {
    #[default]
    Append,
    Merge,
    DeleteInsert,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSchemaChange {
    #[default]
    Ignore,
    Fail,
    AppendNewColumns,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    #[default]
    Error,
    Warn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardDeletes {
    #[default]
    Ignore,
    Invalidate,
    NewRecord,
}

/// How a snapshot knows that a row changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By a column that says when.
    Timestamp { updated_at: String },
    /// By these columns' values; none are all.
    Check { columns: Option<Vec<String>>, updated_at: Option<String> },
}

/// Everything that can be said about a node. What does not apply to its kind holds its default.
#[derive(Clone, Debug)]
pub struct Config {
    pub enabled: bool,
    pub materialized: Materialized,
    pub schema: Option<String>,
    pub alias: Option<String>,
    pub tags: Vec<String>,
    pub meta: Json,
    pub unique_key: Vec<String>,
    pub incremental: Incremental,
    pub on_schema_change: OnSchemaChange,
    pub full_refresh: Option<bool>,
    /// Whether names and types of the columns are promised.
    pub contract: bool,
    pub column_types: BTreeMap<String, String>,
    pub delimiter: u8,
    pub severity: Severity,
    pub warn_if: String,
    pub error_if: String,
    pub fail_calc: String,
    pub store_failures: bool,
    pub condition: Option<String>,
    pub limit: Option<u64>,
    pub snapshot: Option<Strategy>,
    pub hard_deletes: HardDeletes,
    /// What was said, key by key, for `config.get` and the manifest.
    pub said: Map<String, Json>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            materialized: Materialized::View,
            schema: None,
            alias: None,
            tags: Vec::new(),
            meta: Json::Object(Map::new()),
            unique_key: Vec::new(),
            incremental: Incremental::Append,
            on_schema_change: OnSchemaChange::Ignore,
            full_refresh: None,
            contract: false,
            column_types: BTreeMap::new(),
            delimiter: b',',
            severity: Severity::Error,
            warn_if: "!= 0".into(),
            error_if: "!= 0".into(),
            fail_calc: "count(*)".into(),
            store_failures: false,
            condition: None,
            limit: None,
            snapshot: None,
            hard_deletes: HardDeletes::Ignore,
            said: Map::new(),
        }
    }
}

const COMMON: &[&str] = &["enabled", "schema", "alias", "tags", "meta", "docs", "group", "access", "description"];
const MODEL: &[&str] =
    &["materialized", "unique_key", "incremental_strategy", "on_schema_change", "full_refresh", "contract", "event_time"];
const SEED: &[&str] = &["column_types", "delimiter", "quote_columns", "full_refresh", "materialized"];
const SNAPSHOT: &[&str] =
    &["unique_key", "strategy", "updated_at", "check_cols", "hard_deletes", "invalidate_hard_deletes", "target_schema", "materialized"];
const TEST: &[&str] = &["severity", "warn_if", "error_if", "fail_calc", "store_failures", "where", "limit"];

/// The keys that a kind of node takes.
pub(crate) fn keys(kind: Kind) -> Vec<&'static str> {
    let own = match kind {
        Kind::Model => MODEL,
        Kind::Seed => SEED,
        Kind::Snapshot => SNAPSHOT,
        Kind::Test => TEST,
        Kind::UnitTest => &[],
    };
    COMMON.iter().chain(own).copied().collect()
}

/// What dbt takes and we do not.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("pre_hook", "put what must run before into a model of its own"),
    ("pre-hook", "put what must run before into a model of its own"),
    ("post_hook", "put what must run after into a model of its own"),
    ("post-hook", "put what must run after into a model of its own"),
    ("batch_size", "microbatches are not supported; use `merge` with a filter on time"),
    ("begin", "microbatches are not supported; use `merge` with a filter on time"),
    ("lookback", "microbatches are not supported; use `merge` with a filter on time"),
    ("database", "there is one database; use `schema`"),
    ("grants", "rights are given on the doors, not on tables"),
    ("incremental_predicates", "filter in the model with `is_incremental()`"),
    ("merge_update_columns", "list what must stay in the model's own select"),
    ("merge_exclude_columns", "list what must stay in the model's own select"),
    ("sql_header", "write it into the model"),
    ("store_failures_as", "use `store_failures`, which makes a table"),
    ("dbt_valid_to_current", "null says that a row still holds"),
    ("snapshot_meta_column_names", "the columns are called dbt_valid_from, dbt_valid_to, dbt_updated_at and dbt_scd_id"),
];

/// Reads one value, or notes what is wrong with it.
struct Reader<'a> {
    setting: &'a Setting,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn wrong(&mut self, wanted: &str) {
        let said = match &self.setting.value {
            Json::String(s) => s.clone(),
            other => other.to_string(),
        };
        self.report.add(Diagnostic::new(self.setting.place.clone(), format!("`{}` must be {wanted}, got `{said}`", self.setting.key)));
    }

    fn boolean(&mut self) -> Option<bool> {
        let value = self.setting.value.as_bool();
        if value.is_none() {
            self.wrong("true or false");
        }
        value
    }

    fn text(&mut self) -> Option<String> {
        let value = json::text(&self.setting.value);
        if value.is_none() {
            self.wrong("text");
        }
        value
    }

    fn texts(&mut self) -> Option<Vec<String>> {
        let value = json::texts(&self.setting.value);
        if value.is_none() {
            self.wrong("a list of texts");
        }
        value
    }

    fn choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text()?;
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word)).map(|(_, value)| *value);
        if found.is_none() {
            let mistake = Diagnostic::new(self.setting.place.clone(), format!("`{}` cannot be `{word}`", self.setting.key));
            self.report.add(mistake.nearest(&word, choices.iter().map(|(name, _)| *name)));
        }
        found
    }
}

impl Config {
    /// Puts layers together, the later ones first in force; tags and meta add up.
    pub(crate) fn resolve(kind: Kind, settings: &[Setting], place: &Place, report: &mut Report) -> Self {
        let mut config = Self::default();
        let (mut strategy, mut updated_at, mut check): (Option<bool>, Option<String>, Option<Option<Vec<String>>>) = (None, None, None);
        let mut explicit = None;
        for setting in settings {
            let known = keys(kind);
            if !known.contains(&setting.key.as_str()) {
                let mistake = Diagnostic::new(setting.place.clone(), format!("a {} has no configuration `{}`", kind.word(), setting.key));
                report.add(match UNSUPPORTED.iter().find(|(name, _)| *name == setting.key) {
                    Some((name, instead)) => {
                        Diagnostic::new(setting.place.clone(), format!("configuration `{name}` is not supported")).hint(*instead)
                    }
                    None => mistake.nearest(&setting.key, known.iter().copied()),
                });
                continue;
            }
            config.said.insert(setting.key.clone(), setting.value.clone());
            if setting.value.is_null() {
                continue;
            }
            let mut read = Reader { setting, report };
            match setting.key.as_str() {
                "enabled" => config.enabled = read.boolean().unwrap_or(true),
                "schema" | "target_schema" => config.schema = read.text(),
                "alias" => config.alias = read.text(),
                "tags" => config.tags.extend(read.texts().unwrap_or_default()),
                "meta" => match (&mut config.meta, &setting.value) {
                    (Json::Object(all), Json::Object(more)) => all.extend(more.clone()),
                    _ => read.wrong("a mapping"),
                },
                "materialized" if kind == Kind::Model => {
                    let choices = [
                        ("view", Materialized::View),
                        ("table", Materialized::Table),
                        ("incremental", Materialized::Incremental),
                        ("ephemeral", Materialized::Ephemeral),
                    ];
                    config.materialized = read.choice(&choices).unwrap_or_default();
                }
                "unique_key" => config.unique_key = read.texts().unwrap_or_default(),
                "incremental_strategy" => {
                    let choices =
                        [("append", Incremental::Append), ("merge", Incremental::Merge), ("delete+insert", Incremental::DeleteInsert)];
                    explicit = read.choice(&choices);
                }
                "on_schema_change" => {
                    let choices = [
                        ("ignore", OnSchemaChange::Ignore),
                        ("fail", OnSchemaChange::Fail),
                        ("append_new_columns", OnSchemaChange::AppendNewColumns),
                    ];
                    config.on_schema_change = read.choice(&choices).unwrap_or_default();
                }
                "full_refresh" => config.full_refresh = read.boolean(),
                "contract" => match setting.value.get("enforced").and_then(Json::as_bool) {
                    Some(enforced) => config.contract = enforced,
                    None => read.wrong("`{enforced: true}` or `{enforced: false}`"),
                },
                "column_types" => match setting.value.as_object() {
                    Some(types) => config.column_types.extend(types.iter().filter_map(|(k, v)| Some((k.clone(), json::text(v)?)))),
                    None => read.wrong("a mapping from column to type"),
                },
                "delimiter" => match read.text().as_deref().map(str::as_bytes) {
                    Some([one]) => config.delimiter = *one,
                    Some(_) => read.wrong("one character"),
                    None => {}
                },
                "severity" => {
                    config.severity = read.choice(&[("error", Severity::Error), ("warn", Severity::Warn)]).unwrap_or_default();
                }
                "warn_if" | "error_if" => {
                    let condition = read.text().unwrap_or_default();
                    if Threshold::parse(&condition).is_none() {
                        read.wrong("a comparison such as `> 10`");
                    } else if setting.key == "warn_if" {
                        config.warn_if = condition;
                    } else {
                        config.error_if = condition;
                    }
                }
                "fail_calc" => config.fail_calc = read.text().unwrap_or(config.fail_calc),
                "store_failures" => config.store_failures = read.boolean().unwrap_or_default(),
                "where" => config.condition = read.text(),
                "limit" => match setting.value.as_u64() {
                    Some(limit) => config.limit = Some(limit),
                    None => read.wrong("a number"),
                },
                "strategy" => strategy = read.choice(&[("timestamp", true), ("check", false)]),
                "updated_at" => updated_at = read.text(),
                "check_cols" => check = if setting.value == "all" { Some(None) } else { read.texts().map(Some) },
                "hard_deletes" => {
                    let choices =
                        [("ignore", HardDeletes::Ignore), ("invalidate", HardDeletes::Invalidate), ("new_record", HardDeletes::NewRecord)];
                    config.hard_deletes = read.choice(&choices).unwrap_or_default();
                }
                "invalidate_hard_deletes" if read.boolean() == Some(true) => config.hard_deletes = HardDeletes::Invalidate,
                _ => {}
            }
        }
        // Said twice, a tag counts once.
        config.tags.sort();
        config.tags.dedup();
        let mut needs = |what: &str, hint: &str| report.add(Diagnostic::new(place.clone(), what).hint(hint));
        // With a key, dbt's own default is to replace rows.
        config.incremental = explicit.unwrap_or(if config.unique_key.is_empty() { Incremental::Append } else { Incremental::Merge });
        if config.materialized == Materialized::Incremental && config.incremental != Incremental::Append && config.unique_key.is_empty() {
            needs(
                "this incremental strategy needs `unique_key`",
                "name the column, or a list of columns, that makes a row one of its kind",
            );
        }
        if kind == Kind::Snapshot {
            if config.unique_key.is_empty() {
                needs("a snapshot needs `unique_key`", "name the column that says which row is which");
            }
            match (strategy, updated_at, check) {
                (Some(true), Some(updated_at), _) => config.snapshot = Some(Strategy::Timestamp { updated_at }),
                (Some(true), None, _) => needs("strategy `timestamp` needs `updated_at`", "name the column that says when a row changed"),
                (Some(false), updated_at, Some(columns)) => config.snapshot = Some(Strategy::Check { columns, updated_at }),
                (Some(false), _, None) => needs("strategy `check` needs `check_cols`", "list the columns to compare, or write `all`"),
                (None, ..) => needs("a snapshot needs `strategy`", "write `timestamp` or `check`"),
            }
        }
        config
    }

    /// As `config` of a manifest has it.
    pub fn to_json(&self, kind: Kind) -> Json {
        let materialized = match kind {
            Kind::Seed => "seed",
            Kind::Snapshot => "snapshot",
            Kind::Test | Kind::UnitTest => "test",
            Kind::Model => self.materialized.word(),
        };
        let mut all = self.said.clone();
        let mut put = |key: &str, value: Json| all.insert(key.into(), value);
        put("enabled", self.enabled.into());
        put("materialized", materialized.into());
        put("tags", self.tags.clone().into());
        put("meta", self.meta.clone());
        put("schema", self.schema.clone().into());
        put("alias", self.alias.clone().into());
        put("contract", serde_json::json!({ "enforced": self.contract, "alias_types": true }));
        if kind == Kind::Test {
            put("severity", if self.severity == Severity::Error { "ERROR" } else { "WARN" }.into());
            put("warn_if", self.warn_if.clone().into());
            put("error_if", self.error_if.clone().into());
            put("fail_calc", self.fail_calc.clone().into());
            put("store_failures", self.store_failures.into());
        }
        Json::Object(all)
    }
}

impl Materialized {
    pub fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Table => "table",
            Self::Incremental => "incremental",
            Self::Ephemeral => "ephemeral",
        }
    }
}

/// A comparison with a count of failures, such as `>= 10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Threshold<'a> {
    operator: &'a str,
    than: i64,
}

impl<'a> Threshold<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let operator = ["!=", "<>", ">=", "<=", "==", "=", ">", "<"].into_iter().find(|op| text.starts_with(op))?;
        Some(Self { operator, than: text[operator.len()..].trim().parse().ok()? })
    }

    pub(crate) fn holds(self, count: i64) -> bool {
        match self.operator {
            "!=" | "<>" => count != self.than,
            ">=" => count >= self.than,
            "<=" => count <= self.than,
            ">" => count > self.than,
            "<" => count < self.than,
            _ => count == self.than,
        }
    }
}
