//! What the launcher itself says to the user. All of it goes to stderr.

/// One line about something the user may want to put right; the run goes on.
pub fn note(sentence: &str) {
    line(&format!("dx-py: note: {sentence}\n"));
}

/// Why there is no result.
pub fn error(sentence: &str) {
    line(&format!("dx-py: {sentence}\n"));
}

/// In one write, so that it is not torn by what a run's processes write. A closed stderr is no reason to fail.
fn line(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
}
