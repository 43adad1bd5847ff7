use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[tokio::test]
async fn the_endpoints_show_what_the_closures_say() {
    let ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&ready);
    let views = Views {
        metrics: Arc::new(|| "tally_events_total 3\n".to_owned()),
        readiness: Arc::new(move || {
            if asked.load(Ordering::SeqCst) {
                return Readiness::Ready;
            }
            Readiness::Waiting(vec!["the engine has not answered yet".to_owned()])
        }),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router(views)).await });
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask("/metrics").await, (200, "tally_events_total 3\n".to_owned()));
    assert_eq!(ask("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(ask("/readyz").await, (503, "the engine has not answered yet\n".to_owned()));
    ready.store(true, Ordering::SeqCst);
    assert_eq!(ask("/readyz").await, (200, "ready\n".to_owned()));
    server.abort();
}
