//! Memory for results, written for the first time by the task that computes it, and memory that is
//! used again.
//!
//! A large `vec![0.0; n]` is written twice, once by one thread alone; here each task begins its own
//! piece.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Numbers that have a place but no value yet.
#[derive(Debug)]
pub struct UninitBuffer {
    memory: Vec<f32>,
    length: usize,
    cut: usize,
    written: AtomicUsize,
}

impl UninitBuffer {
    /// Room for `length` numbers.
    pub fn new(length: usize) -> Self {
        Self { memory: Vec::with_capacity(length), length, cut: 0, written: AtomicUsize::new(0) }
    }

    /// Cuts consecutive pieces of these sizes off the room that is left.
    ///
    /// # Panics
    /// If they are larger than that.
    pub fn pieces(&mut self, sizes: impl Iterator<Item = usize>) -> Vec<UninitSlice<'_>> {
        let rest = &mut self.memory.spare_capacity_mut()[self.cut..self.length];
        let cut = &mut self.cut;
        let rest = UninitSlice { memory: rest, written: &self.written };
        rest.split(sizes.inspect(|size| *cut += size))
    }

    /// All the room that is left as one piece.
    pub fn rest(&mut self) -> UninitSlice<'_> {
        let rest = &mut self.memory.spare_capacity_mut()[self.cut..self.length];
        self.cut = self.length;
        UninitSlice { memory: rest, written: &self.written }
    }

    /// The numbers.
    ///
    /// # Panics
    /// If a piece was not written.
    pub fn finish(mut self) -> Vec<f32> {
        assert_eq!(
            self.written.into_inner(),
            self.length,
            "a piece of the result was not computed"
        );
        // SAFETY: no two pieces overlap and each can be written only once, so all `length` numbers
        // are written.
        unsafe { self.memory.set_len(self.length) };
        self.memory
    }
}

/// A part of [`UninitBuffer`] memory, for one task.
#[derive(Debug)]
pub struct UninitSlice<'a> {
    memory: &'a mut [MaybeUninit<f32>],
    written: &'a AtomicUsize,
}

impl<'a> UninitSlice<'a> {
    /// Consecutive pieces of these sizes from its beginning on.
    ///
    /// # Panics
    /// If they are larger than the piece.
    pub fn split(self, sizes: impl Iterator<Item = usize>) -> Vec<UninitSlice<'a>> {
        let (mut rest, written) = (self.memory, self.written);
        let cut = sizes.map(|size| {
            let (memory, behind) = std::mem::take(&mut rest).split_at_mut(size);
            rest = behind;
            UninitSlice { memory, written }
        });
        cut.collect()
    }

    /// The piece, filled with zeros.
    pub fn zeroed(self) -> &'a mut [f32] {
        self.memory.fill(MaybeUninit::new(0.0));
        // SAFETY: every number was just written.
        unsafe { self.written() }
    }

    /// How many numbers it has room for.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether it has room for none.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Where it begins.
    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.memory.as_mut_ptr().cast()
    }

    /// The piece as numbers.
    ///
    /// # Safety
    /// All of it must have been written.
    pub(super) unsafe fn written(self) -> &'a mut [f32] {
        self.written.fetch_add(self.memory.len(), Ordering::Relaxed);
        // SAFETY: the caller wrote all of it, and `MaybeUninit<f32>` lies in memory as f32 does.
        unsafe {
            std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), self.memory.len())
        }
    }
}

/// `length` numbers, computed in blocks on all threads: `fill` gets a block's first index and its
/// zeros.
pub fn build(length: usize, block: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut fresh = UninitBuffer::new(length);
    let sizes = (0..length).step_by(block.max(1)).map(|start| block.min(length - start));
    let pieces = fresh.pieces(sizes);
    pieces
        .into_par_iter()
        .enumerate()
        .for_each(|(number, piece)| fill(number * block, piece.zeroed()));
    fresh.finish()
}

thread_local! {
    static SPARE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A line of the cache: vectors and tiles are read twice as fast where they do not cross from one
/// into the next.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Numbers for passing use, at the beginning of a line; their memory is kept for the next such use
/// on the same thread.
#[derive(Debug)]
pub(super) struct Scratch {
    lines: Vec<Line>,
    length: usize,
}

impl Scratch {
    /// `length` numbers, whatever stood there before.
    pub(super) fn new(length: usize) -> Self {
        let needed = length.div_ceil(LINE);
        let spare = SPARE.with_borrow_mut(|spare| {
            // The smallest that is large enough; otherwise a new one, with some room to spare,
            // instead of the largest.
            let rank = |lines: &Vec<Line>| (lines.len() < needed, lines.len().abs_diff(needed));
            let best = (0..spare.len()).min_by_key(|&place| rank(&spare[place]));
            best.map(|place| spare.swap_remove(place))
        });
        let lines = match spare {
            Some(lines) if lines.len() >= needed => lines,
            _ => vec![Line([0.0; LINE]); needed + needed / 4],
        };
        Self { lines, length }
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: the lines hold `LINE` numbers each without gaps, and so at least `length`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: the lines hold `LINE` numbers each without gaps, and so at least `length`.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        // While a thread ends, its memory is simply freed.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().push(lines));
    }
}

/// The memory of f32 numbers as that of pairs of 16-bit ones.
pub(super) fn as_pairs(numbers: &mut [f32]) -> &mut [u32] {
    // SAFETY: both types allow all bits, and have the same size and alignment.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}

/// Tells the C library's allocator to keep memory that is freed, for the next result of the same
/// size.
///
/// By default glibc gives large pieces back to the system at once, and taking them anew costs a
/// page fault for every 4 KiB: a tenth of a training step. Elsewhere this does nothing. Threads
/// share one heap, so that they share what is kept; but not in a build for GPUs, whose results lie
/// elsewhere, and whose many cores would wait for each other while they tokenize.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only sets numbers of the allocator, and takes its lock to do so.
    unsafe {
        if cfg!(not(feature = "cuda")) {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 16 << 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_tasks_write_become_one_result() {
        let built = build(11, 4, |first, piece| {
            piece.iter_mut().enumerate().for_each(|(place, x)| *x += (first + place) as f32);
        });
        assert_eq!(built, (0..11).map(|x| x as f32).collect::<Vec<_>>());
        assert!(build(0, 4, |_, _| {}).is_empty());
    }

    #[test]
    #[should_panic(expected = "a piece of the result was not computed")]
    fn a_result_that_lacks_a_piece_is_refused() {
        let mut fresh = UninitBuffer::new(5);
        let mut pieces = fresh.pieces([2, 3].into_iter());
        pieces.remove(1).zeroed();
        fresh.finish();
    }

    #[test]
    #[should_panic(expected = "mid > len")]
    fn pieces_larger_than_the_room_are_refused() {
        UninitBuffer::new(5).pieces([2, 4].into_iter());
    }

    #[test]
    fn scratch_memory_begins_a_line_and_is_used_again() {
        let mut first = Scratch::new(40);
        first.fill(1.0);
        let place = first.as_ptr();
        assert!(place.addr().is_multiple_of(4 * LINE));
        drop(first);
        let again = Scratch::new(33);
        assert_eq!((again.as_ptr(), again.len()), (place, 33));
        assert!(again.iter().all(|&x| x == 1.0));
        assert_ne!(Scratch::new(33).as_ptr(), place);
    }

    #[test]
    fn numbers_and_pairs_share_their_bits() {
        let mut numbers = [1.5f32, -0.0];
        as_pairs(&mut numbers)[0] += 1;
        assert_eq!(numbers, [f32::from_bits(1.5f32.to_bits() + 1), -0.0]);
    }
}
