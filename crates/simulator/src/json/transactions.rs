//! Records about payments: transactions, their labels, the account's balance, and merchants.

use super::{Json, Writer, key};
use crate::dice::mix;
use crate::fraud::SCENARIOS;
use crate::labels::Label;
use crate::merchants::Merchant;
use crate::people::People;
use crate::places::{COUNTRIES, place};
use crate::visits::Visit;
use crate::{ACCOUNT_BALANCES, LABELS, MERCHANT_INFO, SimEvent, TRANSACTIONS};
use domain::time::DAY;
use domain::{Micros, Text};

/// An account that nothing has moved on for half a year sleeps.
const DORMANT_AFTER: Micros = 180 * DAY;

impl Writer {
    /// Payment number `number` of the world; `original` is the payment that a refund gives back.
    pub(crate) fn payment(self, visit: &Visit, people: &People, number: u64, original: Option<u64>, at: Micros) -> SimEvent {
        let account = people.account(visit.account);
        let city = place(visit.city);
        let mut json = Json::with_capacity(768);
        json.raw("{\"transaction_id\":\"").id("tx-", self, number);
        json.raw("\",\"account_id\":\"acc-").int(visit.account);
        json.raw("\",\"customer_id\":\"cust-").int(account.customer.number).raw("\"");
        if let Some(merchant) = visit.merchant {
            json.raw(",\"merchant_id\":\"").merchant(merchant).raw("\"");
        }
        json.raw(",\"transaction_type\":\"").raw(visit.kind.name());
        json.raw("\",\"channel\":\"").raw(visit.channel.name());
        json.raw("\",\"amount\":").money(visit.cents);
        json.raw(",\"currency\":\"").raw(visit.currency.code());
        json.raw("\",\"amount_base\":").money(visit.currency.to_base(visit.cents));
        json.raw(",\"event_time\":\"").time(at);
        json.raw("\",\"country\":\"").raw(city.country().code);
        json.raw("\",\"city\":\"").raw(city.name);
        // A few kilometres about the city's centre, the same spot for the same merchant or address.
        let spot = mix(visit.merchant.map_or(0, |m| u64::from(m.0)), u64::from(visit.ip.unwrap_or(0)));
        let off = |bits: u64| (bits % 801) as i64 - 400;
        json.raw("\",\"latitude\":").degrees(i64::from(city.latitude) + off(spot));
        json.raw(",\"longitude\":").degrees(i64::from(city.longitude) + off(spot >> 32));
        if let Some(ip) = visit.ip {
            json.raw(",\"ip\":\"").ip(ip).raw("\"");
        }
        if let Some(device) = visit.device {
            json.raw(",\"device_id\":\"dev-").hex(device, 12).raw("\"");
        }
        json.raw(",\"payment_method\":\"").raw(visit.method.name()).raw("\"");
        if let Some(session) = visit.session {
            json.raw(",\"session_id\":\"").id("ses-", self, session).raw("\"");
        }
        if let Some(basket) = &visit.basket {
            if let Some(order) = basket.order {
                json.raw(",\"order_id\":\"").id("ord-", self, order).raw("\"");
            }
            if let Some(to) = basket.ship_to {
                let to = place(to.city);
                json.raw(",\"shipping_country\":\"").raw(to.country().code);
                json.raw("\",\"shipping_city\":\"").raw(to.name).raw("\"");
            }
        }
        if let Some(country) = visit.billing {
            json.raw(",\"billing_country\":\"").raw(COUNTRIES[usize::from(country)].code).raw("\"");
        }
        if let Some(card) = visit.card {
            json.raw(",\"card_id\":\"card-").hex(card, 12).raw("\"");
        }
        if let Some(entry) = visit.entry {
            json.raw(",\"entry_mode\":\"").raw(entry.name()).raw("\"");
        }
        if let Some(original) = original {
            json.raw(",\"original_transaction_id\":\"").id("tx-", self, original).raw("\"");
        }
        json.raw("}");
        json.event(TRANSACTIONS, key("acc-", visit.account.into()), at)
    }

    /// The row of an account, from this moment on.
    pub(crate) fn balance(self, people: &People, number: u32, at: Micros) -> SimEvent {
        let account = people.account(number);
        let state = people.state(number);
        let country = account.home_city().country();
        let opened = people.opened_at(account);
        let dormant = !state.used && account.customer.dormant() && at - opened > DORMANT_AFTER;
        let mut json = Json::with_capacity(320);
        json.raw("{\"account_id\":\"acc-").int(number);
        json.raw("\",\"customer_id\":\"cust-").int(account.customer.number);
        json.raw("\",\"balance\":").money(state.balance);
        json.raw(",\"currency\":\"").raw(country.currency.code());
        json.raw("\",\"country\":\"").raw(country.code);
        json.raw("\",\"opened_at\":\"").time(opened);
        json.raw("\",\"credit_limit\":").money(country.currency.below(account.credit_limit()));
        json.raw(",\"status\":\"").raw(if dormant { "dormant" } else { "active" });
        json.raw("\",\"updated_at\":\"").time(at).raw("\"}");
        json.event(ACCOUNT_BALANCES, key("acc-", number.into()), at)
    }

    pub(crate) fn merchant(self, merchant: Merchant, at: Micros) -> SimEvent {
        let (first, trade) = merchant.name();
        let (category, city) = (merchant.category(), merchant.city());
        let (north, east) = merchant.spot();
        let typical = merchant.country().currency.below((category.median * merchant.price_level() * 100.0) as i64);
        let mut json = Json::with_capacity(384);
        json.raw("{\"merchant_id\":\"").merchant(merchant);
        json.raw("\",\"name\":\"").raw(first).raw(" ").raw(trade);
        json.raw("\",\"category\":\"").raw(category.name);
        json.raw("\",\"country\":\"").raw(merchant.country().code);
        json.raw("\",\"risk_level\":\"").raw(merchant.risk_level());
        json.raw("\",\"mcc\":\"").raw(category.mcc);
        json.raw("\",\"latitude\":").degrees(i64::from(city.latitude) + north);
        json.raw(",\"longitude\":").degrees(i64::from(city.longitude) + east);
        json.raw(",\"typical_amount\":").money(typical);
        json.raw(",\"onboarded_at\":\"").time(merchant.onboarded_at(self.start));
        json.raw("\",\"updated_at\":\"").time(at).raw("\"}");
        let key = match merchant.id() {
            (prefix, Some(number)) => key(prefix, number.into()),
            (id, None) => Text::new(id),
        };
        json.event(MERCHANT_INFO, key, at)
    }

    pub(crate) fn label(self, label: &Label, at: Micros) -> SimEvent {
        let mut json = Json::with_capacity(192);
        json.raw("{\"transaction_id\":\"").id("tx-", self, label.payment).raw("\",\"label\":\"");
        match label.scenario {
            Some(s) => json.raw("fraud\",\"scenario\":\"").raw(SCENARIOS[usize::from(s)].name()),
            None => json.raw("genuine"),
        };
        json.raw("\",\"source\":\"").raw(label.source());
        json.raw("\",\"known_at\":\"").time(at).raw("\"}");
        json.event(LABELS, self.tagged("tx-", label.payment), at)
    }
}
