//! A guard around readers of foreign bytes that are not ours: where one of them panics, the program
//! goes on with an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use crate::error::{Error, Result};

thread_local! {
    /// Whether a panic of this thread is caught, so that nobody needs to hear of it.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `read` returns, or what it said when it panicked.
///
/// # Errors
/// If it panics.
pub fn caught<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                report(panic);
            }
        }));
    });
    let was_caught = IS_CAUGHT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    IS_CAUGHT.set(was_caught);
    outcome.map_err(|panic| said(&*panic))
}

/// What `read` makes of a file.
///
/// # Errors
/// As `read`, and if it panics; then the file is named.
pub fn reading<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(read).unwrap_or_else(|what| {
        Err(Error::file(path, format!("the file is damaged: its reader gave up ({what})"))
            .help("copy or download it again"))
    })
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("for no reason that it told").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_the_file() {
        let numbers: Vec<u32> = Vec::new();
        let first = || Ok(numbers[usize::from(!numbers.is_empty())]);
        let error = reading(Path::new("odd.bin"), first).map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| {
            text.starts_with("odd.bin: the file is damaged") && text.contains("index out of bounds")
        }));
        assert_eq!(caught(|| 7), Ok(7));
        let within = || caught(|| numbers[0]).is_err();
        assert_eq!(caught(within), Ok(true), "one in another");
    }
}
