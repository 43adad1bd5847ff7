//! An HTTP server on its own address, stopped gracefully.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::supervise::StartError;

/// How long requests may go on after a stop was asked for.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// An address that is ours; whoever connects waits until it is served.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    listener: TcpListener,
}

impl Listening {
    /// Listens on `address`.
    ///
    /// # Errors
    /// [`StartError::Listen`] when the address is taken or not ours; `setting` is the key to change.
    pub fn on(runtime: &Runtime, address: SocketAddr, setting: &'static str) -> Result<Self, StartError> {
        let refused = |cause| StartError::Listen { address, setting, cause };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { address, listener })
    }

    /// `http://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with `router` until stopped.
    #[must_use]
    pub fn serve(self, runtime: &Runtime, router: axum::Router) -> Server {
        let Self { address, listener } = self;
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
        Server { stop, task }
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Takes no new connection, lets requests end, then ends.
    pub fn stop(self, runtime: &Runtime) {
        drop(self.stop);
        let abort = self.task.abort_handle();
        if runtime.block_on(async { tokio::time::timeout(DRAIN, self.task).await }).is_err() {
            abort.abort();
        }
    }
}
