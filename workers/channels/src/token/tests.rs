use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn shared(store: &Arc<OwnTokens>) -> Arc<Shared> {
    Arc::new(Shared::new(store.clone(), TokenSlot { account: 1, version: 1 }))
}

async fn fetched(count: &AtomicUsize, seconds: u64) -> Result<Fetched, NotFetched> {
    let n = count.fetch_add(1, Ordering::SeqCst) + 1;
    tokio::task::yield_now().await;
    Ok(Fetched { text: format!("token-{n}"), expires_in: Duration::from_secs(seconds) })
}

#[tokio::test]
async fn many_tasks_of_two_processes_fetch_once() {
    let store = Arc::new(OwnTokens::default());
    let (count, processes) = (Arc::new(AtomicUsize::new(0)), [shared(&store), shared(&store)]);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (process, count) = (processes[n % 2].clone(), count.clone());
        tasks.spawn(async move { process.get(0, || fetched(&count, 7200)).await.unwrap() });
    }
    for token in tasks.join_all().await {
        assert_eq!((&*token.text, token.serial), ("token-1", 1));
    }
    // All of them find it refused; one fetches.
    for process in &processes {
        assert_eq!(process.get(1, || fetched(&count, 7200)).await.unwrap().serial, 2);
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_is_not_used_to_its_last_minutes() {
    let (store, count) = (Arc::new(OwnTokens::default()), AtomicUsize::new(0));
    let token = shared(&store).get(0, || fetched(&count, 7200)).await.unwrap();
    assert_eq!(token.valid, Duration::from_secs(6900));
    let short = shared(&store).get(1, || fetched(&count, 60)).await.unwrap();
    assert_eq!(short.valid, Duration::from_secs(30), "a short one for half its life");
    assert!(!format!("{token:?}").contains("token-1"));
}

#[tokio::test]
async fn a_refusal_is_not_answered_with_another_request() {
    let (store, count) = (Arc::new(OwnTokens::default()), AtomicUsize::new(0));
    let refuse = || async {
        count.fetch_add(1, Ordering::SeqCst);
        Err(NotFetched { code: "40001".to_owned(), pause: Duration::from_secs(30) })
    };
    for process in [shared(&store), shared(&store)] {
        for _ in 0..5 {
            let none = process.get(0, refuse).await.unwrap_err();
            assert!(matches!(none, NoToken::Refused(code) if code == "40001"));
        }
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
