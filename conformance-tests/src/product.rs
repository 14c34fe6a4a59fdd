use crate::laws::Laws;
pub(crate) fn laws(_: &mut Laws) {}
