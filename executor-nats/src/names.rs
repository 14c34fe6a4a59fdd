//! Names on the server: streams, consumers, subjects, and who may have which name.
//!
//! Subjects are `<namespace>.<kind>.<user>.<session>.<id>`, with the queue before the user where the kind is a task. What
//! follows the kind, or the queue, is the *address* of a task, and the same everywhere. Names of tasks are never in a subject: they have dots.

use std::{
    collections::hash_map::RandomState,
    fmt::Write as _,
    hash::{BuildHasher as _, Hasher as _},
    time::SystemTime,
};

/// The names of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    namespace: String,
}

impl Names {
    pub(crate) const fn new(namespace: String) -> Self {
        Self { namespace }
    }

    pub(crate) fn tasks(&self) -> String {
        format!("{}_TASKS", self.namespace)
    }

    pub(crate) fn results(&self) -> String {
        format!("{}_RESULTS", self.namespace)
    }

    pub(crate) fn cancels(&self) -> String {
        format!("{}_CANCELS", self.namespace)
    }

    pub(crate) fn blobs(&self) -> String {
        format!("{}-blobs", self.namespace)
    }

    pub(crate) fn consumer(queue: &str) -> String {
        format!("q_{queue}")
    }

    /// The queue of a consumer.
    pub(crate) fn queue_of(consumer: &str) -> Option<&str> {
        consumer.strip_prefix("q_")
    }

    /// All subjects of a kind: `t`asks, `r`esults, `c`ancels, `s`tarts, `w`orkers.
    pub(crate) fn all(&self, kind: char) -> String {
        format!("{}.{kind}.>", self.namespace)
    }

    pub(crate) fn queue(&self, queue: &str) -> String {
        format!("{}.t.{queue}.>", self.namespace)
    }

    pub(crate) fn task(&self, queue: &str, address: &str) -> String {
        format!("{}.t.{queue}.{address}", self.namespace)
    }

    /// In the stream of tasks, and of no queue: `~` is in no name.
    pub(crate) fn keep(&self) -> String {
        format!("{}.t.~.keep", self.namespace)
    }

    pub(crate) fn of(&self, kind: char, address: &str) -> String {
        format!("{}.{kind}.{address}", self.namespace)
    }

    /// The address in a subject of this kind, if it is one.
    pub(crate) fn address<'s>(&self, kind: char, subject: &'s str) -> Option<&'s str> {
        let rest = subject.strip_prefix(self.namespace.as_str())?;
        let rest = rest.strip_prefix('.')?.strip_prefix(kind)?;
        rest.strip_prefix('.')
    }

    /// The address in the subject of a task.
    pub(crate) fn address_of_task<'s>(&self, queue: &str, subject: &'s str) -> Option<&'s str> {
        self.address('t', subject)?
            .strip_prefix(queue)?
            .strip_prefix('.')
    }
}

/// The number at the end of a subject.
pub(crate) fn id_of(subject: &str) -> Option<u64> {
    subject.rsplit_once('.')?.1.parse().ok()
}

/// Whether this may be a part of a subject, and of the name of a stream.
pub(crate) fn is_name(text: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_fit)
}

/// A name that nobody else has.
pub(crate) fn random() -> String {
    let mut name = String::with_capacity(32);
    for part in 0..2_u8 {
        // The keys come from the system's source of randomness.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u8(part);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        hasher.write_u128(now.map_or(0, |now| now.as_nanos()));
        hasher.write_u32(std::process::id());
        write!(name, "{:016x}", hasher.finish()).expect("a string takes everything");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_all_subjects_of_a_task_share() {
        let names = Names::new("exec".into());
        let subject = names.task("q", "me.s.7");
        assert_eq!(names.address_of_task("q", &subject), Some("me.s.7"));
        assert_eq!(names.address_of_task("p", &subject), None);
        assert_eq!(names.address('r', &names.of('r', "me.s.7")), Some("me.s.7"));
        assert_eq!(names.address('c', &names.of('r', "me.s.7")), None);
        assert_eq!(id_of(&subject), Some(7));
    }

    #[test]
    fn names_have_no_dots_wildcards_or_blanks() {
        assert!(is_name("a-b_C9"));
        for bad in ["", "a.b", "*", ">", "a b", "ä"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert_ne!(random(), random());
    }
}
