//! What the server would have recorded: texts that come back with the replies to batches, put in force in place of the program's own filter.

use crate::filter::{self, Filter};

/// Acts on the server's texts.
#[derive(Debug, Default)]
pub(crate) struct ServerControl {
    texts: u64,
    errors: u64,
}

impl ServerControl {
    /// Puts `text` in force; an empty one brings the program's own filter back. One that cannot be understood, as a newer server's may not be, changes
    /// nothing.
    pub(crate) fn take(&mut self, text: &str) {
        let filter = match text.trim() {
            "" => None,
            text => match text.parse::<Filter>() {
                Ok(filter) => Some(filter),
                Err(error) => return self.refuse(text, &error),
            },
        };
        filter::set_server(filter);
        self.texts += 1;
    }

    fn refuse(&mut self, text: &str, error: &crate::Error) {
        self.errors += 1;
        if self.errors == 1 {
            eprintln!(
                "framelake: the server would have {text:?} recorded, and that changes nothing: {error} (correct it with `framelake control set`; further \
                 such texts are counted, not printed)"
            );
        }
    }

    /// Texts put in force.
    pub(crate) fn texts(&self) -> u64 {
        self.texts
    }

    /// Texts that could not be understood.
    pub(crate) fn errors(&self) -> u64 {
        self.errors
    }
}
