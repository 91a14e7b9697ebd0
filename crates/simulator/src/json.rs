//! Events as bytes, written by hand field by field in the streams' order: this is most of what a world does, and names and texts
//! here never need escaping.

use crate::accounts::Account;
use crate::dice::mix;
use crate::labels::Label;
use crate::merchants::Merchant;
use crate::places::CITIES;
use crate::visits::Visit;
use crate::{ACCOUNT_BALANCES, CLICKSTREAM, LABELS, MERCHANT_INFO, SimEvent, TRANSACTIONS};
use domain::{Micros, Text, time};

/// Writes the events of one world: ids carry its tag, so that two worlds' ids never meet.
#[derive(Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) seed: u64,
    pub(crate) start: Micros,
}

struct Json(Vec<u8>);

impl Json {
    fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn int(&mut self, n: i64) -> &mut Self {
        self.raw(itoa::Buffer::new().format(n))
    }

    fn hex(&mut self, n: u64, digits: u32) -> &mut Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for i in (0..digits).rev() {
            self.0.push(HEX[(n >> (4 * i) & 15) as usize]);
        }
        self
    }

    fn time(&mut self, at: Micros) -> &mut Self {
        time::write(at, &mut self.0);
        self
    }

    /// A number with `places` digits after the point.
    fn fixed(&mut self, n: i64, places: u32) -> &mut Self {
        let by = 10u64.pow(places);
        if n < 0 {
            self.0.push(b'-');
        }
        let n = n.unsigned_abs();
        self.raw(itoa::Buffer::new().format(n / by));
        self.0.push(b'.');
        let fraction = n % by;
        for i in (0..places).rev() {
            self.0.push(b'0' + (fraction / 10u64.pow(i) % 10) as u8);
        }
        self
    }

    fn ip(&mut self, ip: u32) -> &mut Self {
        let [a, b, c, d] = ip.to_be_bytes();
        self.int(a.into()).raw(".").int(b.into()).raw(".").int(c.into()).raw(".").int(d.into())
    }

    fn merchant(&mut self, merchant: Merchant) -> &mut Self {
        let (text, number) = merchant.id();
        self.raw(text);
        number.map(|number| self.int(number.into()));
        self
    }

    fn event(self, stream: &'static str, key: Text, event_time: Micros) -> SimEvent {
        SimEvent { stream, key, event_time, json: self.0, fault: None }
    }
}

/// A short id as a record's key.
fn key(prefix: &str, number: u64) -> Text {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    let mut bytes = [0u8; 24];
    let length = prefix.len() + digits.len();
    bytes[..prefix.len()].copy_from_slice(prefix.as_bytes());
    bytes[prefix.len()..length].copy_from_slice(digits.as_bytes());
    Text::new(std::str::from_utf8(&bytes[..length]).unwrap_or_default())
}

impl Writer {
    fn tag(self) -> u64 {
        mix(self.seed, self.start as u64) & 0xffff_ffff
    }

    /// Payment number `number` of the world.
    pub(crate) fn payment(self, visit: &Visit, number: u64, at: Micros) -> SimEvent {
        let account = Account::new(self.seed, visit.account);
        let city = &CITIES[usize::from(visit.city)];
        let mut json = Json::with_capacity(512);
        json.raw("{\"transaction_id\":\"tx-").hex(self.tag(), 8).raw("-").int(number as i64);
        json.raw("\",\"account_id\":\"acc-").int(visit.account.into());
        json.raw("\",\"customer_id\":\"cust-").int(account.customer().into()).raw("\"");
        if let Some(merchant) = visit.merchant {
            json.raw(",\"merchant_id\":\"").merchant(merchant).raw("\"");
        }
        json.raw(",\"transaction_type\":\"").raw(visit.kind.name());
        json.raw("\",\"channel\":\"").raw(visit.channel.name());
        json.raw("\",\"amount\":").fixed(visit.cents, 2);
        json.raw(",\"currency\":\"").raw(currency(visit));
        json.raw("\",\"event_time\":\"").time(at);
        json.raw("\",\"country\":\"").raw(city.country().code);
        json.raw("\",\"city\":\"").raw(city.name);
        // A few kilometres about the city's centre, the same spot for the same merchant or address.
        let spot = mix(visit.merchant.map_or(0, |m| u64::from(m.0)), u64::from(visit.ip.unwrap_or(0)));
        let off = |bits: u64| (bits % 801) as i64 - 400;
        json.raw("\",\"latitude\":").fixed(i64::from(city.latitude) + off(spot), 4);
        json.raw(",\"longitude\":").fixed(i64::from(city.longitude) + off(spot >> 32), 4);
        if let Some(ip) = visit.ip {
            json.raw(",\"ip\":\"").ip(ip).raw("\"");
        }
        if let Some(device) = visit.device {
            json.raw(",\"device_id\":\"dev-").hex(device, 12).raw("\"");
        }
        json.raw(",\"payment_method\":\"").raw(visit.method.name()).raw("\"");
        if let Some(session) = visit.session {
            json.raw(",\"session_id\":\"ses-").hex(self.tag(), 8).raw("-").int(session as i64).raw("\"");
        }
        json.raw("}");
        json.event(TRANSACTIONS, key("acc-", visit.account.into()), at)
    }

    /// Click number `number` of the world: the visit's next.
    pub(crate) fn click(self, visit: &Visit, number: u64, at: Micros, bits: u64) -> SimEvent {
        let account = Account::new(self.seed, visit.account);
        let (page, action, product) = visit.path.click(visit.done, visit.clicks, bits);
        let session = visit.session.unwrap_or(0);
        let mut id = Json::with_capacity(32);
        id.raw("ses-").hex(self.tag(), 8).raw("-").int(session as i64);
        let session = String::from_utf8(id.0).unwrap_or_default();
        let mut json = Json::with_capacity(320);
        json.raw("{\"event_id\":\"click-").hex(self.tag(), 8).raw("-").int(number as i64);
        json.raw("\",\"session_id\":\"").raw(&session);
        json.raw("\",\"customer_id\":\"cust-").int(account.customer().into()).raw("\"");
        if let Some(device) = visit.device {
            json.raw(",\"device_id\":\"dev-").hex(device, 12).raw("\"");
        }
        json.raw(",\"page\":\"").raw(page).raw("\",\"action\":\"").raw(action).raw("\"");
        if product {
            json.raw(",\"product_id\":\"prod-").int((bits >> 8) as i64 % 5000).raw("\"");
        }
        let referrer = if visit.done > 0 {
            "/"
        } else {
            ["https://search.example", "https://mail.example", "https://social.example", ""][(bits >> 60 & 3) as usize]
        };
        if !referrer.is_empty() {
            json.raw(",\"referrer\":\"").raw(referrer).raw("\"");
        }
        json.raw(",\"event_time\":\"").time(at).raw("\"}");
        json.event(CLICKSTREAM, Text::new(session), at)
    }

    /// The row of an account, from this moment on.
    pub(crate) fn balance(self, account: u32, cents: i64, at: Micros) -> SimEvent {
        let a = Account::new(self.seed, account);
        let country = a.city().country();
        let mut json = Json::with_capacity(256);
        json.raw("{\"account_id\":\"acc-").int(account.into());
        json.raw("\",\"customer_id\":\"cust-").int(a.customer().into());
        json.raw("\",\"balance\":").fixed(cents, 2);
        json.raw(",\"currency\":\"").raw(country.currency);
        json.raw("\",\"country\":\"").raw(country.code);
        json.raw("\",\"opened_at\":\"").time(a.opened_at(self.start));
        json.raw("\",\"updated_at\":\"").time(at).raw("\"}");
        json.event(ACCOUNT_BALANCES, key("acc-", account.into()), at)
    }

    pub(crate) fn merchant(self, merchant: Merchant, at: Micros) -> SimEvent {
        let (first, trade) = merchant.name();
        let mut json = Json::with_capacity(192);
        json.raw("{\"merchant_id\":\"").merchant(merchant);
        json.raw("\",\"name\":\"").raw(first).raw(" ").raw(trade);
        json.raw("\",\"category\":\"").raw(merchant.category().name);
        json.raw("\",\"country\":\"").raw(merchant.country().code);
        json.raw("\",\"risk_level\":\"").raw(merchant.risk_level());
        json.raw("\",\"updated_at\":\"").time(at).raw("\"}");
        let key = match merchant.id() {
            (prefix, Some(number)) => key(prefix, number.into()),
            (id, None) => Text::new(id),
        };
        json.event(MERCHANT_INFO, key, at)
    }

    pub(crate) fn label(self, label: &Label, at: Micros) -> SimEvent {
        let mut id = Json::with_capacity(32);
        id.raw("tx-").hex(self.tag(), 8).raw("-").int(label.payment as i64);
        let id = String::from_utf8(id.0).unwrap_or_default();
        let mut json = Json::with_capacity(192);
        json.raw("{\"transaction_id\":\"").raw(&id).raw("\",\"label\":\"");
        match label.scenario {
            Some(s) => json.raw("fraud\",\"scenario\":\"").raw(crate::fraud::SCENARIOS[usize::from(s)].name()),
            None => json.raw("genuine"),
        };
        json.raw("\",\"source\":\"").raw(label.source());
        json.raw("\",\"known_at\":\"").time(at).raw("\"}");
        json.event(LABELS, Text::new(id), at)
    }
}

/// The merchant's; where no merchant is paid, that of the place.
pub(crate) fn currency(visit: &Visit) -> &'static str {
    visit.merchant.map_or_else(|| CITIES[usize::from(visit.city)].country(), Merchant::country).currency
}
