//! Lists and versions: who may change them, what is refused, and what can be read of it afterwards.

use super::*;

#[tokio::test]
async fn a_list_is_changed_and_says_what_became_of_it() {
    let server = Server::start().await;
    let token = server.token("analyst").await;
    let add = |body: Value| server.post("/api/v1/lists/blocked").bearer_auth(&token).json(&body).send();
    let answer = add(
        json!({ "entries": [{ "key": ["acc-1"], "why": "chargebacks", "until": "2027-01-01" }, { "key": ["acc-2"], "why": "same ring" }] }),
    );
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "changed": 2, "unchanged": 0, "sequence": 7 }));
    problem(add(json!({ "entries": [{ "key": ["acc-1"], "why": "again" }] })).await.unwrap(), 409).await;
    assert_eq!(add(json!({ "entries": [{ "key": ["acc-1"], "why": "again" }], "replace": true })).await.unwrap().status(), 200);

    let get = |path: &str| server.get(path).bearer_auth(&token).send();
    let page: Value = get("/api/v1/lists/blocked?limit=1").await.unwrap().json().await.unwrap();
    assert_eq!((&page["items"][0]["key"], &page["items"][0]["who"], &page["next"]), (&json!(["acc-2"]), &json!("analyst"), &json!("1")));
    let page: Value = get("/api/v1/lists/blocked?limit=2&cursor=1").await.unwrap().json().await.unwrap();
    assert_eq!((&page["items"][0]["key"], &page["next"]), (&json!(["acc-1"]), &Value::Null));

    let remove = |query: &str| server.request(Method::DELETE, &format!("/api/v1/lists/blocked?{query}")).bearer_auth(&token).send();
    assert_eq!(remove("key=acc-2&why=cleared").await.unwrap().status(), 200);
    problem(remove("key=acc-2&why=cleared").await.unwrap(), 404).await;
    let wrong = problem(remove("kee=acc-2").await.unwrap(), 422).await;
    let codes: Vec<_> = wrong["errors"].as_array().unwrap().iter().map(|e| format!("{}:{}", e["field"], e["code"])).collect();
    assert_eq!(codes, ["\"key\":\"missing\"", "\"why\":\"missing\"", "\"kee\":\"undeclared\""]);

    let history: Value = get("/api/v1/lists/blocked/history?key=acc-2").await.unwrap().json().await.unwrap();
    let actions: Vec<_> = history["items"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["remove", "add"]);
    let lists: Value = get("/api/v1/lists").await.unwrap().json().await.unwrap();
    assert_eq!(lists["items"][0]["entries"], 1);
    problem(get("/api/v1/lists/bloked").await.unwrap(), 404).await;
}

#[tokio::test]
async fn what_is_no_change_of_a_list_is_refused() {
    let server = Server::start().await;
    let token = server.token("analyst").await;
    let many: Vec<_> = (0..10_001).map(|n| json!({ "key": [n.to_string()], "why": "w" })).collect();
    for body in [
        json!({ "entries": [] }),
        json!({ "entries": many }),
        json!({ "entries": [{ "key": ["a", "b"], "why": "two values" }] }),
        json!({ "entries": [{ "key": "a", "why": "no array" }] }),
        json!({ "entries": [{ "key": ["a"], "why": "w", "who": "somebody else" }] }),
        json!([]),
    ] {
        problem(server.post("/api/v1/lists/blocked").bearer_auth(&token).json(&body).send().await.unwrap(), 422).await;
    }
    let viewer = server.token("viewer").await;
    let body = json!({ "entries": [{ "key": ["a"], "why": "w" }] });
    problem(server.post("/api/v1/lists/blocked").bearer_auth(&viewer).json(&body).send().await.unwrap(), 403).await;
    problem(server.post("/api/v1/lists/blocked").json(&body).send().await.unwrap(), 401).await;
}

#[tokio::test]
async fn an_administrator_deploys_and_rolls_back() {
    let server = Server::start().await;
    let token = server.token("admin").await;
    let deploy = |body: Value| server.post("/api/v1/deploy").bearer_auth(&token).json(&body).send();
    let dry: Value = deploy(json!({ "files": { "sluice.yml": "name: a" }, "dry_run": true })).await.unwrap().json().await.unwrap();
    assert_eq!((&dry["dry_run"], &dry["sequence"]), (&json!(true), &Value::Null));
    let first: Value = deploy(json!({ "files": { "sluice.yml": "name: a" } })).await.unwrap().json().await.unwrap();
    let second = deploy(json!({ "files": { "sluice.yml": "name: a", "rules/r.yml": "" }, "why": "a new rule" })).await.unwrap();
    let second: Value = second.json().await.unwrap();
    assert_eq!(second["previous"], first["digest"]);
    assert_eq!(deploy(json!({ "version": first["digest"] })).await.unwrap().status(), 200);
    let versions: Value = server.get("/api/v1/versions").bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let active: Vec<_> = versions["items"].as_array().unwrap().iter().map(|v| v["active"].as_bool().unwrap()).collect();
    assert_eq!(active, [true, false, false]);
    assert_eq!(versions["items"][1]["why"], "a new rule");

    problem(deploy(json!({ "files": { "rules/r.yml": "" } })).await.unwrap(), 422).await;
    problem(deploy(json!({ "files": { "sluice.yml": "", "features/new.sql": "" } })).await.unwrap(), 409).await;
    problem(deploy(json!({ "version": "abcdef" })).await.unwrap(), 404).await;
    problem(deploy(json!({})).await.unwrap(), 422).await;
    problem(deploy(json!({ "version": "abcdef", "files": {} })).await.unwrap(), 422).await;
    let analyst = server.token("analyst").await;
    problem(server.post("/api/v1/deploy").bearer_auth(&analyst).json(&json!({ "version": "abcdef" })).send().await.unwrap(), 403).await;
}
