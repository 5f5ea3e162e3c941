//! The audit log.

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::by_hand::{AuditEntry, Decision};

/// Keeps what a person did, once for each subject.
pub(in super::super) async fn insert_audit(
    conn: &mut PgConnection,
    decision: &Decision,
    action: &str,
    subjects: &[String],
    details: &Value,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = subjects.iter().map(|_| Uuid::now_v7()).collect();
    sqlx::query!(
        r#"
        insert into audit_log (id, at, who, action, subject, because, details)
        select
          id,
          $3,
          $4,
          $5,
          subject,
          $6,
          $7
        from unnest($1::uuid[], $2::text[]) as new (id, subject)
        "#,
        &ids,
        subjects,
        now,
        decision.by,
        action,
        decision.why,
        details,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What people did to these, oldest first.
pub(in super::super) async fn list_audit(
    conn: &mut PgConnection,
    subjects: &[String],
) -> sqlx::Result<Vec<AuditEntry>> {
    sqlx::query_as!(
        AuditEntry,
        r#"
        select at, who, action, subject, because, details
        from audit_log
        where subject = any($1)
        order by id
        "#,
        subjects,
    )
    .fetch_all(conn)
    .await
}
