//! What a key may do.

use std::fmt;
use std::str::FromStr;

/// One permission. Every route needs exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// See plans, recipients, deliveries.
    PlansRead,
    /// Send.
    PlansWrite,
    /// Decide about plans that wait for approval.
    PlansApprove,
    /// See accounts, without their secrets.
    AccountsRead,
    /// Make, change, verify and delete accounts.
    AccountsWrite,
    /// See templates and try them.
    TemplatesRead,
    /// Make, change, copy and delete templates.
    TemplatesWrite,
    /// See policies.
    PoliciesRead,
    /// Make, change, copy, enable, disable and delete policies.
    PoliciesWrite,
    /// Read anybody's in-app inbox.
    InboxRead,
    /// See keys.
    KeysRead,
    /// Make and revoke keys.
    KeysWrite,
    /// See what the tenant has set.
    SettingsRead,
    /// Set it.
    SettingsWrite,
    /// See subscriptions, without their secrets.
    SubscriptionsRead,
    /// Make, change, test and delete subscriptions.
    SubscriptionsWrite,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 16] = [
        Scope::PlansRead,
        Scope::PlansWrite,
        Scope::PlansApprove,
        Scope::AccountsRead,
        Scope::AccountsWrite,
        Scope::TemplatesRead,
        Scope::TemplatesWrite,
        Scope::PoliciesRead,
        Scope::PoliciesWrite,
        Scope::InboxRead,
        Scope::KeysRead,
        Scope::KeysWrite,
        Scope::SettingsRead,
        Scope::SettingsWrite,
        Scope::SubscriptionsRead,
        Scope::SubscriptionsWrite,
    ];

    /// The word used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::PlansRead => "plans:read",
            Scope::PlansWrite => "plans:write",
            Scope::PlansApprove => "plans:approve",
            Scope::AccountsRead => "accounts:read",
            Scope::AccountsWrite => "accounts:write",
            Scope::TemplatesRead => "templates:read",
            Scope::TemplatesWrite => "templates:write",
            Scope::PoliciesRead => "policies:read",
            Scope::PoliciesWrite => "policies:write",
            Scope::InboxRead => "inbox:read",
            Scope::KeysRead => "keys:read",
            Scope::KeysWrite => "keys:write",
            Scope::SettingsRead => "settings:read",
            Scope::SettingsWrite => "settings:write",
            Scope::SubscriptionsRead => "subscriptions:read",
            Scope::SubscriptionsWrite => "subscriptions:write",
        }
    }
}

impl FromStr for Scope {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
