//! What a backend is known not to pass, as data: each entry names a trial and gives the reason.

/// One trial that a backend is known to fail.
#[derive(Debug, Clone)]
pub(crate) struct Quirk {
    /// The trial's name, without backend and form.
    pub(crate) trial: &'static str,
    reason: &'static str,
}

impl Quirk {
    pub(crate) const fn new(trial: &'static str, reason: &'static str) -> Self {
        Self { trial, reason }
    }

    /// What a result means for a trial that is expected to fail.
    pub(crate) fn judge(&self, result: Result<(), String>) -> Result<(), String> {
        let Self { trial, reason } = self;
        match result {
            Err(_) => Ok(()),
            Ok(()) => Err(format!(
                "`{trial}` passes, but is listed as a quirk ({reason}): remove the quirk"
            )),
        }
    }

    /// What to say of a quirk that fits no trial.
    pub(crate) fn unknown(&self) -> String {
        let Self { trial, reason } = self;
        format!("the quirk `{trial}` ({reason}) names no trial that this backend is given")
    }
}
