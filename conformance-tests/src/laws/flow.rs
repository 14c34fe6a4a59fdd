use super::Laws;
pub(crate) fn laws(_: &mut Laws) {}
