//! Messages as flat tables, made once for a pool: what writing JSON asks of a descriptor, without asking it each time.

use std::{collections::HashMap, fmt, sync::Arc};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::wellknown::{self, Form};

/// Every message that answers are made of.
#[derive(Default)]
pub(super) struct Shapes {
    pub(super) messages: Vec<Shape>,
    known: HashMap<String, usize>,
    /// Those whose fields are not there yet.
    empty: Vec<usize>,
}

/// A message.
pub(super) struct Shape {
    /// For what is left to the general writer.
    pub(super) descriptor: MessageDescriptor,
    pub(super) form: Option<Form>,
    /// In the order in which JSON shows them.
    pub(super) fields: Vec<Field>,
    /// Indices into the fields, by number where numbers are small.
    direct: Vec<u16>,
    /// Number and index, sorted, for others.
    sorted: Vec<(u32, u16)>,
    /// Indices into the fields by the names that JSON may use.
    names: HashMap<Box<str>, u16>,
    /// Extensions are known, whose values stand among the fields.
    pub(super) extended: bool,
}

/// A field.
pub(super) struct Field {
    pub(super) number: u32,
    /// `"jsonName":`
    pub(super) key: Box<[u8]>,
    pub(super) class: Class,
    pub(super) item: Item,
    /// Absence differs from emptiness, and is not shown.
    pub(super) presence: bool,
    /// Other members of its oneof: the last one on the wire counts.
    pub(super) rivals: Vec<u16>,
    /// Numbers of a list stand in one piece.
    pub(super) packed: bool,
    proto_name: Box<str>,
    json_name: Box<str>,
}

/// An enum's values.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In quotes; the first one where several share a number.
    pub(super) by_number: HashMap<i32, Box<[u8]>>,
    pub(super) by_name: HashMap<Box<str>, i32>,
}

/// How often a field stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    One,
    List,
    /// The item is the entry.
    Map,
}

/// What a value is.
pub(super) enum Item {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    Text,
    Bytes,
    Enum(Arc<Names>),
    /// Of the enum whose only value is null.
    Null,
    /// Index of a message.
    Message(usize),
}

/// Numbers below this are looked up by place.
const SMALL: u32 = 256;

/// No field has this index.
const NONE: u16 = u16::MAX;

impl Shapes {
    /// The index of a message, which is added with all that it holds.
    pub(super) fn add(&mut self, descriptor: &MessageDescriptor) -> usize {
        let index = self.place(descriptor);
        // One after the other, never one within the other: how long a chain of types is, their writer alone decides.
        while let Some(empty) = self.empty.pop() {
            let shape = &self.messages[empty];
            // The types of Google's own forms are left to the general writer, or read by hand.
            if shape.form.is_none() || shape.form == Some(Form::Wrapper) {
                let fields: Vec<_> = shape.descriptor.fields().collect();
                let fields = fields.iter().map(|field| self.field(field, &fields)).collect();
                self.messages[empty].fill(fields);
            }
        }
        index
    }

    /// The place of a message, which may be empty yet.
    fn place(&mut self, descriptor: &MessageDescriptor) -> usize {
        if let Some(index) = self.known.get(descriptor.full_name()) {
            return *index;
        }
        let index = self.messages.len();
        self.known.insert(descriptor.full_name().to_owned(), index);
        self.messages.push(Shape::empty(descriptor));
        self.empty.push(index);
        index
    }

    fn field(&mut self, field: &FieldDescriptor, all: &[FieldDescriptor]) -> Field {
        let rivals = field.containing_oneof().filter(|_| field.supports_presence());
        let rivals = rivals.map(|oneof| {
            let others = oneof.fields().filter(|other| other != field);
            others
                .filter_map(|other| index(all.iter().position(|f| *f == other)?))
                .collect()
        });
        let mut key = serde_json::to_vec(field.json_name()).unwrap_or_default();
        key.push(b':');
        Field {
            number: field.number(),
            key: key.into(),
            class: match () {
                () if field.is_map() => Class::Map,
                () if field.is_list() => Class::List,
                () => Class::One,
            },
            item: self.item(&field.kind()),
            presence: field.supports_presence(),
            rivals: rivals.unwrap_or_default(),
            packed: field.is_packed(),
            proto_name: field.name().into(),
            json_name: field.json_name().into(),
        }
    }

    fn item(&mut self, kind: &Kind) -> Item {
        match kind {
            Kind::Bool => Item::Bool,
            Kind::Int32 => Item::Int32,
            Kind::Int64 => Item::Int64,
            Kind::Uint32 => Item::Uint32,
            Kind::Uint64 => Item::Uint64,
            Kind::Sint32 => Item::Sint32,
            Kind::Sint64 => Item::Sint64,
            Kind::Fixed32 => Item::Fixed32,
            Kind::Fixed64 => Item::Fixed64,
            Kind::Sfixed32 => Item::Sfixed32,
            Kind::Sfixed64 => Item::Sfixed64,
            Kind::Float => Item::Float,
            Kind::Double => Item::Double,
            Kind::String => Item::Text,
            Kind::Bytes => Item::Bytes,
            Kind::Enum(e) if e.full_name() == "google.protobuf.NullValue" => Item::Null,
            Kind::Enum(e) => Item::Enum(Arc::new(names(e))),
            Kind::Message(m) => Item::Message(self.place(m)),
        }
    }
}

impl Shape {
    fn empty(descriptor: &MessageDescriptor) -> Self {
        Self {
            descriptor: descriptor.clone(),
            form: wellknown::form(descriptor),
            fields: Vec::new(),
            direct: Vec::new(),
            sorted: Vec::new(),
            names: HashMap::new(),
            extended: descriptor.extensions().next().is_some(),
        }
    }

    fn fill(&mut self, fields: Vec<Field>) {
        let numbers = fields
            .iter()
            .enumerate()
            .filter_map(|(i, f)| Some((f.number, index(i)?)));
        self.sorted = numbers.collect();
        self.sorted.sort_unstable();
        let small = self.sorted.iter().filter(|(number, _)| *number < SMALL);
        for (number, index) in small {
            let place = *number as usize;
            if self.direct.len() <= place {
                self.direct.resize(place + 1, NONE);
            }
            self.direct[place] = *index;
        }
        // Of two fields that share a name, the one whose JSON name it is has it.
        for name in [|f: &Field| f.proto_name.clone(), |f: &Field| f.json_name.clone()] {
            let named = fields
                .iter()
                .enumerate()
                .filter_map(|(i, f)| Some((name(f), index(i)?)));
            self.names.extend(named);
        }
        self.fields = fields;
    }

    /// The index of the field of a name, in JSON or in the proto.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|index| usize::from(*index))
    }

    /// The index of the field of a number.
    pub(super) fn index(&self, number: u32) -> Option<usize> {
        if number < SMALL {
            let index = self.direct.get(number as usize).filter(|index| **index != NONE);
            return index.map(|index| usize::from(*index));
        }
        let place = self.sorted.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(usize::from(self.sorted[place].1))
    }
}

/// A message of more fields than this can tell is refused by the compiler of protos.
fn index(place: usize) -> Option<u16> {
    u16::try_from(place).ok().filter(|place| *place != NONE)
}

fn names(descriptor: &EnumDescriptor) -> Names {
    let mut names = Names::default();
    for value in descriptor.values() {
        names.by_name.insert(value.name().into(), value.number());
        let shown = descriptor
            .get_value(value.number())
            .map(|first| first.name().to_owned());
        let quoted = serde_json::to_vec(&shown).unwrap_or_default();
        names.by_number.insert(value.number(), quoted.into());
    }
    names
}

/// By its size: what it holds may hold itself.
impl fmt::Debug for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shapes({})", self.messages.len())
    }
}
