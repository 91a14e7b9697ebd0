//! Records about customers: who they are, and what is thought of them.

use super::{Json, Writer, key};
use crate::customers::Customer;
use crate::names::MAIL;
use crate::people::People;
use crate::places::place;
use crate::{CUSTOMERS, SimEvent, USER_PROFILES};
use domain::Micros;
use domain::time::DAY;

/// Customers are new for so long.
const NEW_FOR: Micros = 90 * DAY;

impl Writer {
    pub(crate) fn customer(self, people: &People, customer: Customer, at: Micros) -> SimEvent {
        let home = people.home(customer);
        let city = place(home.city);
        let (first, last) = (customer.first_name(), customer.last_name());
        let mut json = Json::with_capacity(512);
        json.raw("{\"customer_id\":\"cust-").int(customer.number);
        json.raw("\",\"email\":\"");
        for byte in first.bytes().chain(*b".").chain(last.bytes().filter(|b| *b != b' ')) {
            json.0.push(byte.to_ascii_lowercase());
        }
        json.int(customer.draw(30) % 1000).raw("@").raw(MAIL[(customer.draw(31) % 5) as usize]);
        json.raw("\",\"first_name\":\"").raw(first).raw("\",\"last_name\":\"").raw(last);
        let phone = customer.draw(32);
        json.raw("\",\"phone\":\"").raw(place(customer.first_home().city).country().dial);
        json.raw(" ").int(200 + phone % 780).raw(" 555 ").int(1000 + phone / 1000 % 9000);
        json.raw("\",\"address_line1\":\"").street(home).raw("\"");
        if home.spot.is_multiple_of(3) {
            json.raw(",\"address_line2\":\"").flat(home).raw("\"");
        }
        json.raw(",\"city\":\"").raw(city.name).raw("\",\"state\":\"").raw(city.state);
        json.raw("\",\"postal_code\":\"").postal_code(home).raw("\",\"country\":\"").raw(city.country().code);
        json.raw("\",\"created_at\":\"").time(people.registered_at(customer));
        json.raw("\",\"updated_at\":\"").time(at).raw("\"}");
        json.event(CUSTOMERS, key("cust-", customer.number.into()), at)
    }

    pub(crate) fn profile(self, people: &People, customer: Customer, at: Micros) -> SimEvent {
        let home = people.home(customer);
        let city = place(home.city);
        let registered = people.registered_at(customer);
        let spending = customer.spending();
        let segment = match () {
            () if customer.business() => "business",
            () if at - registered < NEW_FOR => "new",
            () if spending > 2.2 => "vip",
            () => "regular",
        };
        let flag = |yes: bool| if yes { "true" } else { "false" };
        let mut json = Json::with_capacity(512);
        json.raw("{\"customer_id\":\"cust-").int(customer.number);
        json.raw("\",\"age_band\":\"").raw(customer.age_band()).raw("\",\"segment\":\"").raw(segment);
        json.raw("\",\"home_country\":\"").raw(city.country().code).raw("\",\"home_city\":\"").raw(city.name);
        json.raw("\",\"home_latitude\":").degrees(i64::from(city.latitude));
        json.raw(",\"home_longitude\":").degrees(i64::from(city.longitude));
        json.raw(",\"preferred_channel\":\"").raw(if customer.online() > 0.5 { "online" } else { "pos" });
        json.raw("\",\"typical_amount\":").money((4_200.0 * spending) as i64);
        json.raw(",\"email_verified\":").raw(flag(customer.email_verified()));
        json.raw(",\"phone_verified\":").raw(flag(customer.phone_verified()));
        let risk = customer.risk(people.synthetic(customer.number)).clamp(0, 999) as u64;
        json.raw(",\"risk_score\":0.").int(risk / 100).int(risk / 10 % 10).int(risk % 10);
        json.raw(",\"registered_at\":\"").time(registered).raw("\"");
        if let Some(changed) = people.password_changed_at(customer) {
            json.raw(",\"password_changed_at\":\"").time(changed).raw("\"");
        }
        json.raw(",\"updated_at\":\"").time(at).raw("\"}");
        json.event(USER_PROFILES, key("cust-", customer.number.into()), at)
    }
}
