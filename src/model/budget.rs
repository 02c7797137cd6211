//! How many tokens are scored at once, and what happens when they are too many for the device.

use std::cell::Cell;

use candle_core::{Device, Result};

use crate::nn::device::is_out_of_memory;
use crate::text::batch::budget_batches;

/// The largest number of tokens in a batch when nothing is trained. It is halved once if the device
/// has no memory for it.
#[derive(Debug)]
pub struct TokenBudget {
    tokens: Cell<usize>,
    is_halved: Cell<bool>,
}

impl TokenBudget {
    /// On a CPU enough to keep the cores busy, and little enough to stay in their caches; on a GPU
    /// far more.
    pub fn of(device: &Device) -> Self {
        Self::new(if device.is_cpu() { 2048 } else { 32_768 })
    }

    fn new(tokens: usize) -> Self {
        Self { tokens: Cell::new(tokens), is_halved: Cell::new(false) }
    }

    /// The number of tokens, if it had to be halved.
    pub fn halved(&self) -> Option<usize> {
        self.is_halved.get().then_some(self.tokens.get())
    }

    /// What a user should know of that.
    pub fn warning(&self) -> Option<String> {
        let tokens = self.halved()?;
        Some(format!("the device had too little memory: batches were halved to {tokens} tokens"))
    }

    /// Calls `run` with batches of the items of these lengths until each has been in one.
    ///
    /// # Errors
    /// As `run`, but for a first want of memory.
    pub fn batches(
        &self,
        lengths: &[usize],
        mut run: impl FnMut(&[usize]) -> Result<()>,
    ) -> Result<()> {
        let mut waiting = budget_batches(lengths, self.tokens.get());
        waiting.reverse();
        while let Some(batch) = waiting.pop() {
            match run(&batch) {
                Err(error) if is_out_of_memory(&error) && !self.is_halved.replace(true) => {
                    self.tokens.set(self.tokens.get() / 2);
                    waiting.push(batch);
                    let halves = |batch: Vec<usize>| {
                        let (short, long) = batch.split_at(batch.len() / 2);
                        [long.to_vec(), short.to_vec()]
                    };
                    waiting = waiting
                        .into_iter()
                        .flat_map(halves)
                        .filter(|half| !half.is_empty())
                        .collect();
                }
                done => done?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs ten items on a device that has memory for so many tokens.
    fn on(memory: usize, budget: &TokenBudget) -> Result<Vec<usize>> {
        let lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let mut done = Vec::new();
        budget.batches(&lengths, |batch| {
            if batch.iter().map(|&item| lengths[item]).sum::<usize>() > memory {
                candle_core::bail!("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
            }
            done.extend_from_slice(batch);
            Ok(())
        })?;
        Ok(done)
    }

    #[test]
    fn every_item_is_in_one_batch_on_a_device_with_half_the_memory() -> Result<()> {
        let all: Vec<usize> = (0..10).collect();
        for (memory, halved) in [(20, None), (12, Some(10))] {
            let budget = TokenBudget::new(20);
            let mut done = on(memory, &budget)?;
            done.sort_unstable();
            assert_eq!((done, budget.halved()), (all.clone(), halved));
            assert_eq!(on(memory, &budget)?.len(), 10, "and the next texts need no second try");
        }
        Ok(())
    }

    #[test]
    fn far_too_little_memory_is_an_error_with_advice() {
        let error = on(5, &TokenBudget::new(20)).map_err(crate::error::Error::from);
        let text = error.map_err(|error| format!("{error:?}"));
        assert!(
            text.is_err_and(
                |text| text.contains("too little memory") && text.contains("batch_size")
            )
        );
    }
}
