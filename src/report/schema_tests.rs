//! The schemas in docs/ are those of the types, and what the types write keeps to them. To renew
//! them: `NATSCOPE_UPDATE_SCHEMA=1 make test`.

use super::{Report, connect, matrix, nats, sdp};
use crate::ice::Connection;
use crate::lab::catalogue::Catalogue;
use crate::lab::certify::{self, Certificate, Row};
use crate::lab::cost::{self, Cost, RelayCost, Shares};
use crate::lab::scenario::{Scenario, ScenarioResult};
use crate::lab::system::System;
use crate::sdp::Message;
use jsonschema::Validator;
use schemars::JsonSchema;
use serde::Serialize;

/// One NAT that was measured as something else, and one that was not measured.
pub(super) fn certificate() -> Certificate {
    let nat = Catalogue::embedded().find("symmetric").unwrap();
    let measured = Row::new(&nat, &super::tests::cone().facts, 0.5);
    let rows = vec![measured, Row::failed(&nat, "it could not run", 0.0)];
    let schema = certify::SCHEMA.to_owned();
    Certificate { schema, rows, complete: true, seconds: 1.0, system: Some(system()) }
}

pub(super) fn scenario() -> ScenarioResult {
    let nat = Catalogue::embedded().find("symmetric").unwrap();
    let scenario = Scenario::find("symmetric").unwrap();
    let connection = matrix::tests::matrix().cells.pop();
    let result = scenario.conclude(&nat, &super::tests::cone().facts, 0.5);
    ScenarioResult { connection, system: Some(system()), ..result }
}

/// A run that was ended early.
pub(super) fn cost() -> Cost {
    let failed = Some("it did not start".to_owned());
    Cost {
        schema: cost::SCHEMA.to_owned(),
        complete: false,
        seconds: 1.0,
        cpus: 2,
        others: Some(0.5),
        nat: "full-cone".to_owned(),
        direct: cost::Way::default(),
        relays: vec![RelayCost {
            name: "coturn".to_owned(),
            failure: failed,
            ..RelayCost::default()
        }],
        wire: vec![],
        need: Shares::find("home:mobile").unwrap().need(),
        field: vec!["most connect".to_owned()],
        plan: cost::Plan::default(),
        system: Some(system()),
    }
}

fn system() -> System {
    System { natscope: "0.1.0".to_owned(), kernel: None, nft: None }
}

/// Holds the stored schema against the type.
fn current<T: JsonSchema>(name: &str) -> Validator {
    let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = format!("{}/docs/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("NATSCOPE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let saved = std::fs::read_to_string(path).unwrap_or_default();
    assert!(saved == text, "docs/{name}.schema.json is old: set NATSCOPE_UPDATE_SCHEMA=1");
    jsonschema::validator_for(&schema).unwrap()
}

/// The same, and what the schema says of a document and of one with a field that nobody knows.
fn holds<T: JsonSchema + Serialize>(name: &str, document: &T) {
    let validator = current::<T>(name);
    let mut document = serde_json::to_value(document).unwrap();
    validator.validate(&document).unwrap();
    assert_eq!(document["schema"], format!("natscope-{name}/1"));
    document["colour"] = "red".into();
    assert!(!validator.is_valid(&document), "{name}: the schema knows every field");
}

#[test]
fn of_a_probe() {
    let report: Report = super::tests::report(super::tests::cone());
    holds("report", &report);
    let mut document = serde_json::to_value(report).unwrap();
    document["paths"][0]["colour"] = "red".into();
    assert!(!current::<Report>("report").is_valid(&document), "also of a path");
}

#[test]
fn of_a_connection() {
    for how in [Connection::Failed, Connection::DirectReflexive] {
        holds("connect", &connect::tests::both(how));
    }
}

#[test]
fn of_descriptions() {
    let offer = sdp::tests::home("aaaa", false);
    let answer = Message::answer(sdp::tests::home("bbbb", true), &offer);
    holds("sdp", &sdp::tests::both(&Message::offer(offer), &answer));
}

#[test]
fn of_what_the_lab_measures() {
    holds("matrix", &matrix::tests::matrix());
    holds("certify", &certificate());
    holds("scenario", &scenario());
    holds("cost", &cost());
}

#[test]
fn of_the_lab_itself() {
    let all = Catalogue::embedded();
    holds("nats", &nats::Nats::new(all.nats()));
    let boxes = vec![("box".to_owned(), "table inet natscope {}\n".to_owned())];
    holds("nat", &nats::Nat::new(all.nats()[0].clone(), boxes).unwrap());
    #[cfg(target_os = "linux")]
    {
        let [what, why, fix] = ["namespaces", "refused", "be root"].map(str::to_owned);
        let refused = crate::lab::kernel::LabError::Refused { what, why, fix };
        let checks = crate::lab::kernel::doctor::refused(refused);
        holds("doctor", &super::doctor::Doctor::new(checks));
    }
}
