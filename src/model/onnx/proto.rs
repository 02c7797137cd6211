//! The few messages of ONNX that a graph needs, in protobuf's wire format (onnx.proto3 of ONNX 1.16). They refer to
//! each other by name alone.

/// A message in the making: tagged fields, one after the other.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(mut self, field: u64, number: i64) -> Self {
        self.varint(field << 3);
        self.varint(number as u64);
        self
    }

    fn float(mut self, field: u64, number: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(number.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }
}

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float = 1,
    Int64 = 7,
}

/// An attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
}

/// A graph in the making. Nodes are added in their order of evaluation.
#[derive(Debug, Default)]
pub(super) struct Graph {
    message: Message,
    names: usize,
}

/// A dimension: known, or named.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dim<'a> {
    Known(usize),
    Named(&'a str),
}

impl Graph {
    /// A tensor that is known, under a name.
    pub fn constant(
        &mut self,
        name: &str,
        dims: &[usize],
        element: Element,
        bytes: &[u8],
    ) -> String {
        let mut tensor = Message::default();
        for &dim in dims {
            tensor = tensor.number(1, dim as i64);
        }
        let tensor = tensor.number(2, element as i64).text(8, name).bytes(9, bytes);
        self.add(5, &tensor);
        name.into()
    }

    /// Floats that are known.
    pub fn floats(&mut self, name: &str, dims: &[usize], numbers: &[f32]) -> String {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(name, dims, Element::Float, &bytes)
    }

    /// Whole numbers that are known: a list of them.
    pub fn ints(&mut self, numbers: &[i64]) -> String {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let name = self.name("shape");
        self.constant(&name, &[numbers.len()], Element::Int64, &bytes)
    }

    /// One number that is known.
    pub fn scalar(&mut self, number: f32) -> String {
        let name = self.name("number");
        self.floats(&name, &[], &[number])
    }

    /// The length of one dimension of a tensor, as a list of one.
    pub fn length(&mut self, of: &str, axis: i64) -> String {
        let axes = [("start", Attribute::Int(axis)), ("end", Attribute::Int(axis + 1))];
        self.node("Shape", &[of], &axes)
    }

    /// The part of a tensor between two places of one dimension, which count from the end if they are negative.
    pub fn slice(&mut self, of: &str, axis: i64, from: i64, to: i64) -> String {
        let [from, to, axis] = [from, to, axis].map(|number| self.ints(&[number]));
        self.node("Slice", &[of, &from, &to, &axis], &[])
    }

    /// Tensors behind each other in one dimension.
    pub fn join(&mut self, parts: &[&str], axis: i64) -> String {
        self.node("Concat", parts, &[("axis", Attribute::Int(axis))])
    }

    /// What an operator makes of its inputs.
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let output = self.name(operator);
        self.named(operator, inputs, &output, attributes);
        output
    }

    /// The same under a name of its own.
    pub fn named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute)],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node = node.text(1, input);
        }
        node = node.text(2, output).text(3, output).text(4, operator);
        for &(name, attribute) in attributes {
            let message = Message::default().text(1, name);
            let message = match attribute {
                Attribute::Float(number) => message.float(2, number).number(20, 1),
                Attribute::Int(number) => message.number(3, number).number(20, 2),
                Attribute::Ints(numbers) => {
                    numbers.iter().fold(message, |it, number| it.number(8, *number)).number(20, 7)
                }
            };
            node = node.message(5, &message);
        }
        self.add(1, &node);
    }

    /// A tensor that goes in.
    pub fn input(&mut self, name: &str, element: Element, dims: &[Dim]) {
        self.add(11, &described(name, element, dims));
    }

    /// A tensor that comes out.
    pub fn output(&mut self, name: &str, element: Element, dims: &[Dim]) {
        self.add(12, &described(name, element, dims));
    }

    fn name(&mut self, of: &str) -> String {
        self.names += 1;
        format!("{of}_{}", self.names)
    }

    fn add(&mut self, field: u64, message: &Message) {
        self.message = std::mem::take(&mut self.message).message(field, message);
    }

    /// The graph as a model of this operator set.
    pub fn into_model(self, name: &str, operators: i64) -> Vec<u8> {
        let graph = self.message.text(2, name);
        let set = Message::default().text(1, "").number(2, operators);
        let version = env!("CARGO_PKG_VERSION");
        let model = Message::default().number(1, 8).text(2, "valuenet").text(3, version);
        model.message(7, &graph).message(8, &set).0
    }
}

fn described(name: &str, element: Element, dims: &[Dim]) -> Message {
    let dim = |shape: Message, dim: &Dim| {
        let dim = match dim {
            Dim::Known(length) => Message::default().number(1, *length as i64),
            Dim::Named(name) => Message::default().text(2, name),
        };
        shape.message(1, &dim)
    };
    let shape = dims.iter().fold(Message::default(), dim);
    let tensor = Message::default().number(1, element as i64).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}
