//! Comments of the proto files, from the source info that the descriptor set carries.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

/// Comments by file and place.
#[derive(Debug)]
pub(super) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    pub(super) fn read(pool: &DescriptorPool) -> Self {
        let mut all = HashMap::new();
        for file in pool.file_descriptor_protos() {
            for location in file.source_code_info.iter().flat_map(|info| &info.location) {
                if let Some(text) = &location.leading_comments {
                    all.insert((file.name().to_owned(), location.path.clone()), tidy(text));
                }
            }
        }
        Self(all)
    }

    fn at(&self, file: &str, path: &[i32]) -> &str {
        // One allocation a look-up; the document is made once.
        let key = (file.to_owned(), path.to_vec());
        self.0.get(&key).map_or("", String::as_str)
    }

    pub(super) fn of_service(&self, d: &ServiceDescriptor) -> &str {
        self.at(d.parent_file().name(), d.path())
    }

    pub(super) fn of_method(&self, d: &MethodDescriptor) -> &str {
        self.at(d.parent_service().parent_file().name(), d.path())
    }

    pub(super) fn of_message(&self, d: &MessageDescriptor) -> &str {
        self.at(d.parent_file().name(), d.path())
    }

    pub(super) fn of_field(&self, d: &FieldDescriptor) -> &str {
        self.at(d.parent_message().parent_file().name(), d.path())
    }

    pub(super) fn of_enum(&self, d: &EnumDescriptor) -> &str {
        self.at(d.parent_file().name(), d.path())
    }

    pub(super) fn of_enum_value(&self, d: &EnumValueDescriptor) -> &str {
        self.at(d.parent_enum().parent_file().name(), d.path())
    }
}

/// Lines become one paragraph, an empty line ends it.
fn tidy(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|p| p.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    paragraphs
        .map(|p| p.trim().to_owned())
        .filter(|p| !p.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// The first sentence, for a title.
pub(super) fn summary(text: &str) -> &str {
    let end = text.find(". ").or_else(|| text.find(".\n")).unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}
