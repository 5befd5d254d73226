//! A model's name means exactly one thing or nothing.

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, chat};
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;

#[tokio::test]
async fn e20_names_match_exactly_or_are_not_found() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let long = "a".repeat(10_000);
    for alien in
        ["", "Ok", "OK", "ok ", " ok", "ok\n", "../ok", "оk", "ok\u{200b}", "auto/ok", "gpt-4o", &long]
    {
        let error = gateway.ask(alien).await.error(404);
        assert_eq!((&error["code"], &error["param"]), (&json!("model_not_found"), &json!("model")));
        let message = error["message"].as_str().unwrap();
        assert!(!message.contains(&long), "no echo");
        assert!(message.contains("[aliases]"), "{message}");
    }
    let twice = r#"{"model":"ok","model":"ok","messages":[{"role":"user","content":"a"}]}"#;
    let error = gateway.send(&[], twice).await.error(400);
    assert_eq!(error["param"], "model");
    // Another name to JSON, the same to a careless reader.
    let other_case = r#"{"Model":"ok","messages":[{"role":"user","content":"a"}]}"#;
    assert_eq!(gateway.send(&[], other_case).await.error(400)["param"], "model");
    assert_eq!(upstream.bytes_received(), 0);
    let escaped = r#"{"\u006dodel":"\u006fk","messages":[{"role":"user","content":"a"}]}"#;
    assert_eq!(gateway.send(&[], escaped).await.status, 200);
}

#[tokio::test]
async fn every_name_is_listed_and_can_be_retrieved() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.remote.models = vec!["vendor/ok".to_owned()];
        config.aliases.insert("gpt-4o".to_owned(), "auto".to_owned());
    })
    .await;
    let get =
        async |path: &str| Reply::read(gateway.client().get(gateway.url(path)).send().await.unwrap()).await;
    let list = get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let names: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    let wanted = [
        "auto",
        "balanced",
        "gpt-4o",
        "local",
        "local-first",
        "offline",
        "ok",
        "private",
        "remote",
        "remote-first",
        "vendor/ok",
    ];
    assert_eq!(names, wanted);
    for name in names {
        let model = get(&format!("/v1/models/{name}")).await.json();
        assert_eq!(model, json!({ "id": name, "object": "model", "created": 0, "owned_by": "crossover" }));
    }
    for alien in ["nobody", "Ok", "ok%0a"] {
        assert_eq!(get(&format!("/v1/models/{alien}")).await.code(404), "model_not_found");
    }
}

#[tokio::test]
async fn token_ids_are_the_local_models_own_under_each_of_its_names() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.aliases.insert("small".to_owned(), "local".to_owned());
        config.aliases.insert("exact".to_owned(), "starter".to_owned());
    })
    .await;
    let biased = |name: &str| {
        let mut body = chat(name, false);
        body["max_tokens"] = json!(2);
        body["logit_bias"] = json!({ "65": 5 });
        body.to_string()
    };
    for name in ["local", "starter", "small", "exact"] {
        let reply = gateway.send(&[], biased(name)).await;
        assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "local"), "{name}: {reply:?}");
    }
    let header = [("x-crossover-route", "only-local")];
    assert_eq!(gateway.send(&header, biased("auto")).await.status, 200);
    // A policy's name is no model's.
    let error = gateway.send(&[], biased("offline")).await.error(400);
    assert_eq!(error["param"], "logit_bias");
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn names_of_models_policies_and_aliases_lead_where_they_say() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.aliases.insert("gpt-4o".to_owned(), "local-first".to_owned());
    })
    .await;
    for (name, route, model, policy) in [
        ("auto", "remote", "ok", "remote-first"),
        ("remote", "remote", "ok", "remote-first"),
        ("m", "remote", "m", "remote-first"),
        ("local", "local", "starter", "remote-first"),
        ("starter", "local", "starter", "remote-first"),
        ("offline", "local", "starter", "offline"),
        ("gpt-4o", "local", "starter", "local-first"),
    ] {
        let mut body = chat(name, false);
        body["max_tokens"] = json!(2);
        let reply = gateway.send(&[("x-crossover-debug", "true")], body.to_string()).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let told = ["x-crossover-route", "x-crossover-model", "x-crossover-policy"]
            .map(|header| reply.header(header));
        assert_eq!(told, [route, model, policy], "{name}");
        assert_eq!(reply.json()["model"], model);
    }
    let sent: Vec<Value> =
        upstream.seen().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert!(sent.iter().all(|body| body["model"] == "ok" || body["model"] == "m"), "{sent:?}");
    // The stricter of name and header wins; what contradicts is refused, never bent.
    let header = [("x-crossover-route", "only-local")];
    assert_eq!(
        gateway.send(&header, chat("remote", false).to_string()).await.header("x-crossover-route"),
        "local"
    );
    assert_eq!(gateway.send(&header, chat("m", false).to_string()).await.code(503), "no_local");
    let forced =
        gateway.send(&[("x-crossover-route", "only-remote")], chat("offline", false).to_string()).await;
    assert_eq!(forced.code(403), "not_permitted");
}
