//! The page of memory that a run shares with its launcher: how far it is, and whether it should stop.

use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{MapFlags, ProtFlags};

pub const SIZE: usize = 4096;
pub const MAGIC: u32 = u32::from_le_bytes(*b"DXST");
/// The phase in which a run looks at *stop*.
pub const TESTS: u32 = 2;

/// The bits of *stop*.
const STOP: u32 = 1;
const ABANDON: u32 = 2;

const MAGIC_AT: usize = 0;
const PHASE_AT: usize = 8;
const STOP_AT: usize = 12;

/// A mapped status page.
#[derive(Debug)]
pub struct StatusPage(NonNull<u8>);

impl StatusPage {
    /// The page behind a descriptor, if it is one.
    pub fn map(fd: impl AsFd) -> Option<StatusPage> {
        // A shorter file would end this process by SIGBUS at the first look.
        if rustix::fs::fstat(&fd).ok()?.st_size < SIZE as i64 {
            return None;
        }
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), SIZE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0)
        };
        let page = StatusPage(NonNull::new(start.ok()?.cast())?);
        (page.field(MAGIC_AT).load(Ordering::Relaxed).to_le() == MAGIC).then_some(page)
    }

    pub fn phase(&self) -> u32 {
        u32::from_le(self.field(PHASE_AT).load(Ordering::Acquire))
    }

    /// Asks the run to stop at the next test boundary.
    pub fn stop(&self) {
        self.field(STOP_AT).fetch_or(STOP.to_le(), Ordering::Release);
    }

    /// Says that a death of the run is the user's doing, so that nobody takes over from it.
    pub fn abandon(&self) {
        self.field(STOP_AT).fetch_or(ABANDON.to_le(), Ordering::Release);
    }

    fn field(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at.is_multiple_of(4) && at + 4 <= SIZE);
        // SAFETY: inside the mapping, which lives as long as `self`, and aligned, since mappings begin on a page. The
        // other side writes it too, which is what atomics are for.
        unsafe { AtomicU32::from_ptr(self.0.as_ptr().add(at).cast()) }
    }
}

impl Drop for StatusPage {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows from it any more.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    fn page(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn what_is_written_on_one_side_is_read_on_the_other() {
        let mut bytes = vec![0; SIZE];
        bytes[..4].copy_from_slice(b"DXST");
        let file = page(&bytes);
        let mapped = StatusPage::map(&file).unwrap();
        assert_eq!(mapped.phase(), 0);
        file.write_all_at(&[2, 0, 0, 0], 8).unwrap();
        assert_eq!(mapped.phase(), TESTS);
        mapped.stop();
        let mut stop = [0; 4];
        file.read_exact_at(&mut stop, 12).unwrap();
        assert_eq!(stop, [1, 0, 0, 0]);
    }

    #[test]
    fn anything_else_is_no_page() {
        assert!(StatusPage::map(page(b"DXST")).is_none());
        assert!(StatusPage::map(page(&[0; SIZE])).is_none());
        assert!(StatusPage::map(std::io::stdin()).is_none());
    }
}
