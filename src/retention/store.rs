//! How far each kind of old row was gone through.

use sqlx::PgConnection;

use crate::db::Place;

/// Locks the mark of a kind until the transaction ends; none where another process is at it.
pub(super) async fn lock_mark(conn: &mut PgConnection, what: &str) -> sqlx::Result<Option<Place>> {
    sqlx::query_as!(
        Place,
        r#"
        select reached_at as "at", reached_id as "id"
        from retention_marks
        where what = $1
        -- One process at a time; the others have better things to do than to wait for it.
        for update skip locked
        "#,
        what,
    )
    .fetch_optional(conn)
    .await
}

/// Moves a mark that this transaction has locked.
pub(super) async fn move_mark(conn: &mut PgConnection, what: &str, reached: &Place) -> sqlx::Result<()> {
    sqlx::query!(
        "update retention_marks set reached_at = $2, reached_id = $3 where what = $1",
        what,
        reached.at,
        reached.id,
    )
    .execute(conn)
    .await?;
    Ok(())
}
