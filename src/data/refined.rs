//! Schwartz's refined values, into which Touché's tasks part the ten.

use crate::value::Value;

/// A refined value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refined {
    /// Its name, as Touché's files write it.
    pub name: &'static str,
    /// The one of the ten that it is a part of; none of face and humility, which lie between two.
    pub parent: Option<Value>,
}

const fn of(parent: Value, name: &'static str) -> Refined {
    Refined { name, parent: Some(parent) }
}

/// In Touché's order: nineteen in 2024, and the last too in 2023.
pub const REFINED: [Refined; 20] = [
    of(Value::SelfDirection, "Self-direction: thought"),
    of(Value::SelfDirection, "Self-direction: action"),
    of(Value::Stimulation, "Stimulation"),
    of(Value::Hedonism, "Hedonism"),
    of(Value::Achievement, "Achievement"),
    of(Value::Power, "Power: dominance"),
    of(Value::Power, "Power: resources"),
    Refined { name: "Face", parent: None },
    of(Value::Security, "Security: personal"),
    of(Value::Security, "Security: societal"),
    of(Value::Tradition, "Tradition"),
    of(Value::Conformity, "Conformity: rules"),
    of(Value::Conformity, "Conformity: interpersonal"),
    Refined { name: "Humility", parent: None },
    of(Value::Benevolence, "Benevolence: caring"),
    of(Value::Benevolence, "Benevolence: dependability"),
    of(Value::Universalism, "Universalism: concern"),
    of(Value::Universalism, "Universalism: nature"),
    of(Value::Universalism, "Universalism: tolerance"),
    of(Value::Universalism, "Universalism: objectivity"),
];

/// How many of them the task of 2024 has.
pub const IN_2024: usize = 19;
