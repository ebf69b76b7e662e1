//! The `dx-py` command. Everything it does is in the library beside it; this file is the way in from C.
//!
//! There is no Rust `main`: before calling one, the standard library opens `/dev/null` in place of a standard
//! descriptor that the caller closed, and nobody could tell afterwards that it had been closed. A run has to
//! start with the descriptors its caller gave it.

#![no_main]

use std::ffi::{c_char, c_int, CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What C calls first.
///
/// # Safety
///
/// `argv` holds `argc` strings, as the C start-up code guarantees.
#[no_mangle]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let closed = dx_py_launcher::stdio::occupy_closed();
    let args: Vec<OsString> = (1..usize::try_from(argc).unwrap_or(0))
        .map(|at| {
            // SAFETY: at < argc, and each of the argc pointers is a string that lives as long as the process.
            let arg = unsafe { CStr::from_ptr(*argv.add(at)) };
            OsStr::from_bytes(arg.to_bytes()).to_owned()
        })
        .collect();
    // A panic must not unwind into C. Its message is already on stderr by the time it arrives here.
    let code = std::panic::catch_unwind(|| dx_py_launcher::launch(args, closed));
    c_int::from(code.unwrap_or(dx_py_launcher::FAILED))
}
