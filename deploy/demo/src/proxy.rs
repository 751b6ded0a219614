//! A switch in every link: forwards bytes until it is cut; then breaks what is open and refuses what comes.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    open: watch::Sender<bool>,
}

impl Proxy {
    /// # Errors
    /// When the port is taken.
    pub async fn start(listen: u16, target: u16) -> Result<Arc<Proxy>> {
        let address = SocketAddr::from(([127, 0, 0, 1], listen));
        let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
        let (open, watching) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((incoming, _)) = listener.accept().await {
                let watching = watching.clone();
                // A refused connection is dropped at once: the dialler sees a dead line, as it would in the hills.
                if *watching.borrow() {
                    tokio::spawn(forward(incoming, target, watching));
                }
            }
        });
        Ok(Arc::new(Proxy { open }))
    }

    pub fn cut(&self) {
        self.open.send_replace(false);
    }
    pub fn heal(&self) {
        self.open.send_replace(true);
    }
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }
}

async fn forward(mut incoming: TcpStream, target: u16, mut watching: watch::Receiver<bool>) {
    let Ok(mut outgoing) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let _ = (incoming.set_nodelay(true), outgoing.set_nodelay(true));
    let cut = async {
        // The sender lives as long as the demo; an error can only mean that it is over.
        let _ = watching.wait_for(|open| !open).await;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut incoming, &mut outgoing) => {}
        () = cut => {}
    }
}
