//! The README says what the code does: its lists of events, commands, settings and states are compared with theirs.
//! Each stands between `<!-- name -->` and `<!-- /name -->`.

use std::collections::BTreeSet;

use packline::orders::{FulfilmentStatus, HoldKind, Order, PaymentStatus};
use packline::{cli, inbox};
use sqlx::{Connection, PgConnection};

use crate::support::TestDatabase;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{name}")).unwrap()
}

/// The lines of a part of the README.
fn part<'r>(readme: &'r str, name: &str) -> Vec<&'r str> {
    let begin = format!("<!-- {name} -->");
    let kind = name.split(':').next().unwrap();
    let (_, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("the README has no {begin}"));
    let end = rest.find(&format!("<!-- /{kind}")).unwrap_or_else(|| panic!("{begin} has no end"));
    rest[..end].lines().collect()
}

/// The rows of the one table among lines, without its head: the cells of each.
fn rows(lines: &[&str]) -> Vec<Vec<String>> {
    let table: Vec<&str> =
        lines.iter().map(|line| line.trim()).filter(|line| line.starts_with('|')).collect();
    assert!(table.len() > 2 && table[1].starts_with("|--"), "a table with a head: {table:?}");
    let cells = |row: &&str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table[2..].iter().map(cells).collect()
}

/// What stands in backticks.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The one thing in backticks that a cell consists of.
fn name(cell: &str) -> String {
    let quoted = code(cell);
    assert!(quoted.len() == 1 && cell == format!("`{}`", quoted[0]), "one name in backticks: {cell:?}");
    quoted.into_iter().next().unwrap()
}

/// Every setting with an environment twin that is not hidden, and its default.
fn settings() -> BTreeSet<(String, String)> {
    cli::definition()
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .filter_map(|arg| {
            let defaults: Vec<&str> =
                arg.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
            Some((arg.get_env()?.to_str().unwrap().to_owned(), defaults.join(",")))
        })
        .collect()
}

#[test]
fn the_settings_are_those_of_the_command_line() {
    let written: Vec<(String, String)> = rows(&part(&file("README.md"), "settings"))
        .iter()
        .map(|row| (name(&row[0]), if row[1].is_empty() { String::new() } else { name(&row[1]) }))
        .collect();

    let set: BTreeSet<_> = written.iter().cloned().collect();
    assert_eq!(set.len(), written.len(), "none twice");
    assert_eq!(set, settings());
    assert!(set.len() > 10);
}

#[test]
fn the_example_of_an_env_file_has_every_setting_with_its_default() {
    let text = file(".env.example");
    // What stands below the last heading is for docker compose alone.
    let ours = text.split("# --- Only for").next().unwrap();

    let written: BTreeSet<(String, String)> = ours
        .lines()
        .filter_map(|line| line.strip_prefix("# ").unwrap_or(line).split_once('='))
        .filter(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();

    let names = |set: &BTreeSet<(String, String)>| -> BTreeSet<String> {
        set.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&written), names(&settings()));
    for (name, default) in settings().iter().filter(|(_, default)| !default.is_empty()) {
        assert!(written.contains(&(name.clone(), default.clone())), "{name} is {default} by default");
    }
}

#[test]
fn the_events_to_subscribe_to_are_those_that_have_an_effect() {
    let readme = file("README.md");
    let written: Vec<String> = part(&readme, "events").iter().flat_map(|line| code(line)).collect();

    let set: BTreeSet<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(set.len(), written.len(), "none twice");
    assert_eq!(set, inbox::dispatch::TABLE.iter().map(|(event_type, _)| *event_type).collect());
}

/// The commands that do something, as one types them.
fn commands(command: &clap::Command, path: &str, all: &mut Vec<(String, clap::Command)>) {
    let mut deeper = command.get_subcommands().filter(|command| !command.is_hide_set()).peekable();
    if deeper.peek().is_none() {
        all.push((path.to_owned(), command.clone()));
    }
    for command in deeper {
        commands(command, &format!("{path} {}", command.get_name()), all);
    }
}

#[test]
fn the_commands_and_their_flags_are_those_that_there_are() {
    let mut known = Vec::new();
    commands(&cli::definition(), "packline", &mut known);
    let mut written = BTreeSet::new();

    for row in rows(&part(&file("README.md"), "commands")) {
        let typed = name(&row[0]);
        // Behind the command's own words may stand what it takes: `--flag`, `<argument>`, `ARGUMENT`.
        let is_own = |word: &&str| {
            word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-')
        };
        let command = typed.split(' ').take_while(is_own).collect::<Vec<_>>().join(" ");
        let (_, definition) = known
            .iter()
            .find(|(path, _)| *path == command)
            .unwrap_or_else(|| panic!("there is no `{typed}`"));
        let flags = row.iter().flat_map(|cell| code(cell)).flat_map(|code| {
            code.split(' ').filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect::<Vec<_>>()
        });
        for flag in flags {
            let is_there = |arg: &clap::Arg| arg.get_long() == Some(flag.as_str());
            let there =
                definition.get_arguments().any(is_there) || cli::definition().get_arguments().any(is_there);
            assert!(there, "`{command}` has no --{flag}");
        }
        assert!(written.insert(command.clone()), "`{command}` twice");
    }

    assert_eq!(written, known.into_iter().map(|(path, _)| path).collect());
}

/// The values that a column may have, as the check of the migrated table has them.
async fn checked(conn: &mut PgConnection, table: &str, column: &str) -> BTreeSet<String> {
    let definitions: Vec<String> = sqlx::query_scalar(
        "select pg_get_constraintdef(checks.oid)
         from pg_constraint checks
         join pg_attribute columns on columns.attrelid = checks.conrelid and checks.conkey = array[columns.attnum]
         where checks.contype = 'c' and checks.conrelid = $1::regclass and columns.attname = $2",
    )
    .bind(table)
    .bind(column)
    .fetch_all(conn)
    .await
    .unwrap();
    assert_eq!(definitions.len(), 1, "one check of {table}.{column} alone: {definitions:?}");
    definitions[0].split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

fn set(names: impl IntoIterator<Item = impl Into<String>>) -> BTreeSet<String> {
    names.into_iter().map(Into::into).collect()
}

#[tokio::test]
async fn the_states_are_those_of_the_code_and_of_the_tables() {
    let database = TestDatabase::create().await;
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    let readme = file("README.md");
    let payment = set(PaymentStatus::ALL.iter().map(|status| status.as_str()));
    let fulfilment = set(FulfilmentStatus::ALL.iter().map(|status| status.as_str()));
    let holds = set(HoldKind::ALL.iter().map(|kind| kind.as_str()));
    let events = set(inbox::STATES.iter().copied());

    for (table, column, known) in [
        ("orders", "payment_status", &payment),
        ("orders", "fulfilment_status", &fulfilment),
        ("holds", "kind", &holds),
        ("stripe_events", "state", &events),
    ] {
        assert_eq!(&checked(&mut conn, table, column).await, known, "{table}.{column}");
    }
    let fulfilments = checked(&mut conn, "fulfilments", "state").await;
    for (part_name, known) in [
        ("payment_status", payment),
        ("fulfilment_status", fulfilment),
        ("status", set(Order::STATUSES.iter().copied())),
        ("events", events),
        ("fulfilments", fulfilments),
        ("holds", holds),
    ] {
        let table = rows(&part(&readme, &format!("states:{part_name}")));
        let written: Vec<String> = table.iter().map(|row| name(&row[0])).collect();
        assert_eq!(set(written.iter().cloned()).len(), written.len(), "{part_name}: none twice");
        assert_eq!(set(written), known, "{part_name}");
        assert!(table.iter().all(|row| !row[1].is_empty()), "{part_name}: each is explained");
    }
    conn.close().await.unwrap();
}

#[tokio::test]
async fn the_one_word_for_an_order_is_never_another_than_those_that_are_known() {
    let database = TestDatabase::create().await;
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    let mut seen = BTreeSet::new();

    for payment in PaymentStatus::ALL {
        for fulfilment in FulfilmentStatus::ALL {
            for holds in [0, 1] {
                let status: String = sqlx::query_scalar(
                    "insert into orders (id, number, payment_status, fulfilment_status, open_holds, currency,
                       amount_total, origin, created_at, updated_at, paid_at, fulfilled_at)
                     values (gen_random_uuid(), gen_random_uuid(), $1, $2, $3, 'usd', 1, 'api', now(), now(), now(),
                       case when $2 = 'fulfilled' then now() end)
                     returning status",
                )
                .bind(payment.as_str())
                .bind(fulfilment.as_str())
                .bind(holds)
                .fetch_one(&mut conn)
                .await
                .unwrap();
                seen.insert(status);
            }
        }
    }

    assert_eq!(seen, set(Order::STATUSES.iter().copied()));
    conn.close().await.unwrap();
}

#[test]
fn parts_and_tables_are_read_as_they_are_written() {
    let readme = "<!-- states:x -->\n| `t.x` | meaning |\n|---|---|\n| `a` | b `c` |\n| `d` | |\n<!-- /states -->\n<!-- states:y -->";

    let table = rows(&part(readme, "states:x"));

    assert_eq!(table, [["`a`", "b `c`"], ["`d`", ""]]);
    assert_eq!(name(&table[0][0]), "a");
    assert!(std::panic::catch_unwind(|| name("b `c`")).is_err());
    assert!(std::panic::catch_unwind(|| part(readme, "states:y")).is_err(), "it has no end");
    assert!(std::panic::catch_unwind(|| part(readme, "settings")).is_err());
}

#[tokio::test]
async fn the_queries_run() {
    let database = TestDatabase::create().await;
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    let readme = file("README.md");
    let queries: Vec<&str> =
        readme.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();

    for query in &queries {
        sqlx::raw_sql(sqlx::AssertSqlSafe((*query).to_owned())).execute(&mut conn).await.expect(query);
    }

    assert!(queries.len() > 1);
}
