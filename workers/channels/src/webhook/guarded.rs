//! The guard in reqwest's resolver: the address it checks is the one that is dialled.

use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::NetPolicy;

/// Resolves names under a policy.
pub(super) struct Resolver {
    net: Arc<NetPolicy>,
    only_allowed: bool,
}

impl Resolver {
    /// Gives addresses that may be called.
    pub(super) fn public(net: Arc<NetPolicy>) -> Self {
        Resolver { net, only_allowed: false }
    }

    /// Gives only addresses that the operator's allow-list names.
    pub(super) fn allowed(net: Arc<NetPolicy>) -> Self {
        Resolver { net, only_allowed: true }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let net = self.net.clone();
        let only_allowed = self.only_allowed;
        Box::pin(async move {
            // Port 0: reqwest puts in the URL's.
            let found = if only_allowed {
                net.resolve_allowed(name.as_str(), 0).await
            } else {
                net.resolve(name.as_str(), 0).await
            };
            Ok(Box::new(found?.into_iter()) as Addrs)
        })
    }
}
