//! The room: how much of whose work a claim may take, and the taking of it.
//!
//! Every bound is looked at here: what this process has under way, the provider's own bound over all workers, its rate,
//! its circuit breaker, its pause. Within a provider the more urgent comes first, and among equals each connected
//! account gets its share, so that none can fill the line for all others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::state::Leave;
use super::super::store::{self, Lane, ProviderRow};
use super::super::{Provider, Providers};
use super::FulfilmentWorker;

/// More rounds over the lanes of a provider are not made in one claim.
const MOST_ROUNDS: usize = 6;

/// Room at a provider, and what was taken into it.
pub(super) struct Room {
    pub row: ProviderRow,
    pub provider: Arc<dyn Provider>,
    /// How many attempts may begin.
    pub room: usize,
    /// It is locked, since what is taken counts against a bound of all workers.
    pub is_bound: bool,
    /// One attempt, to see whether it is well again.
    pub is_trial: bool,
}

/// What a look at all providers found.
#[derive(Default)]
pub(super) struct Rooms {
    pub rooms: HashMap<String, Room>,
    pub taken: Vec<Uuid>,
    /// There was no more room in this process: look again when a place is free.
    pub is_full: bool,
    /// A rate limit stood in the way: look again then.
    pub again_in: Option<Duration>,
}

impl FulfilmentWorker {
    /// Finds the room at each provider and locks what is due, up to it.
    pub(super) async fn fill_rooms(
        &self,
        conn: &mut PgConnection,
        rows: Vec<ProviderRow>,
        ahead: bool,
        now: OffsetDateTime,
    ) -> sqlx::Result<Rooms> {
        let mut found = Rooms::default();
        let open = rows.into_iter().filter(|row| !row.is_paused && row.health.leave(now) != Leave::None);
        let (bound, free): (Vec<_>, Vec<_>) = open.partition(is_bound);
        let names: Vec<String> = bound.into_iter().map(|row| row.name).collect();
        let bound = store::lock_providers(conn, &names, now).await?;

        for (row, is_bound) in
            free.into_iter().map(|row| (row, false)).chain(bound.into_iter().map(|row| (row, true)))
        {
            let Some(mut room) = self.room(row, is_bound, ahead, now, &mut found) else { continue };
            let took = self.fill(conn, &room, now).await?;
            found.is_full |= took.len() == room.room;
            room.room = room.room.saturating_sub(took.len());
            found.taken.extend(took);
            found.rooms.insert(room.row.name.clone(), room);
        }
        Ok(found)
    }

    /// The room at a provider; none where there is none.
    fn room(
        &self,
        mut row: ProviderRow,
        is_bound: bool,
        ahead: bool,
        now: OffsetDateTime,
        found: &mut Rooms,
    ) -> Option<Room> {
        let provider = Providers::of(&self.providers, &row).ok()?;
        let leave = row.health.leave(now);
        if row.is_paused || leave == Leave::None {
            return None;
        }
        let here = self.settings.concurrency as usize;
        // What is claimed ahead of its turn would take the room of other workers.
        let ahead = if ahead && !is_bound { self.places.ahead(&row.name) } else { 0 };
        let mut room = (here + ahead).saturating_sub(self.places.under_way(&row.name));
        if room == 0 {
            found.is_full = true;
            return None;
        }
        if let Some(concurrency) = row.concurrency {
            let left = i64::from(concurrency).saturating_sub(row.under_way);
            room = room.min(usize::try_from(left).unwrap_or(0));
        }
        if let Some(rate) = row.rate_per_second {
            let tokens = row.health.refill(rate, now) as usize;
            if tokens < room {
                room = tokens;
                let again = Duration::from_secs_f64((1.0 / rate).clamp(0.02, 1.0));
                found.again_in = Some(found.again_in.map_or(again, |other| other.min(again)));
            }
        }
        let is_trial = leave == Leave::Trial;
        if is_trial {
            room = room.min(1);
        }
        (room > 0).then_some(Room { row, provider, room, is_bound, is_trial })
    }

    /// Locks what is due at one provider.
    async fn fill(
        &self,
        conn: &mut PgConnection,
        room: &Room,
        now: OffsetDateTime,
    ) -> sqlx::Result<Vec<Uuid>> {
        let name = &room.row.name;
        let mut lanes = store::list_lanes(conn, name, &self.places.last_served(name), now).await?;
        let mut taken: Vec<Uuid> = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let left = room.room - taken.len();
            let Some(urgent) = lanes.first().map(|lane| lane.priority).filter(|_| left > 0) else { break };
            let group = lanes.iter().take_while(|lane| lane.priority == urgent).count();
            let shared: Vec<(&Lane, i64)> =
                lanes.iter().zip(share_out(left, group)).filter(|(_, share)| *share > 0).collect();
            let locked = store::lock_in_lanes(conn, name, &shared, &taken, now).await?;
            if let Some((lane, _)) = locked.iter().filter_map(|(_, place)| shared.get(*place)).next_back() {
                self.places.note_served(name, &lane.account);
            }
            // A lane that gave less than its share is empty.
            let mut given = vec![0_i64; shared.len()];
            for (_, place) in &locked {
                if let Some(given) = given.get_mut(*place) {
                    *given += 1;
                }
            }
            let empty: Vec<Lane> = shared
                .iter()
                .zip(given)
                .filter(|((_, share), given)| given < share)
                .map(|((lane, _), _)| (*lane).clone())
                .collect();
            lanes.retain(|lane| !empty.contains(lane));
            taken.extend(locked.into_iter().map(|(id, _)| id));
        }
        Ok(taken)
    }
}

/// Whether claims at a provider must take turns.
fn is_bound(row: &ProviderRow) -> bool {
    row.concurrency.is_some() || row.rate_per_second.is_some() || !row.health.is_closed()
}

/// Shares room out over lanes: to each the same, and what is left over to the first ones.
fn share_out(room: usize, lanes: usize) -> impl Iterator<Item = i64> {
    let (each, over) = (room / lanes.max(1), room % lanes.max(1));
    (0..lanes).map(move |lane| i64::try_from(each + usize::from(lane < over)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_out_evenly_and_to_the_last_place() {
        for (room, lanes, expected) in [
            (5, 1, vec![5]),
            (5, 2, vec![3, 2]),
            (2, 4, vec![1, 1, 0, 0]),
            (0, 2, vec![0, 0]),
            (3, 0, vec![]),
        ] {
            assert_eq!(share_out(room, lanes).collect::<Vec<_>>(), expected, "{room} over {lanes}");
        }
    }
}
