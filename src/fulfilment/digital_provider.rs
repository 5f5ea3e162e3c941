//! The provider of digital goods: it fulfils at once, by issuing a link or a licence code for each line.
//!
//! What is issued is kept under the idempotency key, once, so a repetition issues nothing, and a look-up knows. A recall
//! revokes it, and so does a refund of its whole line, for as long as that stands: a link does not work any more;
//! whether a licence code still does is the merchant's to heed.

use std::collections::HashMap;

use rand::RngExt;
use sqlx::PgPool;

use super::signature::Signer;
use super::store::{self, Goods, Issue};
use super::{Answer, CannotSend, Delivery, LookUp, Outcome, Provider, Recall, Receipt};
use crate::clock::Clock;
use crate::config::Secret;

/// Crockford's base 32: no I, L, O and U, so that codes survive being read out.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Groups of a licence code, of five letters of 5 bits each: 125 bits.
const GROUPS: usize = 5;
/// Letters of the part of a link that names it: 130 bits.
const LINK_LETTERS: usize = 26;
/// More licence codes than that for one line are a mistake.
const MOST_CODES: i64 = 10_000;

/// Issues digital goods.
pub struct DigitalProvider {
    pool: PgPool,
    clock: Clock,
}

impl DigitalProvider {
    /// A provider whose links are signed with this secret when they are shown.
    ///
    /// # Errors
    /// The secret is no secret.
    pub fn new(pool: PgPool, clock: Clock, secret: &Secret) -> Result<Self, CannotSend> {
        Signer::new(secret)?;
        Ok(Self { pool, clock })
    }

    async fn issue(&self, delivery: &Delivery) -> Outcome {
        let skus: Vec<&str> = delivery.order.lines.iter().map(|line| line.sku.as_str()).collect();
        let goods = async { store::load_goods(&mut *self.pool.acquire().await?, &skus).await };
        let goods = match goods.await {
            Ok(goods) => goods,
            Err(error) => return not_done(&error),
        };
        let issues = match self.issues(delivery, &goods) {
            Ok(issues) => issues,
            Err(why) => return Outcome::Rejected { why },
        };
        match self.keep(delivery, &issues).await {
            Ok(true) => Outcome::Fulfilled(Receipt::default()),
            Ok(false) => {
                Outcome::Rejected { why: "it was recalled; nothing more is issued under its key".to_owned() }
            }
            // The commit may have come through.
            Err(error) => {
                Outcome::Unknown { why: format!("the database failed: {error}"), retry_after: None }
            }
        }
    }

    /// False where what was issued under the key is revoked.
    async fn keep(&self, delivery: &Delivery, issues: &[Issue]) -> sqlx::Result<bool> {
        let mut tx = self.pool.begin().await?;
        let key = &delivery.idempotency_key;
        store::insert_issued(&mut tx, delivery.fulfilment_id, key, issues, self.clock.now()).await?;
        let stands = store::load_issued(&mut tx, key).await?;
        tx.commit().await?;
        Ok(stands.revoked == 0)
    }

    fn issues(&self, delivery: &Delivery, goods: &HashMap<String, Goods>) -> Result<Vec<Issue>, String> {
        let lines = &delivery.order.lines;
        if lines.is_empty() {
            return Err("the order has no lines, so nobody knows what to issue; send it to another provider"
                .to_owned());
        }
        let now = self.clock.now();
        let mut issues = Vec::new();
        for line in lines {
            let goods = goods.get(&line.sku).ok_or_else(|| {
                format!(
                    "nothing is known to issue for {sku}: say what it is with `packline providers goods add`, \
                     then retry; or change the rule that sends {sku} here",
                    sku = line.sku
                )
            })?;
            let pieces = if goods.url.is_some() { 1 } else { line.quantity };
            if pieces > MOST_CODES {
                return Err(format!("{pieces} licence codes of {} are more than {MOST_CODES}", line.sku));
            }
            let valid = goods.valid_seconds.map(time::Duration::seconds);
            issues.extend((1..).take(usize::try_from(pieces).unwrap_or_default()).map(|piece| Issue {
                position: line.position,
                piece,
                sku: line.sku.clone(),
                code: if goods.url.is_some() { letters(LINK_LETTERS) } else { licence() },
                url: goods.url.clone(),
                expires_at: valid.and_then(|valid| now.checked_add(valid)),
            }));
        }
        Ok(issues)
    }

    async fn look(&self, idempotency_key: &str) -> LookUp {
        let issued = async { store::load_issued(&mut *self.pool.acquire().await?, idempotency_key).await };
        match issued.await {
            Ok(issued) if issued.revoked > 0 => LookUp::Rejected { why: "it was recalled".to_owned() },
            Ok(issued) if issued.all > 0 => LookUp::Done(Receipt::default()),
            Ok(_) => LookUp::Absent,
            Err(error) => {
                LookUp::Unclear { why: format!("look-up: the database failed: {error}"), retry_after: None }
            }
        }
    }

    async fn revoke(&self, idempotency_key: &str) -> Recall {
        let now = self.clock.now();
        let revoked =
            async { store::revoke_issued(&mut *self.pool.acquire().await?, idempotency_key, now).await };
        match revoked.await {
            Ok(0) => Recall::Absent,
            Ok(_) => Recall::Recalled,
            Err(error) => {
                Recall::Unclear { why: format!("recall: the database failed: {error}"), retry_after: None }
            }
        }
    }
}

impl Provider for DigitalProvider {
    fn name(&self) -> &'static str {
        "digital"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(self.issue(delivery))
    }

    fn look_up<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, LookUp> {
        Box::pin(self.look(idempotency_key))
    }

    fn recall<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, Recall> {
        Box::pin(self.revoke(idempotency_key))
    }
}

fn not_done(error: &sqlx::Error) -> Outcome {
    Outcome::NotDone { why: format!("the database failed: {error}"), retry_after: None }
}

fn letters(count: usize) -> String {
    let mut random = rand::rng();
    (0..count).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

fn licence() -> String {
    let groups: Vec<String> = (0..GROUPS).map(|_| letters(5)).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_codes_are_groups_of_letters_that_cannot_be_mistaken() {
        let code = licence();

        assert_eq!(code.len(), 29);
        let groups: Vec<&str> = code.split('-').collect();
        assert!(groups.len() == 5 && groups.iter().all(|group| group.len() == 5), "{code}");
        assert!(!code.contains(['I', 'L', 'O', 'U']), "{code}");
        assert_ne!(code, licence());
    }
}
