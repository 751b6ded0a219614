//! Work with threads of its own, so that nobody who looks at a page waits behind what the links have to do.

use std::io;
use tokio::sync::oneshot;

/// Runs `work` on `threads` threads apart from everything else in the process. What is returned ends when it does.
///
/// # Errors
/// When the threads cannot be started.
pub fn apart<F: Future<Output = ()>>(
    name: &'static str,
    threads: usize,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()?;
    let (ended, end) = oneshot::channel::<()>();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(work());
        // What was still running goes with its threads: whoever waits for the end may close what it used.
        drop(runtime);
        drop(ended);
    })?;
    Ok(async move {
        // Nothing is ever sent: a sender that is gone is the end.
        let _ended = end.await;
    })
}
