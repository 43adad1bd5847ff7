//! An HTTP server on its own address, stopped gracefully.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::supervise::StartError;

/// How long requests may go on after a stop was asked for.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// A server that is listening.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on `address` and serves `router`.
    ///
    /// # Errors
    /// [`StartError::Listen`] when the address is taken or not ours; `setting` is the key to change.
    pub fn start(
        runtime: &Runtime,
        router: axum::Router,
        address: SocketAddr,
        setting: &'static str,
    ) -> Result<Self, StartError> {
        let refused = |cause| StartError::Listen { address, setting, cause };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(async move {
            let until = async {
                // The sender is dropped, or sends: either way it is time.
                let _asked = stopped.await;
            };
            let serving = axum::serve(listener, router).with_graceful_shutdown(until);
            if let Err(error) = serving.await {
                tracing::error!(%address, %error, "serving ended");
            }
        });
        Ok(Self { address, stop, task })
    }

    /// `http://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no new connection, lets requests end, then ends.
    pub fn stop(self, runtime: &Runtime) {
        drop(self.stop);
        let abort = self.task.abort_handle();
        if runtime.block_on(async { tokio::time::timeout(DRAIN, self.task).await }).is_err() {
            abort.abort();
        }
    }
}
