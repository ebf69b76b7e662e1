//! Work on a list of things, on as many threads as there are cores.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The stack that reading the deepest file needs.
const STACK: usize = 100 << 20;
const MOST_THREADS: usize = 16;
/// Fewer things than this are not worth another thread.
const PER_THREAD: usize = 32;
const PIECE: usize = PER_THREAD / 2;

/// What `work` gives for all numbers below `count`, piece by piece, in their order.
pub fn in_order<T: Send>(count: usize, work: impl Fn(Range<usize>) -> Vec<T> + Sync) -> Vec<T> {
    let threads =
        thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(count.div_ceil(PER_THREAD)).max(1);
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let first = next.fetch_add(PIECE, Ordering::Relaxed);
            if first >= count {
                return done;
            }
            done.push((first, work(first..count.min(first + PIECE))));
        }
    };
    let mut pieces: Vec<(usize, Vec<T>)> = thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads)
            .filter_map(|_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, take).ok())
            .collect();
        // Where no thread can be had, this one does the work.
        let mut done = if spawned.is_empty() { take() } else { Vec::new() };
        for thread in spawned {
            // Without its share nothing would be where it belongs.
            done.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    pieces.sort_unstable_by_key(|(first, _)| *first);
    pieces.into_iter().flat_map(|(_, piece)| piece).collect()
}

/// Take down what has many parts while the caller goes on; who ends meanwhile need not wait for it.
pub fn drop_aside<T: Send + 'static>(parts: usize, value: T) {
    if parts > PER_THREAD {
        // Without a thread it is dropped with the closure.
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || drop(value));
    }
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn everything_comes_once_and_in_order() {
        for count in [0, 1, 15, 16, 17, 1000] {
            let found = in_order(count, |numbers| numbers.flat_map(|number| [number, number]).collect());
            let expected: Vec<usize> = (0..count).flat_map(|number| [number, number]).collect();
            assert_eq!(found, expected);
        }
    }
}
