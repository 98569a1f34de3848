//! The roles that one binary runs in any set.

pub(crate) mod gateway;
pub(crate) mod maintain;
pub(crate) mod query;
pub(crate) mod writer;

use anyhow::bail;
use std::pin::Pin;

/// How a role ends: when it was asked to, or with why it cannot go on.
pub(crate) type Ended = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// A role, in the order in which data flows; also the order in which they are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Gateway,
    Writer,
    Query,
    Maintain,
}

impl Role {
    pub(crate) const ALL: [Role; 4] = [Role::Gateway, Role::Writer, Role::Query, Role::Maintain];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Gateway => "gateway",
            Role::Writer => "writer",
            Role::Query => "query",
            Role::Maintain => "maintain",
        }
    }

    /// The roles of those names; all of them where none is named.
    pub(crate) fn from_names<'a>(names: impl Iterator<Item = &'a String>) -> anyhow::Result<Vec<Role>> {
        let mut roles = Vec::new();
        for name in names {
            match Role::ALL.into_iter().find(|role| role.name() == name) {
                Some(role) if !roles.contains(&role) => roles.push(role),
                Some(_) => {}
                None => bail!("unknown role {name}; roles are gateway, writer, query and maintain"),
            }
        }
        Ok(if roles.is_empty() { Role::ALL.to_vec() } else { roles })
    }
}
