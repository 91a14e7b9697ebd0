//! `sluice users`: who may speak to the embedded broker. Users stand in the store, where a running instance looks them up; every
//! change is written to the audit trail. Passwords are not kept: only what SCRAM checks them by.

use super::{Outcome, Result, print_json, reach};
use crate::cli::{OutputFormat, StorePlace, UserGrants, Users};
use crate::kafka_door::{kept, parse};
use crate::{client, opened, stores};
use broker::{Grants, Pattern, User};
use comfy_table::{ContentArrangement, Table, presets};
use domain::Error;
use project::StoreSettings;
use serde_json::json;
use std::io::Read as _;
use std::sync::Arc;
use store::{AuditEntry, KafkaUser, Store};

/// Longest name and password, in bytes.
const MOST_BYTES: u64 = 255;

pub fn run(command: &Users, output: OutputFormat) -> Result {
    match command {
        Users::List(store) => list(&open(store)?.kafka_users()?, output),
        Users::Add(args) => {
            check_name(&args.name)?;
            let store = open(&args.store)?;
            if store.kafka_user(&args.name)?.is_some() {
                let hint = "`sluice users grant` changes what it may do, `sluice users password` its password";
                return Err(Error::stop(format!("there is a user `{}` already", args.name), hint));
            }
            let (password, made) = password(args.password_stdin)?;
            let user = User::new(&password, grants(&args.grants));
            store.put_kafka_user(&kept(&args.name, &user)?)?;
            audit(&*store, "kafka_user_added", &args.name, &words(&user.grants))?;
            told(&args.name, &user.grants, made.then_some(&password), output)
        }
        Users::Grant(args) => {
            let store = open(&args.store)?;
            let user = User { grants: grants(&args.grants), ..parse(&find(&*store, &args.name)?)? };
            store.put_kafka_user(&kept(&args.name, &user)?)?;
            audit(&*store, "kafka_user_granted", &args.name, &words(&user.grants))?;
            told(&args.name, &user.grants, None, output)
        }
        Users::Password(args) => {
            let store = open(&args.store)?;
            let found = parse(&find(&*store, &args.name)?)?;
            let (password, made) = password(args.password_stdin)?;
            let user = User::new(&password, found.grants);
            store.put_kafka_user(&kept(&args.name, &user)?)?;
            audit(&*store, "kafka_user_password_changed", &args.name, "")?;
            told(&args.name, &user.grants, made.then_some(&password), output)
        }
        Users::Remove(args) => {
            let store = open(&args.store)?;
            find(&*store, &args.name)?;
            store.remove_kafka_user(&args.name)?;
            audit(&*store, "kafka_user_removed", &args.name, "")?;
            match output {
                OutputFormat::Json => print_json(&json!({ "removed": args.name }))?,
                OutputFormat::Human => println!("user {} is removed", args.name),
            }
            Ok(Outcome::Fine)
        }
    }
}

fn open(args: &StorePlace) -> domain::Result<Arc<dyn Store>> {
    let settings = match opened::folder(&args.project) {
        Some(_) => opened::open(&args.project)?.project.settings.store.clone(),
        None => StoreSettings::Embedded,
    };
    let data = &args.data.data;
    std::fs::create_dir_all(data)
        .map_err(|e| Error::stop(format!("cannot create {}", data.display()), "choose a folder with --data").because(e))?;
    stores::place(&settings, data).open()
}

fn find(store: &dyn Store, name: &str) -> domain::Result<KafkaUser> {
    match store.kafka_user(name)? {
        Some(found) => Ok(found),
        None => {
            let known: Vec<_> = store.kafka_users()?.into_iter().map(|user| user.name).collect();
            Err(Error::stop(format!("there is no user `{}`", reach::shown(name)), reach::nearest(name, &known, "sluice users list")))
        }
    }
}

fn check_name(name: &str) -> domain::Result<()> {
    if name.is_empty() || name.len() as u64 > MOST_BYTES || name.chars().any(char::is_control) {
        return Err(Error::stop("this cannot be a user's name", format!("use 1 to {MOST_BYTES} bytes without control characters")));
    }
    Ok(())
}

/// The password from standard input, or one that is made up, and whether it was.
fn password(from_stdin: bool) -> domain::Result<(String, bool)> {
    if !from_stdin {
        return Ok((server::auth::generate_password(), true));
    }
    let mut read = String::new();
    let taken = std::io::stdin().lock().take(MOST_BYTES + 2).read_to_string(&mut read);
    taken.map_err(|e| Error::stop("cannot read the password from standard input", "give it as UTF-8 text").because(e))?;
    let password = read.lines().next().unwrap_or_default().to_owned();
    if password.is_empty() || password.len() as u64 > MOST_BYTES || password.contains('\0') {
        return Err(Error::stop("this cannot be a password", format!("give 1 to {MOST_BYTES} bytes on one line")));
    }
    Ok((password, false))
}

fn grants(said: &UserGrants) -> Grants {
    Grants {
        superuser: said.superuser,
        read: said.read.clone(),
        write: said.write.clone(),
        create: said.create.clone(),
        admin: said.admin.clone(),
        groups: said.groups.clone(),
        transactional_ids: said.transactional_ids.clone(),
    }
}

fn audit(store: &dyn Store, action: &str, name: &str, detail: &str) -> domain::Result<()> {
    store.audit(&AuditEntry { actor: client::whoever_types(), action: action.into(), subject: name.into(), detail: detail.into() })
}

/// Rights as a person says them.
fn words(grants: &Grants) -> String {
    if grants.superuser {
        return "everything".into();
    }
    let lists: [(&str, &[Pattern]); 6] = [
        ("read", &grants.read),
        ("write", &grants.write),
        ("create", &grants.create),
        ("admin", &grants.admin),
        ("group", &grants.groups),
        ("transactional id", &grants.transactional_ids),
    ];
    let said = lists.iter().filter(|(_, patterns)| !patterns.is_empty()).map(|(right, patterns)| {
        let names: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        format!("{right} {}", names.join(", "))
    });
    let said: Vec<_> = said.collect();
    if said.is_empty() { "nothing".into() } else { said.join("; ") }
}

fn told(name: &str, grants: &Grants, password: Option<&String>, output: OutputFormat) -> Result {
    if output == OutputFormat::Json {
        let mut told = json!({ "user": name, "may": grants });
        if let Some(password) = password {
            told["password"] = password.as_str().into();
        }
        print_json(&told)?;
        return Ok(Outcome::Fine);
    }
    println!("user {} may: {}", reach::shown(name), reach::shown(&words(grants)));
    if let Some(password) = password {
        println!("password {password}      (shown this once)");
    }
    Ok(Outcome::Fine)
}

fn list(users: &[KafkaUser], output: OutputFormat) -> Result {
    let parsed = users.iter().map(|user| Ok((user.name.as_str(), parse(user)?.grants))).collect::<domain::Result<Vec<_>>>()?;
    if output == OutputFormat::Json {
        print_json(&parsed.iter().map(|(name, grants)| json!({ "user": name, "may": grants })).collect::<Vec<_>>())?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(["user", "may"]);
    for (name, grants) in &parsed {
        table.add_row([reach::shown(name), reach::shown(&words(grants))]);
    }
    println!("{table}");
    Ok(Outcome::Fine)
}
