//! Records of the shop: clicks, products, orders with their lines and payments, reviews.

use super::{Json, Writer, key};
use crate::dice::mix;
use crate::orders::{Attempt, Order, Status};
use crate::people::People;
use crate::places::{COUNTRIES, place};
use crate::products::{Catalogue, Product, SHELVES};
use crate::visits::{Path, Visit};
use crate::{CLICKSTREAM, ORDER_ITEMS, ORDERS, PAYMENTS, PRODUCTS, REVIEWS, SimEvent};
use domain::Micros;

const REFERRERS: [&str; 4] = ["https://search.example", "https://mail.example", "https://social.example", ""];

/// What a click looks at.
enum Page {
    Fixed(&'static str),
    Category(&'static str),
    Product(Product),
}

/// Page, action, and the product if it is about one, of the visit's next click.
fn click(visit: &Visit, bits: u64) -> (Page, &'static str, Option<Product>) {
    let (done, left) = (visit.done, visit.clicks - visit.done);
    let lines = visit.basket.as_ref().map_or(&[][..], |b| &b.lines);
    let wanted = || match lines.len() as u64 {
        0 => Product((bits >> 8) as u16 % crate::products::PRODUCTS as u16),
        count => lines[(mix(bits, 1) % count) as usize].product,
    };
    let account = |done: u8| match visit.path {
        Path::Takeover { password, .. } if done == 1 && password => Some(("/account/password", "change_password")),
        Path::Takeover { address, .. } if done == 2 && address => Some(("/account/address", "change_address")),
        Path::Takeover { .. } if done == 0 => Some(("/login", "login")),
        _ => None,
    };
    if left == 1 && visit.path != Path::Browsing {
        return (Page::Fixed("/checkout"), "checkout", None);
    }
    if let Some((page, action)) = account(done) {
        return (Page::Fixed(page), action, None);
    }
    if left == 2 && visit.path != Path::Browsing {
        return (Page::Fixed("/cart"), "add_to_cart", Some(wanted()));
    }
    if done == 0 && bits >> 61 < 5 {
        return (Page::Fixed("/"), "view", None);
    }
    match bits >> 32 & 7 {
        0 => (Page::Fixed("/search"), "search", None),
        1 => (Page::Category(wanted().category()), "view", None),
        2 if visit.path == Path::Browsing => (Page::Fixed("/cart"), "add_to_cart", Some(wanted())),
        _ => {
            let product = wanted();
            (Page::Product(product), "view", Some(product))
        }
    }
}

impl Writer {
    /// Click number `number` of the world: the visit's next.
    pub(crate) fn click(self, visit: &Visit, people: &People, number: u64, at: Micros, bits: u64) -> SimEvent {
        let (page, action, product) = click(visit, bits);
        let session = visit.session.unwrap_or(0);
        let id = self.tagged("ses-", session);
        let mut json = Json::with_capacity(384);
        json.raw("{\"event_id\":\"").id("click-", self, number);
        json.raw("\",\"session_id\":\"").raw(&id).raw("\"");
        // Half of the visitors log in when they have to, or never.
        let logged_in = !mix(session, 2).is_multiple_of(2) || action == "checkout" || matches!(visit.path, Path::Takeover { .. });
        if logged_in {
            let customer = people.account(visit.account).customer.number;
            json.raw(",\"customer_id\":\"cust-").int(customer).raw("\"");
        }
        if let Some(device) = visit.device {
            json.raw(",\"anonymous_id\":\"anon-").hex(mix(device, 3), 12);
            json.raw("\",\"device_id\":\"dev-").hex(device, 12).raw("\"");
        }
        json.raw(",\"page\":\"");
        match page {
            Page::Fixed(page) => json.raw(page),
            Page::Category(name) => json.raw("/category/").raw(name),
            Page::Product(product) => json.raw("/product/").int(product.0),
        };
        json.raw("\",\"action\":\"").raw(action).raw("\"");
        if let Some(product) = product {
            json.raw(",\"product_id\":\"prod-").int(product.0).raw("\"");
        }
        let referrer = if visit.done > 0 { "/" } else { REFERRERS[(bits >> 56 & 3) as usize] };
        if !referrer.is_empty() {
            json.raw(",\"referrer\":\"").raw(referrer).raw("\"");
        }
        json.raw(",\"event_time\":\"").time(at).raw("\"}");
        json.event(CLICKSTREAM, id, at)
    }

    pub(crate) fn product(self, catalogue: &Catalogue, product: Product, at: Micros) -> SimEvent {
        let shelf = product.shelf();
        let [brand, style, thing] = product.name();
        let mut json = Json::with_capacity(448);
        json.raw("{\"product_id\":\"prod-").int(product.0);
        json.raw("\",\"name\":\"").raw(brand).raw(" ").raw(style).raw(" ").raw(thing);
        json.raw("\",\"description\":\"")
            .raw(thing)
            .raw(" from the ")
            .raw(style)
            .raw(" line by ")
            .raw(brand)
            .raw(", ")
            .raw(product.colour());
        json.raw("\",\"category\":\"").raw(product.category()).raw("\",\"subcategory\":\"").raw(shelf.name);
        json.raw("\",\"price\":").money(catalogue.price(product).into()).raw(",\"cost\":").money(product.cost());
        json.raw(",\"sku\":\"");
        for word in [product.category(), shelf.name] {
            for byte in word.bytes().take(3) {
                json.0.push(byte.to_ascii_uppercase());
            }
            json.raw("-");
        }
        let number = u64::from(product.0);
        let shelves = SHELVES.len() as u64;
        json.int(10_000 + number / shelves * 100 + number % shelves);
        json.raw("\",\"stock_quantity\":").int(catalogue.stock(product).max(0));
        json.raw(",\"created_at\":\"").time(product.created_at(self.start));
        json.raw("\",\"updated_at\":\"").time(at).raw("\"}");
        json.event(PRODUCTS, key("prod-", number), at)
    }

    /// An order's row, when it gets a status.
    pub(crate) fn order(self, people: &People, order: &Order, status: Status, at: Micros) -> SimEvent {
        let id = self.tagged("ord-", order.number);
        let customer = people.account(order.account).customer;
        let mut json = Json::with_capacity(512);
        json.raw("{\"order_id\":\"").raw(&id).raw("\",\"customer_id\":\"cust-").int(customer.number);
        json.raw("\",\"order_date\":\"").time(order.placed_at).raw("\",\"status\":\"").raw(status.name());
        json.raw("\",\"total_amount\":").money(order.total).raw(",\"items\":").int(order.lines.len());
        if let Some(to) = order.ship_to {
            let city = place(to.city);
            json.raw(",\"shipping_address\":\"").street(to);
            if to.spot.is_multiple_of(3) {
                json.raw(", ").flat(to);
            }
            json.raw(", ").raw(city.name).raw(" ").postal_code(to);
            json.raw("\",\"shipping_country\":\"").raw(city.country().code).raw("\"");
        }
        if let Some(country) = order.billing {
            json.raw(",\"billing_country\":\"").raw(COUNTRIES[usize::from(country)].code).raw("\"");
        }
        json.raw(",\"payment_method\":\"").raw(order.method.name());
        json.raw("\",\"created_at\":\"").time(order.placed_at).raw("\",\"updated_at\":\"").time(at).raw("\"}");
        json.event(ORDERS, id, at)
    }

    /// A line of an order: the `index`th, from 0.
    pub(crate) fn item(self, order: &Order, index: usize, at: Micros) -> SimEvent {
        let line = &order.lines[index];
        let id = self.tagged("ord-", order.number);
        let mut json = Json::with_capacity(288);
        json.raw("{\"order_item_id\":\"").id("item-", self, order.number).raw("-").int(index + 1);
        json.raw("\",\"order_id\":\"").raw(&id);
        json.raw("\",\"product_id\":\"prod-").int(line.product.0).raw("\",\"category\":\"").raw(line.product.category());
        json.raw("\",\"quantity\":").int(line.quantity).raw(",\"unit_price\":").money(line.price.into());
        json.raw(",\"discount\":").money(line.discount.into());
        json.raw(",\"event_time\":\"").time(at).raw("\"}");
        json.event(ORDER_ITEMS, id, at)
    }

    /// An attempt to pay an order, or what became of it. `transaction` is the movement of money, if there was one.
    pub(crate) fn attempt(
        self,
        people: &People,
        order: &Order,
        amount: i64,
        status: Attempt,
        transaction: Option<u64>,
        at: Micros,
    ) -> SimEvent {
        let id = self.tagged("ord-", order.number);
        let customer = people.account(order.account).customer;
        let mut json = Json::with_capacity(320);
        json.raw("{\"payment_id\":\"").id("pay-", self, order.number).raw("-").int(order.attempts);
        json.raw("\",\"order_id\":\"").raw(&id).raw("\",\"customer_id\":\"cust-").int(customer.number);
        json.raw("\",\"amount\":").money(amount).raw(",\"method\":\"").raw(order.method.name());
        json.raw("\",\"status\":\"").raw(status.name()).raw("\"");
        if let Some(transaction) = transaction {
            json.raw(",\"transaction_id\":\"").id("tx-", self, transaction).raw("\"");
        }
        json.raw(",\"event_time\":\"").time(at).raw("\"}");
        json.event(PAYMENTS, id, at)
    }

    pub(crate) fn review(self, people: &People, order: &Order, number: u64, stars: u64, bits: u64, at: Micros) -> SimEvent {
        const WORDS: [[(&str, &str); 3]; 5] = [
            [
                ("do not buy", "Broke on the second day, and nobody answers."),
                ("not as described", "Looks nothing like the picture."),
                ("disappointed", "Came late and scratched."),
            ],
            [("meh", "It works, but feels cheap."), ("expected more", "For this price there is better."), ("so so", "The size is off.")],
            [("all right", "Does what it should, no more."), ("decent", "Good value, slow delivery."), ("fine", "Not bad, not great.")],
            [
                ("good", "Solid, and as described."),
                ("happy with it", "Would buy again, the box was damaged though."),
                ("nice", "Nearly perfect, the colour is a bit darker than shown."),
            ],
            [
                ("excellent", "Better than expected in every way."),
                ("love it", "A present, and a great success."),
                ("perfect", "Fast delivery, fine quality. My second one."),
            ],
        ];
        let customer = people.account(order.account).customer;
        let product = order.lines.first().map_or(0, |l| l.product.0);
        let (title, body) = WORDS[(stars - 1) as usize % 5][(bits % 3) as usize];
        let mut json = Json::with_capacity(352);
        json.raw("{\"review_id\":\"").id("rev-", self, number);
        json.raw("\",\"customer_id\":\"cust-").int(customer.number).raw("\",\"product_id\":\"prod-").int(product);
        json.raw("\",\"order_id\":\"").id("ord-", self, order.number).raw("\",\"rating\":").int(stars);
        json.raw(",\"title\":\"").raw(title).raw("\",\"body\":\"").raw(body);
        json.raw("\",\"event_time\":\"").time(at).raw("\"}");
        json.event(REVIEWS, key("cust-", customer.number.into()), at)
    }
}
