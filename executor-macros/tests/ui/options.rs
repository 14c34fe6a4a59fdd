use executor_macros::task;

#[task(crate = "executor_core", nmae = "acme.square")]
fn unknown(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", name = "a", name = "b")]
fn twice(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", name = "")]
fn empty(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", name = "two words")]
fn words(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", name)]
fn no_value(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", name = 3)]
fn not_text(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", derive = "Clone")]
fn no_list(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", derive(Clone, Serialize))]
fn has_it(x: u64) -> u64 {
    x
}

#[task(crate = "no such crate")]
fn no_crate(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", codec = "json")]
fn no_codec(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", codec)]
fn codec_without_value(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", codec = "compact", codec = "messagepack")]
fn two_codecs(x: u64) -> u64 {
    x
}

fn main() {}
