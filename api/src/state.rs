//! What handlers share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use herald_channels::{Attachments, Deps, NetPolicy, OwnTokens};
use herald_shared::amqp::Waker;
use herald_shared::db::{self, Client};
use herald_shared::domain::Wait;
use herald_shared::links::{LinkSource, PublicUrl};
use herald_shared::secrets::KeyRing;
use prometheus::Registry;
use tokio::sync::Semaphore;

use crate::accept::{Batcher, Choices};
use crate::auth::{KeyCache, Limiters};
use crate::error::Result;
use crate::extract::Budget;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::pages::{PageLimiter, Recorder, recorder};
use crate::reader::Reader;
use crate::watch::Watches;

/// Requests in work at once; each holds some kB, and the database has ten connections for them.
const MAX_REQUESTS: usize = 2_000;

/// Searches for a member of a plan at once; others wait.
const MEMBERS: usize = 2;

/// Exports at once; the other connections answer questions.
const EXPORTS: usize = 2;

/// For how long what is not needed any more is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// How long a plan stays in the bin.
    pub bin: Duration,
    /// How long after its end what a plan says is kept where it says nothing of that; `None`: for good.
    pub keep: Option<Wait>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { bin: Duration::from_secs(30 * 86_400), keep: None }
    }
}

/// One API process; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// Its parts.
pub struct Shared {
    /// Connections; take one with [`App::db`].
    pub pool: Pool,
    /// Seals account secrets.
    pub ring: KeyRing,
    /// Which targets may be called.
    pub net: Arc<NetPolicy>,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// Known API keys.
    pub keys: KeyCache,
    /// Rates of API keys.
    pub limiters: Limiters,
    /// Requests in work, at most 2,000; more are told to come back.
    pub requests: Semaphore,
    /// Room for bodies.
    pub bodies: Budget,
    /// Reads long bodies.
    pub reader: Reader,
    /// Uploads at once: each remembers everybody it has seen.
    pub uploads: Semaphore,
    /// Searches for members of a plan at once: each may read all of its recipients.
    pub(crate) members: Semaphore,
    /// Exports at once: each keeps a connection busy.
    pub exports: Arc<Semaphore>,
    /// Who waits for plans.
    pub watches: Arc<Watches>,
    /// Accounts by channel.
    pub choices: Choices,
    /// Commits plans.
    pub batcher: Batcher,
    /// Recipients' links.
    pub links: LinkSource,
    /// Notes readings and answers.
    pub(crate) recorder: Recorder,
    /// How often links may be used.
    pub page_limiter: PageLimiter,
    /// Messages of Herald's own.
    pub notices: Notices,
    /// Longest time to answer a request, and for the database to answer.
    pub deadline: Duration,
    /// For how long things are kept.
    pub retention: Retention,
    /// Bytes of the largest file that may be attached.
    pub max_file: usize,
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Puts a process together, and the task that must run for it; nothing connects yet. `writing` is for accepting plans.
    /// `public_url`: where recipients find their pages.
    /// `deadline`: longest time to answer a request, and for the database to answer. `max_file`: bytes of the largest file.
    ///
    /// # Errors
    /// When the metrics are registered already, or no thread can be had.
    pub fn new(
        (pool, writing): (Pool, Pool),
        ring: KeyRing,
        public_url: Option<PublicUrl>,
        net: NetPolicy,
        registry: &Registry,
        waker: Waker,
        (deadline, retention, max_file): (Duration, Retention, usize),
    ) -> anyhow::Result<(Self, impl Future<Output = anyhow::Result<()>> + Send + use<>)> {
        let metrics = Metrics::new(registry)?;
        let (recorder, recording) = recorder(pool.clone());
        let notices = Notices::new(waker.clone());
        let (batcher, accepting) = Batcher::new(writing, metrics.clone(), waker, deadline);
        let app = App(Arc::new(Shared {
            batcher,
            deadline,
            retention,
            max_file,
            pool,
            links: LinkSource::new(ring.clone(), public_url),
            recorder,
            page_limiter: PageLimiter::default(),
            notices,
            ring,
            net: Arc::new(net),
            keys: KeyCache::default(),
            limiters: Limiters::default(),
            requests: Semaphore::new(MAX_REQUESTS),
            bodies: Budget::default(),
            reader: Reader::start()?,
            uploads: Semaphore::new(1),
            members: Semaphore::new(MEMBERS),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            watches: Watches::new(metrics.clone()),
            metrics,
            choices: Choices::default(),
        }));
        let running = async { tokio::try_join!(accepting, recording).map(|_| ()) };
        Ok((app, running))
    }

    /// A database connection.
    ///
    /// # Errors
    /// 503 when none can be had within the pool's limits.
    pub async fn db(&self) -> Result<Client> {
        let started = Instant::now();
        let client = self.pool.get().await.map_err(db::Error::from)?;
        self.metrics.waited(started);
        Ok(client)
    }

    /// What provider drivers need.
    #[must_use]
    pub fn deps(&self) -> Deps {
        Deps {
            pool: self.pool.clone(),
            net: self.net.clone(),
            tokens: Arc::new(OwnTokens::default()),
            attachments: Arc::new(Attachments::new(self.pool.clone())),
        }
    }
}
