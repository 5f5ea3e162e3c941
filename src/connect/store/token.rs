//! Tokens of browsers.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connect) enum Purpose {
    Refresh,
    Return,
    OauthStart,
    OauthState,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Return => "return",
            Self::OauthStart => "oauth_start",
            Self::OauthState => "oauth_state",
        }
    }
}

/// A token to be kept.
pub(in crate::connect) struct NewToken<'a> {
    pub hash: &'a [u8],
    pub purpose: Purpose,
    pub account_id: Option<Uuid>,
    pub grant_id: Option<Uuid>,
    pub browser: Option<&'a [u8]>,
    pub expires_at: OffsetDateTime,
}

pub(in crate::connect) async fn insert_token(
    conn: &mut PgConnection,
    token: &NewToken<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into connect_tokens (hash, purpose, account_id, grant_id, browser, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        ",
        token.hash,
        token.purpose.as_str(),
        token.account_id,
        token.grant_id,
        token.browser,
        now,
        token.expires_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A token that somebody showed.
pub(in crate::connect) struct TokenRow {
    pub account_id: Option<Uuid>,
    pub grant_id: Option<Uuid>,
    pub browser: Option<Vec<u8>>,
    pub expires_at: OffsetDateTime,
    pub used_at: Option<OffsetDateTime>,
}

pub(in crate::connect) async fn find_token(
    conn: &mut PgConnection,
    hash: &[u8],
    purpose: Purpose,
) -> sqlx::Result<Option<TokenRow>> {
    sqlx::query_as!(
        TokenRow,
        "
        select account_id, grant_id, browser, expires_at, used_at
        from connect_tokens
        where hash = $1 and purpose = $2
        ",
        hash,
        purpose.as_str(),
    )
    .fetch_optional(conn)
    .await
}

/// Uses a token up; false where another request was quicker, or its time is over.
pub(in crate::connect) async fn use_token(
    conn: &mut PgConnection,
    hash: &[u8],
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let used = sqlx::query!(
        "update connect_tokens set used_at = $2 where hash = $1 and used_at is null and expires_at > $2",
        hash,
        now,
    )
    .execute(conn)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Deletes tokens that expired before a time; returns how many.
pub(in crate::connect) async fn delete_old_tokens(
    conn: &mut PgConnection,
    expired_before: OffsetDateTime,
) -> sqlx::Result<u64> {
    let deleted = sqlx::query!("delete from connect_tokens where expires_at < $1", expired_before)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected())
}
