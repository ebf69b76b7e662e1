//! Standard descriptors that the caller had closed.

/// Which of the descriptors 0, 1 and 2 are closed. Each of them becomes `/dev/null`, so that no descriptor opened
/// later takes its number; closed again on exec, so that a Python that replaces this process sees what the caller gave.
pub fn occupy_closed() -> [bool; 3] {
    let mut closed = [false; 3];
    for (fd, closed) in (0..).zip(&mut closed) {
        // SAFETY: fcntl(F_GETFD) takes any number and changes nothing.
        *closed = unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        if *closed {
            // SAFETY: a valid C string; the lowest free number is `fd`, since all below it are taken by now.
            unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        }
    }
    closed
}
