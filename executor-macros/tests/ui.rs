//! What `#[task]` and `submit` refuse, and what they say then.
//!
//! After a change of a message: `TRYBUILD=overwrite cargo test -p executor-macros --test ui`, and read
//! the difference.

#[test]
fn refusals() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
