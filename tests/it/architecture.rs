//! The shape of the tree: who may know whom, where SQL lives, how large a file may be. [`faults`] is a pure function,
//! so that it can be shown to find what it looks for.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The levels, lowest first. A module may use those of lower levels and, within the first level only, of its own.
const LEVELS: &[&[&str]] = &[
    &["api", "clock", "config", "db", "http_client", "money", "telemetry"],
    &["stripe"],
    &["orders"],
    &["outbox"],
    &["fulfilment", "payments", "connect", "catalogue", "quotes", "invoices", "subscriptions", "lookups"],
    &["inbox"],
    &["retention"],
    &["webhooks", "worker"],
    &["server"],
    &["app"],
    &["fake_stripe"],
    &["cli"],
];

/// What stands for Stripe may share nothing with what calls Stripe: a mistake of both would never be seen.
const INDEPENDENT: &str = "fake_stripe";

/// The modules that it may use all the same.
const INDEPENDENT_USES: [&str; 2] = ["clock", "http_client"];

/// Modules that only their own feature may name.
const PRIVATE: [&str; 2] = ["store", "state"];

/// Names that say nothing of what is in a module.
const VAGUE: [&str; 6] = ["utils", "helpers", "common", "types", "manager", "service"];

/// The one place with SQL outside of a store: it reads the table of the migrations, which no feature owns.
const SQL_TOO: &str = "src/db/mod.rs";

const MOST_LINES: usize = 500;

#[test]
fn the_tree_is_as_the_design_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    read_sources(root, &root.join("src"), &mut sources);
    assert!(sources.len() > 50, "the sources are found");

    let found = faults(&sources);

    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_level_is_there() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");

    for module in LEVELS.iter().copied().flatten() {
        let is_there = src.join(format!("{module}.rs")).exists() || src.join(module).join("mod.rs").exists();
        assert!(is_there, "{module} is gone; take it from the levels");
    }
}

#[test]
fn each_kind_of_fault_is_found() {
    let long = "\n".repeat(MOST_LINES + 1);
    for (path, text, fault) in [
        (
            "src/orders/place.rs",
            "use crate::inbox::record;",
            "src/orders/place.rs: orders must not know inbox",
        ),
        ("src/stripe/event.rs", "fn f() { crate::orders::find() }", "stripe must not know orders"),
        ("src/db/mod.rs", "use crate::{clock::Clock, cli};", "db must not know cli"),
        ("src/worker/mod.rs", "use crate::webhooks::Intake;", "worker must not know webhooks"),
        ("src/money.rs", "mod tests { use crate::{self, app::App}; }", "money must not know app"),
        (
            "src/orders/place.rs",
            "macro_rules! m { () => { crate::server::start() } }",
            "orders must not know server",
        ),
        (
            "src/fake_stripe/frame/form.rs",
            "use crate::stripe::form;",
            "fake_stripe must stay independent of stripe",
        ),
        ("src/fake_stripe/world.rs", "use crate::money::Currency;", "independent of money"),
        ("src/orders/place.rs", "use super::super::inbox;", "leaves its module by `super`"),
        ("src/orders/mod.rs", "use super::inbox;", "leaves its module by `super`"),
        ("src/refunds/mod.rs", "", "refunds has no level"),
        ("src/orders/place.rs", "use crate::parcels::Parcel;", "parcels has no level"),
        (
            "src/cli/orders.rs",
            "use crate::{db, orders::{Order, store::{find, load}}};",
            "orders::store is private",
        ),
        ("src/inbox/apply.rs", "fn f() { crate::orders::state::apply() }", "orders::state is private"),
        (
            "src/orders/routes.rs",
            "fn f() { sqlx::query(\"select 1\") }",
            "SQL outside of a store: sqlx::query",
        ),
        (
            "src/orders/routes.rs",
            "fn f() { query_as!(Row, \"select 1\") }",
            "SQL outside of a store: query_as!",
        ),
        (
            "src/orders/routes.rs",
            "fn f() { sqlx::query_scalar!(\"\") }",
            "SQL outside of a store: sqlx::query_scalar",
        ),
        (
            "src/orders/routes.rs",
            "use sqlx::{PgPool, QueryBuilder};",
            "SQL outside of a store: sqlx::QueryBuilder",
        ),
        ("src/db/cluster/user.rs", "fn f() { sqlx::raw_sql(\"\") }", "SQL outside of a store: sqlx::raw_sql"),
        ("src/orders/restore.rs", "fn f() { query!(\"\") }", "SQL outside of a store: query!"),
        ("src/orders/place.rs", long.as_str(), "501 lines"),
        ("src/orders/helpers.rs", "", "`helpers` says nothing"),
        ("src/utils/text.rs", "", "`utils` says nothing"),
        ("src/orders/place.rs", "mod common { }", "`common` says nothing"),
        ("src/orders/place.rs", "fn f() { \"", "cannot be read"),
    ] {
        let found = faults(&[(path.to_owned(), text.to_owned())]);
        assert!(found.iter().any(|found| found.contains(fault)), "{fault:?} in {path} {text:?}: {found:?}");
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for (path, text) in [
        ("src/cli/mod.rs", "use crate::{app::App, orders, telemetry};"),
        (
            "src/fake_stripe/server.rs",
            "use crate::{clock::Clock, http_client};\nuse crate::fake_stripe::world;",
        ),
        ("src/telemetry.rs", "use crate::config::LogFormat;"),
        ("src/inbox/apply.rs", "use crate::orders::{Order, settle};\nuse super::store::{self, Mark};"),
        (
            "src/orders/store/read.rs",
            "use super::super::order::Order; fn f() { sqlx::query!(\"\"); QueryBuilder::new() }",
        ),
        ("src/orders/store.rs", "use crate::orders::state::Move; fn f() { sqlx::query_as!(Row, \"\") }"),
        (
            "src/orders/place.rs",
            "//! See [`crate::inbox`].\n/* crate::inbox */ const S: &str = \"crate::inbox sqlx::query\";",
        ),
        ("src/orders/place.rs", "use sqlx::{PgConnection, types::Json}; fn query() {}"),
        ("src/orders/place.rs", "#[cfg(test)] mod tests { use super::*; use super::super::order::Order; }"),
        ("src/money.rs", "mod tests { use super::*; }"),
        ("src/app.rs", "pub(super) fn f() {}"),
        ("src/lib.rs", "pub mod orders;"),
        ("src/main.rs", "fn main() { packline::cli::run() }"),
    ] {
        let found = faults(&[(path.to_owned(), text.to_owned())]);
        assert!(found.is_empty(), "{path} {text:?}: {found:?}");
    }
}

/// Everything that is wrong with a tree of sources: path, text.
fn faults(sources: &[(String, String)]) -> Vec<String> {
    sources.iter().flat_map(|(path, text)| faults_of(path, text)).collect()
}

fn faults_of(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let modules = modules(path);
    let lines = text.lines().count();
    if lines > MOST_LINES {
        faults.push(format!("{lines} lines; split it by {MOST_LINES}"));
    }
    let Ok(tokens) = text.parse::<TokenStream>() else {
        faults.push("cannot be read as Rust".to_owned());
        return faults.iter().map(|fault| format!("{path}: {fault}")).collect();
    };
    let mut names = Names::default();
    names.read(tokens, modules.len());

    let vague = modules.iter().chain(&names.modules).filter(|name| VAGUE.contains(&name.as_str()));
    faults.extend(vague.map(|name| format!("`{name}` says nothing of what is in it")));
    if let Some(feature) = modules.first() {
        faults.extend(level_faults(feature, &names));
        if names.leaves_feature {
            faults.push("leaves its module by `super`; write crate::".to_owned());
        }
    }
    let is_store = modules.iter().skip(1).any(|module| module == "store");
    if !is_store && path != SQL_TOO {
        faults.extend(names.sql.iter().map(|name| format!("SQL outside of a store: {name}")));
    }
    faults.iter().map(|fault| format!("{path}: {fault}")).collect()
}

fn level_faults(feature: &str, names: &Names) -> Vec<String> {
    let level = |module: &str| LEVELS.iter().position(|level| level.contains(&module));
    let Some(own) = level(feature) else {
        return vec![format!("{feature} has no level; give it one")];
    };
    let mut faults = Vec::new();
    for path in names.crate_paths.iter().filter(|path| path[0] != feature) {
        match level(&path[0]) {
            None => faults.push(format!("{} has no level; give it one", path[0])),
            Some(_) if feature == INDEPENDENT && !INDEPENDENT_USES.contains(&path[0].as_str()) => {
                faults.push(format!("{feature} must stay independent of {}", path[0]));
            }
            Some(other) if other < own || (other == 0 && own == 0) => {}
            Some(_) => faults.push(format!("{feature} must not know {}", path[0])),
        }
        if path.get(1).is_some_and(|module| PRIVATE.contains(&module.as_str())) {
            faults.push(format!("{}::{} is private to its feature", path[0], path[1]));
        }
    }
    faults
}

/// The modules that a file is: `src/orders/store/read.rs` is `orders`, `store`, `read`.
fn modules(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let roots = ["lib", "main"];
    path.split('/').filter(|name| *name != "mod" && !roots.contains(name)).map(str::to_owned).collect()
}

/// The names in a source that the rules are about. Comments and texts are no tokens and do not count.
#[derive(Default)]
struct Names {
    /// What follows `crate::`, a path for each leaf of a `use` tree.
    crate_paths: Vec<Vec<String>>,
    /// Macros and functions that take SQL.
    sql: Vec<String>,
    /// Modules declared here.
    modules: Vec<String>,
    /// Whether so many `super` stand together that they lead out of the feature.
    leaves_feature: bool,
}

impl Names {
    /// `depth` is how many modules deep these tokens are.
    fn read(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut declares_module = false;
        for (at, token) in tokens.iter().enumerate() {
            let follows_path = at >= 1 && is_punct(&tokens[at - 1], ':');
            match token {
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    match name.as_str() {
                        "crate" => self.crate_paths.extend(leaves(&tokens[at + 1..])),
                        "sqlx" if !follows_path => self.sql.extend(
                            leaves(&tokens[at + 1..])
                                .into_iter()
                                .filter(|path| takes_sql(&path[0]))
                                .map(|path| format!("sqlx::{}", path[0])),
                        ),
                        // Not the one of `pub(super)`.
                        "super"
                            if !follows_path
                                && tokens.get(at + 1).is_some_and(|next| is_punct(next, ':')) =>
                        {
                            let supers = tokens[at..].iter().filter(|token| !is_punct(token, ':'));
                            let count = supers.take_while(|token| token.to_string() == "super").count();
                            self.leaves_feature |= count >= depth;
                        }
                        _ => {}
                    }
                    if at >= 1 && tokens[at - 1].to_string() == "mod" {
                        self.modules.push(name.clone());
                        declares_module = true;
                    }
                    let is_macro = tokens.get(at + 1).is_some_and(|next| is_punct(next, '!'));
                    if is_macro && !follows_path && name.starts_with("query") {
                        self.sql.push(format!("{name}!"));
                    }
                }
                TokenTree::Group(group) => {
                    let is_module = declares_module && group.delimiter() == Delimiter::Brace;
                    self.read(group.stream(), depth + usize::from(is_module));
                    declares_module = false;
                }
                TokenTree::Punct(punct) => declares_module &= punct.as_char() != ';',
                TokenTree::Literal(_) => {}
            }
        }
    }
}

fn takes_sql(name: &str) -> bool {
    name.starts_with("query") || ["QueryBuilder", "raw_sql"].contains(&name)
}

/// The paths that begin here with `::`: one, or one for each leaf of a tree in braces.
fn leaves(tokens: &[TokenTree]) -> Vec<Vec<String>> {
    if tokens.len() < 3 || !is_punct(&tokens[0], ':') || !is_punct(&tokens[1], ':') {
        return Vec::new();
    }
    match &tokens[2] {
        TokenTree::Ident(name) => {
            let deeper = leaves(&tokens[3..]);
            let ends = if deeper.is_empty() { vec![Vec::new()] } else { deeper };
            ends.into_iter().map(|end| std::iter::once(name.to_string()).chain(end).collect()).collect()
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner.split(|token| is_punct(token, ',')).flat_map(branch).collect()
        }
        _ => Vec::new(),
    }
}

/// A branch of a tree; one that begins with `self` adds nothing to its stem.
fn branch(tokens: &[TokenTree]) -> Vec<Vec<String>> {
    match tokens {
        [TokenTree::Ident(name), rest @ ..] if name != "self" => {
            let deeper = leaves(rest);
            let ends = if deeper.is_empty() { vec![Vec::new()] } else { deeper };
            ends.into_iter().map(|end| std::iter::once(name.to_string()).chain(end).collect()).collect()
        }
        _ => Vec::new(),
    }
}

fn is_punct(token: &TokenTree, expected: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == expected)
}

fn read_sources(root: &Path, folder: &Path, sources: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read_sources(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}
