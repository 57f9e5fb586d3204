//! All providers of this build.

use crate::Provider;
use crate::inbox::Inbox;
use crate::smtp::Smtp;
use crate::webhook::Webhook;
use crate::wecom::Wecom;

static PROVIDERS: [&dyn Provider; 4] = [&Smtp, &Webhook, &Inbox, &Wecom];

/// Every provider, each name once.
#[must_use]
pub fn registry() -> &'static [&'static dyn Provider] {
    &PROVIDERS
}

/// The provider of that name; `None` when this build has none.
#[must_use]
pub fn provider(name: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.into_iter().find(|provider| provider.spec().provider == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_found_by_its_name_and_keeps_the_bounds() {
        for entry in registry() {
            let spec = entry.spec();
            let found = provider(spec.provider).unwrap();
            assert!(std::ptr::eq(found.spec(), spec), "{} is there once", spec.provider);
            assert!((1..=1000).contains(&spec.batch), "an attempt row spans at most 1000 recipients");
            assert!((1..=spec.batch).contains(&spec.personal), "{}", spec.provider);
            assert!(spec.concurrency > 0);
        }
        assert!(provider("telegraph").is_none());
    }
}
