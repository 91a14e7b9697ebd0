//! `sluice models`: builds, tests and documents the SQL models of a project over its lake.

mod list;
mod progress;
mod written;

use super::{Outcome, Result, mistakes, print_json};
use crate::cli::{ModelsChoice, ModelsCommand, ModelsRun, OutputFormat};
use crate::commands::lake;
use crate::models::{self, LakeEngine};
use crate::opened;
use domain::Error;
use progress::Progress;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use transform::artifacts::{Invocation, catalog, manifest, run_results, sources};
use transform::run::{Compiler, NodeResult, Plan, Status, freshness, run as run_plan};
use transform::select::Selection;
use transform::spec::{Kind, Target};
use transform::{Engine, Models, Options};
use written::Written;

const ALL: [Kind; 5] = [Kind::Model, Kind::Seed, Kind::Snapshot, Kind::Test, Kind::UnitTest];

pub fn run(command: &ModelsCommand, output: OutputFormat) -> Result {
    match command {
        ModelsCommand::Build(args) => build(args, &ALL, "build", output),
        ModelsCommand::Run(args) => build(args, &[Kind::Model], "run", output),
        ModelsCommand::Test(args) => build(args, &[Kind::Test, Kind::UnitTest], "test", output),
        ModelsCommand::Seed(args) => build(args, &[Kind::Seed], "seed", output),
        ModelsCommand::Snapshot(args) => build(args, &[Kind::Snapshot], "snapshot", output),
        ModelsCommand::Ls(args) => match Work::open(&args.choice, 1) {
            Ok(work) => list::run(&work.models, &work.chosen()?, &args.resource_type, output),
            Err(refused) => refused.told(output),
        },
        ModelsCommand::Compile(args) => compile(args, output),
        ModelsCommand::Docs(args) => docs(args, output),
        ModelsCommand::Freshness(args) => fresh(args, output),
    }
}

/// The models of a command and what it chose of them.
struct Work<'a> {
    models: Models,
    choice: &'a ModelsChoice,
    invocation: Invocation,
    began: Instant,
}

/// Why a command did not begin.
enum Refused {
    Mistakes(Vec<project::Diagnostic>, String),
}

impl Refused {
    fn told(self, output: OutputFormat) -> Result {
        let Self::Mistakes(found, of) = self;
        mistakes(&found, &of, output)?;
        Ok(Outcome::Found)
    }
}

impl<'a> Work<'a> {
    fn open(choice: &'a ModelsChoice, threads: u16) -> std::result::Result<Self, Refused> {
        let now = jiff::Timestamp::now().to_string();
        let invocation = Invocation { id: uuid::Uuid::new_v4().to_string(), started_at: now.clone(), generated_at: now.clone() };
        let options = Options {
            vars: choice.vars.clone().unwrap_or_default().into_iter().collect(),
            target: Target { threads: usize::from(threads), ..Target::default() },
            started_at: now,
            invocation_id: invocation.id.clone(),
        };
        let models =
            models::open(&choice.place.project, &options).map_err(|found| Refused::Mistakes(found, opened::name(&choice.place.project)))?;
        Ok(Self { models, choice, invocation, began: Instant::now() })
    }

    fn chosen(&self) -> domain::Result<std::collections::BTreeSet<String>> {
        Selection { select: self.choice.select.clone(), exclude: self.choice.exclude.clone() }.resolve(&self.models)
    }

    fn engine(&self, threads: u16) -> domain::Result<Arc<LakeEngine>> {
        Ok(Arc::new(LakeEngine::open(lake::open(&self.choice.place)?, usize::from(threads))?))
    }

    fn compiler(&self, engine: Option<Arc<dyn Engine>>, full_refresh: bool) -> Compiler<'_> {
        Compiler::new(&self.models, engine, full_refresh, &self.invocation.started_at, &self.invocation.id)
    }

    fn files(&self) -> Written<'_> {
        Written { folder: &self.choice.target }
    }
}

fn build(args: &ModelsRun, kinds: &[Kind], which: &'static str, output: OutputFormat) -> Result {
    let work = match Work::open(&args.choice, args.threads) {
        Ok(work) => work,
        Err(refused) => return refused.told(output),
    };
    let plan = Plan {
        chosen: work.chosen()?,
        kinds: kinds.to_vec(),
        threads: usize::from(args.threads),
        fail_fast: args.fail_fast,
        full_refresh: args.full_refresh,
        store_failures: args.store_failures,
    };
    let engine = work.engine(args.threads)?;
    let compiler = work.compiler(Some(engine), args.full_refresh);
    let progress = Progress::new(output);
    let results = run_plan(&compiler, &plan, &progress)?;
    let seconds = work.began.elapsed().as_secs_f64();
    let compiled: BTreeMap<String, String> = results.iter().filter_map(|r| Some((r.id.clone(), r.compiled.clone()?))).collect();
    let files = work.files();
    files.compiled(&work.models, &compiled)?;
    files.json("manifest.json", &manifest(&work.models, &compiled, &work.invocation))?;
    let said = serde_json::json!({
        "which": which, "select": args.choice.select, "exclude": args.choice.exclude, "full_refresh": args.full_refresh,
        "fail_fast": args.fail_fast, "threads": args.threads,
    });
    files.json("run_results.json", &run_results(&work.models, &results, seconds, said, &work.invocation))?;
    progress.summary(&results, seconds)?;
    Ok(outcome(&results))
}

fn outcome(results: &[NodeResult]) -> Outcome {
    match results.iter().any(|r| r.status.is_bad()) {
        true => Outcome::Found,
        false => Outcome::Fine,
    }
}

/// Without a lake: columns that macros ask of tables are not known, everything else is.
fn compile(args: &ModelsRun, output: OutputFormat) -> Result {
    let work = match Work::open(&args.choice, args.threads) {
        Ok(work) => work,
        Err(refused) => return refused.told(output),
    };
    let chosen = work.chosen()?;
    let engine: Option<Arc<dyn Engine>> = work.engine(args.threads).ok().map(|engine| engine as Arc<dyn Engine>);
    let compiler = work.compiler(engine, args.full_refresh);
    let mut compiled = BTreeMap::new();
    for id in chosen {
        let node = work.models.nodes.get(&id).filter(|n| !matches!(n.kind, Kind::Seed | Kind::UnitTest));
        if let Some(node) = node {
            compiled.insert(id, compiler.sql(node)?);
        }
    }
    let files = work.files();
    files.compiled(&work.models, &compiled)?;
    files.json("manifest.json", &manifest(&work.models, &compiled, &work.invocation))?;
    match output {
        OutputFormat::Json => print_json(&compiled)?,
        OutputFormat::Human => println!("{} queries in {}", compiled.len(), args.choice.target.join("compiled").display()),
    }
    Ok(Outcome::Fine)
}

fn docs(args: &ModelsRun, output: OutputFormat) -> Result {
    let work = match Work::open(&args.choice, args.threads) {
        Ok(work) => work,
        Err(refused) => return refused.told(output),
    };
    let engine = work.engine(args.threads)?;
    let files = work.files();
    files.json("manifest.json", &manifest(&work.models, &BTreeMap::new(), &work.invocation))?;
    let catalog = catalog(&work.models, engine.as_ref(), &work.invocation)?;
    files.json("catalog.json", &catalog)?;
    let count = |key: &str| catalog[key].as_object().map_or(0, serde_json::Map::len);
    match output {
        OutputFormat::Json => print_json(&catalog)?,
        OutputFormat::Human => {
            println!(
                "{} tables and views, {} sources in {}",
                count("nodes"),
                count("sources"),
                args.choice.target.join("catalog.json").display()
            );
        }
    }
    Ok(Outcome::Fine)
}

fn fresh(args: &ModelsRun, output: OutputFormat) -> Result {
    let work = match Work::open(&args.choice, args.threads) {
        Ok(work) => work,
        Err(refused) => return refused.told(output),
    };
    let chosen = work.chosen()?;
    let engine = work.engine(args.threads)?;
    let results = freshness(&work.models, engine.as_ref(), &|id| chosen.contains(id), jiff::Timestamp::now());
    let document = sources(&work.models, &results, work.began.elapsed().as_secs_f64(), &work.invocation);
    work.files().json("sources.json", &document)?;
    if output == OutputFormat::Json {
        print_json(&document)?;
    } else if results.is_empty() {
        println!("no source promises freshness: give one `loaded_at_field` and `freshness`");
    } else {
        for result in &results {
            let name = result.id.splitn(3, '.').last().unwrap_or(&result.id);
            let age = result.age().map_or_else(|| "-".into(), |age| format!("{age:.0} s"));
            let word = if result.status == Status::Fail { "too old" } else { result.status.word() };
            println!("{word:<8} {name:<40} {age:>12}  {}", result.message.as_deref().unwrap_or_default());
        }
    }
    Ok(if results.iter().any(|r| r.status.is_bad()) { Outcome::Found } else { Outcome::Fine })
}

/// A result that cannot be written is told by what an operator does about it.
fn cannot_write(path: &std::path::Path, e: std::io::Error) -> Error {
    Error::stop(format!("cannot write {}", path.display()), "choose another folder with --target").because(e)
}
