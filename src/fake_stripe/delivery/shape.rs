//! An object as an API version shows it. The world keeps the newest shape; older ones are derived.
//!
//! Modelled is what an order service notices: the charges of a PaymentIntent and the refunds of a charge (listed before
//! 2022-11-15), the links between invoices, PaymentIntents and subscriptions (moved in 2025-03-31.basil).
//! Source: Stripe's API changelog.

use serde_json::{Map, Value, json};

/// The version that the world speaks.
pub const NEWEST: &str = "2026-08-26.dahlia";
/// The version meant by "old": everything that was ever moved is where it was.
pub const OLD: &str = "2020-08-27";

/// Since then charges are not listed in PaymentIntents, nor refunds in charges.
const LISTS_LEFT: &str = "2022-11-15";
/// Since then invoices and PaymentIntents do not name each other.
const LINKS_MOVED: &str = "2025-03-31";
/// Since then the page of a Checkout Session on which it is paid is named anew.
const PAGES_RENAMED: &str = "2026-03-25";

/// An API version, such as `2020-08-27` or `2026-08-26.dahlia`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(String);

impl ApiVersion {
    /// Reads `old`, `new` or a version.
    ///
    /// # Errors
    /// It is none of those.
    pub fn parse(text: &str) -> Result<Self, String> {
        let version = match text {
            "new" => NEWEST,
            "old" => OLD,
            version => version,
        };
        let date = version.split('.').next().unwrap_or_default();
        let is_date = date.len() == 10
            && date.char_indices().all(|(at, letter)| match at {
                4 | 7 => letter == '-',
                _ => letter.is_ascii_digit(),
            });
        if is_date {
            Ok(Self(version.to_owned()))
        } else {
            Err(format!("{text:?} is no API version: old, new, or one such as {NEWEST}"))
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_before(&self, date: &str) -> bool {
        self.0.as_str() < date
    }

    /// Whether events of a type exist in this version.
    pub(super) fn knows(&self, event_type: &str) -> bool {
        !(event_type.starts_with("invoice_payment.") && self.is_before(LINKS_MOVED))
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self(NEWEST.to_owned())
    }
}

/// Where related objects are looked up.
pub trait Objects {
    /// An object by its id.
    fn object(&self, id: &str) -> Option<Value>;
    /// All objects of a kind, such as `refund`, oldest first.
    fn objects(&self, kind: &str) -> Vec<Value>;
}

/// An object, which is in the newest shape, in the shape of a version.
pub(super) fn render(object: &Value, version: &ApiVersion, world: &dyn Objects) -> Value {
    let mut object = object.clone();
    let kind = object["object"].as_str().unwrap_or_default().to_owned();
    if let Some(fields) = object.as_object_mut() {
        match kind.as_str() {
            "payment_intent" => payment_intent(fields, version, world),
            "charge" => charge(fields, version, world),
            "invoice" if version.is_before(LINKS_MOVED) => invoice(fields, world),
            "checkout.session" => checkout_session(fields, version),
            "subscription" if version.is_before(LINKS_MOVED) => subscription(fields),
            _ => {}
        }
    }
    object
}

fn payment_intent(fields: &mut Map<String, Value>, version: &ApiVersion, world: &dyn Objects) {
    let id = text(fields, "id");
    if version.is_before(LINKS_MOVED) {
        fields.insert("invoice".to_owned(), invoice_paid_by(&id, world));
    }
    if version.is_before(LISTS_LEFT) {
        let latest = fields.remove("latest_charge").unwrap_or_default();
        let latest = match &latest {
            Value::String(id) => world.object(id),
            Value::Object(_) => Some(latest),
            _ => None,
        };
        let charges = latest.iter().map(|charge| render(charge, version, world)).collect();
        fields.insert("charges".to_owned(), list(charges, &format!("/v1/charges?payment_intent={id}")));
    }
    if let Some(error) = fields.get_mut("last_payment_error").and_then(Value::as_object_mut)
        && version.is_before(LINKS_MOVED)
    {
        error.remove("advice_code");
    }
}

fn charge(fields: &mut Map<String, Value>, version: &ApiVersion, world: &dyn Objects) {
    let id = text(fields, "id");
    if version.is_before(LINKS_MOVED) {
        fields.insert("invoice".to_owned(), invoice_paid_by(&text(fields, "payment_intent"), world));
    }
    if version.is_before(LISTS_LEFT) {
        let mut refunds = world.objects("refund");
        refunds.retain(|refund| refund["charge"] == id.as_str());
        refunds.reverse();
        fields.insert("refunds".to_owned(), list(refunds, &format!("/v1/charges/{id}/refunds")));
        let destination = fields.get("transfer_data").map(|data| data["destination"].clone());
        fields.insert("destination".to_owned(), destination.unwrap_or_default());
    }
}

fn invoice(fields: &mut Map<String, Value>, world: &dyn Objects) {
    let id = text(fields, "id");
    let mut payments = world.objects("invoice_payment");
    payments.retain(|payment| payment["invoice"] == id.as_str());
    let payment = payments.iter().find(|payment| payment["is_default"] == true).or(payments.last());
    let intent = payment.map(|payment| payment["payment"]["payment_intent"].clone()).unwrap_or_default();
    let charge =
        intent.as_str().and_then(|id| world.object(id)).map(|intent| intent["latest_charge"].clone());
    let parent = fields.remove("parent").unwrap_or_default();
    for gone in ["payments", "confirmation_secret", "amount_overpaid", "total_taxes"] {
        fields.remove(gone);
    }
    let is_paid = fields.get("status").is_some_and(|status| status == "paid");
    let by_stripe = payments.iter().any(|payment| payment["status"] != "canceled");
    let quote = match &parent["quote_details"]["quote"] {
        Value::Null => world.objects("quote").into_iter().find(|quote| quote["invoice"] == id.as_str()),
        quote => Some(json!({ "id": quote })),
    };
    let of = &parent["subscription_details"];
    let old = json!({
        "application_fee_amount": null, "charge": charge, "discount": null, "paid": is_paid,
        "paid_out_of_band": is_paid && !by_stripe && fields.get("amount_due").is_some_and(|due| due != 0),
        "payment_intent": intent, "quote": quote.map(|quote| quote["id"].clone()),
        "subscription": of["subscription"], "tax": null, "total_tax_amounts": [], "transfer_data": null,
        "subscription_details": { "metadata": of["metadata"] },
    });
    fields.extend(old.as_object().cloned().unwrap_or_default());
    let lines = fields.get_mut("lines").and_then(|lines| lines["data"].as_array_mut());
    for line in lines.into_iter().flatten().filter_map(Value::as_object_mut) {
        invoice_line(line, world);
    }
}

fn checkout_session(fields: &mut Map<String, Value>, version: &ApiVersion) {
    if version.is_before(LINKS_MOVED) {
        let mut collected = fields.remove("collected_information").unwrap_or_default();
        let shipping = if version.is_before(LISTS_LEFT) { "shipping" } else { "shipping_details" };
        fields.insert(shipping.to_owned(), collected["shipping_details"].take());
    }
    if version.is_before(PAGES_RENAMED) && fields.get("ui_mode").is_some_and(|mode| mode == "hosted_page") {
        fields.insert("ui_mode".to_owned(), json!("hosted"));
    }
}

fn invoice_line(line: &mut Map<String, Value>, world: &dyn Objects) {
    let parent = line.remove("parent").unwrap_or_default();
    let kind = parent["type"].as_str().unwrap_or("invoice_item_details");
    let of = &parent[kind];
    let pricing = line.remove("pricing").unwrap_or_default();
    let price = pricing["price_details"]["price"].as_str().and_then(|id| world.object(id));
    let item = of["subscription_item"].as_str().and_then(|id| world.object(id));
    let is_of_period = of["invoice_item"].is_null() && kind == "subscription_item_details";
    let mut old = json!({
        "plan": item.map(|item| item["plan"].clone()), "price": price, "proration": of["proration"] == true,
        "proration_details": of["proration_details"], "subscription": of["subscription"], "tax_amounts": [],
        "tax_rates": [], "type": if is_of_period { "subscription" } else { "invoiceitem" },
    });
    for name in ["invoice_item", "subscription_item"].into_iter().filter(|name| of[*name].is_string()) {
        old[name] = of[name].clone();
    }
    for gone in ["taxes", "pretax_credit_amounts", "quantity_decimal", "subtotal"] {
        line.remove(gone);
    }
    line.extend(old.as_object().cloned().unwrap_or_default());
}

fn subscription(fields: &mut Map<String, Value>) {
    for period in ["current_period_start", "current_period_end"] {
        let of_item = fields.get("items").map(|items| items["data"][0][period].clone()).unwrap_or_default();
        fields.insert(period.to_owned(), of_item);
        let items = fields.get_mut("items").and_then(|items| items["data"].as_array_mut());
        for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
            item.remove(period);
        }
    }
    for gone in ["billing_mode", "billing_schedules", "managed_payments"] {
        fields.remove(gone);
    }
    fields.insert("discount".to_owned(), Value::Null);
}

/// The invoice that a PaymentIntent pays, or `null`.
fn invoice_paid_by(intent: &str, world: &dyn Objects) -> Value {
    let payments = world.objects("invoice_payment");
    let of_intent = payments.iter().find(|payment| payment["payment"]["payment_intent"] == intent);
    of_intent.map(|payment| payment["invoice"].clone()).unwrap_or_default()
}

fn text(fields: &Map<String, Value>, name: &str) -> String {
    fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list(data: Vec<Value>, url: &str) -> Value {
    json!({ "object": "list", "data": data, "has_more": false, "total_count": data.len(), "url": url })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ApiVersion, Objects, render};

    struct World(Vec<Value>);

    impl Objects for World {
        fn object(&self, id: &str) -> Option<Value> {
            self.0.iter().find(|object| object["id"] == id).cloned()
        }

        fn objects(&self, kind: &str) -> Vec<Value> {
            self.0.iter().filter(|object| object["object"] == kind).cloned().collect()
        }
    }

    fn world() -> World {
        World(vec![
            json!({ "id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1" }),
            json!({ "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "transfer_data": null }),
            json!({ "id": "re_1", "object": "refund", "charge": "ch_1" }),
            json!({ "id": "re_2", "object": "refund", "charge": "ch_2" }),
            json!({ "id": "in_1", "object": "invoice", "status": "paid", "amount_due": 5, "parent": null, "payments": {},
                "lines": { "object": "list", "data": [{ "id": "il_1", "pricing": { "price_details": { "price": "price_1" } } }] } }),
            json!({ "id": "inpay_1", "object": "invoice_payment", "invoice": "in_1",
                "payment": { "type": "payment_intent", "payment_intent": "pi_1" } }),
            json!({ "id": "price_1", "object": "price" }),
            json!({ "id": "cs_1", "object": "checkout.session", "ui_mode": "hosted_page",
                "collected_information": { "shipping_details": { "name": "Ada" } } }),
            json!({ "id": "sub_1", "object": "subscription", "billing_mode": {}, "items": { "data": [
                { "id": "si_1", "current_period_start": 1, "current_period_end": 2 } ] } }),
            json!({ "id": "in_2", "object": "invoice", "status": "open", "amount_due": 5,
                "parent": { "subscription_details": { "subscription": "sub_1", "metadata": { "a": "b" } } },
                "lines": { "data": [
                    { "id": "il_2", "parent": { "type": "subscription_item_details", "subscription_item_details": {
                        "invoice_item": null, "proration": false, "subscription": "sub_1", "subscription_item": "si_1" } } },
                    { "id": "il_3", "parent": { "type": "subscription_item_details", "subscription_item_details": {
                        "invoice_item": "ii_1", "proration": true, "subscription": "sub_1", "subscription_item": "si_1" } } },
                ] } }),
            json!({ "id": "qt_1", "object": "quote", "invoice": "in_2" }),
        ])
    }

    fn shown(id: &str, version: &str) -> Value {
        let world = world();
        render(&world.object(id).unwrap(), &ApiVersion::parse(version).unwrap(), &world)
    }

    #[test]
    fn the_newest_shape_is_left_alone() {
        for object in world().0 {
            let id = object["id"].as_str().unwrap();
            assert_eq!(shown(id, "new"), object);
        }
    }

    #[test]
    fn before_2022_11_15_a_payment_intent_lists_its_charges_and_they_their_refunds() {
        let intent = shown("pi_1", "old");

        assert_eq!(intent.get("latest_charge"), None);
        assert_eq!(intent["charges"]["total_count"], 1);
        let charge = &intent["charges"]["data"][0];
        assert_eq!(charge["id"], "ch_1");
        assert_eq!(
            charge["refunds"]["data"],
            json!([{ "id": "re_1", "object": "refund", "charge": "ch_1" }])
        );
        assert_eq!(charge["invoice"], "in_1");
    }

    #[test]
    fn before_basil_invoices_and_payment_intents_name_each_other() {
        let invoice = shown("in_1", "2024-06-20");
        let intent = shown("pi_1", "2024-06-20");

        assert_eq!((&invoice["payment_intent"], &invoice["charge"]), (&json!("pi_1"), &json!("ch_1")));
        assert_eq!((&invoice["paid"], &invoice["paid_out_of_band"]), (&json!(true), &json!(false)));
        assert_eq!(invoice["lines"]["data"][0]["price"]["id"], "price_1");
        assert_eq!((invoice.get("parent"), invoice.get("payments")), (None, None));
        assert_eq!((&intent["invoice"], &intent["latest_charge"]), (&json!("in_1"), &json!("ch_1")));
    }

    #[test]
    fn sessions_have_their_shipping_where_each_version_looks_for_it() {
        let (oldest, old, newer) =
            (shown("cs_1", "old"), shown("cs_1", "2024-06-20"), shown("cs_1", "2025-09-30"));

        assert_eq!((&oldest["shipping"]["name"], &oldest["ui_mode"]), (&json!("Ada"), &json!("hosted")));
        assert_eq!((&old["shipping_details"]["name"], old.get("shipping")), (&json!("Ada"), None));
        assert_eq!(old.get("collected_information"), None);
        assert_eq!(newer["collected_information"]["shipping_details"]["name"], "Ada");
        assert_eq!(newer["ui_mode"], "hosted");
    }

    #[test]
    fn before_basil_invoices_name_their_subscription_and_quote_and_lines_their_kind() {
        let invoice = shown("in_2", "old");
        let subscription = shown("sub_1", "old");

        assert_eq!((&invoice["subscription"], &invoice["quote"]), (&json!("sub_1"), &json!("qt_1")));
        assert_eq!(invoice["subscription_details"]["metadata"]["a"], "b");
        let lines = &invoice["lines"]["data"];
        assert_eq!((&lines[0]["type"], &lines[0]["proration"]), (&json!("subscription"), &json!(false)));
        assert_eq!((&lines[1]["type"], &lines[1]["proration"]), (&json!("invoiceitem"), &json!(true)));
        assert_eq!(
            (&lines[1]["invoice_item"], &lines[1]["subscription_item"]),
            (&json!("ii_1"), &json!("si_1"))
        );
        assert_eq!(
            (&subscription["current_period_start"], &subscription["current_period_end"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(subscription["items"]["data"], json!([{ "id": "si_1" }]));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "newest", "2020", "2020-8-27", "2020/08/27"] {
            assert!(ApiVersion::parse(text).is_err(), "{text}");
        }
    }
}
