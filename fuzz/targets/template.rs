//! Any text is a path template or none; one that is can be written down and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logicore_gateway::rest::{Segment, Template};

fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse(text) else { return };
    assert!(!template.segments.is_empty());
    let again = Template::parse(&written(&template)).expect("what is written of a template is one");
    assert_eq!(again, template);
    for variable in &template.variables {
        assert!(variable.segments.end <= template.segments.len() && !variable.segments.is_empty());
    }
});

fn written(template: &Template) -> String {
    let mut text = String::new();
    for (i, segment) in template.segments.iter().enumerate() {
        text.push('/');
        if let Some(variable) = template.variables.iter().find(|v| v.segments.start == i) {
            text.push_str(&format!("{{{}=", variable.field));
        }
        text.push_str(match segment {
            Segment::Literal(literal) => literal,
            Segment::One => "*",
            Segment::Rest => "**",
        });
        if template.variables.iter().any(|v| v.segments.end == i + 1) {
            text.push('}');
        }
    }
    if let Some(verb) = &template.verb {
        text.push_str(&format!(":{verb}"));
    }
    text
}
