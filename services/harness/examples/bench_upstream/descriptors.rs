//! The descriptor set that the gateway and its rivals route by.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};

/// Methods of one service of those that only fill the tables.
const PER_SERVICE: usize = 100;

/// Writes a `FileDescriptorSet`: `bench.proto`, and services with as many methods more that nobody calls.
pub(crate) fn write(file: &Path, methods: usize) -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = file.parent().context("a file in a folder")?;
    fs::write(folder.join("many.proto"), many(methods))?;
    let includes = [
        here.join("examples/bench_upstream"),
        here.join("../../proto"),
        folder.to_path_buf(),
    ];
    let mut compiler = protox::Compiler::new(includes)?;
    compiler.include_imports(true);
    compiler.open_files(["bench.proto", "many.proto"])?;
    fs::write(file, compiler.encode_file_descriptor_set()).context("cannot write the descriptors")
}

fn many(methods: usize) -> String {
    let mut text = String::from(
        "syntax = \"proto3\";\npackage bench.many.v1;\nimport \"google/api/annotations.proto\";\n\
         message CallRequest { string text = 1; }\nmessage CallResponse { string text = 1; }\n",
    );
    for number in 0..methods {
        if number % PER_SERVICE == 0 {
            let end = if number > 0 { "}\n" } else { "" };
            let _ = writeln!(text, "{end}service Many{}Service {{", number / PER_SERVICE);
        }
        let _ = writeln!(
            text,
            "rpc Call{number}(CallRequest) returns (CallResponse) {{ option (google.api.http) = {{ post: \"/v1/many/{number}\" body: \"*\" }}; }}",
        );
    }
    if methods > 0 {
        text.push_str("}\n");
    }
    text
}
