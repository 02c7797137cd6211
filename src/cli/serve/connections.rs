//! Clients' connections: taking them, giving each its time, and letting them end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Notify, Semaphore};

use super::admission::Clients;
use super::routes::{Service, router};
use super::timed::Timed;

/// The most connections at once; further ones wait in the listener's own queue.
const CONNECTIONS: usize = 1024;

/// How long to wait after the system refuses a connection, for want of file descriptors mostly.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is told, and then what was asked before. Closes the queue at the end,
/// however it ends.
pub fn serve(listener: TcpListener, service: &Arc<Service>, stop: &Notify) -> anyhow::Result<()> {
    struct Close<'a>(&'a Service);
    impl Drop for Close<'_> {
        fn drop(&mut self) {
            self.0.queue.close();
        }
    }
    let _close = Close(service);
    listener.set_nonblocking(true)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(accept(tokio_listener(listener, &runtime)?, service, stop));
    Ok(())
}

fn tokio_listener(
    listener: TcpListener,
    runtime: &tokio::runtime::Runtime,
) -> std::io::Result<tokio::net::TcpListener> {
    let _inside = runtime.enter();
    tokio::net::TcpListener::from_std(listener)
}

async fn accept(listener: tokio::net::TcpListener, service: &Arc<Service>, stop: &Notify) {
    let router = router(service.clone());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(service.limits.read);
    let clients = Clients::default();
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let connection = async {
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            connection = connection => connection,
            () = stop.notified() => break,
        };
        let Ok((stream, client)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some(own) = clients.enter(client.ip(), service.limits.connections) else {
            continue; // it has enough; this one is closed
        };
        let _ = stream.set_nodelay(true); // small answers, and each is waited for
        let stream = Timed::new(stream, service.limits.write);
        let handler = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), handler));
        tokio::spawn(async move {
            // A client that goes away, or is too slow, is no fault of ours.
            let _ = connection.await;
            drop((own, place));
        });
    }
    drop(listener);
    // A client that does not read its answer shall not keep the program alive.
    let longest = service.limits.read * 2 + service.limits.answer;
    let _ = tokio::time::timeout(longest, graceful.shutdown()).await;
}
