//! The rules of a definition's graph, its hash and its pictures.

use std::sync::{Arc, Mutex};

use madrigal_saga::testkit::Ledger;
use madrigal_saga::{Action, DefinitionBuilder, DefinitionError, SagaDefinition, StepLimits, Undo};

use crate::shop::Shop;

fn act() -> Arc<dyn Action> {
    Arc::new(Ledger::default())
}

fn undo() -> Arc<dyn Undo> {
    Arc::new(Ledger::default())
}

fn named() -> DefinitionBuilder {
    SagaDefinition::new("trip", 1)
}

#[test]
fn a_released_definition_matches_its_golden_file() {
    let definition = Shop::new().definition();
    assert_eq!(definition.to_json(), include_str!("place-order.v1.json"));
    assert!(definition.to_json().contains(definition.hash()));
    let parsed: serde_json::Value = serde_json::from_str(definition.to_json()).unwrap();
    assert_eq!(parsed["steps"].as_array().unwrap().len(), 5);
}

#[test]
fn the_hash_covers_names_kinds_and_edges_and_not_limits_or_the_order_of_declaration() {
    let base = || named().compensatable("a", act(), undo()).compensatable("b", act(), undo()).after("b", &[]);
    let hash = |definition: DefinitionBuilder| definition.build().unwrap().hash().to_owned();
    let first = hash(base());
    assert_eq!(first, hash(base().limits("a", StepLimits { attempts: 99, ..StepLimits::default() })));
    let turned = named().compensatable("b", act(), undo()).compensatable("a", act(), undo()).after("a", &[]);
    assert_eq!(first, hash(turned));
    assert_ne!(first, hash(named().compensatable("a", act(), undo()).compensatable("b", act(), undo())), "an edge");
    assert_ne!(first, hash(base().pivot("p", act())), "a step");
    let renamed = named().compensatable("a", act(), undo()).compensatable("c", act(), undo()).after("c", &[]);
    assert_ne!(first, hash(renamed), "a name");
}

#[test]
fn a_graph_that_breaks_a_rule_is_not_built() {
    let broken = |definition: DefinitionBuilder| definition.build().unwrap_err();
    let step = |step: &str| step.to_owned();
    assert_eq!(broken(named()), DefinitionError::Count { count: 0 });
    assert!(matches!(broken(SagaDefinition::new("Trip", 1).pivot("p", act())), DefinitionError::Name { .. }));
    assert!(matches!(broken(SagaDefinition::new("trip", 0).pivot("p", act())), DefinitionError::Name { .. }));
    assert_eq!(broken(named().pivot("p", act()).retriable("p", act())), DefinitionError::Twice { step: step("p") });
    assert_eq!(broken(named().pivot("p", act()).after("p", &["q"])), DefinitionError::UnknownStep { step: step("q") });
    assert_eq!(broken(named().pivot("p", act()).after("q", &["p"])), DefinitionError::UnknownStep { step: step("q") });
    assert_eq!(
        broken(named().pivot("p", act()).pivot("q", act())),
        DefinitionError::TwoPivots { first: step("p"), second: step("q") }
    );
    let cycle = named().compensatable("a", act(), undo()).compensatable("b", act(), undo()).after("a", &["b"]);
    assert!(matches!(broken(cycle), DefinitionError::Cycle { .. }));
    let late = named().pivot("p", act()).compensatable("a", act(), undo());
    assert_eq!(broken(late), DefinitionError::NotJoined { step: step("a"), pivot: step("p") });
    let beside = named().compensatable("a", act(), undo()).pivot("p", act()).after("p", &[]);
    assert_eq!(broken(beside), DefinitionError::NotJoined { step: step("a"), pivot: step("p") });
    let early = named().pivot("p", act()).retriable("r", act()).after("r", &[]);
    assert_eq!(broken(early), DefinitionError::TooEarly { step: step("r"), pivot: step("p") });
    let unpivoted = named().compensatable("a", act(), undo()).retriable("r", act()).after("r", &[]);
    assert_eq!(broken(unpivoted), DefinitionError::NotJoined { step: step("a"), pivot: step("r") });
    let never = named().pivot("p", act()).limits("p", StepLimits { attempts: 0, ..StepLimits::default() });
    assert_eq!(broken(never), DefinitionError::Limits { step: step("p") });
}

#[test]
fn a_pivot_joins_all_branches_unless_told_otherwise() {
    let definition = named()
        .compensatable("budget", act(), undo())
        .compensatable("flight", act(), undo())
        .compensatable("hotel", act(), undo())
        .after("hotel", &["budget"])
        .pivot("pay", act())
        .retriable("tickets", act())
        .build()
        .unwrap();
    let expected = "flowchart LR\n    s0[budget]\n    s1[flight]\n    s2[hotel]\n    s3{{pay}}\n    s4(tickets)\n    \
                    s0 --> s1\n    s0 --> s2\n    s1 --> s3\n    s2 --> s3\n    s3 --> s4\n";
    assert_eq!(definition.drawing(), expected);
    let _ = Mutex::new(());
}
