//! A fulfilment, for people.

use std::fmt;

use comfy_table::Table;

use super::super::output;
use crate::fulfilment::{FulfilmentReport, ShownParcelLine};

/// A fulfilment with all that became of it.
pub(in super::super) struct Page<'a>(pub(in super::super) &'a FulfilmentReport);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let part = &report.part;
        let account = if report.account.is_empty() { "-" } else { &report.account };
        writeln!(f, "fulfilment {}  {}", part.id, part.state)?;
        writeln!(f, "  order       {} part {}, {}", part.order_number, part.part, report.order_status)?;
        writeln!(f, "  provider    {}, priority {}, account {account}", part.provider, report.priority)?;
        writeln!(f, "  key         {}", part.idempotency_key)?;
        writeln!(f, "  reference   {}", part.reference.as_deref().unwrap_or("-"))?;
        write!(f, "  reason      {}", part.reason.as_deref().unwrap_or("-"))?;
        for (name, at) in [
            ("next try", part.next_attempt_at),
            ("snoozed", report.snoozed_until),
            ("accepted", part.accepted_at),
            ("ended", part.finished_at),
        ] {
            if let Some(at) = at {
                write!(f, "\n  {name:<11} {}", output::time(at))?;
            }
        }
        if let Some(why) = &report.called_off {
            write!(f, "\n  called off  {why}")?;
        }
        if let Some(outcome) = &part.recall_outcome {
            write!(f, "\n  recall      {outcome}")?;
        }
        for (name, table, is_empty) in [
            ("Lines", self.lines(), self.0.part.lines.is_empty()),
            ("Parcels", self.shipments(), self.0.part.shipments.is_empty()),
            ("Issued", self.digital(), self.0.part.digital.is_empty()),
            ("Fulfilment attempts", self.attempts(), self.0.part.attempts.is_empty()),
            ("By hand", self.audit(), self.0.audit.is_empty()),
        ] {
            if !is_empty {
                write!(f, "\n\n{name}\n{table}")?;
            }
        }
        Ok(())
    }
}

impl Page<'_> {
    fn lines(&self) -> Table {
        let mut table = output::table(&["line", "sku", "bought", "shipped", "left", "cancelled", "returned"]);
        for line in &self.0.part.lines {
            table.add_row([
                line.position.to_string(),
                line.sku.clone(),
                line.quantity.to_string(),
                line.shipped.to_string(),
                line.left.to_string(),
                line.cancelled.to_string(),
                line.returned.to_string(),
            ]);
        }
        table
    }

    fn shipments(&self) -> Table {
        let mut table =
            output::table(&["parcel", "contents", "carrier", "tracking", "shipped (UTC)", "then"]);
        for parcel in &self.0.part.shipments {
            let tracking = [parcel.tracking.number.clone(), parcel.tracking.url.clone()];
            let contents: Vec<String> = parcel.lines.iter().map(|line| self.pieces(line)).collect();
            let then = [("delivered", parcel.delivered_at), ("returned", parcel.returned_at)];
            let then =
                then.into_iter().filter_map(|(what, at)| Some(format!("{what} {}", output::time(at?))));
            table.add_row([
                parcel.name.clone(),
                contents.join("\n"),
                parcel.tracking.carrier.clone().unwrap_or_default(),
                tracking.into_iter().flatten().collect::<Vec<_>>().join("\n"),
                parcel.shipped_at.map(output::time).unwrap_or_default(),
                then.collect::<Vec<_>>().join("\n"),
            ]);
        }
        table
    }

    /// Such as `2 × TEA-2`.
    fn pieces(&self, inside: &ShownParcelLine) -> String {
        let line = self.0.part.lines.iter().find(|line| line.position == inside.position);
        let sku = line.map_or_else(|| format!("line {}", inside.position), |line| line.sku.clone());
        format!("{} × {sku}", inside.quantity)
    }

    fn digital(&self) -> Table {
        let mut table = output::table(&["sku", "what", "code", "issued (UTC)", "until (UTC)"]);
        for issued in &self.0.part.digital {
            let until = match (issued.revoked_at, issued.expires_at) {
                (Some(at), _) => format!("revoked {}", output::time(at)),
                (None, _) if issued.revoked => "revoked: its line is refunded".to_owned(),
                (None, Some(at)) => output::time(at),
                (None, None) => "for ever".to_owned(),
            };
            table.add_row([
                issued.sku.clone(),
                issued.kind.clone(),
                issued.code.clone().or_else(|| issued.link.clone()).unwrap_or_default(),
                output::time(issued.issued_at),
                until,
            ]);
        }
        table
    }

    fn attempts(&self) -> Table {
        let mut table = output::table(&["began (UTC)", "attempt", "task", "provider", "outcome", "detail"]);
        for attempt in &self.0.part.attempts {
            table.add_row([
                output::time(attempt.started_at),
                attempt.attempt.to_string(),
                attempt.task.clone(),
                attempt.provider.clone(),
                attempt.outcome.clone().unwrap_or_else(|| "under way".to_owned()),
                attempt.detail.clone().unwrap_or_default(),
            ]);
        }
        table
    }

    fn audit(&self) -> Table {
        let mut table = output::table(&["when (UTC)", "who", "did", "because"]);
        for entry in &self.0.audit {
            table.add_row([
                output::time(entry.at),
                entry.who.clone(),
                entry.action.clone(),
                entry.because.clone(),
            ]);
        }
        table
    }
}
