//! Judging, and reading what was decided.

use super::*;

#[tokio::test]
async fn a_decision_is_passed_on_byte_for_byte() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    let body = transaction(1, "30000.01");
    let first = predict(&server, &token, body.clone()).send().await.unwrap();
    assert_eq!((first.status().as_u16(), first.headers()["content-type"].to_str().unwrap()), (200, "application/json"));
    let first = first.text().await.unwrap();
    let decision: domain::Decision = serde_json::from_str(&first).unwrap();
    assert_eq!(decision.decision, domain::Action::Block);
    assert_eq!(decision.to_json(), first.as_bytes());
    // The same again is the same; other content is a conflict.
    assert_eq!(predict(&server, &token, body).send().await.unwrap().text().await.unwrap(), first);
    problem(predict(&server, &token, transaction(1, "2")).send().await.unwrap(), 409).await;
    let stats: Value = server.get("/api/v1/stats").bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!((&stats["transactions"], &stats["block"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    let body = r#"{"transaction_id":7,"amount":-1,"channel":"carrier pigeon"}"#;
    let document = problem(predict(&server, &token, body).send().await.unwrap(), 422).await;
    let errors: Vec<_> =
        document["errors"].as_array().unwrap().iter().map(|e| (e["field"].as_str().unwrap(), e["code"].as_str().unwrap())).collect();
    assert_eq!(
        errors,
        [("transaction_id", "wrong_type"), ("amount", "out_of_bounds"), ("channel", "not_in_enum"), ("event_time", "missing")]
    );
    for body in ["", "{", "[]", "null", "{\"a\":1}}", "\u{0}"] {
        let document = problem(predict(&server, &token, body).send().await.unwrap(), 422).await;
        assert!(!document["errors"].as_array().unwrap().is_empty(), "{body}");
    }
    problem(predict(&server, &token, vec![b'"', 0xff, b'"']).send().await.unwrap(), 422).await;
}

#[tokio::test]
async fn a_batch_gets_one_result_a_transaction_in_order() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    let batch =
        |body: String| server.post("/api/v1/batch-predict").bearer_auth(&token).header("content-type", "application/json").body(body);
    let transactions = [transaction(1, "1"), "{\"amount\":true}".into(), transaction(2, "50000"), transaction(1, "2"), "17".into()];
    let response = batch(format!("{{ \"transactions\" : [ {} ] }}", transactions.join(" , "))).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    let results = body["results"].as_array().unwrap();
    let shown: Vec<_> = results
        .iter()
        .map(|r| r["decision"]["decision"].as_str().map_or_else(|| r["problem"]["status"].to_string(), str::to_owned))
        .collect();
    assert_eq!(shown, ["allow", "422", "block", "409", "422"]);
    assert_eq!(results[1]["problem"]["errors"].as_array().unwrap().len(), 3);

    // A thousand are taken; one more, none, and anything else are not.
    let many = |n: u32| format!("{{\"transactions\":[{}]}}", (0..n).map(|n| transaction(n + 10, "1")).collect::<Vec<_>>().join(","));
    let body: Value = batch(many(1000)).send().await.unwrap().json().await.unwrap();
    assert!(body["results"].as_array().unwrap().iter().all(|r| r["decision"]["decision"] == "allow"));
    assert_eq!(body["results"].as_array().unwrap().len(), 1000);
    for body in [
        many(1001),
        many(0),
        "{}".into(),
        "[]".into(),
        "{\"transactions\":{}}".into(),
        "{\"transactions\":[1],\"x\":1}".into(),
        "{\"transactions\":[1".into(),
    ] {
        problem(batch(body).send().await.unwrap(), 422).await;
    }
    server.behave(Mode::Busy);
    problem(batch(many(3)).send().await.unwrap(), 429).await;
}

#[tokio::test]
async fn pages_walk_through_everything_once() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    let amounts = ["1", "20000", "40000"];
    for n in 0..25 {
        let response = predict(&server, &token, transaction(n, amounts[n as usize % 3])).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
    let walk = async |path: &str| {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: Value = server.get(&format!("{path}{cursor}")).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
            ids.extend(page["items"].as_array().unwrap().iter().map(|i| i["transaction_id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break ids,
            }
        }
    };
    let expect = |keep: &dyn Fn(u32) -> bool| (0..25).rev().filter(|n| keep(*n)).map(|n| format!("tx-{n}")).collect::<Vec<_>>();
    assert_eq!(walk("/api/v1/predictions?limit=7").await, expect(&|_| true));
    assert_eq!(walk("/api/v1/predictions?limit=2&decision=block&account_id=acc-1").await, expect(&|n| n % 3 == 2 && n % 2 == 1));
    let time = "since=2026-11-21T09:30:05Z&until=2026-11-21T10:30:10%2B01:00";
    assert_eq!(walk(&format!("/api/v1/predictions?limit=3&{time}")).await, expect(&|n| (5..10).contains(&n)));
    assert_eq!(walk("/api/v1/alerts?limit=4").await, expect(&|n| n % 3 > 0));
    assert_eq!(walk("/api/v1/alerts?limit=4&severity=critical&alert_type=high_amount").await, expect(&|n| n % 3 == 2));
    assert_eq!(walk("/api/v1/alerts?limit=4&alert_type=none").await, Vec::<String>::new());

    let document: Value = server.get("/api/v1/transactions/tx-2").bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!((&document["transaction"]["amount"], &document["prediction"]["decision"]), (&json!(40000.0), &json!("block")));
    assert_eq!(document["alerts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    for (path, wrong) in [
        ("predictions?limit=0", "limit"),
        ("predictions?limit=1001", "limit"),
        ("predictions?limit=-1", "limit"),
        ("predictions?limit=ten&decision=maybe&since=yesterday", "limit decision since"),
        ("predictions?limit=1&limit=2", "limit"),
        ("predictions?acount_id=7", "acount_id"),
        ("predictions?account_id=", "account_id"),
        ("predictions?severity=low", "severity"),
        ("alerts?severity=LOW", "severity"),
        ("alerts?since=2026-11-21T00:00:00Z", "since"),
    ] {
        let response = server.get(&format!("/api/v1/{path}")).bearer_auth(&token).send().await.unwrap();
        let document = problem(response, 422).await;
        let fields: Vec<_> = document["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
        assert_eq!(fields.join(" "), wrong, "{path}");
    }
    // What only the platform can tell is the caller's mistake as well.
    problem(server.get("/api/v1/predictions?cursor=x").bearer_auth(&token).send().await.unwrap(), 422).await;
    problem(server.get("/api/v1/transactions/nobody").bearer_auth(&token).send().await.unwrap(), 404).await;
    problem(server.get("/api/v1/transactions/%ff").bearer_auth(&token).send().await.unwrap(), 400).await;
}
