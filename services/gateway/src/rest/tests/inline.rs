//! Descriptors of a proto file that stands in a test.

use std::path::Path;

use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};

struct Inline(String);

impl FileResolver for Inline {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "case.proto" => File::from_source(name, &self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// The pool of one file, which may import Google's files, ours, and those of the tests.
pub(crate) fn inline(source: &str) -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Inline(source.to_owned()));
    for folder in ["../../proto", "tests/proto"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        resolver.add(IncludeFileResolver::new(folder));
    }
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_source_info(true).include_imports(true);
    compiler.open_file("case.proto").unwrap();
    DescriptorPool::decode(&*compiler.encode_file_descriptor_set()).unwrap()
}
