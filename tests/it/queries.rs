//! The committed descriptions in `.sqlx` fit the schema: whoever changes a migration or a query without `just prepare`
//! hears of it here.

use std::path::Path;

use packline::db;
use serde_json::Value;
use sqlx::{Column, Executor, SqlSafeStr, Statement, TypeInfo};

use crate::support::TestDatabase;

#[tokio::test]
async fn every_committed_query_is_what_postgres_says_of_it() {
    let database = TestDatabase::create().await;
    let pool = db::connect(&database.url, "packline-test", 1).unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx")).unwrap();

    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let committed: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let query = committed["query"].as_str().unwrap().to_owned();
        let statement = conn.prepare(sqlx::AssertSqlSafe(query).into_sql_str()).await;
        let statement = statement.unwrap_or_else(|error| panic!("{}: {error}", path.display()));

        let names = |columns: Vec<&Value>| {
            columns.into_iter().map(|column| column["name"].clone()).collect::<Vec<_>>()
        };
        let described = names(committed["describe"]["columns"].as_array().unwrap().iter().collect());
        let now: Vec<_> = statement.columns().iter().map(|column| Value::from(column.name())).collect();
        assert_eq!(now, described, "{}", path.display());
        for (column, described) in
            statement.columns().iter().zip(committed["describe"]["columns"].as_array().unwrap())
        {
            if let Some(described) = described["type_info"].as_str() {
                assert!(
                    column.type_info().name().eq_ignore_ascii_case(&described.replace("Array", "[]")),
                    "{}: {column:?}",
                    path.display()
                );
            }
        }
        count += 1;
    }
    assert!(count > 40, "{count} queries");
}
