//! Where records go, as people write it.

use crate::{Deliver, Error, Result};
use std::{fmt, path::PathBuf, str::FromStr};

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A gateway: `http://host:port` or `https://host:port`, perhaps with a path before `/v1/records`; no slash at the end.
    Http(String),
    /// Kafka's bootstrap servers: `host:port`, several with commas.
    Kafka(String),
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |reason| Error::Endpoint { text: text.to_owned(), reason };
        let trimmed = text.trim().trim_end_matches('/');
        let (scheme, rest) = trimmed.split_once("://").ok_or_else(|| error("it has no scheme"))?;
        if rest.is_empty() || rest.starts_with('/') {
            return Err(error("it names no host"));
        }
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(error("it has a blank in it"));
        }
        match scheme {
            "http" | "https" => Ok(Endpoint::Http(trimmed.to_owned())),
            "kafka" => Ok(Endpoint::Kafka(rest.to_owned())),
            _ => Err(error("its scheme is none of http, https and kafka")),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Http(url) => f.write_str(url),
            Endpoint::Kafka(servers) => write!(f, "kafka://{servers}"),
        }
    }
}

/// How to reach an endpoint, beyond its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The certificates (PEM) that sign an `https` endpoint's, in place of those that browsers trust.
    pub ca_file: Option<PathBuf>,
}

/// The carrier for `endpoint`. Connects at the first batch, so nobody need be there yet.
///
/// # Errors
/// The carrier is not in this build, or refuses its configuration.
pub fn connect(endpoint: &Endpoint) -> Result<Box<dyn Deliver>> {
    connect_with(endpoint, &ConnectOptions::default())
}

/// As [`connect`], with options.
///
/// # Errors
/// As [`connect`]; or the CA file cannot be read.
pub fn connect_with(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Box<dyn Deliver>> {
    let ConnectOptions { ca_file } = options;
    match endpoint {
        #[cfg(not(feature = "tls"))]
        Endpoint::Http(url) if url.starts_with("https:") => {
            let _ = ca_file;
            Err(Error::FeatureMissing { text: endpoint.to_string(), feature: "tls" })
        }
        #[cfg(feature = "tls")]
        Endpoint::Http(url) if url.starts_with("https:") => {
            Ok(Box::new(crate::Http::trusting(url, ca_file.as_deref())?))
        }
        #[cfg(feature = "http")]
        Endpoint::Http(url) => Ok(Box::new(crate::Http::new(url))),
        #[cfg(not(feature = "http"))]
        Endpoint::Http(_) => Err(Error::FeatureMissing { text: endpoint.to_string(), feature: "http" }),
        #[cfg(feature = "kafka")]
        Endpoint::Kafka(servers) => Ok(Box::new(crate::Kafka::new(servers)?)),
        #[cfg(not(feature = "kafka"))]
        Endpoint::Kafka(_) => Err(Error::FeatureMissing { text: endpoint.to_string(), feature: "kafka" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_errors_name_the_remedy() {
        let http = |url: &str| Endpoint::Http(url.into());
        assert_eq!("http://127.0.0.1:8650/".parse::<Endpoint>().unwrap(), http("http://127.0.0.1:8650"));
        assert_eq!("http://lake/base".parse::<Endpoint>().unwrap(), http("http://lake/base"));
        assert_eq!("kafka://a:9092,b:9092".parse::<Endpoint>().unwrap(), Endpoint::Kafka("a:9092,b:9092".into()));
        assert_eq!("https://lake".parse::<Endpoint>().unwrap(), http("https://lake"));
        for bad in ["", "127.0.0.1:8650", "http://", "https://", "ftp://lake", "http://a b"] {
            let message = bad.parse::<Endpoint>().unwrap_err().to_string();
            assert!(message.contains("give http://host:port"), "{message}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_an_https_endpoint_names_the_feature() {
        let error = connect(&"https://lake".parse().unwrap()).err().expect("an error");
        assert!(error.to_string().contains("needs the feature \"tls\" of the crate framelake"), "{error}");
    }
}
