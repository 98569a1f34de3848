//! The listening socket.

use super::service::Service;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Half of what load balancers usually allow a silent connection (60 s).
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What clients have to read how their queries ended after shutdown began; connections that are still open then are cut.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Serves until `shutdown` completes, and returns soon after: running queries are cancelled, their clients get CANCELLED.
///
/// # Errors
/// If the socket can no longer accept connections.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error> {
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .add_service(service.clone().into_server())
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async {
            // An error only says that this function was dropped, which ends the server as well.
            let _ = stopped.await;
        });
    let mut server = std::pin::pin!(server);
    tokio::select! {
        result = &mut server => return result,
        () = shutdown => {}
    }
    service.cancel_all();
    drop(stop);
    tokio::time::timeout(SHUTDOWN_GRACE, server).await.unwrap_or(Ok(()))
}
